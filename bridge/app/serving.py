"""Run the stages of the bridge, watch over them, and end them in the order data flows."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

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
            for task in readers:
                task.cancel()
        await drain()
        for task in others:
            task.cancel()


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
