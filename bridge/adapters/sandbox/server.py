"""Serve a sandbox inside our own event loop."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from bridge.adapters.sandbox.app import Sandbox, sandbox_app
from bridge.adapters.tcp import reason
from bridge.errors import UsageError


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to whoever runs us: uvicorn would take them over."""
        yield


class _Protocol(H11Protocol):
    """Lets the app reach its connection: a fault can only be shown by cutting it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Put the transport where each request of this connection finds it."""
        self.app_state = {**self.app_state, "transport": transport}
        super().connection_made(transport)


def bind(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """Return a listening socket; port 0 takes any free one.

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
            f"the sandbox cannot listen on {host}:{port} ({reason(error)}): choose another port"
        ) from None
    sock.listen(128)
    sock.setblocking(False)  # noqa: FBT003 - the socket module's own signature
    return sock


async def serve(sandbox: Sandbox, sock: socket.socket) -> None:
    """Serve until cancelled, then let go of every connection within a second."""
    config = uvicorn.Config(
        sandbox_app(sandbox),
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
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
