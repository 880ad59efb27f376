"""A reader that brings too much for too long is left waiting, and loses nothing."""

import asyncio

from bridge.app.link import Connection, ReaderState
from bridge.app.pace import BURST, LONGEST_S, RATE, Pace
from bridge.domain.reads import NS_PER_S
from bridge.errors import LinkError
from tests.app.test_link import Book, Pipe, Scripted, lines
from tests.support.mat import MatClock
from tests.support.store import until


def test_what_real_mats_bring_is_never_held_back() -> None:
    pace = Pace()
    assert pace.pause_s(BURST, 0) == 0
    for second in range(3, 100):
        assert pace.pause_s(RATE, second * NS_PER_S) == 0


def test_what_is_too_much_waits_until_the_rate_is_kept() -> None:
    pace, now, taken = Pace(), 0, 0
    while taken < 200_000:
        taken += 500
        now += int(pace.pause_s(500, now) * NS_PER_S)
    assert abs(now / NS_PER_S - (taken - BURST) / RATE) < 1


def test_no_pause_is_long_and_the_debt_is_not_forgotten() -> None:
    pace = Pace()
    assert pace.pause_s(BURST + 4 * RATE, 0) == LONGEST_S
    assert pace.pause_s(0, 2 * NS_PER_S) == LONGEST_S
    assert pace.pause_s(0, 4 * NS_PER_S) == 0


async def test_the_link_does_not_read_meanwhile() -> None:
    clock, pipe, book = MatClock(), Pipe(), Book()
    connection = Connection(
        session_id=3,
        session=Scripted(lines),
        transport=pipe,
        dial=_nobody,
        desk=book,
        clock=clock,
        state=ReaderState("mat", "finish", "x", "tcp://x"),
        coalesce=False,
        pace=Pace(),
    )
    async with asyncio.TaskGroup() as group:
        task = group.create_task(connection.run())
        pipe.say(b"x\n" * (BURST + RATE))
        await until(lambda: len(book.kept) == BURST + RATE)
        pipe.say(b"y\n")
        await until(lambda: clock.sleeping == 2)  # the tick, and the pause
        clock.turn(0.5)
        await asyncio.sleep(0)
        assert len(book.kept) == BURST + RATE
        clock.turn(0.6)
        await until(lambda: len(book.kept) == BURST + RATE + 1)
        task.cancel()


async def _nobody(port: int) -> Pipe:
    raise LinkError(str(port))
