"""An operator's facts: append-only, each can be undone, none ever deleted."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from bridge.domain.reads import UtcNs
from bridge.domain.rules import EventId


class MarkKind(Enum):
    """What kind of fact."""

    GUN = "gun"
    """T0 of an event, or of one wave of it. Last one wins."""
    DNS = "dns"
    DNF = "dnf"
    DQ = "dq"
    CROSSING = "crossing"
    """A hand-entered crossing of a bib at a location and time."""
    IGNORE = "ignore"
    """The crossing of a bib (or chip) at a location nearest to a time does not count."""
    SWAP = "swap"
    """Two bibs wore each other's chips."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One fact. Which fields are set depends on `kind`."""

    id: int
    """Running number; a higher one is later and wins where only one can hold."""
    kind: MarkKind
    made_at: UtcNs
    author: str
    """``cli:pi``, ``mqtt:announcer``, ``reader:finish-main`` (a gun marker)."""
    event_id: EventId | None = None
    wave: str | None = None
    bib: int | None = None
    other_bib: int | None = None
    """The second bib of a swap."""
    location: str | None = None
    at: UtcNs | None = None
    """T0, or the time of the crossing entered or ignored."""
    note: str = ""
    undone: bool = False


def standing(marks: Iterable[Mark]) -> list[Mark]:
    """Return the marks that hold, oldest first."""
    return sorted((mark for mark in marks if not mark.undone), key=lambda mark: mark.id)
