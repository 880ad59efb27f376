"""A damaged store never keeps the service from starting, and gives back what can be read."""

import asyncio
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.adapters.store.opening import SqliteStore, open_store
from bridge.adapters.store.pages import PageFile, complaint
from bridge.adapters.store.schema import MIGRATIONS, PAGE_SIZE, VERSION, StoreTooNew
from bridge.app.ports import Batch, ClockSample, CrossingRow, EventRow, Kind
from bridge.app.rows import ReadRun
from bridge.domain.entrants import RegistrationId
from bridge.domain.marks import Mark, MarkKind
from bridge.domain.reads import UtcNs
from bridge.errors import JournalError
from tests.support.store import HostClock, journal_path, opened, row, session, until

COUNT = 6000


async def fill(
    data_dir: Path, race: str = "race", chips: str = "c", *, crash: bool = False
) -> None:
    """Make a store of some megabytes; with `crash` leave its log as a kill would."""
    async with opened(data_dir, race, segment_reads=500) as store:
        await store.open_session(session())
        for first in range(1, COUNT, 100):
            rows = [row(n, f"{chips}{n % 40}") for n in range(first, first + 100)]
            rows[3] = rows[3]._replace(kind=int(Kind.REJECTED), chip=None, raw=bytes(3000))
            crossing = CrossingRow(first // 100 + 1, first, "finish", b'{"v":1}' * 60)
            await store.append(Batch(rows=rows, crossings=[crossing], memories={"mat": "m"}))
        await store.append(Batch(samples=[ClockSample(1, 1, 2, 3, 4, 5, step=False)]))
        await store.add(Mark(id=0, kind=MarkKind.DNF, made_at=UtcNs(1), author="cli", bib=4))
        await store.assign(RegistrationId(9), bib=7, chips=("x",))
        await store.put("fact", "42")
        if crash:
            folder = journal_path(data_dir, race).parent
            shutil.copytree(folder, data_dir / "crashed")
    if crash:
        shutil.rmtree(folder)
        (data_dir / "crashed").rename(folder)
        (folder / "journal.lock").write_text("4711\n")


def overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def a_page_of(path: Path, first: int, kinds: tuple[int, ...] = (13,)) -> int:
    """Number of a leaf page with events, at or behind page `first`."""
    file = PageFile(path)
    try:
        for number in range(first, file.count + 1):
            if file.page(number)[0] in kinds:
                found = list(file.records(number))
                if found and len(found[0][1]) == 14:
                    return number
    finally:
        file.close()
    raise AssertionError("no such page")


async def salvaged(store: SqliteStore) -> list[EventRow]:
    await until(lambda: store.salvage_progress is None)
    rows = list(store.rows(kinds=tuple(Kind)))
    for chip in ("c0", "c17"):
        assert store.reads_of([chip]) == [r for r in rows if r.chip == chip]
    return rows


def truncate(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size * 6 // 10)


def garble_header(path: Path) -> None:
    overwrite(path, 0, b"garbage, not a database " * 4)


def zero_first_page(path: Path) -> None:
    overwrite(path, 0, bytes(PAGE_SIZE))


def zero_beginning(path: Path) -> None:
    overwrite(path, 0, bytes(40 * PAGE_SIZE))


@pytest.mark.parametrize(
    ("damage", "least"),
    [(truncate, 0.4), (garble_header, 0.99), (zero_first_page, 0.99), (zero_beginning, 0.9)],
    ids=["truncated", "garbage header", "first page zeroed", "beginning zeroed"],
)
async def test_a_damaged_file_is_put_aside_and_salvaged(
    tmp_path: Path, damage: Callable[[Path], None], least: float
) -> None:
    await fill(tmp_path)
    path = journal_path(tmp_path)
    damage(path)
    hurt = path.read_bytes()
    async with opened(tmp_path) as store:
        assert "damaged" in store.notices[0]
        assert store.next_id > COUNT
        assert store.next_seq > COUNT // 100
        assert store.next_session > 1
        new = row(store.next_id, "c17")
        await store.append(Batch(rows=[new]))
        assert new in store.reads_of(["c17"])
        rows = await salvaged(store)
        assert rows[-1] == new
        assert len(rows) >= COUNT * least
        assert all(r == row(r.id, f"c{r.id % 40}") for r in rows if r.kind == Kind.READ if r != new)
        assert "were saved" in store.notices[-1]
        assert [kept.read_bytes() for kept in path.parent.glob("*.damaged-*Z")] == [hurt]
    async with opened(tmp_path) as store:
        assert not store.notices
        assert list(store.rows(kinds=tuple(Kind))) == rows
        assert store.next_id == new.id + 1


async def test_the_log_of_a_damaged_file_is_salvaged_too(tmp_path: Path) -> None:
    await fill(tmp_path, crash=True)
    path = journal_path(tmp_path)
    assert path.with_name("journal.db-wal").stat().st_size > 500_000
    garble_header(path)
    async with opened(tmp_path) as store:
        assert "damaged" in store.notices[0]
        rows = await salvaged(store)
        assert [r.id for r in rows] == list(range(1, COUNT + 1))
        assert [mark.bib for mark in store.marks()] == [4]
        assert store.sessions() == {1: session()}
        assert len(list(store.samples())) == 1
        assert len(list(store.crossings(1, 1 << 60))) == COUNT // 100
        assert store._core.fetch("SELECT bib FROM assignments") == [(7,)]  # noqa: SLF001


async def test_a_zeroed_page_in_the_middle_costs_only_its_rows(tmp_path: Path) -> None:
    await fill(tmp_path)
    path = journal_path(tmp_path)
    page = a_page_of(path, path.stat().st_size // PAGE_SIZE // 2)
    overwrite(path, (page - 1) * PAGE_SIZE, bytes(PAGE_SIZE))
    async with opened(tmp_path) as store:
        assert not store.notices
        before = row(store.next_id, "c17")
        await store.append(Batch(rows=[before]))
        with pytest.raises(JournalError, match="can not be read"):
            list(store.rows())
        await until(lambda: bool(store.notices))
        after = row(before.id + 1, "c17")
        await store.append(Batch(rows=[after]))
        rows = await salvaged(store)
        assert rows[-2:] == [before, after]
        assert COUNT - 20 < len(rows) - 2 < COUNT
        assert store.get("fact") == "42"
        assert store.memory("mat") == "m"
        assert [mark.bib for mark in store.marks()] == [4]
        assert any(crossing.anchor == 1 for crossing in store.crossings(1, 1 << 60))


async def fill_with_runs(data_dir: Path) -> list[EventRow]:
    """Make a store whose reads came in runs of 32."""
    rows = [row(n, f"c{n}", raw=b"%04d" % n) for n in range(1, 1601)]
    async with opened(data_dir) as store:
        await store.open_session(session())
        for at in range(0, len(rows), 32):
            await store.append(Batch(runs=[ReadRun.of_rows(rows[at : at + 32])]))
    return rows


@pytest.mark.parametrize(
    ("was", "now"),
    [
        (b'"c801","c802"', b'"c801"."c802"'),
        (b'"c801","c802"', b'"c801",{    }'),
        (b'"c801","c802"', b'"c801",1.2345'),
    ],
    ids=["no JSON", "no text", "a number"],
)
async def test_a_garbled_run_is_left_behind_where_it_was(
    tmp_path: Path, was: bytes, now: bytes
) -> None:
    rows = await fill_with_runs(tmp_path)
    path = journal_path(tmp_path)
    overwrite(path, path.read_bytes().index(was), now)
    garble_header(path)
    async with opened(tmp_path) as store:
        assert len(await salvaged(store)) == len(rows) - 32
    async with opened(tmp_path) as store:
        assert not store.notices
        assert len(await salvaged(store)) == len(rows) - 32


async def test_a_garbled_run_in_a_store_that_seems_sound_costs_only_itself(tmp_path: Path) -> None:
    rows = await fill_with_runs(tmp_path)
    path = journal_path(tmp_path)
    overwrite(path, path.read_bytes().index(b'"c801","c802"'), b'"c801"."c802"')
    async with opened(tmp_path) as store:
        assert "damaged" in store.notices[0]
        found = await salvaged(store)
        kept = [read for read in rows if not 801 <= read.id <= 832]
        assert [(r.id, r.raw) for r in found] == [(r.id, r.raw) for r in kept]


async def test_salvage_goes_on_after_a_restart(tmp_path: Path) -> None:
    await fill(tmp_path)
    garble_header(journal_path(tmp_path))
    async with opened(tmp_path) as store:
        await until(lambda: (store.salvage_progress or 0) > 0)
        assert store.salvage_progress is not None
    async with opened(tmp_path) as store:
        assert store.salvage_progress is not None
        rows = await salvaged(store)
        assert [r.id for r in rows] == list(range(1, COUNT + 1))


async def test_a_store_damaged_twice_still_gets_the_oldest_rows(tmp_path: Path) -> None:
    await fill(tmp_path)
    garble_header(journal_path(tmp_path))
    async with opened(tmp_path) as store:
        rows = [*await salvaged(store), row(store.next_id, "c17")]
        await store.append(Batch(rows=rows[-1:]))
    garble_header(journal_path(tmp_path))
    async with opened(tmp_path) as store:
        assert store.next_id > rows[-1].id
        assert await salvaged(store) == rows
        assert len(list(journal_path(tmp_path).parent.glob("*.damaged-*Z"))) == 2


async def test_a_file_that_can_not_be_moved_is_left_where_it_is(tmp_path: Path) -> None:
    await fill(tmp_path)
    path = journal_path(tmp_path)
    garble_header(path)
    release = hold(path)
    try:
        async with opened(tmp_path) as store:
            rows = await salvaged(store)
            assert len(rows) == COUNT
            await store.append(Batch(rows=[row(store.next_id)]))
        assert path.with_name("journal-1.db").exists()
        async with opened(tmp_path) as store:
            assert len(list(store.rows(kinds=tuple(Kind)))) == COUNT + 1
    finally:
        release()


def hold(path: Path) -> Callable[[], None]:
    """Make a file immovable: immutable, or else the mount point of itself."""
    if subprocess.run(["chattr", "+i", path], check=False, capture_output=True).returncode == 0:
        return lambda: subprocess.run(["chattr", "-i", path], check=True) and None
    subprocess.run(["mount", "--bind", path, path], check=True)
    return lambda: subprocess.run(["umount", path], check=True) and None


async def test_nothing_to_save_is_no_reason_not_to_start(tmp_path: Path) -> None:
    path = journal_path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\xff" * 50_000)
    path.with_name("journal.db-wal").write_bytes(b"\x00" * 9000)
    async with opened(tmp_path) as store:
        assert await salvaged(store) == []
        await store.append(Batch(rows=[row(store.next_id)]))


async def test_a_log_of_another_store_is_not_believed(tmp_path: Path) -> None:
    await fill(tmp_path / "a", crash=False)
    await fill(tmp_path / "b", chips="other", crash=True)
    log = journal_path(tmp_path / "a").with_name("journal.db-wal")
    shutil.copy(journal_path(tmp_path / "b").with_name("journal.db-wal"), log)
    async with opened(tmp_path / "a") as store:
        assert "belonged to another store" in store.notices[0]
        rows = await salvaged(store)
        assert [r.id for r in rows] == list(range(1, COUNT + 1))
        assert store.salvage_progress is None
        assert len(list(log.parent.glob("*.foreign-*"))) == 1


async def test_an_own_log_is_believed(tmp_path: Path) -> None:
    await fill(tmp_path, crash=True)
    async with opened(tmp_path) as store:
        assert not store.notices
        assert len(list(store.rows(kinds=tuple(Kind)))) == COUNT


@pytest.mark.parametrize("length", [None, "many", 0, 5_000_000])
async def test_a_last_run_that_says_nothing_of_its_length_gives_no_number_twice(
    tmp_path: Path, length: object
) -> None:
    await fill_with_runs(tmp_path)
    connection = sqlite3.connect(journal_path(tmp_path))
    connection.execute("UPDATE events SET seq = ? WHERE id = 1569", (length,))
    connection.commit()
    connection.close()
    async with opened(tmp_path) as store:
        assert store.next_id == 1601
        await store.append(Batch(rows=[row(store.next_id)]))


@pytest.mark.parametrize("version", range(1, VERSION))
async def test_a_store_of_an_earlier_version_is_read_on_and_written_to(
    tmp_path: Path, version: int
) -> None:
    path = journal_path(tmp_path)
    path.parent.mkdir(parents=True)
    rows = [row(n, f"c{n % 5}") for n in range(1, 41)]
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
    connection.executescript(";".join(MIGRATIONS[:version]))
    connection.execute("PRAGMA application_id = 77")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute("INSERT INTO sessions VALUES(1,'mat','ipico','finish','tcp://','b',1,1)")
    connection.executemany(f"INSERT INTO events VALUES({', '.join('?' * 14)})", rows)
    connection.close()
    more = ReadRun.of_rows([row(n, "c3", utc_ns=1, boot_ns=1) for n in range(41, 81)])
    async with opened(tmp_path) as store:
        assert not store.notices
        assert store.next_id == 41
        await store.append(Batch(runs=[more]))
    async with opened(tmp_path) as store:
        assert store.next_id == 81
        assert list(store.rows()) == [*rows, *more]
        assert store.reads_of(["c3"]) == [*(r for r in rows if r.chip == "c3"), *more]
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchall() == [(VERSION,)]
    assert connection.execute("SELECT count(*) FROM events").fetchall() == [(42,)]
    connection.close()


async def test_a_newer_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.put("x", "1")
    path = journal_path(tmp_path)
    overwrite(path, 60, (99).to_bytes(4, "big"))
    before = path.read_bytes()
    with pytest.raises(StoreTooNew, match="newer chip-bridge"):
        open_store(tmp_path, "race", clock=HostClock())
    assert path.read_bytes() == before
    overwrite(path, 60, (1).to_bytes(4, "big"))
    async with opened(tmp_path) as store:
        assert store.get("x") == "1"


values = st.builds(
    row,
    st.integers(1, 1 << 60),
    st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=40)),
    stamp=st.integers(-(1 << 63), (1 << 63) - 1),
    antenna=st.one_of(st.none(), st.integers(-300, 70_000)),
    rssi=st.one_of(st.none(), st.floats(allow_nan=False)),
    raw=st.binary(max_size=40).flatmap(lambda b: st.sampled_from([b, b * 30, b * 200])),
    note=st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=900)),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(values, max_size=20, unique_by=lambda r: r.id))
def test_pages_read_raw_give_what_was_written(rows: list[EventRow]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_read_raw(Path(folder), rows))


async def _read_raw(folder: Path, rows: list[EventRow]) -> None:
    async with opened(folder) as store:
        await store.append(Batch(rows=rows))
    path = journal_path(folder)
    assert complaint(path) is None
    file = PageFile(path)
    found = [
        EventRow(number, *columns[1:])  # type: ignore[arg-type]
        for page in range(1, file.count + 1)
        for number, columns in file.records(page)
        if len(columns) == 14
    ]
    file.close()
    assert sorted(found) == sorted(rows, key=lambda r: r.id)
