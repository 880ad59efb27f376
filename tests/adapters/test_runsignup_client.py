"""The client against the sandbox over real HTTP; both ends held against the written contract."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import pytest

from bridge.adapters.runsignup.client import RunSignup
from bridge.adapters.runsignup.settings import Credentials
from bridge.adapters.sandbox.app import KEY, SECRET, Sandbox
from bridge.adapters.sandbox.calls import Exchange
from bridge.adapters.sandbox.race import make_race
from bridge.app.ports import SplitDef
from bridge.domain.rules import EventId
from bridge.errors import ConfigError, LoginFailed, ProviderError, Refused, TryLater
from tests.support.results_service import (
    ContractWatcher,
    QuickClock,
    client_of,
    running,
    settings,
)

ONE, TWO = EventId(1), EventId(2)
EVENTS = {1: "10K", 2: "5K"}


async def everybody(client: RunSignup, *events: EventId, after: int | None = None) -> list[int]:
    pages = client.participants(events, modified_after=after)
    return [e.registration_id async for page in pages for e in page.entrants]


@pytest.fixture
async def watched() -> AsyncIterator[tuple[Sandbox, RunSignup, ContractWatcher]]:
    watcher, clock = ContractWatcher(), QuickClock()
    sandbox = Sandbox(make_race(100, events=EVENTS), clock, observers=[watcher])
    async with client_of(sandbox, clock, page_rows=20) as client:
        yield sandbox, client, watcher
    assert watcher.faults == []


Watched = tuple[Sandbox, RunSignup, ContractWatcher]


async def test_every_call_keeps_the_contract_in_both_directions(watched: Watched) -> None:
    sandbox, client, watcher = watched
    sandbox.race.add(
        {"registration_id": 5, "event_id": 1, "user": {"first_name": "Zoë & Co +%"}}, now_s=9
    )
    sandbox.race.remove(700_001, now_s=10, reason="transferred", moved_to=700_500)
    assert len(await everybody(client, ONE, TWO)) == 100
    gone = [removal async for removal in client.removed([ONE, TWO], modified_after=0)]
    assert gone == [(700_001, 1, "transferred", 700_500, 10)]
    assert await client.race_zone() == "America/Denver"
    assert await client.result_sets(ONE) == []
    set_id = await client.create_result_set(ONE, "Live & Results")
    assert await client.result_sets(ONE) == [(set_id, "Live & Results")]
    (five,) = await client.write_splits(ONE, set_id, [SplitDef(id=None, name="5K", distance_m=5e3)])
    rows = [
        {"registration_id": 5, f"split-{five.id}": "0:20:00.1", "place": 1, "clock_time": "DNF"}
    ]
    await client.post(ONE, set_id, rows)
    assert sandbox.race.sets[set_id].rows[5]["clock_time"] == "DNF"
    with pytest.raises(Refused):
        await client.post(ONE, set_id, [{"registration_id": 404}])
    assert watcher.seen == {
        "participants.list",
        "participants.removed",
        "race.get",
        "result_sets.list",
        "result_sets.create",
        "splits.set",
        "results.post",
    }
    assert sandbox.race.sets[set_id].settings["public_results"] == "T"
    assert sandbox.race.sets[set_id].settings["disable_notifications"] == "T"


async def test_pages_end_with_a_short_one_even_after_an_exactly_full_one(watched: Watched) -> None:
    sandbox, client, _ = watched
    sandbox.race.participants = {
        number: row for number, row in sandbox.race.participants.items() if row["event_id"] == 1
    }
    for number in list(sandbox.race.participants)[40:]:
        del sandbox.race.participants[number]
    assert len(await everybody(client, ONE)) == 40
    calls = [e.call.given("after_registration_id") for e in sandbox.log]
    assert calls == ["0", "700020", "700040"]


async def test_news_of_several_events_is_one_call_unless_the_page_is_full(watched: Watched) -> None:
    sandbox, client, _ = watched
    base = 1_760_000_000
    sandbox.race.participants[700_003]["last_modified"] = base + 50
    sandbox.race.participants[700_090]["last_modified"] = base + 60
    assert await everybody(client, ONE, TWO, after=base + 50) == [700_003, 700_090]
    assert len(sandbox.log) == 1
    assert sorted(await everybody(client, ONE, TWO, after=base)) == sorted(
        sandbox.race.participants
    )


async def test_removals_are_paged(watched: Watched) -> None:
    sandbox, client, _ = watched
    for number in list(sandbox.race.participants)[:41]:
        sandbox.race.remove(number, now_s=10)
    gone = [r.registration_id async for r in client.removed([ONE, TWO], modified_after=None)]
    assert gone == list(range(700_001, 700_042))


async def test_an_existing_split_keeps_its_id_and_an_omitted_one_is_lost(watched: Watched) -> None:
    _, client, _ = watched
    set_id = await client.create_result_set(ONE, "Live")
    first = await client.write_splits(ONE, set_id, [SplitDef(id=None, name="5K")])
    both = await client.write_splits(ONE, set_id, [*first, SplitDef(id=None, name="8K")])
    assert both[0].id == first[0].id
    assert [split.name for split in await client.splits(ONE, set_id)] == ["5K", "8K"]


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("503", TryLater),
        ("429", TryLater),
        ("reset", TryLater),
        ("timeout", TryLater),
        ("apply-then-reset", TryLater),
        ("code14", TryLater),
        ("html", TryLater),
        ("garbage", TryLater),
    ],
)
async def test_faults_are_told_apart_from_refusals(kind: str, error: type[ProviderError]) -> None:
    clock = QuickClock()
    sandbox = Sandbox(make_race(3), clock)
    async with client_of(sandbox, clock, timeout_s=0.2) as client:
        set_id = await client.create_result_set(ONE, "Live")
        sandbox.faults.set({kind: 1.0})
        with pytest.raises(error) as caught:
            await client.post(ONE, set_id, [{"registration_id": 700_001, "place": 1}])
        applied = kind in {"apply-then-reset", "garbage"}
        assert bool(sandbox.race.sets[set_id].rows) == applied
        assert SECRET not in str(caught.value)
        sandbox.faults.set({})
        await client.post(ONE, set_id, [{"registration_id": 700_001, "place": 1}])
        assert len(sandbox.race.sets[set_id].rows) == 1


async def test_nobody_there_is_for_later() -> None:
    clock = QuickClock()
    client = RunSignup(settings("http://127.0.0.1:9/rest", make_race(0)), clock)
    with pytest.raises(TryLater, match="cannot be reached"):
        await client.race_zone()
    await client.close()


async def test_a_race_or_event_that_is_not_there_concerns_the_whole() -> None:
    clock = QuickClock()
    sandbox = Sandbox(make_race(3), clock)
    async with client_of(sandbox, clock, race_id=99) as client:
        with pytest.raises(Refused, match="check race_id") as race:
            await client.race_zone()
    async with client_of(sandbox, clock) as client:
        with pytest.raises(Refused) as event:
            await client.result_sets(EventId(77))
    assert race.value.whole
    assert event.value.whole


@pytest.mark.parametrize("scheme", ["api_key", "api_v2", "super_partner"])
async def test_each_scheme_gets_in_and_a_wrong_secret_does_not(scheme: str) -> None:
    clock = QuickClock()
    sandbox = Sandbox(make_race(3), clock)
    good = Credentials(scheme=scheme, key=KEY, secret=SECRET)  # type: ignore[arg-type]
    bad = Credentials(scheme=scheme, key=KEY, secret="wrong")  # type: ignore[arg-type]  # noqa: S106
    async with client_of(sandbox, clock, credentials=good) as client:
        assert await client.race_zone()
    async with client_of(sandbox, clock, credentials=bad) as client:
        with pytest.raises(LoginFailed, match="code 6"):
            await client.race_zone()


async def test_credentials_are_renewed_once_and_only_if_there_are_others() -> None:
    clock = QuickClock()
    sandbox = Sandbox(make_race(3), clock)
    old = Credentials(scheme="api_v2", key=KEY, secret="old")  # noqa: S106
    offered = [Credentials(scheme="api_v2", key=KEY, secret=SECRET), old]

    def renew() -> Credentials:
        return offered.pop()

    async with running(sandbox) as url:
        client = RunSignup(settings(url, sandbox.race, credentials=old), clock, renew)
        with pytest.raises(LoginFailed):
            await client.race_zone()
        assert len(sandbox.log) == 1
        assert await client.race_zone() == "America/Denver"
        assert len(sandbox.log) == 3
        assert await client.race_zone() == "America/Denver"
        assert offered == []
        await client.close()


async def test_credentials_that_cannot_be_renewed_leave_the_services_own_words() -> None:
    clock = QuickClock()
    sandbox = Sandbox(make_race(3), clock, keys={})

    def renew() -> Credentials:
        raise ConfigError("files are half replaced")

    async with running(sandbox) as url:
        client = RunSignup(settings(url, sandbox.race), clock, renew)
        with pytest.raises(LoginFailed, match="code 6"):
            await client.race_zone()
        await client.close()


def test_half_a_caller_registration_is_refused_before_any_call() -> None:
    with pytest.raises(ConfigError):
        Credentials(scheme="api_v2", key="k", secret="s", registration_id="1.t")  # noqa: S106


async def test_a_whole_caller_registration_is_sent_as_a_pair() -> None:
    seen: list[Exchange] = []
    clock = QuickClock()
    sandbox = Sandbox(make_race(3), clock, observers=[seen.append])
    both = Credentials(
        scheme="api_v2",
        key=KEY,
        secret=SECRET,
        registration_id="7.token",
        registration_secret="hush",  # noqa: S106
    )
    async with client_of(sandbox, clock, credentials=both) as client:
        assert await client.race_zone()
    assert seen[0].call.query["rsu_api_reg"] == "7.token"
    assert seen[0].call.headers["x-rsu-api-reg-secret"] == "hush"


async def test_no_secret_reaches_log_error_or_repr(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    clock = QuickClock()
    secret = Credentials(scheme="api_key", key="kkkk1", secret="ssss2")  # noqa: S106
    sandbox = Sandbox(make_race(3), clock, keys={"kkkk1": "ssss2"})
    async with client_of(sandbox, clock, credentials=secret) as client:
        assert await client.race_zone()
    client = RunSignup(settings("http://kkkk1-ssss2.invalid/rest", sandbox.race), clock)
    errors: list[str] = []
    for base in ("http://ssss2.invalid/rest", "kkkk1://x/ssss2"):
        client = RunSignup(settings(base, sandbox.race, credentials=secret), clock)
        with pytest.raises(ProviderError) as caught:
            await client.race_zone()
        errors.append(str(caught.value))
        await client.close()
    told = caplog.text + repr(secret) + repr(client) + "".join(errors)
    assert "kkkk1" not in told
    assert "ssss2" not in told


async def test_at_most_two_calls_are_in_flight() -> None:
    clock = QuickClock()
    sandbox = Sandbox(make_race(3), clock, latency_s=1.0)
    inside: list[int] = [0]
    most: list[int] = [0]
    sleep = clock.sleep

    class Counting(QuickClock):
        async def sleep(self, seconds: float) -> None:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            await sleep(seconds)
            inside[0] -= 1

    sandbox = Sandbox(make_race(3), Counting(), latency_s=1.0)
    async with client_of(sandbox, clock) as client, asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(client.race_zone())
    assert len(sandbox.log) == 8
    assert most == [2]


@contextlib.asynccontextmanager
async def saying(head: bytes, body: bytes = b"") -> AsyncIterator[str]:
    """A server that answers every request with the same bytes."""

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(reply, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/rest"


async def test_retry_after_is_passed_on() -> None:
    async with saying(b"HTTP/1.1 503 Busy\r\nRetry-After: 11\r\n") as url:
        client = RunSignup(settings(url, make_race(0)), QuickClock())
        with pytest.raises(TryLater) as caught:
            await client.race_zone()
        await client.close()
    assert caught.value.after_s == 11.0


async def test_a_service_that_repeats_itself_does_not_hold_us_for_ever() -> None:
    people = b",".join(b'{"registration_id":%d}' % n for n in range(1, 11))
    body = b'[{"event":{"event_id":1},"participants":[' + people + b"]}]"
    async with saying(b"HTTP/1.1 200 OK\r\n", body) as url:
        client = RunSignup(settings(url, make_race(0), page_rows=10), QuickClock())
        with pytest.raises(TryLater, match="over and over"):
            await everybody(client, ONE)
        await client.close()


async def test_a_row_reported_bad_inside_a_success_is_not_taken_for_accepted() -> None:
    body = b'{"results":[{"result_id":1},{"error":{"error_code":15,"error_msg":"bad id"}}]}'
    async with saying(b"HTTP/1.1 200 OK\r\n", body) as url:
        client = RunSignup(settings(url, make_race(0)), QuickClock())
        with pytest.raises(Refused, match="bad id"):
            await client.post(ONE, 5, [{"registration_id": 1}, {"registration_id": 2}])
        await client.close()
