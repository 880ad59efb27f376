"""Post the rows of one event: batches, retries, isolation of bad rows."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import structlog

from bridge.app.ports import Clock, Notes, PostLedger, PostRow, ResultsProvider
from bridge.app.post_book import Parcel, PostBook
from bridge.app.result_sets import LOOK_SOON_S, Target, TargetFinder
from bridge.app.supervise import Backoff
from bridge.app.waiting import woken
from bridge.domain.entrants import RegistrationId
from bridge.domain.posts import row_of
from bridge.domain.reads import NS_PER_S, UtcNs
from bridge.domain.rules import EventRules
from bridge.driver_api import Alarm
from bridge.errors import LoginFailed, ProviderError, Refused, TryLater

log = structlog.get_logger(__name__)

SLICE = 200
"""Rows compared before other stages get their turn."""
ALL_BAD = 4
"""When this many rows and not one is taken, it is hardly the rows that are wrong."""
SHOWN = 10
"""Runners named in a list for people; the rest is a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How the service likes to be spoken to, and how long we wait when it does not answer."""

    batch_rows: int = 25
    """What the service's own sample sends; it warns against more."""
    batches_at_once: int = 2
    pause_s: float = 1.0
    """Between rounds of batches."""
    retry_s: tuple[float, float] = (1.0, 60.0)
    """First and longest pause after a failure that passes by itself."""
    slow_retry_s: tuple[float, float] = (60.0, 600.0)
    """The same after a failure that a person must mend."""


class EventPosting:
    """The reconciliation of one event."""

    last_error: str | None
    """Why posting does not get on right now, in words."""
    last_success_at: UtcNs | None
    """When the service last took something."""

    def __init__(
        self,
        event: EventRules,
        book: PostBook,
        finder: TargetFinder,
        *,
        provider: ResultsProvider,
        ledger: PostLedger,
        notes: Notes,
        clock: Clock,
        alarm: Callable[[Alarm], None],
        manners: Manners,
    ) -> None:
        self.book = book
        self.last_error = None
        self.last_success_at = None
        self._event = event
        self._finder = finder
        self._provider = provider
        self._ledger = ledger
        self._notes = notes
        self._clock = clock
        self._alarm = alarm
        self._manners = manners
        self._raised: dict[str, str] = {}
        self._wake = asyncio.Event()
        self._soon = Backoff(*manners.retry_s)
        self._slow = Backoff(*manners.slow_retry_s)

    def note(self, registration_ids: Iterable[RegistrationId]) -> None:
        """Have these compared soon."""
        self.book.note(registration_ids)
        self._wake.set()

    async def shadow(self) -> None:
        """Compare for ever and send nothing."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._weigh()

    async def run(self) -> None:
        """Post for ever; nothing that happens to this event ends it, or another event."""
        while True:
            await self._something_to_do()
            try:
                await self._round()
            except ProviderError as error:
                await self._failed(error)
            except Exception as error:  # bulkhead: a bug met in one event stops no other
                log.exception("posting failed", race_event=self._event.name)
                kind = type(error).__name__
                await self._failed(Refused(f"internal error ({kind}): see the log"))
            else:
                self._went_well()

    def attention(self) -> list[str]:
        """Return what an operator must look at, in words."""
        return [text for name, text in self._raised.items() if name != self._name("stopped")]

    async def _something_to_do(self) -> None:
        if not self._finder.settling:
            await self._wake.wait()
        else:
            await woken(self._wake, self._clock, LOOK_SOON_S)
        self._wake.clear()

    async def _round(self) -> None:
        """Compare, send up to two batches, and come back if there is more."""
        await self._weigh()
        if not self.book.pending and not self._finder.settling:
            return
        await self._aim(await self._finder.find())
        await self._weigh()
        manners = self._manners
        batches = self.book.batches(manners.batch_rows, manners.batches_at_once)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._outcome(batch)) for batch in batches]
        await self._weigh()
        if failures := [error for task in tasks if (error := task.result()) is not None]:
            raise min(failures, key=_gravity)
        if self.book.pending:
            await self._clock.sleep(manners.pause_s)
            self._wake.set()

    async def _weigh(self) -> None:
        while self.book.weigh(SLICE, self._clock.boot_ns()):
            await self._clock.sleep(0)
        self._tell()

    async def _aim(self, target: Target) -> None:
        """Send to `target` from now on; in a set other than before nothing is posted yet."""
        note = f"posted_to.{self._event.id}"
        before = self._notes.get(note)
        if before != str(target.set_id):
            if before is not None:
                await self._settle(self.book.forgotten())
            await self._notes.put(note, str(target.set_id))
        if target != self.book.target:
            self.book.retarget(target)

    async def _outcome(self, batch: Sequence[Parcel]) -> ProviderError | None:
        """Deliver one batch; return rather than raise, so that its neighbour is not cancelled."""
        try:
            await self._deliver(batch)
        except ProviderError as error:
            return error
        return None

    async def _deliver(self, batch: Sequence[Parcel]) -> None:
        # First it becomes durable that the service may have these values: if the reply is lost,
        # or we are, a value withdrawn meanwhile is still known to need clearing.
        await self._settle(self.book.attempting(batch))
        try:
            await self._send(batch)
        except Refused as error:
            if error.whole:
                raise
            refusals = await self._isolate(batch, error)
            if len(refusals) == len(batch) >= ALL_BAD:
                raise Refused(
                    f"the service refused every one of {len(batch)} rows, so it is hardly the "
                    f"rows: {error}",
                    code=error.code,
                    whole=True,
                ) from None
            await self._settle([self.book.refusal(p, str(why)) for p, why in refusals])

    async def _isolate(
        self, batch: Sequence[Parcel], error: Refused
    ) -> list[tuple[Parcel, Refused]]:
        """Find the rows at fault by halving, letting the good ones through."""
        self._finder.doubt()
        if await self._finder.find() != self.book.target:
            raise TryLater("the result set or its splits changed at the service") from error
        if len(batch) == 1:
            return [(batch[0], error)]
        refusals: list[tuple[Parcel, Refused]] = []
        middle = len(batch) // 2
        parts = [batch[middle:], batch[:middle]]
        while parts:
            part = parts.pop()
            try:
                await self._send(part)
            except Refused as why:
                if why.whole:
                    raise
                if len(part) == 1:
                    refusals.append((part[0], why))
                else:
                    middle = len(part) // 2
                    parts += [part[middle:], part[:middle]]
        return refusals

    async def _send(self, parcels: Sequence[Parcel]) -> None:
        rows = [row_of(parcel.registration_id, parcel.fields) for parcel in parcels]
        await self._provider.post(self._event.id, self.book.target.set_id, rows)
        await self._settle(self.book.accepted(parcels))
        self.last_success_at = self._clock.utc_ns()

    async def _settle(self, rows: Sequence[PostRow]) -> None:
        if rows:
            await self._ledger.settle(rows)
            self.book.settled(rows)

    async def _failed(self, error: ProviderError) -> None:
        text = str(error)
        if text != self.last_error:
            log.warning("posting does not get on", race_event=self._event.name, reason=text)
        self.last_error = text
        if isinstance(error, TryLater):
            pause_s = max(self._soon.pause_s(), error.after_s or 0.0)
        else:
            pause_s = self._slow.pause_s()
            self._raise("stopped", f"results of {self._event.name} are not posted: {text}")
        await self._rest(pause_s)

    async def _rest(self, seconds: float) -> None:
        """Leave the service alone, but keep counting what waits for it."""
        until_ns = self._clock.boot_ns() + int(seconds * NS_PER_S)
        while (left_ns := until_ns - self._clock.boot_ns()) > 0:
            if await woken(self._wake, self._clock, left_ns / NS_PER_S):
                self._wake.clear()
                await self._weigh()
        self._wake.set()

    def _went_well(self) -> None:
        if self.last_error is not None:
            log.info("posting gets on again", race_event=self._event.name)
        self.last_error = None
        self._raise("stopped", "")
        self._soon.reset()
        self._slow.reset()

    def _tell(self) -> None:
        book = self.book
        refused = [f"{book.label(r)}: {why}" for r, why in islice(book.refused.items(), SHOWN)]
        self._raise(
            "refused",
            f"{self._event.name}: the service refuses {_listed(refused, len(book.refused))}. "
            "Correct the registration; the row is sent again when it changes"
            if refused
            else "",
        )
        broken = [book.label(r) for r in islice(book.broken, SHOWN)]
        self._raise(
            "broken",
            f"{self._event.name}: no row could be made of {_listed(broken, len(book.broken))}: "
            "see the log"
            if broken
            else "",
        )
        stuck = [f"{book.label(r)}: {', '.join(f)}" for r, f in islice(book.stuck.items(), SHOWN)]
        self._raise(
            "stale",
            f"{self._event.name}: withdrawn here, but at the service only an operator can remove "
            f"it: {_listed(stuck, len(book.stuck))}"
            if stuck
            else "",
        )

    def _raise(self, name: str, text: str) -> None:
        """Raise an alarm with this text, or take it back with an empty one."""
        full = self._name(name)
        if text and self._raised.get(full) != text:
            self._raised[full] = text
            self._alarm(Alarm(full, text))
        elif not text and self._raised.pop(full, ""):
            self._alarm(Alarm(full, "", on=False))

    def _name(self, name: str) -> str:
        return f"posting-{self._event.id}-{name}"


def _gravity(error: ProviderError) -> int:
    if isinstance(error, LoginFailed):
        return 0
    return 1 if isinstance(error, TryLater) else 2


def _listed(words: Sequence[str], total: int) -> str:
    more = total - len(words)
    return "; ".join(words) + (f"; and {more} more" if more else "")
