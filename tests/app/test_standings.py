"""What is shown and posted: in order, counted right, and never before it is durable."""

import asyncio

from bridge.app.standings import Standings, Totals
from bridge.domain.entrants import RegistrationId
from bridge.domain.results import Result, Split, Status
from bridge.domain.rules import EventId

EVENT, OTHER = EventId(1), EventId(2)


def result(
    number: int,
    status: Status = Status.ON_COURSE,
    *,
    event: EventId = EVENT,
    clock: int | None = None,
    place: int | None = None,
    splits: tuple[int, ...] = (),
) -> Result:
    made = tuple(Split(i, f"p{i}", None, at, at) for i, at in enumerate(splits))
    return Result(RegistrationId(number), event, status, clock, clock, made, place)


def order(standings: Standings, event: EventId = EVENT) -> list[int]:
    return [found.registration_id for found in standings.results(event)]


def test_finishers_come_first_then_who_came_furthest_soonest() -> None:
    standings = Standings()
    standings.apply(
        [
            result(1, Status.DNS),
            result(2, Status.DQ),
            result(3, Status.DNF),
            result(4),
            result(5, splits=(10, 30)),
            result(6, splits=(10, 20)),
            result(7, splits=(5,)),
            result(8, Status.FINISHED, clock=100, place=2),
            result(9, Status.FINISHED, clock=90, place=1),
        ],
        (),
    )
    assert order(standings) == [9, 8, 6, 5, 7, 4, 3, 2, 1]
    assert standings.totals(EVENT) == Totals(started=8, on_course=4, finished=2)


def test_a_changed_result_replaces_the_old_one_and_its_rank() -> None:
    standings = Standings()
    first = result(1, Status.FINISHED, clock=90, place=1)
    standings.apply([first, result(2, Status.FINISHED, clock=95, place=2)], ())
    assert order(standings) == [1, 2]
    standings.apply(
        [
            result(1, Status.FINISHED, clock=99, place=2),
            result(2, Status.FINISHED, clock=95, place=1),
        ],
        (),
    )
    assert order(standings) == [2, 1]
    assert standings.result(RegistrationId(1)) != first


def test_a_runner_who_changes_event_is_in_the_new_one_only() -> None:
    standings = Standings()
    old = result(1)
    standings.apply([old], ())
    standings.apply([result(1, event=OTHER)], [old])
    assert order(standings) == []
    assert order(standings, OTHER) == [1]
    assert standings.result(RegistrationId(1)) == result(1, event=OTHER)


def test_a_withdrawn_result_is_gone() -> None:
    standings = Standings()
    standings.apply([result(1)], ())
    standings.apply((), [result(1)])
    assert standings.result(RegistrationId(1)) is None
    assert standings.totals(EVENT) == Totals(0, 0, 0)
    standings.apply((), [result(5)])
    assert order(standings) == []


async def test_nobody_who_waits_for_the_whole_is_let_on_before() -> None:
    standings = Standings()
    async with asyncio.TaskGroup() as group:
        waits = group.create_task(standings.ready())
        standings.apply([result(1)], ())
        for _ in range(5):
            await asyncio.sleep(0)
        assert not waits.done()
        standings.complete()
    await standings.ready()
