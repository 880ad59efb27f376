"""A box made of software: an `UltraBox` with a log of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import MAIN, Out, Shelf, Sighting
from drivers.ultra.box import Manner, UltraBox, trigger

PORT: Final = 23
FORMS: Final = ("both", "digits", "zeros")
_SWITCHES: Final = ("reading", "one_way", "on_request")
_NUMBERS: Final = ("heartbeat_s", "start_s", "rewind_rate", "volts")
_KNOWN: Final = (*_SWITCHES, *_NUMBERS, "rewind_form", "box", "lose_every")


class UltraEmulator:
    """An Ultra or Joey.

    Options: `reading` (its radio is on), `one_way` (a bridge that imitates an Ultra: records with
    CR LF, no greeting, no answers), `on_request` (live records only after ``700``),
    `heartbeat_s`, `start_s` (how long the radio takes to start), `rewind_rate` in records per
    second, `volts`, `rewind_form` (both, digits, zeros), `box` (UltraID, 1 to 255), `lose_every`
    (every so many-th record is logged but not sent live; 0: none).

    Raises:
        ValueError: An option is unknown or out of range; the text says what is allowed.
    """

    def __init__(self, options: Mapping[str, object]) -> None:
        self.channels: Mapping[str, int] = {MAIN: PORT}
        self.piece: tuple[int, int] | None = None
        _check(options)
        self._shelf = Shelf()
        self._lose_every = _whole(options, "lose_every", 0, 0, 2**31)
        self.box = UltraBox(
            self._shelf, _manner(options), reading=options.get("reading", True) is True
        )

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Greet the client."""
        return self.box.connected(client)

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        """Answer a client."""
        return self.box.received(client, data, now_ns)

    def disconnected(self, client: int) -> None:
        """Forget a client, and nothing else."""
        self.box.disconnected(client)

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """Log the read and send it; without the radio nothing is seen."""
        if not self.box.reading:
            return []
        stamp = sighting.stamp + self.box.shift_ns
        logged = self._shelf.add(replace(sighting, stamp=stamp))
        if self._lose_every and logged.seq % self._lose_every == 0:
            return []
        return self.box.seen(logged)

    def marked(self, name: str, stamp: int) -> Sequence[Out]:  # noqa: ARG002
        """Log and send the start input, whatever fired it."""
        return self.sighted(trigger(stamp))

    def tick(self, now_ns: int) -> Sequence[Out]:
        """Let time pass."""
        return self.box.tick(now_ns)


def _manner(options: Mapping[str, object]) -> Manner:
    usual = Manner()
    one_way = options.get("one_way") is True
    return Manner(
        box=_whole(options, "box", usual.box, 1, 255),
        end=b"\r\n" if one_way else b"\n",
        heartbeat_ns=round(_number(options, "heartbeat_s", 2) * NS_PER_S),
        start_ns=round(_number(options, "start_s", 5) * NS_PER_S),
        rewind_form=str(options.get("rewind_form", usual.rewind_form)),
        rewind_rate=_number(options, "rewind_rate", usual.rewind_rate),
        one_way=one_way,
        on_request=options.get("on_request") is True,
        volts=_number(options, "volts", usual.volts),
    )


def _check(options: Mapping[str, object]) -> None:
    for name, value in options.items():
        if name not in _KNOWN:
            raise ValueError(f"unknown emulator option {name!r}; allowed: {', '.join(_KNOWN)}")
        if name in _SWITCHES and not isinstance(value, bool):
            raise ValueError(f"emulator option {name!r} is {value!r}; allowed: true, false")
        if name == "rewind_form" and value not in FORMS:
            raise ValueError(f"emulator option {name!r} is {value!r}; allowed: {', '.join(FORMS)}")


def _number(options: Mapping[str, object], name: str, default: float) -> float:
    value = options.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise ValueError(f"emulator option {name!r} is {value!r}; allowed: a number above 0")
    return float(value)


def _whole(options: Mapping[str, object], name: str, default: int, low: int, high: int) -> int:
    value = options.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        allowed = f"a whole number from {low} to {high}"
        raise ValueError(f"emulator option {name!r} is {value!r}; allowed: {allowed}")
    return value
