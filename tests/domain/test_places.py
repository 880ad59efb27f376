from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.entrants import RegistrationId
from bridge.domain.guns import resolve_guns
from bridge.domain.marks import Mark, MarkKind
from bridge.domain.places import Ranking, ranked
from bridge.domain.results import Result, Status
from bridge.domain.rules import EventRules, TimeKind
from tests.domain.scenes import COURSE, EVENT, GUN, mark, rules, runner
from tests.domain.worlds import instant


def event(place_by: TimeKind = TimeKind.CLOCK, *, share: bool = True) -> EventRules:
    return EventRules(id=EVENT, name="10K", course=COURSE, place_by=place_by, share_places=share)


def finisher(number: int, clock: int, chip: int = 0) -> Result:
    return Result(RegistrationId(number), EVENT, Status.FINISHED, clock, chip, ())


def places(results: list[Result]) -> dict[int, int | None]:
    return {result.registration_id: result.place for result in results}


def test_equal_times_share_a_place() -> None:
    field = [finisher(1, 100), finisher(2, 200), finisher(3, 200), finisher(4, 300)]
    assert places(ranked(field, event())) == {1: 1, 2: 2, 3: 2, 4: 4}
    assert places(ranked(field, event(share=False))) == {1: 1, 2: 2, 3: 3, 4: 4}


def test_by_chip_time_and_only_finishers() -> None:
    dnf = Result(RegistrationId(3), EVENT, Status.DNF, None, None, ())
    field = [finisher(1, 100, 90), finisher(2, 200, 80), dnf]
    assert places(ranked(field, event(TimeKind.CHIP))) == {1: 2, 2: 1, 3: None}


def test_only_rows_whose_place_changed_are_told_again() -> None:
    ranking = Ranking(event())
    for number, clock in ((1, 100), (2, 200), (3, 300)):
        ranking.put(finisher(number, clock))
    assert len(ranking.take()[0]) == 3
    ranking.put(finisher(4, 250))
    changed, withdrawn = ranking.take()
    assert (places(changed), withdrawn) == ({4: 3, 3: 4}, [])
    ranking.drop(RegistrationId(1))
    changed, withdrawn = ranking.take()
    assert places(changed) == {2: 1, 4: 2, 3: 3}
    assert withdrawn == [replace(finisher(1, 100), place=1)]


@given(st.integers(0, 2**32))
@settings(max_examples=300)
def test_kept_up_to_date_equals_computed_anew(seed: int) -> None:
    rng = Random(seed)
    share = rng.random() < 0.5
    ranking = Ranking(event(share=share))
    held: dict[int, Result] = {}
    told: dict[int, Result] = {}
    for _ in range(rng.randint(1, 60)):
        number = rng.randint(1, 12)
        if rng.random() < 0.2:
            held.pop(number, None)
            ranking.drop(RegistrationId(number))
        else:
            held[number] = finisher(number, rng.randint(1, 5))
            if rng.random() < 0.2:
                held[number] = Result(RegistrationId(number), EVENT, Status.DQ, None, None, ())
            ranking.put(held[number])
        if rng.random() < 0.4:
            changed, withdrawn = ranking.take()
            for result in withdrawn:
                assert told.pop(result.registration_id) == result
            for result in changed:
                assert told.get(result.registration_id) != result
                told[result.registration_id] = result
            expected = {r.registration_id: r for r in ranked(held.values(), event(share=share))}
            assert told == expected
    finished = [r for r in held.values() if r.status is Status.FINISHED]
    assert ranking.totals() == (len(held), 0, len(finished))


def gun(number: int, at: float, **more: object) -> Mark:
    return mark(MarkKind.GUN, number, event_id=EVENT, bib=None, at=instant(at), **more)


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ([], GUN),
        ([gun(1, 5)], instant(5)),
        ([gun(2, 7), gun(1, 5)], instant(7)),
        ([gun(1, 5), gun(2, 7, undone=True)], instant(5)),
        ([gun(1, 5, wave="B"), gun(2, 7)], instant(5)),
        ([gun(1, 5, wave="A")], GUN),
        ([mark(MarkKind.GUN, bib=None, at=instant(5))], GUN),
    ],
    ids=["configured", "marked", "last wins", "undone", "wave", "other wave", "race is weakest"],
)
def test_t0(marks: list[Mark], expected: int) -> None:
    guns = resolve_guns(rules(), marks)
    assert guns.t0(runner(wave="B")) == expected
    assert guns.t0(runner(wave="B", start_ns=instant(99))) == instant(99)


def test_a_race_gun_starts_events_without_their_own_and_a_mark_without_time_is_now() -> None:
    fired = mark(MarkKind.GUN, bib=None)
    assert resolve_guns(rules(gun=None), [fired]).t0(runner()) == instant(9000)
    assert resolve_guns(rules(gun=None), []).t0(runner()) is None
