"""Timing & Scoring's side of the protocol on one connection after another, sans-I/O.

What it sends lies in an `Archive`, whoever keeps that: the emulator's shelf or the journal of a
box that forwards. Everything not acknowledged is sent again: after twenty seconds unchanged, after
a reconnect in new frames with new numbers.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bridge.domain.reads import NS_PER_MS, NS_PER_S
from bridge.driver_api import Archive, Sighting
from drivers.mylaps import frames, key_values, markers, read_lite

PACE_NS: Final = 300 * NS_PER_MS
"""Version 1 sends the next frame not before that, as measured on a production server."""
ACTIVATION_NS: Final = 800 * NS_PER_MS
"""One location after another becomes active in such steps."""
LOCATIONS_NS: Final = NS_PER_S
"""GetLocations is answered that much later."""
MOST_RECORDS: Final[Mapping[int, int]] = {1: 30, 2: 100}
WINDOW: Final[Mapping[int, int]] = {1: 1, 2: 10}
"""Frames that may be unacknowledged at once, by version."""
_NS_PER_MIN: Final = 60 * NS_PER_S
_LINE_END: Final = b"\r\n"
_NULS: Final = b"\0\0"
_SHORTEST: Final = 2
_WITH_VERSION: Final = 3
_WITH_FIELDS: Final = 4
_DEVICE_FIELDS: Final = ("id", "n", "mac", "ant")
"""Told of a device if the server did not choose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How this Timing & Scoring is set up."""

    locations: tuple[str, ...] = ("Finish",)
    """Names in an order; antenna n of a sighting stands for the nth, over and over."""
    version: int = 2
    """Highest version spoken."""
    zone_min: int = 0
    """How far the wall clock of the decoders is ahead of UTC."""
    user: str = ""
    """Login filled in by the operator; empty: none."""
    password: str = ""
    resend_s: float = 20.0
    swap: bool = True
    """Of several frames of version 2 that go out at once the first two change places."""
    marker_first: bool = False
    """A marker is the first thing sent on a connection."""


@dataclass(frozen=True, slots=True)
class _Mark:
    location: str
    name: str
    stamp: int


@dataclass(slots=True)
class _Flight:
    """A frame on its way: records of the archive, or one marker."""

    data: bytes
    count: int
    sent_ns: int
    mark: _Mark | None = None
    is_safe: bool = False


class Exporter:
    """One exporter; `begin` and `end` tell it of its connections."""

    def __init__(
        self,
        archive: Archive,
        setup: Setup,
        *,
        acknowledged: int = 0,
        local: Callable[[int], int] | None = None,
    ) -> None:
        """`acknowledged`: number of the newest record before which all are safe over there.

        `local` makes the decoders' wall clock of UTC; without it that is `Setup.zone_min` ahead.
        """
        self.acknowledged = acknowledged
        self._archive = archive
        self._setup = setup
        self._local = local or (lambda stamp: stamp + setup.zone_min * _NS_PER_MIN)
        self._marks: list[_Mark] = []
        self._cutter = frames.Cutter()
        self._flights: dict[int, _Flight] = {}
        """By message number, in the order they were made."""
        self._reset()

    def _reset(self) -> None:
        self._cutter = frames.Cutter()
        self._flights = {}
        self._is_up = False
        self._version = 0  # nobody has answered a Pong
        self._fields: Sequence[str] = key_values.DEFAULT
        self._device_fields: Sequence[str] = _DEVICE_FIELDS
        self._number = 0
        self._active = 0
        self._activate_ns = self._free_ns = 0
        self._locations_ns: int | None = None

    @property
    def handed(self) -> int:
        """Number of the newest record sent, acknowledged or not."""
        return self.acknowledged + sum(flight.count for flight in self._flights.values())

    def begin(self, now_ns: int) -> bytes:
        """Say hello on a new connection: the login first, then the first location."""
        self._reset()
        self._is_up = True
        setup = self._setup
        if setup.marker_first:
            self.mark(markers.GUN, now_ns)
        login = f"Toolkit@AckAuth@{setup.user}@{setup.password}$".encode() if setup.user else b""
        return (login + _LINE_END if login else b"") + self._activate(now_ns)

    def end(self) -> None:
        """Forget the connection; what it did not acknowledge stays owed."""
        self._reset()

    def mark(self, name: str, stamp: int) -> None:
        """Have a marker of the first location to be sent; `stamp` is UTC."""
        self._marks.append(_Mark(self._setup.locations[0], name, stamp))

    def heard(self, data: bytes, now_ns: int) -> bytes:
        """Take the server's bytes; return the answers."""
        answers = b""
        for piece in self._cutter.feed(data):
            fields = piece.strip(frames.GAP).decode("utf-8", "replace").split("@")
            # One public server ends its answers with a line end alone.
            if len(fields) > _SHORTEST and fields[-1] in {"$", ""}:
                answers += self._answer(fields[:-1], now_ns)
        return answers

    def due(self, now_ns: int) -> bytes:
        """Return what is to be sent now: activations, repeats, and as much news as is allowed."""
        if not self._is_up:
            return b""
        data = b""
        if self._active < len(self._setup.locations) and now_ns >= self._activate_ns:
            data += self._activate(now_ns)
        if self._locations_ns is not None and now_ns >= self._locations_ns:
            self._locations_ns = None
            names = (f"ln={name}" for name in self._setup.locations)
            data += frames.make("Toolkit", "GetLocations", names) + _LINE_END
        return data + _burst([*self._repeats(now_ns), *self._news(now_ns)])

    def _activate(self, now_ns: int) -> bytes:
        self._active += 1
        self._activate_ns = now_ns + ACTIVATION_NS
        return self._by_location("Pong")

    def _answer(self, fields: list[str], now_ns: int) -> bytes:
        match fields[1]:
            case "AckPong":
                self._welcomed(fields)
            case "Ping":
                return self._by_location("AckPing")
            case "GetLocations":
                self._locations_ns = now_ns + LOCATIONS_NS
            case "GetInfo":
                return self._tell_devices(fields[2:])
            case "AckStore" | "AckPassing" | "AckMarker":
                self._safe(fields[2:])
            case _:
                pass  # the answers to a login, and whatever else
        return b""

    def _welcomed(self, fields: list[str]) -> None:
        """Speak the version the server wants; anything but its exact words means the first."""
        wants_two = len(fields) >= _WITH_VERSION and fields[2] == frames.VERSION
        version = 2 if wants_two and self._setup.version >= 2 else 1  # noqa: PLR2004
        if version != self._version:
            self._version = version
            self._flights = {}  # the other version would not understand them
        if version == 2:  # noqa: PLR2004
            chosen = [*fields[_WITH_FIELDS - 1 :], "", ""]
            self._fields = chosen[0].split("|") if chosen[0] else key_values.DEFAULT
            self._device_fields = chosen[1].split("|") if chosen[1] else _DEVICE_FIELDS

    def _safe(self, fields: list[str]) -> None:
        number = frames.number_of(fields[0].encode()) if fields else None
        flight = self._flights.get(number) if number is not None else None
        if flight is None:
            return
        flight.is_safe = True
        for key, oldest in list(self._flights.items()):
            if not oldest.is_safe:
                break
            del self._flights[key]
            self.acknowledged += oldest.count
            if oldest.mark in self._marks:
                self._marks.remove(oldest.mark)

    def _repeats(self, now_ns: int) -> list[bytes]:
        repeats = []
        for flight in self._flights.values():
            if not flight.is_safe and now_ns - flight.sent_ns >= self._setup.resend_s * NS_PER_S:
                flight.sent_ns = now_ns
                repeats.append(flight.data)
        return repeats

    def _news(self, now_ns: int) -> list[bytes]:
        """Make frames of what is owed, as many as may be on their way at once."""
        made: list[bytes] = []
        version = self._version
        while version and len(self._flights) < WINDOW[version] and now_ns >= self._free_ns:
            flight = self._next_mark(now_ns) or self._next_records(now_ns)
            if flight is None:
                break
            self._flights[self._number] = flight
            made.append(flight.data)
            if version == 1:
                self._free_ns = now_ns + PACE_NS
        if self._setup.swap and len(made) > 1:
            made[0], made[1] = made[1], made[0]
        return made

    def _next_mark(self, now_ns: int) -> _Flight | None:
        flying = sum(flight.mark is not None for flight in self._flights.values())
        if flying >= len(self._marks):
            return None
        mark = self._marks[flying]
        text = markers.encode(mark.name, self._local(mark.stamp), self._version)
        return _Flight(self._numbered(mark.location, "Marker", [text]), 0, now_ns, mark)

    def _next_records(self, now_ns: int) -> _Flight | None:
        found = self._archive.read(self.handed + 1, MOST_RECORDS[self._version])
        if not found:
            return None
        location = self._place(found[0])
        batch: list[str] = []
        for sighting in found:
            if self._place(sighting) != location:
                break
            batch.append(self._record(sighting))
        function = "Store" if self._version == 1 else "Passing"
        return _Flight(self._numbered(location, function, batch), len(batch), now_ns)

    def _numbered(self, location: str, function: str, records: Iterable[str]) -> bytes:
        self._number += 1
        return frames.make(location, function, [*records, str(self._number)])

    def _record(self, sighting: Sighting) -> str:
        local = self._local(sighting.stamp)
        if self._version == 1:
            return read_lite.encode(sighting, local)
        return key_values.encode(sighting, local, self._fields)

    def _place(self, sighting: Sighting) -> str:
        names = self._setup.locations
        return sighting.place or names[(sighting.antenna - 1) % len(names)]

    def _by_location(self, function: str) -> bytes:
        return _burst(
            [frames.make(name, function) for name in self._setup.locations[: self._active]]
        )

    def _tell_devices(self, asked: list[str]) -> bytes:
        names = self._setup.locations
        if self._version != 2:  # noqa: PLR2004
            told = [
                f"{name}@AckGetInfo@BibTag{n:04d}@Unknown@Laptop$" for n, name in enumerate(names)
            ]
            return _burst([text.encode() for text in told])
        if not asked:
            return _burst([frames.make("T&S", "AckGetInfo", ["sd=2026-05-30|rn=Rehearsal"])])
        return _burst(
            [
                frames.make(name, "AckGetInfo", [self._device(number)])
                for number, name in enumerate(names)
                if name in asked
            ]
        )

    def _device(self, number: int) -> str:
        values = {
            "id": f"2025055{number:04d}",
            "n": f"BibTagDecoder{number:04X}",
            "dt": "BibTag",
            "nr": str(number + 1),
            "mac": f"0004B707{number:04X}",
            "bat": "87",
            "prof": "n.a.",
            "ant": "2",
            "fwv": "n.a.",
            "temp": "31",
            "tz": str(self._setup.zone_min),
            "ts": "NTP",
            "ps": "net",
            "isconn": "1",
        }
        return "|".join(f"{key}={values.get(key, 'n.a.')}" for key in self._device_fields)


def _burst(made: Sequence[bytes]) -> bytes:
    """Return frames with what really stands behind each: CR LF, and NULs behind one of several."""
    lines = [data + _LINE_END for data in made]
    if len(lines) > 1:
        lines[0] += _NULS
    return b"".join(lines)
