"""Every reader in, every forward out: what goes in comes out."""

import json
import tomllib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bridge.adapters.config_files import config_of
from bridge.adapters.system_clock import SystemClock
from bridge.app.forward_archive import ReadArchive
from bridge.app.forward_time import stamping, wall_ns
from bridge.app.registry import Registry
from bridge.bootstrap.core import Core, open_core
from bridge.domain.reads import DAY_NS, NS_PER_S
from bridge.driver_api import Driver, Opening, Read, Sighting, StampForm, Stand
from drivers import BUILTIN
from drivers.ipico.records import chip_field
from drivers.jchip.records import chip_of
from drivers.mylaps.frames import clean
from tests.support.forwarding import OPTIONS, OutletReader
from tests.support.loopback import Loopback

ROOT = Path(__file__).parents[2]
REGISTRY = Registry(BUILTIN)
INS = list(BUILTIN)
OUTS = [name for name in BUILTIN if REGISTRY.find(name).forward is not None]
ZONE = ZoneInfo("America/Denver")
AT_NS = 1_780_000_000 * NS_PER_S + 123_456_789
LATE_NS = 2 * NS_PER_S
SEEN = 3
LIMITS: dict[str, Callable[[str], str]] = {"ipico": chip_field, "jchip": chip_of, "mylaps": clean}
"""What of a chip's text an output keeps, where that is not all of it."""


def config() -> str:
    stanzas = tomllib.loads((ROOT / "config/readers.example.toml").read_text())["reader"]
    urls = {stanza["driver"]: stanza["url"] for stanza in reversed(stanzas)}
    text = '[bridge]\nsite = "box"\ntimezone = "America/Denver"\ndata_dir = "data"\n'
    for name in INS:
        text += f'[[reader]]\nname = "{name}"\ndriver = "{name}"\nlocation = "at-{name}"\n'
        text += f'clock = "reader"\nurl = {json.dumps(urls[name])}\n'
    return text


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[Core]:
    loaded = config_of(config(), tmp_path / "bridge.toml", {}, REGISTRY)
    core = open_core(loaded, REGISTRY, SystemClock())
    await core.recall()
    try:
        yield core
    finally:
        await core.store.close()


def stamp_of(form: StampForm, at_ns: int) -> int:
    if form is StampForm.UTC:
        return at_ns
    wall = wall_ns(at_ns, ZONE)
    return wall % DAY_NS if form is StampForm.TIME_OF_DAY else wall


def cut(ns: int, resolution_ns: int) -> int:
    return ns - ns % resolution_ns


def take_in(
    core: Core, driver: Driver, at_ns: int, number: int
) -> tuple[str, int, Awaitable[None]]:
    """Let a reader tell of a chip; return the chip, and the UTC that the bridge knows of it."""
    chip = driver.example_chip(number)
    stamp = stamp_of(driver.stamp_form, at_ns)
    frame = driver.encode(Sighting(chip=chip, stamp=stamp, seq=number))
    events = driver.session(Opening()).feed(frame)
    [read] = [event for event in events if isinstance(event, Read)]
    session = core.intake.open_session(driver.name)
    arrived = at_ns + LATE_NS
    durable = core.intake.take(session, [read], arrived, arrived, memory=None, samples=[])
    known_ns = arrived if read.form is StampForm.ABSENT else at_ns + read.stamp - stamp
    return read.chip, known_ns, durable


def archive_of(core: Core, places: tuple[str, ...], form: StampForm) -> ReadArchive:
    stamp = stamping(form, lambda: ZONE)
    return ReadArchive(core.store, core.timing, places, stamp, lambda: ZONE)


@pytest.mark.parametrize("out", OUTS)
async def test_what_goes_in_comes_out(core: Core, out: str) -> None:
    driver = REGISTRY.find(out)
    forward = driver.forward
    assert forward is not None
    places = tuple(f"at-{name}" for name in INS)
    grouped = [(place,) for place in places] if forward.by_place else [places]
    archives = {group[0]: archive_of(core, group, forward.stamp_form) for group in grouped}
    for archive in archives.values():
        await archive.catch_up()
        core.intake.on_reads.append(archive.took)
    stand = Stand(
        name=out,
        identity="race",
        places=places,
        archives=archives,
        local=lambda at_ns: wall_ns(at_ns, ZONE),
    )
    pair = Loopback(
        driver,
        emulator=OutletReader(forward.outlet(stand)),
        options=OPTIONS.get(out, {}),
        start_ns=stamp_of(forward.stamp_form, AT_NS),
    )
    pair.plug()
    pair.wait(10)
    expected: Counter[tuple[str, int]] = Counter()
    by_reader: dict[tuple[str, int], str] = {}
    for turn in range(SEEN):
        for place, name in enumerate(INS):
            at_ns = AT_NS + (turn * len(INS) + place) * 1_111_111_111
            reader = REGISTRY.find(name)
            chip, known_ns, durable = take_in(core, reader, at_ns, turn * 7 + 1)
            wanted = LIMITS.get(out, str)(chip)
            stamp = cut(stamp_of(driver.stamp_form, known_ns), driver.resolution_ns)
            expected[wanted, stamp] += 1
            by_reader[wanted, stamp] = name
        await durable
        pair.wait(5)
    got = Counter((str(read.chip), read.stamp) for read in pair.reads)
    missing = {by_reader[key]: key for key in expected - got}
    assert (missing, got - expected) == ({}, Counter())
    if forward.names_places:
        where = {(str(read.chip), read.stamp): read.unit for read in pair.reads}
        assert all(where[key] == f"at-{name}" for key, name in by_reader.items())
