"""One reader kept connected for ever, whatever happens to it."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from bridge.app.link import ReaderState
from bridge.app.supervise import (
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    STEADY_S,
    Backoff,
    Connector,
    Reader,
    supervise,
)
from bridge.domain.reads import StampForm
from bridge.driver_api import Driver, Event, Hangup, Opening, Session, no_options
from bridge.errors import JournalError, LinkError, PeerError
from drivers.ipico import DRIVER
from tests.app.test_link import Book, Pipe, Scripted, lines
from tests.support.mat import MatClock
from tests.support.store import until


class Plug:
    """A connector that gives out what the test put there."""

    def __init__(self, *results: Pipe | Exception) -> None:
        self.results: list[Pipe | Exception] = list(results)
        self.attempts = 0
        self.let_go = False

    async def connect(self) -> Pipe:
        self.attempts += 1
        if not self.results:
            raise LinkError("nobody there")
        result = self.results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    async def dial(self, port: int) -> Pipe:
        raise LinkError(f"no port {port}")

    def close(self) -> None:
        self.let_go = True


class Desk(Book):
    """A desk that opens sessions too."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.broken: Exception | None = None

    def open_session(self, reader: str) -> int:
        self.opened.append(reader)
        return 3

    def opening(self, reader: str) -> tuple[str | None, int | None]:
        assert reader == "mat"
        if self.broken is not None:
            raise self.broken
        return f"memory {len(self.opened)}", 77


class Watched:
    """A reader under supervision."""

    def __init__(self, plug: Connector, greeting: Sequence[Event] = ()) -> None:
        self.clock = MatClock()
        self.desk = Desk()
        self.state = ReaderState("mat", "finish", "x", "tcp://x")
        self.openings: list[Opening] = []
        self.greeting = greeting
        self.failing = False
        self.reader = Reader(
            name="mat",
            location="finish",
            driver=self._driver(),
            link="serial",
            options={"a": 1},
            connector=plug,
        )

    def _driver(self) -> Driver:
        return replace(
            DRIVER,
            name="x",
            session=self._session,
            check_options=no_options,
            stamp_form=StampForm.NAIVE,
        )

    def _session(self, opening: Opening) -> Session:
        self.openings.append(opening)
        if self.failing:
            raise ZeroDivisionError
        return Scripted(lines, self.greeting)

    async def run(self) -> None:
        await supervise(self.reader, self.desk, self.clock, self.state)

    async def turn_until(self, holds: object, step_s: float = 0.05) -> float:
        """Let time pass until something holds; return how much."""
        assert callable(holds)
        passed = 0.0
        async with asyncio.timeout(20):
            while not holds():
                for _ in range(8):
                    await asyncio.sleep(0)
                if not holds():
                    self.clock.turn(step_s)
                    passed += step_s
        return passed


async def test_a_lost_link_comes_back_by_itself_with_what_is_remembered() -> None:
    first, second = Pipe(), Pipe()
    plug = Plug(first, second)
    watched = Watched(plug)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(watched.run())
        first.say(b"a\n")
        await until(lambda: len(watched.desk.kept) == 1)
        assert watched.state.state == "connected"
        first.fail("pulled")
        await until(lambda: watched.state.state == "failed")
        assert watched.state.detail == "pulled"
        assert first.closed
        second.say(b"b\n")
        pause = await watched.turn_until(lambda: len(watched.desk.kept) == 2)
        assert pause <= FIRST_PAUSE_S + 0.05
        assert watched.state.connections == 2
        assert watched.state.detail == ""
        task.cancel()
    assert [opening.memory for opening in watched.openings] == ["memory 0", "memory 1"]
    assert watched.openings[0].last_stamp == 77
    assert watched.openings[0].link == "serial"
    assert watched.openings[0].options == {"a": 1}
    assert second.closed
    assert plug.let_go


async def test_it_tries_for_ever_with_capped_pauses() -> None:
    watched = Watched(plug := Plug())
    async with asyncio.TaskGroup() as group:
        task = group.create_task(watched.run())
        await watched.turn_until(lambda: plug.attempts == 10, 1.0)
        for attempt in range(11, 30):
            pause = await watched.turn_until(lambda attempt=attempt: plug.attempts == attempt, 0.5)
            assert LONGEST_PAUSE_S / 2 - 0.5 <= pause <= LONGEST_PAUSE_S + 0.5
        assert watched.state.state == "failed"
        assert watched.clock.sleeping == 1, "one waits, however often it was tried"
        task.cancel()


async def test_a_link_that_held_long_is_tried_again_at_once() -> None:
    pipe = Pipe()
    watched = Watched(plug := Plug(*[LinkError("no")] * 8, pipe))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(watched.run())
        await watched.turn_until(lambda: watched.state.state == "connected", 1.0)
        for _ in range(int(STEADY_S) + 1):
            watched.clock.turn(1)
            await asyncio.sleep(0)
        pipe.fail("gone")
        pause = await watched.turn_until(lambda: plug.attempts == 10)
        assert pause <= FIRST_PAUSE_S + 0.05
        task.cancel()


async def test_a_peer_of_another_protocol_is_tried_slowly() -> None:
    watched = Watched(plug := Plug(PeerError("an HTTP server")))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(watched.run())
        pause = await watched.turn_until(lambda: plug.attempts == 2, 0.5)
        assert pause >= LONGEST_PAUSE_S
        assert watched.state.detail in ("an HTTP server", "nobody there")
        task.cancel()


async def test_a_bug_in_a_driver_ends_neither_this_nor_another_reader() -> None:
    first, second = Pipe(), Pipe()
    watched = Watched(plug := Plug(first, second))
    watched.failing = True
    other_pipe = Pipe()
    other = Watched(Plug(other_pipe))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(watched.run()), group.create_task(other.run())]
        await watched.turn_until(lambda: plug.attempts == 1 and watched.state.state == "failed")
        assert watched.state.detail == "internal error in driver x"
        assert first.closed, "or a serial port could never be opened again"
        watched.failing = False
        second.say(b"a\n")
        await watched.turn_until(lambda: len(watched.desk.kept) == 1)
        other_pipe.say(b"b\n")
        await until(lambda: len(other.desk.kept) == 1)
        for task in tasks:
            task.cancel()


async def test_a_store_that_cannot_be_read_leaves_no_port_open() -> None:
    first, second = Pipe(), Pipe()
    watched = Watched(Plug(first, second))
    watched.desk.broken = JournalError("the store can not be read")
    async with asyncio.TaskGroup() as group:
        task = group.create_task(watched.run())
        await watched.turn_until(lambda: watched.state.state == "failed")
        assert first.closed
        watched.desk.broken = None
        await watched.turn_until(lambda: watched.state.state == "connected")
        task.cancel()
    assert second.closed


async def test_reconnecting_doubles_no_task() -> None:
    pipes = [Pipe() for _ in range(6)]
    watched = Watched(Plug(*pipes))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(watched.run())
        for number, pipe in enumerate(pipes, 1):
            await watched.turn_until(lambda number=number: watched.state.connections == number)
            await until(lambda: watched.clock.sleeping == 1)
            count = len(asyncio.all_tasks())
            assert count == 5, "this test, the supervisor, and three for the connection"
            pipe.fail("gone")
        task.cancel()


async def test_told_to_end_in_the_moment_the_link_ends_it_ends() -> None:
    for turns in range(12):
        pipe = Pipe()
        watched = Watched(plug := Plug(pipe))
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            task = group.create_task(watched.run())
            await until(lambda state=watched.state: state.state == "connected")
            pipe.fail("gone")
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
        assert plug.let_go
        assert pipe.closed


async def test_a_session_that_hangs_up_at_once_is_a_failure_with_its_words() -> None:
    watched = Watched(Plug(Pipe()), [Hangup("not an IPICO")])
    async with asyncio.TaskGroup() as group:
        task = group.create_task(watched.run())
        await until(lambda: watched.state.state == "failed")
        assert watched.state.detail == "not an IPICO"
        task.cancel()


def test_pauses_double_to_a_cap_and_are_jittered() -> None:
    backoff = Backoff()
    pauses = [backoff.pause_s() for _ in range(40)]
    whole = [min(FIRST_PAUSE_S * 2**n, LONGEST_PAUSE_S) for n in range(40)]
    assert all(w / 2 <= p <= w for p, w in zip(pauses, whole, strict=True))
    assert len({round(pause, 6) for pause in pauses[-20:]}) > 10
    backoff.reset()
    assert backoff.pause_s() <= FIRST_PAUSE_S
