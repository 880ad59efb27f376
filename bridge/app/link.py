"""Carry one connection's bytes through its session into the journal, and answer the reader."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, cast

import structlog

from bridge.app.one_way import DELAY_NS, LeastDelay
from bridge.app.pace import Pace
from bridge.app.ports import Clock as HostClock
from bridge.app.ports import ClockSample, Transport
from bridge.domain.reads import NS_PER_MS, NS_PER_S, Read
from bridge.driver_api import (
    MAIN,
    Alarm,
    Clock,
    ClockStep,
    Dial,
    Event,
    Hangup,
    Kept,
    Marker,
    Reason,
    Rejected,
    Remember,
    Send,
    Session,
    Status,
)
from bridge.errors import LinkError

log = structlog.get_logger(__name__)

COALESCE_NS = 5 * NS_PER_MS
"""While a reader is busy its socket is left alone this long: a wake-up costs more than a read."""
TICK_S = 1.0
_ONLY_READS = frozenset({Read})
CLOCK_WAIT_NS = 5 * NS_PER_S
"""An answer to a clock query that took longer says nothing about the clock."""


@dataclass(slots=True)
class ReaderState:
    """What is known of one reader right now, for health, displays and `status`."""

    name: str
    location: str
    driver: str
    url: str
    state: str = "connecting"
    since_ns: int = 0
    last_byte_ns: int | None = None
    last_read_ns: int | None = None
    reads: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    connections: int = 0
    detail: str = ""
    fields: dict[str, object] = field(default_factory=dict)
    alarms: dict[str, str] = field(default_factory=dict)
    changed: bool = True
    """Set on every change of state worth telling; whoever tells it clears it."""
    places: "tuple[ReaderState, ...]" = ()
    """Where the connection carries several places: their states, which follow this one."""
    part: bool = False
    """Whether this is such a place: what is wrong with its link is told of the reader."""

    def enter(self, state: str, now_ns: int, detail: str = "") -> None:
        """Go into a state; remembers since when."""
        if state != self.state or self.since_ns == 0:
            self.since_ns = now_ns
            self.changed = True
        if detail != self.detail:
            self.changed = True
        self.state, self.detail = state, detail
        for place in self.places:
            place.enter(state, now_ns, detail)


class Desk(Protocol):
    """Where events are handed in; implemented by the intake."""

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
        """Take events at once, in order; the awaitable ends when they are durable."""
        ...

    async def room(self) -> None:
        """Wait while too much is not yet durable."""
        ...


@dataclass(slots=True)
class _Parcel:
    """What is handed to the desk in one piece."""

    kept: list[Kept] = field(default_factory=list)
    samples: list[ClockSample] = field(default_factory=list)
    memory: str | None = None
    reads: int = 0

    @property
    def firm(self) -> bool:
        """Whether an answer has to wait until it is durable.

        Polls and their replies may become durable later (SD cards wear); what a reader would
        forget once acknowledged may not.
        """
        return bool(self.reads or self.memory) or any(isinstance(e, Marker) for e in self.kept)


def _plain(events: list[Event]) -> _Parcel | None:
    """Return the parcel of reads with perhaps a `Remember` behind them: the hot path."""
    last = events[-1]
    memory = last.memory if isinstance(last, Remember) else None
    reads = events if memory is None else events[:-1]
    if set(map(type, reads)) != _ONLY_READS:
        return None
    return _Parcel(kept=cast("list[Kept]", reads), memory=memory, reads=len(reads))


Dialler = Callable[[int], Awaitable[Transport]]
"""Open one more TCP connection to the reader's host, to the given port."""


class Connection:
    """One connection of one reader, from up to down."""

    def __init__(
        self,
        *,
        session_id: int,
        session: Session,
        transport: Transport,
        dial: Dialler,
        desk: Desk,
        clock: HostClock,
        state: ReaderState,
        coalesce: bool = True,
        pace: Pace | None = None,
    ) -> None:
        self._id = session_id
        self._session = session
        self._transports: dict[str, Transport] = {MAIN: transport}
        self._dial = dial
        self._desk = desk
        self._clock = clock
        self._state = state
        self._coalesce = coalesce
        self._pace = pace
        self._outgoing: asyncio.Queue[tuple[Awaitable[None] | None, Send]] = asyncio.Queue()
        self._firm: Awaitable[None] | None = None
        """Ends when all that an answer has to wait for is durable, as far as it has come."""
        self._dialling: dict[str, list[Send]] = {}
        """What waits for a channel that is being dialled."""
        self._asked_ns: int | None = None
        """When the clock was asked for that has not been told since."""
        self._one_way = LeastDelay()
        self._stepped = False
        self._choked = b""
        """Bytes on which the driver failed."""
        self._group: asyncio.TaskGroup | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._over = asyncio.Event()
        self._end: Exception = LinkError("the link ended")

    async def run(self) -> None:
        """Run until the link ends.

        What ends it is kept and raised at last: a TaskGroup with an error of its own to raise
        forgets a cancellation that comes in the same moment, and the service could not stop.

        Raises:
            LinkError: Always, in the end: why the link ended. Or what failed.
        """
        try:
            async with asyncio.TaskGroup() as self._group:
                for job in (self._answer, self._tick, self._talk):
                    self._start(job)
                await self._over.wait()
                for task in self._tasks:
                    task.cancel()
        finally:
            for transport in self._transports.values():
                transport.close()
            await self._take_the_rest()
            self._keep_the_cut()
        raise self._end

    def _start(self, job: Callable[[], Awaitable[None]]) -> None:
        if self._group is not None and not self._over.is_set():
            self._tasks = [task for task in self._tasks if not task.done()]
            self._tasks.append(self._group.create_task(self._until_over(job)))

    async def _until_over(self, job: Callable[[], Awaitable[None]]) -> None:
        try:
            await job()
        except Exception as error:  # noqa: BLE001 - bulkhead: `run` raises it once everything has ended
            if not self._over.is_set():
                self._end = error
                self._over.set()

    async def _talk(self) -> None:
        self._handle(self._session.opened(self._clock.boot_ns()))
        await self._listen(MAIN)

    async def _take_the_rest(self) -> None:
        """Take what had come and was not read yet; a closed transport does not wait for more."""
        main = self._transports[MAIN]
        while not self._choked:
            try:
                data = await main.read()
            except LinkError:
                return
            if not data:
                return
            with suppress(LinkError):  # it may hang up: the link is gone already
                self._handle(self._feed(data, MAIN))

    def _keep_the_cut(self) -> None:
        """Journal what the link's end cut off: no byte of a reader is lost unaccounted."""
        if self._choked:
            self._handle([Rejected(self._choked, Reason.UNKNOWN, "the driver failed on this")])
        elif rest := self._session.pending:
            cut = Rejected(rest, Reason.FRAMING, "cut off by the end of the connection")
            self._handle([cut])

    async def _listen(self, channel: str) -> None:
        transport = self._transports[channel]
        previous = 0
        while data := await transport.read():
            boot_ns = self._clock.boot_ns()
            utc_ns = self._clock.utc_ns()
            if channel == MAIN:
                self._state.last_byte_ns = utc_ns
            events = self._feed(data, channel)
            self._handle(events, utc_ns, boot_ns)
            await self._desk.room()
            if self._pace is not None and (pause_s := self._pace.pause_s(len(events), boot_ns)):
                await self._clock.sleep(pause_s)
            if self._coalesce and boot_ns - previous < 2 * COALESCE_NS:
                await self._clock.sleep(self._to_the_beat_s())
            previous = boot_ns
        if channel == MAIN:
            raise LinkError("the reader closed the connection")

    def _to_the_beat_s(self) -> float:
        """Return how long until the next beat, which is the same for all readers.

        What several of them bring then goes into one commit.
        """
        return (COALESCE_NS - self._clock.boot_ns() % COALESCE_NS) / NS_PER_S

    def _feed(self, data: bytes, channel: str) -> list[Event]:
        try:
            return self._session.feed(data, channel)
        except Exception:
            # A driver is total by contract. Should it fail, its bytes are worth more than it is.
            held = self._session.pending if channel == MAIN else b""
            self._choked = held if held.endswith(data) else held + data
            raise

    async def _side(self, dial: Dial) -> None:
        """Run a dialled channel; its end is news for the session, never the end of the link."""
        refused = True
        try:
            self._transports[dial.channel] = await self._dial(dial.port)
            refused = False
            for send in self._dialling.pop(dial.channel, []):
                await self._write(send)
            await self._listen(dial.channel)
        except LinkError as error:
            log.debug("side channel ended", channel=dial.channel, reason=str(error))
        finally:
            self._dialling.pop(dial.channel, None)
            transport = self._transports.pop(dial.channel, None)
            if transport is not None:
                transport.close()
        self._handle(self._session.closed(dial.channel, refused=refused))

    async def _tick(self) -> None:
        while True:
            await self._clock.sleep(TICK_S)
            await self._desk.room()  # we do not listen meanwhile: silence is not the reader's
            self._handle(self._session.tick(self._clock.boot_ns()))

    async def _answer(self) -> None:
        """Write what the session owes, each piece once every read before it is durable."""
        while True:
            durable, send = await self._outgoing.get()
            if durable is not None:
                await durable
            if send.channel in self._dialling:
                self._dialling[send.channel].append(send)
            elif send.channel in self._transports:
                await self._write(send)

    async def _write(self, send: Send) -> None:
        transport = self._transports[send.channel]
        if send.asks_clock and self._asked_ns is None:
            # What comes next answers the oldest question there is: by a newer one an answer that
            # was held up on its way would look sharp, and be wrong by the time between the two.
            self._asked_ns = self._clock.boot_ns()
        try:
            await transport.write(send.data)
        except LinkError:
            if send.channel == MAIN:
                raise

    def _handle(
        self, events: list[Event], utc_ns: int | None = None, boot_ns: int | None = None
    ) -> None:
        """Hand everything kept to the desk at once, in order; queue what must be written.

        The times are those at which bytes came, and None where it was time that passed.

        Raises:
            LinkError: The session hung up; everything before it has been taken.
        """
        if not events:
            return
        utc = self._clock.utc_ns() if utc_ns is None else utc_ns
        boot = self._clock.boot_ns() if boot_ns is None else boot_ns
        plain = _plain(events)
        if plain is not None:
            self._hand_in(plain, utc, boot)
            return
        parcel = _Parcel()
        orders: list[Dial | Hangup | Alarm] = []
        # The end of a request may come in a piece of its own, long after the reads in it. Polls,
        # which go out as time passes, wait for nothing: a slow disk is no reader that fell silent.
        durable = None if boot_ns is None else self._firm
        for event in events:
            if type(event) is Read:
                parcel.kept.append(event)
                parcel.reads += 1
            elif isinstance(event, Send):
                taken = self._hand_in(parcel, utc, boot)
                durable = taken if parcel.firm else durable
                parcel = _Parcel()
                self._outgoing.put_nowait((durable, event))
            elif isinstance(event, Remember):
                parcel.memory = event.memory
            elif isinstance(event, Dial | Hangup | Alarm):
                orders.append(event)
            else:
                parcel.kept.append(event)
                self._note(event, utc, boot, parcel.samples)
        self._hand_in(parcel, utc, boot)
        for order in orders:
            self._obey(order)

    def _hand_in(self, parcel: "_Parcel", utc: int, boot: int) -> Awaitable[None] | None:
        if parcel.reads:
            self._state.reads += parcel.reads
            self._state.last_read_ns = utc
        if not (parcel.kept or parcel.samples or parcel.memory is not None):
            return None
        taken = self._desk.take(
            self._id, parcel.kept, utc, boot, memory=parcel.memory, samples=parcel.samples
        )
        if parcel.firm:
            self._firm = taken
        return taken

    def _obey(self, event: Dial | Hangup | Alarm) -> None:
        match event:
            case Dial():
                self._dialling[event.channel] = []
                self._start(partial(self._side, event))
            case Hangup(why, channel):
                if channel == MAIN:
                    raise LinkError(why)
                transport = self._transports.get(channel)
                if transport is not None:
                    transport.close()
            case Alarm(name, text, on):
                self._alarm(name, text if on else None)

    def _note(self, event: Kept, utc: int, boot: int, samples: list[ClockSample]) -> None:
        match event:
            case Rejected(_, reason, _):
                counts = self._state.rejected
                counts[reason.value] = counts.get(reason.value, 0) + 1
            case ClockStep():
                self._stepped = True
                self._alarm("clock_step", f"the reader's clock was moved: {event.detail}".strip())
            case Status(_, fields):
                if any(self._state.fields.get(name) != value for name, value in fields.items()):
                    self._state.changed = True
                self._state.fields.update(fields)
            case Clock() if event.asked and self._asked_ns is not None:
                rtt = boot - self._asked_ns
                self._asked_ns = None
                if rtt <= CLOCK_WAIT_NS:
                    samples.append(self._sample(event, utc, boot, rtt))
                    self._stepped = False
            case Clock(live=True):
                moment = self._one_way.heard(utc, boot, event.stamp, int(event.form))
                if moment is not None:
                    told = Clock(b"", moment.stamp, event.form)
                    samples.append(self._sample(told, moment.utc_ns, moment.boot_ns, DELAY_NS))
                    self._stepped = False
            case _:
                pass

    def _sample(self, answer: Clock, utc: int, boot: int, rtt: int) -> ClockSample:
        """Pair an answer with the middle of its round trip.

        A coarse answer (an Elite tells whole seconds) is on average half its resolution old; the
        other half is doubt, which counts as if the answer had taken longer.
        """
        told_ms = answer.extra.get("resolution_ms", 0)
        coarse = told_ms * NS_PER_MS if isinstance(told_ms, int) else 0
        return ClockSample(
            self._id,
            utc - rtt // 2,
            boot - rtt // 2,
            rtt + coarse,
            answer.stamp + coarse // 2,
            int(answer.form),
            self._stepped,
        )

    def _alarm(self, name: str, text: str | None) -> None:
        alarms = self._state.alarms
        if text is None:
            if alarms.pop(name, None) is not None:
                self._state.changed = True
        elif alarms.get(name) != text:
            alarms[name] = text
            self._state.changed = True
            log.warning("reader alarm", reader=self._state.name, alarm=name, text=text)
