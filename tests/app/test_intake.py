"""The desk: one order for everything, durable before it is told, and rows whatever else fails."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bridge.app.intake import BACKLOG
from bridge.app.ports import Batch, Kind
from bridge.bootstrap.core import Core
from bridge.domain.reads import NS_PER_S, StampForm, UtcNs
from bridge.driver_api import (
    Clock,
    ClockStep,
    Control,
    Kept,
    Marker,
    Reason,
    Rejected,
    Status,
)
from tests.support.mat import GUN, Listener, MatClock, enter, mat, read, sample, take, told
from tests.support.store import until

EVERY = [kind for kind in Kind if kind is not Kind.SENT]


async def test_every_event_becomes_a_row_in_the_order_it_came(tmp_path: Path) -> None:
    events: list[Kept] = [
        read("C1", 5),
        Marker(b"m", "gun", 6, StampForm.NAIVE, key="k"),
        Clock(b"c", 7, StampForm.NAIVE),
        ClockStep(b"s", 8, None, "by hand"),
        Status(b"t", {"battery_pct": 80}),
        Control(b"o", "banner"),
        Rejected(b"\x00\xff", Reason.CHECKSUM, "want 12"),
        Rejected(b"?", Reason.UNKNOWN),
    ]
    clock = MatClock()
    async with mat(tmp_path, clock) as core:
        session = core.intake.open_session("finish-mat")
        await take(core, session, events)
        rows = list(core.store.rows(kinds=EVERY))
    assert [Kind(row.kind) for row in rows] == [
        Kind.READ,
        Kind.MARKER,
        Kind.CLOCK,
        Kind.STEP,
        Kind.STATUS,
        Kind.CONTROL,
        Kind.REJECTED,
        Kind.REJECTED,
    ]
    assert [row.raw for row in rows] == [event.raw for event in events]
    assert [row.id for row in rows] == list(range(rows[0].id, rows[0].id + len(rows)))
    assert {row.session for row in rows} == {session}
    assert [row.note for row in rows[1:]] == [
        "gun",
        None,
        "by hand",
        '{"battery_pct":80}',
        "banner",
        "checksum: want 12",
        "unknown",
    ]
    assert (rows[1].stamp, rows[1].key) == (6, "k")


async def test_a_session_remembers_whose_it_was_and_what_to_ask_for(tmp_path: Path) -> None:
    clock = MatClock(GUN)
    clock.error = None
    async with mat(tmp_path, clock) as core:
        assert core.intake.opening("finish-mat") == (None, None)
        session = core.intake.open_session("finish-mat")
        await take(core, session, [read("C1", 99)], memory="from 17 on")
        assert core.intake.opening("finish-mat") == ("from 17 on", 99)
        assert core.intake.opening("start-mat") == (None, None)
    async with mat(tmp_path, clock) as core:
        assert core.intake.opening("finish-mat") == ("from 17 on", 99)
        again = core.intake.open_session("finish-mat")
        assert again > session
        await take(core, again, [read("C1", 100)])
        kept = core.store.sessions()
    assert kept[session].boot_id == "boot-1"
    assert kept[session].opened_ns == UtcNs(GUN)
    assert not kept[session].synchronised
    assert kept[session].link == "tcp://127.0.0.1:30003"


async def test_numbers_have_no_gap_and_are_told_in_order_under_concurrent_news(
    tmp_path: Path,
) -> None:
    clock = MatClock(GUN + 100 * NS_PER_S)
    async with mat(tmp_path, clock) as core:
        heard = Listener(core)
        await enter(core, range(1, 50))
        await core.recall()
        session = core.intake.open_session("finish-mat")
        take(core, session, [], samples=[sample(core, session, 0)])

        async def crowd(first: int) -> None:
            for bib in range(first, 50, 3):
                take(core, session, [read(f"C{bib}", int(clock.utc_ns()))])
                await asyncio.sleep(0)

        async def guns() -> None:
            for n in range(6):
                await core.operations.gun({"event": 1, "at_ms": GUN // 10**6 - n * 1000}, "test")

        async def quiet() -> None:
            for _ in range(20):
                clock.turn(1)
                core.intake.tell(core.timing.advance())
                await asyncio.sleep(0.001)

        async with asyncio.TaskGroup() as group:
            for job in (crowd(1), crowd(2), crowd(3), guns(), quiet()):
                group.create_task(job)
        await core.intake.tell(core.timing.advance())
        await asyncio.sleep(0)
        seqs = [row.seq for row in heard.crossings]
        assert seqs == list(range(1, len(seqs) + 1))
        assert len(told(core)) == len(seqs)


async def test_while_the_disk_refuses_nothing_is_told_and_nothing_lost(tmp_path: Path) -> None:
    clock = MatClock(GUN + 100 * NS_PER_S)
    async with mat(tmp_path, clock) as core:
        heard = Listener(core)
        await enter(core, [1])
        await core.recall()
        session = core.intake.open_session("finish-mat")
        await take(core, session, [read("X", GUN)], samples=[sample(core, session, 0)])
        before = len(heard.crossings)
        thief = _lock(tmp_path)
        durable = take(core, session, [read("C1", int(clock.utc_ns()))])
        await until(lambda: core.store.trouble is not None)
        assert core.health.ready() == core.store.trouble
        assert len(heard.crossings) == before
        assert not durable.done()
        thief.rollback()
        thief.close()
        await durable
        await until(lambda: len(heard.crossings) > before)
        assert core.store.trouble is None
        assert [row.chip for row in core.store.rows()] == ["X", "C1"]


def _lock(folder: Path) -> sqlite3.Connection:
    path = folder / "data" / "races" / "local" / "journal.db"
    thief = sqlite3.connect(path, isolation_level=None)
    thief.execute("BEGIN IMMEDIATE")
    return thief


async def test_what_can_never_be_stored_is_logged_and_computed_without(tmp_path: Path) -> None:
    clock = MatClock(GUN + 100 * NS_PER_S)
    async with mat(tmp_path, clock) as core:
        await core.recall()
        session = core.intake.open_session("finish-mat")
        await take(core, session, [read("C1", GUN)], samples=[sample(core, session, 0)])
        taken = next(iter(core.store.rows()))
        core.intake._next_id = taken.id  # noqa: SLF001 - a number that is taken
        with capture_logs() as logs:
            durable = take(core, session, [Control(b"x", "x"), read("C2", GUN)])
            with pytest.raises(Exception, match="can not be stored"):
                await durable
            await asyncio.sleep(0)
        assert [line["event"] for line in logs] == ["the store can never take this"]
        assert core.timing.stale
        assert [row.chip for row in core.store.rows()] == ["C1"]


async def test_links_wait_while_too_much_is_not_durable(tmp_path: Path) -> None:
    clock = MatClock(GUN)
    async with mat(tmp_path, clock) as core:
        await asyncio.wait_for(core.intake.room(), 5)
        session = core.intake.open_session("finish-mat")
        await take(core, session, [read("A", 1)])
        thief = _lock(tmp_path)
        take(core, session, [Control(b"x", "x")] * (BACKLOG + 1))
        async with asyncio.TaskGroup() as group:
            waits = group.create_task(core.intake.room())
            await until(lambda: clock.sleeping == 1)
            assert not waits.done()
            thief.rollback()
            thief.close()
            await until(lambda: core.store.backlog == 0)
            clock.turn(1)


async def test_numbers_given_to_others_are_not_given_again(tmp_path: Path) -> None:
    async with mat(tmp_path, MatClock()) as core:
        first = core.intake.take_id()
        assert core.intake.next_id == first + 1
        core.intake.skip_past(first + 10, 50)
        assert core.intake.next_id == first + 11
        assert core.intake.take_session() == 51
        core.intake.skip_past(0, 0)
        assert core.intake.next_id == first + 11


async def test_reads_are_passed_on_once_they_are_durable(tmp_path: Path) -> None:
    async with mat(tmp_path, MatClock()) as core:
        seen: list[str | None] = []
        core.intake.on_reads.append(lambda rows: seen.extend(row.chip for row in rows))
        session = core.intake.open_session("finish-mat")
        durable = take(core, session, [read("A", 1), Control(b"x", "x"), read("B", 2)])
        assert seen == []
        await durable
        await asyncio.sleep(0)
        assert seen == ["A", "B"]


async def test_polls_may_wait_for_the_next_commit_and_reads_may_not(tmp_path: Path) -> None:
    clock = MatClock()
    async with mat(tmp_path, clock) as core:
        batches: list[Batch] = []
        append = core.store.append

        def spy(batch: Batch) -> object:
            batches.append(batch)
            return append(batch)

        core.store.append = spy  # type: ignore[method-assign,assignment]
        await _each_kind(core)
        assert [batch.lazy for batch in batches] == [True, False, False, False]


async def _each_kind(core: Core) -> None:
    session = core.intake.open_session("finish-mat")
    take(core, session, [Control(b"x", "x"), Clock(b"c", 1, StampForm.NAIVE)])
    take(core, session, [read("A", 1)])
    take(core, session, [Marker(b"m", "gun", 1, StampForm.NAIVE)])
    await take(core, session, [], memory="7")
