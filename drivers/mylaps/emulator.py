"""Timing & Scoring made of software: it connects to the bridge and sends what its mats see."""

from collections.abc import Mapping, Sequence
from typing import Final

from bridge.driver_api import MAIN, Out, Shelf, Sighting
from drivers.mylaps.exporter import Exporter, Setup
from drivers.mylaps.frames import is_clean

PORT: Final = 3097
_KNOWN: Final = (
    "locations", "version", "zone_min", "user", "password", "resend_s", "swap", "marker_first",
)  # fmt: skip
_MOST_ZONE_MIN: Final = 14 * 60


class MylapsEmulator:
    """One exporter with a shelf behind it; a new connection takes the place of the one before.

    Raises:
        ValueError: An option is unknown or cannot be; the text says what is allowed.
    """

    def __init__(self, options: Mapping[str, object]) -> None:
        self.channels: Mapping[str, int] = {MAIN: PORT}
        self.piece: tuple[int, int] | None = None
        self._shelf = Shelf()
        self._exporter = Exporter(self._shelf, setup_of(options))
        self._client: int | None = None
        self._now_ns = 0

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Say hello at once: the one that connects speaks first."""
        self._now_ns = now_ns
        old, self._client = self._client, client
        outs = [] if old is None else [Out(client=old, close=True)]
        return [*outs, *self._out(self._exporter.begin(now_ns))]

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        """Answer the server, and send what its acknowledgements allow."""
        self._now_ns = now_ns
        if client != self._client:
            return []
        return self._out(self._exporter.heard(data, now_ns) + self._exporter.due(now_ns))

    def disconnected(self, client: int) -> None:
        """Go on storing; the next connection gets what this one did not acknowledge."""
        if client == self._client:
            self._client = None
            self._exporter.end()

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """Store the passing and send it, if something may be sent."""
        self._shelf.add(sighting)
        return self._out(self._exporter.due(self._now_ns))

    def marked(self, name: str, stamp: int) -> Sequence[Out]:
        """Send a marker, before any passing that still waits."""
        self._exporter.mark(name, stamp)
        return self._out(self._exporter.due(self._now_ns))

    def tick(self, now_ns: int) -> Sequence[Out]:
        """Send what is due by now."""
        self._now_ns = now_ns
        return self._out(self._exporter.due(now_ns))

    def _out(self, data: bytes) -> list[Out]:
        return [Out(data, self._client)] if data and self._client is not None else []


def setup_of(options: Mapping[str, object]) -> Setup:
    """Return the options as a `Setup`.

    Options: `locations` (names, comma between), `version` 1 or 2, `zone_min` of the decoders'
    wall clock, `user` and `password` of a login, `resend_s`, `swap` and `marker_first` true or
    false.

    Raises:
        ValueError: Something is unknown or cannot be; the text says what is allowed.
    """
    unknown = [name for name in options if name not in _KNOWN]
    if unknown:
        raise ValueError(f"unknown emulator option {unknown[0]!r}; allowed: {', '.join(_KNOWN)}")
    names = tuple(name.strip() for name in str(options.get("locations", "Finish")).split(","))
    user, password = (str(options.get(name, "")) for name in ("user", "password"))
    resend_s = options.get("resend_s", 20.0)
    _need(all(map(is_clean, names)), options, "locations", "names without @, $ and |")
    _need(not user or is_clean(user), options, "user", "text without @, $ and |")
    _need(not password or is_clean(password), options, "password", "text without @, $ and |")
    positive = isinstance(resend_s, int | float) and not isinstance(resend_s, bool) and resend_s > 0
    _need(positive, options, "resend_s", "a number above 0")
    return Setup(
        locations=names,
        version=_whole(options, "version", 2, range(1, 3)),
        zone_min=_whole(options, "zone_min", 0, range(-_MOST_ZONE_MIN, _MOST_ZONE_MIN + 1)),
        user=user,
        password=password,
        resend_s=float(str(resend_s)),
        swap=_switch(options, "swap", default=True),
        marker_first=_switch(options, "marker_first", default=False),
    )


def _whole(options: Mapping[str, object], name: str, default: int, allowed: range) -> int:
    value = options.get(name, default)
    is_right = isinstance(value, int) and not isinstance(value, bool) and value in allowed
    _need(is_right, options, name, f"{allowed[0]} to {allowed[-1]}")
    return int(str(value))


def _switch(options: Mapping[str, object], name: str, *, default: bool) -> bool:
    value = options.get(name, default)
    _need(isinstance(value, bool), options, name, "true, false")
    return value is True


def _need(is_right: object, options: Mapping[str, object], name: str, allowed: str) -> None:
    if not is_right:
        raise ValueError(f"emulator option {name!r} is {options.get(name)!r}; allowed: {allowed}")
