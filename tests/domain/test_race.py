"""The running race: what is told when, and what it costs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from bridge.domain.entrants import Entrant, RegistrationId
from bridge.domain.marks import MarkKind
from bridge.domain.race import Phase, Race
from bridge.domain.results import RemoteCrossing, State, Status, TimedRead
from bridge.domain.rules import Method, Rules
from tests.domain.scenes import EVENT, FINISH, START, Reads, field, mark, outcome, rules, runner
from tests.domain.worlds import BASE, instant, seconds


class Scene:
    """A race whose history can be counted."""

    def __init__(
        self, of: Rules | None = None, who: Mapping[RegistrationId, Entrant] | None = None
    ) -> None:
        self.reads = Reads()
        self.asked: list[list[str]] = []
        self.race = Race(of or rules(), self.history)
        self.race.set_entrants(who or field())

    def history(self, chips: Sequence[str]) -> list[TimedRead]:
        self.asked.append(list(chips))
        return [read for read in self.reads.made if read.chip in chips]

    def seen(self, reader: str, *moments: float, chip: str = "c1") -> None:
        self.race.fold([self.reads.at(reader, when, chip) for when in moments])

    def told(self) -> list[tuple[str, float, str, int]]:
        """(phase, seconds, state, reads) of each crossing told now."""
        return [
            (phase.value, (c.at - BASE) / 1e9, c.state.value, c.reads)
            for c, phase in self.race.take().crossings
        ]

    def now(self, when: float) -> None:
        self.race.advance({name: instant(when) for name in rules().readers})


def test_provisional_at_once_final_after_quiet_and_a_count_alone_is_no_news() -> None:
    scene = Scene()
    scene.seen(FINISH, 2000)
    assert scene.told() == [("provisional", 2000, "used", 1)]
    scene.seen(FINISH, 2000.25, 2000.5)
    assert scene.told() == []
    assert scene.race.next_deadline() is not None
    scene.now(2001.5)
    assert scene.told() == []
    scene.now(2001.6)
    assert scene.told() == [("final", 2000, "used", 3)]
    scene.now(2100)
    assert scene.told() == []
    assert scene.asked == []


def test_a_read_after_the_final_word_revises_it_under_the_same_id() -> None:
    scene = Scene()
    scene.seen(FINISH, 2000)
    scene.now(2011)
    assert scene.told() == [("final", 2000, "used", 1)]
    scene.seen(FINISH, 2000.75)
    assert scene.told() == [("final", 2000, "used", 2)]
    scene.seen(FINISH, 1999.5)
    assert scene.told() == [("final", 1999.5, "used", 3)]
    assert [c.id for c in scene.race.crossings_of(RegistrationId(1))] == ["box-1"]
    assert scene.asked == []


def test_reads_that_bridge_two_passings_withdraw_the_later_one() -> None:
    scene = Scene()
    scene.seen(FINISH, 2000, 2001.5)
    assert [t[2] for t in scene.told()] == ["used", "too_soon"]
    scene.seen(FINISH, 2000.75)
    told = [(c.id, phase) for c, phase in scene.race.take().crossings]
    assert dict(told) == {"box-1": Phase.FINAL, "box-2": Phase.WITHDRAWN}
    assert [c.reads for c in scene.race.crossings_of(RegistrationId(1))] == [3]


def test_live_reads_never_ask_the_history_and_a_late_one_asks_for_one_runner() -> None:
    who = field(*(runner(number) for number in range(1, 21)))
    scene = Scene(who=who)
    for lap in range(4):
        for number in range(1, 21):
            moments = [1300 + lap * 100 + number + step / 10 for step in range(5)]
            scene.seen(FINISH, *moments, chip=f"c{number}")
            scene.now(moments[-1])
            scene.race.take()
    assert scene.asked == []
    scene.seen(FINISH, 1250, chip="c7")
    assert scene.asked == [["c7"]]
    result = scene.race.result(RegistrationId(7))
    assert result is not None
    assert (result.clock_ns, result.place) == (seconds(1250), 1)
    assert len(scene.race.take().results) == 7


def test_a_second_delivery_of_everything_changes_nothing() -> None:
    scene = Scene()
    scene.seen(START, 1, 2)
    for lap in range(12):
        scene.seen(FINISH, *(2000 + lap * 30 + step / 10 for step in range(5)))
        scene.now(2000 + lap * 30 + 5)
        scene.race.take()
    scene.now(3000)
    scene.race.take()
    before = scene.race.counts()
    again = [read._replace(id=read.id + 1000) for read in scene.reads.made]
    scene.reads.made += again
    for read in again:
        scene.race.fold([read])
        changes = scene.race.take()
        assert not changes.crossings
        assert not changes.results
    after = scene.race.counts()
    assert after.pop(State.DUPLICATE) == len(again)
    assert after | {State.DUPLICATE: 0} == before
    scene.race.fold(again)
    assert scene.race.counts()[State.DUPLICATE] == len(again)


def test_passings_that_count_for_nothing_are_kept_as_numbers_and_come_back_when_needed() -> None:
    scene = Scene()
    for lap in range(200):
        scene.seen(FINISH, *(2000 + lap * 10 + step / 10 for step in range(3)))
        scene.now(2000 + lap * 10 + 5)
        scene.race.take()
    books = scene.race._tracks.books[RegistrationId(1)]  # noqa: SLF001
    assert len(books.passings()) < 12
    assert scene.asked == []
    assert sum(scene.race.counts().values()) == 600
    assert len(scene.race.crossings_of(RegistrationId(1))) == 200
    assert len(books.passings()) < 12
    assert not scene.race.take().crossings
    scene.race.set_marks([mark(MarkKind.IGNORE, location=FINISH, at=instant(2000))])
    told = scene.told()
    assert (told[0][2], told[1][2]) == ("ignored", "used")
    assert len(told) == 200
    result = scene.race.result(RegistrationId(1))
    assert result is not None
    assert result.clock_ns == seconds(2010)


def test_an_ignore_mark_made_before_the_crossing_moves_to_the_nearest() -> None:
    scene = Scene()
    scene.race.set_marks([mark(MarkKind.IGNORE, location=FINISH, at=instant(2000))])
    scene.race.take()
    scene.seen(FINISH, 1900)
    assert scene.told() == [("provisional", 1900, "ignored", 1)]
    scene.seen(FINISH, 1990)
    assert sorted(t[1:3] for t in scene.told()) == [(1900, "used"), (1990, "ignored")]


def test_a_parked_chip_costs_no_memory_per_read() -> None:
    scene = Scene()
    for second in range(300):
        scene.seen(FINISH, *(2000 + second + step / 10 for step in range(10)))
        scene.now(2000 + second + 0.9)
    passing = scene.race._tracks.books[RegistrationId(1)].passings()[0]  # noqa: SLF001
    assert sum(map(len, passing.seen.values())) < 700
    scene.now(3000)
    (told,) = scene.race.take().crossings
    assert (told[0].reads, told[0].at) == (3000, instant(2000))
    assert scene.race.counts()[State.STRAY] == 2999
    assert scene.asked == []


def test_a_read_of_a_passing_made_anew_in_the_meantime_is_not_lost() -> None:
    scene = Scene(who=field(runner(1), runner(2)))
    made = [scene.reads.at(FINISH, when, chip) for when, chip in ((2000, "c1"), (2020, "c2"))]
    scene.race.fold([*made, scene.reads.at(FINISH, 1990)])
    scene.told()
    scene.seen(FINISH, 2000.5)
    assert [c.reads for c in scene.race.crossings_of(RegistrationId(1))] == [1, 2]


def test_a_chip_parked_under_a_slow_reader_keeps_no_other_passing_in_memory() -> None:
    scene = Scene()
    for second in range(2000, 2120):
        scene.seen(FINISH, second + 4, chip=f"stranger {second}")
        scene.now(second + 5)
        scene.seen(FINISH, second, second + 0.5)
        scene.race.take()
    books = scene.race._tracks.books.values()  # noqa: SLF001 - memory is what matters here
    passings = [passing for owned in books for passing in owned.passings()]
    assert sum(passing.young for passing in passings) < 40
    assert max(len(reads) for passing in passings for reads in passing.seen.values()) < 80
    assert [c.reads for c in scene.race.crossings_of(RegistrationId(1))] == [240]
    assert scene.asked == []


def test_a_chip_assigned_after_the_race_brings_its_crossings() -> None:
    scene = Scene(who=field(runner(1, chips=())))
    scene.seen(FINISH, 2000, chip="C9")
    assert [t[2] for t in scene.told()] == ["unknown_chip"]
    scene.race.set_entrants(field(runner(1, chips=("c9",))))
    changes = scene.race.take()
    assert [(c.id, c.registration_id, p) for c, p in changes.crossings] == [
        ("box-1", 1, Phase.PROVISIONAL)
    ]
    assert [r.clock_ns for r in changes.results] == [seconds(2000)]
    scene.race.set_entrants(field(runner(1, chips=())))
    changes = scene.race.take()
    assert [(r.registration_id, r.clock_ns) for r in changes.withdrawn] == [(1, seconds(2000))]
    assert scene.race.result(RegistrationId(1)) is None


def test_a_new_name_recomputes_nothing() -> None:
    scene = Scene()
    scene.seen(FINISH, 2000)
    scene.race.take()
    scene.race.set_entrants(field(runner(1, first_name="Ada")))
    assert (scene.told(), scene.asked) == ([], [])


def test_a_late_gun_moves_every_time_without_asking_the_history() -> None:
    who = field(runner(1), runner(2))
    scene = Scene(rules(gun=None), who)
    scene.seen(START, 3)
    scene.seen(FINISH, 2000)
    scene.seen(FINISH, 2010, chip="c2")
    scene.now(2100)
    scene.race.take()
    gun = mark(MarkKind.GUN, event_id=EVENT, bib=None, at=instant(2))
    scene.race.set_marks([gun])
    changes = scene.race.take()
    assert [r.clock_ns for r in changes.results] == [seconds(1998), seconds(2008)]
    assert len(changes.crossings) == 3
    assert scene.asked == []
    scene.race.set_marks([gun, replace(gun, id=2, at=instant(5))])
    assert scene.race.result(RegistrationId(1)) != changes.results[0]
    assert scene.asked == []


def test_results_come_ranked_with_totals() -> None:
    who = field(*(runner(number) for number in range(1, 5)))
    scene = Scene(who=who)
    for number, when in ((1, 2100), (2, 2000), (3, 700)):
        scene.seen(FINISH if when > 1000 else "5k", when, chip=f"c{number}")
    scene.race.set_marks([mark(MarkKind.DNS, bib=4)])
    table = scene.race.results(EVENT)
    assert [(r.registration_id, r.place, r.status) for r in table] == [
        (2, 1, Status.FINISHED),
        (1, 2, Status.FINISHED),
        (3, None, Status.ON_COURSE),
        (4, None, Status.DNS),
    ]
    assert scene.race.totals(EVENT) == (3, 1, 2)


def test_start_times_of_another_site_arrive_late_change_and_go() -> None:
    scene = Scene()
    scene.seen(FINISH, 2000)
    scene.race.take()
    crossing = RemoteCrossing("start-a-1", "start-a", START, "c1", BASE + seconds(10), False)  # noqa: FBT003
    chips = []
    for revision in (
        crossing,
        crossing._replace(at=BASE + seconds(20)),
        crossing._replace(withdrawn=True),
    ):
        scene.race.fold_remote([revision])
        (result,) = scene.race.take().results
        chips.append(result.chip_ns)
    assert chips == [seconds(1990), seconds(1980), seconds(2000)]


def test_rebuild_takes_revised_times_and_tells_only_the_difference() -> None:
    scene = Scene()
    scene.seen(START, 1)
    scene.seen(FINISH, 2000)
    scene.now(2100)
    scene.race.take()
    scene.race.rebuild(scene.reads.made)
    assert scene.told() == []
    scene.reads.made[1] = scene.reads.made[1]._replace(at=BASE + seconds(1999))
    scene.race.rebuild(scene.reads.made)
    changes = scene.race.take()
    assert [(c.id, c.at) for c, _ in changes.crossings] == [("box-2", instant(1999))]
    assert [r.clock_ns for r in changes.results] == [seconds(1999)]
    scene.race.rebuild(scene.reads.made[:1])
    changes = scene.race.take()
    assert [(c.id, phase) for c, phase in changes.crossings] == [("box-2", Phase.WITHDRAWN)]
    assert [r.status for r in changes.results] == [Status.ON_COURSE]


@pytest.mark.parametrize("method", list(Method))
def test_every_method_agrees_with_the_pure_function_read_by_read(method: Method) -> None:
    of = rules(method=method)
    scene = Scene(of)
    for step, rssi in enumerate((-70.0, -64.0, -61.0, -60.0, -62.0, -66.0, -72.0)):
        scene.race.fold([scene.reads.at(FINISH, 2000 + step / 10, rssi=rssi)])
        (crossing,) = scene.race.crossings_of(RegistrationId(1))
        (expected,) = outcome(scene.reads, of=of).crossings.values()
        assert crossing == expected


def test_why_lists_every_read_of_a_runner_with_its_reason() -> None:
    scene = Scene()
    scene.seen(START, -1, 1)
    scene.seen(FINISH, 2000, 2000.5, 2012.3)
    states = scene.race.why(RegistrationId(1))
    assert [(s.location, s.state.value) for s in states] == [
        (START, "before_start"),
        (START, "used"),
        (FINISH, "used"),
        (FINISH, "same_passing"),
        (FINISH, "too_soon"),
    ]
    assert states[-1].why == "12.3 s after the crossing used at 0:33:20.000; dead time is 60 s"
    assert states[-2].why == "0.5 s from the crossing (first)"
    assert scene.race.why("nobody's") == []
    assert scene.race.chips_of(RegistrationId(1)) == ["c1"]
