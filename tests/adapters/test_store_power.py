"""A store whose process is killed: whatever was reported durable is there, once."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.adapters.store.lock import StoreBusy
from bridge.adapters.store.opening import open_store
from bridge.app.ports import Kind
from tests.support.store import HostClock, journal_path, opened


def start(data_dir: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.store_child", str(data_dir)],
        stdout=subprocess.PIPE,
        text=True,
    )


def killed_after(child: "subprocess.Popen[str]", lines: int) -> list[str]:
    """Kill a child that has said `lines` lines; return all that it said."""
    assert child.stdout is not None
    said = [child.stdout.readline() for _ in range(lines)]
    child.send_signal(signal.SIGKILL)
    said += child.stdout.readlines()
    child.wait()
    child.stdout.close()
    return [line for line in said if line.endswith("\n")]


async def test_nothing_reported_durable_is_lost_by_a_kill(tmp_path: Path) -> None:
    for seed in range(10):
        child = start(tmp_path)
        said = killed_after(child, random.Random(seed).randrange(2, 60))
        last_id, last_seq = map(int, said[-1].split())
        async with opened(tmp_path, segment_reads=50) as store:
            assert not store.notices
            rows = list(store.rows(kinds=tuple(Kind)))
            assert [r.id for r in rows] == list(range(1, len(rows) + 1))
            assert len(rows) >= last_id
            assert store.next_id == len(rows) + 1
            seqs = [crossing.seq for crossing in store.crossings(1, 1 << 60)]
            assert seqs == list(range(1, store.next_seq))
            assert len(seqs) >= last_seq
            assert len(seqs) * 5 == len(rows)
            assert store.memory("mat") == str(len(rows))
            for chip in ("c0", "c7", "c39"):
                assert store.reads_of([chip]) == [r for r in rows if r.chip == chip]


def test_a_second_process_is_told_who_has_the_store(tmp_path: Path) -> None:
    child = start(tmp_path)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        with pytest.raises(StoreBusy, match=f"process {child.pid}:"):
            open_store(tmp_path, "race", clock=HostClock())
    finally:
        killed_after(child, 0)


async def test_a_log_that_vanished_is_noticed_and_no_number_given_twice(tmp_path: Path) -> None:
    child = start(tmp_path)
    said = killed_after(child, 20)
    last_id, last_seq = map(int, said[-1].split())
    journal_path(tmp_path).with_name("journal.db-wal").unlink()
    async with opened(tmp_path) as store:
        assert "log" in store.notices[0]
        assert "may be lost" in store.notices[0]
        assert store.next_id > last_id
        assert store.next_seq > last_seq
    async with opened(tmp_path) as store:
        assert not store.notices
