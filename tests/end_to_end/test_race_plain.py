"""A whole race through the running service, without any fault: everything is exactly right."""

from pathlib import Path

from tests.support.race_rig import Rig


async def test_everything_sent_is_read_timed_posted_and_told_exactly(tmp_path: Path) -> None:
    async with Rig(tmp_path, runners=500, seconds=20.0).up() as rig:
        await rig.fire()
        await rig.play()
        await rig.agrees()
        status = await rig.box.status()
        assert status is not None
        totals = status["events"][0]
        finished = sum(1 for e in rig.race.expected.values() if e.clock_ns is not None)
        assert totals["finished"] == finished > 450
        assert rig.audience.asked_for == 0
