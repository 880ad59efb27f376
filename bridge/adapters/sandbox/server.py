"""Serve a sandbox, such that its faults can reach the connections."""

import asyncio
import socket

from uvicorn.protocols.http.h11_impl import H11Protocol

from bridge.adapters import http_server
from bridge.adapters.sandbox.app import Sandbox, sandbox_app


class _Protocol(H11Protocol):
    """Lets the app reach its connection: a fault can only be shown by cutting it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Put the transport where each request of this connection finds it."""
        self.app_state = {**self.app_state, "transport": transport}
        super().connection_made(transport)


async def serve(sandbox: Sandbox, sock: socket.socket) -> None:
    """Serve until cancelled."""
    await http_server.serve(sandbox_app(sandbox), sock, _Protocol)
