"""The participants stage against the sandbox over real HTTP."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

import pytest

from bridge.adapters.sandbox.app import Sandbox
from bridge.adapters.sandbox.race import make_race
from bridge.app.people_csv import FILE_IDS
from bridge.app.roster import Roster
from bridge.domain.entrants import Entrant, RegistrationId
from bridge.domain.rules import EventId
from bridge.errors import TryLater
from tests.support.results_service import (
    ContractWatcher,
    MemoryStore,
    QuickClock,
    client_of,
    until,
)

EVENTS = {1: "10K", 2: "5K"}
Told = list[Mapping[RegistrationId, Entrant]]


class Desk:
    """One roster with everything around it."""

    def __init__(
        self,
        sandbox: Sandbox,
        store: MemoryStore,
        roster: Roster,
        watcher: ContractWatcher,
        told: Told,
    ) -> None:
        self.watcher = watcher
        self.sandbox = sandbox
        self.race = sandbox.race
        self.store = store
        self.roster = roster
        self.told = told

    def asked(self, path: str) -> int:
        return sum(1 for e in self.sandbox.log if e.call.path.endswith(path))


@contextlib.asynccontextmanager
async def desk(runners: int = 30, store: MemoryStore | None = None) -> AsyncIterator[Desk]:
    clock, watcher = QuickClock(), ContractWatcher()
    race = make_race(runners, events=EVENTS, now_s=clock.utc_ns() // 10**9 - 3600)
    sandbox = Sandbox(race, clock, observers=[watcher])
    store = store or MemoryStore()
    told: Told = []
    async with client_of(sandbox, clock, page_rows=10, timeout_s=0.3) as client:
        roster = Roster(
            [EventId(1), EventId(2)],
            every_s=30,
            provider=client,
            store=store,
            clock=clock,
            on_change=told.append,
        )
        yield Desk(sandbox, store, roster, watcher, told)
    assert watcher.faults == []


@contextlib.asynccontextmanager
async def started(roster: Roster) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(roster.run())
        yield
        task.cancel()


async def test_everybody_comes_first_and_is_told_once_durable() -> None:
    async with desk() as d:
        pulled = await d.roster.pull()
        assert pulled.changed == 30
        assert {e.bib for e in d.store.people.values()} == set(range(1, 31))
        assert [len(everybody) for everybody in d.told] == [30]
        assert d.roster.status.participants == 30
        assert d.roster.status.last_success_at is not None


async def test_no_news_costs_one_call_and_one_for_removals_and_no_write() -> None:
    async with desk() as d:
        await d.roster.pull()
        d.sandbox.log.clear()
        writes = d.store.merges
        for _ in range(3):
            assert (await d.roster.pull()).changed == 0
        # After the first load the delta is the whole race once more: all have one time stamp.
        assert d.asked("/removed-participants") == 3
        assert d.store.merges == writes
        assert len(d.told) == 1


async def test_a_quiet_delta_is_exactly_two_calls() -> None:
    async with desk() as d:
        d.race.add({"registration_id": 1, "event_id": 1, "bib_num": 99}, now_s=d.sandbox.now_s)
        await d.roster.pull()
        await d.roster.pull()
        d.sandbox.log.clear()
        await d.roster.pull()
        assert [e.call.path.rpartition("/")[2] for e in d.sandbox.log] == [
            "participants",
            "removed-participants",
        ]


async def test_news_removals_and_transfers_follow() -> None:
    async with desk() as d:
        await d.roster.pull()
        now = d.sandbox.now_s
        d.race.add(d.race.participants[700_005] | {"chip_num": "NEW"}, now_s=now)
        d.race.remove(700_006, now_s=now)
        moved = {**d.race.participants[700_007], "registration_id": 900_001, "event_id": 2}
        d.race.remove(700_007, now_s=now, reason="transferred", moved_to=900_001)
        d.race.add(moved, now_s=now)
        pulled = await d.roster.pull()
        assert (pulled.changed, pulled.removed) == (2, 2)
        people = d.store.people
        assert people[RegistrationId(700_005)].chips == ("NEW",)
        assert RegistrationId(700_006) not in people
        assert RegistrationId(700_007) not in people
        assert people[RegistrationId(900_001)].event_id == 2
        assert len(d.told) == 2


async def test_a_runner_moved_under_the_same_number_is_in_one_event_only() -> None:
    async with desk() as d:
        await d.roster.pull()
        d.race.add(d.race.participants[700_005] | {"event_id": 2}, now_s=d.sandbox.now_s)
        await d.roster.pull()
        assert d.store.people[RegistrationId(700_005)].event_id == 2
        await d.roster.pull(whole=True)
        assert len(d.store.people) == 30


async def test_a_removal_missed_while_its_call_failed_is_not_missed_for_ever() -> None:
    async with desk() as d:
        await d.roster.pull()
        d.race.remove(700_006, now_s=d.sandbox.now_s)
        later = d.sandbox.now_s + 600
        d.race.add(d.race.participants[700_005] | {"chip_num": "NEW"}, now_s=later)
        removed, d.race.removed = d.race.removed, [{"last_modified_ts": "broken"}]
        with pytest.raises(TryLater):
            await d.roster.pull()
        d.race.removed = removed
        pulled = await d.roster.pull()
        assert (pulled.changed, pulled.removed) == (1, 1)


async def test_odd_rows_are_said_and_stop_nothing() -> None:
    async with desk() as d:
        d.race.participants[700_005]["bib_num"] = "A-5"
        d.race.participants[700_006]["user"] = {}
        pulled = await d.roster.pull()
        assert pulled.changed == 30
        assert d.roster.status.skipped == ("registration 700005: bib 'A-5' is not a number",)
        assert len(d.watcher.faults) == 3  # the sandbox was made to say what the contract forbids
        d.watcher.faults.clear()


async def test_a_restart_with_what_is_stored_asks_only_for_news() -> None:
    store = MemoryStore()
    async with desk(store=store) as first:
        await first.roster.pull()
    writes = store.merges
    async with desk(store=store) as second:
        await second.roster.pull()
        assert second.sandbox.log[0].call.given("modified_after_timestamp")
        assert store.merges == writes
        assert second.told == []


async def test_without_network_what_is_stored_stays_and_it_never_gives_up() -> None:
    async with desk() as d, started(d.roster):
        await until(lambda: len(d.store.people) == 30)
        d.sandbox.faults.set({"reset": 0.4, "503": 0.4, "garbage": 0.5})
        d.race.add({"registration_id": 5, "event_id": 1, "bib_num": 500}, now_s=d.sandbox.now_s)
        d.roster.now()
        await until(lambda: d.roster.status.last_error is not None)
        assert len(d.store.people) == 30
        d.sandbox.faults.set({"503": 1.0})
        await until(lambda: "503" in str(d.roster.status.last_error))
        d.sandbox.faults.set({})
        await until(lambda: len(d.store.people) == 31)
        await until(lambda: d.roster.status.last_error is None)


async def test_now_means_now_and_whole_means_everybody() -> None:
    store = MemoryStore()
    ghost = Entrant(registration_id=RegistrationId(9), event_id=EventId(1))
    for event_id in (EventId(1), EventId(2)):
        await store.merge(event_id, [ghost], [], cursor=2_000_000_000)
    async with desk(store=store) as d, started(d.roster):
        await until(lambda: d.asked("/removed-participants") >= 1)
        assert store.people.keys() == {9}
        d.roster.now(whole=True)
        await until(lambda: len(store.people) == 30)
        assert RegistrationId(9) not in store.people


async def test_an_empty_answer_does_not_wipe_the_race() -> None:
    async with desk() as d:
        await d.roster.pull()
        d.race.participants.clear()
        await d.roster.pull(whole=True)
        assert len(d.store.people) == 30


async def test_people_entered_on_site_outlive_a_whole_load_and_a_restart() -> None:
    async with desk(5) as d:
        await d.roster.pull()
        hand = Entrant(registration_id=RegistrationId(FILE_IDS + 7), event_id=EventId(1), bib=900)
        await d.store.merge(EventId(1), [hand], (), cursor=None)
        gone = next(number for number, e in d.store.people.items() if e.event_id == 1)
        d.race.participants.pop(gone)
        store = d.store
    async with desk(5, store) as again:  # a fresh service, which knows everybody from the store
        again.race.participants.pop(gone)
        await again.roster.pull(whole=True)
        assert hand.registration_id in store.people
        assert gone not in store.people
        assert len(store.people) == 5
