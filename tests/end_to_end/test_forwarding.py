"""Forwarding by the running service: all outputs at once, over kills, to real clients."""

import asyncio
import csv
import hashlib
import hmac
import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import orjson

from bridge.app.registry import Registry
from bridge.bootstrap.actions import import_lines
from bridge.bootstrap.forwards import Forwards
from drivers import BUILTIN, race_result
from drivers.ipico.records import chip_field
from drivers.jchip.records import chip_of
from tests.support.forwarding import Client, connected, free_port
from tests.support.race_box import Box, Status
from tests.support.small_box import READER, loaded, mat, opened, written
from tests.support.store import until

LISTENING = ("ipico", "race-result", "ultra", "wiclax")
DIALLING = ("mylaps", "chronotrack", "jchip")
SECRET = "tell nobody"  # noqa: S105 - of this test


class Lines:
    """A client of `jsonl` or `csv` that asks for what it has not got."""

    def __init__(self, *, is_csv: bool = False) -> None:
        self._is_csv = is_csv
        self.records: dict[int, tuple[str, str]] = {}
        """n -> (id, chip)."""
        self.contradictions: list[str] = []
        self.states: list[str] = []
        """Of crossings, in order."""

    @property
    def chips(self) -> set[str]:
        return {chip for _, chip in self.records.values()}

    def has(self, count: int) -> bool:
        return len(self.records) == count

    async def dial(self, port: int) -> None:
        while True:
            with suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"from %d\n" % (len(self.records) + 1))
                try:
                    while line := await reader.readline():
                        self._take(line)
                finally:
                    writer.transport.abort()
            await asyncio.sleep(0.05)

    def _take(self, line: bytes) -> None:
        if not line.endswith(b"\n"):
            return  # the service was killed in the middle of it
        if self._is_csv:
            [row] = csv.reader(io.StringIO(line.decode()))
            if row[0] == "n":
                return
            number, told = int(row[0]), (row[1], row[7])
        else:
            record = json.loads(line)
            number, told = record["n"], (record["id"], record["chip"])
            self.states.append(record.get("state", ""))
        if self.records.setdefault(number, told) != told:
            self.contradictions.append(f"{number} is {told} and {self.records[number]}")


class Hook:
    """An HTTP server that takes signed posts; the first few it wants later."""

    def __init__(self) -> None:
        self.records: dict[int, str] = {}
        self.posts = 0
        self.forged = 0

    @property
    def chips(self) -> set[str]:
        return set(self.records.values())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
                body = await reader.readexactly(int(fields["content-length"]))
                status = self._take(fields["x-chip-bridge-signature"], body)
                writer.write(b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % status)
        writer.close()

    def _take(self, signature: str, body: bytes) -> bytes:
        self.posts += 1
        good = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        self.forged += signature != f"sha256={good}"
        if self.posts <= 2:
            return b"503 Later"
        for record in json.loads(body)["records"]:
            self.records[record["n"]] = record["chip"]
        return b"200 OK"


class Audience:
    """Clients of every output, and the box they listen to."""

    def __init__(self) -> None:
        registry = Registry(BUILTIN)
        self.drivers = {name: Client(registry.find(name)) for name in (*LISTENING, *DIALLING)}
        self.lines = {"jsonl": Lines(), "csv": Lines(is_csv=True)}
        self.hook = Hook()
        self.ports = {name: free_port() for name in [*self.drivers, *self.lines, "webhook"]}

    def config(self) -> str:
        text = ""
        for name, port in self.ports.items():
            if name in DIALLING:
                where = f'connect = "tcp://127.0.0.1:{port}"'
            elif name == "webhook":
                where = f'connect = "http://127.0.0.1:{port}/reads"'
            else:
                where = f'listen = "tcp://127.0.0.1:{port}"'
            text += f'[[forward]]\ndriver = "{name}"\nlocation = "finish"\n{where}\n'
        return text

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            hook = await asyncio.start_server(self.hook.serve, "127.0.0.1", self.ports["webhook"])
            await stack.enter_async_context(hook)
            for name, client in self.drivers.items():
                dials = name in LISTENING
                await stack.enter_async_context(
                    connected(client, dials=dials, port=self.ports[name])
                )
            tasks = [
                group.create_task(lines.dial(self.ports[name]))
                for name, lines in self.lines.items()
            ]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()

    def missing(self, chips: set[str]) -> dict[str, set[str]]:
        """Return by output what it has not told yet."""
        limits: dict[str, Callable[[str], str]] = {"ipico": chip_field, "jchip": chip_of}
        found = {
            name: {limits.get(name, str)(chip) for chip in chips} - client.chips
            for name, client in [*self.drivers.items(), *self.lines.items()]
        }
        found["webhook"] = chips - self.hook.chips
        return {name: lost for name, lost in found.items() if lost}

    async def hears(self, chips: set[str]) -> None:
        try:
            await until(lambda: not self.missing(chips), within_s=60)
        except TimeoutError:
            raise AssertionError(self.missing(chips)) from None


def box_of(folder: Path, audience: Audience, port: int) -> Box:
    more = READER.format(port=port) + audience.config()
    return written(folder, more=more, secrets={"forward_webhook_secret": SECRET})


def chip(bib: int) -> str:
    return race_result.DRIVER.example_chip(bib)


def all_have_clients(status: Status) -> bool:
    facts = status["link_facts"]
    return all(
        facts.get(f"forward {name}", {}).get("clients") for name in (*LISTENING, *DIALLING, "csv")
    )


async def test_every_output_hears_everything_over_a_kill(tmp_path: Path) -> None:
    audience = Audience()
    async with mat() as reader, audience.listening():
        box = box_of(tmp_path, audience, reader.port)
        box.start()
        try:
            await box.until(all_have_clients)  # some tell only what comes from then on
            for bib in range(1, 11):
                await reader.cross(bib)
            await audience.hears({chip(bib) for bib in range(1, 11)})
            for bib in range(11, 21):
                await reader.cross(bib)
            await until(lambda: audience.lines["jsonl"].records.get(12) is not None)
            box.kill()
            for bib in range(21, 31):
                await reader.cross(bib)
            box.start()
            for bib in range(31, 36):
                await asyncio.sleep(0.05)
                await reader.cross(bib)
            await audience.hears({chip(bib) for bib in range(1, 36)})
            facts = (await box.ask("status"))["link_facts"]
            await box.stop()
            box.start()
            await box.until(all_have_clients)
            await reader.cross(36)
            await audience.hears({chip(36)})
        finally:
            await box.stop()
    assert audience.hook.forged == 0
    for lines in audience.lines.values():
        assert lines.contradictions == []
        assert sorted(lines.records) == list(range(1, len(lines.records) + 1))
    assert audience.lines["csv"].records == audience.lines["jsonl"].records
    told = {number: found for number, (_, found) in audience.lines["jsonl"].records.items()}
    assert audience.hook.records == told
    assert facts["forward mylaps"]["lag"] == 0
    assert facts["forward mylaps"]["acknowledged"] == facts["forward mylaps"]["records"]
    assert {name for name in facts if name.startswith("forward ")} == {
        f"forward {name}" for name in audience.ports
    }


async def test_crossings_are_told_once_to_readers_and_with_each_revision_as_lines(
    tmp_path: Path,
) -> None:
    ultra, lines = Client(Registry(BUILTIN).find("ultra")), Lines()
    ports = free_port(), free_port()
    more = ""
    for driver, port in zip(("ultra", "jsonl"), ports, strict=True):
        more += f'[[forward]]\ndriver = "{driver}"\nlisten = "tcp://127.0.0.1:{port}"\n'
        more += 'send = "crossings"\n'
    async with mat() as reader:
        box = written(tmp_path, more=READER.format(port=reader.port) + more)
        box.start()
        try:
            async with (
                connected(ultra, dials=True, port=ports[0]),
                connected(lines, dials=True, port=ports[1]),
            ):
                await box.until(lambda status: _clients(status, "ultra", "jsonl") == [1, 1])
                for bib in (1, 2):
                    for _ in range(3):
                        await reader.cross(bib)
                await until(lambda: len(ultra.reads) == 2)
                await until(lambda: lines.states.count("final") == 2)
        finally:
            await box.stop()
    assert sorted(read.chip for read in ultra.reads) == [chip(1), chip(2)]
    assert [read.seq for read in ultra.reads] == [1, 2]
    assert lines.states.count("provisional") >= 2
    assert len({found for found, _ in lines.records.values()}) == 2
    assert lines.contradictions == []


def _clients(status: Status, *names: str) -> list[int]:
    facts = status["link_facts"]
    return [facts.get(f"forward {name}", {}).get("clients", 0) for name in names]


async def test_reads_imported_meanwhile_are_numbered_and_told(tmp_path: Path) -> None:
    lines, port = Lines(), free_port()
    more = READER.format(port=free_port())
    more += f'[[forward]]\ndriver = "jsonl"\nlisten = "tcp://127.0.0.1:{port}"\n'
    box = written(tmp_path, more=more)
    async with opened(box) as core, asyncio.TaskGroup() as group:
        forwards = Forwards(loaded(box), core)
        running = [group.create_task(forwards.run()), group.create_task(lines.dial(port))]
        await until(lambda: _clients(core.health.status(), "jsonl") == [1])
        for number in range(1, 4):
            bare = {"reader": "watch", "chip": f"C{number}", "location": "finish"}
            line = orjson.dumps({**bare, "time": "2026-11-21T16:00:00.000Z"})
            report = await import_lines(core, [line], f"file {number}")
            assert report["taken"] == 1, report
            await core.recall()  # the housekeeper's work
            await until(partial(lines.has, number))
        assert 'chip_bridge_forward_sent{forward="jsonl"} 3' in core.health.metrics()
        assert core.health.status()["links"]["forward jsonl"].endswith("3 of 3 reads handed over")
        await forwards.save()
        assert int(core.store.get("forward.jsonl.reads") or 0) > 0
        for task in running:
            task.cancel()
    assert [lines.records[number][1] for number in (1, 2, 3)] == ["C1", "C2", "C3"]
