"""A device made of software: a `WiclaxBox` with a memory of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import MAIN, Out, Shelf, Sighting
from drivers.wiclax.box import WiclaxBox
from drivers.wiclax.records import gun_line

PORT: Final = 9854
"""Devices choose their port; this one stands in the description's example."""
_KNOWN: Final = ("heartbeat_s", "lose_every")


class WiclaxEmulator:
    """A device that reads from the start.

    Options: `heartbeat_s` between two signs of life, `lose_every` (every so many-th record is
    stored but not sent live; 0: none).

    Raises:
        ValueError: An option is unknown or out of range; the text says what is allowed.
    """

    def __init__(self, options: Mapping[str, object]) -> None:
        self.channels: Mapping[str, int] = {MAIN: PORT}
        self.piece: tuple[int, int] | None = None
        if unknown := [name for name in options if name not in _KNOWN]:
            allowed = ", ".join(_KNOWN)
            raise ValueError(f"unknown emulator option {unknown[0]!r}; allowed: {allowed}")
        heartbeat_s = _number(options, "heartbeat_s", 5)
        self._lose_every = round(_number(options, "lose_every", 0))
        self._shelf = Shelf()
        self._box = WiclaxBox(
            self._shelf, heartbeat_ns=round(heartbeat_s * NS_PER_S), is_steady=False
        )
        self._clients: set[int] = set()

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Say nothing: the software speaks first."""
        self._clients.add(client)
        self._box.connected(client)
        return []

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        """Answer a client."""
        return [*self._box.received(client, data, now_ns), *self._due()]

    def disconnected(self, client: int) -> None:
        """Forget a client, and nothing else."""
        self._clients.discard(client)
        self._box.disconnected(client)

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """Store the read and send it, if it is reading."""
        if not self._box.reading:
            return []
        stored = self._shelf.add(replace(sighting, stamp=sighting.stamp + self._box.shift_ns))
        if self._lose_every and stored.seq % self._lose_every == 0:
            self._box.skip()
        return self._due()

    def marked(self, name: str, stamp: int) -> Sequence[Out]:  # noqa: ARG002
        """Tell of a start, whatever fired it."""
        return [Out(gun_line(stamp + self._box.shift_ns))]

    def tick(self, now_ns: int) -> Sequence[Out]:
        """Give signs of life, and go on with rewinds."""
        return [*self._box.beat(now_ns), *self._due()]

    def _due(self) -> list[Out]:
        return [Out(data, client) for client in self._clients if (data := self._box.due(client))]


def _number(options: Mapping[str, object], name: str, default: float) -> float:
    value = options.get(name, default)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= float(str(value)) <= 86_400:  # noqa: PLR2004
        raise ValueError(f"emulator option {name!r} is {value!r}; allowed: 0 to 86400")
    return float(str(value))
