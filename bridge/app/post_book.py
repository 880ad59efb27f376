"""What is known of the rows of one event: posted, refused, still to be sent. No I/O."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import structlog

from bridge.app.people_csv import FILE_IDS
from bridge.app.ports import PostRow
from bridge.app.result_sets import Target
from bridge.domain.entrants import Entrant, RegistrationId
from bridge.domain.posts import PLACE, Change, Fields, acknowledged, changes, desired_row
from bridge.domain.results import Result, Status
from bridge.domain.rules import EventId, EventRules

log = structlog.get_logger(__name__)


class ResultsView(Protocol):
    """The results as they stand now: what the maths made of everything known."""

    async def ready(self) -> None:
        """Return once everything journalled is taken into account.

        Before that a missing result does not mean that there is none.
        """
        ...

    def result(self, registration_id: RegistrationId) -> Result | None:
        """Return the result of one runner, or None if nothing is known of them."""
        ...

    def results(self, event_id: EventId) -> Iterable[Result]:
        """Return every result of an event, in any order."""
        ...


EntrantOf = Callable[[RegistrationId], Entrant | None]
"""Who is registered under a number, or None: no longer, or not yet."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One row on its way to the service."""

    registration_id: RegistrationId
    fields: Fields


class _Pending(NamedTuple):
    suspect: bool
    """The service refused something of this row before: it travels alone."""
    rank: int
    """0 a finish, 1 a split or status word, 2 only a place that shifted."""
    age: int
    """Minus the instant of the runner's newest time: the newest goes first."""
    since_ns: int
    """When it began to wait (boot clock)."""


class PostBook:
    """The rows of one event: compares what should stand with what does."""

    def __init__(
        self,
        event: EventRules,
        served: frozenset[str],
        target: Target,
        results: ResultsView,
        entrant: EntrantOf,
    ) -> None:
        self._event = event
        self._served = served
        self._results = results
        self._entrant = entrant
        self._rows: dict[RegistrationId, PostRow] = {}
        self._dirty: set[RegistrationId] = set()
        self._pending: dict[RegistrationId, _Pending] = {}
        self._target = target
        self.refused: dict[RegistrationId, str] = {}
        """Rows the service will not take as they are, with its reason."""
        self.stuck: dict[RegistrationId, tuple[str, ...]] = {}
        """Fields that stand at the service and should not."""
        self.broken: set[RegistrationId] = set()
        """Runners whose row could not be made: a defect of ours, told instead of hidden."""

    @property
    def target(self) -> Target:
        """Where the rows go."""
        return self._target

    @property
    def pending(self) -> int:
        """Rows waiting to be sent, as far as they have been weighed."""
        return len(self._pending)

    @property
    def posted(self) -> int:
        """Rows of which the service has acknowledged something."""
        return sum(1 for row in self._rows.values() if row.fields)

    @property
    def waiting_since_ns(self) -> int | None:
        """When the oldest waiting row began to wait (boot clock), or None."""
        return min((pending.since_ns for pending in self._pending.values()), default=None)

    def take(self, row: PostRow) -> None:
        """Enter a line of the ledger."""
        self._rows[RegistrationId(row.registration_id)] = row

    def retarget(self, target: Target) -> None:
        """Send to another set, or to other split ids, from now on; everything is compared anew."""
        self._target = target
        self.note(self.everybody())

    def forgotten(self) -> list[PostRow]:
        """Return ledger lines that say that nothing is posted: the result set is a new one."""
        return [
            PostRow(row.event_id, row.registration_id, {}, None, None)
            for row in self._rows.values()
        ]

    def everybody(self) -> set[RegistrationId]:
        """Return all who have a result or a line in the ledger."""
        return {r.registration_id for r in self._results.results(self._event.id)} | set(self._rows)

    def note(self, registration_ids: Iterable[RegistrationId]) -> None:
        """Have these compared at the next `weigh`."""
        self._dirty.update(registration_ids)

    def weigh(self, most: int, now_ns: int) -> bool:
        """Compare up to `most` of the noted rows; return whether some are left."""
        for _ in range(min(most, len(self._dirty))):
            registration_id = self._dirty.pop()
            self.broken.discard(registration_id)
            try:
                self._weigh(registration_id, now_ns)
            except Exception:  # bulkhead: one odd runner holds up nobody else's result
                log.exception("row cannot be made", registration_id=registration_id)
                self.broken.add(registration_id)
        return bool(self._dirty)

    def _weigh(self, registration_id: RegistrationId, now_ns: int) -> None:
        change = self.change(registration_id)
        row = self._rows.get(registration_id)
        waited = self._pending.pop(registration_id, None)
        self.refused.pop(registration_id, None)
        self.stuck.pop(registration_id, None)
        if change.stuck:
            self.stuck[registration_id] = change.stuck
        if not change.fields:
            return
        if row is not None and row.refused is not None and row.attempted == change.fields:
            self.refused[registration_id] = row.refused
            return
        result = self._result(registration_id)
        self._pending[registration_id] = _Pending(
            suspect=row is not None and row.refused is not None,
            rank=_rank(change, result),
            age=-_newest(result),
            since_ns=now_ns if waited is None else waited.since_ns,
        )

    def change(self, registration_id: RegistrationId) -> Change:
        """Return what separates a runner's row at the service from what it should be."""
        row = self._rows.get(registration_id)
        if self._entrant(registration_id) is None or registration_id >= FILE_IDS:
            # The service does not know the key (any longer, or whoever was entered on site): it
            # would refuse anything sent under it.
            return Change({}, tuple(row.fields) if row else ())
        result = self._result(registration_id)
        if row is None and result is None:
            return Change({}, ())
        desired = desired_row(result, self._event, self._served, self._target.splits)
        if row is None:
            return changes(desired, {})
        return changes(desired, row.fields, row.attempted or ())

    def would_post(self) -> Iterator[Parcel]:
        """Yield every row that differs from what is posted, refused ones included."""
        for registration_id in sorted(self.everybody() - self.broken):
            change = self.change(registration_id)
            if change.fields:
                yield Parcel(registration_id, change.fields)

    def batches(self, rows: int, count: int) -> list[list[Parcel]]:
        """Return the next `count` batches of up to `rows` rows, the most urgent first."""
        first = heapq.nsmallest(rows * count, self._pending.items(), key=lambda item: item[1][:3])
        batches: list[list[Parcel]] = []
        room = 0
        for registration_id, pending in first:
            change = self.change(registration_id)
            if not change.fields:
                self.note([registration_id])
                continue
            if pending.suspect or room == 0:
                if len(batches) == count:
                    break
                batches.append([])
                room = 1 if pending.suspect else rows
            batches[-1].append(Parcel(registration_id, change.fields))
            room -= 1
        return batches

    def attempting(self, parcels: Sequence[Parcel]) -> list[PostRow]:
        """Return ledger lines that say: this may reach the service from now on."""
        return [
            self._row(parcel)._replace(
                refused=None,
                attempted={**(self._row(parcel).attempted or {}), **parcel.fields},
            )
            for parcel in parcels
        ]

    def accepted(self, parcels: Sequence[Parcel]) -> list[PostRow]:
        """Return ledger lines that say: the service has this."""
        return [
            self._row(parcel)._replace(
                fields=acknowledged(self._row(parcel).fields, parcel.fields),
                refused=None,
                attempted=_still_doubtful(self._row(parcel).attempted, parcel.fields),
            )
            for parcel in parcels
        ]

    def refusal(self, parcel: Parcel, reason: str) -> PostRow:
        """Return the ledger line that says: the service will never take this."""
        return self._row(parcel)._replace(refused=reason, attempted=dict(parcel.fields))

    def settled(self, rows: Iterable[PostRow]) -> None:
        """Enter lines that are durable now, and compare their rows again."""
        for row in rows:
            self.take(row)
            self.note([RegistrationId(row.registration_id)])

    def label(self, registration_id: RegistrationId) -> str:
        """Return how people call a runner: bib, name and number of the registration."""
        entrant = self._entrant(registration_id)
        if entrant is None:
            return f"registration {registration_id} (no longer registered)"
        bib = f"bib {entrant.bib}" if entrant.bib else "no bib"
        return f"{bib} {entrant.name} (registration {registration_id})"

    def _result(self, registration_id: RegistrationId) -> Result | None:
        result = self._results.result(registration_id)
        return result if result is not None and result.event_id == self._event.id else None

    def _row(self, parcel: Parcel) -> PostRow:
        row = self._rows.get(parcel.registration_id)
        return row or PostRow(self._event.id, parcel.registration_id, {}, None, None)


def _still_doubtful(attempted: Fields | None, accepted: Fields) -> Fields | None:
    return {name: v for name, v in (attempted or {}).items() if name not in accepted} or None


def _rank(change: Change, result: Result | None) -> int:
    if change.fields.keys() == {PLACE}:
        return 2
    return 0 if change.finish and result and result.status is Status.FINISHED else 1


def _newest(result: Result | None) -> int:
    if result is None:
        return 0
    last = max((split.chip_ns for split in result.splits), default=0)
    return (result.start_ns or 0) + (last if result.chip_ns is None else result.chip_ns)
