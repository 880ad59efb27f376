"""The sandbox over real HTTP, a watcher for its contract, and fakes of the ports around posting."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import jsonschema

from bridge.adapters.http_server import bind
from bridge.adapters.runsignup.client import RunSignup
from bridge.adapters.runsignup.settings import Credentials, RunSignupSettings
from bridge.adapters.sandbox.app import KEY, SECRET, Sandbox
from bridge.adapters.sandbox.calls import Exchange
from bridge.adapters.sandbox.race import SandboxRace
from bridge.adapters.sandbox.server import serve
from bridge.app.ports import PostRow
from bridge.domain.entrants import Entrant, RegistrationId
from bridge.domain.reads import UtcNs
from bridge.domain.results import Result
from bridge.domain.rules import EventId

CONTRACT = json.loads((Path(__file__).parent.parent / "contracts" / "runsignup.json").read_text())
START_NS = 1_764_000_000_000_000_000


class QuickClock:
    """A clock on which pauses pass `speed` times faster than on the wall."""

    def __init__(self, speed: float = 50.0) -> None:
        self._speed = speed
        self._began = asyncio.get_running_loop().time()

    def boot_ns(self) -> int:
        return int((asyncio.get_running_loop().time() - self._began) * self._speed * 1e9)

    def utc_ns(self) -> UtcNs:
        return UtcNs(START_NS + self.boot_ns())

    @property
    def boot_id(self) -> str:
        return "test"

    def error_ns(self) -> int | None:
        return 0

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._speed)


class ContractWatcher:
    """Holds every exchange against the written contract of RunSignup, both directions."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.faults: list[str] = []

    def __call__(self, exchange: Exchange) -> None:
        operation = self._operation(exchange.call.method, exchange.call.path)
        if operation is None:
            self.faults.append(f"not in the contract: {exchange.call.path}")
            return
        self.seen.add(operation["id"])
        self.faults += [f"{operation['id']}: {p}" for p in exchange.problems]
        self._params(operation, exchange)
        if "request_schema" in operation:
            self._valid(
                operation, operation["request_schema"], json.loads(exchange.call.form["request"])
            )
        if exchange.reply is not None and exchange.fault is None:
            body = json.loads(exchange.reply.body)
            failed = isinstance(body, dict) and "error" in body
            schema = operation["responses"][-1 if failed else 0]["schema"]
            self._valid(operation, schema, body)

    def _params(self, operation: Mapping, exchange: Exchange) -> None:
        call = exchange.call
        auth = {"rsu_api_key", "api_key", "api_secret"}
        places = {"query": call.query, "form": call.form, "query_or_form": call.query | call.form}
        known = {p["name"]: p for p in operation["params"]}
        for name in (call.query.keys() | call.form.keys()) - auth - known.keys():
            self.faults.append(f"{operation['id']}: unknown parameter {name}")
        for name, param in known.items():
            given = places.get(param["in"], {}).get(name)
            if given is None:
                needed = (param["required"] and param["in"] in places) or "must_send" in param
                if needed:
                    self.faults.append(f"{operation['id']}: {name} is missing")
                continue
            allowed = param.get("enum", ["T", "F"] if param["type"] == "bool" else None)
            if allowed and given not in allowed:
                self.faults.append(f"{operation['id']}: {name}={given}")
            if param.get("must_send", given) != given:
                self.faults.append(f"{operation['id']}: {name}={given}")
            if "max" in param and int(given) > param["max"]:
                self.faults.append(f"{operation['id']}: {name}={given}")
            if param["type"] in {"uint", "unix_timestamp"} and not given.isdecimal():
                self.faults.append(f"{operation['id']}: {name}={given}")

    def _valid(self, operation: Mapping, schema: Mapping, document: object) -> None:
        whole = {**schema, "$defs": CONTRACT["$defs"]}
        for error in jsonschema.Draft202012Validator(whole).iter_errors(document):
            self.faults.append(f"{operation['id']}: {error.message[:300]}")

    @staticmethod
    def _operation(method: str, path: str) -> Mapping | None:
        for operation in CONTRACT["operations"]:
            pattern = re.sub(r"\{\w+\}", r"\\d+", operation["path"])
            if operation["method"] == method and re.fullmatch(pattern, path):
                return operation
        return None


@contextlib.asynccontextmanager
async def running(sandbox: Sandbox) -> AsyncIterator[str]:
    """Serve a sandbox on a free port; yield the base URL of its RunSignup."""
    sock = bind()
    port = sock.getsockname()[1]
    async with asyncio.TaskGroup() as group:
        task = group.create_task(serve(sandbox, sock))
        try:
            yield f"http://127.0.0.1:{port}/rest"
        finally:
            task.cancel()


def settings(url: str, race: SandboxRace, **changes: object) -> RunSignupSettings:
    credentials = Credentials(scheme="api_v2", key=KEY, secret=SECRET)
    return RunSignupSettings(
        **{
            "race_id": race.race_id,
            "credentials": credentials,
            "base_url": url,
            "timeout_s": 5.0,
            **changes,
        }
    )


@contextlib.asynccontextmanager
async def client_of(
    sandbox: Sandbox, clock: QuickClock, **changes: object
) -> AsyncIterator[RunSignup]:
    """A client of a running sandbox."""
    async with running(sandbox) as url:
        client = RunSignup(settings(url, sandbox.race, **changes), clock)
        try:
            yield client
        finally:
            await client.close()


async def until(claim: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(seconds):
        while not claim():  # noqa: ASYNC110 - any condition, not an event of ours
            await asyncio.sleep(0.005)


class MemoryStore:
    """Roster, ledger and notes that survive whoever uses them, in memory."""

    def __init__(self) -> None:
        self.people: dict[RegistrationId, Entrant] = {}
        self.cursors: dict[EventId, int | None] = {}
        self.ledger: dict[tuple[int, int], PostRow] = {}
        self.notes: dict[str, str] = {}
        self.merges = 0

    def entrants(self) -> dict[RegistrationId, Entrant]:
        return dict(self.people)

    async def merge(
        self,
        event_id: EventId,
        upserts: Iterable[Entrant],
        removed: Iterable[RegistrationId],
        *,
        cursor: int | None,
        whole: bool = False,
    ) -> None:
        self.merges += 1
        upserts = list(upserts)
        if whole:
            self.people = {n: e for n, e in self.people.items() if e.event_id != event_id}
        for number in removed:
            self.people.pop(number, None)
        self.people |= {e.registration_id: e for e in upserts}
        if cursor is not None:
            self.cursors[event_id] = cursor

    def cursor(self, event_id: EventId) -> int | None:
        return self.cursors.get(event_id)

    def posted(self) -> Iterator[PostRow]:
        yield from list(self.ledger.values())

    async def settle(self, rows: Sequence[PostRow]) -> None:
        for row in rows:
            copied = json.loads(json.dumps(row))
            self.ledger[row.event_id, row.registration_id] = PostRow(*copied)

    def get(self, name: str) -> str | None:
        return self.notes.get(name)

    async def put(self, name: str, value: str, *, lazy: bool = False) -> None:  # noqa: ARG002
        self.notes[name] = value


class Standings:
    """A ResultsView that a test writes into."""

    def __init__(self, results: Iterable[Result] = ()) -> None:
        self.all = {result.registration_id: result for result in results}
        self.complete = asyncio.Event()
        self.complete.set()

    async def ready(self) -> None:
        await self.complete.wait()

    def result(self, registration_id: RegistrationId) -> Result | None:
        return self.all.get(registration_id)

    def results(self, event_id: EventId) -> Iterable[Result]:
        return [result for result in self.all.values() if result.event_id == event_id]
