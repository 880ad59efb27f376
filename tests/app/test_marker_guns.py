"""Guns by readers and by other boxes: once each, at the right moment, undone when undone."""

from pathlib import Path

import pytest

from bridge.app.marker_guns import foreign_gun
from bridge.app.timing import PATIENCE_NS
from bridge.bootstrap.core import Core
from bridge.domain.reads import NS_PER_MS, NS_PER_S, StampForm
from bridge.driver_api import Marker
from bridge.errors import UsageError
from tests.support.mat import EVENT, GUN, MatClock, mat, sample, take

AHEAD = 37 * NS_PER_S
FIRES = "gun_for = [1]"
FIRED = GUN + 60 * NS_PER_S


def shot(stamp: int, key: str | None = None) -> Marker:
    return Marker(b"gun", "gun", stamp, StampForm.NAIVE, key)


async def turn(core: Core) -> None:
    await core.marker_guns.settle(core.operations)


def marks(core: Core) -> list[tuple[int | None, str, bool]]:
    return [(mark.at, mark.author, mark.undone) for mark in core.store.marks()]


async def test_a_trigger_sets_the_gun_by_the_reader_s_corrected_clock(tmp_path: Path) -> None:
    clock = MatClock(FIRED + NS_PER_S)
    async with mat(tmp_path, clock, finish=FIRES + "\noffset_ms = 250") as core:
        await core.recall()
        session = core.intake.open_session("finish-mat")
        take(core, session, [], samples=[sample(core, session, AHEAD)])
        await take(core, session, [shot(FIRED + AHEAD)])
        await turn(core)
        at = FIRED - 250 * NS_PER_MS
        assert core.timing.gun(EVENT) == at
        assert marks(core) == [(at, "reader:finish-mat", False)]


@pytest.mark.parametrize(
    ("name", "fires"),
    [("trigger", True), ("gate", True), ("gpi3", True), ("button", False), ("beam", False)],
)
async def test_only_what_fires_a_race_sets_the_gun(
    tmp_path: Path,
    name: str,
    fires: bool,  # noqa: FBT001
) -> None:
    clock = MatClock(FIRED + NS_PER_S)
    async with mat(tmp_path, clock, finish=FIRES) as core:
        await core.recall()
        session = core.intake.open_session("finish-mat")
        take(core, session, [], samples=[sample(core, session, AHEAD)])
        await take(core, session, [Marker(b"x", name, FIRED + AHEAD, StampForm.NAIVE)])
        await turn(core)
        assert len(marks(core)) == fires
        core.marker_guns.recall()
        await turn(core)
        assert len(marks(core)) == fires


async def test_heard_again_or_after_a_restart_it_is_the_same_gun(tmp_path: Path) -> None:
    clock = MatClock(FIRED + NS_PER_S)
    async with mat(tmp_path, clock, finish=FIRES) as core:
        await core.recall()
        session = core.intake.open_session("finish-mat")
        take(core, session, [], samples=[sample(core, session, AHEAD)])
        await take(core, session, [shot(FIRED + AHEAD)])
        await turn(core)
        await take(core, session, [shot(FIRED + AHEAD), shot(FIRED + AHEAD)])
        await turn(core)
        assert len(marks(core)) == 1
    async with mat(tmp_path, clock, finish=FIRES) as core:
        await core.recall()
        await turn(core)
        assert len(marks(core)) == 1


async def test_one_that_came_right_before_a_power_cut_is_not_forgotten(tmp_path: Path) -> None:
    clock = MatClock(FIRED + NS_PER_S)
    async with mat(tmp_path, clock, finish=FIRES) as core:
        session = core.intake.open_session("finish-mat")
        take(core, session, [], samples=[sample(core, session, AHEAD)])
        await take(core, session, [shot(FIRED + AHEAD)])
    async with mat(tmp_path, clock, finish=FIRES) as core:
        await core.recall()
        await turn(core)
        assert core.timing.gun(EVENT) == FIRED


async def test_an_older_trigger_out_of_the_reader_s_memory_is_not_the_gun(tmp_path: Path) -> None:
    """The start gate was tried in the morning; the timer hands its memory over after a break."""
    clock = MatClock(FIRED + NS_PER_S)
    async with mat(tmp_path, clock, finish=FIRES) as core:
        await core.recall()
        session = core.intake.open_session("finish-mat")
        take(core, session, [], samples=[sample(core, session, AHEAD)])
        await take(core, session, [shot(FIRED + AHEAD, "race")])
        await turn(core)
        tried = FIRED - 7_200 * NS_PER_S
        await take(core, session, [shot(tried + AHEAD, "tried"), shot(FIRED + AHEAD, "race")])
        await turn(core)
        assert core.timing.gun(EVENT) == FIRED
        await core.operations.gun({"event": 1, "undo": True}, "operator")
        core.marker_guns.recall()
        await turn(core)
        assert core.timing.gun(EVENT) == GUN, "the configured one, not that of the morning"
        clock.turn(120)
        again = FIRED + 121 * NS_PER_S
        await take(core, session, [shot(again + AHEAD, "again")])
        await turn(core)
        assert core.timing.gun(EVENT) == again


async def test_undone_by_an_operator_it_stays_undone(tmp_path: Path) -> None:
    clock = MatClock(FIRED + NS_PER_S)
    async with mat(tmp_path, clock, finish=FIRES) as core:
        await core.recall()
        session = core.intake.open_session("finish-mat")
        take(core, session, [], samples=[sample(core, session, AHEAD)])
        await take(core, session, [shot(FIRED + AHEAD)])
        await turn(core)
        await core.operations.gun({"event": 1, "undo": True}, "operator")
        core.marker_guns.recall()
        await turn(core)
        assert core.timing.gun(EVENT) == GUN, "the configured one again"
        assert len(marks(core)) == 1


async def test_it_waits_for_the_reader_s_clock_but_not_for_ever(tmp_path: Path) -> None:
    clock = MatClock(FIRED + NS_PER_S)
    async with mat(tmp_path, clock, finish=FIRES) as core:
        await core.recall()
        session = core.intake.open_session("finish-mat")
        await take(core, session, [shot(FIRED + AHEAD, "a")])
        await turn(core)
        assert marks(core) == []
        take(core, session, [], samples=[sample(core, session, AHEAD)])
        await turn(core)
        assert core.timing.gun(EVENT) == FIRED
    clock = MatClock(FIRED + 100 * NS_PER_S)
    async with mat(tmp_path / "silent", clock, finish=FIRES) as core:
        await core.recall()
        session = core.intake.open_session("finish-mat")
        await take(core, session, [shot(FIRED + AHEAD, "b")])
        clock.turn(PATIENCE_NS / NS_PER_S)
        await turn(core)
        assert core.timing.gun(EVENT) == FIRED + 100 * NS_PER_S, "its arrival is all there is"


async def test_when_the_box_learns_the_time_the_gun_follows(tmp_path: Path) -> None:
    """Fired while the box still believed in the time of its last stop."""
    days = 86_400 * 3 * NS_PER_S
    clock = MatClock(FIRED + NS_PER_S - days)
    clock.error = None
    async with mat(tmp_path, clock, finish=FIRES) as core:
        await core.recall()
        session = core.intake.open_session("finish-mat")
        take(core, session, [], samples=[sample(core, session, days + AHEAD)])
        await take(core, session, [shot(FIRED + AHEAD)])
        await turn(core)
        assert core.timing.gun(EVENT) == FIRED - days
        clock.base_ns += days
        core.timing.host_truth(clock.boot_id, clock.utc_ns() - clock.boot_ns())
        await core.recall()
        await turn(core)
        assert core.timing.gun(EVENT) == FIRED
        assert [undone for _, _, undone in marks(core)] == [True, False]
        await core.recall()
        await turn(core)
        assert len(marks(core)) == 2


async def test_an_operator_s_gun_since_then_is_not_overruled(tmp_path: Path) -> None:
    clock = MatClock(FIRED + NS_PER_S)
    async with mat(tmp_path, clock, finish=FIRES) as core:
        await core.recall()
        session = core.intake.open_session("finish-mat")
        await take(core, session, [shot(FIRED + AHEAD)])
        clock.turn(10)
        await turn(core)
        await core.operations.gun({"event": 1, "at_ms": FIRED // NS_PER_MS}, "operator")
        take(core, session, [], samples=[sample(core, session, AHEAD - 5 * NS_PER_S)])
        await core.recall()
        await turn(core)
        assert core.timing.gun(EVENT) == FIRED
        assert len(marks(core)) == 2


async def test_a_trigger_of_a_reader_without_events_sets_nothing(tmp_path: Path) -> None:
    clock = MatClock(FIRED + NS_PER_S)
    async with mat(tmp_path, clock) as core:
        await core.recall()
        session = core.intake.open_session("finish-mat")
        take(core, session, [], samples=[sample(core, session, AHEAD)])
        await take(core, session, [shot(FIRED + AHEAD)])
        await turn(core)
        assert marks(core) == []


async def test_a_mark_that_cannot_be_stored_is_owed_still(tmp_path: Path) -> None:
    clock = MatClock(FIRED + NS_PER_S)
    async with mat(tmp_path, clock, finish=FIRES) as core:
        await core.recall()
        session = core.intake.open_session("finish-mat")
        take(core, session, [], samples=[sample(core, session, AHEAD)])
        await take(core, session, [shot(FIRED + AHEAD)])
        real = core.operations.add_mark

        async def broken(_mark: object) -> dict[str, object]:
            raise UsageError("not now")

        core.operations.add_mark = broken  # type: ignore[method-assign,assignment]
        with pytest.raises(UsageError):
            await turn(core)
        core.operations.add_mark = real  # type: ignore[method-assign]
        await turn(core)
        assert core.timing.gun(EVENT) == FIRED


# -- other boxes -----------------------------------------------------------------------------------

TOLD = {
    "origin": "start-box",
    "mark_id": 4,
    "event_id": 1,
    "at_ms": FIRED // NS_PER_MS,
    "at_sub_ns": 7,
    "made_at_ms": FIRED // NS_PER_MS,
}


async def test_a_gun_of_another_box_is_taken_once_and_can_be_taken_back(tmp_path: Path) -> None:
    async with mat(tmp_path, MatClock(FIRED)) as core:
        await core.recall()
        await foreign_gun(TOLD, core.store, core.operations)
        assert core.timing.gun(EVENT) == FIRED + 7
        assert await foreign_gun(TOLD, core.store, core.operations) == {"known": True}
        assert marks(core) == [(FIRED + 7, "site:start-box", False)]
        undo = {**TOLD, "undo": True}
        await foreign_gun(undo, core.store, core.operations)
        assert core.timing.gun(EVENT) == GUN
        assert await foreign_gun(undo, core.store, core.operations) == {"known": True}
        assert await foreign_gun(TOLD, core.store, core.operations) == {"known": True}
        assert core.timing.gun(EVENT) == GUN, "undone stays undone"


@pytest.mark.parametrize(
    "wrong", [{"origin": 5}, {"mark_id": "4"}, {"event_id": None}, {"at_ms": 1.5}, {"at_ms": True}]
)
async def test_a_gun_of_the_wrong_shape_is_refused(
    tmp_path: Path, wrong: dict[str, object]
) -> None:
    async with mat(tmp_path, MatClock()) as core:
        with pytest.raises(UsageError, match="origin"):
            await foreign_gun({**TOLD, **wrong}, core.store, core.operations)
        assert marks(core) == []
