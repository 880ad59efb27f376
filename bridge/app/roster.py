"""Keep the participants on this box as the provider has them: one full load, then news."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import structlog

from bridge.app.people_csv import FILE_IDS
from bridge.app.ports import Clock, ResultsProvider, RosterStore
from bridge.app.supervise import Backoff
from bridge.app.waiting import woken
from bridge.domain.entrants import Entrant, RegistrationId
from bridge.domain.reads import UtcNs
from bridge.domain.rules import EventId
from bridge.errors import ProviderError, TryLater

log = structlog.get_logger(__name__)

OVERLAP_S = 10
"""News is asked for from this much earlier: the service's own clocks differ a little."""
RETRY_S = (1.0, 60.0)
"""First and longest pause after a failure that passes by itself."""
SLOW_RETRY_S = (60.0, 600.0)
"""The same after a failure that a person must mend."""
SKIPPED_SHOWN = 20

OnChange = Callable[[Mapping[RegistrationId, Entrant]], None]
"""Is told everybody, once changes are durable."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What one synchronisation brought."""

    changed: int
    removed: int
    skipped: tuple[str, ...]
    """Rows, or parts of rows, that could not be used, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterStatus:
    """How fresh the participants are, for status pages."""

    participants: int
    last_success_at: UtcNs | None
    last_error: str | None
    """Why the last attempt failed, in words; None: it did not."""
    skipped: tuple[str, ...]


class Roster:
    """The participants stage of one race."""

    def __init__(
        self,
        events: Iterable[EventId],
        *,
        every_s: float,
        provider: ResultsProvider,
        store: RosterStore,
        clock: Clock,
        on_change: OnChange,
    ) -> None:
        """Set up; nothing is asked before `run` or `pull`."""
        self._events = tuple(events)
        self._every_s = every_s
        self._provider = provider
        self._store = store
        self._clock = clock
        self._on_change = on_change
        self._wake = asyncio.Event()
        self._whole = False
        self._turn = asyncio.Lock()
        self._heard: dict[RegistrationId, tuple[EventId, int]] | None = None
        self._participants = 0
        self._last_success_at: UtcNs | None = None
        self._last_error: str | None = None
        self._skipped: tuple[str, ...] = ()

    async def run(self) -> None:
        """Synchronise for ever; returns only by cancellation, never gives up."""
        soon, slow = Backoff(*RETRY_S), Backoff(*SLOW_RETRY_S)
        while True:
            self._wake.clear()
            pause_s = self._every_s
            try:
                await self.pull(whole=self._whole)
            except TryLater as error:
                pause_s = max(soon.pause_s(), error.after_s or 0.0)
            except ProviderError:
                pause_s = slow.pause_s()
            except Exception as error:  # bulkhead: timing goes on with the participants it has
                log.exception("participants sync failed")
                self._last_error = f"internal error ({type(error).__name__}): see the log"
                pause_s = slow.pause_s()
            else:
                soon.reset()
                slow.reset()
            await woken(self._wake, self._clock, pause_s)

    def now(self, *, whole: bool = False) -> None:
        """Have the next synchronisation happen at once; `whole` asks for everybody anew."""
        self._whole = self._whole or whole
        self._wake.set()

    async def pull(self, *, whole: bool = False) -> Pulled:
        """Synchronise once.

        Raises:
            ProviderError: The service did not answer; what was stored before stays.
        """
        async with self._turn:
            try:
                pulled = await self._pull(whole=whole)
            except ProviderError as error:
                self._failed(str(error))
                raise
            self._whole = self._whole and not whole
            if self._last_error is not None:
                log.info("participants come in again")
            self._last_error = None
            self._last_success_at = self._clock.utc_ns()
            return pulled

    @property
    def status(self) -> RosterStatus:
        """A snapshot."""
        return RosterStatus(
            participants=self._participants,
            last_success_at=self._last_success_at,
            last_error=self._last_error,
            skipped=self._skipped,
        )

    async def _pull(self, *, whole: bool) -> Pulled:
        known = self._known()
        cursors = {event: None if whole else self._store.cursor(event) for event in self._events}
        fresh = [event for event, cursor in cursors.items() if cursor is None]
        told = [cursor for cursor in cursors.values() if cursor is not None]
        changed, gone, skipped = 0, 0, list[str]()
        for event in fresh:
            news = await self._load(event, known, skipped)
            changed, gone = changed + news[0], gone + news[1]
        if told:
            since = [event for event in self._events if event not in fresh]
            news = await self._delta(since, min(told), known, skipped)
            changed, gone = changed + news[0], gone + news[1]
        if skipped or fresh:
            self._skipped = tuple(skipped[:SKIPPED_SHOWN])
        if changed or gone:
            log.info("participants changed", changed=changed, removed=gone, skipped=len(skipped))
            entrants = self._store.entrants()
            self._participants = len(entrants)
            self._on_change(entrants)
        return Pulled(changed, gone, tuple(skipped))

    async def _load(
        self,
        event: EventId,
        known: dict[RegistrationId, tuple[EventId, int]],
        skipped: list[str],
    ) -> tuple[int, int]:
        """Take everybody of one event; return how many changed and how many are gone."""
        entrants: dict[RegistrationId, Entrant] = {}
        newest: int | None = None
        async for page in self._provider.participants([event], modified_after=None):
            skipped += page.skipped
            newest = max(filter(None, (newest, page.newest)), default=None)
            entrants |= {e.registration_id: e for e in page.entrants if e.event_id == event}
        # People entered on site are not the service's to remove.
        there = {n for n, (where, _) in known.items() if where == event and n < FILE_IDS}
        # An empty answer where there were people is a fault at the service, not an empty race.
        believable = bool(entrants) or not there
        gone = there - entrants.keys() if believable else set[RegistrationId]()
        changed = _news(entrants.values(), known)
        if changed or gone or newest != self._store.cursor(event):
            await self._store.merge(event, entrants.values(), gone, cursor=newest)
        _learn(known, changed, gone)
        return len(changed), len(gone)

    async def _delta(
        self,
        events: list[EventId],
        cursor: int,
        known: dict[RegistrationId, tuple[EventId, int]],
        skipped: list[str],
    ) -> tuple[int, int]:
        """Take what changed since the cursor; return how many changed and how many are gone."""
        after = max(0, cursor - OVERLAP_S)
        heard: dict[RegistrationId, Entrant] = {}
        newest = cursor
        async for page in self._provider.participants(events, modified_after=after):
            skipped += page.skipped
            newest = max(newest, page.newest or 0)
            heard |= {e.registration_id: e for e in page.entrants if e.event_id in events}
        gone: dict[RegistrationId, EventId] = {}
        async for removal in self._provider.removed(events, modified_after=after):
            if removal.registration_id in heard:
                continue  # the list of participants knows better than an older removal
            if removal.registration_id in known:
                gone[removal.registration_id] = known[removal.registration_id][0]
        changed = _news(heard.values(), known)
        # A runner moved to another event under the same number leaves the old one's cache too.
        for each in changed:
            before = known.get(each.registration_id)
            if before is not None and before[0] != each.event_id:
                await self._store.merge(before[0], (), [each.registration_id], cursor=None)
        await self._merge_delta(events, changed, gone, newest)
        _learn(known, changed, gone)
        return len(changed), len(gone)

    async def _merge_delta(
        self,
        events: list[EventId],
        changed: list[Entrant],
        gone: Mapping[RegistrationId, EventId],
        newest: int,
    ) -> None:
        """Store news by event. The cursor moves only here, after removals were asked for too."""
        for event in events:
            upserts = [each for each in changed if each.event_id == event]
            removed = [number for number, where in gone.items() if where == event]
            if upserts or removed or self._store.cursor(event) != newest:
                await self._store.merge(event, upserts, removed, cursor=newest)

    def _known(self) -> dict[RegistrationId, tuple[EventId, int]]:
        """Return event and fingerprint of everybody, from the store the first time."""
        if self._heard is None:
            stored = self._store.entrants()
            self._participants = len(stored)
            self._heard = {number: (e.event_id, hash(e)) for number, e in stored.items()}
        return self._heard

    def _failed(self, text: str) -> None:
        if text != self._last_error:
            log.warning("participants cannot be fetched", reason=text)
        self._last_error = text


def _news(
    entrants: Iterable[Entrant], known: Mapping[RegistrationId, tuple[EventId, int]]
) -> list[Entrant]:
    return [e for e in entrants if known.get(e.registration_id) != (e.event_id, hash(e))]


def _learn(
    known: dict[RegistrationId, tuple[EventId, int]],
    changed: Iterable[Entrant],
    gone: Iterable[RegistrationId],
) -> None:
    for number in gone:
        known.pop(number, None)
    for each in changed:
        known[each.registration_id] = (each.event_id, hash(each))
