"""A reader that brings too much for too long is left waiting, and loses nothing."""

import asyncio

import pytest

from bridge.app.link import Connection, ReaderState
from bridge.app.pace import BURST, FREE_RATE, LONGEST_S, SHARE, Pace
from bridge.domain.reads import NS_PER_S
from bridge.errors import LinkError
from tests.app.test_link import Book, Pipe, Scripted, lines
from tests.support.mat import MatClock
from tests.support.store import until


def crowded() -> Pace:
    pace = Pace()
    pace.crowded = lambda: True
    return pace


@pytest.mark.parametrize(("pace", "rate"), [(Pace(), FREE_RATE), (crowded(), SHARE)])
def test_what_real_mats_bring_is_never_held_back(pace: Pace, rate: int) -> None:
    assert pace.pause_s(BURST, 0) == 0
    for tenth in range(30, 1000):
        assert pace.pause_s(rate // 10, tenth * NS_PER_S // 10) == 0


@pytest.mark.parametrize(("pace", "rate"), [(Pace(), FREE_RATE), (crowded(), SHARE)])
def test_what_is_too_much_waits_until_the_rate_is_kept(pace: Pace, rate: int) -> None:
    now = taken = 0
    while taken < 200_000:
        taken += 500
        now += int(pace.pause_s(500, now) * NS_PER_S)
    assert abs(now / NS_PER_S - (taken - BURST) / rate) < 1


def test_no_pause_is_long_and_the_debt_is_not_forgotten() -> None:
    pace = crowded()
    assert pace.pause_s(BURST + 4 * SHARE, 0) == LONGEST_S
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
        pace=crowded(),
    )
    async with asyncio.TaskGroup() as group:
        task = group.create_task(connection.run())
        pipe.say(b"x\n" * (BURST + SHARE))
        await until(lambda: len(book.kept) == BURST + SHARE)
        pipe.say(b"y\n")
        await until(lambda: clock.sleeping == 2)  # the tick, and the pause
        clock.turn(0.5)
        await asyncio.sleep(0)
        assert len(book.kept) == BURST + SHARE
        clock.turn(0.6)
        await until(lambda: len(book.kept) == BURST + SHARE + 1)
        task.cancel()


async def _nobody(port: int) -> Pipe:
    raise LinkError(str(port))
