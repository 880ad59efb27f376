"""An MQTT subscriber in a process of its own: takes packets, notes when, and acknowledges."""

import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection

import orjson

_CONNECT = 0x10
_SUBSCRIBE = 0x82
_PUBLISH = 0x30
_PUBACK = b"\x40\x02"
_IDLE_S = 0.25


@dataclass(frozen=True, slots=True)
class Message:
    """A crossing as it came."""

    at_ns: int
    """Of `time.perf_counter_ns`."""
    seq: int
    id: str
    chip: str
    at_ms: int | None
    state: str


class Listener:
    """The parent's side."""

    def __init__(self, link: "Connection[object, object]") -> None:
        self._link = link

    def count(self) -> int:
        """Return how many messages have come since the last `take`."""
        self._link.send("count")
        count = self._link.recv()
        assert isinstance(count, int)
        return count

    def last_ns(self) -> int:
        """Return when the newest came."""
        self._link.send("last")
        at = self._link.recv()
        assert isinstance(at, int)
        return at

    def take(self) -> list[Message]:
        """Return the messages since the last time, and forget them."""
        self._link.send("take")
        packets = self._link.recv()
        assert isinstance(packets, list)
        return [_message(at, payload) for at, payload in packets]


@contextmanager
def listener(port: int, topic: str) -> Iterator[Listener]:
    """Subscribe to `topic` with QoS 1 at the broker on `port` of this host."""
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, port, topic), daemon=True)
    process.start()
    assert here.recv() == "subscribed"
    try:
        yield Listener(here)
    finally:
        process.terminate()
        process.join()


def _message(at: int, payload: bytes) -> Message:
    said = orjson.loads(payload)
    return Message(at, said["seq"], said["id"], said["chip"], said["at_ms"], said["state"])


def _serve(link: "Connection[object, object]", port: int, topic: str) -> None:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    head = _text(b"MQTT") + b"\x04\x02\x00\x00" + _text(b"bench-listener")
    sock.sendall(bytes([_CONNECT, len(head)]) + head)
    wanted = b"\x00\x01" + _text(topic.encode()) + b"\x01"
    sock.sendall(bytes([_SUBSCRIBE, len(wanted)]) + wanted)
    buffer = b""
    packets: list[tuple[int, bytes]] = []
    told = False
    with suppress(KeyboardInterrupt, EOFError):
        while True:
            readable, _, _ = select.select([sock, link], [], [], _IDLE_S)
            if sock in readable:
                data = sock.recv(262_144)
                at = time.perf_counter_ns()
                buffer, acks = _cut(buffer + data, at, packets)
                if acks:
                    sock.sendall(acks)
                if not told:
                    told = True
                    link.send("subscribed")
            if link in readable:
                match link.recv():
                    case "count":
                        link.send(len(packets))
                    case "last":
                        link.send(packets[-1][0])
                    case _:
                        link.send(packets)
                        packets = []


def _text(text: bytes) -> bytes:
    return len(text).to_bytes(2, "big") + text


def _cut(buffer: bytes, at: int, packets: list[tuple[int, bytes]]) -> tuple[bytes, bytes]:
    """Take whole packets out; return what is left and what acknowledges them."""
    acks = bytearray()
    start, end = 0, len(buffer)
    while end - start >= 2:
        length = shift = 0
        body = start + 1
        while body < end:
            byte = buffer[body]
            length |= (byte & 0x7F) << shift
            shift += 7
            body += 1
            if byte < 0x80:
                break
        else:
            break
        if body + length > end:
            break
        if buffer[start] & 0xF0 == _PUBLISH:
            topic_end = body + 2 + int.from_bytes(buffer[body : body + 2], "big")
            payload_at = topic_end
            if buffer[start] & 0x06:
                acks += _PUBACK + buffer[topic_end : topic_end + 2]
                payload_at += 2
            packets.append((at, buffer[payload_at : body + length]))
        start = body + length
    return buffer[start:], bytes(acks)
