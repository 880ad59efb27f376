"""The actions of the running bridge over HTTP, with health and metrics beside them."""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bridge.adapters.web.page import page
from bridge.app.actions import Action, Actions
from bridge.errors import BridgeError, NotFound, TryLater, UsageError

LARGEST_BODY = 8 * 1024 * 1024
"""Bytes; a participants file of 50,000 rows is below it."""


class Vitals(Protocol):
    """What probes ask."""

    def ready(self) -> str | None:
        """Return None if reads can be taken and stored, else what is wrong."""
        ...

    def metrics(self) -> str:
        """Return the counters in the Prometheus text format."""
        ...


def make_app(actions: Actions, vitals: Vitals, *, token: str | None, local: bool) -> Starlette:
    """Return the application; `local` is the Unix socket, guarded by file permissions."""
    guard = None if local else token
    author = "cli" if local else "web"
    routes = [
        Route("/healthz", _const(PlainTextResponse("ok\n"))),
        Route("/readyz", _ready(vitals)),
        Route("/metrics", _guarded(_metrics(vitals), guard)),
        Route("/", _const(page())),
        Route("/api/v1/openapi.json", _const(_json(openapi(actions)))),
    ]
    for action in actions.values():
        method = "POST" if action.changes else "GET"
        handler = _guarded(_answer(action, author), guard)
        routes.append(Route(f"/api/v1/{action.name}", handler, methods=[method]))
    return Starlette(routes=routes)


Endpoint = Callable[[Request], Awaitable[Response]]


def _const(response: Response) -> Endpoint:
    async def answer(_: Request) -> Response:
        return response

    return answer


def _ready(vitals: Vitals) -> Endpoint:
    async def answer(_: Request) -> Response:
        wrong = vitals.ready()
        if wrong is None:
            return PlainTextResponse("ready\n")
        return PlainTextResponse(wrong + "\n", status_code=503)

    return answer


def _metrics(vitals: Vitals) -> Endpoint:
    async def answer(_: Request) -> Response:
        return PlainTextResponse(vitals.metrics(), media_type="text/plain; version=0.0.4")

    return answer


def _guarded(endpoint: Endpoint, token: str | None) -> Endpoint:
    if token is None:
        return endpoint
    expected = f"Bearer {token}".encode()

    async def answer(request: Request) -> Response:
        given = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, expected):
            return _json(
                {"ok": False, "error": "send the web token: Authorization: Bearer TOKEN"}, 401
            )
        return await endpoint(request)

    return answer


def _answer(action: Action, author: str) -> Endpoint:
    async def answer(request: Request) -> Response:
        try:
            asked = await _asked(request, action)
            return _json({"ok": True, "result": await action.handler(asked, author)})
        except BridgeError as error:
            return _json({"ok": False, "error": str(error)}, _status(error))

    return answer


async def _asked(request: Request, action: Action) -> Mapping[str, object]:
    if not action.changes:
        asked: dict[str, object] = dict(request.query_params)
    else:
        kind = request.headers.get("content-type", "").partition(";")[0].strip()
        if kind != "application/json":  # also keeps simple cross-site forms out
            raise UsageError("send JSON with Content-Type: application/json")
        asked = await _body(request)
    unknown = set(asked) - set(action.takes) - {"author"}
    if unknown:
        allowed = ", ".join(action.takes) or "nothing"
        raise UsageError(
            f"{action.name} does not take {', '.join(sorted(unknown))}; it takes: {allowed}"
        )
    return asked


async def _body(request: Request) -> dict[str, object]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise UsageError("the request is larger than 8 MiB; send it in parts")
    try:
        asked = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        raise UsageError(f"the request is not JSON: {error}") from None
    if not isinstance(asked, dict):
        raise UsageError("the request must be a JSON object")
    return asked


def _status(error: BridgeError) -> int:
    match error:
        case UsageError():
            return 400
        case NotFound():
            return 404
        case TryLater():
            return 503
        case _:
            return 500


def _json(content: object, status: int = 200) -> Response:
    body = orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE, default=str)
    return Response(body, status, media_type="application/json")


def openapi(actions: Actions) -> dict[str, object]:
    """Return the OpenAPI 3.1 description of every action."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "chip-bridge", "version": "1"},
        "paths": {f"/api/v1/{action.name}": _path(action) for action in actions.values()},
    }


def _path(action: Action) -> dict[str, object]:
    operation: dict[str, object] = {
        "summary": action.summary,
        "operationId": action.name.replace("/", "_"),
        "responses": {
            "200": {"description": '{"ok": true, "result": ...}'},
            "400": {"description": '{"ok": false, "error": "what to do"}'},
        },
    }
    if action.changes:
        properties = {name: {"description": text} for name, text in action.takes.items()}
        schema = {"type": "object", "properties": properties, "additionalProperties": False}
        operation["requestBody"] = {"content": {"application/json": {"schema": schema}}}
        return {"post": operation}
    operation["parameters"] = [
        {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
        for name, text in action.takes.items()
    ]
    return {"get": operation}
