import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.adapters.participants_file import ParticipantsFile
from bridge.adapters.store.opening import SqliteStore
from bridge.app.people_file import ALARM, PeopleFile, PeopleSource
from bridge.app.roster import Pulled
from bridge.domain.entrants import RegistrationId
from bridge.domain.rules import EventId, EventRules, Point, Rules
from bridge.errors import BridgeError
from tests.support.results_service import QuickClock
from tests.support.store import opened, until

EVENT = EventRules(id=EventId(1), name="10K", course=(Point(location="finish"),))
RULES = Rules(site="a", events=(EVENT,), locations={}, readers={})


class Desk:
    """One file, one store, and what was said."""

    def __init__(self, path: Path, store: SqliteStore) -> None:
        self.path = path
        self.store = store
        self.alarms: dict[str, str] = {}
        self.changes = 0
        self.people = self.over(ParticipantsFile(path))

    def over(self, source: PeopleSource) -> PeopleFile:
        return PeopleFile(
            source,
            every_s=5,
            rules=lambda: RULES,
            store=self.store,
            clock=QuickClock(),
            on_change=self._changed,
            alarm=self._alarm,
        )

    async def _changed(self) -> None:
        self.changes += 1

    def _alarm(self, name: str, text: str | None) -> None:
        if text is None:
            self.alarms.pop(name, None)
        else:
            self.alarms[name] = text

    def names(self) -> list[str]:
        return sorted(one.name for one in self.store.entrants().values())

    def write(self, text: str) -> None:
        """Replace the file as careful programs do."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(text)
        os.replace(fresh, self.path)  # noqa: PTH105


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with opened(tmp_path / "data") as store:
        yield Desk(tmp_path / "people.csv", store)


async def test_the_file_is_the_whole_truth(desk: Desk) -> None:
    desk.write("bib,last,chip\n1,Lee,AA\n2,Ray,BB\n")
    assert _counts(await desk.people.pull()) == (2, 0)
    desk.write("bib,last,chip\n2,Ray,CC\n3,Oz,AA\n")
    assert _counts(await desk.people.pull()) == (2, 1)
    assert desk.names() == ["Oz", "Ray"]
    assert desk.changes == 2
    assert _counts(await desk.people.pull()) == (0, 0)
    assert desk.changes == 2
    assert not desk.alarms


async def test_what_was_given_on_site_outlives_the_file(desk: Desk) -> None:
    desk.write("bib,last,chip\n1,Lee,AA\n")
    await desk.people.pull()
    (who,) = desk.store.entrants()
    await desk.store.assign(RegistrationId(who), bib=None, chips=("ZZ",))
    desk.write("bib,last,chip\n1,Lee,AA\n2,Ray,\n")
    await desk.people.pull()
    assert desk.store.entrants()[who].chips == ("ZZ",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot be read (No such file or directory)"),
        ("", "needs a header"),
        ("bib,last\n", "holds no participant"),
        ("bib,last\nx,Lee\n", "holds no participant"),
    ],
)
async def test_a_missing_or_faulty_file_leaves_everybody_and_says_so(
    desk: Desk, text: str | None, words: str
) -> None:
    desk.write("bib,last\n1,Lee\n")
    await desk.people.pull()
    if text is None:
        desk.path.unlink()
    else:
        desk.write(text)
    with pytest.raises(BridgeError) as caught:
        await desk.people.pull()
    assert words in str(caught.value)
    assert str(desk.path) in str(caught.value)
    assert desk.alarms == {ALARM: str(caught.value)}
    assert desk.people.words() == str(caught.value)
    assert desk.people.facts()["faulty"] == 1
    assert desk.names() == ["Lee"]
    desk.write("bib,last\n1,Lee\n")
    await desk.people.pull()
    assert not desk.alarms
    assert desk.people.words() == f"1 participants from {desk.path}"


async def test_lines_that_are_not_taken_are_named(desk: Desk) -> None:
    desk.write("bib,last\n1,Lee\n" + "x,Ray\n" * 5)
    await desk.people.pull()
    assert desk.names() == ["Lee"]
    assert "line 3: bib 'x' is not a whole number" in desk.alarms[ALARM]
    assert desk.alarms[ALARM].endswith("and 2 more")


async def test_it_is_waited_for_and_taken_again_when_it_changes(desk: Desk) -> None:
    async with asyncio.TaskGroup() as group:
        running = group.create_task(desk.people.run())
        await until(lambda: bool(desk.alarms))
        desk.write("bib,last\n1,Lee\n")
        await until(lambda: desk.names() == ["Lee"] and not desk.alarms)
        desk.write("bib,last\n1,Lee\n2,Ray\n")
        await until(lambda: desk.names() == ["Lee", "Ray"])
        desk.path.unlink()
        await until(lambda: bool(desk.alarms))
        assert desk.names() == ["Lee", "Ray"]
        running.cancel()


class Growing:
    """A file that somebody copies slowly: each look finds another mark, until it keeps still."""

    name = "slow.csv"

    def __init__(self, marks: list[int]) -> None:
        self._marks = marks
        self.read_at: list[int] = []

    def mark(self) -> int:
        return self._marks.pop(0) if len(self._marks) > 1 else self._marks[0]

    def read(self) -> bytes:
        self.read_at.append(self._marks[0])
        return b"bib,last\n1,Lee\n"


async def test_a_file_that_is_still_growing_is_waited_for(desk: Desk) -> None:
    source = Growing([1, 2, 3, 4, 4, 4])
    people = desk.over(source)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(people.run())
        await until(lambda: len(source.read_at) == 2)
        running.cancel()
    assert source.read_at == [2, 4]  # at once at the start, then only once it kept still


def _counts(pulled: Pulled) -> tuple[int, int]:
    return pulled.changed, pulled.removed
