"""Post results as reconciliation: compare what should stand at the service with what does.

Nothing is queued as a message. The ledger says what the service has acknowledged; the difference
to the results of this moment is what there is to send. So a restart, a lost reply or an hour
without network need no special care: the difference is still there.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice

import structlog

from bridge.app.event_posting import EventPosting, Manners
from bridge.app.ports import Clock, Notes, PostLedger, ResultsProvider
from bridge.app.post_book import EntrantOf, PostBook, ResultsView
from bridge.app.result_sets import TargetFinder, provisional
from bridge.domain.entrants import RegistrationId
from bridge.domain.posts import Fields
from bridge.domain.reads import NS_PER_S, UtcNs
from bridge.domain.rules import EventId, EventRules
from bridge.driver_api import Alarm

log = structlog.get_logger(__name__)

SLICE = 500
"""Ledger lines or rows handled before other stages get their turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostingRules:
    """What the posting stage is told."""

    events: tuple[EventRules, ...]
    served: frozenset[str]
    """Locations this box's readers serve: it posts their fields and no other."""
    result_sets: Mapping[EventId, str | int]
    """Event -> name or id of its result set."""
    send: bool = True
    """False: shadow mode; everything is computed and shown, nothing leaves the box."""
    manners: Manners = field(default_factory=Manners)


@dataclass(frozen=True, slots=True)
class WouldPost:
    """A row as it would be sent."""

    event_id: EventId
    registration_id: RegistrationId
    bib: int | None
    name: str
    fields: Fields
    refused: str | None
    """Why the service refused exactly this before: it will not be sent again as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostingStatus:
    """Where posting stands, for status pages."""

    sending: bool
    pending: int
    posted: int
    refused: int
    lag_s: float
    """Age of the oldest change not yet posted."""
    last_success_at: UtcNs | None
    last_error: str | None
    """Why posting does not get on right now, in words; None: it does."""
    attention: tuple[str, ...]
    """What an operator must look at: refused rows, values only they can remove."""


class Poster:
    """The posting stage of one race."""

    def __init__(
        self,
        rules: PostingRules,
        *,
        provider: ResultsProvider,
        ledger: PostLedger,
        notes: Notes,
        results: ResultsView,
        entrant: EntrantOf,
        clock: Clock,
        alarm: Callable[[Alarm], None],
    ) -> None:
        """Set up; `provider` is not touched before `run`, and never in shadow mode."""
        self._rules = rules
        self._ledger = ledger
        self._results = results
        self._entrant = entrant
        self._clock = clock
        self._loading = asyncio.Lock()
        self._loaded = False
        self._events: dict[EventId, EventPosting] = {}
        for event in rules.events:
            finder = TargetFinder(
                event, rules.result_sets[event.id], provider=provider, notes=notes, clock=clock
            )
            target = finder.remembered() or provisional(event)
            self._events[event.id] = EventPosting(
                event,
                PostBook(event, rules.served, target, results, entrant),
                finder,
                provider=provider,
                ledger=ledger,
                notes=notes,
                clock=clock,
                alarm=alarm,
                manners=rules.manners,
            )

    async def run(self) -> None:
        """Post for ever; returns only by cancellation."""
        await self._results.ready()
        await self._load()
        async with asyncio.TaskGroup() as group:
            for event_id, posting in self._events.items():
                job = posting.run() if self._rules.send else posting.shadow()
                group.create_task(job, name=f"posting-{event_id}")

    def note_changed(self, registration_ids: Iterable[RegistrationId]) -> None:
        """Have these runners compared soon: their result or registration changed."""
        noted = set(registration_ids)
        for posting in self._events.values():
            posting.note(noted)

    async def preview(self, event_id: EventId | None = None) -> list[WouldPost]:
        """Return every row that differs from what is posted, as it would be sent.

        Splits of a set not created yet are shown by name instead of id.
        """
        await self._load()
        rows: list[WouldPost] = []
        for each, posting in self._events.items():
            if event_id not in {None, each}:
                continue
            parcels = posting.book.would_post()
            while some := list(islice(parcels, SLICE)):
                for parcel in some:
                    entrant = self._entrant(parcel.registration_id)
                    rows.append(
                        WouldPost(
                            each,
                            parcel.registration_id,
                            entrant.bib if entrant else None,
                            entrant.name if entrant else "",
                            parcel.fields,
                            posting.book.refused.get(parcel.registration_id),
                        )
                    )
                await self._clock.sleep(0)
        return rows

    @property
    def status(self) -> PostingStatus:
        """A snapshot, cheap enough for every second."""
        events = list(self._events.values())
        waits = [s for p in events if (s := p.book.waiting_since_ns) is not None]
        lag_ns = self._clock.boot_ns() - min(waits) if waits else 0
        errors = [p.last_error for p in events if p.last_error]
        successes = [at for p in events if (at := p.last_success_at) is not None]
        return PostingStatus(
            sending=self._rules.send,
            pending=sum(p.book.pending for p in events),
            posted=sum(p.book.posted for p in events),
            refused=sum(len(p.book.refused) for p in events),
            lag_s=lag_ns / NS_PER_S,
            last_success_at=max(successes, default=None),
            last_error="; ".join(errors) or None,
            attention=tuple(words for p in events for words in p.attention()),
        )

    async def _load(self) -> None:
        async with self._loading:
            if self._loaded:
                return
            rows = iter(self._ledger.posted())
            while some := list(islice(rows, SLICE)):
                for row in some:
                    posting = self._events.get(EventId(row.event_id))
                    if posting is not None:
                        posting.book.take(row)
                await self._clock.sleep(0)
            for posting in self._events.values():
                posting.note(posting.book.everybody())
            self._loaded = True
