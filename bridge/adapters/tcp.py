"""TCP to readers, with or without TLS: dial out, or listen for readers that connect to us."""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from typing import cast

from bridge.adapters.tls import check, fingerprint_of, untrusted, unverified
from bridge.errors import LinkError

BUFFER = 65_536
CONNECT_S = 5.0
WRITE_S = 10.0
KEEPALIVE_S = 5
FAR = 1_000
MOST_ARRIVED = 100
"""Connections not looked at yet; what each has sent so far waits in it. As many as asyncio accepts
in one turn of the loop."""


class TcpTransport(asyncio.Protocol):
    """One open stream. Reading pauses by itself while nobody takes the bytes."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._ended: LinkError | None = None
        self._closed = False
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Set the socket up: no delay, and a half-open link is noticed by the kernel too."""
        self._transport = cast("asyncio.Transport", transport)
        keep_alive(transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        """Keep bytes; above the bound the kernel keeps them, and the reader is slowed down."""
        self._buffer += data
        if len(self._buffer) >= BUFFER and self._transport is not None:
            self._transport.pause_reading()
            self._paused = True
        self._wake()

    def eof_received(self) -> bool:
        """Note the peer's end."""
        self._closed = True
        self._wake()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end."""
        self._closed = True
        if exc is not None:
            self._ended = LinkError(f"the connection was lost: {reason(exc)}")
        self._wake()
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def pause_writing(self) -> None:
        """Hold writers back: the peer does not read."""
        self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Let writers go on."""
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def read(self) -> bytes:
        """Return everything that has come, or b"" once the peer has closed."""
        while not self._buffer:
            if self._ended is not None:
                raise self._ended
            if self._closed:
                return b""
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        data = bytes(self._buffer)
        self._buffer.clear()
        if self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        """Send `data`; waits while the peer is slow, at most ten seconds."""
        if self._closed or self._transport is None:
            raise self._ended or LinkError("the connection is closed")
        self._transport.write(data)
        if self._drained is not None:
            try:
                await asyncio.wait_for(asyncio.shield(self._drained), WRITE_S)
            except TimeoutError:
                raise LinkError("the reader does not take what is sent to it") from None

    def close(self) -> None:
        """Let go at once."""
        self._closed = True
        if self._transport is not None:
            self._transport.abort()
        self._wake()


def keep_alive(sock: socket.socket | None) -> None:
    """Ask the kernel to notice a silent dead peer in about fifteen seconds."""
    if sock is None or sock.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 2)


def reason(error: BaseException) -> str:
    """Return an operating-system error in words."""
    if isinstance(error, TimeoutError):
        return "no answer"
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno) if error.errno > 0 else str(error.strerror)
    return str(error) or type(error).__name__


class TcpDialler:
    """Dials one reader."""

    def __init__(
        self,
        host: str,
        port: int,
        usual_port: int | None = None,
        *,
        tls: bool = False,
        fingerprint: str | None = None,
    ) -> None:
        """Name the reader; nothing is opened yet.

        Where the main port is far from the one such readers have (`usual_port`), a port-forward or
        an emulator stands between: its other ports are then moved by as much. With `tls` its
        certificate is verified, or has to be the one with this `fingerprint` (SHA-256).
        """
        self._host = host
        self._port = port
        self._tls = tls
        self._fingerprint = fingerprint
        moved = port - usual_port if usual_port is not None else 0
        self._shift = moved if abs(moved) >= FAR else 0

    async def connect(self) -> TcpTransport:
        """Open the main connection."""
        return await self._open(self._port)

    async def dial(self, port: int) -> TcpTransport:
        """Open a connection to another port of the reader; 0: to the main one."""
        return await self._open(port + self._shift if port else self._port)

    def close(self) -> None:
        """Do nothing: what was dialled is closed by itself."""

    async def _open(self, port: int) -> TcpTransport:
        if not self._tls:
            return (await self._dialled(port, None))[0]
        if self._fingerprint is None:
            try:
                return (await self._dialled(port, ssl.create_default_context()))[0]
            except ssl.SSLCertVerificationError as error:
                untrusted(error, await self._shown(port))
        protocol, transport = await self._dialled(port, unverified())
        try:
            check(transport.get_extra_info("ssl_object"), self._fingerprint)
        except LinkError:
            protocol.close()
            raise
        return protocol

    async def _dialled(
        self, port: int, context: ssl.SSLContext | None
    ) -> tuple[TcpTransport, asyncio.Transport]:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_S):
                transport, protocol = await loop.create_connection(
                    TcpTransport, self._host, port, ssl=context
                )
        except ssl.SSLCertVerificationError:
            raise
        except ssl.SSLError as error:
            raise LinkError(
                f"{self._host}:{port} does not speak TLS with us ({error.reason}); "
                "is this the reader's TLS port?"
            ) from None
        except (OSError, TimeoutError) as error:
            raise LinkError(
                f"cannot reach {self._host}:{port} ({reason(error)}); "
                "is the reader switched on and its address right?"
            ) from None
        return protocol, transport

    async def _shown(self, port: int) -> str | None:
        """Return the fingerprint of the certificate the reader shows, for a person to judge."""
        try:
            protocol, transport = await self._dialled(port, unverified())
        except LinkError:
            return None
        shown: ssl.SSLObject = transport.get_extra_info("ssl_object")
        protocol.close()
        return fingerprint_of(shown.getpeercert(binary_form=True))


class TcpListener:
    """Waits for one reader that connects to us; a new connection replaces a dead one."""

    def __init__(self, host: str, port: int, *, many: bool = False) -> None:
        """With `many`, connections stand side by side, and whoever takes them bounds them."""
        self._host = host
        self._port = port
        self._many = many
        self._server: asyncio.Server | None = None
        self._arrived: asyncio.Queue[TcpTransport] = asyncio.Queue(maxsize=MOST_ARRIVED)
        self._current: TcpTransport | None = None

    async def connect(self) -> TcpTransport:
        """Return the next connection a reader makes."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            try:
                self._server = await loop.create_server(
                    lambda: _Arriving(self._welcome), self._host, self._port
                )
            except OSError as error:
                raise LinkError(
                    f"cannot listen on {self._host}:{self._port} ({reason(error)}); "
                    "is another program using the port?"
                ) from None
        self._current = await self._arrived.get()
        return self._current

    def _welcome(self, transport: TcpTransport) -> None:
        if self._current is not None and not self._many:
            self._current.close()
        try:
            self._arrived.put_nowait(transport)
        except asyncio.QueueFull:
            transport.close()

    async def dial(self, port: int) -> TcpTransport:
        """Refuse: a reader that connects to us has no ports."""
        raise LinkError(f"port {port} cannot be dialled: this reader connects to us")

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            self._server = None
        while not self._arrived.empty():
            self._arrived.get_nowait().close()


class _Arriving(TcpTransport):
    """A connection made by the peer."""

    def __init__(self, welcome: Callable[[TcpTransport], None]) -> None:
        super().__init__()
        self._welcome = welcome

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._welcome(self)
