"""Readers that make several connections at once, such as one for each HTTP request."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from bridge.app.link import Connection, Desk, ReaderState
from bridge.app.pace import Pace
from bridge.app.ports import Clock, ClockSample, Transport
from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Kept, Session
from bridge.errors import LinkError

log = structlog.get_logger(__name__)

MOST = 16
"""Connections of one reader at a time."""
CROWDED_S = 1.0
"""One more connection waits this long; then the one that was silent for longest has to go."""
QUIET_S = 60.0
"""Without any connection for so long, the reader is not called connected any more."""
QUIET = "it has not connected for a minute; it does when it has something to tell"
WATCH_S = 1.0


class Member:
    """One connection, and when it last said something."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock
        self.heard_ns = clock.boot_ns()
        self.closed = False

    async def read(self) -> bytes:
        """Return the next bytes."""
        data = await self._transport.read()
        self.heard_ns = self._clock.boot_ns()
        return data

    async def write(self, data: bytes) -> None:
        """Send `data`."""
        await self._transport.write(data)

    def close(self) -> None:
        """Let go at once."""
        self.closed = True
        self._transport.close()


class _CommonDesk:
    """The desk of all connections: what one remembers the next is told."""

    def __init__(self, desk: Desk, memory: str | None) -> None:
        self._desk = desk
        self.memory = memory

    async def room(self) -> None:
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
        self.memory = self.memory if memory is None else memory
        return self._desk.take(session, kept, utc_ns, boot_ns, memory=memory, samples=samples)


class Crowd:
    """All connections of one reader: each has a session of its own, they share the rest.

    In the journal they are one session, for a reader may connect anew for every read.
    """

    def __init__(
        self,
        *,
        connect: Callable[[], Awaitable[Transport]],
        session: Callable[[str | None], Session],
        session_id: Callable[[], int],
        memory: str | None,
        desk: Desk,
        clock: Clock,
        state: ReaderState,
        coalesce: bool,
        pace: Pace | None,
    ) -> None:
        """`session` makes one from the newest memory; `session_id` opens it in the journal."""
        self._connect = connect
        self._session = session
        self._open_session = session_id
        self._id: int | None = None
        self._desk = _CommonDesk(desk, memory)
        self._clock = clock
        self._state = state
        self._coalesce = coalesce
        self._pace = pace
        self._members: set[Member] = set()
        self._left = asyncio.Event()
        self._left_ns = clock.boot_ns()

    async def run(self) -> None:
        """Serve whoever connects until cancelled.

        Raises:
            LinkError: No more connections can be taken.
        """
        failure: LinkError | None = None
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(self._watch())
            try:
                await self._welcome(group)
            except LinkError as error:
                failure = error
            watch.cancel()
            for member in self._members:
                member.close()
        if failure is not None:
            raise failure

    async def _welcome(self, group: asyncio.TaskGroup) -> None:
        while True:
            member = Member(await self._connect(), self._clock)
            try:
                await self._make_room()
            except asyncio.CancelledError:
                member.close()
                raise
            self._members.add(member)
            group.create_task(self._serve(member))

    async def _make_room(self) -> None:
        if len(self._members) < MOST:
            return
        self._left.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(CROWDED_S):
                await self._left.wait()
        # What one brought may wait for the disk after it was closed: it is open connections,
        # and with them descriptors, that must not become more and more.
        open_ones = [member for member in self._members if not member.closed]
        if len(open_ones) >= MOST:
            min(open_ones, key=lambda member: member.heard_ns).close()

    async def _serve(self, member: Member) -> None:
        """Run one connection to its end, which is nobody else's."""
        try:
            await self._converse(member)
        except LinkError as error:
            log.debug("connection ended", reader=self._state.name, reason=str(error))
        except Exception:  # bulkhead: one request a driver fails on stops no other
            log.exception("driver failed", reader=self._state.name)
        finally:
            member.close()
            self._members.discard(member)
            self._left.set()
            self._left_ns = self._clock.boot_ns()

    async def _converse(self, member: Member) -> None:
        state = self._state
        if self._id is None:
            self._id = self._open_session()
        state.connections += 1
        if len(self._members) == 1:
            state.alarms.clear()
        if state.state != "connected":
            log.info("reader connected", reader=state.name, location=state.location)
        state.enter("connected", self._clock.utc_ns())
        await Connection(
            session_id=self._id,
            session=self._session(self._desk.memory),
            transport=member,
            dial=_no_dial,
            desk=self._desk,
            clock=self._clock,
            state=state,
            coalesce=self._coalesce,
            pace=self._pace,
        ).run()

    async def _watch(self) -> None:
        while True:
            await self._clock.sleep(WATCH_S)
            quiet_ns = self._clock.boot_ns() - self._left_ns
            if not self._members and quiet_ns > QUIET_S * NS_PER_S:
                self._state.enter("connecting", self._clock.utc_ns(), QUIET)


async def _no_dial(port: int) -> Transport:
    raise LinkError(f"port {port} cannot be dialled: this reader connects to us")
