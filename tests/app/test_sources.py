"""One connection with several places: each is a reader of its own to the race and the journal."""

from pathlib import Path

from bridge.app.intake import Intake
from bridge.app.link import Desk
from bridge.app.ports import Kind
from bridge.app.sources import all_places
from bridge.app.sources_desk import SourcesDesk
from bridge.bootstrap.core import Core
from bridge.domain.reads import NS_PER_S, Chip, Read, StampForm
from bridge.driver_api import Clock, Control, Kept, Marker
from tests.support.mat import MatClock, mat, sample
from tests.support.store import until

SOURCES = """
sources = { "5 km" = "half", "S/T" = "start" }
offset_ms = 250
gun_for = [1]
"""
EVERY = [kind for kind in Kind if kind is not Kind.SENT]


def seen(unit: str | None, chip: str, second: int) -> Read:
    stamp = 1_795_250_500 * NS_PER_S + second * NS_PER_S
    return Read(chip.encode(), Chip(chip), stamp, StampForm.UTC, unit=unit)


def desk_of(core: Core) -> SourcesDesk:
    state = core.states["finish-mat"]
    places = dict(zip(("5 km", "S/T"), state.places, strict=True))
    intake: Intake = core.intake
    return SourcesDesk(intake, state, places)


async def handed(desk: Desk, core: Core, session: int, kept: list[Kept], **more: object) -> None:
    now = core.clock.utc_ns(), core.clock.boot_ns()
    memory = more.get("memory")
    samples = more.get("samples", [])
    assert memory is None or isinstance(memory, str)
    assert isinstance(samples, list)
    await desk.take(session, kept, *now, memory=memory, samples=samples)


def by_reader(core: Core) -> list[tuple[str, str, bytes]]:
    sessions = core.store.sessions()
    return [
        (sessions[row.session].reader, sessions[row.session].location, row.raw)
        for row in core.store.rows(kinds=EVERY)
    ]


async def test_reads_and_markers_go_where_they_were_made(tmp_path: Path) -> None:
    async with mat(tmp_path, MatClock(), finish=SOURCES) as core:
        desk = desk_of(core)
        session = desk.open_session("finish-mat")
        await handed(
            desk,
            core,
            session,
            [
                seen("5 km", "A", 1),
                seen("5 km", "B", 2),
                seen("elsewhere", "C", 3),
                Control(b"hello", "banner"),
                Marker(b"gun", "gun", 1, StampForm.UTC, unit="S/T"),
                seen(None, "D", 4),
            ],
            memory="seen all",
        )
        assert by_reader(core) == [
            ("finish-mat/5 km", "half", b"A"),
            ("finish-mat/5 km", "half", b"B"),
            ("finish-mat", "finish", b"C"),
            ("finish-mat", "finish", b"hello"),
            ("finish-mat/S/T", "start", b"gun"),
            ("finish-mat", "finish", b"D"),
        ]
        memory, newest = desk.opening("finish-mat")
        assert memory == "seen all"
        assert newest == seen(None, "D", 4).stamp
        await handed(desk, core, session, [seen("5 km", "E", 9)])
        assert desk.opening("finish-mat")[1] == seen("5 km", "E", 9).stamp
        again = desk.open_session("finish-mat")
        await handed(desk, core, again, [seen("5 km", "F", 10)])
        found = [one.reader for one in core.store.sessions().values()]
        assert found.count("finish-mat/5 km") == 2
        await desk.room()


async def test_a_place_inherits_what_its_reader_is_set_to(tmp_path: Path) -> None:
    async with mat(tmp_path, MatClock(), finish=SOURCES) as core:
        rules = core.timing.rules.readers
        reader, place = rules["finish-mat"], rules["finish-mat/5 km"]
        assert place.location == "half"
        assert (place.clock, place.offset_ns, place.priority, place.gun_for) == (
            reader.clock,
            reader.offset_ns,
            reader.priority,
            reader.gun_for,
        )
        assert place.offset_ns == 250_000_000
        assert [table.location for table in all_places(core.config)][-2:] == ["half", "start"]


async def test_the_clock_of_the_connection_is_the_clock_of_all_places(tmp_path: Path) -> None:
    clock = MatClock()
    async with mat(tmp_path, clock, finish=SOURCES) as core:
        desk = desk_of(core)
        session = desk.open_session("finish-mat")
        answer = Clock(b"clock", clock.utc_ns() + 3 * NS_PER_S, StampForm.UTC)
        told = sample(core, session, answer.stamp)
        await handed(desk, core, session, [answer], samples=[told])
        offsets = {
            name: reader.track.offset
            for name, reader in core.timing.timebase.readers.items()
            if name.startswith("finish-mat")
        }
        assert len(set(offsets.values())) == 1
        assert None not in offsets.values()
        assert len(offsets) == 3


async def test_counts_and_states_are_told_of_each_place(tmp_path: Path) -> None:
    clock = MatClock()
    async with mat(tmp_path, clock, finish=SOURCES) as core:
        desk = desk_of(core)
        state = core.states["finish-mat"]
        session = desk.open_session("finish-mat")
        state.enter("connected", clock.utc_ns())
        state.reads, state.last_read_ns = 3, clock.utc_ns()  # as the link counts
        await handed(
            desk, core, session, [seen("5 km", "A", 1), seen("5 km", "B", 2), seen("S/T", "C", 3)]
        )
        assert (state.reads, state.last_read_ns) == (0, None)
        shown = {reader["name"]: reader for reader in readers_of(core)}
        assert shown["finish-mat/5 km"]["reads"] == 2
        assert shown["finish-mat/5 km"]["location"] == "half"
        assert shown["finish-mat/S/T"]["state"] == "connected"
        state.enter("failed", clock.utc_ns(), "pulled out")
        assert core.states["finish-mat/S/T"].state == "failed"
        alarms = [str(text) for text in core.health.status()["alarms"]]  # type: ignore[attr-defined]
        assert [text for text in alarms if "pulled out" in text] == [
            "reader finish-mat is not connected: pulled out"
        ]
        state.reads, state.last_read_ns = 1, clock.utc_ns()
        await handed(desk, core, session, [seen(None, "D", 4)])
        assert (state.reads, state.last_read_ns) == (1, clock.utc_ns())


def readers_of(core: Core) -> list[dict[str, object]]:
    readers = core.health.status()["readers"]
    assert isinstance(readers, list)
    return readers


async def test_after_a_restart_the_places_are_known_again(tmp_path: Path) -> None:
    async with mat(tmp_path, MatClock(), finish=SOURCES) as core:
        desk = desk_of(core)
        await handed(desk, core, desk.open_session("finish-mat"), [seen("5 km", "A", 1)])
    async with mat(tmp_path, MatClock(), finish=SOURCES) as core:
        await core.recall()
        await until(lambda: not core.timing.rebuilding)
        rows = list(core.store.rows())
        assert [read.reader for read in core.timing.timebase.timed(rows)] == ["finish-mat/5 km"]
