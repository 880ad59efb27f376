"""A disk that refuses: nothing is lost, nothing doubled, and the operator is told."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.adapters.store.opening import open_store
from bridge.app.ports import Batch, Kind
from bridge.errors import JournalError
from tests.support.small_disk import small_disk
from tests.support.store import HostClock, opened, row, until


@pytest.mark.parametrize("limited", [False, True], ids=["full disk", "failing writes"])
async def test_what_the_disk_refused_is_written_once_when_it_can(
    tmp_path: Path, *, limited: bool
) -> None:
    with small_disk(tmp_path, limited=limited) as disk:
        async with opened(tmp_path, segment_reads=100) as store:
            await store.append(Batch(rows=[row(n) for n in range(1, 101)]))
            disk.fill()
            waiting = [
                store.append(Batch(rows=[row(n, raw=bytes(2000))], lazy=n % 7 == 0))
                for n in range(101, 401)
            ]
            await until(lambda: store.trouble is not None)
            assert "reads wait in memory" in (store.trouble or "")
            assert store.backlog > 0
            assert len(store.reads_of([row(400).chip or ""])) == 1
            disk.empty()
            for pending in waiting:
                await pending
            await store.append(Batch(rows=[row(401)]))
            assert store.trouble is None
            assert store.backlog == 0
            assert [r.id for r in store.rows(kinds=tuple(Kind))] == list(range(1, 402))
            assert len(store.reads_of([row(77).chip or ""])) == 1
        async with opened(tmp_path) as store:
            assert not store.notices
            assert [r.id for r in store.rows()] == list(range(1, 402))


@pytest.mark.parametrize(
    "injection",
    [
        "fdatasync:error=EIO:when=20..23",
        "fdatasync:error=EIO:when=31",
        "pwrite64:error=EIO:when=120..122",
        "pwrite64:error=ENOSPC:when=101..105",
    ],
)
async def test_a_commit_that_failed_halfway_is_not_written_twice(
    tmp_path: Path, injection: str
) -> None:
    calls, _colon, _what = injection.partition(":")
    log = tmp_path / "strace"
    tracer = ["strace", "-f", "-o", str(log), "-e", f"trace={calls}", "-e", f"inject={injection}"]
    child = [sys.executable, "-m", "tests.support.store_child", str(tmp_path), "60"]
    await asyncio.to_thread(
        subprocess.run, [*tracer, *child], check=True, stdout=subprocess.DEVNULL
    )
    assert "INJECTED" in log.read_text()
    async with opened(tmp_path) as store:
        assert not store.notices
        assert [r.id for r in store.rows(kinds=tuple(Kind))] == list(range(1, 301))
        assert [mark.id for mark in store.marks()] == list(range(1, 21))
        assert [crossing.seq for crossing in store.crossings(1, 99)] == list(range(1, 61))
        assert len(store.reads_of(["c7"])) == 8


async def test_closing_with_a_full_disk_says_how_much_is_lost(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        store = open_store(tmp_path, "race", clock=HostClock()).store
        await store.append(Batch(rows=[row(1)]))
        disk.fill()
        lost = store.append(Batch(rows=[row(n, raw=bytes(90_000)) for n in range(2, 40)]))
        await until(lambda: store.trouble is not None)
        with pytest.raises(JournalError, match="38 rows were not stored"):
            await store.close()
        with pytest.raises(JournalError, match="38 rows"):
            await lost
        disk.empty()
        async with opened(tmp_path) as store:
            assert [r.id for r in store.rows()] == [1]


async def test_a_folder_that_can_not_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "races").write_text("a file where a folder has to be")
    with pytest.raises(JournalError, match="can not be written to"):
        open_store(tmp_path, "race", clock=HostClock())
