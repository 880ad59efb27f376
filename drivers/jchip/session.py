"""One connection to a J-Chip sender, which takes us for CrossMgr.

It says who it is, we ask for its time (the only clock sample of a connection: nothing can be asked
once crossings flow), it tells it, we say that it may begin. From then on it talks and we listen:
there is no heartbeat, no acknowledgement and no memory that could be asked.
"""

from typing import Final

from bridge.domain.reads import DAY_NS, NS_PER_S, Read, StampForm
from bridge.driver_api import (
    MAIN,
    Clock,
    Control,
    Event,
    Hangup,
    Kept,
    Opening,
    PassiveSession,
    Reason,
    Rejected,
    Send,
    Status,
)
from drivers.alarm_book import AlarmBook
from drivers.jchip import records
from drivers.timer_lines import TimerLines

MAX_LINE: Final = 256
"""Bytes; a crossing has about 60, a greeting the length of a host's name."""
PATIENCE_NS: Final = 3 * NS_PER_S
TRIES: Final = 3
_MOST_NAME: Final = 120
_TIME_OF_DAY: Final = StampForm.TIME_OF_DAY
_NO_TIME: Final = (
    "the sender did not tell its time when asked: what its clock shows is guessed from when its "
    "crossings arrive. Restart it, and compare a finish with a watch"
)
_NO_DATE: Final = (
    "the sender tells dates with its crossings and none with its time, so its clock is taken for "
    "local time as it is: set it right, or update the sender"
)


class JchipSession(PassiveSession):
    """Decode lines and, once `opened`, lead the handshake. Never opened, it only decodes."""

    def __init__(self, opening: Opening) -> None:
        self._start = [] if opening.trial else [Send(records.START)]
        """In a check it is not told to begin: what it sends it sends once."""
        self._lines = TimerLines(MAX_LINE, waits=_never)
        self._dates = records.Dates()
        self._alarms = AlarmBook()
        self._name: str | None = None
        self._is_open = False
        self._is_heard = self._is_started = False
        self._tries = 0
        self._now_ns = self._asked_ns = 0
        self._told: tuple[int, int] | None = None
        """What the sender's clock showed, and when it said so; None: it has not."""
        self._form = _TIME_OF_DAY
        """Of its clock, and so of crossings without a date."""
        self._is_mixed = False
        """Its crossings have a date and its clock has none."""

    @property
    def pending(self) -> bytes:
        """Bytes of a line that has not ended yet."""
        return self._lines.pending

    def opened(self, now_ns: int) -> list[Event]:
        """Wait for its greeting: the sender speaks first, whichever side has dialled."""
        self._is_open = True
        self._now_ns = self._asked_ns = now_ns
        return []

    def feed(self, data: bytes, channel: str = MAIN) -> list[Event]:
        """Take bytes as they came; return what is complete, in wire order."""
        if channel != MAIN:
            return [Rejected(data, Reason.UNKNOWN, f"no channel {channel} was opened")]
        self._is_heard = self._is_heard or bool(data)
        events: list[Event] = []
        for raw in self._lines.feed(data):
            event = self._decode(raw)
            events.append(event)
            if self._is_open and type(event) is not Read:
                events += self._follow(event)
        return events

    def tick(self, now_ns: int) -> list[Event]:
        """Let time pass: ask again what was not answered, begin without, or give up."""
        self._now_ns = now_ns
        if not self._is_open:
            return []
        alarms = self._alarms.tell("sender_date", _NO_DATE if self._is_mixed else "")
        return [*alarms, *self._shake_hands()]

    def _shake_hands(self) -> list[Event]:
        if self._is_started or self._now_ns - self._asked_ns < PATIENCE_NS:
            return []
        if self._tries < (TRIES if self._is_heard else TRIES - 1):
            return [self._ask()]
        if not self._is_heard:
            return [Hangup("it says nothing: a J-Chip sender speaks first")]
        self._is_started = True
        return [*self._start, *self._alarms.tell("sender_clock", _NO_TIME)]

    def _decode(self, raw: bytes) -> Kept:
        text = raw.strip(b"\r\n ")
        if not text:
            return Control(raw, "empty line")
        try:
            crossing = records.crossing_of(text, self._dates)
            if crossing is not None:
                return self._read(raw, crossing)
            told = records.sender_time_of(text, self._dates)
        except ValueError as error:
            return Rejected(raw, Reason.FIELD, str(error))
        if told is not None:
            return self._clock(raw, told)
        greeting = records.greeting_of(text)
        if greeting is not None:
            self._name = greeting.name[:_MOST_NAME] or None
            return Status(raw, {"stored": greeting.stored, "name": greeting.name})
        if not raw.endswith((b"\r", b"\n")):
            return Rejected(raw, Reason.OVERLONG, f"no line end within {MAX_LINE} bytes")
        is_text = text.isascii() and text.decode("ascii").isprintable()
        reason = Reason.UNKNOWN if is_text and text[:1] != b"D" else Reason.FRAMING
        return Rejected(raw, reason, "not a line of the protocol")

    def _read(self, raw: bytes, crossing: records.Crossing) -> Read:
        chip, time_ns, midnight, seq = crossing
        if midnight is not None:
            stamp, form = midnight + time_ns, StampForm.NAIVE
            self._is_mixed = self._told is not None and self._form is _TIME_OF_DAY
        else:
            stamp, form = self._undated(time_ns), self._form
        return Read(raw, chip, stamp, form, None, None, self._name, seq)

    def _undated(self, time_ns: int) -> int:
        """Return a time of day on the day that brings it nearest to the sender's now.

        Days are counted from where its clock began to be known, so that midnight is passed. What
        it held back for more than half a day cannot be told from what is new.
        """
        if self._told is None:
            return time_ns
        stamp, told_ns = self._told
        now = stamp + self._now_ns - told_ns
        days = (now - time_ns + DAY_NS // 2) // DAY_NS
        return max(days, 0) * DAY_NS + time_ns

    def _clock(self, raw: bytes, told: records.SenderTime) -> Clock:
        form = _TIME_OF_DAY if told.midnight is None else StampForm.NAIVE
        stamp = (told.midnight or 0) + told.time_ns
        if self._is_open:
            self._told, self._form = (stamp, self._now_ns), form
        return Clock(raw, stamp, form, extra={"days_running": told.days})

    def _follow(self, event: Kept) -> list[Event]:
        """Return what a line calls for that is not a crossing."""
        if isinstance(event, Status):
            self._is_started, self._tries = False, 0
            return [self._ask()]
        if isinstance(event, Clock) and not self._is_started:
            self._is_started = True
            return [*self._start, *self._alarms.tell("sender_clock", "")]
        return []

    def _ask(self) -> Send:
        self._tries += 1
        self._asked_ns = self._now_ns
        return Send(records.GET_TIME, asks_clock=True)


def _never(text: bytes) -> bool:  # noqa: ARG001 - the question is `TimerLines`'
    return False
