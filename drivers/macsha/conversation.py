"""What to say to a One4All next.

One command at a time. After every answer the next command follows from what is due and what is
missing, so an answer that never comes costs time and nothing else. Order at the start: protocol,
clock, push, count, is it still the same session, what is missing. Later: count and clock every few
seconds, battery more rarely.

Pushing has to be switched on: the reader sends passings only to the connection that asked last.
Nothing that starts, stops, sets or erases is ever sent.
"""

from collections import deque
from typing import Final

from bridge.domain.reads import NS_PER_S, Read
from bridge.driver_api import Event, Send
from drivers.macsha.decoder import Line
from drivers.macsha.ledger import MOST_ASKED, Ledger, Sign, sign_of

ANSWER_NS: Final = 3 * NS_PER_S
POLL_NS: Final = 4 * NS_PER_S
BATTERY_NS: Final = 10 * NS_PER_S
PAUSE_NS: Final = 5 * NS_PER_S
PIECE: Final = 200
"""Passings per request: between two of them the line belongs to what is live."""
_HELLO: Final = ("GETPROTOCOL", "GETTIME", "PUSHTAGS;true", "PASSINGS")
_CHECK: Final = ("GETPROTOCOL", "GETTIME")
"""In a check: passings pushed to it would come to nobody else."""
_ROWS: Final = "GETPASSINGS"


class Conversation:
    """The commands of one connection, from `begin` on."""

    def __init__(self, ledger: Ledger, *, trial: bool = False) -> None:
        self._ledger = ledger
        self._hello: deque[str] = deque(_CHECK if trial else _HELLO)
        self._due: deque[str] = deque()
        self._asked: str | None = None
        self._since_ns: int | None = None
        """When the command in flight, or the last row of its answer, was seen by a tick."""
        self._span = (0, 0)
        self._check: Sign | None = ledger.anchor
        """The row to be compared before anything is believed to be the same session."""
        self._checking = self._is_same = False
        self._was_away = self._check is not None
        """It has not been compared on this connection yet."""
        self._count: int | None = None
        self._rows_went_last = False
        """Questions and rows take turns, so that unanswered ones keep nobody waiting for long."""
        self._distrusted = False
        """A count below the newest number was told although the session is the same."""
        self._now = self._poll_at = self._battery_at = self._fetch_at = 0

    def begin(self, now_ns: int) -> list[Event]:
        """Say the first thing."""
        self._now = self._since_ns = self._battery_at = now_ns
        self._poll_at = now_ns + POLL_NS
        return self.go_on()

    def tick(self, now_ns: int) -> list[Event]:
        """Let time pass: a late answer is given up, polls come due."""
        self._now = now_ns
        if self._since_ns is None:
            self._since_ns = now_ns
        if self._asked is not None and now_ns - self._since_ns >= ANSWER_NS:
            self._end_of_answer()
        if now_ns >= self._poll_at:
            self._poll_at = now_ns + POLL_NS
            self._plan("GETTIME", "PASSINGS")
        if now_ns >= self._battery_at:
            self._battery_at = now_ns + BATTERY_NS
            self._plan("READBATTERY")
        return self.go_on()

    def heard(self, line: Line) -> list[Event]:
        """Take a line other than a row."""
        if line.total is not None:
            self._counted(line.total)
        asked = self._asked
        word = None if asked is None else asked.partition(";")[0]
        if word is None or line.word is None:
            return []
        # Rows end with an empty line; an answer of one line may be its own word with an error.
        if line.word == word or (word == _ROWS and not line.word):
            self._end_of_answer()
            return self.go_on()
        return []

    def came(self, number: int, read: Read) -> list[Event]:
        """Take a row, pushed or fetched."""
        if self._asked is not None and self._asked.startswith(_ROWS):
            self._since_ns = None
        sign = sign_of(number, read)
        self._is_same = self._is_same or sign == self._check
        known = sign == self._ledger.anchor
        if self._ledger.came(number, read) or known or self._is_fetched(number):
            return []
        # A number that came before, and nobody asked for it: another session may have begun.
        self._verify(None)
        return self.go_on()

    @property
    def asks_clock(self) -> bool:
        """Whether the command in flight is a question for the time."""
        return self._asked == "GETTIME"

    def go_on(self) -> list[Event]:
        """Return the next command, if nothing is in flight and something is due."""
        if self._asked is not None:
            return []
        if self._hello:
            return self._say(self._hello.popleft())
        if self._rows_went_last and self._due:
            return self._say(self._due.popleft())
        rows = self._ask_rows()
        if not rows and self._due:
            return self._say(self._due.popleft())
        return rows

    def _ask_rows(self) -> list[Event]:
        """Ask for the row to be compared, or for what is missing."""
        if self._check is not None:
            number = self._check[0]
            self._checking, self._is_same = True, False
            self._span = (number, number)
            return self._say(f"{_ROWS};{number};{number}")
        hole = self._ledger.holes.next()
        if hole is None or (hole.asked and self._now < self._fetch_at):
            return []
        self._span = (hole.first, min(hole.last, hole.first + PIECE - 1))
        return self._say(f"{_ROWS};{self._span[0]};{self._span[1]}")

    def _plan(self, *commands: str) -> None:
        self._due.extend(command for command in commands if command not in self._due)

    def _say(self, command: str) -> list[Event]:
        self._asked, self._since_ns = command, None
        self._rows_went_last = command.startswith(_ROWS)
        return [Send(f"{command}\r\n".encode("ascii"), asks_clock=command == "GETTIME")]

    def _is_fetched(self, number: int) -> bool:
        """Tell whether a row may belong to the answer: asked for 15, a box may send 15 to 17."""
        return self._asked is not None and self._asked.startswith(_ROWS) and number >= self._span[0]

    def _verify(self, count: int | None) -> None:
        """Have the anchor compared; `count` is what the reader has, None if not told since."""
        if self._check is not None:
            return
        self._check, self._count = self._ledger.anchor, count
        if count is None:
            self._plan("PASSINGS")
        if self._check is None:  # no row has come yet that could be compared
            self._ledger.restart()
            self._ledger.counted(count or 0)

    def _counted(self, count: int) -> None:
        self._count = count
        if count >= self._ledger.newest:
            # Where the session has yet to be compared, what is new is only known after that.
            if self._check is None:
                self._ledger.counted(count)
        elif not self._distrusted:
            self._verify(count)

    def _end_of_answer(self) -> None:
        asked, self._asked = self._asked, None
        if asked is None or not asked.startswith(_ROWS):
            return
        if self._checking:
            self._checked()
            return
        lost = self._ledger.holes.asked(*self._span, MOST_ASKED)
        self._ledger.lost += lost
        self._fetch_at = self._now + PAUSE_NS

    def _checked(self) -> None:
        self._check, self._checking = None, False
        was_away, self._was_away = self._was_away, False
        if not self._is_same:
            self._ledger.restart(was_away=was_away)
        elif self._count is not None and self._count < self._ledger.newest:
            self._distrusted = True
        if self._count is not None and not self._distrusted:
            self._ledger.counted(self._count)
