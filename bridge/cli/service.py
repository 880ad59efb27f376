"""How commands reach the race: the running service over its socket, else the journal itself."""

import asyncio
import http.client
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson

from bridge.cli.invocation import Invocation
from bridge.errors import BridgeError, NotFound, UsageError

SOCKET_NAME = "chip-bridge.sock"
WAIT_S = 60.0


class NotRunning(BridgeError):  # noqa: N818
    """No service answers on the socket."""


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=WAIT_S)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket file."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(WAIT_S)
        self.sock.connect(str(self._path))


def ask(data_dir: Path, action: str, asked: Mapping[str, object], *, changes: bool) -> Any:  # noqa: ANN401 - JSON
    """Have the running service carry out an action; return its result.

    Raises:
        NotRunning: There is no service.
        UsageError: It did not like the request; also `NotFound`, `BridgeError`.
    """
    link = _Unix(data_dir / SOCKET_NAME)
    try:
        if changes:
            body = orjson.dumps(dict(asked), default=str)
            link.request("POST", f"/api/v1/{action}", body, {"content-type": "application/json"})
        else:
            given = {key: value for key, value in asked.items() if value is not None}
            link.request("GET", f"/api/v1/{action}?{urlencode(given)}")
        reply = link.getresponse()
        answer = orjson.loads(reply.read())
    except (FileNotFoundError, ConnectionRefusedError):
        raise NotRunning(
            f"no chip-bridge service is running on {data_dir}; start it with "
            "`systemctl start chip-bridge` or `chip-bridge run`"
        ) from None
    except PermissionError:
        raise BridgeError(
            f"{data_dir / SOCKET_NAME} may not be used by you; use sudo, or join the group "
            "chip-bridge"
        ) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise BridgeError(f"the service did not answer properly ({error}); try again") from None
    finally:
        link.close()
    if answer.get("ok"):
        return answer["result"]
    raise _error(reply.status)(str(answer.get("error")))


def _error(status: int) -> type[BridgeError]:
    return {400: UsageError, 404: NotFound}.get(status, BridgeError)


def carry_out(
    invocation: Invocation, action: str, asked: Mapping[str, object], *, changes: bool
) -> Any:  # noqa: ANN401 - JSON
    """Carry out an action: by the service if it runs, else on the journal in this process."""
    loaded = invocation.load(serving=False)
    try:
        return ask(loaded.config.bridge.data_dir, action, asked, changes=changes)
    except NotRunning:
        return asyncio.run(_alone(invocation, action, asked))


async def _alone(invocation: Invocation, action: str, asked: Mapping[str, object]) -> object:
    from bridge.bootstrap.actions import make_actions  # noqa: PLC0415

    async def work(core: Any) -> object:  # noqa: ANN401 - Core, whose import is heavy
        actions = make_actions(core, lambda: None)
        return await actions[action].handler(asked, "cli")

    return await with_core(invocation, work)


async def with_core(invocation: Invocation, work: Callable[[Any], Awaitable[object]]) -> object:
    """Open the race without its service, bring it up to the journal, and work on it."""
    from bridge.adapters.logs import configure  # noqa: PLC0415
    from bridge.adapters.system_clock import SystemClock  # noqa: PLC0415
    from bridge.bootstrap.core import open_core  # noqa: PLC0415

    loaded = invocation.load(serving=False)
    configure(form="console", level="warning", secrets=(), environ={})
    core = open_core(loaded, invocation.drivers(), SystemClock())
    try:
        core.marker_guns.recall()
        await core.recall()
        await core.marker_guns.settle(core.operations)
        return await work(core)
    finally:
        await core.store.close()
