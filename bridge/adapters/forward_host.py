"""Give an outlet its sockets: listen for programs, or dial one for ever, and slow nobody down.

Everything is a call on the loop: no task per client. A client that reads slowly is given its next
page when it has read the last; one that does not read at all is cut off, and can ask again.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

import structlog

from bridge.adapters.tcp import CONNECT_S, keep_alive, reason
from bridge.app.endpoint import TcpEndpoint
from bridge.app.ports import Clock
from bridge.app.supervise import Backoff
from bridge.domain.reads import NS_PER_MS, NS_PER_S
from bridge.driver_api import Out, Outlet

log = structlog.get_logger(__name__)

TICK_S = 0.25
HIGH, LOW = 128 * 1024, 16 * 1024
"""Bytes on their way to a client above which it gets no more, and below which it does again."""
MOST = 2 * 1024 * 1024
"""Bytes that answers to a client that does not read may pile up to."""
STALLED_NS = 30 * NS_PER_S
MOST_CLIENTS = 50
STEP_NS = 20 * NS_PER_MS
GONE_S = 10.0
"""Not connected for so long: a person should know."""


class _Peer(asyncio.Protocol):
    """One connection."""

    def __init__(self, host: "ForwardHost") -> None:
        self._host = host
        self._transport: asyncio.Transport | None = None
        self.number = 0
        self.stalled_ns: int | None = None
        """Since when it reads nothing, if so."""
        self.gone = asyncio.Event()

    @property
    def has_room(self) -> bool:
        """Whether it can be given more."""
        return self.stalled_ns is None and self._transport is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Set the socket up and be welcomed."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(HIGH, LOW)
        keep_alive(transport.get_extra_info("socket"))
        self._host.welcome(self)

    def data_received(self, data: bytes) -> None:
        """Pass bytes on."""
        self._host.heard(self, data)

    def pause_writing(self) -> None:
        """Give it no more for now."""
        self.stalled_ns = self._host.boot_ns()

    def resume_writing(self) -> None:
        """Go on."""
        self.stalled_ns = None
        self._host.news()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - all ends are alike
        """Be forgotten."""
        self._transport = None
        self.gone.set()
        self._host.forget(self)

    def send(self, data: bytes) -> None:
        """Write; a client that lets answers pile up is cut off."""
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(data)
        if self._transport is not None and self._transport.get_write_buffer_size() > MOST:
            self.cut()

    def hang_up(self, *, reset: bool = False) -> None:
        """Close once everything is written, or at once."""
        if self._transport is not None:
            if reset:
                self._transport.abort()
            else:
                self._transport.close()

    def cut(self) -> None:
        """Close at once."""
        self.hang_up(reset=True)


class ForwardHost:
    """Runs one outlet on its connections until cancelled."""

    def __init__(
        self,
        outlet: Outlet,
        clock: Clock,
        *,
        now: Callable[[], int],
        alarm: Callable[[str | None], None],
        before_turn: Callable[[], None],
        one_offset: bool = False,
    ) -> None:
        """`now` is the box's clock as the outlet wants it; `alarm` is for what a person must see.

        `before_turn` is called before records are looked for, a few times a second at least.
        """
        self._outlet = outlet
        self._clock = clock
        self._now = now
        self._alarm = alarm
        self._before_turn = before_turn
        self._one_offset = one_offset
        self._base_ns = self._clock_base_ns()
        self._peers: dict[int, _Peer] = {}
        self._numbers = 0
        self._wake = asyncio.Event()
        self._is_closing = False
        self.port: int | None = None
        """Where it listens, once it does."""

    @property
    def clients(self) -> int:
        """Connections open now."""
        return len(self._peers)

    def boot_ns(self) -> int:
        """Return the clock that stalls are measured by."""
        return self._clock.boot_ns()

    def news(self) -> None:
        """Note that there may be something to send. Never waits."""
        self._wake.set()

    def cut(self) -> None:
        """Cut all connections: their clients have to ask again."""
        for peer in list(self._peers.values()):
            peer.cut()

    async def listen(self, address: str, port: int) -> None:
        """Serve whoever connects, until cancelled; a port that is taken is tried again."""
        loop = asyncio.get_running_loop()
        backoff = Backoff(1.0, 30.0)
        async with asyncio.TaskGroup() as group:
            self._begin(group)
            while True:
                try:
                    server = await loop.create_server(lambda: _Peer(self), address, port)
                except OSError as error:
                    text = f"cannot listen on {address}:{port} ({reason(error)})"
                    self._alarm(f"{text}; is another program using the port?")
                    await self._clock.sleep(backoff.pause_s())
                    continue
                break
            self._alarm(None)
            self.port = int(server.sockets[0].getsockname()[1])
            try:
                await asyncio.Event().wait()
            finally:
                server.close()
                self._end()

    async def dial(self, endpoint: TcpEndpoint) -> None:
        """Be connected to a program for ever, until cancelled."""
        backoff = Backoff(0.25, 10.0)
        down_ns = self._clock.boot_ns()
        async with asyncio.TaskGroup() as group:
            self._begin(group)
            try:
                while True:
                    peer = await self._dialled(endpoint, down_ns)
                    if peer is not None:
                        self._alarm(None)
                        began_ns = self._clock.boot_ns()
                        await peer.gone.wait()
                        down_ns = self._clock.boot_ns()
                        if down_ns - began_ns > GONE_S * NS_PER_S:
                            backoff = Backoff(0.25, 10.0)
                    await self._clock.sleep(backoff.pause_s())
            finally:
                self._end()

    async def _dialled(self, endpoint: TcpEndpoint, down_ns: int) -> _Peer | None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_S):
                _, peer = await loop.create_connection(
                    lambda: _Peer(self), endpoint.host, endpoint.port
                )
        except (OSError, TimeoutError) as error:
            if self._clock.boot_ns() - down_ns > GONE_S * NS_PER_S:
                self._alarm(
                    f"cannot reach {endpoint.host}:{endpoint.port} ({reason(error)}); is the "
                    "program there running? Everything is kept and sent once it is"
                )
            return None
        return peer

    # -- what the connections say ----------------------------------------------------------------

    def welcome(self, peer: _Peer) -> None:
        """Take a new connection in."""
        if self._is_closing or len(self._peers) >= MOST_CLIENTS:
            peer.cut()
            return
        if not self._peers:
            self._base_ns = self._clock_base_ns()
        self._numbers += 1
        peer.number = self._numbers
        self._peers[peer.number] = peer
        self._guarded(peer, lambda: self._outlet.connected(peer.number, self._now()))

    def heard(self, peer: _Peer, data: bytes) -> None:
        """Take what a client says."""
        if peer.number in self._peers:
            self._guarded(peer, lambda: self._outlet.received(peer.number, data, self._now()))

    def forget(self, peer: _Peer) -> None:
        """Take the end of a connection."""
        if self._peers.pop(peer.number, None) is not None:
            self._outlet.disconnected(peer.number)

    # -- turns -----------------------------------------------------------------------------------

    def _begin(self, group: asyncio.TaskGroup) -> None:
        self._is_closing = False
        group.create_task(self._pump(), name="forward pump")
        group.create_task(self._tick(), name="forward tick")

    def _end(self) -> None:
        self._is_closing = True
        for peer in list(self._peers.values()):
            peer.hang_up()

    async def _pump(self) -> None:
        """Give each client a page in turn until nobody has room or nothing is left."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            self._before_turn()
            busy = True
            while busy:
                busy = False
                for peer in list(self._peers.values()):
                    busy |= peer.has_room and self._give(peer)
                await asyncio.sleep(0)

    def _give(self, peer: _Peer) -> bool:
        """Send the next page; return whether there was one."""
        try:
            data = self._outlet.due(peer.number, self._now())
        except Exception:  # bulkhead: one protocol's fault stops neither the others nor the mat
            log.exception("this client cannot be served")
            peer.cut()
            return False
        if data:
            peer.send(data)
        return bool(data)

    async def _tick(self) -> None:
        while True:
            await self._clock.sleep(TICK_S)
            self._before_turn()
            if not self._peers:
                continue
            now_ns = self._clock.boot_ns()
            for peer in list(self._peers.values()):
                if peer.stalled_ns is not None and now_ns - peer.stalled_ns > STALLED_NS:
                    log.warning("a client does not read what it is sent; cut off")
                    peer.cut()
            self._guarded(None, lambda: self._outlet.tick(self._now()))
            self._watch_clock()

    def _clock_base_ns(self) -> int:
        return self._now() - self._clock.boot_ns()

    def _watch_clock(self) -> None:
        """Have clocks compared anew if ours was moved, for a protocol that does so only once."""
        base_ns = self._clock_base_ns()
        if self._one_offset and abs(base_ns - self._base_ns) > STEP_NS:
            log.info("this box's clock was moved; connecting anew", by_ns=base_ns - self._base_ns)
            self._base_ns = base_ns
            self.cut()

    def _guarded(self, peer: _Peer | None, work: Callable[[], Sequence[Out]]) -> None:
        """Do what the outlet says; a fault in it costs the connection."""
        try:
            outs = work()
        except Exception:  # bulkhead: one protocol's fault stops neither the others nor the mat
            log.exception("the outlet failed")
            if peer is not None:
                peer.cut()
            return
        for out in outs:
            for number in [out.client] if out.client is not None else list(self._peers):
                self._do(number, out)
        self.news()

    def _do(self, number: int, out: Out) -> None:
        peer = self._peers.get(number)
        if peer is None:
            return
        if out.data:
            peer.send(out.data)
        if out.close or out.reset:
            peer.hang_up(reset=out.reset)
