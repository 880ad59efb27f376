"""Give an emulator its sockets or its pseudo-terminal, a clock, and the faults of the field."""

import asyncio
import os
import random
import socket
import struct
import tty
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from pathlib import Path

from bridge.adapters.tcp import keep_alive, reason
from bridge.app.ports import Clock
from bridge.domain.reads import NS_PER_S
from bridge.driver_api import MAIN, Emulator, Out, Sighting
from bridge.errors import UsageError

TICK_S = 0.1
PIECE_S = 0.003
"""Pause between the small TCP segments of a slow controller (IPICO Lite, measured)."""
OUT_OF_ORDER_S = 11.0
"""Largest lateness measured on a live link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What goes wrong on purpose."""

    drop_after: int | None = None
    """Cut every connection in mid-frame after this many sent frames, again and again."""
    garbage: float = 0.0
    """Share of frames with noise in front of them (0 to 1)."""
    out_of_order: float = 0.0
    """Share of sightings that reach the wire up to 11 s late (0 to 1)."""
    seed: int = 0


_Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class _Client:
    """One connection to the emulated reader."""

    def __init__(self, writer: asyncio.StreamWriter, channel: str) -> None:
        self.writer = writer
        self.channel = channel
        self.sent = 0
        self.turn = asyncio.Lock()
        """Held while a frame goes out in pieces: frames interleave between lines, never inside."""


class EmulatorHost:
    """Runs one emulator on TCP ports or a pty until cancelled."""

    def __init__(
        self,
        emulator: Emulator,
        clock: Clock,
        *,
        skew_ns: int = 0,
        faults: Faults | None = None,
        paced: bool = True,
    ) -> None:
        """Set up; no port is opened yet.

        `skew_ns` is added to host UTC to make the reader's clock (zone offset and error). Without
        `paced` frames go out whole and at once, however slow the real reader is.
        """
        self._emulator = emulator
        self._clock = clock
        self._skew_ns = skew_ns
        self._piece = emulator.piece if paced else None
        self._faults = faults or Faults()
        self._random = random.Random(self._faults.seed)  # noqa: S311 - faults, not secrets
        self._clients: dict[int, _Client] = {}
        self._numbers = 0
        self._servers: list[asyncio.Server] = []
        self._late: list[tuple[int, int, Sighting]] = []
        """Heap of (due by the monotonic clock, number, sighting) that reach the wire late."""
        self.sighted = 0
        """Sightings taken so far."""
        self.met = asyncio.Event()
        """Set once somebody has connected."""
        self.blocked = False
        """Refuse and cut connections: the cable is pulled."""

    @property
    def now_ns(self) -> int:
        """The reader's own clock."""
        return self._clock.utc_ns() + self._skew_ns

    @property
    def clients(self) -> int:
        """Connections open now."""
        return len(self._clients)

    async def listen(self, host: str, port: int) -> int:
        """Open the ports; return the main one (`port` 0: any free one, single-port readers)."""
        main = self._emulator.channels[MAIN]
        for channel, usual in self._emulator.channels.items():
            wanted = port if channel == MAIN else (port + usual - main if port else 0)
            try:
                server = await asyncio.start_server(self._server_of(channel), host, wanted)
            except OSError as error:
                raise UsageError(
                    f"cannot listen on {host}:{wanted} ({reason(error)}); choose another --listen"
                ) from None
            self._servers.append(server)
            if channel == MAIN:
                port = int(server.sockets[0].getsockname()[1])
        return port

    def _server_of(self, channel: str) -> _Serve:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self.serve(reader, writer, channel)

        return serve

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, channel: str
    ) -> None:
        """Be the reader at one end of a connection until it ends, whoever made it."""
        if self.blocked:
            writer.transport.abort()
            return
        keep_alive(writer.get_extra_info("socket"))
        self._numbers += 1
        number = self._numbers
        self._clients[number] = _Client(writer, channel)
        self.met.set()
        try:
            await self._emit(self._emulator.connected(number, channel, self.now_ns))
            while data := await reader.read(4096):
                await self._emit(self._emulator.received(number, data, self.now_ns))
        except (ConnectionError, OSError):
            return  # the client is gone; `finally` says so
        finally:
            self._clients.pop(number, None)
            self._emulator.disconnected(number)
            _drop(writer)

    async def serve_pty(self, link: Path) -> None:
        """Be a serial port: a pty whose slave is reachable as `link`. Returns when cancelled."""
        master, slave = os.openpty()
        tty.setraw(slave)
        _link(link, os.ttyname(slave))
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        read_end, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(os.dup(master), "rb", 0)
        )
        write_end, protocol = await loop.connect_write_pipe(
            asyncio.streams.FlowControlMixin, os.fdopen(master, "wb", 0)
        )
        try:
            await self.serve(reader, asyncio.StreamWriter(write_end, protocol, reader, loop), MAIN)
        finally:
            read_end.close()
            _link(link, None)
            os.close(slave)

    async def run(self) -> None:
        """Let the emulator's time pass until cancelled."""
        try:
            while True:
                await self._clock.sleep(TICK_S)
                while self._late and self._late[0][0] <= self._clock.boot_ns():
                    await self._emit(self._emulator.sighted(heappop(self._late)[2]))
                await self._emit(self._emulator.tick(self.now_ns))
        finally:
            self.close()

    def close(self) -> None:
        """Close ports and connections."""
        while self._servers:
            self._servers.pop().close()
        self.cut()

    def cut(self) -> None:
        """Cut every connection at once, as a pulled cable does once noticed."""
        for client in list(self._clients.values()):
            _drop(client.writer)

    async def sight(self, sighting: Sighting) -> None:
        """Let a chip cross the mat now; with `out_of_order` the reader may tell of it later."""
        self.sighted += 1
        if self._faults.out_of_order and self._random.random() < self._faults.out_of_order:
            late_ns = int(self._random.uniform(0, OUT_OF_ORDER_S) * NS_PER_S)
            heappush(self._late, (self._clock.boot_ns() + late_ns, self.sighted, sighting))
            return
        await self._emit(self._emulator.sighted(sighting))

    async def mark(self, name: str, stamp: int) -> None:
        """Fire the gun or press the button."""
        await self._emit(self._emulator.marked(name, stamp))

    async def _emit(self, outs: Sequence[Out]) -> None:
        for out in outs:
            for number, client in list(self._clients.items()):
                if out.client == number or (out.client is None and client.channel == out.channel):
                    async with client.turn:
                        await self._send(client, out)

    async def _send(self, client: _Client, out: Out) -> None:
        transport = client.writer.transport
        if transport.is_closing():
            return
        if out.data:
            data = self._spoiled(client, out.data)
            for piece in self._pieces(data):
                client.writer.write(piece)
                if self._piece is not None:
                    await self._clock.sleep(PIECE_S)
        if out.reset:
            sock: socket.socket | None = client.writer.get_extra_info("socket")
            if sock is not None:  # a pty has no RST
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        elif out.close:
            client.writer.close()

    def _pieces(self, data: bytes) -> list[bytes]:
        if self._piece is None:
            return [data]
        low, high = self._piece
        pieces: list[bytes] = []
        while data:
            size = self._random.randint(low, high)
            pieces.append(data[:size])
            data = data[size:]
        return pieces

    def _spoiled(self, client: _Client, data: bytes) -> bytes:
        faults = self._faults
        client.sent += 1
        if faults.drop_after is not None and client.sent >= faults.drop_after:
            client.writer.write(data[: len(data) // 2])
            client.writer.close()
            return b""
        if faults.garbage and self._random.random() < faults.garbage:
            return self._random.randbytes(self._random.randint(1, 40)) + b"\r\n" + data
        return data


def _drop(writer: asyncio.StreamWriter) -> None:
    """Cut a connection once: a pipe that is told so twice fails in the loop."""
    if not writer.transport.is_closing():
        writer.transport.abort()


def _link(link: Path, target: str | None) -> None:
    """Point `link` at `target`, or take it away."""
    try:
        if link.is_symlink():
            link.unlink()
        if target is not None:
            link.symlink_to(target)
    except OSError as error:
        raise UsageError(
            f"cannot make the link {link} ({error.strerror}); choose another --pty"
        ) from None


def parse_listen(text: str) -> tuple[str, int]:
    """Return (host, port) of ``HOST:PORT`` or ``:PORT``.

    Raises:
        UsageError: It is neither.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65_535:  # noqa: PLR2004
        raise UsageError(f"{text!r} is not HOST:PORT, for example 127.0.0.1:10000")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - the operator asked for it
