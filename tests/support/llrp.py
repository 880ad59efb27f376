"""A session and what it says, by message type; messages as a reader sends them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from bridge.adapters.system_clock import SystemClock
from bridge.adapters.tcp import TcpDialler
from bridge.app.link import Connection, ReaderState
from bridge.app.ports import ClockSample
from bridge.domain.reads import NS_PER_S, Read
from bridge.driver_api import Alarm, Event, Hangup, Kept, Opening, Remember, Send
from bridge.errors import LinkError
from drivers.llrp import DRIVER
from drivers.llrp.emulator import LlrpEmulator
from drivers.llrp.wire import HEADER_LEN, Msg, Par, message, status, tlv, u8, u16, u32, u64
from tests.support.loopback import Loopback

START_NS = 1_780_000_000 * NS_PER_S
"""What a reader's clock shows at first."""


def kinds(data: bytes) -> list[Msg]:
    """Return the types of messages one behind the other."""
    found = []
    while data:
        found.append(Msg(int.from_bytes(data[:2], "big") & 0x3FF))
        data = data[int.from_bytes(data[2:6], "big") :]
    return found


def asked(events: list[Event]) -> list[Msg]:
    """Return what was sent, by type."""
    return [kind for event in events if isinstance(event, Send) for kind in kinds(event.data)]


def notification(*params: bytes, at_ns: int | None = START_NS, uptime: bool = False) -> bytes:
    """Return a READER_EVENT_NOTIFICATION."""
    when = (
        b""
        if at_ns is None
        else tlv(Par.UPTIME if uptime else Par.UTC_TIMESTAMP, u64(at_ns // 1000))
    )
    return message(Msg.READER_EVENT_NOTIFICATION, 0, tlv(Par.EVENT_DATA, when, *params))


def greeting(attempt: int = 0, at_ns: int | None = START_NS, *, uptime: bool = False) -> bytes:
    """Return what a reader says first."""
    return notification(tlv(Par.CONNECTION_ATTEMPT, u16(attempt)), at_ns=at_ns, uptime=uptime)


def edge(port: int, level: int, at_ns: int = START_NS) -> bytes:
    """Return a GPI event."""
    return notification(tlv(Par.GPI_EVENT, u16(port), u8(level << 7)), at_ns=at_ns)


class Talk:
    """One session, spoken to by hand."""

    def __init__(
        self,
        options: Mapping[str, object] | None = None,
        *,
        memory: str | None = None,
        last_stamp: int | None = None,
        trial: bool = False,
    ) -> None:
        opening = Opening(options=options or {}, memory=memory, last_stamp=last_stamp, trial=trial)
        self.session = DRIVER.session(opening)
        self.now_ns = 5 * NS_PER_S
        self.events: list[Event] = self.session.opened(self.now_ns)

    def says(self, *messages: bytes) -> list[Event]:
        """Let the reader say something."""
        found = self.session.feed(b"".join(messages))
        self.events += found
        return found

    def waits(self, seconds: int) -> list[Event]:
        """Let seconds pass."""
        found: list[Event] = []
        for _ in range(seconds):
            self.now_ns += NS_PER_S
            found += self.session.tick(self.now_ns)
        self.events += found
        return found

    def last_id(self) -> int:
        """Return the id of the last request."""
        sends = [event for event in self.events if isinstance(event, Send)]
        return int.from_bytes(sends[-1].data[6:HEADER_LEN], "big")

    def answers(self, kind: Msg, *params: bytes, code: int = 0, why: str = "") -> list[Event]:
        """Let the reader answer the last request."""
        return self.says(message(kind, self.last_id(), status(code, why) + b"".join(params)))

    def alarms(self) -> dict[str, str]:
        """Return the alarms that stand."""
        standing: dict[str, str] = {}
        for event in self.events:
            if isinstance(event, Alarm) and event.on:
                standing[event.name] = event.text
            elif isinstance(event, Alarm):
                standing.pop(event.name, None)
        return standing

    def hangups(self) -> list[str]:
        """Return why it hung up."""
        return [event.why for event in self.events if isinstance(event, Hangup)]

    def memory(self) -> str | None:
        """Return what it remembers."""
        said = [event.memory for event in self.events if isinstance(event, Remember)]
        return said[-1] if said else None


def rospecs(*states: tuple[int, int]) -> bytes:
    """Return ROSpec parameters of (id, state)."""
    return b"".join(tlv(Par.RO_SPEC, u32(number), u8(0), u8(state)) for number, state in states)


class Line(Loopback):
    """A session and our emulator, and what each says to the other by type."""

    def __init__(
        self,
        *,
        options: Mapping[str, object] | None = None,
        emulator_options: Mapping[str, object] | None = None,
        emulator: LlrpEmulator | None = None,
    ) -> None:
        self.reader = emulator or LlrpEmulator(emulator_options or {})
        super().__init__(DRIVER, options=options, emulator=self.reader, start_ns=START_NS)

    def sent(self, since: int = 0) -> list[Msg]:
        """Return what the session sent, from the event of that number on."""
        return asked(self.events[since:])

    def alarms(self) -> dict[str, str]:
        """Return the alarms that stand."""
        standing: dict[str, str] = {}
        for event in self.events:
            if isinstance(event, Alarm):
                standing[event.name] = event.text if event.on else ""
        return {name: text for name, text in standing.items() if text}


class Notebook:
    """A desk that keeps everything and calls it durable."""

    def __init__(self) -> None:
        self.kept: list[Kept] = []
        self.samples: list[ClockSample] = []
        self.memory: str | None = None

    def take(
        self,
        session: int,
        kept: list[Kept],
        utc_ns: int,
        boot_ns: int,
        *,
        memory: str | None,
        samples: list[ClockSample],
    ) -> "asyncio.Future[None]":
        assert session == 1
        assert 0 < boot_ns < utc_ns
        self.kept += kept
        self.samples += samples
        self.memory = memory or self.memory
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    async def room(self) -> None:
        """There is always room."""

    @property
    def reads(self) -> list[Read]:
        return [event for event in self.kept if isinstance(event, Read)]


class Wire:
    """Our client on a real socket, as the service runs it."""

    def __init__(self, port: int, memory: str | None, options: Mapping[str, object]) -> None:
        self.book = Notebook()
        self.state = ReaderState("mat", "finish", "llrp", f"tcp://127.0.0.1:{port}")
        self.ended: str | None = None
        self._dialler = TcpDialler("127.0.0.1", port)
        self._session = DRIVER.session(Opening(memory=memory, options=options))

    async def run(self) -> None:
        transport = await self._dialler.connect()
        connection = Connection(
            session_id=1,
            session=self._session,
            transport=transport,
            dial=self._dialler.dial,
            desk=self.book,
            clock=SystemClock(),
            state=self.state,
        )
        try:
            await connection.run()
        except LinkError as error:
            self.ended = str(error)


@asynccontextmanager
async def wired(
    port: int, *, memory: str | None = None, options: Mapping[str, object] | None = None
) -> AsyncIterator[Wire]:
    """Connect our client to a reader on this host."""
    wire = Wire(port, memory, options or {})
    async with asyncio.TaskGroup() as group:
        task = group.create_task(wire.run())
        try:
            yield wire
        finally:
            task.cancel()
