"""Places of an event's finishers (timing rule 10)."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final, NamedTuple

from bridge.domain.entrants import RegistrationId
from bridge.domain.results import Result, Status
from bridge.domain.rules import EventRules, TimeKind

_GROUP: Final = {
    Status.FINISHED: 0,
    Status.ON_COURSE: 1,
    Status.DNF: 2,
    Status.DQ: 3,
    Status.DNS: 4,
}


class Totals(NamedTuple):
    """Counts of one event. `started` has everyone but DNS."""

    started: int
    on_course: int
    finished: int


def rank_time(result: Result, event: EventRules) -> int | None:
    """Return the raw time that ranks a finisher; None for everyone else."""
    if result.status is not Status.FINISHED:
        return None
    return result.clock_ns if event.place_by is TimeKind.CLOCK else result.chip_ns


def ranked(results: Iterable[Result], event: EventRules) -> list[Result]:
    """Return results with their places, in any order: the plain rule."""
    results = list(results)
    timed = [(rank_time(result, event), result.registration_id) for result in results]
    order = sorted((time, who) for time, who in timed if time is not None)
    places = {who: place for place, who in _numbered(order, 0, share=event.share_places)}
    return [replace(result, place=places.get(result.registration_id)) for result in results]


def standing_order(result: Result) -> tuple[int, int, int, int]:
    """Sort key of a table: finishers by place, then who came furthest, then who was faster."""
    furthest = result.splits[-1] if result.splits else None
    return (
        _GROUP[result.status],
        result.place or 0,
        -1 if furthest is None else -2 - furthest.point,
        result.registration_id if furthest is None else furthest.clock_ns,
    )


class Ranking:
    """The places of one event, kept up to date: only what moved is numbered again."""

    __slots__ = ("_changed", "_event", "_from", "_order", "_results", "_settled", "_until")

    def __init__(self, event: EventRules) -> None:
        self._event = event
        self._results: dict[RegistrationId, Result] = {}
        self._order: list[tuple[int, RegistrationId]] = []
        self._from: int | None = None
        self._until = 0
        """Behind this index the order is what it was, but for a shift."""
        self._settled = 0
        """Number of finishers when places were last given."""
        self._changed: dict[RegistrationId, Result | None] = {}

    def put(self, result: Result) -> None:
        """Take a runner's result, its place yet unknown, instead of the one before."""
        who = result.registration_id
        old = self._results.get(who)
        before = None if old is None else rank_time(old, self._event)
        now = rank_time(result, self._event)
        self._remember(who, old)
        if before == now and old is not None:
            result = replace(result, place=old.place)
        else:
            self._leave(who, before)
            if now is not None:
                insort(self._order, (now, who))
                self._renumber_from(bisect_left(self._order, (now, who)))
        self._results[who] = result

    def drop(self, who: RegistrationId) -> None:
        """Take a runner's result out."""
        old = self._results.pop(who, None)
        if old is not None:
            self._remember(who, old)
            self._leave(who, rank_time(old, self._event))

    def _leave(self, who: RegistrationId, time: int | None) -> None:
        if time is not None:
            index = bisect_left(self._order, (time, who))
            del self._order[index]
            self._renumber_from(index)

    def _renumber_from(self, index: int) -> None:
        if self._from is None:
            self._from, self._until = index, index
        self._from = min(self._from, index)
        self._until = max(self._until, index) + 1  # what comes later may shift it by one

    def _remember(self, who: RegistrationId, told: Result | None) -> None:
        """Keep what was last told of a runner, to see later whether it really changed."""
        self._changed.setdefault(who, told)

    def settle(self) -> None:
        """Number again from the first change on, and no further than anything moved."""
        if self._from is None:
            return
        end = len(self._order)
        if end == self._settled:
            end = self._behind_ties(min(end, self._until + 1))
        numbered = _numbered(self._order[:end], self._from, share=self._event.share_places)
        for place, who in numbered:
            result = self._results[who]
            if result.place != place:
                self._remember(who, result)
                self._results[who] = replace(result, place=place)
        self._from = None
        self._settled = len(self._order)

    def _behind_ties(self, index: int) -> int:
        """Return the first index from here on whose time differs from the one before."""
        order = self._order
        while 0 < index < len(order) and order[index][0] == order[index - 1][0]:
            index += 1
        return index

    def take(self) -> tuple[list[Result], list[Result]]:
        """Return (results that changed, results as told that no longer exist) since last time."""
        self.settle()
        changed: list[Result] = []
        withdrawn: list[Result] = []
        for who, told in self._changed.items():
            now = self._results.get(who)
            if now is not None and now != told:
                changed.append(now)
            elif now is None and told is not None:
                withdrawn.append(told)
        self._changed = {}
        return changed, withdrawn

    def get(self, who: RegistrationId) -> Result | None:
        """Return a runner's result with its place."""
        self.settle()
        return self._results.get(who)

    def table(self) -> list[Result]:
        """Return all results in `standing_order`."""
        self.settle()
        return sorted(self._results.values(), key=standing_order)

    def totals(self) -> Totals:
        """Count who started, who is out there and who is in."""
        statuses = [result.status for result in self._results.values()]
        return Totals(
            len(statuses) - statuses.count(Status.DNS),
            statuses.count(Status.ON_COURSE),
            len(self._order),
        )


def _numbered(
    order: list[tuple[int, RegistrationId]], start: int, *, share: bool
) -> Iterator[tuple[int, RegistrationId]]:
    """Yield (place, runner) from index `start` of a sorted order."""
    place = start + 1
    if share and start:
        place = bisect_left(order, (order[start - 1][0],)) + 1
    for index in range(start, len(order)):
        time, who = order[index]
        if not (share and index and order[index - 1][0] == time):
            place = index + 1
        yield place, who
