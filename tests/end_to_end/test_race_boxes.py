"""Start and finish are boxes of their own that share what they see over the broker."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from bridge.domain.reads import NS_PER_MS, NS_PER_S
from tests.support.race_rig import READERS, TRUSTED, MatReader, Rig

FROM_MEMORY = f'{TRUSTED}\noptions = {{ backfill = "all" }}'
"""The box may come up after the first finisher: then the reader's memory has the reads."""


def _box_of(reader: MatReader) -> MatReader:
    if reader.location != "finish":
        return replace(reader, box="start-box")
    entry = FROM_MEMORY if reader.driver == "ipico" else reader.entry
    return replace(reader, box="finish-box", entry=entry)


async def test_a_finish_box_that_starts_late_and_is_killed_has_every_start(tmp_path: Path) -> None:
    readers = [_box_of(reader) for reader in READERS]
    async with Rig(tmp_path, seconds=14.0, readers=readers).up(start=False) as rig:
        start, finish = rig.boxes["start-box"], rig.boxes["finish-box"]
        start.start()
        await start.until_reading()
        rig.choose_gun()
        async with asyncio.TaskGroup() as group:
            group.create_task(rig.play(), name="race")
            await rig.after(0.1)
            fired = datetime.fromtimestamp(rig.gun_ns // NS_PER_S, UTC)
            await start.command("gun", "5K", fired.strftime("%Y-%m-%dT%H:%M:%S"))
            finish.start()
            await finish.until_reading()
            await rig.after(0.7)
            finish.kill()
            await rig.after(0.8)
            finish.start()
        await rig.agrees(doubled=True)
        for box in (start, finish):
            (mark,) = await box.ask("marks")
            assert mark["at_ms"] == rig.gun_ns // NS_PER_MS
