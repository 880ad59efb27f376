"""Which passings are missing, and what to ask for: the decoder keeps and numbers them.

A decoder acknowledges nothing and sends what happens while somebody listens. Its numbers show what
was missed; RESEND fetches it. Numbers that jump back mean that the decoder was cleared.
"""

import json
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Alarm
from drivers.sequence import Sequence

PATIENCE_NS: Final = 5 * NS_PER_S
"""A request that brought nothing for so long is not answered."""
_TRIES: Final = 2
_VAIN_PIECES: Final = 3
"""After so many requests in a row without any answer the rest of a hole is given up as well."""
_MOST_GAP: Final = 100_000
"""More cannot have been missed: it is another numbering."""

_ANEW: Final = (
    "the decoder was cleared and counts anew; passings before number {number} that were made while "
    "the link was down are not fetched: compare with its own list"
)
_NEVER: Final = 2**63


class Request(NamedTuple):
    """Numbers to ask for, both included."""

    decoder: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class _Asked:
    first: int
    last: int
    at_ns: int
    tries: int = 1
    probe: bool = False
    """Nothing is known to be missing; only what was missed at the very end shows like this."""


class Recovery:
    """The book of one decoder on one connection."""

    def __init__(self, memory: str | None, *, piece: int) -> None:
        self.piece = piece
        """Most numbers asked for at once."""
        self.numbering = 0
        """How often numbers began anew on this connection."""
        self._decoder, last, self._newest = _recall(memory)
        self._owes = self._decoder
        """The decoder that may have gone on without us, until it is heard."""
        self._sequence = Sequence(last)
        self._asked: _Asked | None = None
        self._changed = False
        self._low = 0
        """The last number that was behind us, 0 if the last one was not."""
        self._lowest_asked = _NEVER
        self._vain = self._lost = 0
        self._alarms: list[Alarm] = []

    def came(self, decoder: str, number: int, stamp: int | None) -> None:
        """Take a numbered record; `stamp` None: it carries no time."""
        book = self._sequence
        known = self._decoder == decoder
        back = known and book.has(number) and self._began_again(number, stamp)
        first_seen = number - 1 if self._low == number - 1 > 0 else number
        self._low = number if known and book.has(number) else 0
        if not known or back or number > book.top + _MOST_GAP:
            self._begin(decoder, number)
            if back and first_seen > 1:
                self._alarms.append(Alarm("numbers_anew", _ANEW.format(number=first_seen)))
        if not book.has(number):
            book.mark(number)
            self._changed = True
        if stamp is not None:
            self._newest = max(self._newest, stamp)

    def cleared(self) -> None:
        """Take note that the decoder begins its numbers anew."""
        self._decoder, self._changed = "", True

    def refused(self) -> None:
        """Take note that the decoder does not understand or has not what was asked for."""
        if self._asked is not None:
            self._asked = replace(self._asked, tries=_TRIES, at_ns=-PATIENCE_NS)
            self._vain = self._vain if self._asked.probe else _VAIN_PIECES

    def met(self, decoder: str, now_ns: int) -> Request | None:
        """Return what to ask when a decoder is heard for the first time on a connection."""
        owes, self._owes = self._owes, self._owes if not decoder else ""
        return self._probe(now_ns) if decoder and decoder == owes == self._decoder else None

    def go_on(self, now_ns: int) -> Request | None:
        """Return what to ask for next, if anything: one request is open at a time."""
        asked, hole = self._asked, self._sequence.hole
        if asked is not None and self._sequence.last >= asked.last:
            self._asked = None
            self._vain = 0
            if asked.probe and hole is None:
                return self._probe(now_ns)
            asked = None
        if asked is not None and now_ns - asked.at_ns < PATIENCE_NS:
            return None
        if asked is not None:
            hole = self._unanswered(asked, hole)
        if hole is None:
            self._asked = None
            return None
        return self._ask(*hole, now_ns)

    def progress(self, now_ns: int) -> None:
        """Take note that records come: an answer that is under way is waited for."""
        asked = self._asked
        if asked is not None and asked.first <= self._sequence.last:
            self._asked = replace(asked, first=self._sequence.last + 1, at_ns=now_ns, tries=1)
            self._vain = 0

    def take_alarms(self) -> list[Alarm]:
        """Hand out the alarms since last time."""
        alarms, self._alarms = self._alarms, []
        return alarms

    def take_memory(self) -> str | None:
        """Return what the next connection must know, if it changed since last time."""
        if not self._changed:
            return None
        self._changed = False
        book = {"decoder": self._decoder, "last": self._sequence.last, "newest": self._newest}
        return json.dumps(book, separators=(",", ":"))

    def _began_again(self, number: int, stamp: int | None) -> bool:
        """Tell whether a number that is behind us is a new passing, not an old one once more.

        It is if it is newer than all we know, or the second such number in a row that nobody
        here asked for (a cleared decoder may have lost its clock as well).
        """
        newer = stamp is not None and stamp > self._newest
        return newer or (number == self._low + 1 and number < self._lowest_asked)

    def _begin(self, decoder: str, number: int) -> None:
        self._decoder, self._newest, self._changed = decoder, 0, True
        self._sequence.begin_at(number)
        self.numbering += 1
        self._asked, self._lowest_asked, self._owes = None, _NEVER, ""

    def _probe(self, now_ns: int) -> Request:
        first = self._sequence.last + 1
        self._asked = _Asked(first, first + self.piece - 1, now_ns, probe=True)
        return self._request(first, self._asked.last)

    def _ask(self, first: int, last: int, now_ns: int) -> Request:
        again = self._asked
        tries = again.tries + 1 if again and again.first == first and not again.probe else 1
        last = min(last, first + self.piece - 1)
        self._asked = _Asked(first, last, now_ns, tries)
        return self._request(first, last)

    def _request(self, first: int, last: int) -> Request:
        self._lowest_asked = min(self._lowest_asked, first)
        return Request(self._decoder, first, last)

    def _unanswered(self, asked: _Asked, hole: tuple[int, int] | None) -> tuple[int, int] | None:
        """Give up what was asked for often enough; return the hole that is left."""
        if hole is None or asked.probe or asked.tries < _TRIES:
            return hole
        self._vain += 1
        end = None if self._vain >= _VAIN_PIECES else asked.last
        self._lost += self._sequence.skip(end)
        self._changed, self._asked = True, None
        text = (
            f"{self._lost} passings up to number {self._sequence.last} were missed and the decoder "
            "does not send them again: compare with its own list"
        )
        self._alarms.append(Alarm("passings_missing", text))
        return self._sequence.hole


def _recall(memory: str | None) -> tuple[str, int, int]:
    """Return decoder, last number and newest stamp; ("", 0, 0) if the text tells nothing usable."""
    try:
        book = json.loads(memory or "null")
        return str(book["decoder"]), int(book["last"]), int(book["newest"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return "", 0, 0
