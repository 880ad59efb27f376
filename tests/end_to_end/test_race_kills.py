"""The service is killed again and again during the race: what it missed is fetched, nothing doubles."""

import asyncio
import random
from pathlib import Path

from tests.support.race_rig import Rig

KILLS = 20


async def test_twenty_kills_during_a_race_change_nothing(tmp_path: Path) -> None:
    async with Rig(tmp_path, runners=500, seconds=24.0).up() as rig:
        await rig.fire()
        chance = random.Random(5)
        async with asyncio.TaskGroup() as group:
            group.create_task(rig.play(), name="race")
            for moment in sorted(chance.uniform(0.02, 1.0) for _ in range(KILLS)):
                await rig.after(moment)
                rig.box.kill()
                rig.box.start()
        assert rig.box.starts == KILLS + 1
        await rig.agrees(doubled=True)
