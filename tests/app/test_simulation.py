"""A made-up race and the truth about it, which must not contradict each other."""

import pytest

from bridge.app.simulation import READ_NS, Mat, people, plan
from bridge.domain.reads import NS_PER_S

MATS = (Mat("start", 0.0), Mat("half", 0.5), Mat("finish", 1.0))


@pytest.mark.parametrize("seed", range(5))
def test_what_is_expected_is_what_the_mats_see(seed: int) -> None:
    race = plan(people(200, seed), MATS, seconds=60.0, seed=seed)
    seen: dict[tuple[int, str], list[int]] = {}
    for sight in race.sights:
        seen.setdefault((sight.bib, sight.location), []).append(sight.at_ns)
    assert set(race.expected) == {runner.bib for runner in race.runners}
    for bib, right in race.expected.items():
        left = max(seen.get((bib, "start"), [0]))
        finish = min(seen.get((bib, "finish"), [0])) or None
        half = min(seen.get((bib, "half"), [0])) or None
        assert right.clock_ns == finish
        assert right.chip_ns == (None if finish is None else finish - left)
        assert right.splits == ({} if half is None else {"half": half - left})


def test_sights_are_in_order_and_whole_hundredths_within_the_time_given() -> None:
    race = plan(people(300, 1), MATS, seconds=30.0, seed=1)
    times = [sight.at_ns for sight in race.sights]
    assert times == sorted(times)
    assert all(at % READ_NS == 0 for at in times)
    assert times[0] > 0
    assert times[-1] <= 30 * NS_PER_S
    for sight in race.sights:
        assert 1 <= sight.antenna <= 4


def test_the_same_seed_is_the_same_race_and_another_is_not() -> None:
    first = plan(people(50, 7), MATS, seconds=20.0, seed=7)
    assert plan(people(50, 7), MATS, seconds=20.0, seed=7) == first
    assert plan(people(50, 7), MATS, seconds=20.0, seed=8) != first
    assert [runner.bib for runner in first.runners] == list(range(1, 51))
    assert len({runner.registration_id for runner in first.runners}) == 50


def test_some_drop_out_and_some_miss_the_start_mat() -> None:
    race = plan(people(400, 3), MATS, seconds=60.0, seed=3, drop_out=0.2, missed_start=0.2)
    unfinished = [right for right in race.expected.values() if right.clock_ns is None]
    assert 40 <= len(unfinished) <= 120
    same = [r for r in race.expected.values() if r.clock_ns and r.clock_ns == r.chip_ns]
    assert 30 <= len(same) <= 120
    everybody = plan(people(400, 3), MATS, seconds=60.0, seed=3, drop_out=0, missed_start=0)
    assert all(
        r.clock_ns and r.chip_ns and r.chip_ns < r.clock_ns for r in everybody.expected.values()
    )


def test_a_course_may_be_one_mat() -> None:
    race = plan(people(20, 2), [Mat("finish", 1.0)], seconds=10.0, seed=2, drop_out=0.0)
    assert all(right.clock_ns == right.chip_ns for right in race.expected.values())
    assert all(right.splits == {} for right in race.expected.values())
