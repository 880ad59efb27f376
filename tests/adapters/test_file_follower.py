"""Growing files on a real file system: later, rotated, truncated, copied, and after a restart."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge.adapters.file_follower import FileFollower, FileTransport
from bridge.adapters.followed_files import CHUNK, TAIL_S, Files
from bridge.errors import LinkError


class Follower:
    """A transport with what it gave; `place` as if all of it were in the journal."""

    def __init__(self, path: Path, *, folder: bool = False) -> None:
        self.follower = FileFollower(str(path), folder=folder)
        self.transport: FileTransport | None = None
        self.got = b""
        self.kept: str | None = None

    async def start(self) -> None:
        self.transport = await self.follower.connect()
        self.transport.resume(self.kept)
        self.given = 0

    async def has(self, text: bytes) -> None:
        """Read until `text` is all there is."""
        assert self.transport is not None
        async with asyncio.timeout(10):
            while self.got != text:
                data = await self.transport.read()
                self.got += data
                self.given += len(data)
                assert text.startswith(self.got) or set(self.got) == set(text), self.got

    def keep(self, back: int = 0) -> None:
        """Let the journal take all but the last `back` bytes."""
        assert self.transport is not None
        self.kept = self.transport.place(self.given - back)

    def stop(self) -> None:
        assert self.transport is not None
        self.transport.close()


@asynccontextmanager
async def following(path: Path, *, folder: bool = False) -> AsyncIterator[Follower]:
    made = Follower(path, folder=folder)
    await made.start()
    try:
        yield made
    finally:
        made.stop()


def rename(path: Path, name: str) -> None:
    path.rename(path.with_name(name))


def write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def add(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "reads.csv"


async def test_it_gives_whole_lines_from_the_first_byte_on(log: Path) -> None:
    write(log, b"one\ntwo\nthr")
    async with following(log) as follower:
        await follower.has(b"one\ntwo\n")
        add(log, b"ee\nfour\n")
        await follower.has(b"one\ntwo\nthree\nfour\n")


async def test_a_file_that_is_not_there_yet_says_so_and_is_read_once_it_is(log: Path) -> None:
    follower = Follower(log)
    with pytest.raises(LinkError, match="is not there"):
        await follower.start()
    add(log, b"first\n")
    await follower.start()
    await follower.has(b"first\n")
    follower.stop()
    assert await follower.transport.read() == b"" if follower.transport else False


async def test_renamed_and_made_anew_neither_loses_a_line(log: Path) -> None:
    add(log, b"a\n")
    async with following(log) as follower:
        await follower.has(b"a\n")
        writer = open(log, "ab", buffering=0)  # noqa: ASYNC230, PTH123, SIM115 - a program that writes
        writer.write(b"b\n")
        rename(log, "reads.csv.1")
        writer.write(b"c\n")
        write(log, b"d\n")
        await follower.has(b"a\nb\nc\nd\n")
        writer.write(b"e\n")  # a program that has not noticed yet
        writer.close()
        await follower.has(b"a\nb\nc\nd\ne\n")
        add(log, b"f\n")
        await follower.has(b"a\nb\nc\nd\ne\nf\n")


async def test_renamed_away_and_deleted_it_is_read_to_its_end(log: Path) -> None:
    add(log, b"a\n")
    async with following(log) as follower:
        await follower.has(b"a\n")
        add(log, b"b\n")
        os.unlink(log)  # noqa: PTH108 - while the loop runs
        write(log, b"c\n")
        await follower.has(b"a\nb\nc\n")


async def test_copied_and_cut_off_it_reads_the_rest_in_the_copy(log: Path) -> None:
    add(log, b"a\n")
    async with following(log) as follower:
        await follower.has(b"a\n")
        add(log, b"b\n")
        shutil.copy(log, log.with_name("reads.csv.1"))
        os.truncate(log, 0)
        add(log, b"c\n")
        await follower.has(b"a\nb\nc\n")


def test_a_copy_in_the_making_is_not_read_twice(log: Path) -> None:
    add(log, b"a\nb\n")
    files = Files(log, folder=False)
    assert [piece.data for piece in files.look(0.0)] == [b"a\nb\n"]
    shutil.copy(log, log.with_name("reads.csv.1"))
    assert files.look(1.0) == []
    os.truncate(log, 0)
    assert files.look(2.0) == []
    add(log, b"c\n")
    assert [piece.data for piece in files.look(3.0)] == [b"c\n"]
    files.close()


async def test_after_a_restart_it_goes_on_where_the_journal_is(log: Path) -> None:
    add(log, b"a\n")
    async with following(log) as follower:
        await follower.has(b"a\n")
        follower.keep()
        add(log, b"b\n")
        await follower.has(b"a\nb\n")
        follower.keep(back=2)  # `b` was taken and is not durable: it comes again
        follower.stop()
        add(log, b"c\n")
        follower.got = b""
        await follower.start()
        await follower.has(b"b\nc\n")


async def test_a_log_in_which_there_are_no_reads_costs_no_memory(log: Path) -> None:
    write(log, b"0\n")
    async with following(log) as follower:
        assert follower.transport is not None
        await follower.has(b"0\n")
        for _ in range(5):
            follower.transport.settled(follower.given)
            add(log, b"0\n")
            await follower.has(follower.got + b"0\n")
        assert len(follower.transport._places) == 1  # noqa: SLF001 - memory is what matters here


async def test_rotated_twice_while_we_were_down_no_line_is_lost(log: Path) -> None:
    old = log.with_name("reads.csv.1")
    write(old, b"yesterday\n")
    add(log, b"a\n")
    async with following(log) as follower:
        await follower.has(b"a\n")
        follower.keep()
        follower.stop()
        add(log, b"b\n")
        rename(old, "reads.csv.3")
        rename(log, "reads.csv.2")
        write(old, b"c\n")
        write(log, b"d\n")
        for age, name in enumerate(("reads.csv", "reads.csv.1", "reads.csv.2", "reads.csv.3")):
            os.utime(log.with_name(name), (1_700_000_000 - age, 1_700_000_000 - age))
        follower.got = b""
        await follower.start()
        await follower.has(b"b\nc\nd\n")


async def test_what_was_rotated_before_our_time_is_not_read(log: Path) -> None:
    write(log.with_name("reads.csv.1"), b"last year\n")
    add(log, b"a\n")
    async with following(log) as follower:
        await follower.has(b"a\n")
        add(log, b"b\n")
        await follower.has(b"a\nb\n")


async def test_a_new_file_under_the_old_name_is_told_by_how_it_begins(log: Path) -> None:
    add(log, b"race one\n1\n")
    async with following(log) as follower:
        await follower.has(b"race one\n1\n")
        follower.keep()
        follower.stop()
        write(log, b"race two, longer than what was read\n")
        follower.got = b""
        await follower.start()
        await follower.has(b"race two, longer than what was read\n")


async def test_all_files_of_a_folder_are_followed(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    os.mkdir(spool)  # noqa: PTH102 - while the loop runs
    add(spool / "1.csv", b"a\n")
    async with following(spool) as follower:
        await follower.has(b"a\n")
        add(spool / "2.csv", b"b\n")
        await follower.has(b"a\nb\n")
        add(spool / "1.csv", b"c\n")
        await follower.has(b"a\nb\nc\n")
        follower.keep()
        rename(spool / "1.csv", "0.done")
        add(spool / ".hidden", b"no\n")
        add(spool / "2.csv", b"d\n")
        await follower.has(b"a\nb\nc\nd\n")
        follower.stop()
        follower.got = b""
        await follower.start()
        await follower.has(b"d\n")


def test_the_last_line_of_a_file_left_alone_counts_once_there_is_a_newer_one(
    tmp_path: Path,
) -> None:
    add(tmp_path / "1", b"a\nno line feed")
    files = Files(tmp_path, folder=True)
    assert [piece.data for piece in files.look(0.0)] == [b"a\n"]
    assert files.look(TAIL_S + 1) == []
    os.utime(tmp_path / "1", (1, 1))
    assert files.look(TAIL_S + 2) == []
    add(tmp_path / "2", b"b\n")
    assert [piece.data for piece in files.look(TAIL_S + 3)] == [b"b\n"]
    assert [p.data for p in files.look(3 * TAIL_S)] == [b"no line feed\n"]
    assert files.look(5 * TAIL_S) == []
    files.close()


def test_a_line_without_end_is_given_on_in_pieces(tmp_path: Path) -> None:
    write(tmp_path / "x", b"x" * (CHUNK + 10))
    files = Files(tmp_path / "x", folder=False)
    assert [len(piece.data) for piece in files.look(0.0)] == [CHUNK]
    files.close()


async def test_a_large_file_comes_whole_and_in_order(log: Path) -> None:
    whole = b"".join(b"%07d\n" % number for number in range(100_000))
    write(log, whole)
    async with following(log) as follower:
        await follower.has(whole)


@pytest.fixture
def private(tmp_path: Path) -> Path:
    folder = tmp_path / "not-a-folder"
    write(folder, b"x\n")
    return folder


async def test_what_cannot_be_followed_says_why(private: Path, tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="is not there"):
        await FileFollower(str(private), folder=True).connect()
    with pytest.raises(LinkError, match="is not there"):
        await FileFollower(str(tmp_path / "no" / "file"), folder=False).connect()
    with pytest.raises(LinkError, match="no"):
        await FileFollower(str(private), folder=False).dial(1)
    async with following(private) as follower:
        assert follower.transport is not None
        with pytest.raises(LinkError, match="nothing can be said"):
            await follower.transport.write(b"hello")


def test_long_after_the_start_news_and_rotation_are_seen_as_at_once(log: Path) -> None:
    add(log, b"a\n")
    files = Files(log, folder=False)
    seen = [piece.data for now_s in (0.0, 200.0, 201.0) for piece in files.look(now_s)]
    add(log, b"b\n")
    seen += [piece.data for piece in files.look(202.0)]
    assert files.look(203.0) == []
    add(log, b"c\n")
    rename(log, "reads.csv.1")
    add(log, b"d\n")
    seen += [piece.data for now_s in (204.0, 205.0) for piece in files.look(now_s)]
    add(log.with_name("reads.csv.1"), b"e\n")
    seen += [piece.data for piece in files.look(206.0)]
    assert seen == [b"a\n", b"b\n", b"c\n", b"d\n", b"e\n"]
    assert files.look(500.0) == []
    files.close()
