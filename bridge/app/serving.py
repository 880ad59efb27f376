"""Run the stages of the bridge, watch over them, and end them in the order data flows."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

AGAIN_S = 5.0
"""More than any stage takes to say goodbye."""
Job = Callable[[], Awaitable[None]]


async def serve(
    links: Sequence[Job], stages: Sequence[Job], stop: asyncio.Event, drain: Job
) -> None:
    """Run until `stop`: readers end first, then what they said is made durable, then the rest.

    A bug in a stage cancels everything and is raised: systemd starts us anew. A reader's failure
    ends in `supervise` and never comes here.
    """
    async with asyncio.TaskGroup() as outer:
        others = [outer.create_task(_run(job), name="stage") for job in stages]
        async with asyncio.TaskGroup() as inner:
            readers = [inner.create_task(_run(job), name="reader") for job in links]
            await stop.wait()
            await _end(readers)
        await drain()
        await _end(others)


async def _end(tasks: Sequence["asyncio.Task[None]"]) -> None:
    """Cancel until all have ended: a stage whose link breaks in the same moment may miss it once.

    (A TaskGroup that has an error of its own to raise forgets a cancellation of its parent.)
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN_S)


async def _run(job: Job) -> None:
    await job()


class Watchdog(Protocol):
    """Who restarts us when we hang."""

    @property
    def watchdog_s(self) -> float | None:
        """Seconds between two signs of life, or None if nobody waits for them."""
        ...

    def watchdog(self) -> None:
        """Give a sign of life."""
        ...
