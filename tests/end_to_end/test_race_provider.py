"""The results service fails in every way it can: in the end every row stands there, once."""

import asyncio
from pathlib import Path

from tests.support.mqtt_race import until
from tests.support.race_rig import Rig


async def test_a_results_service_that_fails_and_goes_away(tmp_path: Path) -> None:
    async with Rig(tmp_path, seconds=13.0).up() as rig:
        await rig.fire()
        faults = rig.sandbox.faults
        async with asyncio.TaskGroup() as group:
            group.create_task(rig.play(), name="race")
            await until(rig.posted_rows, 60)
            faults.set({"apply-then-reset": 0.5})
            await _met(rig, "apply-then-reset", "/full-results")
            faults.set({"503": 0.5, "html": 0.2})
            await rig.after(0.7)
            await _met(rig, "503")
            rig.sandbox.go_down(9.0)
            await _met(rig, "reset")
            status = await rig.box.until(
                lambda status: status["link_facts"]["results"]["last_error"]
            )
            assert status["link_facts"]["results"]["pending"] > 0
        faults.set({"code14": 1.0})
        await _met(rig, "code14")
        faults.set({})
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


async def _met(rig: Rig, kind: str, path: str = "") -> None:
    """Wait until a call (of a path that ends so) has met this fault."""
    await until(
        lambda: any(
            exchange.fault == kind and exchange.call.path.endswith(path)
            for exchange in rig.sandbox.log
        ),
        60,
    )
