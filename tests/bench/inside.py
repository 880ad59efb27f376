"""Figures of parts taken out of the service, each in a fresh process: JSON on stdout.

``inside bulk N``: N reads through decoder, journal and race, ``inside growth N`` the same in step;
``inside bare N``: as many through a bare prototype; ``inside decode DRIVER N``.
"""

import asyncio
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import cast

import orjson

from bridge.adapters.config_files import load_config
from bridge.adapters.memory import settle
from bridge.adapters.system_clock import SystemClock
from bridge.app.registry import Registry
from bridge.bootstrap.core import Core, open_core
from bridge.domain.reads import NS_PER_S, Read
from bridge.driver_api import Alarm, Dial, Driver, Hangup, Kept, Opening, Remember, Send
from drivers import BUILTIN
from tests.bench.bare import bare
from tests.bench.field import RATE, READS_PER_CROSSING, passings, wire
from tests.bench.machine import calibrate
from tests.bench.service import race_start_ns, write_config

PIECE = 65_536
PIECE_LIVE = 4_096
_TURNS = 3
_SPARSE = {"gpio": (0.4, 1)}
"""Reads a second and per crossing of a reader that rests after each."""
_ORDERS = (Send, Dial, Alarm, Hangup, Remember)
_GREETINGS = {
    "race-result": (
        b"SETPROTOCOL;3.2",
        b"GETCONFIG;GENERAL;BOXNAME;D-50432;D-50432",
        b"GETSTATUS;2026-01-01;10:00:00.000;1;11111111;1;177;1;;1;100",
        *[b"GETTIME;2026-01-01;10:00:00.000"] * 5,
        b"PASSINGS;0;177",
        b"SETPUSHPASSINGS;1;0",
        b"PASSINGS;0;177",
    )
}


def bulk(reads: int, *, in_step: bool) -> dict[str, object]:
    """Return CPU seconds at marks on the way through `reads` reads.

    `in_step`: nothing is taken in before everything earlier is durable, so that what has been spent
    at a mark was spent on the reads before it.
    """
    with tempfile.TemporaryDirectory() as folder:
        config = write_config(Path(folder), [1], None)
        drivers = Registry(BUILTIN)
        core = open_core(load_config(config, {}, drivers), drivers, SystemClock())
        lines = _lines(drivers.find("ipico"), reads)
        unit = calibrate()
        settle()
        marks = asyncio.run(_through(core, lines, in_step=in_step))
        return {"marks": marks, "crossings": core.timing.last_seq, "unit": unit}


def least(reads: int) -> dict[str, object]:
    """Return the CPU seconds that a bare prototype takes for the same reads."""
    lines = _lines(Registry(BUILTIN).find("ipico"), reads)
    settle()
    with tempfile.TemporaryDirectory() as folder:
        spent, crossings = bare(lines, Path(folder))
    return {"cpu_s": spent, "crossings": crossings}


def _lines(driver: Driver, reads: int) -> bytes:
    start = race_start_ns() + 60 * NS_PER_S
    return wire(driver, passings(driver, start_ns=start, reads=reads, rate=RATE))


async def _through(core: Core, lines: bytes, *, in_step: bool) -> list[tuple[int, float, float]]:
    """Return (reads, CPU s, wall s) after each piece; the last one when all is durable."""
    await core.recall()
    number = core.intake.open_session("reader-1")
    session = core.readers[0].driver.session(Opening())
    session.opened(0)
    done, marks = 0, []
    began_cpu, began = time.process_time(), time.perf_counter()
    durable = None
    for at in range(0, len(lines), PIECE):
        events = session.feed(lines[at : at + PIECE])
        kept = cast("list[Kept]", events)
        if set(map(type, events)) != {Read}:  # as the link does
            kept = [event for event in kept if not isinstance(event, _ORDERS)]
        now = core.clock.utc_ns(), core.clock.boot_ns()
        durable = core.intake.take(number, kept, *now, memory=None, samples=[])
        done += len(kept)
        await (durable if in_step else core.intake.room())
        marks.append((done, time.process_time() - began_cpu, time.perf_counter() - began))
    await core.intake.tell(core.timing.advance())  # the housekeeper does so every second
    marks.append((done, time.process_time() - began_cpu, time.perf_counter() - began))
    await core.store.close()
    return marks


def decode(name: str, reads: int) -> dict[str, object]:
    """Return the CPU seconds in which a driver's sessions decode `reads` live reads, each time."""
    driver = Registry(BUILTIN).find(name)
    rate, per_crossing = _SPARSE.get(name, (RATE, READS_PER_CROSSING))
    sightings = passings(
        driver, start_ns=race_start_ns(), reads=reads, rate=rate, per_crossing=per_crossing
    )
    numbered = (replace(one, seq=number) for number, one in enumerate(sightings, start=1))
    lines = wire(driver, numbered)
    settle()
    return {"cpu_s": [_decoded(driver, lines, reads) for _ in range(_TURNS)]}


def _decoded(driver: Driver, lines: bytes, reads: int) -> float:
    session = driver.session(Opening())
    session.opened(0)
    for line in _GREETINGS.get(driver.name, ()):
        session.feed(line + b"\r\n")
    found = 0
    began = time.process_time()
    for at in range(0, len(lines), PIECE_LIVE):
        found += sum(type(event) is Read for event in session.feed(lines[at : at + PIECE_LIVE]))
    spent = time.process_time() - began
    assert found == reads, f"{found} of {reads} reads decoded"
    return spent


def main(arguments: list[str]) -> None:
    what, *rest = arguments
    if what == "decode":
        said = decode(rest[0], int(rest[1]))
    elif what == "bare":
        said = least(int(rest[0]))
    else:
        said = bulk(int(rest[0]), in_step=what == "growth")
    sys.stdout.write(orjson.dumps(said).decode() + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
