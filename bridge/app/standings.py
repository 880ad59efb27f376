"""Results as far as they rest on durable reads: what is posted, published and shown."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from bridge.domain.entrants import RegistrationId
from bridge.domain.results import Result, Status
from bridge.domain.rules import EventId


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts of one event."""

    started: int
    on_course: int
    finished: int


@dataclass(slots=True)
class _Event:
    results: dict[RegistrationId, Result] = field(default_factory=dict)
    ranked: list[Result] | None = None


class Standings:
    """Every result known, updated only after the reads behind it would survive a power cut."""

    def __init__(self) -> None:
        self._events: dict[EventId, _Event] = {}
        self._by_registration: dict[RegistrationId, Result] = {}
        self._complete = asyncio.Event()

    def complete(self) -> None:
        """Say that everything journalled is taken into account."""
        self._complete.set()

    async def ready(self) -> None:
        """Return once everything journalled is taken into account.

        Before that a missing result does not mean that there is none.
        """
        await self._complete.wait()

    def apply(self, changed: Iterable[Result], withdrawn: Iterable[Result]) -> None:
        """Take changed results in, and those that no longer exist out."""
        for result in withdrawn:
            event = self._event(result.event_id)
            event.results.pop(result.registration_id, None)
            event.ranked = None
            self._by_registration.pop(result.registration_id, None)
        for result in changed:
            event = self._event(result.event_id)
            event.results[result.registration_id] = result
            event.ranked = None
            self._by_registration[result.registration_id] = result

    def _event(self, event_id: EventId) -> _Event:
        return self._events.setdefault(event_id, _Event())

    def result(self, registration_id: RegistrationId) -> Result | None:
        """Return a runner's result, or None before the first counted fact."""
        return self._by_registration.get(registration_id)

    def results(self, event_id: EventId) -> list[Result]:
        """Return an event's results: finishers in order of place, then the others."""
        event = self._event(event_id)
        if event.ranked is None:
            event.ranked = sorted(event.results.values(), key=_order)
        return event.ranked

    def totals(self, event_id: EventId) -> Totals:
        """Count who started, who is still out and who is in."""
        results = self._event(event_id).results.values()
        finished = sum(1 for result in results if result.status is Status.FINISHED)
        out = sum(1 for result in results if result.status is Status.ON_COURSE)
        never = sum(1 for result in results if result.status is Status.DNS)
        return Totals(len(results) - never, out, finished)


_RANK = {Status.FINISHED: 0, Status.ON_COURSE: 1, Status.DNF: 2, Status.DQ: 3, Status.DNS: 4}


def _order(result: Result) -> tuple[int, int, int, int]:
    place = result.place if result.place is not None else 1 << 30
    behind = -len(result.splits)
    clock = result.splits[-1].clock_ns if result.splits else 1 << 62
    return (_RANK[result.status], place, behind, clock)
