"""Which reads are not in the chip index yet: the memory part of a log-structured index."""

from array import array
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from bridge.app.rows import Batch, EventRow, Kind, ReadRun


def _by_chip() -> "defaultdict[str, array[int]]":
    return defaultdict(partial(array, "q"))


@dataclass(slots=True)
class Generation:
    """The reads of one stretch of the journal, by chip; frozen once handed on to be sealed."""

    chips: "defaultdict[str, array[int]]" = field(default_factory=_by_chip)
    """Chip -> ids. Arrays: eight bytes each where a number and its place in a list take forty."""
    reads: int = 0
    last_id: int = 0
    tail: bool = True
    """False for rows put back below the newest ones: the unsealed tail begins elsewhere."""

    def add(self, row_id: int, chip: str) -> None:
        """Note one read."""
        self.chips[chip].append(row_id)
        self.last_id = max(self.last_id, row_id)
        self.reads += 1


class Recent:
    """Reads since the last sealed segment, by chip, and the rows of those not yet durable.

    Bounded: a generation is `capacity` ids, and the writer seals faster than it takes rows in; rows
    are kept only until they are durable (the link's back-pressure bounds those).
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._current = Generation()
        self._frozen: list[Generation] = []
        self._rows: dict[int, EventRow] = {}
        self._runs: dict[int, ReadRun] = {}
        """By first id, ascending."""
        self._starts: list[int] | None = []
        """The keys of `_runs`; None: to be made when somebody asks."""

    def add(self, rows: Sequence[EventRow]) -> None:
        """Note READ rows on their way to the disk; those already noted are skipped."""
        waiting, chips = self._rows, self._current.chips
        read, last, count = int(Kind.READ), 0, 0
        for row in rows:
            row_id = row[0]
            chip = row[5]
            if row[2] == read and chip is not None and row_id not in waiting:
                waiting[row_id] = row
                chips[chip].append(row_id)
                last = row_id if row_id > last else last  # noqa: FURB136  max() costs a call
                count += 1
        if count:
            self._current.last_id = max(self._current.last_id, last)
            self._current.reads += count

    def add_run(self, run: ReadRun) -> None:
        """Note a run of reads on its way to the disk; one already noted is skipped."""
        first = run.ids[0]
        if first in self._runs:
            return
        self._runs[first] = run
        self._starts = None
        chips = self._current.chips
        for row_id, chip in zip(run.ids, run.chips, strict=True):
            chips[chip].append(row_id)
        self._current.last_id = max(self._current.last_id, run.ids[-1])
        self._current.reads += len(run)

    def add_durable(self, reads: Iterable[tuple[int, str]]) -> None:
        """Note (id, chip) of reads found on disk behind the last segment."""
        for row_id, chip in reads:
            self._current.add(row_id, chip)

    def take_full(self) -> Generation | None:
        """Return the current generation if it is full; it stays visible until `forget`."""
        if self._current.reads < self._capacity:
            return None
        full, self._current = self._current, Generation()
        self._frozen.append(full)
        return full

    def durable(self, batch: Batch) -> None:
        """Let go of reads that can be read from the file now."""
        for row in batch.rows:
            self._rows.pop(row[0], None)
        for run in batch.runs:
            self._runs.pop(run.ids[0], None)
            self._starts = None

    def forget(self, generation: Generation) -> None:
        """Drop a generation that has become a segment."""
        self._frozen = [other for other in self._frozen if other is not generation]

    def ids(self, chip: str) -> Iterator[int]:
        """Yield the ids noted for a chip; an id may come twice."""
        for generation in (*self._frozen, self._current):
            yield from generation.chips.get(chip, ())

    def row(self, row_id: int) -> EventRow | None:
        """Return a read that is not durable yet."""
        row = self._rows.get(row_id)
        if row is not None:
            return row
        if self._starts is None:
            self._starts = list(self._runs)
        place = bisect_right(self._starts, row_id) - 1
        run = self._runs[self._starts[place]] if place >= 0 else None
        return run[row_id - run.ids[0]] if run is not None and row_id in run.ids else None

    def chips(self) -> set[str]:
        """Return every chip noted."""
        return set(self._current.chips).union(*(other.chips for other in self._frozen))
