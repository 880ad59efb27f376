"""Marks, roster, post ledger, remote crossings and notes outlive the process."""

import asyncio
import tempfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.app.ports import PostRow
from bridge.domain.entrants import Entrant, RegistrationId
from bridge.domain.marks import Mark, MarkKind
from bridge.domain.reads import UtcNs
from bridge.domain.results import RemoteCrossing
from bridge.domain.rules import EventId
from bridge.errors import NotFound
from tests.support.store import opened

TEN = EventId(10)


def entrant(number: int, **changes: object) -> Entrant:
    made = Entrant(
        registration_id=RegistrationId(number),
        event_id=TEN,
        bib=number,
        chips=(f"chip{number}",),
        first_name="Ää",
        last_name=f"Runner {number}",
        wave="B",
        start_ns=UtcNs(5),
        gender="F",
        age=33,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


async def test_marks_are_numbered_kept_and_undone(tmp_path: Path) -> None:
    gun = Mark(
        id=0,
        kind=MarkKind.GUN,
        made_at=UtcNs(1),
        author="cli:pi",
        event_id=TEN,
        wave="B",
        at=UtcNs(99),
        note="late",
    )
    swap = Mark(
        id=0, kind=MarkKind.SWAP, made_at=UtcNs(2), author="web", bib=1, other_bib=2, location="5k"
    )
    async with opened(tmp_path) as store:
        first, second = store.add(gun), store.add(swap)
        assert [(await first).id, (await second).id] == [1, 2]
        await store.undo(1, author="web", made_at=UtcNs(3))
        await store.undo(1, author="other", made_at=UtcNs(4))
        with pytest.raises(NotFound, match="no mark 7"):
            await store.undo(7, author="web", made_at=UtcNs(3))
    async with opened(tmp_path) as store:
        assert store.marks() == [replace(gun, id=1, undone=True), replace(swap, id=2)]
        assert store._core.fetch("SELECT * FROM undone") == [(1, "web", 3)]  # noqa: SLF001


async def test_the_provider_never_blanks_what_was_assigned_on_site(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        assert store.cursor(TEN) is None
        await store.merge(TEN, [entrant(1), entrant(2)], [], cursor=100, whole=True)
        await store.assign(RegistrationId(1), bib=77, chips=None)
        await store.assign(RegistrationId(1), bib=None, chips=("x", "y"))
        await store.merge(TEN, [entrant(1, bib=None, chips=())], [], cursor=None)
        assert store.cursor(TEN) == 100
        here = store.entrants()
        assert here[RegistrationId(1)] == entrant(1, bib=77, chips=("x", "y"))
        assert here[RegistrationId(2)] == entrant(2)
        await store.merge(TEN, [], [RegistrationId(1)], cursor=120)
        assert list(store.entrants()) == [2]
        await store.merge(TEN, [entrant(1)], [], cursor=None)
    async with opened(tmp_path) as store:
        assert store.entrants()[RegistrationId(1)].bib == 77
        assert store.cursor(TEN) == 120


async def test_a_whole_load_removes_who_is_gone_from_that_event_only(tmp_path: Path) -> None:
    other = entrant(3, event_id=EventId(20))
    async with opened(tmp_path) as store:
        await store.merge(TEN, [entrant(1), entrant(2)], [], cursor=1)
        await store.merge(EventId(20), [other], [], cursor=1)
        await store.merge(TEN, [entrant(2, age=34)], [], cursor=2, whole=True)
        assert store.entrants() == {2: entrant(2, age=34), 3: other}


async def test_a_sync_without_news_writes_nothing(tmp_path: Path) -> None:
    people = [entrant(number) for number in range(1, 300)]
    async with opened(tmp_path) as store:
        await store.merge(TEN, people, [], cursor=5)
        changes = store._core._writer._connection.total_changes  # type: ignore[union-attr]  # noqa: SLF001
        await store.merge(TEN, people, [], cursor=5, whole=True)
        after = store._core._writer._connection.total_changes  # type: ignore[union-attr]  # noqa: SLF001
        assert after == changes


async def test_the_ledger_replaces_a_runners_row(tmp_path: Path) -> None:
    rows = [
        PostRow(10, number, {"bib_num": number, "t": None}, None, None) for number in range(1200)
    ]
    refused = PostRow(10, 5, {}, "code 7: no such runner", {"clock_time": "0:17:00.1"})
    async with opened(tmp_path) as store:
        await store.settle(rows)
        await store.settle([refused])
    async with opened(tmp_path) as store:
        rows[5] = refused
        assert list(store.posted()) == rows


async def test_a_lower_seq_never_replaces_a_higher_one(tmp_path: Path) -> None:
    old = RemoteCrossing("a-1", "a", "5k", "chip", 10, withdrawn=False)
    new = old._replace(at=20, withdrawn=True)
    other = RemoteCrossing("a-1", "b", "10k", "chip", 30, withdrawn=False)
    async with opened(tmp_path) as store:
        await store.keep([("a", 5, new), ("b", 1, other)])
        await store.keep([("a", 2, old)])
        assert store.missing("a", 7) == [(1, 1), (3, 4), (6, 7)]
    async with opened(tmp_path) as store:
        assert list(store.remote()) == [new, other]
        assert store.missing("a", 4) == [(1, 1), (3, 4)]
        assert store.missing("b", 1) == []
        assert store.missing("c", 3) == [(1, 3)]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(1, 30), min_size=1, max_size=8), max_size=8))
def test_missing_is_what_never_came(deliveries: list[list[int]]) -> None:
    async def deliver(folder: Path) -> None:
        came: set[int] = set()
        async with opened(folder) as store:
            for seqs in deliveries:
                came.update(seqs)
                await store.keep(
                    [
                        ("s", seq, RemoteCrossing(f"{seq}", "s", "5k", "c", seq, withdrawn=False))
                        for seq in seqs
                    ]
                )
            spans = store.missing("s", 32)
            listed = [seq for first, last in spans for seq in range(first, last + 1)]
            assert listed == [seq for seq in range(1, 33) if seq not in came]
            assert all(a[1] + 1 < b[0] for a, b in pairwise(spans))

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(deliver(Path(folder)))


async def test_a_hundred_thousand_messages_are_a_few_ranges(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        for first in range(1, 100_001, 5000):
            seqs = range(first, first + 5000)
            await store.keep(
                [
                    ("s", q, RemoteCrossing(f"{q % 900}", "s", "5k", "c", q, withdrawn=False))
                    for q in seqs
                    if q != 777
                ]
            )
        assert store.missing("s", 100_000) == [(777, 777)]
        assert len(store._core.fetch("SELECT * FROM ranges")) == 2  # noqa: SLF001
        assert sum(1 for _ in store.remote()) == 900


async def test_notes_are_replaced(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        assert store.get("set") is None
        await store.put("set", "1")
        await store.put("set", "[2]")
        uuid = store.uuid
    async with opened(tmp_path) as store:
        assert store.get("set") == "[2]"
        assert store.uuid == uuid
        assert len(uuid) == 36
