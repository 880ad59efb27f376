"""What is exported can be imported again: identical, once, and in spite of damaged lines."""

import asyncio
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.adapters.store.export import export_reads
from bridge.adapters.store.importing import Counter, ImportReport, import_reads
from bridge.adapters.store.opening import SqliteStore
from bridge.app.ports import Batch, ClockSample, EventRow, Kind, SessionRow
from bridge.app.rows import ReadRun
from bridge.domain.reads import StampForm
from bridge.errors import JournalError
from tests.support.store import T0, HostClock, journal_path, opened, row, session

SAMPLE = ClockSample(2, 10, 11, 12, 13, 1, step=True)


async def fill(store: SqliteStore) -> None:
    await store.open_session(session(1, "mat"))
    await store.open_session(session(2, "backup", location="5k", synchronised=False))
    rows = [row(n, f"c{n % 7}", session=1 + n % 2) for n in range(1, 1201)]
    rows[5] = rows[5]._replace(kind=int(Kind.REJECTED), chip=None, raw=b"\xff\x00", note="framing")
    await store.append(Batch(rows=rows, samples=[SAMPLE] * 3))


def lines_of(data_dir: Path) -> list[bytes]:
    lines: list[bytes] = []
    export_reads(journal_path(data_dir), lines.append)
    return lines


async def take(store: SqliteStore, lines: Sequence[bytes | str]) -> ImportReport:
    return await import_reads(
        store, lines, numbers=Counter(store), clock=HostClock(), source="reads.jsonl"
    )


def all_of(store: SqliteStore) -> tuple[list[EventRow], dict[int, SessionRow], list[ClockSample]]:
    return list(store.rows(kinds=tuple(Kind))), dict(store.sessions()), list(store.samples())


async def test_an_empty_store_becomes_the_same(tmp_path: Path) -> None:
    async with opened(tmp_path / "a") as store:
        await fill(store)
        lines = lines_of(tmp_path / "a")
        expected = all_of(store)
    async with opened(tmp_path / "b") as copy:
        report = await take(copy, lines)
        assert (report.taken, report.known, report.damaged) == (1200, 0, 0)
        assert all_of(copy) == expected
    assert lines_of(tmp_path / "b")[1:] == lines[1:]


async def test_the_same_export_is_taken_once(tmp_path: Path) -> None:
    async with opened(tmp_path / "a") as store:
        await fill(store)
    lines = lines_of(tmp_path / "a")
    async with opened(tmp_path / "b") as other:
        await other.open_session(session(1, "ours"))
        await other.append(Batch(rows=[row(1, "ours")]))
        assert (await take(other, lines[:897])).taken == 894
        again = await take(other, lines)
        assert (again.taken, again.known) == (306, 894)
        rows, sessions, samples = all_of(other)
        assert [r.id for r in rows] == list(range(1, 1202))
        assert [sessions[r.session].reader for r in rows[1:5]] == ["backup", "mat"] * 2
        assert [r[5:] for r in rows[1:]] == [
            r[5:] for r in (EventRow._make(json_row(line)) for line in lines[3:-3])
        ]
        assert samples == [SAMPLE._replace(session=3)] * 3
        assert len(sessions) == 3


def json_row(line: bytes) -> list[object]:
    said = json.loads(line)["event"]
    return [
        *(said[name] for name in EventRow._fields[:12]),
        bytes.fromhex(said["raw"]),
        said["note"],
    ]


async def test_a_store_gets_back_what_it_lost(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await fill(store)
        lines = lines_of(tmp_path)
        expected = all_of(store)
        await store._core.write(  # noqa: SLF001  a loss that no part of the store would cause
            lambda connection: connection.execute("DELETE FROM events WHERE id % 3 = 0").rowcount
        )
        report = await take(store, lines)
        assert (report.taken, report.known) == (400, 800)
        assert all_of(store) == expected
    async with opened(tmp_path, segment_reads=10) as store:
        assert store.reads_of(["c3"]) == [r for r in expected[0] if r.chip == "c3"]


async def test_reads_that_came_together_are_exported_and_put_back_read_by_read(
    tmp_path: Path,
) -> None:
    made = [row(n, f"c{n % 7}", utc_ns=T0, boot_ns=5) for n in range(1, 101)]
    async with opened(tmp_path / "a") as store:
        await store.open_session(session())
        await store.append(Batch(runs=[ReadRun.of_rows(made[:70])]))
        await store.append(Batch(rows=made[70:71], runs=[ReadRun.of_rows(made[71:])]))
        lines = lines_of(tmp_path / "a")
        await store._core.write(  # noqa: SLF001  a loss that no part of the store would cause
            lambda connection: connection.execute("DELETE FROM events WHERE id IN (33, 71, 72)")
        )
        assert len(all_of(store)[0]) == 100 - 32 - 1 - 29
        report = await take(store, lines[:40])  # the file ends within the lost run
        assert (report.taken, report.known) == (6, 32)
        report = await take(store, lines)
        assert (report.taken, report.known) == (62 - 6, 38 + 6)
        assert list(store.rows()) == made
        assert list(store.rows(first_id=40)) == made[39:]
        assert store.next_id == 1
        assert store.first_free() == (101, 2)
    async with opened(tmp_path / "a", segment_reads=10) as store:
        assert store.next_id == 101
        assert store.reads_of(["c3"]) == [r for r in made if r.chip == "c3"]
    async with opened(tmp_path / "b") as copy:
        assert (await take(copy, lines)).taken == 100
        assert list(copy.rows()) == made
    assert lines_of(tmp_path / "b")[1:] == lines[1:]


async def test_a_damaged_line_is_named_and_the_others_are_taken(tmp_path: Path) -> None:
    async with opened(tmp_path / "a") as store:
        await fill(store)
    lines: list[bytes | str] = list(lines_of(tmp_path / "a"))
    lines[2] = b'{"session": {"id": 2}}\n'
    lines[10] = b"\xff\xfe\n"
    lines[11] = "[]"
    lines[12] = b"\n"
    lines[13] = bytes(lines[13])[:-9] if isinstance(lines[13], bytes) else ""
    lines[14] = b'{"event": {"id": true}}'
    lines[15] = (
        str(lines[15], "ascii").replace("6161", "6g61") if isinstance(lines[15], bytes) else ""
    )
    lines[16] = str(2**64).join(['{"event": {"id": ', "}}"])
    async with opened(tmp_path / "b") as other:
        report = await take(other, lines)
        assert report.damaged == 7
        assert [text.split(":")[0] for text in report.complaints] == [
            f"line {number}" for number in (3, 11, 12, 14, 15, 16, 17)
        ]
        assert report.taken == 1200 - 7
        sessions = other.sessions()
        assert (sessions[2].reader, sessions[2].location, sessions[2].driver) == (
            "backup",
            "5k",
            "import",
        )


async def test_lines_of_other_tools_need_four_words(tmp_path: Path) -> None:
    lines = [
        '{"reader": "m", "chip": "058003", "time": "2026-11-21T08:30:00.123456789"}',
        '{"reader": "m", "chip": 77, "time": "2026-11-21T08:30:00.5Z", "location": "5k"}',
        '{"reader": "m", "chip": "a", "time": "2026-11-21T08:30:00+01:00", "location": "5k"}',
        '{"reader": "m", "chip": "a", "time": "yesterday"}',
        '{"reader": "m", "chip": "", "time": "2026-11-21T08:30:00"}',
        '{"reader": "m", "chip": "a"}',
        '{"chip": "a", "time": "2026-11-21T08:30:00"}',
    ]
    async with opened(tmp_path) as store:
        report = await take(store, lines)
        assert (report.taken, report.damaged) == (3, 4)
        rows, sessions, _samples = all_of(store)
        base = 1_795_249_800_000_000_000
        assert [(r.chip, r.stamp, r.form) for r in rows] == [
            ("058003", base + 123_456_789, StampForm.NAIVE),
            ("77", base + 500_000_000, StampForm.UTC),
            ("a", base - 3600 * 10**9, StampForm.UTC),
        ]
        assert [sessions[r.session].location for r in rows] == ["", "5k", "5k"]
        assert {s.link for s in sessions.values()} == {"import:reads.jsonl"}
        assert json.loads(rows[0].raw) == json.loads(lines[0])


async def test_what_is_exported_says_what_other_tools_want(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.open_session(session(1, "mat"))
        await store.append(Batch(rows=[row(1, "a", stamp=T0 + 5), row(2, "b", form=0)]))
        first, second = map(orjson.loads, lines_of(tmp_path)[-2:])
    assert (first["reader"], first["chip"], first["location"]) == ("mat", "a", "finish")
    assert first["time"] == "2025-11-21T07:26:40.000000005"
    assert second["time"] is None


async def test_an_export_of_a_later_version_is_not_guessed_at(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        report = await take(store, ['{"export": "chip-bridge", "v": 2, "store": "x"}'])
        assert report.complaints == ["line 1: an export of a version that is not known here"]


def test_what_is_no_store_can_not_be_exported(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="can not be read"):
        export_reads(tmp_path / "none.db", lambda _line: None)


async def test_who_asked_hears_of_each_parcel(tmp_path: Path) -> None:
    async with opened(tmp_path / "a") as store:
        await fill(store)
    heard: list[int] = []
    async with opened(tmp_path / "b") as other:
        await import_reads(
            other,
            lines_of(tmp_path / "a"),
            numbers=Counter(other),
            clock=HostClock(),
            source="x",
            taken=lambda _sessions, batch: heard.extend(r.id for r in batch.rows),
        )
    assert heard == list(range(1, 1201))


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
int64 = st.integers(-(1 << 63), (1 << 63) - 1)
events = st.builds(
    EventRow,
    st.integers(1, 1 << 62),
    st.integers(1, 3),
    st.sampled_from([int(kind) for kind in Kind]),
    int64,
    int64,
    st.none() | texts,
    int64,
    st.integers(0, 3),
    st.none() | st.integers(0, 99),
    st.none() | st.floats(allow_nan=False),
    st.none() | int64,
    st.none() | texts,
    st.binary(max_size=80),
    st.none() | texts,
)


@settings(max_examples=25, deadline=None)
@given(st.lists(events, max_size=12, unique_by=lambda r: r.id))
def test_any_row_comes_back_identical(rows: list[EventRow]) -> None:
    async def both(folder: Path) -> None:
        async with opened(folder / "a") as store:
            for number in (1, 2, 3):
                await store.open_session(session(number, f"r{number}"))
            await store.append(Batch(rows=rows))
            expected = all_of(store)
        async with opened(folder / "b") as copy:
            report = await take(copy, lines_of(folder / "a"))
            assert report.damaged == 0
            assert all_of(copy) == expected

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(both(Path(folder)))
