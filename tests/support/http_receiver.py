"""A session on real sockets as the links run it: one per connection, answers behind the reads."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from bridge.domain.reads import Read
from bridge.driver_api import Driver, Event, Opening, Send
from tests.support.store import until


class Receiver:
    """What came, over all connections."""

    def __init__(self, driver: Driver, opening: Opening) -> None:
        self._driver, self._opening = driver, opening
        self.open = 0
        self.events: list[Event] = []
        self.taken_when_answered: list[int] = []
        """How many reads had come whenever an answer was written."""

    @property
    def reads(self) -> list[Read]:
        return [event for event in self.events if isinstance(event, Read)]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = self._driver.session(self._opening)
        session.opened(0)
        self.open += 1
        while data := await reader.read(100):
            for event in session.feed(data):
                self.events.append(event)
                if isinstance(event, Send):
                    self.taken_when_answered.append(len(self.reads))
                    writer.write(event.data)
        writer.close()
        await writer.wait_closed()
        self.open -= 1


@asynccontextmanager
async def receiving(driver: Driver, **opening: object) -> AsyncIterator[tuple[Receiver, str]]:
    """Yield a receiver and its URL without a path."""
    make: Callable[..., Opening] = Opening
    receiver = Receiver(driver, make(link="tcp-listen", **opening))
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    async with server:
        yield receiver, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await until(lambda: not receiver.open)
