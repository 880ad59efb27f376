"""Numbers of records: from the journal alone, the same after every restart, never too early."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson
import pytest

from bridge.adapters.config_files import config_of
from bridge.adapters.system_clock import SystemClock
from bridge.app.forward_archive import STEP, CrossingArchive, ReadArchive
from bridge.app.forward_time import stamping, wall_ns
from bridge.app.ports import Batch, ClockSample, CrossingRow
from bridge.app.registry import Registry
from bridge.bootstrap.core import Core, open_core
from bridge.domain.passings import HAND_ENTERED
from bridge.domain.reads import DAY_NS, NS_PER_S, Chip, Read, StampForm
from bridge.driver_api import Marker
from drivers import BUILTIN

ZONE = ZoneInfo("America/Denver")
AT_NS = 1_780_000_000 * NS_PER_S
CONFIG = """
[bridge]
site = "box"
data_dir = "data"
timezone = "America/Denver"
"""
READER = """
[[reader]]
name = "{name}"
driver = "race-result"
location = "{name}-place"
clock = "{clock}"
url = "tcp://10.0.0.{number}:3601"
"""


@asynccontextmanager
async def opened(folder: Path, clock: str = "reader") -> AsyncIterator[Core]:
    text = CONFIG + "".join(
        READER.format(name=name, number=number, clock=clock)
        for number, name in enumerate(("a", "b"), start=1)
    )
    core = open_core(
        config_of(text, folder / "bridge.toml", {}, Registry(BUILTIN)),
        Registry(BUILTIN),
        SystemClock(),
    )
    await core.recall()
    try:
        yield core
    finally:
        await core.store.close()


def take(core: Core, session: int, first: int, count: int) -> Awaitable[None]:
    """Take reads in; one in ten batches has something else in its middle."""
    reads: list[Read | Marker] = []
    for number in range(first, first + count):
        stamp = wall_ns(AT_NS + number * NS_PER_S, ZONE)
        reads.append(Read(b"x", Chip(f"C{number}"), stamp, StampForm.NAIVE, 2, -50.0))
        if number % 10 == 0:
            reads.append(Marker(b"m", "gun", stamp, StampForm.NAIVE))
    return core.intake.take(session, [*reads], AT_NS, AT_NS, memory=None, samples=[])


def archive_of(core: Core, *places: str, form: StampForm = StampForm.UTC) -> ReadArchive:
    stamp = stamping(form, lambda: ZONE)
    return ReadArchive(core.store, core.timing, places, stamp, lambda: ZONE)


def chips(archive: ReadArchive, page: int = 100) -> list[str]:
    found: list[str] = []
    while part := archive.read(len(found) + 1, page):
        assert [one.seq for one in part] == list(range(len(found) + 1, len(found) + 1 + len(part)))
        found += [one.chip for one in part]
    return found


async def test_numbers_are_those_of_the_journal_whenever_they_are_asked_for(
    tmp_path: Path,
) -> None:
    wanted: list[str] = []
    async with opened(tmp_path) as core:
        live = archive_of(core, "a-place")
        await live.catch_up()
        core.intake.on_reads.append(live.took)
        for turn in range(12):
            mine, other = core.intake.open_session("a"), core.intake.open_session("b")
            first, count = turn * 100, (1, 2, 7, 64, 40)[turn % 5]
            wanted += [f"C{number}" for number in range(first, first + count)]
            take(core, mine, first, count)
            await take(core, other, 5_000 + first, 30)
        assert chips(live) == wanted
        archive = archive_of(core, "a-place")
        assert chips(archive) == []  # nothing before it looked
        await archive.catch_up()
        assert chips(archive, page=7) == wanted
    async with opened(tmp_path) as core:
        again = archive_of(core, "a-place")
        await again.catch_up()
        assert len(again) == len(wanted) > 3 * STEP
        assert chips(again) == wanted
        for number in (1, 2, STEP, STEP + 1, len(wanted)):
            mark = again.mark_of(number)
            assert again.number_of(mark) == number
            assert again.number_of(mark - 1) == number - 1
            [one] = again.read(number, 1)
            assert (one.chip, one.seq, one.place) == (wanted[number - 1], number, "a-place")
        assert again.number_of(2**40) == len(wanted)
        assert again.read(len(wanted) + 1, 5) == []
        assert again.read(0, 2) == again.read(1, 2)
        both = archive_of(core, "a-place", "b-place")
        await both.catch_up()
        assert len(both) == len(wanted) + 12 * 30


@pytest.mark.parametrize("form", [StampForm.UTC, StampForm.NAIVE, StampForm.TIME_OF_DAY])
async def test_times_are_right_in_every_form(tmp_path: Path, form: StampForm) -> None:
    async with opened(tmp_path) as core:
        await take(core, core.intake.open_session("a"), 3, 1)
        archive = archive_of(core, "a-place", form=form)
        await archive.catch_up()
        [one] = archive.read(1, 1)
        at_ns = AT_NS + 3 * NS_PER_S
        wall = at_ns - 6 * 3600 * NS_PER_S  # Denver in May
        stamps = {StampForm.UTC: at_ns, StampForm.NAIVE: wall, StampForm.TIME_OF_DAY: wall % DAY_NS}
        assert one.stamp == stamps[form]
        assert (one.antenna, one.rssi) == (2, -50.0)
        [message] = archive.messages(1, 1)
        told = orjson.loads(message)
        assert (told["n"], told["id"], told["chip"]) == (1, f"box-{archive.mark_of(1)}", "C3")
        assert (told["at_ms"], told["at"][-6:]) == (at_ns // 1_000_000, "-06:00")


async def test_a_read_waits_for_the_clock_it_is_to_be_corrected_by(tmp_path: Path) -> None:
    async with opened(tmp_path, clock="corrected") as core:
        archive = archive_of(core, "a-place")
        await archive.catch_up()
        core.intake.on_reads.append(archive.took)
        clock = core.clock
        session = core.intake.open_session("a")
        stamp = clock.utc_ns() + 60 * NS_PER_S  # a minute fast, in UTC
        read = Read(b"x", Chip("C1"), stamp, StampForm.UTC)
        await core.intake.take(
            session, [read], clock.utc_ns(), clock.boot_ns(), memory=None, samples=[]
        )
        archive.release()
        assert archive.read(1, 1) == []
        utc_ns, boot_ns = clock.utc_ns(), clock.boot_ns()
        sample = ClockSample(
            session, utc_ns, boot_ns, 0, utc_ns + 60 * NS_PER_S, int(StampForm.UTC), step=False
        )
        await core.intake.take(session, [], utc_ns, boot_ns, memory=None, samples=[sample])
        archive.release()
        [one] = archive.read(1, 1)
        assert abs(one.stamp - (stamp - 60 * NS_PER_S)) < NS_PER_S // 10


async def test_a_time_that_cannot_be_believed_is_that_of_the_arrival(tmp_path: Path) -> None:
    async with opened(tmp_path, clock="corrected") as core:
        session = core.intake.open_session("a")
        boot_ns = core.clock.boot_ns()
        sample = ClockSample(session, AT_NS, boot_ns, 0, AT_NS, int(StampForm.UTC), step=False)
        read = Read(b"x", Chip("C1"), AT_NS + DAY_NS, StampForm.UTC)
        await core.intake.take(session, [read], AT_NS, boot_ns, memory=None, samples=[sample])
        archive = archive_of(core, "a-place")
        await archive.catch_up()
        [one] = archive.read(1, 1)
        assert one.stamp == AT_NS


def crossing(seq: int, anchor: int, state: str, place: str = "finish") -> CrossingRow:
    message = {
        "v": 1, "id": f"box-{anchor}", "seq": seq, "location": place, "chip": f"C{anchor}",
        "at_ms": None if state == "nowhen" else AT_NS // 1_000_000 + anchor % 1_000, "at_sub_ns": 5,
        "state": "final" if state == "nowhen" else state, "antenna": None, "rssi": None,
    }  # fmt: skip
    return CrossingRow(seq, anchor, place, orjson.dumps(message))


ROWS = [
    crossing(1, 70, "provisional"),
    crossing(2, 71, "final"),
    crossing(3, 70, "final"),
    crossing(4, 72, "final", "start"),
    crossing(5, 70, "final"),
    crossing(6, 73, "nowhen"),
    crossing(7, 71, "withdrawn"),
    crossing(8, HAND_ENTERED + 3, "final"),
]


@pytest.mark.parametrize("known", [0, 3, 8])
async def test_a_crossing_is_told_once_or_with_every_revision(tmp_path: Path, known: int) -> None:
    async with opened(tmp_path) as core:
        await core.store.append(Batch(crossings=ROWS[:known]))
        stamp = stamping(StampForm.UTC, lambda: ZONE)
        once = CrossingArchive(core.store, ["finish"], stamp, revisions=False)
        each = CrossingArchive(core.store, ["finish"], stamp, revisions=True)
        for archive in (once, each):
            await archive.catch_up()
        await core.store.append(Batch(crossings=ROWS[known:]))
        for archive in (once, each):
            archive.took(ROWS[known:])
            archive.took(ROWS)  # what is known already changes nothing
        assert [(one.seq, one.chip) for one in once.read(1, 9)] == [
            (1, "C71"),
            (2, "C70"),
            (3, f"C{HAND_ENTERED + 3}"),
        ]
        assert once.read(2, 1)[0].stamp == AT_NS + 70_000_000 + 5
        told = [orjson.loads(message) for message in each.messages(1, 99)]
        assert [(one["n"], one["seq"]) for one in told] == list(enumerate([1, 2, 3, 5, 6, 7, 8], 1))
        assert [one["state"] for one in told][-2:] == ["withdrawn", "final"]
        assert [once.mark_of(number) for number in range(5)] == [0, 2, 3, 8, 0]
        assert [once.number_of(seq) for seq in (0, 2, 7, 8)] == [0, 1, 2, 3]
