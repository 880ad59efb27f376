"""The socket that moves bytes in bursts, over a real pair of sockets."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from bridge.adapters.mqtt_burst import FULL, BurstSocket


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.settimeout(0)
    theirs.settimeout(5)
    yield ours, theirs
    ours.close()
    theirs.close()


def burst_of(inner: socket.socket) -> BurstSocket:
    return BurstSocket(inner, asyncio.get_running_loop())


async def test_a_burst_leaves_at_the_next_turn(pair: tuple[socket.socket, socket.socket]) -> None:
    burst = burst_of(pair[0])
    assert [burst.send(b"ab"), burst.send(bytearray(b"cd"))] == [2, 2]
    await asyncio.sleep(0)

    assert pair[1].recv(10) == b"abcd"


async def test_reading_in_pieces_asks_the_kernel_once(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    burst = burst_of(pair[0])
    pair[1].sendall(b"abcdef")

    assert burst.recv(1) == b"a"
    assert burst.pending() == 5
    assert burst.recv(2) == b"bc"
    assert burst.recv(99) == b"def"
    assert burst.pending() == 0
    with pytest.raises(BlockingIOError):
        burst.recv(1)
    pair[1].close()
    assert burst.recv(1) == b""


async def test_a_peer_that_does_not_read_holds_us_up_and_gets_all(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    burst = burst_of(pair[0])
    sent = 0
    while sent < 10 * FULL:
        try:
            sent += burst.send(bytes([sent // 1000 % 256]) * 1000)
        except BlockingIOError:
            break
        if sent % 50_000 == 0:
            await asyncio.sleep(0)
    assert FULL < sent < 10 * FULL

    pair[1].settimeout(0)
    got = bytearray()
    async with asyncio.timeout(20):
        while len(got) < sent:
            try:
                got += pair[1].recv(1 << 20)
            except BlockingIOError:
                await asyncio.sleep(0.005)
    assert bytes(got) == b"".join(bytes([n % 256]) * 1000 for n in range(sent // 1000))
    assert burst.send(b"on") == 2
    burst.close()
    assert pair[1].recv(10) == b"on"


async def test_closing_after_the_peer_is_gone(pair: tuple[socket.socket, socket.socket]) -> None:
    burst = burst_of(pair[0])
    pair[1].close()
    burst.send(b"x")
    burst.close()
    await asyncio.sleep(0)

    assert burst.fileno() == -1
