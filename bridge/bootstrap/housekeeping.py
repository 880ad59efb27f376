"""What has to happen now and then: passings close, times are placed anew, the watchdog is fed."""

import asyncio
from collections.abc import Callable

import orjson
import structlog

from bridge.adapters.memory import settle, trim
from bridge.adapters.store.retention import retain
from bridge.app.serving import Watchdog
from bridge.app.supervise import Backoff
from bridge.bootstrap.core import BASES_NOTE, Core, race_key
from bridge.domain.reads import NS_PER_S

log = structlog.get_logger(__name__)

BUSY_S = 0.25
IDLE_S = 1.0
STUCK_NS = 20 * NS_PER_S
"""Nothing written or no turn made for so long, and no word of a full disk: we hang."""
SILENT_NS = 15 * NS_PER_S
"""Longer than the laziest commit takes: something is wrong with the card."""
ROUNDS_S = 3600.0
SETTLE_NS = 5 * NS_PER_S
TRIM_NS = 20 * NS_PER_S
RECALL_S = 2.0
LONGEST_RECALL_S = 10.0
GOOD_ENOUGH_NS = NS_PER_S
"""A host clock that may be wrong by more than this is not the truth yet."""
WATCH_S = 2.0


class Housekeeper:
    """One loop for everything slow; each turn is short."""

    def __init__(self, core: Core, watchdog: Watchdog, on_readers: Callable[[str], None]) -> None:
        """`on_readers` is told the name of each reader whose state changed."""
        self._core = core
        self._watchdog = watchdog
        self._on_readers = on_readers
        self._settle_at_ns: int | None = None
        self._trim_at_ns = core.clock.boot_ns() + TRIM_NS
        self._wrote_ns = self._turned_ns = core.clock.boot_ns()
        self._life = (0, 0, 0)
        self._turns = 0
        self._notices = len(core.store.notices)
        self._salvaging = core.store.salvage_progress is not None

    async def run(self) -> None:
        """Turn until cancelled."""
        settle()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch(), name="watchdog")
            group.create_task(self._turn(), name="housekeeping")

    async def _turn(self) -> None:
        core = self._core
        await self._recall()
        self._settle_at_ns = core.clock.boot_ns() + SETTLE_NS
        while True:
            self._turns += 1
            if core.timing.stale:
                await self._recall()
            try:
                await self._round()
            except Exception:  # bulkhead: an odd record stops neither the readers nor the results
                log.exception("housekeeping failed")
            await core.clock.sleep(BUSY_S if core.timing.busy else IDLE_S)

    async def _round(self) -> None:
        core = self._core
        emission = core.timing.advance().joined(core.timing.give_up_waiting(core.clock.boot_ns()))
        if emission:
            core.intake.tell(emission)
        self._salvage()
        self._tell_readers()
        self._settle()
        await self._host_clock()
        await core.marker_guns.settle(core.operations)

    async def _recall(self) -> None:
        """Bring the results up to the journal; if that fails, say so and try again later."""
        core = self._core
        pauses = Backoff(RECALL_S, LONGEST_RECALL_S)
        while True:
            self._turns += 1
            try:
                await core.recall()
            except Exception as error:  # bulkhead: the mat reads on, whatever became of the results
                log.exception("results could not be computed")
                core.health.alarms.set("results", f"results cannot be computed now ({error})")
                await core.clock.sleep(pauses.pause_s())
            else:
                core.health.alarms.set("results", None)
                return

    async def _watch(self) -> None:
        """Feed the watchdog: a task of its own, for reading a long journal takes its time."""
        while True:
            self._feed()
            await self._core.clock.sleep(WATCH_S)

    async def _host_clock(self) -> None:
        """Learn the truth about this boot's time the first moment the kernel knows it."""
        core = self._core
        clock = core.clock
        error_ns = clock.error_ns()
        if core.timing.knows_host(clock.boot_id) or error_ns is None or error_ns > GOOD_ENOUGH_NS:
            return
        base = clock.utc_ns() - clock.boot_ns()
        if core.timing.host_truth(clock.boot_id, base):
            await core.store.put(BASES_NOTE, orjson.dumps(core.timing.bases).decode())

    def _salvage(self) -> None:
        """Take in what was saved from a damaged store once it is all there."""
        salvaging = self._core.store.salvage_progress is not None
        notices = len(self._core.store.notices)  # a short salvage may begin and end unseen
        self._salvaging = self._salvaging or notices > self._notices
        self._notices = notices
        if self._salvaging and not salvaging:
            self._core.timing.stale = True
        self._salvaging = salvaging
        for number, notice in enumerate(self._core.store.notices):
            self._core.health.alarms.set(f"store {number}", notice)

    def _settle(self) -> None:
        """Tidy up when every stage has been imported and the journal read, then now and then."""
        now = self._core.clock.boot_ns()
        if self._settle_at_ns is not None and now > self._settle_at_ns:
            self._settle_at_ns = None
            self._trim_at_ns = now + TRIM_NS
            settle()
        elif now > self._trim_at_ns:
            self._trim_at_ns = now + TRIM_NS
            if self._core.timing.busy:
                trim()

    def _tell_readers(self) -> None:
        for name, state in self._core.states.items():
            if state.changed:
                state.changed = False
                self._on_readers(name)

    def _feed(self) -> None:
        """Give a sign of life, as long as we get on: both with writing and with the results.

        A disk that refuses excuses us: what waits in memory would be lost by a restart.
        """
        core = self._core
        now = core.clock.boot_ns()
        life = (core.intake.settled, self._turns, core.timing.pulse)
        wrote = core.store.backlog == 0 or life[0] != self._life[0]
        turned = life[1:] != self._life[1:]
        if wrote:
            self._wrote_ns = now
        if turned:
            self._turned_ns = now
        self._life = life
        silent_ns = now - self._wrote_ns
        text = f"nothing has been written to the disk for {silent_ns // NS_PER_S} s; check the card"
        core.health.alarms.set("writer", text if silent_ns > SILENT_NS else None)
        stuck = now - min(self._wrote_ns, self._turned_ns) > STUCK_NS
        if self._watchdog.watchdog_s is not None and (core.store.trouble is not None or not stuck):
            self._watchdog.watchdog()


async def make_room(core: Core) -> None:
    """Delete journals of other races when they are old or space is short; never this race's."""
    bridge = core.config.bridge
    while True:
        gone = retain(
            bridge.data_dir,
            race_key(core.config),
            bridge.keep_days,
            bridge.min_free_mb * 1_000_000,
            clock=core.clock,
        )
        if gone:
            log.info("made room", what=gone)
        await core.clock.sleep(ROUNDS_S)


async def after_readers(core: Core) -> None:
    """Let the readers have their first turns before anything heavy is imported."""
    for _ in range(3):
        await asyncio.sleep(0)
    await core.clock.sleep(0.3)
