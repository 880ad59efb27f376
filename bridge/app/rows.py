"""What is journalled, as rows; on the hot path as columns."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple, overload

from bridge.domain.reads import Read, UtcNs

Column = tuple[Any, ...]


class Kind(IntEnum):
    """Kind of a journalled event. Stored: never renumber."""

    READ = 1
    MARKER = 2
    CLOCK = 3
    STEP = 4
    STATUS = 5
    CONTROL = 6
    REJECTED = 7
    SENT = 8


class EventRow(NamedTuple):
    """One frame of a reader as journalled: the raw bytes and what they were decoded to.

    A plain tuple on the hot path; its order is the order of the columns of table `events`.
    """

    id: int
    """Position: unique, increasing in the order taken in, assigned by the taker."""
    session: int
    kind: int
    utc_ns: int
    """Host UTC at arrival of its last byte."""
    boot_ns: int
    """CLOCK_BOOTTIME of the same moment (boot id is the session's)."""
    chip: str | None
    stamp: int
    form: int
    antenna: int | None
    rssi: float | None
    seq: int | None
    key: str | None
    raw: bytes
    note: str | None
    """Reason and detail of a rejection, name of a marker, JSON of a status or clock."""


_READ = int(Kind.READ)
_make_row = partial(tuple.__new__, EventRow)


class ReadRun(Sequence[EventRow]):
    """READ rows of one session that came in together, at least one, as columns.

    Nearly all reads go their way in such runs, and a tuple for each would cost more than what is
    done to it: the row of a single read is made when somebody asks for it.
    """

    __slots__ = (
        "antennas", "boot_ns", "chips", "forms", "ids", "keys", "raws", "rssis", "seqs",
        "session", "stamps", "utc_ns",
    )  # fmt: skip

    def __init__(
        self,
        ids: Sequence[int],
        session: int,
        utc_ns: int,
        boot_ns: int,
        columns: Sequence[Column],
    ) -> None:
        """Take the columns chip, stamp, form, antenna, rssi, seq, key and raw, equally long."""
        self.ids = ids
        self.session = session
        self.utc_ns = utc_ns
        self.boot_ns = boot_ns
        self.chips, self.stamps, self.forms, self.antennas = columns[:4]
        self.rssis, self.seqs, self.keys, self.raws = columns[4:]

    @classmethod
    def of_reads(
        cls, first_id: int, session: int, utc_ns: int, boot_ns: int, reads: Iterable[Read]
    ) -> "ReadRun":
        """Make the run of reads just decoded; their ids begin at `first_id`."""
        raws, chips, stamps, forms, antennas, rssis, _, seqs, keys = zip(*reads, strict=True)
        # plain integers: the store takes each member of an enumeration for something to be adapted
        if forms.count(forms[0]) == len(forms):
            forms = (int(forms[0]),) * len(forms)
        else:
            forms = tuple(map(int, forms))
        columns = (chips, stamps, forms, antennas, rssis, seqs, keys, raws)
        ids = range(first_id, first_id + len(chips))
        return cls(ids, session, utc_ns, boot_ns, columns)

    @classmethod
    def of_rows(cls, rows: Sequence[EventRow]) -> "ReadRun":
        """Make the run of READ rows of one session that arrived together, whatever their ids."""
        columns = list(zip(*rows, strict=True))
        last = rows[-1]
        return cls(columns[0], last[1], last[3], last[4], columns[5:13])

    def __len__(self) -> int:
        return len(self.chips)

    def __iter__(self) -> Iterator[EventRow]:
        rows = zip(
            self.ids, repeat(self.session), repeat(_READ), repeat(self.utc_ns),
            repeat(self.boot_ns), self.chips, self.stamps, self.forms, self.antennas, self.rssis,
            self.seqs, self.keys, self.raws, repeat(None), strict=False,
        )  # fmt: skip
        return map(_make_row, rows)

    @overload
    def __getitem__(self, place: int) -> EventRow: ...
    @overload
    def __getitem__(self, place: slice) -> list[EventRow]: ...
    def __getitem__(self, place: int | slice) -> EventRow | list[EventRow]:
        if isinstance(place, slice):
            return list(self)[place]
        at = range(len(self))[place]
        return EventRow(
            self.ids[at], self.session, _READ, self.utc_ns, self.boot_ns, self.chips[at],
            self.stamps[at], self.forms[at], self.antennas[at], self.rssis[at], self.seqs[at],
            self.keys[at], self.raws[at], None,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """One connection of one reader in one boot."""

    id: int
    reader: str
    driver: str
    location: str
    link: str
    """URL without secrets, or ``import:FILE``."""
    boot_id: str
    opened_ns: UtcNs
    synchronised: bool
    """Whether the host's clock was synchronised when the session opened."""


class ClockSample(NamedTuple):
    """One answered clock query of a reader, or one step it reported."""

    session: int
    utc_ns: int
    """Host UTC at the middle of the round trip."""
    boot_ns: int
    rtt_ns: int
    stamp: int
    """What the reader said (its own form); for a step the new time."""
    form: int
    step: bool
    """True: a clock epoch begins here."""


class CrossingRow(NamedTuple):
    """One message of the topic tree `crossing`, own site."""

    seq: int
    anchor: int
    """Journal id in the crossing's id: groups the revisions of one crossing."""
    location: str
    payload: bytes
    """The JSON as published."""


@dataclass(slots=True)
class Batch:
    """What must become durable together, in one transaction."""

    rows: list[EventRow] = field(default_factory=list)
    """Events one by one."""
    runs: list[ReadRun] = field(default_factory=list)
    """Reads that came in together; no id in them is in `rows` or in another run."""
    samples: list[ClockSample] = field(default_factory=list)
    memories: dict[str, str] = field(default_factory=dict)
    """Reader name -> newest `Remember`."""
    crossings: list[CrossingRow] = field(default_factory=list)
    lazy: bool = False
    """True: may wait for the next batch that is not lazy, ten seconds at most (SD cards wear)."""

    @property
    def events(self) -> int:
        """How many events there are."""
        return len(self.rows) + sum(map(len, self.runs))
