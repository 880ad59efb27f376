"""The talk with SimpleClient, StreamManager or Fusion, which take us for scoring software.

They connect and speak first; we say how we want records, then ask for the connection's id and its
places, and have each place started where we left it. Records carry a number per place and are
never acknowledged. Source: the vendor's SimpleClient 0.6.0, racemap/2-racemap-forwarder,
rabbimaan/chronoserv.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Event, Hangup, Remember, Send
from drivers.chronotrack.memory import Book, ScoringBook, written
from drivers.sequence import Sequence

_INIT: Final = (
    "stream-mode=push",
    "location=multi",
    "time-format=iso",
    "guntimes=true",
    "newlocations=true",
    "pushmode-ack=true",
)
_QUESTIONS: Final = ("getconnectionid", "geteventinfo", "getlocations")
_PATIENCE_NS: Final = 3 * NS_PER_S
_TRIES: Final = 3
_QUIET_NS: Final = 4 * NS_PER_S
_DEAD_NS: Final = 9 * NS_PER_S
"""Silence is noticed up to one second late, and must be within ten."""
_AGAIN_NS: Final = 30 * NS_PER_S
"""Places are asked for again so often while there is none."""
_MOST_FRUITLESS: Final = 3
"""Replays that bring nothing new, after which holes are believed to be meant: what an operator
filters or takes out leaves one, and a replay for each would never end."""
_MOST_PLACES: Final = 256
_MOST_GUNS: Final = 64


@dataclass(slots=True)
class _Place:
    """One timing point; its name as on the wire, one character per byte."""

    numbers: Sequence | None = None
    """None until the first record: a session's numbers need not begin at 1."""
    wanted: bool = False
    """It is started, or about to be."""
    hole_since: tuple[int, int] | None = None
    asked_to: int = 0
    """The newest number when a replay was asked for: every hole before it was asked for with it."""
    is_replayed: bool = False
    """A number that had come before came since the last tick."""
    replayed_ns: int = 0
    """When the last one did, or when the replay was asked for."""
    fruitless: int = 0
    """Replays in a row that brought nothing new."""
    guns: set[int] = field(default_factory=set)
    """Numbers of guns: where they count with the reads, these leave holes that are none."""

    @property
    def next(self) -> int | None:
        return None if self.numbers is None else self.numbers.last + 1


@dataclass(frozen=True, slots=True)
class _Asked:
    line: str
    at_ns: int
    tries: int = 1
    place: str | None = None
    """A start of this place."""
    numbered: bool = False
    """It was asked to start behind what we have."""


class ScoringTalk:
    """One connection of one sender."""

    def __init__(self, book: Book | None) -> None:
        self._book = book if isinstance(book, ScoringBook) else ScoringBook()
        self._connection = ""
        self._places: dict[str, _Place] = {}
        self._questions: deque[str] = deque(_QUESTIONS)
        self._starts: deque[str] = deque()
        self._asked: _Asked | None = None
        self._pinged_ns = self._listed_ns = 0
        self._changed = False

    def begin(self, now_ns: int) -> list[Event]:
        """Answer the greeting: the number of lines that follow must be exact."""
        self._pinged_ns = self._listed_ns = now_ns
        lines = [f"chip-bridge~1.0~{len(_INIT)}", *_INIT]
        init = "".join(f"{line}\r\n" for line in lines)
        return [Send(init.encode()), *self._go_on(now_ns)]

    def answered(self, command: str, values: list[str], now_ns: int) -> list[Event]:
        """Take ``ack~command~values``."""
        asked = self._asked
        if asked is not None and asked.line.partition("~")[0] == command:
            self._asked = None
        match command:
            case "getconnectionid":
                self._told_connection(values[0] if values else "")
            case "getlocations":
                self._listed_ns = now_ns
                self._told_places([name for name in values if name])
            case _:
                pass
        return self._go_on(now_ns)

    def refused(self, command: str, now_ns: int) -> list[Event]:
        """Take ``err~command~text``: a start number may be unknown there, or a place."""
        asked = self._asked
        if asked is not None and command in (asked.line.partition("~")[0], ""):
            self._asked = None
            if asked.place is not None:
                self._start_refused(asked.place, numbered=asked.numbered)
            else:
                self._without_answer(asked)
        return self._go_on(now_ns)

    def came(self, name: str, number: int) -> None:
        """Take the number of a read; guns may be numbered apart."""
        place = self._places.get(name)
        if place is None:
            if len(self._places) >= _MOST_PLACES:
                return
            place = self._places[name] = _Place(wanted=True)
        if place.numbers is None:
            place.numbers = Sequence(number - 1)
        if place.numbers.has(number):
            place.is_replayed = True
            return
        if number < place.asked_to:
            place.fruitless = 0
        place.numbers.mark(number)
        self._changed = True

    def fired(self, name: str, number: int) -> None:
        """Take the number of a gun."""
        place = self._places.get(name)
        if place is not None and len(place.guns) < _MOST_GUNS:
            place.guns.add(number)

    def new_place(self, now_ns: int) -> list[Event]:
        """Take note that there is one place more: ask for their names."""
        if "getlocations" not in self._questions:
            self._questions.append("getlocations")
        return self._go_on(now_ns)

    def tick(self, now_ns: int, quiet_ns: int) -> list[Event]:
        """Repeat what was not answered, mend holes, notice a dead link."""
        if quiet_ns >= _DEAD_NS:
            return [Hangup(f"the sender has said nothing for {quiet_ns // NS_PER_S} s")]
        asked = self._asked
        if asked is not None and now_ns - asked.at_ns >= _PATIENCE_NS:
            self._asked = None
            if asked.place is None and asked.tries < _TRIES:
                return [self._ask(asked.line, now_ns, tries=asked.tries + 1)]
            if asked.place is None:
                self._without_answer(asked)
        self._mend(now_ns)
        wanted = any(place.wanted for place in self._places.values())
        if not wanted and now_ns - self._listed_ns >= _AGAIN_NS and not self._questions:
            self._listed_ns = now_ns
            self._questions.append("getlocations")
        events = self._go_on(now_ns)
        if quiet_ns >= _QUIET_NS and now_ns - self._pinged_ns >= _QUIET_NS:
            self._pinged_ns = now_ns
            events.append(_say("ping"))
        return [*events, *self._remember()]

    def _go_on(self, now_ns: int) -> list[Event]:
        """Say the next thing; one question or start is open at a time, so errors are its own."""
        if self._asked is not None:
            return []
        if self._questions:
            return [self._ask(self._questions.popleft(), now_ns)]
        if not self._starts:
            return []
        name = self._starts.popleft()
        place = self._places[name]
        line = "start" if not name else f"start~{name}"
        numbered = bool(name) and place.next is not None
        line = f"{line}~{place.next}" if numbered else line
        self._asked = _Asked(line, now_ns, place=name, numbered=numbered)
        return [_say(line)]

    def _ask(self, line: str, now_ns: int, tries: int = 1) -> Send:
        self._asked = _Asked(line, now_ns, tries)
        return _say(line)

    def _without_answer(self, asked: _Asked) -> None:
        """Do without an answer: no id is another id, and without names all places are started."""
        if asked.line == "getconnectionid":
            self._told_connection("")
        elif asked.line == "getlocations" and not self._places:
            self._told_places([""])

    def _told_connection(self, connection: str) -> None:
        """Go on where we were if it is the session we know, else from the beginning."""
        self._connection = connection
        if connection and connection == self._book.connection:
            for name, last in self._book.places.items():
                self._places.setdefault(name, _Place(Sequence(last)))
        self._changed = True

    def _told_places(self, names: list[str]) -> None:
        for name in names:
            if name not in self._places and len(self._places) >= _MOST_PLACES:
                return
            place = self._places.setdefault(name, _Place())
            if not place.wanted:
                place.wanted = True
                self._starts.append(name)

    def _start_refused(self, name: str, *, numbered: bool) -> None:
        """Start from the beginning where our number is unknown; else leave it to the next list."""
        place = self._places[name]
        place.numbers, place.asked_to = None, 0
        if numbered:
            self._starts.append(name)
        else:
            place.wanted = False

    def _mend(self, now_ns: int) -> None:
        """Ask once for all holes that stay, then go on without.

        An operator may have taken the record out there, so this is nothing to alarm anybody with.
        """
        for name, place in self._places.items():
            if place.is_replayed:
                place.is_replayed, place.replayed_ns = False, now_ns
            hole = place.numbers.hole if place.numbers is not None else None
            if hole is None or place.numbers is None:
                place.hole_since = None
                continue
            first = hole[0]
            if place.hole_since is None or place.hole_since[0] != first:
                place.hole_since = (first, now_ns)
            elif now_ns - place.hole_since[1] >= _PATIENCE_NS and name not in self._starts:
                if place.guns.issuperset(range(first, min(hole[1], first + _MOST_GUNS) + 1)):
                    place.numbers.settle(hole[1])
                    self._changed = True
                else:
                    self._mend_place(name, place, place.numbers, now_ns)

    def _mend_place(self, name: str, place: _Place, numbers: Sequence, now_ns: int) -> None:
        is_asked = numbers.last < place.asked_to
        if not is_asked and place.fruitless < _MOST_FRUITLESS:
            place.asked_to, place.replayed_ns = numbers.top, now_ns
            place.fruitless += 1
            self._starts.append(name)
        elif not is_asked or now_ns - place.replayed_ns >= _PATIENCE_NS:
            # It has been replayed, or nobody believes that it would bring anything.
            numbers.settle(place.asked_to if is_asked else numbers.top)
            self._changed = True
        else:
            return  # the replay is still under way
        place.hole_since = None

    def _remember(self) -> list[Event]:
        if not self._changed:
            return []
        self._changed = False
        places = {
            name: place.numbers.last
            for name, place in self._places.items()
            if place.numbers is not None
        }
        return [Remember(written(ScoringBook(connection=self._connection, places=places)))]


def _say(line: str) -> Send:
    return Send(f"{line}\r\n".encode("latin-1", "replace"))
