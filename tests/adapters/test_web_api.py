"""The API as programs meet it: real uvicorn on a real Unix socket and on TCP."""

import asyncio
import http.client
import re
import socket
import stat
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from bridge.adapters.http_server import bind, serve
from bridge.adapters.web.api import LARGEST_BODY, make_app
from bridge.adapters.web.client import SOCKET_NAME, NotRunning, ask
from bridge.adapters.web.server import bind_unix
from bridge.app.actions import Action, Actions
from bridge.errors import BridgeError, NotFound, TryLater, UsageError

TOKEN = "sesame-42"  # noqa: S105 - made up
JSON = {"content-type": "application/json"}
ERRORS = {
    "usage": UsageError("say it otherwise"),
    "absent": NotFound("nobody of that name"),
    "later": TryLater("not now"),
    "broken": BridgeError("it did not work"),
}


@dataclass
class Box:
    """What stands behind the API, by hand."""

    wrong: str | None = None
    asked: list[tuple[Mapping[str, object], str]] = field(default_factory=list)

    def ready(self) -> str | None:
        return self.wrong

    def metrics(self) -> str:
        return "chip_bridge_up 1\n"

    async def answer(self, asked: Mapping[str, object], author: str) -> object:
        self.asked.append((dict(asked), author))
        wanted = str(asked.get("event", ""))
        if wanted in ERRORS:
            raise ERRORS[wanted]
        if wanted == "bug":
            raise ZeroDivisionError("a secret in a message")
        return {"you said": wanted}

    def actions(self) -> Actions:
        takes = {"event": "its name"}
        table = (
            Action(name="results", changes=False, summary="R.", handler=self.answer, takes=takes),
            Action(name="gun", changes=True, summary="G.", handler=self.answer, takes=takes),
            Action(name="a/b", changes=True, summary="N.", handler=self.answer, takes={}),
        )
        return {action.name: action for action in table}


@dataclass
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 - JSON
        return orjson.loads(self.body)


class Caller:
    """A program on the network."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def __call__(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> Reply:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await asyncio.to_thread(self._call, method, path, body, named)

    def _call(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Reply:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            link.request(method, path, body, dict(headers))
            found = link.getresponse()
            names = {name.lower(): value for name, value in found.getheaders()}
            return Reply(found.status, names, found.read())
        finally:
            link.close()


@asynccontextmanager
async def served(box: Box, sock: socket.socket, **how: Any) -> AsyncIterator[None]:  # noqa: ANN401
    async with asyncio.TaskGroup() as group:
        running = group.create_task(serve(make_app(box.actions(), box, **how), sock))
        try:
            yield
        finally:
            running.cancel()


@asynccontextmanager
async def on_tcp(box: Box, token: str | None) -> AsyncIterator[Caller]:
    sock = bind()
    port = sock.getsockname()[1]
    async with served(box, sock, token=token, local=False):
        yield Caller(port)


async def test_the_token_opens_and_nothing_else_does() -> None:
    box = Box()
    async with on_tcp(box, TOKEN) as call:
        for given in ({}, {"authorization": "Bearer sesame"}, {"authorization": TOKEN}):
            for path in ("/api/v1/results", "/metrics"):
                reply = await call("GET", path, **given)
                assert reply.status == 401
                assert reply.headers["www-authenticate"] == "Bearer"
                assert reply.json()["error"].startswith("send the web token")
        assert (await call("POST", "/api/v1/gun", b"{}", **JSON)).status == 401
        assert not box.asked
        right = {"authorization": f"Bearer {TOKEN}"}
        assert (await call("GET", "/api/v1/results?event=5K", **right)).json() == {
            "ok": True,
            "result": {"you said": "5K"},
        }
        assert (await call("GET", "/metrics", **right)).body == b"chip_bridge_up 1\n"
        assert box.asked == [({"event": "5K"}, "web")]
        # what shows nothing of the race needs no token
        for path in ("/", "/healthz", "/readyz", "/api/v1/openapi.json"):
            assert (await call("GET", path)).status == 200


async def test_without_a_token_only_who_calls_this_host_by_its_own_name_comes_in() -> None:
    async with on_tcp(Box(), None) as call:
        for host in ("127.0.0.1:8080", "localhost", "[::1]:8080"):
            assert (await call("GET", "/api/v1/results", host=host)).status == 200
        for host in ("evil.example", "evil.example:8080", "10.0.0.7"):
            reply = await call("GET", "/api/v1/results", host=host)
            assert reply.status == 403
            assert "web_token" in reply.json()["error"]


@pytest.mark.parametrize(
    ("body", "kind", "status", "words"),
    [
        (b"{}", "text/plain", 415, "Content-Type: application/json"),
        (b"event=5K", "application/x-www-form-urlencoded", 415, "Content-Type"),
        (b"{}", "", 415, "Content-Type"),
        (b"{", "application/json", 400, "is not JSON"),
        (b"\xff", "application/json", 400, "is not JSON"),
        (b"[]", "application/json", 400, "must be a JSON object"),
        (b'{"evnt": 1}', "application/json", 400, "does not take evnt; it takes: event"),
        (b'{"author": "me"}', "application/json", 400, "does not take author"),
        (b'{"event": "' + b"x" * LARGEST_BODY + b'"}', "application/json", 413, "8 MiB"),
    ],
)
async def test_a_request_that_is_not_understood_changes_nothing(
    body: bytes, kind: str, status: int, words: str
) -> None:
    box = Box()
    async with on_tcp(box, None) as call:
        reply = await call("POST", "/api/v1/gun", body, content_type=kind)
        assert reply.status == status
        assert words in reply.json()["error"]
        assert not box.asked
        right = await call("POST", "/api/v1/gun", b"", content_type="application/json; charset=x")
        assert right.json() == {"ok": True, "result": {"you said": ""}}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/api/v1/results", 405),
        ("GET", "/api/v1/gun", 405),
        ("PUT", "/api/v1/a/b", 405),
        ("GET", "/api/v1/none", 404),
        ("GET", "/api/v1/../../etc/passwd", 404),
        ("GET", "/nothing", 404),
    ],
)
async def test_what_is_not_served_is_told_in_json(method: str, path: str, status: int) -> None:
    async with on_tcp(Box(), None) as call:
        reply = await call(method, path)
        assert reply.status == status
        assert reply.json()["ok"] is False
        assert "openapi.json" in reply.json()["error"]
        assert ("allow" in reply.headers) == (status == 405)


async def test_an_unknown_parameter_is_named() -> None:
    async with on_tcp(Box(), None) as call:
        reply = await call("GET", "/api/v1/results?evnt=1")
        assert reply.status == 400
        assert reply.json()["error"] == "results does not take evnt; it takes: event"


@pytest.mark.parametrize(
    ("event", "status"), [("usage", 400), ("absent", 404), ("later", 503), ("broken", 500)]
)
async def test_each_error_has_its_status_and_its_sentence(event: str, status: int) -> None:
    async with on_tcp(Box(), None) as call:
        reply = await call("GET", f"/api/v1/results?event={event}")
        assert (reply.status, reply.json()) == (status, {"ok": False, "error": str(ERRORS[event])})


async def test_a_bug_is_an_answer_too_and_tells_no_secret() -> None:
    async with on_tcp(Box(), None) as call:
        reply = await call("GET", "/api/v1/results?event=bug")
        assert reply.status == 500
        assert reply.json()["error"] == "the bridge failed at this; its log says why"
        assert (await call("GET", "/api/v1/results")).status == 200


async def test_probes_tell_alive_from_ready() -> None:
    box = Box()
    async with on_tcp(box, TOKEN) as call:
        assert (await call("GET", "/readyz")).body == b"ready\n"
        box.wrong = "the disk is full"
        reply = await call("GET", "/readyz")
        assert (reply.status, reply.body) == (503, b"the disk is full\n")
        assert (await call("GET", "/healthz")).body == b"ok\n"


async def test_the_page_brings_everything_itself_and_may_be_framed_by_nobody() -> None:
    async with on_tcp(Box(), TOKEN) as call:
        reply = await call("GET", "/")
        assert reply.headers["content-type"].startswith("text/html")
        assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
        assert b'lang="en"' in reply.body
        text = reply.body.decode()
        assert not re.search(r"(src|href)=|https?://|@import|url\(", text)
        for wanted in set(re.findall(r"\$\('(\w+)'\)", text)):
            assert f'id="{wanted}"' in text


async def test_openapi_names_every_action_as_it_is_served() -> None:
    box = Box()
    async with on_tcp(box, TOKEN) as call:
        described = (await call("GET", "/api/v1/openapi.json")).json()
        assert described["openapi"].startswith("3.1")
        assert described["security"] == [{"token": []}]
        right = {"authorization": f"Bearer {TOKEN}"}
        for path, methods in described["paths"].items():
            for method in methods:
                body = b"{}" if method == "post" else None
                reply = await call(method.upper(), path, body, **right, **JSON)
                assert reply.status == 200, path
        names = [next(iter(one)) for one in described["paths"].values()]
        assert sorted(names) == ["get", "get", "get", "post", "post"]
    async with on_tcp(box, None) as call:
        assert "security" not in (await call("GET", "/api/v1/openapi.json")).json()


async def test_the_socket_of_the_command_line_is_guarded_by_its_permissions(tmp_path: Path) -> None:
    box = Box()
    (tmp_path / SOCKET_NAME).write_text("left by a crash")
    async with served(box, bind_unix(tmp_path), token=TOKEN, local=True):
        mode = (tmp_path / SOCKET_NAME).stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o660
        found = await asyncio.to_thread(ask, tmp_path, "gun", {"event": "5K"}, changes=True)
        assert found == {"you said": "5K"}
        found = await asyncio.to_thread(ask, tmp_path, "results", {"event": None}, changes=False)
        assert box.asked == [({"event": "5K"}, "cli"), ({}, "cli")]
        for event, kind in (("usage", UsageError), ("absent", NotFound), ("later", BridgeError)):
            with pytest.raises(kind, match=str(ERRORS[event])):
                await asyncio.to_thread(ask, tmp_path, "gun", {"event": event}, changes=True)
        with pytest.raises(UsageError, match="does not take x"):
            await asyncio.to_thread(ask, tmp_path, "results", {"x": 1}, changes=False)


async def test_a_folder_of_any_depth_can_hold_the_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120) / ("e" * 120)
    deep.mkdir(parents=True)
    async with served(Box(), bind_unix(deep), token=None, local=True):
        assert await asyncio.to_thread(ask, deep, "results", {}, changes=False)


def test_without_a_service_the_next_step_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="chip-bridge run"):
        ask(tmp_path, "status", {}, changes=False)
    with pytest.raises(NotRunning, match="chip-bridge run"):
        ask(tmp_path / "not there", "status", {}, changes=False)
    bind_unix(tmp_path).close()
    with pytest.raises(NotRunning, match="chip-bridge run"):
        ask(tmp_path, "status", {}, changes=False)


async def test_a_service_that_talks_nonsense_is_told_as_such(tmp_path: Path) -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")
        await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(nonsense, sock=bind_unix(tmp_path))
    async with server:
        with pytest.raises(BridgeError, match="did not answer properly"):
            await asyncio.to_thread(ask, tmp_path, "status", {}, changes=False)
