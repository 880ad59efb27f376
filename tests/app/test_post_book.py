"""Whoever was entered on site is timed like everybody, but unknown to the results service."""

from collections.abc import Iterable

import pytest

from bridge.app.people_csv import FILE_IDS
from bridge.app.post_book import PostBook
from bridge.app.result_sets import provisional
from bridge.domain.entrants import Entrant, RegistrationId
from bridge.domain.reads import NS_PER_S
from bridge.domain.results import Result, Status
from bridge.domain.rules import EventId, EventRules, Point

EVENT = EventRules(id=EventId(1), name="5K", course=(Point(location="finish"),))


class Finished:
    """A race in which everybody asked for has finished in 20 minutes."""

    async def ready(self) -> None:
        """Be ready at once."""

    def result(self, registration_id: RegistrationId) -> Result | None:
        clock_ns = 1200 * NS_PER_S
        return Result(registration_id, EVENT.id, Status.FINISHED, clock_ns, clock_ns, (), place=1)

    def results(self, event_id: EventId) -> Iterable[Result]:
        assert event_id == EVENT.id
        return ()


@pytest.mark.parametrize(("number", "posted"), [(70_000_001, True), (FILE_IDS + 5, False)])
def test_only_registrations_of_the_service_are_posted(number: int, posted: bool) -> None:  # noqa: FBT001
    def entrant(who: RegistrationId) -> Entrant:
        return Entrant(registration_id=who, event_id=EVENT.id, bib=7)

    served = frozenset({"finish"})
    book = PostBook(EVENT, served, provisional(EVENT), Finished(), entrant)
    assert bool(book.change(RegistrationId(number)).fields) is posted
