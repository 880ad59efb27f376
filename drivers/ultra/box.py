"""Being an Ultra to its clients: greeting, heartbeat, answers, live records, rewinds.

The records are somebody else's (`Archive`): a list behind the emulator, the journal of the bridge
where it stands in for a box. So nothing here stores a read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Archive, Out, Sighting
from drivers.ultra import records
from drivers.ultra.commands import Command, CommandReader, Kind
from drivers.ultra.decoder import BATTERY_AT, READING_AT, STATUS

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EXTENDED_SIZE: Final = 64
_PIECE: Final = 500
_LOOKED: Final = 3_000
"""Records looked at per turn while a rewind by time goes through the archive."""
_NEVER: Final = 2**63
SENDING: Final = b"\x24"
BOX: Final = b"\x25"


def usual_settings(box: int, *, on_request: bool) -> dict[bytes, bytes]:
    """Return the settings clients ask for, by id, as a Joey tells them."""
    return {
        b"\x09": b"0",
        b"\x14": b"3",
        b"\x1a": b"255.255.255.255",
        b"\x1b": b"0.0.0.0",
        b"\x1d": b"0",
        b"\x1e": b"5",
        b"\x21": b"1",
        b"\x22": b"0",
        b"\x23": b"0",
        SENDING: b"1" if on_request else b"0",
        BOX: b"%d" % box,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a box behaves."""

    box: int = 1
    """UltraID, 1 to 255."""
    end: bytes = b"\n"
    heartbeat_ns: int = 2 * NS_PER_S
    start_ns: int = 5 * NS_PER_S
    """How long the radio takes to start: nothing is said meanwhile."""
    rewind_form: str = "both"
    """Which form of a rewind is understood: ``digits``, ``zeros`` or ``both``."""
    rewind_rate: float = 1000.0
    """Records per second."""
    one_way: bool = False
    """Send records, and neither greet nor answer."""
    on_request: bool = False
    is_steady: bool = False
    """Its radio is on for ever, whoever says start or stop."""
    volts: float = 25.0


@dataclass(slots=True)
class _Rewind:
    kind: Kind
    first: int
    last: int
    next: int = 1
    """Number of the record to look at next."""

    @property
    def is_past(self) -> bool:
        """Whether nothing more can be wanted; times need not be in the order of the log."""
        return self.kind is Kind.REWIND_LOG and self.next > self.last


@dataclass(slots=True)
class _Client:
    reader: CommandReader = field(default_factory=CommandReader)
    sending: bool = True
    rewind: _Rewind | None = None
    next: int = 1
    """Number of the next live record, for a box that hands out its archive by `due`."""


class UltraBox:
    """One box with any number of clients; sans-I/O.

    Attributes:
        reading: Whether its radio is on; what passes otherwise is not seen.
        shift_ns: What ``t`` added to the clock the box is given.
        handed: Number of the newest live record that `due` gave to anybody.
    """

    def __init__(self, archive: Archive, manner: Manner, *, reading: bool = True) -> None:
        self.reading = reading
        self.shift_ns = 0
        self.handed = 0
        self._archive = archive
        self._manner = manner
        self._settings = usual_settings(manner.box, on_request=manner.on_request)
        self._clients: dict[int, _Client] = {}
        self._starts_ns: int | None = None
        self._beat_ns = self._ticked_ns = 0
        self._credit = 0.0

    def connected(self, client: int) -> list[Out]:
        """Greet: clients throw away everything up to the first line end."""
        sending = self._settings[SENDING] == b"0"
        self._clients[client] = _Client(sending=sending, next=len(self._archive) + 1)
        newest = self._archive.read(len(self._archive), 1)
        last = records.seconds_of(newest[0].stamp) if newest else 0
        return self._say(b"Connected,%d" % last, client)

    def disconnected(self, client: int) -> None:
        """Forget the client; its rewind ends."""
        self._clients.pop(client, None)

    def received(self, client: int, data: bytes, now_ns: int) -> list[Out]:
        """Do what a client asks for, and answer."""
        state = self._clients.get(client)
        if state is None or self._manner.one_way:
            return []
        outs: list[Out] = []
        for command in state.reader.feed(data):
            outs += self._do(client, state, command, now_ns + self.shift_ns)
        return outs

    def seen(self, sighting: Sighting) -> list[Out]:
        """Send a sighting that now stands in the archive to whoever wants live records."""
        line = self._record(sighting, rewound=False)
        return [Out(line, client) for client, state in self._clients.items() if state.sending]

    def due(self, client: int) -> bytes:
        """Return the next live records of a client from the archive, and a piece of its rewind."""
        state = self._clients[client]
        live = self._archive.read(state.next, _PIECE) if state.sending else ()
        state.next += len(live)
        self.handed = max(self.handed, state.next - 1)
        lines = [self._record(sighting, rewound=False) for sighting in live]
        self._credit = float(_PIECE)
        lines += [out.data for out in self._wind(client, state)]
        return b"".join(lines)

    def tick(self, now_ns: int) -> list[Out]:
        """Let time pass: the heartbeat, the start of the radio, a piece of each rewind."""
        if self._starts_ns is not None:
            if now_ns + self.shift_ns < self._starts_ns:
                return []
            self._starts_ns, self.reading = None, True
        outs = self.beat(now_ns)
        passed_s = max(now_ns - self._ticked_ns, 0) / NS_PER_S if self._ticked_ns else 0
        self._ticked_ns = now_ns
        self._credit = min(self._credit + passed_s * self._manner.rewind_rate, 10.0 * _PIECE)
        for client, state in self._clients.items():
            outs += self._wind(client, state)
        return outs

    def beat(self, now_ns: int) -> list[Out]:
        """Return the heartbeats that are due."""
        outs: list[Out] = []
        if now_ns >= self._beat_ns and self._clients:
            self._beat_ns = now_ns + self._manner.heartbeat_ns
            for client in self._clients:
                outs += self._say(b"V=%.4f" % self._manner.volts, client)
        return outs

    def _say(self, line: bytes, client: int) -> list[Out]:
        return [] if self._manner.one_way else [Out(line + self._manner.end, client)]

    def _record(self, sighting: Sighting, *, rewound: bool) -> bytes:
        box, end = self._manner.box, self._manner.end
        return records.record(sighting, rewound=rewound, box=box, end=end)

    def _do(self, client: int, state: _Client, command: Command, clock_ns: int) -> list[Out]:
        match command.kind:
            case Kind.REWIND_TIME | Kind.REWIND_LOG:
                self._begin(state, command)
            case Kind.START | Kind.STOP if self._manner.is_steady:
                pass
            case Kind.START | Kind.STOP:
                self._switch(clock_ns, on=command.kind is Kind.START)
            case Kind.SEND | Kind.HOLD:
                state.sending = command.kind is Kind.SEND
                state.next = len(self._archive) + 1
                if command.parts and command.parts[0]:
                    state.rewind = _Rewind(Kind.REWIND_TIME, int(command.parts[0]), _NEVER)
            case Kind.END_REWIND:
                state.rewind = None
            case Kind.SET_TIME:
                return self._set_time(client, command, clock_ns)
            case _:
                return self._answer(client, command, clock_ns)
        return []

    def _answer(self, client: int, command: Command, clock_ns: int) -> list[Out]:
        match command.kind:
            case Kind.STATUS:
                return self._say(b"S=100" if self.reading else b"S=000", client)
            case Kind.TIME:
                return self._say(_time(clock_ns), client)
            case Kind.SETTINGS:
                lines = [b"U%b%b" % setting for setting in self._settings.items()]
                return self._say(self._manner.end.join([*lines, b"U2"]), client)
            case Kind.SET:
                self._settings[command.parts[0]] = command.parts[1]
                return self._say(b"u%b\x02" % command.parts[0], client)
            case Kind.COMMIT:
                return self._say(b"u\xff\x02", client)
            case Kind.EXTENDED:
                return [Out(self._extended(), client)]
            case _:
                return []  # N answers a question that this box never asks

    def _switch(self, clock_ns: int, *, on: bool) -> None:
        if not on:
            self.reading, self._starts_ns = False, None
        elif not self.reading:
            self._starts_ns = clock_ns + self._manner.start_ns

    def _set_time(self, client: int, command: Command, clock_ns: int) -> list[Out]:
        """Set the clock; ignored while reading."""
        hour, minute, second, day, month, year = (int(part) for part in command.parts)
        try:
            wanted = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        except ValueError:
            return []
        if not self.reading:
            stamp = round((wanted - _EPOCH).total_seconds()) * NS_PER_S
            self.shift_ns += stamp - clock_ns
            clock_ns = stamp
        return self._say(_time(clock_ns), client)

    def _extended(self) -> bytes:
        status = bytearray(_EXTENDED_SIZE)
        status[:2] = STATUS, _EXTENDED_SIZE
        status[BATTERY_AT], status[READING_AT] = 100, int(self.reading)
        return bytes(status)

    def _begin(self, state: _Client, command: Command) -> None:
        form, first, last = command.parts
        if self._manner.rewind_form not in {"both", "digits" if form == b"00" else "zeros"}:
            return
        start, end = int(first), int(last)
        if command.kind is Kind.REWIND_TIME:
            state.rewind = _Rewind(command.kind, start, end or _NEVER)
        else:
            state.rewind = _Rewind(command.kind, start, end or _NEVER, max(start, 1))

    def _wind(self, client: int, state: _Client) -> list[Out]:
        """Send the next piece of a client's rewind, as far as the rate allows."""
        lines: list[bytes] = []
        looked = 0
        while state.rewind is not None and self._credit >= 1 and looked < _LOOKED:
            piece = self._archive.read(state.rewind.next, _PIECE)
            looked += _PIECE
            lines += self._wanted(state.rewind, piece)
            if not piece or state.rewind.is_past:
                state.rewind = None
        return [Out(b"".join(lines), client)] if lines else []

    def _wanted(self, rewind: _Rewind, piece: Sequence[Sighting]) -> list[bytes]:
        lines: list[bytes] = []
        for sighting in piece:
            if self._credit < 1:
                break
            rewind.next = sighting.seq + 1
            if _is_wanted(sighting, rewind):
                lines.append(self._record(sighting, rewound=True))
                self._credit -= 1
        return lines


def _is_wanted(sighting: Sighting, rewind: _Rewind) -> bool:
    if rewind.kind is Kind.REWIND_LOG:
        return rewind.first <= sighting.seq <= rewind.last
    return rewind.first <= records.seconds_of(sighting.stamp) <= rewind.last


def _time(clock_ns: int) -> bytes:
    """Return the clock as a box tells it: nothing is padded, and a number in brackets follows."""
    at = _EPOCH + timedelta(seconds=clock_ns // NS_PER_S)
    seconds = records.seconds_of(clock_ns)
    text = f"{at.hour}:{at.minute}:{at.second} {at.day}-{at.month}-{at.year} ({seconds})"
    return text.encode("ascii")


def trigger(stamp: int) -> Sighting:
    """Return the record of the start input: chip 0 on antenna 0."""
    return Sighting(chip=records.TRIGGER, stamp=stamp, antenna=0, rssi=0)
