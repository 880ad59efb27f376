"""HTTP served inside our own event loop (uvicorn), for the API and for the sandbox."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn
from starlette.applications import Starlette

from bridge.adapters.tcp import reason
from bridge.errors import UsageError


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to whoever runs us: uvicorn would take them over."""
        yield


def bind(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """Return a listening TCP socket; port 0 takes any free one.

    Bound here and not by uvicorn, which does not tell that a port is taken.

    Raises:
        UsageError: The address cannot be had.
    """
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise UsageError(
            f"cannot listen on {host}:{port} ({reason(error)}): choose another port"
        ) from None
    return listening(sock)


def listening(sock: socket.socket) -> socket.socket:
    """Let a bound socket listen, without ever blocking the loop."""
    sock.listen(128)
    sock.setblocking(False)  # noqa: FBT003 - the socket module's own signature
    return sock


async def serve(app: Starlette, sock: socket.socket, http: Any = "h11") -> None:  # noqa: ANN401 - uvicorn's type
    """Serve until cancelled, then let go of every connection within a second."""
    config = uvicorn.Config(
        app,
        http=http,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
        server_header=False,
    )
    server = _Server(config)
    try:
        await server.serve(sockets=[sock])
    except asyncio.CancelledError:
        if server.started:
            await server.shutdown(sockets=[sock])
        raise
    finally:
        sock.close()
