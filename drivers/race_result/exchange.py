"""The command in flight, its time-out, and the count of missed answers."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Send

ANSWER_NS: Final = 3 * NS_PER_S
SLACK_NS: Final = NS_PER_S // 4
"""A tick that comes this much early counts as on time."""
_MOST_SILENT: Final = 2
_MOST_MISSED: Final = 6
"""Answers missed in a row while the decoder does send other things."""


class Kind(Enum):
    """What a command is for."""

    BEST = "SETPROTOCOL;<=3.4"
    VERSIONS = "GETPROTOCOL"
    PLAIN = "SETPROTOCOL;2.0"
    BOX = "GETCONFIG;GENERAL;BOXNAME"
    STATUS = "GETSTATUS"
    TIME = "GETTIME"
    COUNT = "PASSINGS"
    PUSH = "SETPUSHPASSINGS;1;0"
    OLD_FILE = "GETFILE"
    RECORDS = "RECORDS"


@dataclass(frozen=True, slots=True)
class Ask:
    """One command. Nothing that starts, stops, sets or clears anything can be said with it."""

    kind: Kind
    text: str
    first: int = 0
    """RECORDS: the first number asked for."""
    count: int = 0
    file: int = 0
    """OLD_FILE: which."""

    @property
    def word(self) -> str:
        """The word its reply begins with."""
        return self.text.partition(";")[0]

    def send(self) -> Send:
        """Return the command as bytes for the decoder."""
        data = f"{self.text}\r\n".encode("ascii")
        return Send(data, asks_clock=self.kind is Kind.TIME)


def plain(kind: Kind) -> Ask:
    """Return the command of a kind that is always the same."""
    return Ask(kind, kind.value)


def ask_records(first: int, count: int) -> Ask:
    """Ask for up to `count` records of the current file."""
    return Ask(Kind.RECORDS, f"{first}:{count}", first=first, count=count)


def ask_old_file(file: int) -> Ask:
    """Ask for a whole older file."""
    return Ask(Kind.OLD_FILE, f"GETFILE;{file}", file=file)


class Exchange:
    """One command at a time; what time it is comes with `tick` only."""

    def __init__(self) -> None:
        self.ask: Ask | None = None
        self.records = 0
        """Record lines that came as (part of) the answer so far."""
        self._since: int | None = None
        self._heard = False
        self._missed = 0
        self._silent = 0

    def begin(self, ask: Ask) -> Send:
        """Put a command in flight; its time starts at the next `stamp`."""
        self.ask, self.records, self._since, self._heard = ask, 0, None, False
        return ask.send()

    def heard(self) -> None:
        """Note that the decoder sent something, whatever it was."""
        self._heard = True

    def progressed(self) -> None:
        """Note one more record line of the answer: a long block is not late while it flows."""
        self.records += 1
        self._since = None

    def answered(self) -> None:
        """Take the command out of flight: its answer is complete."""
        self.ask = None
        self._missed = self._silent = 0

    def overdue(self, now_ns: int) -> Ask | None:
        """Return the command whose answer is overdue, no longer in flight, or None."""
        ask = self.ask
        if ask is None or self._since is None or now_ns - self._since < ANSWER_NS - SLACK_NS:
            return None
        self.ask = None
        if not self.records:
            self._missed += 1
            self._silent = 0 if self._heard else self._silent + 1
        return ask

    def stamp(self, now_ns: int) -> None:
        """Start the time of a command put in flight, or of a record line seen, since last time.

        Called at the end of each tick, so a command never has less than its full time.
        """
        if self._since is None:
            self._since = now_ns

    @property
    def lost(self) -> bool:
        """Whether so many answers were missed in a row that the link must be dead."""
        return self._silent >= _MOST_SILENT or self._missed >= _MOST_MISSED
