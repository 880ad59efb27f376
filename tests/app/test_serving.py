"""The order in which the service ends, and what ends it."""

import asyncio

import pytest

from bridge.app.serving import serve
from tests.support.store import until


class Stage:
    """A job that runs until cancelled and says so."""

    def __init__(self, name: str, said: list[str]) -> None:
        self.name, self.said = name, said

    async def run(self) -> None:
        self.said.append(f"{self.name} runs")
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.said.append(f"{self.name} ends")


async def test_readers_end_first_then_all_is_stored_then_the_rest_ends() -> None:
    said: list[str] = []
    stop = asyncio.Event()
    links = [Stage("reader", said).run, Stage("reader", said).run]

    async def drain() -> None:
        said.append("drain")

    async def stop_soon() -> None:
        await until(lambda: len(said) == 3)
        stop.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(stop_soon())
        await serve(links, [Stage("feed", said).run], stop, drain)
    assert said[:3].count("reader runs") == 2
    assert said[3:] == ["reader ends", "reader ends", "drain", "feed ends"]


async def test_a_stage_that_is_done_ends_nothing() -> None:
    said: list[str] = []
    stop = asyncio.Event()

    async def short() -> None:
        said.append("short")

    async def drain() -> None:
        said.append("drain")

    async with asyncio.TaskGroup() as group:
        serving = group.create_task(serve([], [short], stop, drain))
        await until(lambda: bool(said))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not serving.done()
        stop.set()
    assert said == ["short", "drain"]


async def test_a_bug_in_a_stage_ends_everything_and_is_raised() -> None:
    said: list[str] = []

    async def broken() -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    async def drain() -> None:
        said.append("drain")

    with pytest.raises(ExceptionGroup) as caught:
        await serve([Stage("reader", said).run], [broken], asyncio.Event(), drain)
    assert caught.value.subgroup(ZeroDivisionError) is not None
    assert said == ["reader runs", "reader ends"]


async def test_a_stage_that_missed_its_end_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.app.serving.AGAIN_S", 0.01)
    missed: list[str] = []

    async def deaf() -> None:
        stop.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            missed.append("once")
        await asyncio.Event().wait()

    async def drain() -> None:
        missed.append("drain")

    stop = asyncio.Event()
    async with asyncio.timeout(10):
        await serve([], [deaf], stop, drain)
    assert missed == ["drain", "once"]


async def test_cancelling_ends_every_job() -> None:
    said: list[str] = []

    async def drain() -> None:
        said.append("drain")

    async with asyncio.TaskGroup() as group:
        links = [Stage("reader", said).run]
        serving = group.create_task(serve(links, [Stage("feed", said).run], asyncio.Event(), drain))
        await until(lambda: len(said) == 2)
        serving.cancel()
    assert sorted(said[2:]) == ["feed ends", "reader ends"]
