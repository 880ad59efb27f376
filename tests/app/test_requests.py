"""Commands over MQTT, against an outlet made by hand."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import orjson
import pytest

from bridge.app.broker import Done, Topics
from bridge.app.requests import LARGEST, PAGE, WAITING, Requests, crossings_handler
from bridge.errors import UsageError
from tests.support.mqtt_race import Fresh, Memory, running, until

TOPICS = Topics("base/7", "mat-a")


class Answers:
    """Keeps what was answered, by command."""

    window = 60
    idle = True

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, object]]] = []

    def send(self, topic: str, payload: bytes, done: Done, *, retain: bool = False) -> None:
        assert not retain
        self.sent.append((topic, orjson.loads(payload)))
        done(None)

    def drop(self, topic: str, payload: bytes) -> None:
        raise AssertionError((topic, payload))


async def status(_: dict[str, object]) -> Mapping[str, object]:
    return {"up": True}


async def gun(request: dict[str, object]) -> Mapping[str, object]:
    if "event_id" not in request:
        raise UsageError("event_id is missing.")
    return {"mark": 1 // int(str(request["event_id"]))}


@asynccontextmanager
async def serving(**more: object) -> AsyncIterator[tuple[Requests, Answers]]:
    requests = Requests(TOPICS, {"status": status, "gun": gun, **more})  # type: ignore[dict-item]
    answers = Answers()
    async with running(requests.serve(answers)):
        yield requests, answers


async def ask(command: str, payload: bytes) -> dict[str, object]:
    async with serving() as (requests, answers):
        requests.received(f"base/7/request/mat-a/{command}", payload)
        await until(lambda: answers.sent)
        topic, answer = answers.sent[0]
        assert topic == f"base/7/response/mat-a/{command}"
        return answer


async def test_an_answer_has_the_id_of_its_request() -> None:
    assert await ask("status", b'{"id": "q1"}') == {
        "id": "q1",
        "ok": True,
        "result": {"up": True},
    }


async def test_errors_are_sentences() -> None:
    assert await ask("gun", b'{"id": 5}') == {
        "id": 5,
        "ok": False,
        "error": "event_id is missing.",
    }
    assert await ask("gun", b'{"id": 6, "event_id": 0}') == {
        "id": 6,
        "ok": False,
        "error": "The bridge failed at this; its log says why.",
    }
    assert await ask("reboot", b'{"id": 7}') == {
        "id": 7,
        "ok": False,
        "error": "There is no command 'reboot'; there are: gun, status.",
    }


@pytest.mark.parametrize("payload", [b"", b"{", b"[1]", b"\xff\xfe", b"1", b" " * (LARGEST + 1)])
async def test_garbage_is_answered_and_survived(payload: bytes) -> None:
    answer = await ask("gun", payload)

    assert answer["id"] is None
    assert answer["ok"] is False
    assert "JSON object" in str(answer["error"])


async def test_requests_to_others_are_not_ours() -> None:
    async with serving() as (requests, answers):
        requests.received("base/7/request/mat-b/status", b'{"id": 1}')
        requests.received("base/8/request/mat-a/status", b'{"id": 2}')
        requests.received("base/7x/request/mat-a/status", b'{"id": 3}')
        requests.received("base/7/request/mat-a/status", b'{"id": 4}')
        await until(lambda: answers.sent)

        assert [answer["id"] for _, answer in answers.sent] == [4]


async def test_a_slow_command_delays_no_other() -> None:
    release = asyncio.Event()

    async def slow(_: dict[str, object]) -> Mapping[str, object]:
        await release.wait()
        return {}

    async with serving(crossings=slow) as (requests, answers):
        for number in range(WAITING + 5):
            requests.received("base/7/request/mat-a/crossings", b'{"id": %d}' % number)
        requests.received("base/7/request/mat-a/gun", b'{"id": "g", "event_id": 1}')
        await until(lambda: answers.sent)

        assert [answer["id"] for _, answer in answers.sent] == ["g"]
        assert requests.dropped > 0

        release.set()
        await until(lambda: len(answers.sent) >= WAITING)


async def crossings(memory: Memory, first: object, last: object) -> dict[str, object]:
    handler = crossings_handler(memory, lambda: memory.next_seq - 1)
    found: dict[str, object] = orjson.loads(
        orjson.dumps(await handler({"id": 1, "from_seq": first, "to_seq": last}))
    )
    return found


async def test_crossings_are_given_as_published() -> None:
    memory = Memory()
    rows = memory.record(5)

    assert await crossings(memory, 2, 3) == {
        "from_seq": 2,
        "to_seq": 3,
        "last_seq": 5,
        "crossings": [orjson.loads(row.payload) for row in rows[1:3]],
    }


async def test_a_hole_in_a_fresh_store_is_one_answer() -> None:
    memory = Fresh()
    assert (await crossings(memory, 1, 200))["to_seq"] == memory.next_seq - 1
    rows = memory.record(3)
    empty = await crossings(memory, 1, 200)
    assert (empty["to_seq"], empty["crossings"]) == (rows[0].seq - 1, [])
    found = await crossings(memory, rows[0].seq, rows[0].seq + 200)
    assert found["crossings"] == [orjson.loads(row.payload) for row in rows]
    assert (await crossings(memory, 10, 5))["to_seq"] == 9


async def test_crossings_come_a_page_at_a_time() -> None:
    memory = Memory()
    memory.record(PAGE + 10)

    first = await crossings(memory, 1, 10**15)
    second = await crossings(memory, PAGE + 1, 10**15)

    assert (first["to_seq"], second["to_seq"]) == (PAGE, PAGE + 10)
    assert isinstance(second["crossings"], list)
    assert len(second["crossings"]) == 10


async def test_beyond_the_last_there_is_nothing() -> None:
    assert await crossings(Memory(), 1, 100) == {
        "from_seq": 1,
        "to_seq": 0,
        "last_seq": 0,
        "crossings": [],
    }


@pytest.mark.parametrize("first", [0, -1, "1", 1.0, True, None])
async def test_a_seq_must_be_a_whole_number(first: object) -> None:
    with pytest.raises(UsageError, match="from_seq must be a whole number"):
        await crossings(Memory(), first, 5)
