"""The broker dies and hangs in the middle of a race: nobody who follows it misses a crossing."""

import asyncio
from pathlib import Path

from tests.support.race_rig import Rig


async def test_a_broker_that_forgets_everything_and_one_that_hangs(tmp_path: Path) -> None:
    async with Rig(tmp_path, seconds=13.0).up() as rig:
        await rig.fire()
        async with asyncio.TaskGroup() as group:
            group.create_task(rig.play(), name="race")
            await rig.after(0.05)
            rig.broker.stop()
            await rig.after(0.3)
            await rig.box.until(lambda status: status["link_facts"]["broker"]["queued"] > 0)
            rig.broker.start()
            await rig.after(0.5)
            rig.broker.freeze()
            await rig.after(0.75)
            rig.broker.thaw()
            await rig.after(0.85)
            rig.broker.stop()
            rig.broker.start()
        await rig.agrees()
        await rig.box.until(lambda status: status["link_facts"]["broker"]["connected"])
        assert rig.audience.online["mat"]
