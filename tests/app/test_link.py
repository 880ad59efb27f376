"""One connection: bytes in, events to the desk, answers out, and nothing lost at its end."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from bridge.app.link import COALESCE_NS, Connection, ReaderState
from bridge.app.ports import ClockSample
from bridge.domain.reads import NS_PER_MS, NS_PER_S, StampForm
from bridge.driver_api import (
    MAIN,
    Alarm,
    Clock,
    ClockStep,
    Control,
    Dial,
    Event,
    Hangup,
    Kept,
    PassiveSession,
    Read,
    Reason,
    Rejected,
    Remember,
    Send,
    Session,
    Status,
)
from bridge.errors import JournalError, LinkError
from tests.support.mat import MatClock, read
from tests.support.store import until

READ = read("C1", 5)


class Pipe:
    """A transport whose other end the test holds."""

    def __init__(self) -> None:
        self.coming: list[bytes] = []
        self.written: list[bytes] = []
        self.closed = False
        self.broken: LinkError | None = None
        self.stuck = False
        self._news = asyncio.Event()

    def say(self, data: bytes) -> None:
        self.coming.append(data)
        self._news.set()

    def end(self) -> None:
        self.closed = True
        self._news.set()

    def fail(self, why: str) -> None:
        self.broken = LinkError(why)
        self._news.set()

    async def read(self) -> bytes:
        while not self.coming:
            if self.broken is not None:
                raise self.broken
            if self.closed:
                return b""
            self._news.clear()
            await self._news.wait()
        data, self.coming = b"".join(self.coming), []
        return data

    async def write(self, data: bytes) -> None:
        if self.broken is not None or self.closed:
            raise self.broken or LinkError("closed")
        self.written.append(data)

    def close(self) -> None:
        self.end()


class Book:
    """A desk that keeps what it gets and is durable when the test says so."""

    def __init__(self) -> None:
        self.kept: list[Kept] = []
        self.arrivals: list[int] = []
        self.samples: list[ClockSample] = []
        self.memories: list[str] = []
        self.waiting: list[asyncio.Future[None]] = []
        self.lazy = False
        self.full = asyncio.Event()
        self.full.set()

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
        assert session == 3
        assert boot_ns < utc_ns
        self.kept += kept
        self.arrivals += [utc_ns] * len(kept)
        self.samples += samples
        if memory is not None:
            self.memories.append(memory)
        future = asyncio.get_running_loop().create_future()
        if self.lazy:
            self.waiting.append(future)
        else:
            future.set_result(None)
        return future

    async def room(self) -> None:
        await self.full.wait()


Script = Callable[[bytes, str], list[Event]]


class Scripted(PassiveSession):
    """A session that does what a test's function says."""

    def __init__(self, script: Script, greeting: Sequence[Event] = ()) -> None:
        self.script = script
        self.greeting = list(greeting)
        self.pending = b""
        self.ticks = 0
        self.ends: list[tuple[str, bool]] = []

    def opened(self, now_ns: int) -> list[Event]:
        assert now_ns >= 0
        return self.greeting

    def feed(self, data: bytes, channel: str = MAIN) -> list[Event]:
        return self.script(data, channel)

    def tick(self, now_ns: int) -> list[Event]:
        assert now_ns >= 0
        self.ticks += 1
        return []

    def closed(self, channel: str, *, refused: bool) -> list[Event]:
        self.ends.append((channel, refused))
        return []


def lines(data: bytes, _channel: str = MAIN) -> list[Event]:
    return [read(line.decode(), 5) for line in data.splitlines()]


class Line:
    """A connection under test, with everything around it."""

    def __init__(self, session: Session, *, coalesce: bool = False) -> None:
        self.main = Pipe()
        self.book = Book()
        self.clock = MatClock()
        self.state = ReaderState("mat", "finish", "x", "tcp://x")
        self.ports: dict[int, Pipe] = {}
        self.dialled: list[int] = []
        self.ended: str | None = None
        self.crashed: Exception | None = None
        self.connection = Connection(
            session_id=3,
            session=session,
            transport=self.main,
            dial=self.dial,
            desk=self.book,
            clock=self.clock,
            state=self.state,
            coalesce=coalesce,
        )

    async def dial(self, port: int) -> Pipe:
        self.dialled.append(port)
        if port not in self.ports:
            raise LinkError("refused")
        return self.ports[port]

    async def run(self) -> None:
        with pytest.raises(LinkError) as caught:
            await self.connection.run()
        self.ended = str(caught.value)

    async def crash(self) -> None:
        with pytest.raises((JournalError, ZeroDivisionError)) as caught:
            await self.connection.run()
        self.crashed = caught.value


async def spin() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


# -- reads and answers -----------------------------------------------------------------------------


async def test_reads_reach_the_desk_in_order_with_the_time_of_their_arrival() -> None:
    line = Line(Scripted(lines))
    async with asyncio.TaskGroup() as group:
        group.create_task(line.run())
        line.main.say(b"a\nb\n")
        await until(lambda: len(line.book.kept) == 2)
        line.clock.turn(0.5)
        line.main.say(b"c\n")
        await until(lambda: len(line.book.kept) == 3)
        line.main.end()
    assert [event.chip for event in line.book.kept if isinstance(event, Read)] == ["a", "b", "c"]
    assert line.book.arrivals[2] - line.book.arrivals[0] == NS_PER_S // 2
    assert line.state.reads == 3
    assert line.state.last_read_ns == line.state.last_byte_ns == line.book.arrivals[2]
    assert line.ended == "the reader closed the connection"
    assert line.main.closed


async def test_an_acknowledgement_waits_until_its_reads_are_durable() -> None:
    line = Line(Scripted(lambda *_: [READ, Send(b"ack"), Control(b"x", "x"), Send(b"poll")]))
    line.book.lazy = True
    async with asyncio.TaskGroup() as group:
        group.create_task(line.run())
        line.main.say(b"...")
        await until(lambda: len(line.book.waiting) == 2)
        await spin()
        assert line.main.written == [], "nothing is acknowledged before it is on disk"
        line.book.waiting[0].set_result(None)
        await until(lambda: line.main.written == [b"ack", b"poll"])
        line.main.end()


async def test_an_acknowledgement_waits_for_reads_that_came_in_an_earlier_piece() -> None:
    said: list[list[Event]] = [[READ], [Control(b"end", "end"), Send(b"ack")]]
    line = Line(Scripted(lambda *_: said.pop(0)))
    line.book.lazy = True
    async with asyncio.TaskGroup() as group:
        group.create_task(line.run())
        line.main.say(b"...")
        await until(lambda: len(line.book.waiting) == 1)
        line.main.say(b"end")
        await until(lambda: len(line.book.waiting) == 2)
        await spin()
        assert line.main.written == [], "the end of a request says nothing of its reads"
        line.book.waiting[0].set_result(None)
        await until(lambda: line.main.written == [b"ack"])
        line.main.end()


async def test_a_poll_does_not_wait_for_replies_to_become_durable() -> None:
    line = Line(Scripted(lambda *_: [Control(b"x", "x"), Send(b"poll")], [Send(b"hello")]))
    line.book.lazy = True
    async with asyncio.TaskGroup() as group:
        group.create_task(line.run())
        line.main.say(b"...")
        await until(lambda: line.main.written == [b"hello", b"poll"])
        line.main.end()


@pytest.mark.parametrize("event", [Remember("42"), READ])
async def test_what_cannot_be_stored_is_never_acknowledged(event: Event) -> None:
    line = Line(Scripted(lambda *_: [event, Send(b"ack")]))
    line.book.lazy = True
    async with asyncio.TaskGroup() as group:
        group.create_task(line.crash())
        line.main.say(b"...")
        await until(lambda: bool(line.book.waiting))
        line.book.waiting[0].set_exception(JournalError("never"))
    assert isinstance(line.crashed, JournalError)
    assert line.main.written == []
    assert line.main.closed


async def test_memory_goes_with_the_reads_before_it() -> None:
    line = Line(Scripted(lambda *_: [READ, Remember("1"), READ, Remember("2")]))
    async with asyncio.TaskGroup() as group:
        group.create_task(line.run())
        line.main.say(b"...")
        await until(lambda: line.book.memories == ["2"])
        line.main.end()
    assert line.book.kept == [READ, READ]


# -- back-pressure and coalescing ------------------------------------------------------------------


async def test_while_the_disk_is_behind_nothing_is_read_and_no_silence_counts() -> None:
    session = Scripted(lines)
    line = Line(session)
    async with asyncio.TaskGroup() as group:
        group.create_task(line.run())
        line.book.full.clear()
        line.main.say(b"a\n")
        await until(lambda: len(line.book.kept) == 1)
        line.main.say(b"b\n")
        for _ in range(5):
            line.clock.turn(10)
            await spin()
        assert len(line.book.kept) == 1
        assert session.ticks == 0, "a session that ticks would think that the reader is silent"
        line.book.full.set()
        await until(lambda: len(line.book.kept) == 2 and session.ticks == 1)
        line.main.end()


async def test_a_single_read_is_handed_on_at_once_and_a_rush_is_gathered() -> None:
    line = Line(Scripted(lines), coalesce=True)
    async with asyncio.TaskGroup() as group:
        group.create_task(line.run())
        line.main.say(b"a\n")
        await until(lambda: len(line.book.kept) == 1)
        line.clock.turn(0.004)
        line.main.say(b"b\n")
        await until(lambda: len(line.book.kept) == 2)
        line.main.say(b"c\n")
        await spin()
        assert len(line.book.kept) == 2, "left alone for a moment"
        line.main.say(b"d\n")
        line.clock.turn(COALESCE_NS / NS_PER_S)
        await until(lambda: len(line.book.kept) == 4)
        line.clock.turn(1)
        await spin()
        line.main.say(b"e\n")
        await until(lambda: len(line.book.kept) == 5)
        line.main.end()


async def test_a_reader_timed_by_arrival_is_never_made_to_wait() -> None:
    line = Line(Scripted(lines), coalesce=False)
    async with asyncio.TaskGroup() as group:
        group.create_task(line.run())
        for number in range(1, 6):
            line.main.say(b"a\n")
            await until(lambda number=number: len(line.book.kept) == number)
        line.main.end()


# -- the end of a link -----------------------------------------------------------------------------


async def test_bytes_cut_off_by_the_end_are_kept() -> None:
    session = Scripted(lines)
    session.pending = b"aa0005800"
    line = Line(session)
    async with asyncio.TaskGroup() as group:
        group.create_task(line.run())
        line.main.fail("pulled")
    (cut,) = line.book.kept
    assert isinstance(cut, Rejected)
    assert (cut.raw, cut.reason) == (b"aa0005800", Reason.FRAMING)
    assert line.state.rejected == {"framing": 1}
    assert line.ended == "pulled"


async def test_what_had_come_is_taken_when_the_service_stops() -> None:
    line = Line(Scripted(lines), coalesce=True)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(line.connection.run())
        await spin()
        line.main.say(b"a\n")
        await until(lambda: len(line.book.kept) == 1)
        line.main.say(b"b\n")
        await until(lambda: len(line.book.kept) == 2)
        line.main.say(b"c\n")
        running.cancel()
    assert len(line.book.kept) == 3


async def test_what_had_come_is_taken_when_the_session_hangs_up() -> None:
    def script(data: bytes, _channel: str) -> list[Event]:
        if data == b"a\n":
            line.main.say(b"b\n")
        return [*lines(data), Hangup("wrong protocol")]

    line = Line(Scripted(script))
    async with asyncio.TaskGroup() as group:
        group.create_task(line.run())
        line.main.say(b"a\n")
    assert len(line.book.kept) == 2, "everything before the hang-up, and what was still there"
    assert line.ended == "wrong protocol"


async def test_bytes_on_which_a_driver_fails_are_kept() -> None:
    def script(data: bytes, _channel: str) -> list[Event]:
        if b"bad" in data:
            session.pending = b"half" + data
            raise ZeroDivisionError
        return lines(data)

    session = Scripted(script)
    line = Line(session)
    async with asyncio.TaskGroup() as group:
        group.create_task(line.crash())
        line.main.say(b"a\n")
        await until(lambda: len(line.book.kept) == 1)
        line.main.say(b"bad\n")
    rest = line.book.kept[1]
    assert isinstance(rest, Rejected)
    assert rest.raw == b"halfbad\n"
    assert line.main.closed


async def test_time_passes_for_the_session_and_it_may_hang_up() -> None:
    class Impatient(Scripted):
        def tick(self, now_ns: int) -> list[Event]:
            super().tick(now_ns)
            return [Hangup("silent for too long")] if self.ticks == 3 else []

    line = Line(Impatient(lines))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(line.run())
        while not running.done():
            line.clock.turn(1)
            await asyncio.sleep(0)
    assert line.ended == "silent for too long"


async def test_a_write_that_fails_ends_the_link() -> None:
    line = Line(Scripted(lambda *_: [Send(b"x")]))
    async with asyncio.TaskGroup() as group:
        group.create_task(line.run())
        await spin()
        line.main.coming.append(b"go")
        line.main.fail("reset")
    assert line.ended == "reset"


# -- clocks ----------------------------------------------------------------------------------------


def answer(stamp: int, **extra: object) -> Clock:
    return Clock(b"clock", stamp, StampForm.NAIVE, extra=extra)


async def ask(line: Line, took_s: float, events: list[Event]) -> None:
    """Let the session ask, and the answer come after `took_s`."""
    asked = len(line.main.written)
    line.main.say(b"ask")
    await until(lambda: len(line.main.written) > asked)
    line.clock.turn(took_s)
    session = line.connection._session  # noqa: SLF001 - the test's own script
    assert isinstance(session, Scripted)
    session.script = lambda *_: events
    kept = len(line.book.kept)
    line.main.say(b"answer")
    await until(lambda: len(line.book.kept) > kept)
    session.script = _asking


def _asking(_data: bytes, _channel: str) -> list[Event]:
    return [Send(b"?", asks_clock=True)]


async def test_an_answer_is_paired_with_the_middle_of_its_round_trip() -> None:
    line = Line(Scripted(_asking))
    async with asyncio.TaskGroup() as group:
        group.create_task(line.run())
        await ask(line, 0.25, [answer(77)])
        await ask(line, 0.1, [answer(10 * NS_PER_S, resolution_ms=1000)])
        await ask(line, 6.0, [answer(99)])
        await ask(line, 0.0, [Clock(b"t", 5, StampForm.NAIVE, asked=False)])
        line.main.end()
    first, coarse = line.book.samples
    assert first.rtt_ns == 250 * NS_PER_MS
    assert first.stamp == 77
    assert first.boot_ns == 1_000 * NS_PER_S + 125 * NS_PER_MS
    assert first.utc_ns - first.boot_ns == line.clock.base_ns
    assert coarse.rtt_ns == 1_100 * NS_PER_MS
    assert coarse.stamp == 10 * NS_PER_S + NS_PER_S // 2, "half a second old on average"
    assert len(line.book.kept) == 4, "an answer of no use is kept all the same"


async def test_a_late_answer_is_not_taken_for_that_of_a_later_question() -> None:
    line = Line(Scripted(_asking))
    async with asyncio.TaskGroup() as group:
        group.create_task(line.run())
        line.main.say(b"ask")
        await until(lambda: len(line.main.written) == 1)
        line.clock.turn(4)  # the answer was made at once, and is held up on its way
        await ask(line, 0.1, [answer(1_000), answer(5_000)])
        await ask(line, 0.2, [answer(9_000)])
        line.main.end()
    assert [(found.stamp, found.rtt_ns) for found in line.book.samples] == [
        (1_000, 4_100 * NS_PER_MS),
        (9_000, 200 * NS_PER_MS),
    ]


async def test_the_answer_after_a_step_begins_a_new_epoch() -> None:
    line = Line(Scripted(_asking))
    async with asyncio.TaskGroup() as group:
        group.create_task(line.run())
        await ask(line, 0.01, [answer(1)])
        await ask(line, 0.01, [ClockStep(b"4c", 1, 2, "set by hand"), answer(2)])
        await ask(line, 0.01, [answer(3)])
        line.main.end()
    assert [found.step for found in line.book.samples] == [False, True, False]
    assert "moved" in line.state.alarms["clock_step"]


# -- side channels ---------------------------------------------------------------------------------


async def test_a_dialled_channel_is_spoken_to_once_it_is_up() -> None:
    session = Scripted(lines, [Dial("control", 9999), Send(b"getdate", "control")])
    line = Line(session)
    line.ports[9999] = Pipe()
    async with asyncio.TaskGroup() as group:
        group.create_task(line.run())
        await until(lambda: line.ports[9999].written == [b"getdate"])
        line.ports[9999].say(b"side\n")
        await until(lambda: len(line.book.kept) == 1)
        assert line.state.last_byte_ns is None, "only the main channel says that the reader lives"
        line.ports[9999].end()
        await until(lambda: session.ends == [("control", False)])
        line.main.say(b"main\n")
        await until(lambda: len(line.book.kept) == 2)
        line.main.end()


async def test_a_refused_channel_is_news_not_an_end() -> None:
    session = Scripted(lines, [Dial("control", 9999), Send(b"getdate", "control")])
    line = Line(session)
    async with asyncio.TaskGroup() as group:
        group.create_task(line.run())
        await until(lambda: session.ends == [("control", True)])
        line.main.say(b"main\n")
        await until(lambda: len(line.book.kept) == 1)
        line.main.end()


async def test_a_side_channel_can_be_hung_up_and_ends_with_the_link() -> None:
    def script(_data: bytes, _channel: str) -> list[Event]:
        return [Hangup("enough", "a")]

    session = Scripted(script, [Dial("a", 1), Dial("b", 2)])
    line = Line(session)
    line.ports = {1: Pipe(), 2: Pipe()}
    async with asyncio.TaskGroup() as group:
        group.create_task(line.run())
        await until(lambda: line.dialled == [1, 2])
        await spin()
        line.main.say(b"x")
        await until(lambda: session.ends == [("a", False)])
        assert line.ports[1].closed
        assert not line.ports[2].closed
        line.main.end()
    assert line.ports[2].closed


async def test_side_channels_that_come_and_go_leave_nothing_behind() -> None:
    session = Scripted(lambda *_: [Dial("poll", 1)])
    line = Line(session)
    async with asyncio.TaskGroup() as group:
        group.create_task(line.run())
        for number in range(1, 51):
            line.main.say(b"x")
            await until(lambda: len(session.ends) == number)  # noqa: B023 - used at once
        assert len(line.connection._tasks) < 10  # noqa: SLF001 - memory is what matters here
        line.main.end()


async def test_a_failing_side_channel_write_does_not_end_the_link() -> None:
    session = Scripted(lambda *_: [Send(b"x", "a"), READ], [Dial("a", 1)])
    line = Line(session)
    line.ports = {1: Pipe()}
    async with asyncio.TaskGroup() as group:
        group.create_task(line.run())
        await until(lambda: line.dialled == [1])
        await spin()
        line.ports[1].broken = LinkError("gone")
        line.main.say(b"go")
        await until(lambda: len(line.book.kept) == 1)
        await spin()
        assert line.ended is None
        line.main.end()


# -- what is shown ---------------------------------------------------------------------------------


async def test_status_and_alarms_are_shown_and_marked_as_news() -> None:
    told = [Status(b"s", {"battery_pct": 80}), Alarm("battery", "low: plug it in")]
    line = Line(Scripted(lambda *_: list(told)))
    line.state.changed = False
    async with asyncio.TaskGroup() as group:
        group.create_task(line.run())
        line.main.say(b"x")
        await until(lambda: line.state.changed)
        assert line.state.fields == {"battery_pct": 80}
        assert line.state.alarms == {"battery": "low: plug it in"}
        line.state.changed = False
        line.main.say(b"x")
        await until(lambda: len(line.book.kept) == 2)
        assert not line.state.changed, "the same again is no news"
        told[1] = Alarm("battery", "", on=False)
        line.main.say(b"x")
        await until(lambda: line.state.alarms == {})
        assert line.state.changed
        line.main.end()


def test_a_state_remembers_since_when() -> None:
    state = ReaderState("mat", "finish", "x", "tcp://x")
    state.enter("connecting", 5)
    state.changed = False
    state.enter("connecting", 6)
    assert (state.since_ns, state.changed) == (5, False)
    state.enter("failed", 7, "no route")
    assert (state.since_ns, state.changed, state.detail) == (7, True, "no route")
    state.changed = False
    state.enter("failed", 8, "refused")
    assert (state.since_ns, state.changed) == (7, True)
