"""The actions of the running bridge over HTTP, with health and metrics beside them."""

import hmac
import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import orjson
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bridge.adapters.web.openapi import openapi
from bridge.adapters.web.page import page
from bridge.app.actions import Action, Actions
from bridge.errors import BridgeError, NotFound, TryLater, UsageError

log = structlog.get_logger(__name__)

LARGEST_BODY = 8 * 1024 * 1024
"""Bytes; a participants file of 50,000 rows is below it."""


class TooLarge(UsageError):  # noqa: N818 - the family's names say what happened
    """The body is larger than we take."""


class WrongType(UsageError):  # noqa: N818 - see above
    """The body is not declared as JSON."""


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
    guard = _open if local else (_at_home if token is None else _with(token))
    author = "cli" if local else "web"
    routes = [
        Route("/healthz", _const(PlainTextResponse("ok\n"))),
        Route("/readyz", _ready(vitals)),
        Route("/metrics", _guarded(_metrics(vitals), guard)),
        Route("/", _const(page())),
        Route("/api/v1/openapi.json", _const(_json(openapi(actions, token=token)))),
    ]
    for action in actions.values():
        method = "POST" if action.changes else "GET"
        handler = _guarded(_answer(action, author), guard)
        routes.append(Route(f"/api/v1/{action.name}", handler, methods=[method]))
    return Starlette(routes=routes, exception_handlers={HTTPException: _no_such})


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


Guard = Callable[[Request], Response | None]
"""Return None for who may come in, else the refusal."""


def _open(_: Request) -> None:
    """Let everybody in: the file's permissions have already chosen."""


def _with(token: str) -> Guard:
    expected = f"Bearer {token}".encode()

    def refusal(request: Request) -> Response | None:
        given = request.headers.get("authorization", "").encode()
        if hmac.compare_digest(given, expected):
            return None
        refused = _failed("send the web token: Authorization: Bearer TOKEN", 401)
        refused.headers["www-authenticate"] = "Bearer"
        return refused

    return refusal


def _at_home(request: Request) -> Response | None:
    """Let in who calls us by a name of this host: a strange page may have bent its own to us."""
    host = request.url.hostname or ""
    try:
        home = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        home = False
    if home:
        return None
    return _failed("call this box localhost or 127.0.0.1, or configure a web_token", 403)


def _guarded(endpoint: Endpoint, guard: Guard) -> Endpoint:
    async def answer(request: Request) -> Response:
        return guard(request) or await endpoint(request)

    return answer


async def _no_such(request: Request, error: Exception) -> Response:
    """Say 404 and 405 as everything else is said here."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    there = "GET /api/v1/openapi.json lists what there is"
    answer = _failed(f"{request.method} {request.url.path} is not served; {there}", status)
    if isinstance(error, HTTPException):
        answer.headers.update(error.headers or {})
    return answer


def _answer(action: Action, author: str) -> Endpoint:
    async def answer(request: Request) -> Response:
        try:
            asked = await _asked(request, action)
            return _json({"ok": True, "result": await action.handler(asked, author)})
        except BridgeError as error:
            return _failed(str(error), _status(error))
        except Exception:  # a bulkhead: one odd request must not end in a bare 500
            log.exception("request failed", action=action.name)
            return _failed("the bridge failed at this; its log says why", 500)

    return answer


async def _asked(request: Request, action: Action) -> Mapping[str, object]:
    if not action.changes:
        asked: dict[str, object] = dict(request.query_params)
    else:
        kind = request.headers.get("content-type", "").partition(";")[0].strip()
        if kind != "application/json":  # also keeps simple cross-site forms out
            raise WrongType("send JSON with Content-Type: application/json")
        asked = await _body(request)
    unknown = set(asked) - set(action.takes)
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
            raise TooLarge("the request is larger than 8 MiB; send it in parts")
    try:
        asked = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        raise UsageError(f"the request is not JSON: {error}") from None
    if not isinstance(asked, dict):
        raise UsageError("the request must be a JSON object")
    return asked


def _status(error: BridgeError) -> int:
    match error:
        case TooLarge():
            return 413
        case WrongType():
            return 415
        case UsageError():
            return 400
        case NotFound():
            return 404
        case TryLater():
            return 503
        case _:
            return 500


def _failed(text: str, status: int) -> Response:
    return _json({"ok": False, "error": text}, status)


def _json(content: object, status: int = 200) -> Response:
    body = orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE, default=str)
    return Response(body, status, media_type="application/json")
