"""TCP to readers on real sockets: refused, cut, reset, half-open, slow, replaced."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from bridge.adapters.tcp import BUFFER, TcpDialler, TcpListener, TcpTransport, reason
from bridge.errors import LinkError
from tests.support.store import until


class Peer:
    """A reader's end, accepted by hand."""

    def __init__(self) -> None:
        self.listening = socket.socket()
        self.listening.bind(("127.0.0.1", 0))
        self.listening.listen(8)
        self.listening.setblocking(False)  # noqa: FBT003 - the socket module's own signature
        self.port = int(self.listening.getsockname()[1])
        self.open: list[socket.socket] = []

    async def accept(self) -> socket.socket:
        found, _ = await asyncio.get_running_loop().sock_accept(self.listening)
        self.open.append(found)
        return found

    def close(self) -> None:
        for sock in (self.listening, *self.open):
            sock.close()


@asynccontextmanager
async def linked() -> AsyncIterator[tuple[TcpTransport, socket.socket]]:
    peer = Peer()
    transport = await TcpDialler("127.0.0.1", peer.port).connect()
    try:
        yield transport, await peer.accept()
    finally:
        transport.close()
        peer.close()
        await asyncio.sleep(0)


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


async def all_of(transport: TcpTransport) -> bytes:
    got = b""
    while data := await transport.read():
        got += data
    return got


async def test_bytes_go_both_ways_and_the_end_is_told() -> None:
    async with linked() as (transport, peer):
        await asyncio.get_running_loop().sock_sendall(peer, b"aa0005")
        assert await transport.read() == b"aa0005"
        await transport.write(b"ab00000222\r\n")
        assert await asyncio.get_running_loop().sock_recv(peer, 99) == b"ab00000222\r\n"
        await asyncio.get_running_loop().sock_sendall(peer, b"last")
        peer.close()
        assert await all_of(transport) == b"last"
        with pytest.raises(LinkError, match="closed"):
            await transport.write(b"x")


async def test_a_reset_is_an_error_after_what_had_come() -> None:
    async with linked() as (transport, peer):
        await asyncio.get_running_loop().sock_sendall(peer, b"read")
        await until(lambda: bool(transport._buffer))  # noqa: SLF001 - it is here
        reset(peer)
        await until(lambda: transport._ended is not None)  # noqa: SLF001
        assert await transport.read() == b"read"
        with pytest.raises(LinkError, match="Connection reset by peer"):
            await transport.read()


async def test_closing_gives_what_had_come_and_never_waits() -> None:
    async with linked() as (transport, peer):
        await asyncio.get_running_loop().sock_sendall(peer, b"read")
        await until(lambda: bool(transport._buffer))  # noqa: SLF001 - it is here
        transport.close()
        assert await transport.read() == b"read"
        assert await transport.read() == b""
        transport.close()


async def test_a_cancelled_read_loses_nothing() -> None:
    async with linked() as (transport, peer):
        with suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await transport.read()
        await asyncio.get_running_loop().sock_sendall(peer, b"read")
        assert await transport.read() == b"read"


async def test_nobody_taking_the_bytes_slows_the_reader_down_and_loses_none() -> None:
    async with linked() as (transport, peer):
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        sent = 0
        piece = bytes(range(256)) * 16

        async def flood() -> None:
            nonlocal sent
            for _ in range(5_000):
                await asyncio.get_running_loop().sock_sendall(peer, piece)
                sent += len(piece)
            peer.close()

        async with asyncio.TaskGroup() as group:
            group.create_task(flood())
            await until(lambda: transport._paused)  # noqa: SLF001 - what this is about
            before = -1
            while before != sent:
                before = sent
                await asyncio.sleep(0.1)
            assert sent < 5_000 * len(piece), "the reader is held back"
            assert len(transport._buffer) < 10 * BUFFER  # noqa: SLF001
            got = await all_of(transport)
        assert got == piece * 5_000


async def test_a_peer_that_takes_nothing_ends_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.adapters.tcp.WRITE_S", 0.2)
    async with linked() as (transport, _peer):
        with pytest.raises(LinkError, match="does not take"):
            await transport.write(bytes(50_000_000))


async def test_a_slow_peer_gets_everything() -> None:
    async with linked() as (transport, peer):
        whole = bytes(range(256)) * 20_000
        got = bytearray()

        async def slowly() -> None:
            while len(got) < len(whole):
                got.extend(await asyncio.get_running_loop().sock_recv(peer, 65_536))
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group:
            group.create_task(slowly())
            await transport.write(whole)
        assert bytes(got) == whole


async def test_the_kernel_watches_for_a_half_open_link() -> None:
    async with linked() as (transport, _peer):
        assert transport._transport is not None  # noqa: SLF001 - the socket's own options
        sock = transport._transport.get_extra_info("socket")  # noqa: SLF001
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        idle = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
        every = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL)
        count = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT)
        assert idle + every * count <= 15
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


async def test_a_refused_connection_says_what_to_do() -> None:
    peer = Peer()
    peer.close()
    with pytest.raises(LinkError, match=r"refused.*switched on"):
        await TcpDialler("127.0.0.1", peer.port).connect()


async def test_other_ports_move_with_the_main_one() -> None:
    peer = Peer()
    try:
        moved = TcpDialler("127.0.0.1", 10_000 + 20_000, usual_port=10_000)
        transport = await moved.dial(peer.port - 20_000)
        transport.close()
        near = TcpDialler("127.0.0.1", 10_001, usual_port=10_000)
        transport = await near.dial(peer.port)
        transport.close()
        await asyncio.sleep(0)
    finally:
        peer.close()


# -- readers that connect to us --------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_a_new_connection_replaces_the_old_one_and_neither_loses_a_byte() -> None:
    listener = TcpListener("127.0.0.1", port := free_port())
    async with asyncio.TaskGroup() as group:
        connecting = group.create_task(listener.connect())
        await until(lambda: listener._server is not None)  # noqa: SLF001 - it listens
        first_reader, first_writer = await asyncio.open_connection("127.0.0.1", port)
        first = await connecting
        first_writer.write(b"old")
        await until(lambda: bool(first._buffer))  # noqa: SLF001 - it is here
        _, second_writer = await asyncio.open_connection("127.0.0.1", port)
        second_writer.write(b"new")
        second = await listener.connect()
        assert await all_of(first) == b"old"
        assert await second.read() == b"new"
        with suppress(ConnectionError):
            assert await first_reader.read() == b""
        for writer in (first_writer, second_writer):
            writer.close()
        second.close()
        listener.close()
        await asyncio.sleep(0)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_port_in_use_says_so() -> None:
    peer = Peer()
    try:
        with pytest.raises(LinkError, match="another program"):
            await TcpListener("127.0.0.1", peer.port).connect()
    finally:
        peer.close()


async def test_a_reader_that_connects_to_us_has_no_ports() -> None:
    with pytest.raises(LinkError, match="connects to us"):
        await TcpListener("127.0.0.1", 1).dial(9999)


def test_reasons_are_words() -> None:
    assert reason(TimeoutError()) == "no answer"
    assert reason(OSError(113, "x")) == "No route to host"
    assert reason(socket.gaierror(-2, "Name or service not known")) == "Name or service not known"
    assert reason(ValueError("odd")) == "odd"
    assert reason(KeyError()) == "KeyError"
