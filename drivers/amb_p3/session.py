"""One connection to a decoder: frames or ASCII records in, events out, a few questions back.

It never sends RESET, CLEAR_PASSING or a time to set.
"""

from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import (
    MAIN,
    Alarm,
    Clock,
    ClockStep,
    Event,
    Hangup,
    Kept,
    Marker,
    Opening,
    PassiveSession,
    Read,
    Reason,
    Rejected,
    Remember,
    Send,
    Status,
)
from drivers.amb_p3 import frames, lines, records
from drivers.amb_p3.frames import Broken, Kind
from drivers.amb_p3.options import parse
from drivers.amb_p3.recovery import Recovery, Request
from drivers.amb_p3.stream import Piece, Shape, Splitter
from drivers.clock_steps import ClockSteps

ASK_TIME: Final = bytes.fromhex("8e0000005beb000024000100040005008f")
"""GET_TIME with empty fields, as vmindru's time_server.py sends it: version and length are 0."""
_FRAME_PIECE: Final = 100
_LINE_PIECE: Final = 8
_CLOCK_EVERY_NS: Final = 10 * NS_PER_S
_CLOCK_WAIT_NS: Final = 3 * NS_PER_S
_QUIET_NS: Final = 4 * NS_PER_S
_DEAD_NS: Final = 9 * NS_PER_S
"""Silence of a decoder that answers questions; noticed up to one second late."""
_DEAD_UNASKED_NS: Final = 30 * NS_PER_S
"""Silence of one that cannot be asked: status comes every 4.3 s, but that is a setting of its."""
_RESTART_NS: Final = 60 * NS_PER_S
_LOW_V: Final = 10.5
"""A 12 V lead battery is empty."""
_SHAPES: Final = {
    Shape.CUT: (Reason.FRAMING, "another frame begins in it"),
    Shape.OVERLONG: (Reason.OVERLONG, "no end of frame"),
    Shape.NOISE: (Reason.FRAMING, "neither a frame nor a record"),
}


class AmbSession(PassiveSession):
    """Decode a decoder's stream and, once `opened`, ask for time and for missed passings."""

    def __init__(self, opening: Opening) -> None:
        options = parse(opening.options)
        self._by_code = options.chip == "code"
        self._zero_crc = options.zero_crc
        self._repairs = options.resend
        self._may_ask_first = opening.link == "tcp"  # on a serial line ASCII is spoken
        self._splitter = Splitter()
        self._recovery = Recovery(opening.memory, piece=_FRAME_PIECE)
        self._live = self._heard = self._speaks_p3 = self._answers = False
        self._now = self._heard_ns = self._asked_ns = 0
        self._waits_for_clock = self._supply_low = self._foreign = False
        self._clock: Clock | None = None
        self._steps = ClockSteps()
        self._open_ns: int | None = None
        """When the time was asked for that has not been told since."""
        self._last_line: tuple[int, int, int] | None = None
        """Numbering, number and time of the newest ASCII passing."""

    def opened(self, now_ns: int) -> list[Event]:
        """Wait for the decoder: its status comes by itself."""
        self._live = True
        self._now = self._heard_ns = now_ns
        self._asked_ns = now_ns - _CLOCK_EVERY_NS
        return []

    @property
    def pending(self) -> bytes:
        """Bytes of an incomplete frame or record."""
        return self._splitter.pending

    def feed(self, data: bytes, channel: str = MAIN) -> list[Event]:
        """Take bytes as they came; return what is complete, in wire order."""
        if channel != MAIN:
            return [Rejected(data, Reason.UNKNOWN, f"no channel {channel} was opened")]
        self._heard = self._heard or bool(data)
        events: list[Event] = []
        for piece in self._splitter.feed(data):
            events += self._taken(piece)
        if self._live and events:
            events += self._follow_up()
        return events

    def tick(self, now_ns: int) -> list[Event]:
        """Ask for the time, repeat what was not answered, notice a dead link."""
        self._now = now_ns
        if self._heard:
            self._heard, self._heard_ns = False, now_ns
        quiet = now_ns - self._heard_ns
        if quiet >= (_DEAD_NS if self._answers else _DEAD_UNASKED_NS):
            return [Hangup(f"the decoder has said nothing for {quiet // NS_PER_S} s")]
        events = self._follow_up()
        if memory := self._recovery.take_memory():
            events.append(Remember(memory))
        return [*events, *self._ask_time(quiet)]

    def _taken(self, piece: Piece) -> list[Event]:
        if piece.shape is Shape.FRAME:
            return self._frame(piece.raw)
        if piece.shape is Shape.LINE:
            return self._line(piece.raw)
        if piece.shape is Shape.NOISE and lines.is_hex_dialect(piece.raw):
            return self._foreign_dialect(piece.raw)
        return [Rejected(piece.raw, *_SHAPES[piece.shape])]

    def _frame(self, raw: bytes) -> list[Event]:
        frame = frames.parse(raw, zero_crc=self._zero_crc)
        if isinstance(frame, Broken):
            return [Rejected(raw, frame.reason, frame.detail)]
        asked = self._waits_for_clock
        event = records.event_of(raw, frame, by_code=self._by_code, asked=asked)
        if not self._live:
            return [event]
        self._speaks_p3 = True
        events: list[Event] = [event]
        number = records.passing_number(frame) if isinstance(event, Read | Marker) else None
        if isinstance(event, Read | Marker) and number is not None:
            self._recovery.came(frame.decoder, number, event.stamp)
        elif isinstance(event, Clock):
            events = [*self._told_time(event), event]
        elif isinstance(event, Status):
            events += self._supply(event)
        elif frame.kind in (Kind.RESET, Kind.CLEAR_PASSING):
            self._recovery.cleared()
        elif frame.kind == Kind.ERROR:
            self._recovery.refused()
        if self._repairs:
            events += self._request(self._recovery.met(frame.decoder, self._now))
        return events

    def _line(self, raw: bytes) -> list[Event]:
        line = lines.parse(raw)
        if isinstance(line, Rejected):
            return [line]
        event: Kept = lines.event_of(raw, line)
        number = lines.sequence_of(line)
        if not self._live or number is None or isinstance(event, Rejected):
            return [event]
        self._may_ask_first = False  # it would not understand
        self._recovery.piece = _LINE_PIECE
        stamp = event.stamp if isinstance(event, Read) else None
        self._recovery.came(line.fields[0].decode("latin-1"), number, stamp)
        return [*self._began_at_zero(number, stamp), event]

    def _began_at_zero(self, number: int, stamp: int | None) -> list[Event]:
        """Return the step if seconds began again at zero; a passing sent again is older anyway."""
        last = self._last_line
        numbering = self._recovery.numbering
        if stamp is None or (last and last[0] == numbering and number <= last[1]):
            return []
        self._last_line = (numbering, number, stamp)
        if last and last[2] - stamp > _RESTART_NS:
            return [ClockStep(b"", last[2], stamp, "the decoder's seconds began again at zero")]
        return []

    def _follow_up(self) -> list[Event]:
        """Go on with what is missing; one request is open at a time, so live passings go first."""
        events: list[Event] = []
        if self._repairs:
            self._recovery.progress(self._now)
            events = self._request(self._recovery.go_on(self._now))
        return [*events, *self._recovery.take_alarms()]

    def _request(self, request: Request | None) -> list[Event]:
        if request is None:
            return []
        decoder, first, last = request
        if self._speaks_p3:
            numbers = [(tag, n.to_bytes(4, "little")) for tag, n in ((1, first), (2, last))]
            return [Send(frames.build(Kind.RESEND, numbers))]
        each = range(first, last + 1)
        return [Send(b"".join(lines.resend_command(decoder, number) for number in each))]

    def _ask_time(self, quiet: int) -> list[Event]:
        """Ask every ten seconds, and when it is quiet to see whether the decoder is alive."""
        since = self._now - self._asked_ns
        if self._waits_for_clock and since >= _CLOCK_WAIT_NS:
            self._waits_for_clock = False
        known = self._speaks_p3 or (self._may_ask_first and quiet >= _QUIET_NS)
        due = since >= _CLOCK_EVERY_NS or (quiet >= _QUIET_NS and since >= _QUIET_NS)
        if not known or not due or self._waits_for_clock:
            return []
        self._asked_ns, self._waits_for_clock = self._now, True
        self._open_ns = self._now if self._open_ns is None else self._open_ns
        return [Send(ASK_TIME, asks_clock=True)]

    def _told_time(self, clock: Clock) -> list[Event]:
        """Return the step between the last answer and this one, if any; it carries no bytes."""
        self._waits_for_clock, self._answers = False, True
        last, self._clock = self._clock, clock
        came_or_went = last is not None and last.form is not clock.form
        if came_or_went:
            self._steps = ClockSteps()
        asked_ns, self._open_ns = self._open_ns, None
        # One that nobody asked for now was held up on its way: who knows when it was made.
        steps = [] if asked_ns is None else self._steps.told(clock.stamp, asked_ns, self._now)
        if last is not None and came_or_went:
            return [ClockStep(b"", last.stamp, clock.stamp, "GPS time came or went")]
        return [*steps]

    def _supply(self, status: Status) -> list[Event]:
        volts = status.fields.get("battery_v")
        low = isinstance(volts, float) and volts < _LOW_V
        if low == self._supply_low:
            return []
        self._supply_low = low
        text = f"the decoder's supply is down to {volts} V" if low else "the supply is good again"
        return [Alarm("battery_low", text, on=low)]

    def _foreign_dialect(self, raw: bytes) -> list[Event]:
        detail = "the hexadecimal dialect of an AMB RC2, which is not supported"
        events: list[Event] = [Rejected(raw, Reason.UNKNOWN, detail)]
        if self._live and not self._foreign:
            self._foreign = True
            text = "the decoder speaks the hexadecimal dialect of an AMB RC2: it cannot be read"
            events.append(Alarm("unsupported_dialect", text))
        return events
