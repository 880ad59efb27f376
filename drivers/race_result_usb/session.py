"""One connection to a USB Timing Box: ask for its passings once a second, for its clock and health.

One command at a time, the next when its reply has ended. The box is switched to its text mode,
which lasts as long as it runs; nothing else is changed. Its reference to UTC in particular is
never set: that takes a pulse on DTR, and a box whose DTR stays high resets itself. Where somebody
has set it, stamps are UTC; where not, they count from when the box was switched on, and answers to
``TIMESTAMPGET`` place them. Nor is the reference moved on a day (``EPOCHREFADJ1D``), which other
programs do after two: the counter itself goes on for 194.
"""

from collections import deque
from typing import Final, NamedTuple

from bridge.domain.reads import NS_PER_S, StampForm
from bridge.driver_api import (
    MAIN,
    Clock,
    ClockStep,
    Event,
    Hangup,
    Opening,
    PassiveSession,
    Reason,
    Rejected,
    Remember,
    Send,
    Status,
)
from drivers.alarm_book import AlarmBook
from drivers.clock_steps import ClockSteps
from drivers.race_result_usb import health
from drivers.race_result_usb.decoder import Decoder, Heard, Reply
from drivers.race_result_usb.position import Position

SETTLE_NS: Final = 3 * NS_PER_S
"""The box is left alone this long after its port was opened."""
CLOCK_NS: Final = 10 * NS_PER_S
HEALTH_NS: Final = 60 * NS_PER_S
PATIENCE_NS: Final = 2 * NS_PER_S
"""A full reply of 64 passings takes 1.7 s at 19200 baud, but its lines come one by one."""
DEAD_NS: Final = 8 * NS_PER_S
_WRONG_MODE: Final = 0x11
_ANEW: Final = "the box was started anew"
_REFUSED: Final = "the box gives no passings in its present mode: switch it to timing"


class _Ask(NamedTuple):
    word: str
    number: int | None = None
    digits: int = 2

    @property
    def line(self) -> bytes:
        """The command as it is sent."""
        tail = "" if self.number is None else f";{self.number:0{self.digits}x}"
        return f"{self.word}{tail}\n".encode()


_CLOCK: Final = (_Ask("EPOCHREFGET"), _Ask("TIMESTAMPGET"), _Ask("PASSINGINFOGET"))


class UsbBoxSession(PassiveSession):
    """Decode replies and, once `opened`, ask. Never opened, it only decodes."""

    def __init__(self, opening: Opening) -> None:
        self._decoder = Decoder()
        self._position = Position(opening.memory, str(opening.options.get("backfill", "missed")))
        self._alarms = AlarmBook()
        self._steps = ClockSteps()
        self._form: StampForm | None = None
        self._is_restarting = False
        """It has said so, and has not told its time since."""
        self._fields: dict[str, object] = {}
        self._is_open = False
        self._now_ns = self._ready_ns = self._heard_ns = 0
        self._is_heard = False
        self._questions: deque[_Ask] = deque()
        self._asked: _Ask | None = None
        self._asked_ns = 0
        self._open_ns: int | None = None
        """When the time was asked for that has not been told since."""
        self._clock_ns = self._health_ns = 0
        """When they were asked for last."""
        self._wants_passings = False
        self._is_prepared = False
        """What has to be known before passings can be placed was asked for."""

    @property
    def pending(self) -> bytes:
        """Bytes of a line that has not ended yet."""
        return self._decoder.pending

    def opened(self, now_ns: int) -> list[Event]:
        """Leave the box alone for a moment."""
        self._is_open = True
        self._now_ns = now_ns
        self._begin()
        return []

    def feed(self, data: bytes, channel: str = MAIN) -> list[Event]:
        """Take bytes as they came; return what is complete, in wire order."""
        if channel != MAIN:
            return [Rejected(data, Reason.UNKNOWN, f"no channel {channel} was opened")]
        events: list[Event] = []
        for heard in self._decoder.feed(data):
            if self._is_open:
                events += self._follow(heard)
            else:
                events += heard.events
        return events

    def tick(self, now_ns: int) -> list[Event]:
        """Ask for what is due; give up a box that answers nothing."""
        if not self._is_open:
            return []
        self._now_ns = now_ns
        if self._is_heard:
            self._is_heard, self._heard_ns = False, now_ns
        if now_ns < self._ready_ns:
            return []
        if now_ns - self._heard_ns >= DEAD_NS:
            return [Hangup("the box answers nothing: check its cable, its power and the baud rate")]
        if now_ns - max(self._asked_ns, self._heard_ns) >= PATIENCE_NS:
            self._asked = None
        if now_ns - self._clock_ns >= CLOCK_NS:
            self._clock_ns = now_ns
            self._questions.extendleft(reversed(_CLOCK))
        if now_ns - self._health_ns >= HEALTH_NS:
            self._health_ns = now_ns
            self._questions.extend(_Ask(*pair) for pair in health.AGAIN)
        self._wants_passings = True
        return self._go_on()

    def _begin(self) -> None:
        self._ready_ns = self._heard_ns = self._now_ns + SETTLE_NS
        self._clock_ns = self._health_ns = self._ready_ns
        self._asked = None
        self._is_prepared = False
        once = (_Ask(*pair) for pair in (*health.ONCE, *health.AGAIN))
        self._questions = deque([_Ask("ASCII"), *_CLOCK, *once])
        self._steps = ClockSteps()

    def _follow(self, heard: Heard) -> list[Event]:
        events: list[Event] = []
        asked = self._asked is not None and self._asked.word == "PASSINGGET"
        if asked and heard.passing is not None and self._position.came(*heard.passing):
            events += self._another_counter()
        for event in heard.events:
            events.append(event)
            if isinstance(event, Clock):
                events += self._told_clock(event)
        if not any(isinstance(event, Rejected) for event in heard.events):
            self._is_heard = True
        if heard.restarted:
            events += self._start_anew()
        if heard.reply is not None:
            events += self._ended(heard.reply)
        return events

    def _another_counter(self) -> list[Event]:
        """Measure the clock anew before all that the box has is fetched."""
        self._steps = ClockSteps()
        self._is_prepared = False
        self._questions.extendleft(reversed(_CLOCK))
        return [ClockStep(b"", None, None, _ANEW)]

    def _start_anew(self) -> list[Event]:
        """Begin again with a box that has just been switched on; its banner has several lines."""
        is_news = not self._is_restarting
        self._is_restarting = True
        self._form = None
        self._position.restarted()
        self._begin()
        return [ClockStep(b"", None, None, _ANEW)] if is_news else []

    def _told_clock(self, clock: Clock) -> list[Event]:
        ticks, why = clock.extra["ticks"], ""
        if isinstance(ticks, int) and self._position.told_ticks(ticks):
            why = _ANEW
        elif self._form not in (None, clock.form):
            why = "the box was told the time, or has forgotten it"
        if why:
            self._steps = ClockSteps()
        self._form, self._is_restarting = clock.form, False
        asked_ns, self._open_ns = self._open_ns, None
        # One that nobody asked for now was held up on its way: who knows when it was made.
        steps = [] if asked_ns is None else self._steps.told(clock.stamp, asked_ns, self._now_ns)
        return [ClockStep(b"", None, clock.stamp, why)] if why else [*steps]

    def _ended(self, reply: Reply) -> list[Event]:
        """Take a reply that has ended; go on with the next question."""
        asked = self._asked
        if asked is None or reply.word != asked.word:
            return []
        self._asked = None
        position = self._position
        events: list[Event] = []
        match reply.word:
            case "PASSINGINFOGET":
                position.told_extent(reply)
            case "PASSINGGET":
                self._wants_passings = position.took(reply)
                refused = _REFUSED if reply.error == _WRONG_MODE else ""
                events += self._alarms.tell("passings_refused", refused)
            case "INFOGET" | "CONFGET" if asked.number is not None and reply.numbers:
                if not reply.error:
                    events += self._health(asked.word, asked.number, reply.numbers[-1])
            case _:
                pass
        return [*events, *self._accounts(), *self._go_on()]

    def _health(self, word: str, number: int, value: int) -> list[Event]:
        name, told = health.field_of(word, number, value)
        self._fields[name] = told
        events: list[Event] = [Status(b"", {name: told})]
        for alarm, text in health.conditions(self._fields).items():
            events += self._alarms.tell(alarm, text)
        return events

    def _accounts(self) -> list[Event]:
        """Return what is to be told and remembered of where we are."""
        position = self._position
        lost = (
            f"{position.lost} passings were gone from the box, or damaged, before they were "
            "fetched: read it with the maker's program"
        )
        restarted = (
            "the box was without power, or reset: what it had not handed over before is gone. "
            "Check its battery"
        )
        events: list[Event] = [
            *self._alarms.tell("passings_lost", lost if position.lost else ""),
            *self._alarms.tell("restarted", restarted if position.was_restarted else ""),
        ]
        note = position.note_to_keep()
        return [*events, Remember(note)] if note is not None and self._is_prepared else events

    def _go_on(self) -> list[Event]:
        """Ask the next question, if none is open: passings first, once they can be placed."""
        if self._asked is not None or self._now_ns < self._ready_ns:
            return []
        if self._wants_passings and self._is_prepared:
            self._wants_passings = False
            self._asked = _Ask("PASSINGGET", self._position.begin(), 8)
        elif self._questions:
            self._asked = self._questions.popleft()
            if self._asked.word == _CLOCK[-1].word:
                self._is_prepared = True
        else:
            return []
        self._asked_ns = self._now_ns
        asks_clock = self._asked.word == "TIMESTAMPGET"
        if asks_clock and self._open_ns is None:
            self._open_ns = self._now_ns
        return [Send(self._asked.line, asks_clock=asks_clock)]
