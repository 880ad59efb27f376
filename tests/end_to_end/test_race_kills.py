"""The service is killed again and again: what it missed is fetched, and nothing doubles."""

import asyncio
import random
from pathlib import Path

from tests.support.race_rig import Rig

KILLS = 20


async def test_twenty_kills_during_a_race_change_nothing(tmp_path: Path) -> None:
    async with Rig(tmp_path, runners=500, seconds=22.0).up() as rig:
        await rig.fire()
        chance = random.Random(5)
        async with asyncio.TaskGroup() as group:
            group.create_task(rig.play(), name="race")
            for number in range(KILLS):
                if number % 3:  # else perhaps while it is still starting
                    await rig.box.until(lambda _: True)
                await asyncio.sleep(chance.uniform(0.0, 0.6))
                rig.box.kill()
                rig.box.start()
        assert rig.box.starts == KILLS + 1
        await rig.agrees(doubled=True)
        assert rig.audience.asked_for == 0, "a message was lost on its way"
        connected = rig.box.log.count("reader connected")
        assert connected > 2 * KILLS, "the service hardly ever came up between the kills"
