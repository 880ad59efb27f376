"""The posting stage against the sandbox over real HTTP: whatever happens, it ends as desired."""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.adapters.sandbox.app import Sandbox
from bridge.adapters.sandbox.race import Row, StoredSet, make_race, standing
from bridge.adapters.sandbox.uploads import WORDS
from bridge.adapters.store.opening import SqliteStore
from bridge.app.event_posting import Manners
from bridge.app.ports import PostRow
from bridge.app.posting import Poster, PostingRules
from bridge.domain.entrants import Entrant, RegistrationId
from bridge.domain.posts import desired_row
from bridge.domain.results import Result, Split, Status
from bridge.domain.rules import EventId, EventRules, Point
from bridge.driver_api import Alarm
from tests.support.results_service import (
    ContractWatcher,
    MemoryStore,
    QuickClock,
    Standings,
    client_of,
    until,
)
from tests.support.store import opened

S = 1_000_000_000
ONE = EventId(1)
COURSE = (
    Point(location="start"),
    Point(location="5k", split="5K", distance_m=5000),
    Point(location="finish", distance_m=10_000),
)
EVENTS = (
    EventRules(id=ONE, name="10K", course=COURSE),
    EventRules(id=EventId(2), name="5K", course=(Point(location="finish"),)),
)
EVERYWHERE = frozenset({"start", "5k", "finish"})
BRISK = Manners(pause_s=0.1, retry_s=(0.2, 2.0), slow_retry_s=(1.0, 5.0))


def number(bib: int) -> RegistrationId:
    return RegistrationId(700_000 + bib)


def finisher(bib: int, seconds: float, place: int | None = None, event: EventId = ONE) -> Result:
    ns = int(seconds * S)
    split = Split(1, "5k", "5K", ns // 2, ns // 2)
    return Result(
        registration_id=number(bib),
        event_id=event,
        status=Status.FINISHED,
        clock_ns=ns,
        chip_ns=ns,
        splits=(split,) if event == ONE else (),
        place=place or bib,
        start_ns=None,
    )


def runner(bib: int, seconds: float) -> Result:
    split = Split(1, "5k", "5K", int(seconds * S), int(seconds * S))
    return Result(number(bib), ONE, Status.ON_COURSE, None, None, (split,))


class Box:
    """One box: results, store, and a poster that can be killed and started again."""

    def __init__(
        self, sandbox: Sandbox, clock: QuickClock, make: Callable[["Box"], Poster]
    ) -> None:
        self.sandbox = sandbox
        self.clock = clock
        self.standings = Standings()
        self.store: MemoryStore | SqliteStore = MemoryStore()
        self.alarms: dict[str, str] = {}
        self.people = {
            RegistrationId(n): Entrant(
                registration_id=RegistrationId(n),
                event_id=EventId(row["event_id"]),
                bib=n - 700_000,
            )
            for n, row in sandbox.race.participants.items()
        }
        self._make = make
        self.poster = make(self)

    def alarm(self, alarm: Alarm) -> None:
        self.alarms.pop(alarm.name, None)
        if alarm.on:
            self.alarms[alarm.name] = alarm.text

    def put(self, *results: Result) -> None:
        for result in results:
            self.standings.all[result.registration_id] = result
        self.poster.note_changed([result.registration_id for result in results])

    def withdraw(self, bib: int) -> None:
        self.standings.all.pop(number(bib), None)
        self.poster.note_changed([number(bib)])

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run a new poster over what the store holds; kill it at the end."""
        self.poster = self._make(self)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.poster.run())
            try:
                yield
            finally:
                task.cancel()

    def rows(self, event: EventId = ONE) -> dict[int, Row]:
        return {row["registration_id"]: row for row in standing(self.sandbox.race, event)}

    def splits(self) -> dict[str, int]:
        sets = self.sandbox.race.sets_of(ONE)
        return {split["split_name"]: split["split_id"] for split in sets[0].splits} if sets else {}

    def expected(self, event: EventRules = EVENTS[0]) -> dict[int, Row]:
        """What the service should show, from the results alone."""
        rows: dict[int, Row] = {}
        for result in self.standings.results(event.id):
            desired = desired_row(result, event, EVERYWHERE, self.splits())
            if fields := {name: v for name, v in desired.items() if v is not None}:
                rows[result.registration_id] = fields
        return rows

    def agrees(self) -> bool:
        shown = {
            key: {name: value for name, value in row.items() if not name.endswith("_id")}
            for key, row in self.rows().items()
        }
        return {key: row for key, row in shown.items() if row} == self.expected()

    def posts(self) -> list[int]:
        """Sizes of the uploads that came in, in order."""
        return [len(rows) for rows in self.uploads()]

    def uploads(self) -> list[list[Row]]:
        return [
            _rows(e.call.form["request"])
            for e in self.sandbox.log
            if e.call.path.endswith("full-results")
        ]


def _rows(request: str) -> list[Row]:
    rows: list[Row] = json.loads(request)["results"]
    return rows


@contextlib.asynccontextmanager
async def box(
    runners: int = 60,
    *,
    served: frozenset[str] = EVERYWHERE,
    send: bool = True,
    result_set: str | int = "Live Results",
    manners: Manners = BRISK,
    speed: float = 50.0,
    events: Sequence[EventRules] = EVENTS[:1],
    watch: bool = True,
) -> AsyncIterator[Box]:
    clock, watcher = QuickClock(speed), ContractWatcher()
    names = {event.id: event.name for event in events}
    sandbox = Sandbox(make_race(runners, events=names), clock, observers=[watcher] if watch else [])
    rules = PostingRules(
        events=tuple(events),
        served=served,
        result_sets={event.id: result_set for event in events},
        send=send,
        manners=manners,
    )
    async with client_of(sandbox, clock, timeout_s=0.25) as client:

        def make(here: Box) -> Poster:
            return Poster(
                rules,
                provider=client,
                ledger=here.store,
                notes=here.store,
                results=here.standings,
                entrant=here.people.get,
                clock=clock,
                alarm=here.alarm,
            )

        yield Box(sandbox, clock, make)
    assert watcher.faults == []


async def test_the_first_result_creates_set_and_splits_and_is_posted_by_registration() -> None:
    async with box() as b, b.running():
        b.put(finisher(7, 2400))
        await until(lambda: b.rows() != {} and b.poster.status.pending == 0)
        (made,) = b.sandbox.race.sets_of(ONE)
        assert made.name == "Live Results"
        assert [split["split_name"] for split in made.splits] == ["5K"]
        row = b.rows()[number(7)]
        assert (row["clock_time"], row["chip_time"], row["place"]) == ("0:40:00.0", "0:40:00.0", 7)
        assert row[f"split-{b.splits()['5K']}"] == "0:20:00.0"
        assert b.uploads()[0][0].keys() >= {"registration_id"}
        assert "bib" not in b.uploads()[0][0]
        status = b.poster.status
        assert (status.posted, status.refused, status.last_error) == (1, 0, None)


async def test_batches_are_small_finishers_first_and_only_changes_follow() -> None:
    async with box() as b:
        b.put(*[runner(bib, 900 + bib) for bib in range(1, 31)])
        b.put(*[finisher(bib, 2400 + bib) for bib in range(31, 61)])
        async with b.running():
            await until(b.agrees)
            assert max(b.posts()) == 25
            first = [row["registration_id"] for rows in b.uploads()[:1] for row in rows]
            assert set(first) <= {number(bib) for bib in range(31, 61)}
            await until(lambda: b.poster.status.pending == 0)
            before = len(b.uploads())
            b.put(finisher(60, 2460, place=1))
            await until(b.agrees)
            assert b.uploads()[before:] == [[{"registration_id": number(60), "place": 1}]]


async def test_a_box_at_a_split_posts_its_split_and_nothing_else() -> None:
    async with box(served=frozenset({"5k"})) as b, b.running():
        b.put(finisher(7, 2400))
        await until(lambda: b.rows() != {})
        assert b.uploads() == [
            [{"registration_id": number(7), f"split-{b.splits()['5K']}": "0:20:00.0"}]
        ]


async def test_missing_splits_are_appended_and_those_there_keep_id_and_order() -> None:
    async with box() as b:
        race = b.sandbox.race
        other = b.sandbox.race.new_id()
        await seeded(b, "live  results", [{"split_id": other, "split_name": "Relay", "x": 1}])
        async with b.running():
            b.put(finisher(7, 2400))
            await until(lambda: b.rows() != {})
            (there,) = race.sets_of(ONE)
            assert [s["split_name"] for s in there.splits] == ["Relay", "5K"]
            assert (there.splits[0]["split_id"], there.splits[0]["x"]) == (other, 1)


async def seeded(b: Box, name: str, splits: list[Row]) -> int:
    made = StoredSet(
        id=b.sandbox.race.new_id(),
        event_id=1,
        name=name,
        settings={"public_results": "T", "preliminary_results": "T"},
        splits=splits,
    )
    b.sandbox.race.sets[made.id] = made
    return made.id


async def test_a_set_asked_for_by_a_number_that_is_not_there_is_not_invented() -> None:
    async with box(result_set=4711) as b, b.running():
        b.put(finisher(7, 2400))
        await until(lambda: "posting-1-stopped" in b.alarms)
        assert "no result set 4711" in b.alarms["posting-1-stopped"]
        assert b.sandbox.race.sets == {}
        assert b.poster.status.pending == 1


async def test_two_boxes_starting_together_end_in_one_set() -> None:
    async with box() as b:
        b.sandbox.latency_s = 1.0
        other = Box(b.sandbox, b.clock, b._make)
        async with b.running(), other.running():
            b.put(finisher(7, 2400))
            other.put(finisher(8, 2500))
            await until(lambda: b.store.ledger != {} and other.store.ledger != {})
            await until(lambda: {number(7), number(8)} <= set(_lowest_rows(b.sandbox)))


def _lowest_rows(sandbox: Sandbox) -> dict[int, Row]:
    sets = sandbox.race.sets
    return sets[min(sets)].rows if sets else {}


async def test_ids_of_splits_replaced_by_another_box_are_found_again() -> None:
    async with box() as b, b.running():
        b.put(finisher(7, 2400))
        await until(b.agrees)
        (there,) = b.sandbox.race.sets_of(ONE)
        there.splits = [{"split_id": 5, "split_name": "5K"}]
        there.rows[number(7)].pop(next(n for n in there.rows[number(7)] if n.startswith("split")))
        await until(lambda: there.rows[number(7)].get("split-5") == "0:20:00.0")


async def test_a_set_deleted_at_the_service_is_made_again_and_everything_posted_again() -> None:
    async with box() as b, b.running():
        b.put(*[finisher(bib, 2400 + bib) for bib in range(1, 31)])
        await until(b.agrees)
        b.sandbox.race.sets.clear()
        b.put(finisher(31, 2500))
        await until(lambda: len(b.rows()) == 31)
        assert b.agrees()


async def test_a_withdrawn_split_is_cleared_and_a_withdrawn_finish_told() -> None:
    async with box() as b, b.running():
        b.put(finisher(7, 2400))
        await until(b.agrees)
        b.withdraw(7)
        await until(lambda: not any(n.startswith("split") for n in b.rows()[number(7)]))
        await until(lambda: "posting-1-stale" in b.alarms)
        assert "bib 7" in b.alarms["posting-1-stale"]
        assert b.rows()[number(7)]["clock_time"] == "0:40:00.0"
        b.put(finisher(7, 2401))
        await until(b.agrees)
        await until(lambda: b.alarms == {})


async def test_status_words_stand_in_both_times() -> None:
    async with box() as b, b.running():
        b.put(Result(number(7), ONE, Status.DNF, None, None, ()))
        await until(b.agrees)
        assert b.rows()[number(7)]["clock_time"] in WORDS


async def test_a_bad_row_is_isolated_told_and_tried_again_only_when_it_changes() -> None:
    async with box() as b:
        del b.sandbox.race.participants[number(13)]
        b.put(*[finisher(bib, 2400 + bib) for bib in range(1, 31)])
        async with b.running():
            await until(lambda: len(b.rows()) == 29)
            await until(lambda: b.poster.status.refused == 1 and b.poster.status.pending == 0)
            assert "bib 13" in b.alarms["posting-1-refused"]
            assert b.store.ledger[1, number(13)].refused
            b.put(finisher(40, 2500))
            b.poster.note_changed([number(13)])
            await until(lambda: number(40) in b.rows())
        tried = sum(row["registration_id"] == number(13) for rows in b.uploads() for row in rows)
        async with b.running():
            await until(lambda: b.poster.status.refused == 1 and b.poster.status.pending == 0)
            b.sandbox.race.add({"registration_id": number(13), "event_id": 1}, now_s=1)
            b.put(finisher(13, 2999))
            await until(b.agrees)
            await until(lambda: b.alarms == {})
        again = sum(row["registration_id"] == number(13) for rows in b.uploads() for row in rows)
        assert again == tried + 1


async def test_when_every_row_is_refused_the_rows_are_not_blamed() -> None:
    async with box() as b:
        people = dict(b.sandbox.race.participants)
        b.sandbox.race.participants.clear()
        b.put(*[finisher(bib, 2400 + bib) for bib in range(1, 11)])
        async with b.running():
            await until(lambda: "hardly the rows" in b.alarms.get("posting-1-stopped", ""))
            assert b.poster.status.refused == 0
            b.sandbox.race.participants.update(people)
            await until(b.agrees)
            await until(lambda: b.alarms == {})


async def test_refused_credentials_are_an_alarm_and_come_back_by_themselves() -> None:
    async with box() as b:
        keys = dict(b.sandbox.keys)
        b.sandbox.keys.clear()
        async with b.running():
            b.put(finisher(7, 2400))
            await until(lambda: "code 6" in b.alarms.get("posting-1-stopped", ""))
            assert "code 6" in str(b.poster.status.last_error)
            b.sandbox.keys.update(keys)
            await until(b.agrees)
            await until(lambda: b.poster.status.last_error is None and b.alarms == {})


@pytest.mark.parametrize(
    "faults",
    [
        {"503": 0.5},
        {"reset": 0.5},
        {"apply-then-reset": 0.5},
        {"code14": 0.5},
        {"garbage": 0.5},
        {"html": 0.3, "timeout": 0.05, "apply-then-reset": 0.3},
    ],
)
async def test_faults_neither_lose_nor_double(faults: dict[str, float]) -> None:
    async with box() as b, b.running():
        b.sandbox.faults.set(faults)
        for bib in range(1, 61):
            b.put(finisher(bib, 2400 + bib))
            await asyncio.sleep(0)
        await until(b.agrees, 60)
        assert len(b.sandbox.race.sets) == 1
        assert len({row["result_id"] for row in b.rows().values()}) == 60


async def test_a_split_whose_reply_was_lost_and_that_was_then_withdrawn_is_cleared() -> None:
    async with box() as b:
        async with b.running():
            b.put(finisher(1, 2400))
            await until(b.agrees)
            b.sandbox.faults.set({"apply-then-reset": 1.0})
            b.put(runner(7, 900))
            await until(lambda: number(7) in b.rows())
        b.withdraw(7)
        b.sandbox.faults.set({})
        async with b.running():
            await until(b.agrees)


async def test_a_poster_killed_again_and_again_ends_with_everything_posted_once() -> None:
    async with box() as b:
        b.sandbox.latency_s = 0.3
        draw = random.Random(3)
        for turn in range(12):
            async with b.running():
                b.put(*[finisher(bib, 2400 + turn) for bib in draw.sample(range(1, 61), 20)])
                await asyncio.sleep(draw.random() * 0.03)
        async with b.running():
            await until(b.agrees)
            await until(lambda: b.poster.status.pending == 0)
        before = len(b.uploads())
        async with b.running():
            await until(lambda: b.poster.status.posted == len(b.rows()))
            b.put(finisher(1, 1))
            await until(b.agrees)
        assert b.posts()[before:] == [1]


async def test_the_ledger_in_a_real_file_outlives_kills_and_reopenings(tmp_path: Path) -> None:
    async with box() as b:
        b.sandbox.faults.set({"apply-then-reset": 0.3})
        for turn in range(4):
            async with opened(tmp_path) as store:
                b.store = store
                async with b.running():
                    b.put(*[finisher(bib, 2400 + turn) for bib in range(1 + turn, 60, 4)])
                    b.put(runner(60, 900 + turn))
                    await asyncio.sleep(0.03)
        b.withdraw(60)
        b.sandbox.faults.set({})
        async with opened(tmp_path) as store:
            b.store = store
            async with b.running():
                await until(b.agrees)
                await until(lambda: b.poster.status.pending == 0)
            before = len(b.uploads())
        async with opened(tmp_path) as store:
            b.store = store
            async with b.running():
                await until(lambda: b.poster.status.posted == 59)
                b.put(finisher(1, 1))
                await until(b.agrees)
        assert b.posts()[before:] == [1]
        assert len({row["result_id"] for row in b.rows().values()}) == len(b.rows())


async def test_shadow_mode_shows_and_sends_nothing() -> None:
    async with box(send=False) as b, b.running():
        b.put(finisher(7, 2400), runner(8, 900))
        await until(lambda: b.poster.status.pending == 2)
        shown = {row.bib: row.fields for row in await b.poster.preview()}
        assert shown[7]["clock_time"] == "0:40:00.0"
        assert shown[8] == {"split-5K": "0:15:00.0"}
        assert not b.poster.status.sending
        assert list(b.sandbox.log) == []
        assert await b.poster.preview(EventId(99)) == []


async def test_what_waits_is_counted_while_the_service_is_away() -> None:
    patient = Manners(retry_s=(600.0, 600.0))
    async with box(manners=patient) as b, b.running():
        b.sandbox.faults.set({"503": 1.0})
        b.put(finisher(1, 2400))
        await until(lambda: b.poster.status.last_error is not None)
        b.put(finisher(2, 2401), finisher(3, 2402))
        await until(lambda: b.poster.status.pending == 3)
        assert "HTTP 503" in str(b.poster.status.last_error)
        await until(lambda: b.poster.status.lag_s > 1)


async def test_preview_shows_only_what_would_change() -> None:
    async with box() as b, b.running():
        b.put(finisher(7, 2400), finisher(8, 2500))
        await until(b.agrees)
        await until(lambda: b.poster.status.pending == 0)
        b.standings.all[number(8)] = finisher(8, 2500, place=2)
        (row,) = await b.poster.preview(ONE)
        assert (row.bib, row.fields, row.refused) == (8, {"place": 2}, None)


async def test_nothing_is_posted_or_cleared_before_the_results_are_complete() -> None:
    async with box() as b:
        async with b.running():
            b.put(finisher(7, 2400))
            await until(b.agrees)
        kept, b.standings.all = b.standings.all, {}
        b.standings.complete.clear()
        async with b.running():
            b.poster.note_changed([number(7)])
            await b.clock.sleep(5)
            b.standings.all = kept
            b.standings.complete.set()
            b.put(finisher(8, 2500))
            await until(b.agrees)
        assert all("X" not in row.values() for rows in b.uploads() for row in rows)


async def test_who_is_no_longer_registered_is_told_and_not_posted() -> None:
    async with box() as b, b.running():
        b.put(finisher(7, 2400))
        await until(b.agrees)
        del b.people[number(7)]
        b.put(finisher(7, 2300))
        await until(lambda: "no longer registered" in b.alarms.get("posting-1-stale", ""))
        assert b.poster.status.pending == 0


async def test_a_runner_of_whom_no_row_can_be_made_holds_up_nobody() -> None:
    async with box() as b, b.running():
        b.put(finisher(2, 2400))
        await until(b.agrees)
        bad = Result(number(1), ONE, Status.FINISHED, "x", 1, (), 1)  # type: ignore[arg-type]
        b.put(bad, finisher(3, 2500))
        await until(lambda: number(3) in b.rows())
        assert "bib 1" in b.alarms["posting-1-broken"]
        b.put(finisher(1, 2300))
        await until(b.agrees)
        await until(lambda: b.alarms == {})


class OddStore(MemoryStore):
    """Its ledger refuses lines of event 1."""

    async def settle(self, rows: Sequence[PostRow]) -> None:
        if rows[0].event_id == 1:
            raise RuntimeError("a defect")
        await super().settle(rows)


async def test_a_bug_in_one_event_stops_no_other() -> None:
    async with box(events=EVENTS) as b:
        b.store = OddStore()
        async with b.running():
            there = [n for n, row in b.sandbox.race.participants.items() if row["event_id"] == 2]
            b.put(finisher(1, 2400), finisher(there[0] - 700_000, 1500, event=EventId(2)))
            await until(lambda: there[0] in b.rows(EventId(2)))
            await until(lambda: "internal error" in b.alarms.get("posting-1-stopped", ""))
            assert b.rows() == {}


async def test_the_pace_of_five_thousand_finishers_in_ten_minutes_is_kept() -> None:
    """A quarter of them in a quarter of the time, with 2 s until each answer."""
    async with box(1250, manners=Manners(), speed=20.0, watch=False) as b:
        b.sandbox.latency_s = 2.0
        began = b.clock.boot_ns()
        async with b.running():
            b.put(*[finisher(bib, 2400 + bib) for bib in range(1, 1251)])
            sets = b.sandbox.race.sets
            await until(lambda: any(len(each.rows) == 1250 for each in sets.values()), 60)
        assert (b.clock.boot_ns() - began) / S < 150


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["finish", "split", "withdraw", "kill", "fault", "calm", "wait"]),
        st.integers(1, 8),
    ),
    max_size=25,
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
def test_any_history_ends_as_desired(steps: list[tuple[str, int]]) -> None:
    asyncio.run(history(steps))


async def history(steps: list[tuple[str, int]]) -> None:
    """Play a history in which finishes are only corrected (no post can withdraw them)."""
    kinds = ["503", "apply-then-reset", "reset", "code14", "garbage", "html"]
    async with box(10) as b:
        playing = iter(steps)
        over = False
        while not over:
            over = True
            async with b.running():
                for step, n in playing:
                    if step == "kill":
                        over = False
                        break
                    await play(b, step, n, kinds[n % len(kinds)])
        b.sandbox.faults.set({})
        async with b.running():
            await until(b.agrees)
            await until(lambda: b.poster.status.pending == 0)
            assert b.poster.status.refused == 0


async def play(b: Box, step: str, n: int, fault: str) -> None:
    known = b.standings.all.get(number(n))
    match step:
        case "finish":
            b.put(finisher(n, 2400 + len(b.sandbox.log), place=n))
        case "split" if known is None or known.status is Status.ON_COURSE:
            b.put(runner(n, 900 + len(b.sandbox.log)))
        case "withdraw" if known is not None and known.status is Status.ON_COURSE:
            b.withdraw(n)
        case "fault":
            b.sandbox.faults.set({fault: 0.6})
        case "calm":
            b.sandbox.faults.set({})
        case _:
            await asyncio.sleep(0.004 * n)
