"""Ask the running service something over its Unix socket, from another process."""

import http.client
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson

from bridge.errors import BridgeError, NotFound, UsageError

SOCKET_NAME = "chip-bridge.sock"
WAIT_S = 60.0


class NotRunning(BridgeError):  # noqa: N818
    """No service answers on the socket."""


@contextmanager
def short_name(path: Path) -> Iterator[str]:
    """Give a name for a socket that fits its 107 bytes, however deep the folder is.

    Raises:
        OSError: The folder cannot be opened.
    """
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=WAIT_S)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket file."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(WAIT_S)
        with short_name(self._path) as name:
            self.sock.connect(name)


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
    usage = dict.fromkeys((400, 413, 415), UsageError)
    return {**usage, 404: NotFound}.get(status, BridgeError)
