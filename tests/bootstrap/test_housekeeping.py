"""What has to happen now and then, and the watchdog that is fed by progress only."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge.bootstrap.core import BASES_NOTE, Core
from bridge.bootstrap.housekeeping import STUCK_NS, Housekeeper, make_room
from bridge.domain.reads import NS_PER_MS, NS_PER_S, StampForm
from bridge.driver_api import Marker
from tests.support.mat import EVENT, GUN, MatClock, check, enter, mat, read, sample, take, told
from tests.support.store import until

AHEAD = 37 * NS_PER_S


class Dog:
    """A watchdog that counts its meals."""

    def __init__(self, watchdog_s: float | None = 15.0) -> None:
        self._watchdog_s = watchdog_s
        self.meals = 0

    @property
    def watchdog_s(self) -> float | None:
        return self._watchdog_s

    def watchdog(self) -> None:
        self.meals += 1


@asynccontextmanager
async def kept(core: Core, dog: Dog) -> AsyncIterator[list[str]]:
    """The housekeeper at work; gives the readers it told of."""
    changed: list[str] = []
    if core.clock.error_ns() is not None:  # nothing more to learn, so no second recall
        core.timing.host_truth(core.clock.boot_id, core.clock.utc_ns() - core.clock.boot_ns())
    async with asyncio.TaskGroup() as group:
        running = group.create_task(Housekeeper(core, dog, changed.append).run())
        await core.standings.ready()
        await until(lambda: clock_sleeps(core) >= 2)
        try:
            yield changed
        finally:
            running.cancel()


def clock_sleeps(core: Core) -> int:
    assert isinstance(core.clock, MatClock)
    return core.clock.sleeping


async def turn(clock: MatClock, seconds: float) -> None:
    for _ in range(int(seconds * 4)):
        clock.turn(0.25)
        await asyncio.sleep(0.002)


async def test_passings_close_states_are_told_and_stale_times_placed_anew(tmp_path: Path) -> None:
    clock = MatClock(GUN + 100 * NS_PER_S)
    async with mat(tmp_path, clock) as core, kept(core, Dog()) as changed:
        await enter(core, [7])
        session = core.intake.open_session("finish-mat")
        await take(core, session, [read("C7", int(clock.utc_ns()) + AHEAD)])
        core.states["finish-mat"].enter("connected", clock.utc_ns())
        await turn(clock, 8)
        assert "finish-mat" in changed
        await until(lambda: [m["state"] for m in told(core)][-1:] == ["final"])
        await take(core, session, [read("X", GUN + AHEAD)], samples=[sample(core, session, AHEAD)])
        await turn(clock, 3)
        await until(lambda: not core.timing.stale and not core.timing.rebuilding)
        await core.intake.tell(core.timing.advance())
        check(core)


async def test_a_gun_by_a_reader_is_recorded(tmp_path: Path) -> None:
    clock = MatClock(GUN + 100 * NS_PER_S)
    async with mat(tmp_path, clock, finish="gun_for = [1]") as core, kept(core, Dog()):
        session = core.intake.open_session("finish-mat")
        take(core, session, [], samples=[sample(core, session, 0)])
        at = int(clock.utc_ns())
        await take(core, session, [Marker(b"g", "gun", at, StampForm.NAIVE)])
        await turn(clock, 2)
        await until(lambda: core.timing.gun(EVENT) == at)


async def test_the_truth_about_the_host_is_taken_when_it_is_good_enough(tmp_path: Path) -> None:
    clock = MatClock(GUN)
    clock.error = None
    async with mat(tmp_path, clock) as core, kept(core, Dog()):
        await turn(clock, 2)
        assert not core.timing.knows_host(clock.boot_id)
        clock.error = 8 * NS_PER_S
        await turn(clock, 2)
        assert not core.timing.knows_host(clock.boot_id), "synchronised, but hardly"
        clock.error = 40 * NS_PER_MS
        await turn(clock, 2)
        assert core.timing.knows_host(clock.boot_id)
        await until(lambda: core.store.get(BASES_NOTE) is not None)
    async with mat(tmp_path, clock) as core:
        assert core.timing.knows_host(clock.boot_id)


async def test_the_watchdog_is_fed_while_all_is_well(tmp_path: Path) -> None:
    clock, dog = MatClock(GUN), Dog()
    async with mat(tmp_path, clock) as core, kept(core, dog):
        await turn(clock, 60)
        assert dog.meals >= 60 / 15


async def test_a_full_disk_is_no_reason_to_restart(tmp_path: Path) -> None:
    clock, dog = MatClock(GUN), Dog()
    async with mat(tmp_path, clock) as core, kept(core, dog):
        session = core.intake.open_session("finish-mat")
        await take(core, session, [read("A", 1)])
        thief = sqlite3.connect(
            tmp_path / "data" / "races" / "local" / "journal.db", isolation_level=None
        )
        thief.execute("BEGIN IMMEDIATE")
        waits = take(core, session, [read("B", 1)])
        await until(lambda: core.store.trouble is not None)
        before = dog.meals
        await turn(clock, 60)
        assert dog.meals > before + 3, "what waits in memory would be lost"
        assert "writer" in core.health.alarms.standing
        thief.rollback()
        thief.close()
        await waits


async def test_a_stage_that_hangs_starves_the_watchdog(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, dog = MatClock(GUN), Dog()
    async with mat(tmp_path, clock) as core, kept(core, dog):
        hung = asyncio.Event()

        async def hang(_desk: object) -> None:
            await hung.wait()

        monkeypatch.setattr(core.marker_guns, "settle", hang)
        await turn(clock, STUCK_NS / NS_PER_S + 5)
        before = dog.meals
        await turn(clock, 60)
        assert dog.meals == before
        hung.set()
        await turn(clock, 5)
        assert dog.meals > before


async def test_a_writer_that_hangs_starves_the_watchdog(tmp_path: Path) -> None:
    clock, dog = MatClock(GUN), Dog()
    async with mat(tmp_path, clock) as core, kept(core, dog):
        core.store._core.backlog += 1  # noqa: SLF001 - a row that is never written
        await turn(clock, STUCK_NS / NS_PER_S + 5)
        before = dog.meals
        await turn(clock, 40)
        assert dog.meals == before
        assert "nothing has been written" in core.health.alarms.standing["writer"]
        core.store._core.backlog -= 1  # noqa: SLF001
        await turn(clock, 4)
        assert dog.meals > before
        assert "writer" not in core.health.alarms.standing


async def test_a_busy_writer_is_not_a_hung_one(tmp_path: Path) -> None:
    clock, dog = MatClock(GUN), Dog()
    async with mat(tmp_path, clock) as core, kept(core, dog):
        session = core.intake.open_session("finish-mat")
        core.store._core.backlog += 1  # noqa: SLF001 - there is always one more
        for number in range(40):
            await take(core, session, [read(f"X{number}", 5)])
            await turn(clock, 1)
        before = dog.meals
        await take(core, session, [read("Y", 5)])
        await turn(clock, 4)
        assert dog.meals > before
        core.store._core.backlog -= 1  # noqa: SLF001


async def test_results_that_cannot_be_computed_are_said_so_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, dog = MatClock(GUN), Dog()
    async with mat(tmp_path, clock) as core, kept(core, dog):
        with monkeypatch.context() as broken:

            async def fail() -> None:
                raise ZeroDivisionError

            broken.setattr(Core, "recall", lambda _core: fail())
            core.timing.stale = True
            await turn(clock, 30)
            assert "results" in core.health.alarms.standing
            assert dog.meals > 3, "the mat reads on"
        await turn(clock, 30)
        await until(lambda: "results" not in core.health.alarms.standing)
        assert not core.timing.stale


async def test_old_races_go_when_the_service_starts(tmp_path: Path) -> None:
    clock = MatClock(GUN)
    async with mat(tmp_path, clock) as core:
        old = tmp_path / "data" / "races" / "old"
        old.mkdir()
        clock.base_ns += 4_000 * 86_400 * NS_PER_S
        async with asyncio.TaskGroup() as group:
            running = group.create_task(make_room(core))
            await until(lambda: not old.exists())
            running.cancel()
        assert (tmp_path / "data" / "races" / "local").exists()
