"""Which records of which file we have: the book behind gap-free recovery.

Numbers restart at 1 in every file, and only the decoder's current file is offered on connect. So
the book keeps one file number, the highest number up to which nothing is missing, and what came
beyond it; files that were current in between are owed and asked for once each.
"""

import json
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Final

PIECE: Final = 32
"""Most records asked for at once."""
_MOST_SPANS: Final = 64
_MOST_OWED: Final = 16
_MOST_TRIES: Final = 3
_MOST_NUMBER: Final = 10**10


class Spans:
    """A set of positive numbers, kept as sorted spans that do not touch."""

    def __init__(self) -> None:
        self.spans: list[tuple[int, int]] = []
        """(first, last) of each, in order."""

    def __contains__(self, number: int) -> bool:
        return self.end_of(number) is not None

    def end_of(self, number: int) -> int | None:
        """Return the last number of the span that holds `number`, or None."""
        at = bisect_right(self.spans, (number, _MOST_NUMBER)) - 1
        return self.spans[at][1] if at >= 0 and self.spans[at][1] >= number else None

    def next_from(self, number: int) -> int | None:
        """Return the first number of the first span that begins at or after `number`."""
        at = bisect_right(self.spans, (number, 0))
        return self.spans[at][0] if at < len(self.spans) else None

    def add(self, first: int, last: int) -> None:
        """Put `first` to `last` in."""
        kept = []
        for low, high in self.spans:
            if high < first - 1 or low > last + 1:
                kept.append((low, high))
            else:
                first, last = min(first, low), max(last, high)
        self.spans = sorted([*kept, (first, last)])

    def cut(self, last: int) -> None:
        """Take out every number above `last`."""
        self.spans = [(low, min(high, last)) for low, high in self.spans if low <= last]

    def drop_last_span(self) -> None:
        """Forget the highest span."""
        self.spans.pop()


@dataclass(slots=True)
class Owed:
    """A file that was current while we were not looking."""

    file: int
    tries: int = 0


@dataclass(slots=True)
class Ledger:
    """The book of one decoder; `recall` and `memory` carry it over connections."""

    box: str | None = None
    file: int | None = None
    contiguous: int = 0
    """Every number from 1 to this one has been received."""
    epoch: int = 0
    """How often numbering began again within a file; only ever grows, whatever the box."""
    owed: list[Owed] = field(default_factory=list)
    beyond: Spans = field(default_factory=Spans)
    """What has been received above `contiguous`."""
    deferred: Spans = field(default_factory=Spans)
    """Numbers the decoder would not give; asked for again later, never counted as received."""

    def mark(self, number: int) -> None:
        """Enter one received number of the current file."""
        if number == self.contiguous + 1:
            self.contiguous = number
            if self.beyond.spans:
                self.settle_front()
        elif number > self.contiguous and number < _MOST_NUMBER:
            self.beyond.add(number, number)
            if len(self.beyond.spans) > _MOST_SPANS:
                self.beyond.drop_last_span()

    def settle_front(self) -> None:
        """Move `contiguous` over what directly follows it."""
        end = self.beyond.end_of(self.contiguous + 1)
        if end is not None:
            self.contiguous = end
            rest = [span for span in self.beyond.spans if span[0] > end]
            self.beyond = Spans()
            for low, high in rest:
                self.beyond.add(low, high)

    def has(self, number: int) -> bool:
        """Tell whether this number of the current file was received."""
        return number <= self.contiguous or number in self.beyond

    @property
    def top(self) -> int:
        """The highest number received."""
        return self.beyond.spans[-1][1] if self.beyond.spans else self.contiguous

    def missing(self, target: int) -> tuple[int, int] | None:
        """Return (first, count) of what to ask for next up to `target`; at most a `PIECE`."""
        first = self.contiguous + 1
        while (end := self._skipped_to(first)) is not None:
            first = end + 1
        if first > target:
            return None
        ends = [target, first + PIECE - 1]
        ends += [
            start - 1
            for spans in (self.beyond, self.deferred)
            if (start := spans.next_from(first)) is not None
        ]
        return first, min(ends) - first + 1

    def defer(self, first: int, last: int) -> None:
        """Stop asking for these numbers until `forgive`."""
        self.deferred.add(first, last)

    def forgive(self) -> None:
        """Ask again for everything that was deferred."""
        self.deferred = Spans()

    def cut(self, count: int) -> None:
        """Forget numbers above what the decoder says it holds."""
        self.beyond.cut(count)

    def turn_to(self, file: int | None) -> None:
        """Begin another file at 1; what was current since the last one is owed."""
        if self.file is not None and file is not None:
            between = range(max(self.file, file - _MOST_OWED) + 1, file)
            known = {owed.file for owed in self.owed} | {file}
            self.owed += [Owed(old) for old in (self.file, *between) if old not in known]
            self.owed = [owed for owed in self.owed if owed.file != file][-_MOST_OWED:]
        self.file = file
        self._begin()

    def begin_again(self) -> None:
        """Begin the same file at 1: its numbers now belong to other passings."""
        self.epoch += 1
        self._begin()

    def turn_to_box(self, box: str) -> None:
        """Begin another decoder's book, with nothing received."""
        self.box, self.file = box, None
        self.owed = []
        self._begin()

    def next_owed(self) -> Owed | None:
        """Return the next old file worth asking for."""
        return next((owed for owed in self.owed if owed.tries < _MOST_TRIES), None)

    def give_up(self) -> list[int]:
        """Strike off the old files that were asked for too often, and return them."""
        lost = [owed.file for owed in self.owed if owed.tries >= _MOST_TRIES]
        self.owed = [owed for owed in self.owed if owed.tries < _MOST_TRIES]
        return lost

    def settle(self, file: int) -> None:
        """Strike an old file off."""
        self.owed = [owed for owed in self.owed if owed.file != file]

    def memory(self) -> str:
        """Return the book as JSON, for `recall` on the next connection."""
        book: dict[str, object] = {
            "box": self.box,
            "file": self.file,
            "contiguous": self.contiguous,
        }
        if self.epoch:
            book["epoch"] = self.epoch
        if self.beyond.spans:
            book["beyond"] = self.beyond.spans
        if self.owed:
            book["owed"] = [(owed.file, owed.tries) for owed in self.owed]
        return json.dumps(book, separators=(",", ":"))

    def _begin(self) -> None:
        self.contiguous = 0
        self.beyond, self.deferred = Spans(), Spans()

    def _skipped_to(self, number: int) -> int | None:
        end = self.beyond.end_of(number)
        return end if end is not None else self.deferred.end_of(number)


def recall(memory: str | None) -> Ledger:
    """Return the book a `Ledger.memory` text tells of; an empty one if it tells nothing usable.

    An empty book is always safe: everything the decoder holds is read again, and what was known
    is recognised by its identity.
    """
    try:
        book = json.loads(memory or "null")
        ledger = Ledger(
            box=None if book["box"] is None else str(book["box"]),
            file=None if book["file"] is None else int(book["file"]),
            epoch=int(book.get("epoch", 0)),
            owed=[Owed(int(file), int(tries)) for file, tries in book.get("owed", [])],
        )
        contiguous = int(book["contiguous"])
        beyond = [(int(low), int(high)) for low, high in book.get("beyond", [])]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Ledger()
    ledger.contiguous = max(contiguous, 0)
    for low, high in beyond:
        if ledger.contiguous < low <= high:
            ledger.beyond.add(low, high)
    ledger.settle_front()
    return ledger
