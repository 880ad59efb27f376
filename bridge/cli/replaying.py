"""Compute results from an export alone, by the reference form of the rules."""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

from bridge.adapters.store.importing import Counter, import_reads
from bridge.adapters.store.opening import open_store
from bridge.adapters.system_clock import SystemClock
from bridge.app.ports import Kind
from bridge.app.standings import Standings
from bridge.bootstrap.core import Core
from bridge.cli.invocation import Invocation
from bridge.cli.service import with_copy
from bridge.domain.pure import compute


def replayed(invocation: Invocation, file: Path) -> Any:  # noqa: ANN401 - JSON
    """Return results and counts of states that the reads of `file` give on this box."""
    with tempfile.TemporaryDirectory(prefix="chip-bridge-replay-") as name:
        folder = Path(name)

        async def work(core: Core) -> object:
            return await _replay(core, folder / "reads", file, time.perf_counter())

        return asyncio.run(with_copy(invocation, folder / "race", work))


async def _replay(core: Core, folder: Path, file: Path, began: float) -> object:
    clock = SystemClock()
    store = open_store(folder, "replay", clock=clock).store
    try:
        with file.open("rb") as lines:
            report = await import_reads(
                store, lines, numbers=Counter(store), clock=clock, source=file.name
            )
        timing = core.timing.over(store)
        reads = timing.timebase.timed(store.rows(kinds=(Kind.READ,)))
        outcome = compute(
            timing.rules, reads, core.operations.entrants, core.store.marks(), core.store.remote()
        )
    finally:
        await store.close()
    states: dict[str, int] = {}
    for state in outcome.read_states:
        states[state.state.value] = states.get(state.state.value, 0) + 1
    standings = Standings()
    standings.apply(outcome.results.values(), ())
    return {
        "reads": len(reads),
        "seconds": round(time.perf_counter() - began, 2),
        "states": dict(sorted(states.items())),
        "damaged": report.damaged,
        "complaints": report.complaints,
        "events": core.operations.over(standings).results(),
    }
