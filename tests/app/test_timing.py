"""The running race: whatever comes in whatever order, it is what the journal alone would give."""

import asyncio
from pathlib import Path
from random import Random

import pytest

from bridge.app.ports import ClockSample
from bridge.app.timing import MOST_UNTOLD, PATIENCE_NS, Emission
from bridge.bootstrap.core import Core
from bridge.domain.entrants import RegistrationId
from bridge.domain.marks import Mark, MarkKind
from bridge.domain.reads import NS_PER_MS, NS_PER_S, Read, StampForm, UtcNs
from bridge.domain.results import RemoteCrossing, Result, Status
from bridge.domain.rules import EventId
from tests.support.mat import (
    EVENT,
    GUN,
    Listener,
    MatClock,
    check,
    enter,
    entrant,
    latest,
    mat,
    read,
    sample,
    settled,
    take,
    told,
    truth,
)

AHEAD = 37 * NS_PER_S


def at_finish(core: Core, bib: int) -> object:
    found = core.standings.result(RegistrationId(1000 + bib))
    return None if found is None else found.clock_ns


def opened(core: Core, reader: str, ahead_ns: int | None = AHEAD) -> int:
    """Open a session whose clock is known (or not)."""
    session = core.intake.open_session(reader)
    if ahead_ns is not None:
        take(core, session, [], samples=[sample(core, session, ahead_ns)])
    return session


# -- the whole way ---------------------------------------------------------------------------------


async def test_a_read_becomes_a_result_and_is_told_once_it_is_durable(tmp_path: Path) -> None:
    clock = MatClock(GUN + 120 * NS_PER_S)
    async with mat(tmp_path, clock) as core:
        heard = Listener(core)
        await enter(core, [7])
        await core.recall()
        session = opened(core, "finish-mat")
        finish = GUN + 119 * NS_PER_S
        durable = take(core, session, [read("C7", finish + AHEAD)])
        assert not heard.crossings, "nothing is told before it is durable"
        assert at_finish(core, 7) is None
        await durable
        await asyncio.sleep(0)
        assert at_finish(core, 7) == 119 * NS_PER_S
        assert [row.seq for row in heard.crossings] == [1]
        assert heard.changed == [1007]
        clock.turn(5)
        await settled(core)
        assert [message["state"] for message in told(core)] == ["provisional", "final"]
        check(core)


async def test_stored_reads_are_told_once_and_not_read_by_read(tmp_path: Path) -> None:
    clock = MatClock(GUN + 600 * NS_PER_S)
    async with mat(tmp_path, clock) as core:
        heard = Listener(core)
        await enter(core, range(1, 4))
        await core.recall()
        session = opened(core, "finish-mat")
        for tenth in range(30):
            at = GUN + 119 * NS_PER_S + tenth * 10**8 + AHEAD
            await take(core, session, [read(f"C{1 + tenth // 10}", at)])
        assert told(core) == []
        assert core.timing.busy, "somebody has to look after them within a second"
        await settled(core)
        assert [(m["chip"], m["state"], m["reads"]) for m in told(core)] == [
            (f"C{bib}", "final", 10) for bib in (1, 2, 3)
        ]
        assert heard.changed == [1001, 1002, 1003]
        check(core)


async def test_endless_stored_reads_do_not_keep_their_crossings_waiting(tmp_path: Path) -> None:
    clock = MatClock(GUN + 3600 * NS_PER_S)
    async with mat(tmp_path, clock) as core:
        await core.recall()
        session = opened(core, "finish-mat")
        begin = GUN + 119 * NS_PER_S + AHEAD
        for part in range(2):
            stamps = range(part * MOST_UNTOLD // 2, (part + 1) * MOST_UNTOLD // 2)
            reads = [read(f"C{n % 50}", begin + n * 10**8) for n in stamps]
            assert told(core) == []
            await take(core, session, reads)
        assert told(core) != []
        await settled(core)
        check(core)


async def test_a_live_read_among_stored_ones_is_told_at_once(tmp_path: Path) -> None:
    clock = MatClock(GUN + 600 * NS_PER_S)
    async with mat(tmp_path, clock) as core:
        await core.recall()
        session = opened(core, "finish-mat")
        stored = read("C2", GUN + 119 * NS_PER_S + AHEAD)
        await take(core, session, [read("C1", clock.utc_ns() + AHEAD), stored])
        assert sorted(m["chip"] for m in told(core)) == ["C1", "C2"]


async def test_live_reads_of_a_trusted_clock_that_is_late_are_told_at_once(tmp_path: Path) -> None:
    clock = MatClock(GUN + 600 * NS_PER_S)
    async with mat(tmp_path, clock, finish='clock = "reader"') as core:
        await core.recall()
        session = opened(core, "finish-mat", -AHEAD)
        await take(core, session, [read("C1", clock.utc_ns() - AHEAD)])
        assert [m["chip"] for m in told(core)] == ["C1"]


async def test_a_read_without_a_stamp_that_is_sent_again_is_no_second_one(tmp_path: Path) -> None:
    clock = MatClock(GUN + 120 * NS_PER_S)
    async with mat(tmp_path, clock) as core:
        await enter(core, [7])
        await core.recall()
        session = opened(core, "finish-mat")
        sent = read("C7", 0, StampForm.ABSENT)._replace(key="passing 12")
        await take(core, session, [sent])
        for _ in range(2):
            clock.turn(300)
            await settled(core)
            await take(core, session, [sent])
        await settled(core)
        assert [(m["chip"], m["reads"]) for m in latest(core).values()] == [("C7", 1)]
        check(core)


async def test_a_restart_publishes_nothing_new_and_gives_equal_results(tmp_path: Path) -> None:
    clock = MatClock(GUN + 120 * NS_PER_S)
    async with mat(tmp_path, clock) as core:
        await enter(core, range(1, 30))
        await core.recall()
        session = opened(core, "finish-mat")
        for bib in range(1, 40):
            clock.turn(0.3)
            now = int(clock.utc_ns())
            await take(core, session, [read(f"C{bib}", now + AHEAD - n * 10**8) for n in range(3)])
        clock.turn(30)
        await settled(core)
        check(core)
        before, results = told(core), core.standings.results(EVENT)
    clock.turn(3)
    async with mat(tmp_path, clock) as core:
        heard = Listener(core)
        await core.recall()
        await settled(core)
        assert heard.crossings == []
        assert told(core) == before
        assert core.standings.results(EVENT) == results
        assert core.timing.folded == 39 * 3
        check(core)


def some_reads(rng: Random, now_ns: int) -> list[Read]:
    """Reads of one moment, now or a while ago; the last perhaps without a time, and numbered."""
    lag = rng.choice([0, 0, 0, 3 * NS_PER_S, 11 * NS_PER_S, 120 * NS_PER_S])
    chips = [f"C{rng.randint(1, 10)}" for _ in range(rng.randint(1, 4))]
    reads = [read(chip, now_ns - lag) for chip in chips]
    if rng.random() < 0.3:
        key = rng.choice([None, "1", "2", "3"])
        reads[-1] = read(chips[-1], 0, StampForm.ABSENT)._replace(key=key)
    return reads


@pytest.mark.parametrize("seed", range(8))
async def test_any_race_with_stops_and_steps_is_what_its_journal_gives(
    tmp_path: Path, seed: int
) -> None:
    """Reads live, late and replayed; clocks asked late, set, and drifting; restarts; late guns."""
    rng = Random(seed)
    clock = MatClock(GUN - 20 * NS_PER_S)
    readers = ("start-mat", "half-mat", "finish-mat")
    ahead = {name: rng.choice([0, AHEAD, -3600 * NS_PER_S]) for name in readers}
    for _life in range(3):
        async with mat(tmp_path, clock) as core:
            await enter(core, range(1, 9))
            sessions = {name: core.intake.open_session(name) for name in readers}
            if rng.random() < 0.7:
                await core.recall()
            for _ in range(40):
                clock.turn(rng.choice([0.01, 0.4, 2.0, 7.0]))
                name = rng.choice(readers)
                match rng.randint(0, 9):
                    case 0:
                        ahead[name] += rng.choice([3600, -3600, 40, -40]) * NS_PER_S
                    case 1 | 2:
                        samples = [sample(core, sessions[name], ahead[name])]
                        take(core, sessions[name], [], samples=samples)
                    case 3 if core.timing.stale:
                        await core.recall()
                    case 4:
                        at = UtcNs(GUN + rng.randint(-2, 2) * NS_PER_S)
                        await core.operations.gun({"event": 1, "at_ms": at // NS_PER_MS}, "test")
                    case 5:
                        late = core.timing.give_up_waiting(clock.boot_ns())
                        core.intake.tell(late.joined(core.timing.advance()))
                    case _:
                        reads = some_reads(rng, int(clock.utc_ns()) + ahead[name])
                        take(core, sessions[name], reads)
            clock.turn(30)
            await core.intake.tell(core.timing.give_up_waiting(clock.boot_ns()))
            await settled(core)
            assert core.timing.held == 0
            check(core)
            before = told(core)
            core.timing.stale = True
            await settled(core)
            assert told(core) == before, "what is computed anew is what was told"


# -- waiting for a clock ---------------------------------------------------------------------------


async def test_reads_wait_for_the_first_clock_answer(tmp_path: Path) -> None:
    clock = MatClock(GUN + 120 * NS_PER_S)
    async with mat(tmp_path, clock) as core:
        await enter(core, [7])
        await core.recall()
        session = opened(core, "finish-mat", None)
        await take(core, session, [read("C7", GUN + 119 * NS_PER_S + AHEAD)])
        assert core.timing.held == 1
        assert told(core) == []
        await take(core, session, [], samples=[sample(core, session, AHEAD)])
        assert core.timing.held == 0
        assert not core.timing.stale
        await settled(core)
        assert at_finish(core, 7) == 119 * NS_PER_S
        check(core)


async def test_a_late_first_answer_puts_everything_right(tmp_path: Path) -> None:
    clock = MatClock(GUN + 120 * NS_PER_S)
    async with mat(tmp_path, clock) as core:
        await enter(core, [7])
        await core.recall()
        session = opened(core, "finish-mat", None)
        await take(core, session, [read("C7", GUN + 110 * NS_PER_S + AHEAD)])
        assert not core.timing.give_up_waiting(clock.boot_ns())
        clock.turn(PATIENCE_NS / NS_PER_S)
        await core.intake.tell(core.timing.give_up_waiting(clock.boot_ns()))
        assert core.timing.held == 0
        assert at_finish(core, 7) == 120 * NS_PER_S, "by its arrival, as long as nothing is known"
        take(core, session, [], samples=[sample(core, session, AHEAD)])
        assert core.timing.stale
        await settled(core)
        assert at_finish(core, 7) == 110 * NS_PER_S
        check(core)


async def test_only_the_reader_that_never_answers_is_given_up(tmp_path: Path) -> None:
    clock = MatClock(GUN + 120 * NS_PER_S)
    async with mat(tmp_path, clock) as core:
        await enter(core, [7, 8])
        await core.recall()
        silent = opened(core, "start-mat", None)
        await take(core, silent, [read("C7", GUN + NS_PER_S)])
        clock.turn(PATIENCE_NS / NS_PER_S)
        young = opened(core, "finish-mat", None)
        await take(core, young, [read("C8", int(clock.utc_ns()) + AHEAD)])
        await core.intake.tell(core.timing.give_up_waiting(clock.boot_ns()))
        assert core.timing.held == 1
        await take(core, young, [], samples=[sample(core, young, AHEAD)])
        assert core.timing.held == 0
        assert at_finish(core, 8) == 125 * NS_PER_S


# -- while the journal is read again ---------------------------------------------------------------


async def test_reads_without_a_clock_held_meanwhile_keep_their_own_arrivals(
    tmp_path: Path,
) -> None:
    clock = MatClock(GUN + 20 * NS_PER_S)
    async with mat(tmp_path, clock) as core:
        await enter(core, [1, 2, 3])
        session = core.intake.open_session("half-mat")
        for bib in (1, 2, 3):
            take(core, session, [read(f"C{bib}", 5)])
            clock.turn(4)
        rebuild = core.timing.rebuild(core.standings)
        async with asyncio.TaskGroup() as group:
            group.create_task(_told(core, rebuild))
            await asyncio.sleep(0)
            for bib in (1, 2, 3):
                take(core, session, [read(f"C{bib}", 6)])
                clock.turn(70)
        await settled(core)
        check(core)
        assert {m["at_ms"] for m in latest(core).values()} == {
            (GUN + at * NS_PER_S) // NS_PER_MS for at in (20, 24, 28, 32, 102, 172)
        }


async def _told(core: Core, rebuild: "asyncio.Future[Emission]") -> None:
    await core.intake.tell(await rebuild)


async def test_everything_that_comes_meanwhile_counts_once(tmp_path: Path) -> None:
    """A session, a clock answer, reads, a gun and participants, each at every moment of it."""
    clock = MatClock(GUN + 120 * NS_PER_S)
    async with mat(tmp_path, clock) as core:
        await enter(core, range(1, 60))
        await core.recall()
        old = opened(core, "finish-mat")
        for number in range(1100):
            take(core, old, [read(f"X{number}", GUN + AHEAD + number * NS_PER_MS)])
        for turns in range(0, 36, 3):
            core.timing.stale = True
            async with asyncio.TaskGroup() as group:
                recall = group.create_task(core.recall())
                for _ in range(turns):
                    await asyncio.sleep(0)
                clock.turn(10)
                ahead = turns * NS_PER_S
                session = core.intake.open_session("start-mat")
                take(core, session, [], samples=[sample(core, session, ahead)])
                now = int(clock.utc_ns())
                take(core, session, [read(f"C{turns + 1}", GUN + ahead + NS_PER_S)])
                take(core, old, [read(f"C{turns + 1}", now + AHEAD)])
                at_ms = GUN // NS_PER_MS + turns
                await core.operations.gun({"event": 1, "at_ms": at_ms}, "test")
                await core.store.merge(EVENT, [entrant(100 + turns)], (), cursor=None)
                await core.operations.entrants_changed()
                await recall
            await settled(core)
            assert core.timing.gun(EVENT) == at_ms * NS_PER_MS
            assert core.timing.folded == len(list(core.store.rows()))
            check(core)


async def test_a_release_of_old_reads_does_not_hide_newer_ones(tmp_path: Path) -> None:
    """One reader's reads wait while another's go on; then the journal is read again at once."""
    clock = MatClock(GUN + 120 * NS_PER_S)
    async with mat(tmp_path, clock) as core:
        await enter(core, [1, 2])
        await core.recall()
        waiting = opened(core, "start-mat", None)
        steady = opened(core, "finish-mat")
        await take(core, waiting, [read("C1", GUN + NS_PER_S + AHEAD)])
        await take(core, steady, [read("C2", GUN + 119 * NS_PER_S + AHEAD)])
        await take(core, waiting, [], samples=[sample(core, waiting, AHEAD)])
        core.timing.stale = True
        await settled(core)
        assert at_finish(core, 2) == 119 * NS_PER_S
        check(core)


async def test_too_many_waiting_reads_are_left_to_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.app.timing.MOST_HELD", 1_000)
    clock = MatClock(GUN + 120 * NS_PER_S)
    async with mat(tmp_path, clock) as core:
        await core.recall()
        session = opened(core, "finish-mat", None)
        stamp = GUN + 100 * NS_PER_S
        for first in range(0, 1_001, 100):
            kept = [read(f"X{first + n}", stamp) for n in range(100)]
            await take(core, session, kept)
        assert core.timing.held < 1_000
        assert core.timing.stale
        await settled(core)
        assert core.timing.folded + core.timing.held == len(list(core.store.rows()))


async def test_a_rebuild_that_fails_gives_no_seq_away(tmp_path: Path) -> None:
    clock = MatClock(GUN + 120 * NS_PER_S)
    async with mat(tmp_path, clock) as core:
        await enter(core, [7])
        session = core.intake.open_session("finish-mat")
        for number in range(1200):
            take(core, session, [read(f"X{number}", GUN + number * NS_PER_MS)])
        cut = 0
        for turns in range(2, 40):
            async with asyncio.TaskGroup() as group:
                task = group.create_task(core.timing.rebuild(core.standings))
                await core.store.put("x", "1")
                for _ in range(turns):
                    await asyncio.sleep(0)
                cut += task.cancel()
            if not core.timing.rebuilding:
                break
            assert core.timing.last_seq == 0
        assert cut > 3
        assert core.timing.last_seq == 1200


# -- other facts -----------------------------------------------------------------------------------


async def test_a_late_gun_moves_every_time(tmp_path: Path) -> None:
    clock = MatClock(GUN + 120 * NS_PER_S)
    async with mat(tmp_path, clock) as core:
        await enter(core, [7])
        await core.recall()
        session = opened(core, "finish-mat")
        await take(core, session, [read("C7", GUN + 119 * NS_PER_S + AHEAD)])
        await core.operations.gun({"event": 1, "at_ms": (GUN + NS_PER_S) // NS_PER_MS}, "test")
        assert at_finish(core, 7) == 118 * NS_PER_S
        check(core)


async def test_crossings_of_other_sites_count_and_those_held_too(tmp_path: Path) -> None:
    clock = MatClock(GUN + 120 * NS_PER_S)
    async with mat(tmp_path, clock) as core:
        await enter(core, [7])
        far = RemoteCrossing("far-1", "far", "start", "C7", GUN + 4 * NS_PER_S, withdrawn=False)
        await core.store.keep([("far", 1, far)])
        assert not core.timing.remote([far]), "held: the journal is being read"
        await core.recall()
        session = opened(core, "finish-mat")
        await take(core, session, [read("C7", GUN + 119 * NS_PER_S + AHEAD)])
        found = core.standings.result(RegistrationId(1007))
        assert found is not None
        assert found.chip_ns == 115 * NS_PER_S
        moved = far._replace(at=GUN + 9 * NS_PER_S)
        await core.store.keep([("far", 2, moved)])
        await core.intake.tell(core.timing.remote([moved]))
        found = core.standings.result(RegistrationId(1007))
        assert found is not None
        assert found.chip_ns == 110 * NS_PER_S
        check(core)


async def test_a_runner_who_changes_event_while_the_box_is_off(tmp_path: Path) -> None:
    more = """
[[event]]
id = 2
name = "5K"
gun = 2026-11-21T08:40:00
course = [{ location = "finish", min_time_s = 60 }]
"""
    clock = MatClock(GUN + 120 * NS_PER_S)
    async with mat(tmp_path, clock, more=more) as core:
        await enter(core, [7])
        await core.recall()
        session = opened(core, "finish-mat")
        await take(core, session, [read("C7", GUN + 119 * NS_PER_S + AHEAD)])
        assert len(core.standings.results(EVENT)) == 1
        await core.store.merge(EventId(2), [entrant(7, EventId(2))], [], cursor=None)
        core.timing.rebuilding = True  # as after a rebuild that failed
        await core.recall()
        assert core.standings.results(EVENT) == []
        assert [r.registration_id for r in core.standings.results(EventId(2))] == [1007]


async def test_the_zone_learned_late_places_naive_reads_anew(tmp_path: Path) -> None:
    text_without_zone = 'clock = "reader"'
    clock = MatClock(GUN + 120 * NS_PER_S)
    from tests.support.mat import CONFIG  # noqa: PLC0415 - only here

    text = CONFIG.replace('timezone = "UTC"\n', "").replace("08:40:00", "08:40:00Z")
    async with mat(tmp_path, clock, finish=text_without_zone, text=text) as core:
        await enter(core, [7])
        await core.recall()
        session = opened(core, "finish-mat", None)
        await take(core, session, [read("C7", GUN - 7 * 3600 * NS_PER_S + 119 * NS_PER_S)])
        assert at_finish(core, 7) is None, "taken for UTC, long before the gun"
        await core.learn_zone("America/Denver")
        assert core.timing.stale
        await settled(core)
        assert at_finish(core, 7) == 119 * NS_PER_S
        (crossing,) = latest(core).values()
        assert crossing["at_ms"] == (GUN + 119 * NS_PER_S) // NS_PER_MS
        check(core)


async def test_a_reader_that_is_no_longer_configured_keeps_its_reads(tmp_path: Path) -> None:
    clock = MatClock(GUN + 120 * NS_PER_S)
    async with mat(tmp_path, clock) as core:
        await enter(core, [7])
        await core.recall()
        session = opened(core, "finish-mat")
        await take(core, session, [read("C7", GUN + 119 * NS_PER_S + AHEAD)])
        await settled(core)
    from tests.support.mat import CONFIG  # noqa: PLC0415 - only here

    renamed = CONFIG.replace('name = "finish-mat"', 'name = "finish-new"')
    async with mat(tmp_path, clock, text=renamed) as core:
        await core.recall()
        assert at_finish(core, 7) == 119 * NS_PER_S
        check(core)


async def test_reads_whose_session_was_lost_stop_nothing(tmp_path: Path) -> None:
    clock = MatClock(GUN + 120 * NS_PER_S)
    async with mat(tmp_path, clock) as core:
        await enter(core, [7])
        await core.recall()
        session = opened(core, "finish-mat")
        await take(core, session, [read("C7", GUN + 119 * NS_PER_S + AHEAD)])
        await core.store._core.write(  # noqa: SLF001 - a damaged page
            lambda connection: connection.execute("DELETE FROM sessions").rowcount
        )
    async with mat(tmp_path, clock) as core:
        await core.recall()
        assert core.standings.results(EVENT) == []
        assert [state.state.value for state in truth(core).read_states] == ["wrong_event"]
        assert core.timing.race.counts()[truth(core).read_states[0].state] == 1


async def test_the_truth_about_the_host_rebases_a_whole_boot(tmp_path: Path) -> None:
    """The box woke up with the time of its last stop; the network comes when all are in."""
    clock = MatClock(GUN - 86_400 * NS_PER_S)
    clock.error = None
    async with mat(tmp_path, clock) as core:
        await enter(core, [7, 8])
        await core.recall()
        finish = opened(core, "finish-mat", 86_400 * NS_PER_S)
        half = core.intake.open_session("half-mat")
        clock.turn(30)
        await take(core, half, [read("C7", 5)])
        clock.turn(90)
        await take(core, finish, [read("C7", int(clock.utc_ns()) + 86_400 * NS_PER_S)])
        await settled(core)
        assert at_finish(core, 7) is None, "a day before the gun"
        clock.base_ns += 86_400 * NS_PER_S
        clock.error = 5 * NS_PER_MS
        assert core.timing.host_truth(clock.boot_id, clock.utc_ns() - clock.boot_ns())
        assert not core.timing.host_truth(clock.boot_id, 5), "the first truth stands"
        await settled(core)
        found = core.standings.result(RegistrationId(1007))
        assert found is not None
        assert found.clock_ns == 120 * NS_PER_S
        assert [split.clock_ns for split in found.splits] == [30 * NS_PER_S]
        check(core)


async def test_a_fault_in_the_race_stops_no_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = MatClock(GUN + 120 * NS_PER_S)
    async with mat(tmp_path, clock) as core:
        await enter(core, [7])
        await core.recall()
        session = opened(core, "finish-mat")

        def broken(_reads: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(core.timing.race, "fold", broken)
        await take(core, session, [read("C7", GUN + 119 * NS_PER_S + AHEAD)])
        assert core.timing.stale
        await settled(core)
        assert at_finish(core, 7) == 119 * NS_PER_S
        check(core)


def result(number: int, event_id: int = 1, place: int | None = None) -> Result:
    return Result(
        RegistrationId(number), EventId(event_id), Status.ON_COURSE, None, None, (), place
    )


def test_what_is_withdrawn_later_is_not_told_earlier() -> None:
    first = Emission(results=[result(1), result(2)])
    later = Emission(results=[result(2, 2)], withdrawn=[result(1), result(2)])
    joined = first.joined(later)
    assert list(joined.results) == [result(2, 2)]
    assert list(joined.withdrawn) == [result(1), result(2)]
    assert not Emission().joined(Emission())
    assert Emission().joined(later) is later
    assert first.joined(Emission()) is first


async def test_marks_name_their_runner_whenever_they_come(tmp_path: Path) -> None:
    clock = MatClock(GUN + 120 * NS_PER_S)
    async with mat(tmp_path, clock) as core:
        await enter(core, [7])
        mark = Mark(id=0, kind=MarkKind.DNF, made_at=clock.utc_ns(), author="t", bib=7)
        await core.operations.add_mark(mark)
        await core.recall()
        found = core.standings.result(RegistrationId(1007))
        assert found is not None
        assert found.status is Status.DNF


async def test_samples_of_a_trusted_reader_move_nothing(tmp_path: Path) -> None:
    clock = MatClock(GUN + 120 * NS_PER_S)
    async with mat(tmp_path, clock, finish='clock = "reader"') as core:
        await enter(core, [7])
        await core.recall()
        session = opened(core, "finish-mat", None)
        odd = GUN + 119 * NS_PER_S + 86_400 * 400 * NS_PER_S
        await take(core, session, [read("C7", odd, StampForm.NAIVE)])
        wild = ClockSample(session, int(clock.utc_ns()), clock.boot_ns(), 0, 12345, 1, step=False)
        take(core, session, [], samples=[wild])
        assert not core.timing.stale
        states = [state.state.value for state in truth(core).read_states]
        assert "bad_clock" not in states
        (crossing,) = latest(core).values()
        assert crossing["at_ms"] == odd // NS_PER_MS, "however odd: the reader is trusted"
