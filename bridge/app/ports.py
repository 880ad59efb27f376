"""What the application needs from outside, said in its own words.

Every method that returns an awaitable returns once the effect would survive a power cut. Plain
methods read and return at once (a local file, a few milliseconds); they see everything that an
awaited write before them made durable.
"""

from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from bridge.app.rows import (
    Batch,
    ClockSample,
    CrossingRow,
    EventRow,
    Kind,
    ReadRun,
    SessionRow,
)
from bridge.domain.entrants import Entrant, RegistrationId
from bridge.domain.marks import Mark
from bridge.domain.reads import UtcNs
from bridge.domain.results import RemoteCrossing
from bridge.domain.rules import EventId


class Clock(Protocol):
    """The host's clocks."""

    def utc_ns(self) -> UtcNs:
        """Return what the host believes the time is."""
        ...

    def boot_ns(self) -> int:
        """Return CLOCK_BOOTTIME: never steps, counts suspend, starts at boot."""
        ...

    @property
    def boot_id(self) -> str:
        """This boot of the host; `boot_ns` compares only within one boot."""
        ...

    def error_ns(self) -> int | None:
        """Return the kernel's bound of the UTC clock's error, or None if not synchronised."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        ...


class Transport(Protocol):
    """An open byte stream to one reader."""

    async def read(self) -> bytes:
        """Return the next bytes, or b"" once the peer has closed.

        Raises:
            LinkError: The connection was lost.
        """
        ...

    async def write(self, data: bytes) -> None:
        """Send `data`, waiting while the peer is slow.

        Raises:
            LinkError: The connection was lost.
        """
        ...

    def close(self) -> None:
        """Let go at once; never raises. `read` gives what had come by then, and never waits."""
        ...


class Journal(Protocol):
    """The append-only record of what readers said and what was made of it."""

    def append(self, batch: Batch) -> Awaitable[None]:
        """Queue `batch` at once, in call order; the awaitable ends when it is durable.

        While the disk refuses (full, read-only, I/O error) the batch is kept and tried again for
        ever; `trouble` says so meanwhile.
        """
        ...

    @property
    def trouble(self) -> str | None:
        """What is wrong with the disk right now, in words, or None."""
        ...

    @property
    def backlog(self) -> int:
        """Rows queued and not yet durable: the link stops reading above a bound."""
        ...

    @property
    def next_id(self) -> int:
        """First free event id as of opening the store."""
        ...

    @property
    def next_session(self) -> int:
        """First free session id as of opening the store."""
        ...

    @property
    def next_seq(self) -> int:
        """First free crossing seq as of opening the store; starts at 1, has no gaps."""
        ...

    def open_session(self, session: SessionRow) -> Awaitable[None]:
        """Record a connection before its first row."""
        ...

    def sessions(self) -> Mapping[int, SessionRow]:
        """Return every session on record."""
        ...

    def samples(self) -> Iterator[ClockSample]:
        """Yield every clock sample, oldest first."""
        ...

    def memory(self, reader: str) -> str | None:
        """Return the newest durable `Remember` of a reader."""
        ...

    def last_stamp(self, reader: str) -> int | None:
        """Return the newest stamp among the reader's last thousand reads, or None."""
        ...

    def rows(self, first_id: int = 0, kinds: Sequence[Kind] = (Kind.READ,)) -> Iterator[EventRow]:
        """Yield rows in id order without holding more than a page of them in memory."""
        ...

    def read_spans(self, first_id: int = 0) -> Iterator[tuple[int, int, int]]:
        """Yield (id of the first, session, how many) of READ rows with ids in a row, in id order.

        Much cheaper than the rows themselves; nothing before `first_id`.
        """
        ...

    def reads_in(self, first_id: int, sessions: Sequence[int]) -> Iterator[EventRow]:
        """Yield the READ rows of these sessions in id order, from `first_id` on."""
        ...

    def reads_of(self, chips: Sequence[str]) -> list[EventRow]:
        """Return every READ row of these exact chip texts, those not yet durable included."""
        ...

    def chips_seen(self) -> Iterator[str]:
        """Yield each distinct chip text on record."""
        ...

    def crossings(self, first_seq: int, last_seq: int) -> Iterator[CrossingRow]:
        """Yield own crossing messages in seq order, both ends included."""
        ...


class MarkBook(Protocol):
    """Operator marks, append-only."""

    def marks(self) -> list[Mark]:
        """Return all marks, oldest first, undone ones included."""
        ...

    def add(self, mark: Mark) -> Awaitable[Mark]:
        """Record a mark; its `id` is assigned here and returned in the copy."""
        ...

    def undo(self, mark_id: int, *, author: str, made_at: UtcNs) -> Awaitable[None]:
        """Mark it undone; who and when are kept."""
        ...


class RosterStore(Protocol):
    """Participants as last heard from the provider, and what was assigned on site."""

    def entrants(self) -> dict[RegistrationId, Entrant]:
        """Return everybody, local bibs and chips laid over the provider's."""
        ...

    def merge(
        self,
        event_id: EventId,
        upserts: Iterable[Entrant],
        removed: Iterable[RegistrationId],
        *,
        cursor: int | None,
        whole: bool = False,
    ) -> Awaitable[None]:
        """Take news of one event. `cursor`: epoch seconds to ask from next time (None: keep).

        With `whole`, whoever of that event is not in `upserts` is removed.
        """
        ...

    def cursor(self, event_id: EventId) -> int | None:
        """Return where to continue asking, or None before the first full load."""
        ...

    def assign(
        self, registration_id: RegistrationId, *, bib: int | None, chips: tuple[str, ...] | None
    ) -> Awaitable[None]:
        """Record a bib or chips given on site; a later sync never blanks them."""
        ...


class PostRow(NamedTuple):
    """What the provider has acknowledged of one runner."""

    event_id: int
    registration_id: int
    fields: Mapping[str, object]
    """Field name -> value as posted and accepted."""
    refused: str | None
    """Why the provider will never take the last attempt, or None."""
    attempted: Mapping[str, object] | None
    """The fields that were refused: tried again only once desired differs from them. With
    `refused` None: sent, and not acknowledged yet; the provider may or may not hold them."""


class PostLedger(Protocol):
    """The provider's side of the reconciliation, as far as it has been acknowledged."""

    def posted(self) -> Iterator[PostRow]:
        """Yield the whole ledger."""
        ...

    def settle(self, rows: Sequence[PostRow]) -> Awaitable[None]:
        """Record what was accepted or refused; replaces the runner's row."""
        ...


class RemoteStore(Protocol):
    """Crossings of the other sites."""

    def remote(self) -> Iterator[RemoteCrossing]:
        """Yield the newest revision of every crossing of other sites."""
        ...

    def keep(self, messages: Sequence[tuple[str, int, RemoteCrossing]]) -> Awaitable[None]:
        """Store (site, seq, crossing) messages; a lower seq never replaces a higher one."""
        ...

    def missing(self, site: str, upto: int) -> list[tuple[int, int]]:
        """Return the ranges (first, last) of seq in 1..upto never received from a site."""
        ...


class Notes(Protocol):
    """Small durable facts by name: result-set ids, cursors. Values are JSON text."""

    def get(self, name: str) -> str | None:
        """Return the value, or None."""
        ...

    def put(self, name: str, value: str, *, lazy: bool = False) -> Awaitable[None]:
        """Store a value; lazy as in `Batch.lazy`."""
        ...


class Store(Journal, MarkBook, RosterStore, PostLedger, RemoteStore, Notes, Protocol):
    """One race's durable memory on this box: one file, one writer."""

    def remember_recent(self, run: ReadRun) -> None:
        """Make READ rows visible to `reads_of` before they are durable (append does it too)."""
        ...

    async def close(self) -> None:
        """Write what is queued, check-point, close."""
        ...


class ResultsProvider(Protocol):
    """The results service of a race, RunSignup or another.

    Every method raises `TryLater`, `LoginFailed` or `Refused`.
    """

    def participants(
        self, event_ids: Sequence[EventId], *, modified_after: int | None
    ) -> AsyncIterator["ParticipantPage"]:
        """Page through participants; `modified_after` is epoch seconds, inclusive."""
        ...

    def removed(
        self, event_ids: Sequence[EventId], *, modified_after: int | None
    ) -> AsyncIterator["Removal"]:
        """Page through registrations that are no more (removed, transferred, deferred)."""
        ...

    async def race_zone(self) -> str | None:
        """Return the race's IANA zone."""
        ...

    async def result_sets(self, event_id: EventId) -> list["ResultSet"]:
        """Return the result sets of an event."""
        ...

    async def create_result_set(self, event_id: EventId, name: str) -> int:
        """Create a set and return its id. Not idempotent: list first."""
        ...

    async def splits(self, event_id: EventId, set_id: int) -> list["SplitDef"]:
        """Return the split definitions of a set, in display order."""
        ...

    async def write_splits(
        self, event_id: EventId, set_id: int, splits: Sequence["SplitDef"]
    ) -> list["SplitDef"]:
        """Replace the list; every existing id must be in it. Return it with the new ids."""
        ...

    async def post(
        self, event_id: EventId, set_id: int, rows: Sequence[Mapping[str, object]]
    ) -> None:
        """Post result rows keyed by `registration_id`; all accepted or an error."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class ParticipantPage(NamedTuple):
    """One page of participants."""

    entrants: list[Entrant]
    newest: int | None
    """Highest `last_modified` (epoch seconds) on the page."""
    skipped: list[str]
    """Rows that could not be used, in words (field lesson 19: one odd record stops nothing)."""


class Removal(NamedTuple):
    """A registration that is no more."""

    registration_id: RegistrationId
    event_id: EventId
    reason: str
    moved_to: RegistrationId | None
    modified: int | None


class ResultSet(NamedTuple):
    """A result set of an event at the provider."""

    id: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitDef:
    """A split of a result set; `id` None: to be created."""

    id: int | None
    name: str
    distance_m: float | None = None
    extra: Mapping[str, object] = field(default_factory=dict)
    """The provider's other fields, sent back as they came."""


__all__ = [
    "Batch",
    "Clock",
    "ClockSample",
    "CrossingRow",
    "EventRow",
    "Journal",
    "Kind",
    "MarkBook",
    "Notes",
    "ParticipantPage",
    "PostLedger",
    "PostRow",
    "ReadRun",
    "RemoteStore",
    "Removal",
    "ResultSet",
    "ResultsProvider",
    "RosterStore",
    "SessionRow",
    "SplitDef",
    "Store",
    "Transport",
]
