"""Posts of records: signed, in order, again until they are taken."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from bridge.adapters.forward_webhook import Webhook
from tests.support.forwarding import free_port
from tests.support.store import HostClock, until


class Shelf:
    """Numbered messages."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def read(self, first: int, count: int) -> list[object]:
        raise AssertionError((first, count))  # a webhook wants messages

    def messages(self, first: int, count: int) -> list[bytes]:
        last = min(first + count - 1, self.count)
        return [b'{"n":%d,"chip":"C%d"}' % (n, n) for n in range(first, last + 1)]

    def mark_of(self, number: int) -> int:
        return number

    def number_of(self, mark: int) -> int:
        return mark

    async def catch_up(self) -> None:
        """All is there."""

    def release(self) -> None:
        """Nothing waits."""


class Receiver:
    """Answers posts with one status after the other, the last for ever."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.bodies: list[bytes] = []
        self.signatures: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
                self.bodies.append(await reader.readexactly(int(fields["content-length"])))
                self.signatures.append(fields["x-chip-bridge-signature"])
                status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)
        writer.close()

    @property
    def numbers(self) -> list[list[int]]:
        return [[one["n"] for one in json.loads(body)["records"]] for body in self.bodies]


@asynccontextmanager
async def posting(shelf: Shelf, port: int, acknowledged: int = 0) -> AsyncIterator[Webhook]:
    alarms: list[str | None] = []
    hook = Webhook(
        f"http://127.0.0.1:{port}/x",
        "s3cret",
        shelf,
        HostClock(),
        site="box",
        name="webhook",
        acknowledged=acknowledged,
        most_per_post=4,
        alarm=alarms.append,
    )
    hook.alarms = alarms  # type: ignore[attr-defined]
    async with asyncio.TaskGroup() as group:
        task = group.create_task(hook.run())
        try:
            yield hook
        finally:
            task.cancel()


async def test_posts_are_signed_and_repeated_until_taken() -> None:
    receiver = Receiver(503, 404, 204)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    shelf = Shelf(6)
    async with server, posting(shelf, server.sockets[0].getsockname()[1], 1) as hook:
        await until(lambda: hook.acknowledged == 6)
        shelf.count = 7
        hook.news()
        await until(lambda: hook.acknowledged == 7)
        alarms: list[str | None] = hook.alarms  # type: ignore[attr-defined]
    assert receiver.numbers == [[2, 3, 4, 5]] * 3 + [[6], [7]]
    for body, signature in zip(receiver.bodies, receiver.signatures, strict=True):
        good = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
        assert signature == f"sha256={good}"
    whole = json.loads(receiver.bodies[0])
    assert (whole["v"], whole["site"], whole["forward"]) == (1, "box", "webhook")
    assert [text and text.split(" (")[0] for text in alarms] == [
        "the receiver wants no posts now",
        "the receiver refuses our posts",
        None,
        None,
        None,
    ]


async def test_a_receiver_that_is_not_there_gets_everything_later() -> None:
    port = free_port()
    receiver = Receiver(200)
    async with posting(Shelf(3), port) as hook:
        await until(lambda: bool(hook.alarms))  # type: ignore[attr-defined]
        assert not hook.connected
        async with await asyncio.start_server(receiver.serve, "127.0.0.1", port):
            await until(lambda: hook.acknowledged == 3)
            assert hook.connected
    assert receiver.numbers == [[1, 2, 3]]
