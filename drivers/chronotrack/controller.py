"""The talk with a controller that takes us for its server: what was missed is asked for again.

A controller keeps its whole file since power-up and acknowledges nothing: ``RR~n`` has it send its
observations from number n on, ``MR~~n`` its markers, then what comes. Every power-up begins a new
file at 1. Source: the vendor's CCSLite, and two independent servers.
"""

from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Alarm, Event, Hangup, Remember, Send
from drivers.chronotrack.markers import AlarmWatch, Mark
from drivers.chronotrack.memory import Book, ControllerBook, written
from drivers.sequence import Sequence

SERVER: Final = "CCSLite"
"""The vendor's own server: a name controllers know."""
_VERSION: Final = "0.6.0"
_DEAD_NS: Final = 100 * NS_PER_S
"""A controller cannot be asked whether it lives; one server gives it up after as long."""
_CONFIRM_NS: Final = 10 * NS_PER_S
"""The marker of the power-up we know must come back within, or all is asked for anew."""
_GRACE_NS: Final = 3 * NS_PER_S
"""Numbers may be swapped on the wire; a hole that stays so long is one."""
_ANSWER_NS: Final = 15 * NS_PER_S


class ControllerTalk:
    """One connection of one controller."""

    def __init__(self, book: Book | None, host: str) -> None:
        self._book = book if isinstance(book, ControllerBook) else ControllerBook()
        self._host = host or "0.0.0.0"  # noqa: S104 - what is told, not what is bound
        self._greeting = ""
        self._powerup: tuple[int, int] | None = None
        self._records = Sequence()
        self._markers = self._old_markers = 0
        self._lowest_asked = 1
        self._fresh = False
        """Everything is asked for on this connection."""
        self._confirm_by: int | None = None
        self._hole_since: tuple[int, int] | None = None
        self._hole_asked: tuple[int, int] | None = None
        self._lost = 0
        self._alarms = AlarmWatch()
        self._changed = False

    def begin(self, greeting: str | None, now_ns: int) -> list[Event]:
        """Answer the greeting (None: it streams without one) and ask for what is missing."""
        self._greeting = greeting or ""
        events: list[Event] = []
        if greeting is not None:
            events += [_say(f"ACK~{SERVER}~{self._host}~{_VERSION}"), _say("IS")]
        book = self._book
        if book.powerup is None or book.greeting != self._greeting:
            return [*events, *self._ask_all()]
        self._powerup, self._records = book.powerup, Sequence(book.records)
        self._markers = self._old_markers = book.markers
        self._confirm_by = now_ns + _CONFIRM_NS
        self._lowest_asked = book.records + 1
        asked = [_say(f"MR~~{book.powerup[0]}"), _say(f"RR~{self._lowest_asked}")]
        return [*events, *asked]

    def observed(self, number: int) -> list[Event]:
        """Take the number of an observation."""
        events: list[Event] = []
        if number <= self._records.last and number < self._lowest_asked:
            events = self._ask_all()  # nobody asked for it: another file
        if not self._records.has(number):
            self._records.mark(number)
            self._changed = True
        return events

    def marked(self, mark: Mark) -> list[Event]:
        """Take a marker."""
        events: list[Event] = []
        powerup = (mark.number, mark.stamp)
        if not self._fresh and self._powerup is not None:
            at_its_number = mark.number == self._powerup[0]
            if mark.powerup and powerup == self._powerup:
                self._confirm_by = None
            elif mark.powerup or at_its_number:
                events = self._ask_all()
        if mark.powerup and powerup != self._powerup:
            self._powerup, self._changed = powerup, True
        if mark.number > self._old_markers:
            events += self._alarms.told(mark)
        if mark.number > self._markers:
            self._markers, self._changed = mark.number, True
        return events

    def knows(self, mark: Mark) -> bool:
        """Tell whether an earlier connection had this marker."""
        return mark.number <= self._old_markers

    def tick(self, now_ns: int, quiet_ns: int) -> list[Event]:
        """Ask again for what did not come; notice a dead link."""
        if quiet_ns >= _DEAD_NS:
            return [Hangup(f"the controller has said nothing for {quiet_ns // NS_PER_S} s")]
        events: list[Event] = []
        if self._confirm_by is not None and now_ns >= self._confirm_by:
            events += self._ask_all()
        events += self._mend(now_ns)
        if self._changed:
            self._changed = False
            book = ControllerBook(
                greeting=self._greeting,
                powerup=self._powerup,
                records=self._records.last,
                markers=self._markers,
            )
            events.append(Remember(written(book)))
        return events

    def _ask_all(self) -> list[Event]:
        """Ask for the whole file: what is known already is recognised by its identity."""
        self._fresh, self._confirm_by = True, None
        self._lowest_asked = 1
        self._powerup, self._records = None, Sequence()
        self._markers = self._old_markers = 0
        self._hole_since = self._hole_asked = None
        return [_say("MR~~1"), _say("RR~1")]

    def _mend(self, now_ns: int) -> list[Event]:
        """Ask once for each hole that stays; then go on without, and tell."""
        hole = self._records.hole
        if hole is None:
            self._hole_since = None
            return []
        first, last = hole
        if self._hole_since is None or self._hole_since[0] != first:
            self._hole_since = (first, now_ns)
        waited = now_ns - self._hole_since[1]
        if self._hole_asked is None or self._hole_asked[0] != first:
            if waited < _GRACE_NS:
                return []
            self._hole_asked = (first, now_ns)
            self._lowest_asked = min(self._lowest_asked, first)
            return [_say(f"RR~{first}")]
        if now_ns - self._hole_asked[1] < _ANSWER_NS:
            return []
        self._lost += self._records.skip()
        self._changed = True
        text = (
            f"{self._lost} observations up to number {last} did not come although they were asked "
            "for: copy the controller's file after the race and compare"
        )
        return [Alarm("reads_missing", text)]


def _say(line: str) -> Send:
    return Send(f"{line}\r\n".encode("latin-1", "replace"))
