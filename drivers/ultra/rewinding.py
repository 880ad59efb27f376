r"""Have the box send from its log what did not come: decide when, one piece at a time.

By time after every connect, because the log may have been cleared and numbered anew meanwhile;
by number for every hole in the log numbers. Live records interleave with rewound ones, and no end
of a rewind is known: three seconds without a rewound record count as the end.

A rewind is asked for with ASCII digits (``800<from> CR <to>``, ``600...`` by number) or with two
zero bytes in place of the two zeros. Public clients use one or the other on real boxes, so the
other one is tried where the first brings nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Send
from drivers.ultra.log_book import LogBook

OVERLAP_S: Final = 5
"""So much before the last read is sent again: reads are not quite in the order of their time."""
AHEAD_S: Final = 60
PIECE: Final = 1_000
"""Records per rewind by number: between two of them the line belongs to what is live."""
MOST_ASKED: Final = 3
_FIRST_WAIT_NS: Final = 5 * NS_PER_S
_QUIET_NS: Final = 3 * NS_PER_S
_PAUSE_NS: Final = 5 * NS_PER_S
_NO_CLOCK_NS: Final = 8 * NS_PER_S
_NO_CLOCK_SPAN_S: Final = 30 * 86_400
_BACK_S: Final = 3_600
_ZEROS: Final = b"\0\0"
_DIGITS: Final = b"00"


@dataclass(slots=True)
class _Request:
    """A rewind that was asked for."""

    first: int
    last: int
    by_time: bool
    since_ns: int
    other_form: bool = False
    records: int = 0
    """Rewound records that came since."""
    counted: int = 0
    """Of these, so many had come at the last tick."""

    def send(self, zeros: bytes) -> Send:
        """Return the command; the form with zero bytes ends in CR, the other in LF."""
        kind, end = b"8" if self.by_time else b"6", b"\n" if zeros == _DIGITS else b"\r"
        return Send(b"%b%b%d\r%d%b" % (kind, zeros, self.first, self.last, end))


class Rewinding:
    """The rewinds of one connection."""

    def __init__(self, book: LogBook, box_now_s: Callable[[int], int | None]) -> None:
        """Work for `book`; `box_now_s` tells the box's seconds at a monotonic time, if known."""
        self._book = book
        self._box_now_s = box_now_s
        self._request: _Request | None = None
        self._zeros = _DIGITS
        self._proven = False
        self._opened_ns = self._not_before_ns = 0
        self._fruitless = 0
        self.lost = 0
        """Records given up: the box did not send them however often it was asked."""

    def begin(self, now_ns: int) -> None:
        """Note that the link is up."""
        self._opened_ns = self._not_before_ns = now_ns

    def rewound(self) -> None:
        """Count a rewound record."""
        if self._request is not None:
            self._request.records += 1

    def step(self, now_ns: int) -> list[Send]:
        """Let time pass; return the next command, if one is due."""
        request = self._request
        if request is not None:
            if request.records > request.counted:
                request.counted, request.since_ns = request.records, now_ns
            wait_ns = _QUIET_NS if request.records else _FIRST_WAIT_NS
            if now_ns - request.since_ns < wait_ns:
                return []
            self._request = None
            if not request.records and not self._proven and not request.other_form:
                return self._in_other_form(request, now_ns)
            self._finish(request, now_ns)
        if now_ns < self._not_before_ns:
            return []
        return self._next(now_ns)

    def _in_other_form(self, request: _Request, now_ns: int) -> list[Send]:
        self._zeros = _ZEROS if self._zeros == _DIGITS else _DIGITS
        request.other_form, request.since_ns = True, now_ns
        self._request = request
        return [request.send(self._zeros)]

    def _finish(self, request: _Request, now_ns: int) -> None:
        if request.records:
            self._proven, self._fruitless = True, 0
        else:
            self._fruitless += 1
        self._not_before_ns = now_ns + _PAUSE_NS * self._fruitless
        if request.by_time:
            # The time asked for begins before the last read, so a box that sends nothing either
            # lost its log or did not understand: it is asked again, and then left in peace.
            if request.records or self._fruitless >= MOST_ASKED:
                self._book.owed_s, self._fruitless = None, 0
            return
        self.lost += self._book.holes.asked(request.first, request.last, MOST_ASKED)

    def _next(self, now_ns: int) -> list[Send]:
        owed = self._book.owed_s
        if owed is not None:
            span = self._span(owed, now_ns)
            return self._ask(*span, by_time=True, now_ns=now_ns) if span else []
        hole = self._book.holes.next()
        if hole is None:
            return []
        last = min(hole.last, hole.first + PIECE - 1)
        return self._ask(hole.first, last, by_time=False, now_ns=now_ns)

    def _span(self, owed: int, now_ns: int) -> tuple[int, int] | None:
        """Return from when to when, or None: the box has not told its time yet."""
        box_now = self._box_now_s(now_ns)
        if box_now is None:
            if now_ns - self._opened_ns < _NO_CLOCK_NS:
                return None
            return owed, owed + _NO_CLOCK_SPAN_S
        if owed > box_now:  # its clock was set back: an hour is the usual fault
            owed = max(box_now - _BACK_S, 0)
        return owed, box_now + AHEAD_S

    def _ask(self, first: int, last: int, *, by_time: bool, now_ns: int) -> list[Send]:
        self._request = _Request(first, last, by_time, now_ns)
        return [self._request.send(self._zeros)]
