"""What the box says of itself: true, complete, and in words that say what to do."""

from pathlib import Path
from typing import Any

from bridge.app.health import Alarms
from bridge.bootstrap.core import Core
from bridge.domain.reads import NS_PER_MS, NS_PER_S
from bridge.driver_api import Reason as Why
from tests.support.mat import GUN, MatClock, enter, mat, read, sample, settled, take

AHEAD = 37 * NS_PER_S


class Wire:
    """A link beyond the box."""

    def words(self) -> str:
        return "connected"

    def facts(self) -> dict[str, object]:
        return {"queued": 3, "name": "text"}


def alarms(core: Core) -> list[str]:
    found = core.health.status()["alarms"]
    assert isinstance(found, list)
    return found


async def test_a_reader_is_shown_with_its_clock_and_its_last_byte(tmp_path: Path) -> None:
    clock = MatClock(GUN + 100 * NS_PER_S)
    async with mat(tmp_path, clock) as core:
        state = core.states["finish-mat"]
        found = core.health.reader("finish-mat")
        assert (found["state"], found["clock_offset_ms"], found["last_byte_s"]) == (
            "connecting",
            None,
            None,
        )
        session = core.intake.open_session("finish-mat")
        take(core, session, [], samples=[sample(core, session, AHEAD)])
        state.enter("connected", clock.utc_ns())
        state.last_byte_ns = int(clock.utc_ns())
        state.rejected = {Why.CHECKSUM.value: 2, Why.FIELD.value: 1}
        clock.turn(12.34)
        found = core.health.reader("finish-mat")
        assert found["last_byte_s"] == 12.3
        assert found["clock_offset_ms"] == -37_000
        assert found["clock_error_ms"] == 12
        assert found["rejected"] == 3
        assert found["rejected_by_reason"] == {"checksum": 2, "field": 1}


async def test_a_reader_that_failed_is_told_as_the_topic_promises(tmp_path: Path) -> None:
    clock = MatClock(GUN + 123 * NS_PER_MS)
    async with mat(tmp_path, clock) as core:
        state = core.states["finish-mat"]
        state.enter("failed", clock.utc_ns(), "no route")
        state.reads, state.rejected = 9, {Why.CHECKSUM.value: 2}
        told = core.health.reader("finish-mat")
        promised = {
            "v": 1,
            "state": "failed",
            "since_at_ms": (GUN + 123 * NS_PER_MS) // NS_PER_MS,
            "last_byte_at_ms": None,
            "reads": 9,
            "rejected": 2,
            "clock_offset_ms": None,
            "clock_error_ms": None,
            "detail": "no route",
        }
        assert {name: told[name] for name in promised} == promised


async def test_the_health_of_a_box_has_what_the_topic_promises(tmp_path: Path) -> None:
    async with mat(tmp_path, MatClock(GUN)) as core:
        told: dict[str, Any] = core.health.status()
        assert told["v"] == 1
        assert {"version", "uptime_s", "readers", "clock", "disk", "queues", "alarms"} <= set(told)
        assert told["clock"].keys() == {"synchronised", "error_ms"}
        assert told["disk"].keys() == {"free_mb", "trouble"}
        assert told["last_read_at_ms"].keys() == {state.location for state in core.states.values()}


async def test_everything_a_person_must_know_is_an_alarm(tmp_path: Path) -> None:
    clock = MatClock(GUN + 100 * NS_PER_S)
    async with mat(tmp_path, clock) as core:
        for name, state in core.states.items():
            state.enter("connected", clock.utc_ns())
            assert name not in " ".join(alarms(core))
        assert alarms(core) == []
        core.states["half-mat"].enter("failed", 0, "no route")
        core.states["finish-mat"].alarms["battery"] = "battery low"
        core.health.alarms.set("broker", "the broker is away")
        assert alarms(core) == [
            "reader half-mat is not connected: no route",
            "reader finish-mat: battery low",
            "the broker is away",
        ]
        core.health.alarms.set("broker", None)
        clock.error = None
        assert any("not synchronised" in text for text in alarms(core))
        clock.error = 250 * NS_PER_MS
        assert any("wrong by 250 ms" in text for text in alarms(core))
        clock.error = 100 * NS_PER_MS
        assert not any("clock" in text for text in alarms(core))


async def test_little_room_on_the_disk_is_an_alarm(tmp_path: Path) -> None:
    async with mat(tmp_path, MatClock()) as core:
        core.health._min_free = 1 << 60  # noqa: SLF001 - no disk has that much
        assert any("free on the disk" in text for text in alarms(core))


async def test_an_event_with_runners_and_without_a_gun_is_an_alarm(tmp_path: Path) -> None:
    from tests.support.mat import CONFIG  # noqa: PLC0415 - only here

    text = CONFIG.replace("gun = 2026-11-21T08:40:00\n", "")
    clock = MatClock(GUN + 100 * NS_PER_S)
    async with mat(tmp_path, clock, text=text) as core:
        await enter(core, [7])
        await core.recall()
        assert not any("no gun" in text for text in alarms(core))
        session = core.intake.open_session("finish-mat")
        take(core, session, [], samples=[sample(core, session, AHEAD)])
        await take(core, session, [read("C7", int(clock.utc_ns()) + AHEAD)])
        await settled(core)
        shown = any("no gun time yet" in text for text in alarms(core))
        assert shown == bool(core.standings.results(core.timing.rules.events[0].id))


async def test_the_status_counts_what_waits(tmp_path: Path) -> None:
    clock = MatClock(GUN + 100 * NS_PER_S)
    async with mat(tmp_path, clock) as core:
        await enter(core, [7])
        await core.recall()
        session = core.intake.open_session("finish-mat")
        await take(core, session, [read("C7", GUN + 99 * NS_PER_S + AHEAD)])
        core.states["finish-mat"].last_read_ns = int(clock.utc_ns())
        core.health.links["broker"] = Wire()
        clock.turn(3)
        status = core.health.status()
        assert status["uptime_s"] == 3
        assert status["ready"] is True
        assert status["queues"] == {
            "not_yet_durable": 0,
            "waiting_for_a_clock": 1,
            "rebuilding": False,
            "crossings": 0,
        }
        assert status["last_read_at_ms"] == {
            "start": None,
            "half": None,
            "finish": (GUN + 100 * NS_PER_S) // NS_PER_MS,
        }
        assert status["links"] == {"broker": "connected"}
        take(core, session, [], samples=[sample(core, session, AHEAD)])
        await core.intake.tell(core.timing.advance())
        (event,) = core.health.status()["events"]  # type: ignore[misc]
        assert event["finished"] == 1
        assert event["gun_at_ms"] == GUN // NS_PER_MS


async def test_metrics_are_lines_of_names_and_numbers(tmp_path: Path) -> None:
    async with mat(tmp_path, MatClock()) as core:
        core.states["finish-mat"].reads = 5
        core.health.links["broker"] = Wire()
        text = core.health.metrics()
        assert 'chip_bridge_reads_total{reader="finish-mat",location="finish"} 5\n' in text
        assert "chip_bridge_broker_queued 3\n" in text
        assert "broker_name" not in text
        for line in text.splitlines():
            if line.startswith("# TYPE chip_bridge_"):
                continue
            name, number = line.rsplit(" ", 1)
            assert name.startswith("chip_bridge_")
            float(number)


def test_an_alarm_stands_until_it_is_taken_back() -> None:
    standing = Alarms()
    standing.set("a", "one")
    standing.set("a", "two")
    assert standing.standing == {"a": "two"}
    standing.set("a", None)
    standing.set("b", None)
    assert standing.standing == {}
