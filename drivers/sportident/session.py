"""One connection to a SPORTident station or an SRR radio receiver.

A station is taken to direct mode, as every reading program does (the mode lasts as long as the
link), and asked for its clock and for where its memory ends. A radio receiver answers nothing: its
punches are taken as they come. Never sent: set clock, erase, power off, whatever sets values.
"""

from collections.abc import Mapping
from typing import Final

from bridge.domain.reads import NS_PER_S, StampForm
from bridge.driver_api import (
    MAIN,
    Alarm,
    Clock,
    Control,
    Event,
    Hangup,
    Kept,
    Opening,
    Reason,
    Rejected,
    Remember,
    Send,
    Status,
)
from drivers.sportident import punches
from drivers.sportident.backup import ASK_POINTER, HEAD, Backup
from drivers.sportident.frames import NOISE, Frames, Piece, build
from drivers.watch import Verdict, Watch

DIRECT: Final = build(punches.SET_MODE, b"M", wake=True)
ASK_CLOCK: Final = build(punches.GET_CLOCK, wake=True)
BACKFILLS: Final = ("missed", "all", "never")
_POLL_NS: Final = 4 * NS_PER_S
_ASKED: Final = (punches.SET_MODE, punches.GET_CLOCK, punches.GET_SYSTEM, punches.GET_BACKUP)
"""What comes as an answer alone; other frames a receiver that cannot hear us may send by itself."""
_CRC_AND_END: Final = 3
_BLANKS: Final = (b"\0\0\0", b"\xff\xff\xff", b"\xee\xee\xee")
_NAK: Final = b"\x15"


class SportidentSession:
    """Decode punches; date them by the station's clock; read what was missed from its memory."""

    def __init__(self, opening: Opening) -> None:
        policy = str(opening.options.get("backfill", "missed"))
        self._frames = Frames()
        self._watch = Watch()
        self._backup = Backup(opening.memory, policy)
        self._remembered = opening.memory
        self._is_open = False
        self._has_memory = policy != "never"
        self._station_ns: int | None = None
        self._knows_weekday = False
        """The station's own weekday fits its date, so those of punches mean something."""
        self._now_ns = 0
        self._told_gap = False

    @property
    def pending(self) -> bytes:
        """Noise that may still grow, and an incomplete frame."""
        return self._frames.pending

    def opened(self, now_ns: int) -> list[Event]:
        """Go to direct mode; ask for the clock, then for the end of the memory."""
        self._is_open = True
        self._now_ns = now_ns
        self._watch.begin(now_ns)
        return [Send(DIRECT), *self._poll()]

    def feed(self, data: bytes, channel: str = MAIN) -> list[Event]:  # noqa: ARG002
        """Return what is complete, in wire order."""
        if data:
            self._watch.heard(answer=False)
        events: list[Event] = []
        for piece in self._frames.feed(data):
            events += self._take(piece)
        return events + (self._next() if self._is_open else [])

    def tick(self, now_ns: int) -> list[Event]:
        """Let time pass: poll, read what was missed, give up a station that fell silent."""
        self._now_ns = now_ns
        match self._watch.tick(now_ns, every_ns=_POLL_NS if self._watch.answers else None):
            case Verdict.DEAD:
                return [Hangup("the station fell silent: no answer for nine seconds")]
            case Verdict.POLL:
                return self._poll()
            case Verdict.FINE:
                return self._next()

    def closed(self, channel: str, *, refused: bool) -> list[Event]:  # noqa: ARG002
        """Do nothing: no channel was dialled."""
        return []

    def _poll(self) -> list[Event]:
        events: list[Event] = [Send(ASK_CLOCK, asks_clock=True)]
        if self._has_memory:
            events.append(Send(ASK_POINTER))
        return events

    def _next(self) -> list[Event]:
        """Return the next question to the memory, and what has to be remembered or told."""
        events: list[Event] = []
        command = self._backup.request(self._now_ns)
        if command is not None:
            events.append(Send(command))
        if self._backup.gave_up != self._told_gap:
            self._told_gap = self._backup.gave_up
            text = (
                "punches were missed and the station does not give its backup memory: read it with "
                "the maker's program"
            )
            events.append(Alarm("punches_missing", text, on=self._told_gap))
        memory = self._backup.memory()
        if memory is not None and memory != self._remembered:
            self._remembered = memory
            events.append(Remember(memory))
        return events

    def _take(self, piece: Piece) -> list[Kept]:
        raw, command, data, reason = piece
        if command == NOISE:
            return [Control(raw, "refused") if raw == _NAK else Rejected(raw, reason)]
        if command == punches.PUNCH:
            return [self._punch(raw, data)]
        if command in _ASKED:
            self._watch.heard(answer=True)
        if command == punches.GET_BACKUP:
            return self._memory(raw, data)
        return [self._answer(raw, command, data)]

    def _punch(self, raw: bytes, data: bytes) -> Kept:
        punch = punches.parse(data)
        if punch is None:
            return Rejected(raw, Reason.FIELD, "no such punch")
        if punch.address is not None and self._is_open:
            self._backup.came(punch.address)
        if not self._knows_weekday:
            punch = punch._replace(weekday=None)
        return punches.read_of(raw, punch, self._station_ns)

    def _answer(self, raw: bytes, command: int, data: bytes) -> Kept:
        if command == punches.GET_CLOCK:
            stamp = punches.clock_of(data)
            if stamp is None:
                return Rejected(raw, Reason.FIELD, "no such clock")
            self._station_ns = stamp
            self._knows_weekday = punches.weekday_told(data[5]) == punches.weekday_of(stamp)
            return Clock(raw, stamp, StampForm.NAIVE)
        if command == punches.GET_SYSTEM:
            self._backup.pointed(data)
            return Control(raw, "system values", {"data": data.hex()})
        if command == punches.SET_MODE:
            return Status(raw, {"mode": "direct" if data[2:3] == b"M" else "remote"})
        if command == punches.KEEPALIVE:
            return Control(raw, "sign of life of the radio")
        if command in punches.CARD_MOVES:
            card = punches.card_of(data[-3:])
            return Control(raw, punches.CARD_MOVES[command], {"card": card})
        return Control(raw, f"answer {command:02x}", {"data": data.hex()})

    def _memory(self, raw: bytes, data: bytes) -> list[Kept]:
        """Return the punches in a piece of memory, each with its own eight bytes."""
        if len(data) < HEAD:
            return [Rejected(raw, Reason.FIELD, "no such answer")]
        records = self._backup.answered(data)
        control = int.from_bytes(data[:2], "big")
        head = len(raw) - _CRC_AND_END - len(data) + HEAD
        events: list[Kept] = [Control(raw[:head], "backup memory")]
        for record in records:
            if record[:3] in _BLANKS:
                events.append(Control(record, "empty record"))
            else:
                events.append(punches.stored(record, control))
        events.append(Control(raw[head + len(records) * punches.RECORD :], "end of backup memory"))
        return events


def complaints(options: Mapping[str, object]) -> list[str]:
    """Return what is wrong with `options`, one sentence per key."""
    found = []
    if options.get("backfill", "missed") not in BACKFILLS:
        allowed = ", ".join(BACKFILLS)
        found.append(f"option 'backfill' is {options['backfill']!r}; allowed: {allowed}")
    return found + [
        f"unknown option {name!r}; allowed: backfill" for name in options if name != "backfill"
    ]
