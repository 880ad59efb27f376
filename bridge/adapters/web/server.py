"""Serve the API inside our own event loop: a Unix socket always, a TCP port if configured."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from bridge.adapters.tcp import reason
from bridge.adapters.web.client import SOCKET_NAME
from bridge.errors import ConfigError


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the service: uvicorn would take them over."""
        yield


def bind_unix(folder: Path) -> socket.socket:
    """Return the listening Unix socket of this data folder, ours alone to read and write."""
    path = folder / SOCKET_NAME
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX)
    old = os.umask(0o117)
    try:
        sock.bind(str(path))
    finally:
        os.umask(old)
    sock.listen(64)
    sock.setblocking(False)  # noqa: FBT003 - the socket module's own signature
    return sock


def bind_tcp(host: str, port: int) -> socket.socket:
    """Return a listening TCP socket.

    Raises:
        ConfigError: The address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise ConfigError(
            f"web.listen {host}:{port} cannot be used ({reason(error)}); choose another port"
        ) from None
    sock.listen(128)
    sock.setblocking(False)  # noqa: FBT003 - the socket module's own signature
    return sock


async def serve_http(app: Starlette, sock: socket.socket) -> None:
    """Serve until cancelled, then let go of every connection within a second."""
    config = uvicorn.Config(
        app,
        http="h11",
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
        server.should_exit = True
        server.force_exit = True
        raise
    finally:
        sock.close()
