"""Timing rules 4 (dead time), 5 and 6, with numbers."""

import pytest

from bridge.domain.marks import MarkKind
from bridge.domain.results import RemoteCrossing, Status
from bridge.domain.rules import Point
from tests.domain.scenes import (
    FINISH,
    MIDDLE,
    START,
    Reads,
    by_time,
    field,
    mark,
    outcome,
    read_states,
    result,
    rules,
    runner,
    states,
)
from tests.domain.worlds import BASE, instant, seconds


def passed(*visits: tuple[str, float]) -> Reads:
    reads = Reads()
    for reader, when in visits:
        reads.at(reader, when)
    return reads


def test_a_plain_race() -> None:
    out = outcome(passed((START, 12.5), (MIDDLE, 1000), (FINISH, 2000.25)))
    assert states(out) == ["used", "used", "used"]
    mine = result(out)
    assert (mine.status, mine.clock_ns, mine.chip_ns) == (
        Status.FINISHED,
        seconds(2000.25),
        seconds(1987.75),
    )
    assert [(s.split, s.clock_ns, s.chip_ns) for s in mine.splits] == [
        ("5K", seconds(1000), seconds(987.5))
    ]
    assert (mine.place, mine.start_ns, mine.no_start_read) == (1, instant(12.5), False)
    assert [(c.clock_ns, c.chip_ns) for c in by_time(out)] == [
        (seconds(12.5), 0),
        (seconds(1000), seconds(987.5)),
        (seconds(2000.25), seconds(1987.75)),
    ]


def test_the_last_start_crossing_in_the_window_counts_its_end_included() -> None:
    out = outcome(passed((START, 0), (START, 300), (START, 900), (START, 961), (FINISH, 2000)))
    assert states(out) == ["same_passing", "same_passing", "used", "too_late", "used"]
    assert result(out).start_ns == instant(900)
    late = by_time(out)[3]
    assert late.why == "at 0:16:01.000; a start counts until 0:15:00.000"


def test_without_a_start_crossing_chip_time_is_clock_time_and_says_so() -> None:
    mine = result(outcome(passed((START, -1), (FINISH, 2000))))
    assert (mine.clock_ns, mine.chip_ns, mine.no_start_read) == (seconds(2000), seconds(2000), True)
    gun_only = rules((Point(location=MIDDLE, split="5K"), Point(location=FINISH)))
    assert result(outcome(passed((FINISH, 2000)), of=gun_only)).no_start_read is False


def test_reads_before_the_gun_start_nobody_and_share_no_passing_with_later_ones() -> None:
    out = outcome(passed((START, -0.5), (START, 0.25), (FINISH, 2000)))
    assert states(out) == ["before_start", "used", "used"]
    assert result(out).start_ns == instant(0.25)
    assert by_time(out)[0].why == "0.5 s before the gun"
    assert by_time(out)[0].clock_ns is None


def test_nobody_reaches_a_point_before_the_own_start() -> None:
    course = (Point(location=START), Point(location=MIDDLE, split="5K"), Point(location=FINISH))
    out = outcome(passed((MIDDLE, 100), (START, 200), (FINISH, 2000)), of=rules(course))
    assert states(out) == ["too_early", "used", "used"]
    assert by_time(out)[0].why == "100 s before the runner's own start at 0:03:20.000"


@pytest.mark.parametrize(
    ("when", "state"),
    [(599.999, "too_early"), (600, "used"), (3600, "used"), (3600.001, "too_late")],
)
def test_a_point_opens_and_closes(when: float, state: str) -> None:
    assert states(outcome(passed((START, 1), (MIDDLE, when))))[-1] == state


def test_dead_time_has_its_boundary_inside_and_counts_from_the_crossing_used() -> None:
    laps = [Point(location=START), *[Point(location=FINISH, split=str(n)) for n in range(4)]]
    out = outcome(
        passed((START, 0), (FINISH, 100), (FINISH, 140), (FINISH, 160), (FINISH, 160.002)),
        of=rules(laps),
    )
    # 160.002 shares the passing of 160, so it cannot be a lap either; the next one is.
    assert states(out) == ["used", "used", "too_soon", "too_soon"]
    why = by_time(out)[3].why
    assert why == "60 s after the crossing used at 0:01:40.000; dead time is 60 s"
    out = outcome(
        passed((START, 0), (FINISH, 100), (FINISH, 140), (FINISH, 160.001)), of=rules(laps)
    )
    assert states(out) == ["used", "used", "too_soon", "used"]


def test_dead_time_never_mutes_a_lapping_runner_for_ever() -> None:
    laps = [Point(location=START), *[Point(location=FINISH, split=str(n)) for n in range(9)]]
    reads = passed((START, 0), *[(FINISH, 100 + 40 * lap) for lap in range(9)])
    assert states(outcome(reads, of=rules(laps)))[1:] == ["used", "too_soon"] * 4 + ["used"]


def test_after_the_finish_dead_time_speaks_first() -> None:
    out = outcome(
        passed((START, 0), (FINISH, 2000), (FINISH, 2030), (FINISH, 2100), (MIDDLE, 2200))
    )
    assert states(out) == ["used", "used", "too_soon", "after_finish", "after_finish"]
    assert by_time(out)[3].why == "100 s after the finish at 0:33:20.000"
    assert result(out).clock_ns == seconds(2000)


def test_a_missed_mat_leaves_a_hole_and_a_point_passed_over_is_not_filled_later() -> None:
    course = (
        Point(location=START),
        Point(location=MIDDLE, split="5K"),
        Point(location="turn", split="turn"),
        Point(location=FINISH),
    )
    out = outcome(
        passed((START, 0), ("turn", 700), (MIDDLE, 800), (FINISH, 2000)), of=rules(course)
    )
    assert states(out) == ["used", "used", "too_late", "used"]
    assert [split.point for split in result(out).splits] == [2]


@pytest.mark.parametrize(
    ("when", "expected"),
    [(299.999, ["used"]), (300, ["used"]), (901, ["used"])],
)
def test_one_mat_for_start_and_finish(when: float, expected: list[str]) -> None:
    course = (Point(location="mat"), Point(location="mat", distance_m=5000.0))
    out = outcome(passed(("mat", when)), of=rules(course))
    assert states(out) == expected
    finished = result(out).status is Status.FINISHED
    assert finished is (when >= 300)


def test_on_a_shared_mat_a_late_start_does_not_finish_within_the_dead_time() -> None:
    course = (Point(location="mat"), Point(location="mat", distance_m=5000.0))
    out = outcome(passed(("mat", 280), ("mat", 320), ("mat", 400)), of=rules(course))
    assert states(out) == ["used", "too_soon", "used"]
    assert result(out).chip_ns == seconds(120)


def test_without_t0_crossings_stand_and_times_come_with_the_gun() -> None:
    reads = passed((START, 5), (FINISH, 2000), (FINISH, 2010))
    out = outcome(reads, of=rules(gun=None))
    assert states(out) == ["used", "used", "too_soon"]
    assert "before it; dead time is 60 s" in by_time(out)[2].why
    assert all(c.clock_ns is None for c in out.crossings.values())
    assert (result(out).status, result(out).clock_ns) == (Status.ON_COURSE, None)
    late = mark(MarkKind.GUN, event_id=1, at=instant(1), bib=None)
    assert result(outcome(reads, of=rules(gun=None), marks=[late])).clock_ns == seconds(1999)


@pytest.mark.parametrize(
    ("kind", "status"),
    [(MarkKind.DNF, Status.DNF), (MarkKind.DQ, Status.DQ), (MarkKind.DNS, Status.DNS)],
)
def test_status_marks_take_the_place_and_the_times(kind: MarkKind, status: Status) -> None:
    reads = passed((START, 1), (MIDDLE, 1000), (FINISH, 2000))
    mine = result(outcome(reads, marks=[mark(kind)]))
    assert (mine.status, mine.place, mine.clock_ns, mine.chip_ns) == (status, None, None, None)
    assert len(mine.splits) == (0 if status is Status.DNS else 1)
    undone = result(outcome(reads, marks=[mark(kind, undone=True)]))
    assert undone.status is Status.FINISHED


def test_nothing_counts_after_a_dnf() -> None:
    reads = passed((START, 1), (MIDDLE, 1000), (FINISH, 2000))
    out = outcome(reads, marks=[mark(MarkKind.DNF, at=instant(1000))])
    assert states(out) == ["used", "used", "after_dnf"]
    out = outcome(reads, marks=[mark(MarkKind.DNF, made_at=instant(999))])
    assert states(out) == ["used", "after_dnf", "after_dnf"]


def test_a_dns_alone_makes_a_result() -> None:
    assert result(outcome(Reads(), marks=[mark(MarkKind.DNS)])).status is Status.DNS
    assert outcome(Reads()).results == {}


def test_a_crossing_entered_by_hand_counts_like_another() -> None:
    entered = mark(MarkKind.CROSSING, 7, location=FINISH, at=instant(2000))
    out = outcome(passed((START, 1)), marks=[entered])
    assert result(out).clock_ns == seconds(2000)
    crossing = by_time(out)[-1]
    assert (crossing.chip, crossing.reads, crossing.reader) == ("c1", 0, "cli:pi")


def test_ignore_takes_the_nearest_crossing_and_its_reads() -> None:
    reads = passed((START, 1), (FINISH, 1500), (FINISH, 1500.5), (FINISH, 2000))
    out = outcome(reads, marks=[mark(MarkKind.IGNORE, location=FINISH, at=instant(1600))])
    assert states(out) == ["used", "ignored", "used"]
    assert read_states(out) == ["used", "ignored", "ignored", "used"]
    assert result(out).clock_ns == seconds(2000)


def test_a_swap_exchanges_chips_and_an_even_number_of_swaps_does_not() -> None:
    reads = passed((START, 1), (FINISH, 2000))
    who = field(runner(1), runner(2))
    swap = mark(MarkKind.SWAP, other_bib=2)
    assert list(outcome(reads, who=who, marks=[swap]).results) == [(1, 2)]
    back = mark(MarkKind.SWAP, 2, other_bib=2)
    assert list(outcome(reads, who=who, marks=[swap, back]).results) == [(1, 1)]


def test_a_swap_holds_for_transponders_that_answer_to_a_bib() -> None:
    reads = Reads()
    reads.at(FINISH, 2000, chip="1@set")
    who = field(runner(1, chips=()), runner(2, chips=()))
    assert list(outcome(reads, who=who).results) == [(1, 1)]
    swapped = outcome(reads, who=who, marks=[mark(MarkKind.SWAP, other_bib=2)])
    assert list(swapped.results) == [(1, 2)]


def test_start_times_come_from_another_site() -> None:
    remote = [
        RemoteCrossing("start-a-1", "start-a", START, "C1", BASE + seconds(30), withdrawn=False)
    ]
    out = outcome(passed((FINISH, 2000)), remote=remote)
    assert list(out.crossings) == ["box-1"]
    assert (result(out).chip_ns, result(out).no_start_read) == (seconds(1970), False)
    gone = [remote[0]._replace(withdrawn=True)]
    assert result(outcome(passed((FINISH, 2000)), remote=gone)).no_start_read is True


def test_two_boxes_on_one_mat_come_to_the_same_time() -> None:
    other = RemoteCrossing("b-9", "b", FINISH, "c1", BASE + seconds(1999.75), withdrawn=False)
    out = outcome(passed((FINISH, 2000)), remote=[other])
    assert states(out) == ["used"]
    assert by_time(out)[0].at == instant(2000)
    assert result(out).clock_ns == seconds(1999.75)
    later = other._replace(at=BASE + seconds(2000.25))
    assert result(outcome(passed((FINISH, 2000)), remote=[later])).clock_ns == seconds(2000)
