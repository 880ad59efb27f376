"""The sandbox over HTTP: its services, its faults, and a back door for rehearsals.

Below ``/_sandbox/`` is what no real service has: ``requests``, ``state``, ``results/EVENT``,
``faults`` (PUT), ``participants`` (POST), ``participants/ID`` (DELETE).
"""

import os
import socket
import struct
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bridge.adapters.sandbox.calls import Call, Exchange, Observer, Reply, form_of
from bridge.adapters.sandbox.faults import (
    APPLY_THEN_RESET,
    GARBAGE,
    RESET,
    TIMEOUT,
    Faults,
    fault_reply,
)
from bridge.adapters.sandbox.race import SandboxRace, dump, standing
from bridge.adapters.sandbox.runsignup import RunSignupSandbox
from bridge.app.ports import Clock
from bridge.domain.reads import NS_PER_S
from bridge.errors import UsageError

KEY, SECRET = "sandbox-key", "sandbox-secret"
"""Credentials a sandbox accepts unless told otherwise."""
_KEPT = 1000


class Service(Protocol):
    """One results service: where it lives and how it answers."""

    base: str

    def answer(self, call: Call) -> tuple[Reply, tuple[str, ...]]:
        """Return the reply, and what a correct client would not have done."""
        ...


class Sandbox:
    """The services of one rehearsal, what they keep, and what goes wrong with them."""

    def __init__(
        self,
        race: SandboxRace,
        clock: Clock,
        *,
        keys: Mapping[str, str] | None = None,
        faults: Faults | None = None,
        latency_s: float = 0.0,
        down_for_s: float = 0.0,
        state_file: Path | None = None,
        observers: Iterable[Observer] = (),
    ) -> None:
        """Set up; `down_for_s` counts from here, `state_file` is rewritten after each change."""
        self.race = race
        self.faults = faults or Faults()
        self.latency_s = latency_s
        self.log: deque[Exchange] = deque(maxlen=_KEPT)
        self._clock = clock
        self.keys = dict(keys if keys is not None else {KEY: SECRET})
        """Key -> secret of whoever may call; changes count at once."""
        self._services: tuple[Service, ...] = (RunSignupSandbox(race, self.keys),)
        self._up_ns = clock.boot_ns() + int(down_for_s * NS_PER_S)
        self._state_file = state_file
        self._observers = (self._keep, *observers)

    @property
    def now_s(self) -> int:
        """The service's clock in epoch seconds."""
        return self._clock.utc_ns() // NS_PER_S

    def go_down(self, seconds: float) -> None:
        """Cut every connection for so long."""
        self._up_ns = self._clock.boot_ns() + int(seconds * NS_PER_S)

    async def take(self, request: Request) -> Response:
        """Answer one call of a client, or let it fail."""
        body = await request.body()
        await self._clock.sleep(self.latency_s)
        service = next((s for s in self._services if request.url.path.startswith(s.base)), None)
        if service is None:
            return JSONResponse({"error": "no such service in this sandbox"}, 404)
        call = Call(
            request.method,
            request.url.path.removeprefix(service.base).lower(),
            dict(request.query_params),
            form_of(request.headers, body),
            dict(request.headers),
        )
        fault = RESET if self._clock.boot_ns() < self._up_ns else self.faults.draw()
        reply = None if fault is None else fault_reply(fault)
        problems: tuple[str, ...] = ()
        if fault in {None, APPLY_THEN_RESET, GARBAGE}:
            reply, problems = service.answer(call)
            if call.method != "GET":
                self.save()
        lost = fault in {RESET, TIMEOUT, APPLY_THEN_RESET}
        self._observe(Exchange(call, None if lost else reply, fault, problems))
        if lost or reply is None:
            return NoReply(cut=fault != TIMEOUT)
        content = reply.body if fault != GARBAGE else reply.body[: len(reply.body) // 2 or 1]
        return Response(content, reply.status, media_type=reply.media_type)

    def save(self) -> None:
        """Write the state file, if there is one: the old or the new one survives, never half."""
        if self._state_file is None:
            return
        written = self._state_file.with_name(self._state_file.name + ".new")
        with written.open("wb") as file:
            file.write(dump(self.race))
            file.flush()
            os.fsync(file.fileno())
        written.replace(self._state_file)

    def _observe(self, exchange: Exchange) -> None:
        for observer in self._observers:
            observer(exchange)

    def _keep(self, exchange: Exchange) -> None:
        failed = exchange.reply is not None and b'"error"' in exchange.reply.body[:64]
        light = exchange if failed else exchange._replace(reply=None)
        self.log.append(light)


class NoReply(Response):
    """Instead of a reply: cut the connection with a reset, or leave it hanging."""

    def __init__(self, *, cut: bool) -> None:
        super().__init__()
        self._cut = cut

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Answer nothing until the client is gone."""
        if self._cut:
            # The server of `server.py` leaves the transport in the state of each connection.
            transport = scope["state"]["transport"]
            linger = struct.pack("ii", 1, 0)
            transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, linger
            )
            transport.abort()
        while (await receive())["type"] != "http.disconnect":
            pass


def sandbox_app(sandbox: Sandbox) -> Starlette:
    """Return the app: the services, and the back door."""

    async def requests(_: Request) -> Response:
        return JSONResponse([_shown(exchange) for exchange in sandbox.log])

    async def state(_: Request) -> Response:
        return Response(dump(sandbox.race), media_type="application/json")

    async def results(request: Request) -> Response:
        return JSONResponse(list(standing(sandbox.race, int(request.path_params["event"]))))

    async def faults(request: Request) -> Response:
        try:
            sandbox.faults.set(orjson.loads(await request.body()))
        except (ValueError, AttributeError, TypeError, UsageError) as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({})

    async def add(request: Request) -> Response:
        try:
            row = orjson.loads(await request.body())
            number = sandbox.race.add(row, now_s=sandbox.now_s)
        except (ValueError, AttributeError, TypeError) as error:
            return JSONResponse({"error": str(error)}, 400)
        sandbox.save()
        return JSONResponse({"registration_id": number})

    async def remove(request: Request) -> Response:
        there = sandbox.race.remove(int(request.path_params["number"]), now_s=sandbox.now_s)
        sandbox.save()
        return JSONResponse({"removed": there}, 200 if there else 404)

    return Starlette(
        routes=[
            Route("/_sandbox/requests", requests),
            Route("/_sandbox/state", state),
            Route("/_sandbox/results/{event:int}", results),
            Route("/_sandbox/faults", faults, methods=["PUT"]),
            Route("/_sandbox/participants", add, methods=["POST"]),
            Route("/_sandbox/participants/{number:int}", remove, methods=["DELETE"]),
            Route("/{path:path}", sandbox.take, methods=["GET", "POST"]),
        ]
    )


def _shown(exchange: Exchange) -> dict[str, object]:
    call, reply = exchange.call, exchange.reply
    return {
        "method": call.method,
        "path": call.path,
        "query": call.shown_query(),
        "fault": exchange.fault,
        "problems": exchange.problems,
        "error": None if reply is None else reply.body.decode("utf-8", "replace"),
    }
