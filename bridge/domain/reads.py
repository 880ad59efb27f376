"""What a reader told us, before anyone interprets it."""

from enum import IntEnum
from typing import NamedTuple, NewType

Chip = NewType("Chip", str)
"""A chip's identity, exactly as the protocol sheet's identity rule prints it."""

UtcNs = NewType("UtcNs", int)
"""Nanoseconds since 1970-01-01T00:00:00Z: exact, ordered, fits an SQLite INTEGER."""

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
DAY_NS = 86_400 * NS_PER_S


class StampForm(IntEnum):
    """What the number in `Read.stamp` counts. Stored in the journal: never renumber."""

    ABSENT = 0
    """The protocol gave no time; `stamp` is 0."""
    NAIVE = 1
    """Local wall clock of the reader: ns since 1970-01-01T00:00:00 read as if it had no zone."""
    UTC = 2
    """An absolute instant: ns since the Unix epoch."""
    TIME_OF_DAY = 3
    """Local time of day without a date: ns since midnight of the reader's clock; may exceed a day
    when the reader counts days without knowing the date (RACE RESULT ``0000-00-01``)."""


class Read(NamedTuple):
    """One sighting of one chip, as the reader reported it. Never changed, never deleted.

    A NamedTuple, because one is made per read on the hot path.
    """

    raw: bytes
    """The frame on the wire, line end included."""
    chip: Chip
    stamp: int
    """The reader's own time; `form` says what it counts."""
    form: StampForm
    antenna: int | None = None
    """Number printed on the reader, from 1; None where the protocol has none."""
    rssi: float | None = None
    """dBm or the reader's own unit; None where the protocol has none."""
    unit: str | None = None
    """The reader's or receiver module's own name for itself on the wire; where one connection
    carries several places (MYLAPS, ChronoTrack), the name of the place."""
    seq: int | None = None
    """The reader's running number of this read, where it has one."""
    key: str | None = None
    """Identity of the read within its reader where (chip, stamp) does not identify it, for
    example ``D-5662/177/7750``; None: (chip, stamp) is the identity."""


def identity(chip: str, stamp: int, key: str | None) -> tuple[str, int] | str:
    """Return what makes two records of one reader the same read."""
    return key if key is not None else (chip, stamp)
