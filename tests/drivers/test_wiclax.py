"""Wiclax' generic acquisition protocol: its published lines, holes, restarts, a moved clock."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from bridge.domain.reads import NS_PER_S, Chip, Read
from bridge.driver_api import (
    Clock,
    ClockStep,
    Control,
    Event,
    Marker,
    Opening,
    Reason,
    Rejected,
    Send,
    Sighting,
)
from drivers.wiclax import DRIVER
from drivers.wiclax.records import details, record_line
from tests.support.loopback import Loopback

VECTOR = Path(__file__).parents[1] / "vectors/wiclax/description.json"
NOON = 1_780_000_000 * NS_PER_S


def shown(event: Event, wanted: Mapping[str, object]) -> dict[str, object]:
    told: dict[str, object] = {}
    for name in wanted:
        value = getattr(event, name, None)
        told[name] = value.value if isinstance(value, Reason) else value
    return {**told, "kind": type(event).__name__}


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_the_published_lines(size: int) -> None:
    vector = json.loads(VECTOR.read_text())
    wire = bytes.fromhex(vector["wire"])
    session = DRIVER.session(Opening())
    events = [e for at in range(0, len(wire), size) for e in session.feed(wire[at : at + size])]
    pairs = zip(events, vector["events"], strict=True)
    assert [shown(event, wanted) for event, wanted in pairs] == vector["events"]
    assert session.pending == bytes.fromhex(vector["pending"])


def test_what_else_a_record_says() -> None:
    line = b"01539;22-09-2011 02:41:30.620;0A;559;65;1\r"
    assert details(line) == {"rewound": True, "chip_battery_pct": 65}
    assert details(b"*\r") == {}


def test_a_device_that_is_a_number_is_an_antenna() -> None:
    [read] = DRIVER.session(Opening()).feed(b"01539;22-09-2011 02:41:30.620;2;559;;0\r")
    assert isinstance(read, Read)
    assert (read.antenna, read.unit, read.rssi) == (2, "2", None)


@pytest.mark.parametrize("chip", ["a;b", "*x", "", " ", "Zoë", "x" * 200, "a\rb"])
def test_any_chip_text_makes_one_record(chip: str) -> None:
    raw = DRIVER.encode(Sighting(chip=Chip(chip), stamp=NOON))
    [event] = DRIVER.session(Opening()).feed(raw)
    assert isinstance(event, Read)
    assert event.stamp == NOON


def sight(pair: Loopback, *numbers: int) -> set[str]:
    for number in numbers:
        pair.wait(1)
        pair.sight(Sighting(chip=DRIVER.example_chip(number), stamp=pair.now_ns))
    return {str(DRIVER.example_chip(number)) for number in numbers}


def test_only_the_clock_and_rewinds_are_asked_for() -> None:
    pair = Loopback(DRIVER)
    pair.plug()
    sight(pair, 1, 2)
    pair.pull()
    pair.plug()
    pair.wait(30)
    sent = {event.data.split()[0] for event in pair.events if isinstance(event, Send)}
    assert sent == {b"CLOCK", b"REWIND"}
    assert any(isinstance(event, Clock) and event.asked for event in pair.events)
    clocks = [event for event in pair.events if isinstance(event, Clock)]
    assert {clock.extra["resolution_ms"] for clock in clocks} == {1000}
    assert not [event for event in pair.events if isinstance(event, ClockStep)]


def test_a_lost_record_is_rewound_by_its_number() -> None:
    pair = Loopback(DRIVER, emulator_options={"lose_every": 4})
    pair.plug()
    chips = sight(pair, *range(1, 11))
    pair.wait(60)
    assert {read.chip for read in pair.reads} == chips
    assert len({read.key for read in pair.reads}) == len(chips)


def test_a_device_that_leaves_numbers_out_is_not_asked_for_ever() -> None:
    session = DRIVER.session(Opening())
    session.opened(0)
    asked = 0
    for second in range(1, 300):
        if second % 40 == 1:
            for number in (second, second + 2):
                stamp = NOON + number * NS_PER_S
                told = Sighting(chip=DRIVER.example_chip(number), stamp=stamp, seq=number)
                session.feed(DRIVER.encode(told))
        session.feed(b"*\r")
        events = session.tick(second * NS_PER_S)
        asked += sum(isinstance(e, Send) and b"REWIND" in e.data for e in events)
    assert asked == 3


@pytest.mark.parametrize("memory", ["", "[" * 5_000, "1" + "0" * 30, "-1", '"x"'])
def test_a_useless_memory_is_none(memory: str) -> None:
    session = DRIVER.session(Opening(memory=memory))
    assert [event for event in session.opened(0) if isinstance(event, Send)] == [
        Send(b"CLOCK\r", asks_clock=True)
    ]


def test_a_hole_that_opens_during_a_rewind_does_not_make_it_fruitless() -> None:
    session = DRIVER.session(Opening())
    session.opened(0)

    def line(number: int, *, again: bool = False) -> bytes:
        stamp = NOON + number * NS_PER_S
        chip = DRIVER.example_chip(number)
        told = Sighting(chip=chip, stamp=stamp, seq=number)
        return record_line(told, device="1", again=again)

    asked, newest = 0, 3
    session.feed(line(1) + line(newest))
    for second in range(1, 300):
        session.feed(b"*\r")
        events = session.tick(second * NS_PER_S)
        if any(isinstance(event, Send) and b"REWIND" in event.data for event in events):
            asked += 1
            session.feed(line(newest + 2))  # one more is lost before the answer comes
            session.feed(line(newest - 1, again=True))
            newest += 2
    assert asked > 10


def test_what_is_owed_survives_a_restart_in_the_middle_of_a_rewind() -> None:
    pair = Loopback(DRIVER)
    pair.plug()
    chips = sight(pair, 1, 2)
    pair.pull()
    chips |= sight(pair, 3, 4)
    pair.mute = True
    pair.plug()  # the rewind is asked for, and its answer never comes
    pair.mute = False
    chips |= sight(pair, 5)
    pair.pull()
    pair.plug()
    pair.wait(20)
    assert {read.chip for read in pair.reads} == chips


@pytest.mark.parametrize(("backfill", "comes"), [("missed", 0), ("all", 2), ("never", 0)])
def test_the_first_connection_ever(backfill: str, comes: int) -> None:
    pair = Loopback(DRIVER, options={"backfill": backfill})
    sight(pair, 1, 2)
    pair.plug()
    pair.wait(20)
    assert len(pair.reads) == comes


def test_a_start_and_a_moved_clock() -> None:
    pair = Loopback(DRIVER)
    pair.plug()
    pair.wait(10)
    pair.mark("gun")
    pair.emulator.received(1, b"CLOCK 01-01-2030 00:00:00\r", pair.now_ns)
    pair.wait(10)
    assert [event.name for event in pair.events if isinstance(event, Marker)] == ["gun"]
    [step] = [event for event in pair.events if isinstance(event, ClockStep)]
    assert step.detail == "the clock was set forward"


def test_stopping_at_the_device_is_obeyed_by_the_emulator() -> None:
    pair = Loopback(DRIVER)
    pair.plug()
    [answer] = pair.emulator.received(1, b"STOPREAD\r", pair.now_ns)
    assert answer.data == b"READOK\r"
    sight(pair, 1)
    assert pair.reads == []
    assert not [event for event in pair.events if isinstance(event, Rejected)]
    assert all(e.note == "heartbeat" for e in pair.events if isinstance(e, Control))


def test_options_are_judged() -> None:
    assert DRIVER.check_options({"backfill": "all"}) == []
    assert "allowed" in DRIVER.check_options({"backfill": "some"})[0]
    for wrong in ({"x": 1}, {"heartbeat_s": "often"}):
        with pytest.raises(ValueError, match="allowed"):
            DRIVER.emulator(wrong)
