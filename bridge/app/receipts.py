"""Streams whose origin keeps what was not taken: a broker's queue, a file.

Such a transport has to know which of its bytes are durable, to acknowledge them or to begin behind
them after a restart. Every byte of a stream comes back once in the `raw` of an event, so counting
those tells how far the journal has got, whatever the session still holds back.
"""

import asyncio
from collections.abc import Awaitable
from typing import Protocol, runtime_checkable

import orjson

from bridge.app.link import Desk
from bridge.app.ports import ClockSample, Transport
from bridge.driver_api import Kept, Marker, Read

_PLACED = "place:"
"""Begins a memory that holds the place of the link beside what the driver remembers."""


@runtime_checkable
class Replaying(Transport, Protocol):
    """A transport that can give bytes again."""

    def resume(self, place: str | None) -> None:
        """Begin behind what `place` says; None: at the beginning. Called before any `read`."""
        ...

    def place(self, taken: int) -> str | None:
        """Return where the origin stands behind the first `taken` bytes of this stream.

        It becomes durable in one transaction with the reads before it; None: nothing to keep.
        """
        ...

    def settled(self, taken: int) -> None:
        """The reads in the first `taken` bytes of this stream are durable."""
        ...


class ReceiptDesk:
    """Stands between the link of a `Replaying` transport and the desk, and keeps count."""

    def __init__(self, desk: Desk, transport: Replaying, memory: str | None) -> None:
        """`memory` is the driver's own, without the place."""
        self._desk = desk
        self._transport = transport
        self._memory = memory
        self._taken = 0
        self._last: asyncio.Future[None] | None = None
        """When the last reads, markers or memory become durable."""

    def begin(self, session: int, utc_ns: int, boot_ns: int) -> None:
        """Keep where the origin stands before anything came: the first time it is seen."""
        place = self._transport.place(0)
        if place is not None:
            text = packed(place, self._memory)
            self._desk.take(session, [], utc_ns, boot_ns, memory=text, samples=[])

    async def room(self) -> None:
        """Wait while too much is not yet durable."""
        await self._desk.room()

    def take(
        self,
        session: int,
        kept: list[Kept],
        utc_ns: int,
        boot_ns: int,
        *,
        memory: str | None,
        samples: list[ClockSample],
    ) -> Awaitable[None]:
        """Hand in, with the place in the origin; tell the transport once it is durable."""
        self._taken += sum(len(event.raw) for event in kept)
        if memory is not None:
            self._memory = memory
        firm = memory is not None or any(isinstance(event, Read | Marker) for event in kept)
        place = self._transport.place(self._taken) if firm else None
        text = memory if place is None else packed(place, self._memory)
        durable = asyncio.ensure_future(  # noqa: TID251 - a Future already
            self._desk.take(session, kept, utc_ns, boot_ns, memory=text, samples=samples)
        )
        if firm:
            self._last = durable
        self._settle(self._taken)
        return durable

    def _settle(self, taken: int) -> None:
        """Tell at once what nobody would miss, unless reads before it are not yet durable."""
        if self._last is None:
            self._transport.settled(taken)
        else:
            self._last.add_done_callback(lambda done: self._told(done, taken))

    def _told(self, done: "asyncio.Future[None]", taken: int) -> None:
        if done.cancelled() or done.exception() is not None:
            self._transport.close()  # begin again behind what is durable
        else:
            self._transport.settled(taken)


def packed(place: str, memory: str | None) -> str:
    """Return the text under which place and memory are kept together."""
    return _PLACED + orjson.dumps([place, memory]).decode()


def unpacked(text: str | None) -> tuple[str | None, str | None]:
    """Return (place, memory) of what was kept, whichever kind of link kept it."""
    if text is None or not text.startswith(_PLACED):
        return None, text
    place, memory = orjson.loads(text.removeprefix(_PLACED))
    return place, memory
