"""What comes out of the maths: crossings with their reasons, results with their places."""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from bridge.domain.entrants import RegistrationId
from bridge.domain.reads import UtcNs
from bridge.domain.rules import EventId, Method


class State(Enum):
    """The one state every read, and every crossing, ends in (timing rule 7)."""

    USED = "used"
    DUPLICATE = "duplicate"
    SAME_PASSING = "same_passing"
    TOO_SOON = "too_soon"
    BEFORE_START = "before_start"
    TOO_EARLY = "too_early"
    TOO_LATE = "too_late"
    AFTER_FINISH = "after_finish"
    AFTER_DNF = "after_dnf"
    STRAY = "stray"
    UNKNOWN_CHIP = "unknown_chip"
    AMBIGUOUS_CHIP = "ambiguous_chip"
    WRONG_EVENT = "wrong_event"
    OUTRANKED = "outranked"
    IGNORED = "ignored"
    BAD_CLOCK = "bad_clock"

    __hash__ = object.__hash__  # there is one of each; that of Enum is Python and costs more


class Status(Enum):
    """Where a runner stands."""

    ON_COURSE = "on_course"
    FINISHED = "finished"
    DNF = "dnf"
    DNS = "dns"
    DQ = "dq"


class TimedRead(NamedTuple):
    """A read placed in time and space: the input of the maths. One per journalled read."""

    id: int
    """Position in the journal: unique, increasing in order of arrival."""
    at: int
    """Corrected UTC ns, line offset not yet subtracted; -1 with `bad_clock`."""
    chip: str
    reader: str
    rssi: float | None
    antenna: int | None
    identity: tuple[str, int] | str
    """`reads.identity` within `reader`."""


class RemoteCrossing(NamedTuple):
    """A crossing another site took: the newest revision known."""

    id: str
    site: str
    location: str
    chip: str
    at: int
    withdrawn: bool


class Crossing(NamedTuple):
    """One passing of one runner (or unowned chip) at one location of this site."""

    id: str
    """Stable over revisions: site and the journal id of the first read of it that arrived."""
    location: str
    chip: str
    at: UtcNs
    """Crossing time, offset subtracted."""
    method: Method
    """How the time was really taken (peak may have fallen back)."""
    reads: int
    """Distinct reads in the passing."""
    rssi: float | None
    antenna: int | None
    reader: str
    """Reader, antenna and signal of the deciding read."""
    last_at: UtcNs
    """Time of the newest read in it: the passing closes `quiet` after."""
    registration_id: RegistrationId | None
    event_id: EventId | None
    clock_ns: int | None
    chip_ns: int | None
    state: State
    why: str
    """The rule with its numbers, for people."""


@dataclass(frozen=True, slots=True)
class Split:
    """A timed point before the finish (raw ns)."""

    point: int
    """Index in the course."""
    location: str
    split: str | None
    clock_ns: int
    chip_ns: int


@dataclass(frozen=True, slots=True)
class Result:
    """One runner's standing, raw: rounding happens when a text is made."""

    registration_id: RegistrationId
    event_id: EventId
    status: Status
    clock_ns: int | None
    chip_ns: int | None
    splits: tuple[Split, ...]
    place: int | None = None
    start_ns: UtcNs | None = None
    """The runner's own start: crossing, or T0 where `no_start_read`."""
    no_start_read: bool = False


class ReadState(NamedTuple):
    """One line of `why`."""

    read: TimedRead
    location: str
    state: State
    why: str
