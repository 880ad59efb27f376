from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.bootstrap.core import Core
from bridge.errors import BridgeError, NotFound, UsageError
from tests.support.small_box import opened, written
from tests.support.store import HostClock

ASKED_BY = "cli:test"


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[Core]:
    async with opened(written(tmp_path / "box"), HostClock()) as core:
        yield core


async def gun(core: Core, **asked: object) -> dict[str, object]:
    made = (await core.operations.gun({"event": "10K", **asked}, ASKED_BY))["mark"]
    assert isinstance(made, dict)
    return made


async def mark(core: Core, bib: object, kind: str, **asked: object) -> dict[str, object]:
    made = (await core.operations.mark({"bib": bib, "kind": kind, **asked}, ASKED_BY))["mark"]
    assert isinstance(made, dict)
    return made


def clock_of(core: Core, bib: int) -> object:
    (about,) = core.operations.why(bib)
    result = about["result"]
    return result["clock_time"] if isinstance(result, dict) else None


@pytest.mark.parametrize(
    ("time", "at"),
    [
        ("08:31:02.5", "2026-11-21T08:31:02.500-07:00"),
        ("8:31", "2026-11-21T08:31:00.000-07:00"),
        ("2026-11-22T00:00:01", "2026-11-22T00:00:01.000-07:00"),
        ("2026-11-21 08:31:02", "2026-11-21T08:31:02.000-07:00"),
        ("2026-11-21T15:31:02Z", "2026-11-21T08:31:02.000-07:00"),
    ],
)
async def test_a_gun_is_told_in_the_words_of_the_race(core: Core, time: str, at: str) -> None:
    made = await gun(core, time=time)
    assert (made["at"], made["event"], made["undone"]) == (at, "10K", False)


async def test_a_gun_may_be_exact_to_the_ms_and_ids_do_as_names(core: Core) -> None:
    made = await core.operations.gun({"event_id": 7, "at_ms": 1_763_710_200_123}, ASKED_BY)
    assert made["mark"]["at_ms"] == 1_763_710_200_123  # type: ignore[index]


async def test_everything_follows_the_gun_and_its_undoing(core: Core) -> None:
    await mark(core, 1, "crossing", time="08:50:00")
    assert clock_of(core, 1) == "0:20:00.0"
    await gun(core, time="08:40:00")
    assert clock_of(core, 1) == "0:10:00.0"
    await gun(core, time="08:45:00", wave="Early")
    assert clock_of(core, 1) == "0:05:00.0"
    assert (await gun(core, undo=True, wave="Early"))["undone"] is True
    assert clock_of(core, 1) == "0:10:00.0"
    await gun(core, undo=True)
    assert clock_of(core, 1) == "0:20:00.0"
    with pytest.raises(NotFound, match="no gun of 10K to undo"):
        await gun(core, undo=True)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"event": "11K"}, "there is no event '11K'; there are: 7"),
        ({"time": "25:00"}, "'25:00' is no time; write HH:MM:SS"),
        ({"time": "2026-11-21T"}, "is no time"),
        ({"time": "0001-01-01T00:00:00"}, "is no time"),
        ({"time": "2026-11-01T01:30:00"}, "comes twice in America/Denver"),
        ({"time": "2026-03-08T02:30:00"}, "never comes in America/Denver"),
        ({"time": 830}, "time must be text"),
        ({"at_ms": 1.5}, "at_ms must be a whole number"),
        ({"at_ms": True}, "at_ms must be a whole number"),
        ({"at_ms": 10**17}, "at_ms must be a whole number"),
        ({"wave": "Purple"}, "has no wave 'Purple'; there are: Early, Late"),
        ({"undo": "false"}, "undo must be true or false"),
        ({"undo": True, "time": "08:30:00"}, "time has no meaning with undo"),
    ],
)
async def test_a_gun_that_cannot_be_meant_is_refused_in_words(
    core: Core, asked: dict[str, object], words: str
) -> None:
    with pytest.raises(BridgeError) as caught:
        await gun(core, **asked)
    assert words in str(caught.value)
    assert not core.operations.marks()


@pytest.mark.parametrize(
    ("bib", "kind", "asked", "words"),
    [
        (99, "dnf", {}, "nobody wears bib 99; try: chip-bridge participants find"),
        ("x", "dnf", {}, "bib must be a whole number"),
        (1, "gone", {}, "there is no mark 'gone'; there are: crossing, dnf"),
        (1, "gun", {}, "there is no mark 'gun'"),
        (1, "dns", {"location": "finish"}, "location has no meaning with dns"),
        (1, "dnf", {"other_bib": 2}, "other_bib has no meaning with dnf"),
        (1, "crossing", {"location": "moon"}, "has no location 'moon'; there are: 5k, finish"),
        (1, "swap", {}, "say with whom"),
        (1, "swap", {"other_bib": 1}, "cannot swap chips with itself"),
        (1, "swap", {"other_bib": 99}, "nobody wears bib 99"),
        (1, "dnf", {"undo": True}, "bib 1 has no dnf mark to undo"),
        (1, "crossing", {"undo": True, "time": "08:00:00"}, "time has no meaning with undo"),
    ],
)
async def test_a_mark_that_cannot_be_meant_is_refused_in_words(
    core: Core, bib: object, kind: str, asked: dict[str, object], words: str
) -> None:
    with pytest.raises(BridgeError) as caught:
        await mark(core, bib, kind, **asked)
    assert words in str(caught.value)
    assert not core.operations.marks()


async def test_the_last_of_contradicting_marks_holds_and_each_can_be_taken_back(core: Core) -> None:
    await mark(core, 1, "crossing", time="08:50:00")
    await mark(core, 1, "dnf", time="08:40:00")
    assert clock_of(core, 1) == "DNF"
    await mark(core, 1, "dq", note="cut the course")
    assert clock_of(core, 1) == "DQ"
    await mark(core, 1, "dq", undo=True)
    assert clock_of(core, 1) == "DNF"
    await mark(core, 1, "dnf", undo=True)
    assert clock_of(core, 1) == "0:20:00.0"
    assert [m["undone"] for m in core.operations.marks()] == [False, True, True]


async def test_an_undo_may_name_the_location(core: Core) -> None:
    await mark(core, 1, "crossing", location="5k", time="08:40:00")
    await mark(core, 1, "crossing", time="08:50:00")
    made = await mark(core, 1, "crossing", undo=True, location="5k")
    assert made["location"] == "5k"
    assert clock_of(core, 1) == "0:20:00.0"


async def test_a_swap_is_taken_back_from_either_side(core: Core) -> None:
    await mark(core, 1, "swap", other_bib=2)
    made = await mark(core, 2, "swap", undo=True)
    assert (made["bib"], made["other_bib"], made["undone"]) == (1, 2, True)


async def test_people_are_found_by_bib_chip_and_part_of_a_name(core: Core) -> None:
    find = core.operations.find
    assert [row["bib"] for row in find("")] == [1, 2, 3, 4]
    assert [row["bib"] for row in find(" zcaa002 ")] == [2]
    assert [row["bib"] for row in find("o")] == [2, 3, 4]
    assert [row["bib"] for row in find("4")] == [4]
    assert not find("nobody")


async def test_results_say_places_words_and_totals(core: Core) -> None:
    await mark(core, 2, "crossing", time="08:50:00")
    await mark(core, 1, "crossing", time="08:51:00")
    await mark(core, 3, "crossing", location="5k", time="08:45:00")
    await mark(core, 4, "dns")
    (block,) = core.operations.results("7")
    assert block["totals"] == {"started": 3, "on_course": 1, "finished": 2}
    rows = block["rows"]
    assert isinstance(rows, list)
    assert [(r["place"], r["bib"], r["status"], r["clock_time"]) for r in rows] == [
        (1, 2, "finished", "0:20:00.0"),
        (2, 1, "finished", "0:21:00.0"),
        (None, 3, "on_course", None),
        (None, 4, "dns", "DNS"),
    ]
    assert core.operations.results(None) == [block]
    with pytest.raises(NotFound, match="there is no event 'x'"):
        core.operations.results("x")


async def test_without_a_zone_a_wall_clock_time_is_refused_and_an_offset_taken(
    tmp_path: Path,
) -> None:
    box = written(tmp_path / "box")
    text = box.config.read_text().replace('timezone = "America/Denver"\n', "")
    box.config.write_text(text.replace("gun = 2026-11-21T08:30:00\n", ""))
    async with opened(box, HostClock()) as core:
        with pytest.raises(UsageError, match="time zone is not known yet"):
            await gun(core, time="08:30:00")
        made = await gun(core, time="2026-11-21T08:30:00-07:00")
        assert made["at_ms"] == 1_795_275_000_000


async def test_a_chip_never_read_is_not_found(core: Core) -> None:
    with pytest.raises(NotFound, match="chip 'ZZ' was never read here"):
        core.operations.why_chip("ZZ")
    with pytest.raises(NotFound, match="nobody wears bib 99"):
        core.operations.why(99)
