"""The results service fails in every way it can: in the end every row stands there, once."""

import asyncio
from pathlib import Path

from tests.support.race_rig import Rig


async def test_a_results_service_that_fails_and_goes_away(tmp_path: Path) -> None:
    async with Rig(tmp_path, seconds=13.0).up() as rig:
        await rig.fire()
        faults = rig.sandbox.faults
        async with asyncio.TaskGroup() as group:
            group.create_task(rig.play(), name="race")
            faults.set({"503": 0.5})
            await rig.after(0.5)
            faults.set({"apply-then-reset": 0.4, "html": 0.2})
            await rig.after(0.7)
            rig.sandbox.go_down(9.0)
            faults.set({"code14": 0.3, "reset": 0.2, "garbage": 0.2})
            waiting = await rig.box.until(
                lambda status: status["link_facts"]["results"]["last_error"]
            )
            assert waiting["link_facts"]["results"]["pending"] > 0
        faults_met = {exchange.fault for exchange in rig.sandbox.log}
        await rig.after(1.5)
        faults.set({})
        assert {"503", "apply-then-reset", "reset"} <= faults_met
        await rig.agrees()
        entries = rig.sandbox.race.participants
        assert len(rig.sandbox.race.sets_of(1)) == 1, "a second result set was made"
        assert len(entries) == len(rig.race.runners)


async def test_a_start_without_network_has_the_participants_of_last_time(tmp_path: Path) -> None:
    async with Rig(tmp_path, seconds=9.0).up() as rig:
        await rig.box.until(lambda status: status["link_facts"]["participants"]["participants"])
        await rig.box.stop()
        rig.sandbox.go_down(3600)
        rig.box.start()
        await rig.box.until_reading()
        await rig.fire()
        await rig.play()
        finished = sum(1 for e in rig.race.expected.values() if e.clock_ns is not None)
        await rig.box.until(lambda status: status["events"][0]["finished"] == finished)
        (results,) = await rig.box.ask("results")
        named = {row["bib"] for row in results["rows"] if row["name"]}
        assert {bib for bib, right in rig.expected_rows().items() if right} <= named
        assert not rig.posted_rows()
        rig.sandbox.go_down(0)
        await rig.agrees(within_s=100)
