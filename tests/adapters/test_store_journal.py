"""The journal: what is appended is there, in order, and is found by chip."""

import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.adapters.store.schema import connect_reader
from bridge.app.ports import Batch, ClockSample, CrossingRow, EventRow, Kind, ReadRun, Store
from bridge.errors import JournalError
from tests.support.store import HostClock, journal_path, opened, row, session, until


async def test_what_was_appended_is_there_after_opening_again(tmp_path: Path) -> None:
    rows = [
        row(1, rssi=-61.5, antenna=None, key="D-5662/177/7750", seq=4),
        row(2, kind=int(Kind.REJECTED), chip=None, raw=bytes(range(256)) * 20, note="checksum"),
        row(3, "ä\x00b", stamp=-1, form=3),
    ]
    sample = ClockSample(1, 10, 11, 12, 13, 2, step=True)
    crossing = CrossingRow(1, 1, "finish", b'{"v":1}')
    batch = Batch(rows=rows, samples=[sample], memories={"mat": "17"}, crossings=[crossing])
    async with opened(tmp_path) as store:
        port: Store = store
        assert (port.next_id, port.next_session, port.next_seq) == (1, 1, 1)
        await port.open_session(session())
        await port.append(batch)
    async with opened(tmp_path) as store:
        assert list(store.rows(kinds=tuple(Kind))) == rows
        assert list(store.rows(first_id=2)) == rows[2:]
        assert list(store.samples()) == [sample]
        assert store.memory("mat") == "17"
        assert store.memory("other") is None
        assert list(store.crossings(1, 9)) == [crossing]
        assert store.sessions() == {1: session()}
        assert (store.next_id, store.next_session, store.next_seq) == (4, 2, 2)
        assert store.trouble is None


async def test_messages_come_back_in_pages_without_a_gap(tmp_path: Path) -> None:
    crossings = [CrossingRow(seq, seq % 3, "finish", str(seq).encode()) for seq in range(1, 2500)]
    async with opened(tmp_path) as store:
        await store.append(Batch(crossings=crossings))
        assert list(store.crossings(5, 2400)) == crossings[4:2400]


async def test_batches_that_wait_share_a_commit_and_keep_their_order(tmp_path: Path) -> None:
    async with opened(tmp_path, linger_s=0.05) as store:
        await store.append(Batch())
        commits = store._core._writer._commits  # noqa: SLF001  nothing outside tells
        order: list[int] = []

        async def one(number: int) -> None:
            await store.append(Batch(rows=[row(number)]))
            order.append(number)

        async with asyncio.TaskGroup() as tasks:
            for number in range(1, 201):
                tasks.create_task(one(number))
        assert order == list(range(1, 201))
        assert store._core._writer._commits - commits <= 3  # noqa: SLF001
        assert store.backlog == 0


async def test_a_lazy_batch_waits_for_the_next_that_is_not(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        lazy = asyncio.ensure_future(store.append(Batch(rows=[row(1)], lazy=True)))  # noqa: TID251
        note = asyncio.ensure_future(store.put("n", "1", lazy=True))  # noqa: TID251
        await asyncio.sleep(0.05)
        assert not lazy.done()
        assert store.backlog == 1
        assert [found.id for found in store.reads_of([row(1).chip or ""])] == [1]
        await store.append(Batch(rows=[row(2)]))
        await lazy
        await note
        assert [found.id for found in store.rows()] == [1, 2]
        assert store.get("n") == "1"


async def test_a_lazy_batch_waits_ten_seconds_at_most(tmp_path: Path) -> None:
    clock = HostClock()
    async with opened(tmp_path, clock=clock) as store:
        lazy = asyncio.ensure_future(store.append(Batch(rows=[row(1)], lazy=True)))  # noqa: TID251
        await asyncio.sleep(0.02)
        clock.ahead_ns = 11 * 10**9
        await store.put("other", "1", lazy=True)
        await lazy


async def test_what_can_never_be_stored_does_not_keep_the_rest(tmp_path: Path) -> None:
    async with opened(tmp_path, linger_s=0.05, segment_reads=4) as store:
        await store.append(Batch(rows=[row(1)]))
        good = store.append(Batch(rows=[row(2)]))
        taken = store.append(Batch(rows=[row(1, "again")]))
        large = store.append(Batch(rows=[row(3, stamp=1 << 70)]))
        no_text = store.append(Batch(rows=[row(4, "\ud800")]))
        after = store.append(Batch(rows=[row(5)]))
        await good
        with pytest.raises(JournalError, match="can not be stored"):
            await taken
        await large
        await no_text
        await after
        for number in range(6, 40):
            await store.append(Batch(rows=[row(number)]))
        assert [found.id for found in store.rows()] == [1, 2, *range(5, 40)]
        odd = list(store.rows(kinds=(Kind.REJECTED,)))
        assert [(found.id, found.raw, found.chip) for found in odd] == [
            (3, row(3).raw, None),
            (4, row(4).raw, None),
        ]
        assert store.backlog == 0


async def test_rows_are_found_before_they_are_appended(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        run = ReadRun.of_rows([row(1, "a"), row(2, "b")])
        store.remember_recent(run)
        assert store.reads_of(["a"]) == [run[0]]
        await store.append(Batch(runs=[run]))
        assert store.reads_of(["b", "a", "b"]) == list(run)
        assert list(store.rows()) == list(run)


async def test_the_newest_stamp_is_that_of_the_last_thousand_reads(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.open_session(session(1, "mat"))
        await store.open_session(session(2, "other"))
        await store.open_session(session(3, "silent"))
        rows = [row(1, session=1, stamp=10**18), row(2, session=1, stamp=5, form=0)]
        rows += [row(number, session=1, stamp=number) for number in range(3, 1010)]
        rows += [row(number, session=2, stamp=7) for number in range(1010, 31_000)]
        await store.append(Batch(rows=rows))
        assert store.last_stamp("mat") == 1009
        assert store.last_stamp("other") == 7
        assert store.last_stamp("silent") is None
        assert store.last_stamp("nobody") is None


steps = st.lists(
    st.one_of(
        st.lists(st.sampled_from(["a", "b", "0c", "ü", ""]), min_size=1, max_size=9),
        st.sampled_from(["reopen", "crash"]),
    ),
    max_size=60,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps)
def test_reads_of_equals_a_scan_through_seals_merges_and_restarts(
    plan: Sequence[list[str] | str],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_compare_with_scan(Path(folder), plan))


async def _compare_with_scan(folder: Path, plan: Sequence[list[str] | str]) -> None:
    expected: list[EventRow] = []
    parts: list[list[list[str]]] = [[]]
    for step in plan:
        if isinstance(step, list):
            parts[-1].append(step)
        else:
            parts.append([])
    for part in parts:
        async with opened(folder, segment_reads=3) as store:
            for chips in part:
                rows = [row(len(expected) + n, chip) for n, chip in enumerate(chips, start=1)]
                expected += rows
                pending = store.append(Batch(rows=rows))
                assert store.reads_of(chips) == [r for r in expected if r.chip in chips]
                await pending
            for chip in ("a", "b", "0c", "ü", "", "nobody"):
                assert store.reads_of([chip]) == [r for r in expected if r.chip == chip]
            assert sorted(store.chips_seen()) == sorted({r.chip for r in expected})


async def test_segments_stay_few_and_memory_bounded(tmp_path: Path) -> None:
    count = 40_000
    async with opened(tmp_path, segment_reads=64) as store:
        for first in range(1, count, 50):
            await store.append(Batch(rows=[row(n, str(n % 500)) for n in range(first, first + 50)]))
        while True:
            ((segments,),) = store._core.fetch("SELECT count(*) FROM segments")  # noqa: SLF001
            if segments < 48:
                break
            await store.append(Batch(rows=[]))
        assert len(store._core.recent._frozen) <= 2  # noqa: SLF001
        assert not store._core.recent._rows  # noqa: SLF001
        assert [r.id for r in store.reads_of(["7"])] == list(range(7, count, 500))
        assert sorted(store.chips_seen()) == sorted({str(n % 500) for n in range(1, count)})


async def test_the_log_is_bounded_while_somebody_iterates(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.append(Batch(rows=[row(n) for n in range(1, 5000)]))
        slow = store.rows()
        assert next(slow).id == 1
        for first in range(5000, 205_000, 10_000):
            await store.append(Batch(rows=[row(n) for n in range(first, first + 10_000)]))
        log = journal_path(tmp_path).with_name("journal.db-wal")
        assert log.stat().st_size < 12_000_000
        assert sum(1 for _ in slow) == 204_998


async def test_reading_connections_can_not_write(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        with pytest.raises(JournalError, match="readonly"):
            store._core.fetch("DELETE FROM events")  # noqa: SLF001
    reader = connect_reader(journal_path(tmp_path))
    with suppress(Exception):
        reader.execute("SELECT 1")
    reader.close()


async def test_a_closed_store_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.append(Batch(rows=[row(1)]))
    with pytest.raises(JournalError, match="closed"):
        store.append(Batch())
    with pytest.raises(JournalError, match="closed"):
        store.get("x")
    await store.close()
    await until(lambda: not journal_path(tmp_path).with_name("journal.db-wal").exists())


async def test_good_reads_that_came_with_a_bad_one_are_stored(tmp_path: Path) -> None:
    reads = [row(number, "\ud800" if number == 7 else f"c{number}") for number in range(1, 20)]
    run = ReadRun.of_rows(reads)
    async with opened(tmp_path) as store:
        store.remember_recent(run)
        await store.append(Batch(runs=[run]))
        assert [found.id for found in store.rows()] == [*range(1, 7), *range(8, 20)]
        assert store.reads_of(["c8"]) == [run[7]]
        [odd] = store.rows(kinds=(Kind.REJECTED,))
        assert (odd.id, odd.raw) == (7, run[6].raw)
