"""Guns, antennas, faults, and the reader's clock."""

import pytest

from bridge.domain.reads import NS_PER_MS, NS_PER_S, Read, StampForm
from bridge.driver_api import Clock, ClockStep, Control, Event, Marker, Opening, Sighting, Status
from drivers.llrp import DRIVER
from drivers.llrp.orders import ROSPEC_ID
from drivers.llrp.wire import Msg, Par, message, tlv, u8, u16, u32
from tests.support.llrp import START_NS, Line, Talk, edge, greeting, notification


def clocks(events: list[Event]) -> list[Clock]:
    return [event for event in events if isinstance(event, Clock) and event.live]


def read_at(stamp: int, number: int = 1) -> bytes:
    return DRIVER.encode(Sighting(chip=DRIVER.example_chip(number), stamp=stamp, seq=number))


# -- the gun ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "guns"),
    [
        ({}, [(1, 1), (2, 1)]),
        ({"gun_gpi": 2}, [(2, 1)]),
        ({"gun_edge": "falling"}, [(1, 0), (2, 0)]),
        ({"gun_gpi": 1, "gun_edge": "falling"}, [(1, 0)]),
    ],
)
def test_an_edge_at_an_input_is_the_gun(
    options: dict[str, object], guns: list[tuple[int, int]]
) -> None:
    session = DRIVER.session(Opening(options=options))
    wire = [edge(port, level, START_NS + port * NS_PER_MS) for port in (1, 2) for level in (1, 0)]
    events = session.feed(b"".join(wire))
    found = [event for event in events if isinstance(event, Marker)]
    assert [(gun.extra["port"], gun.extra["level"]) for gun in found] == guns
    assert all(gun.name == "gun" and gun.form is StampForm.UTC for gun in found)
    assert [gun.stamp for gun in found] == [START_NS + port * NS_PER_MS for port, _ in guns]
    others = [event for event in events if isinstance(event, Status)]
    assert len(others) == 4 - len(guns)


def test_a_contact_that_bounces_fires_once() -> None:
    session = DRIVER.session(Opening())
    times = [0, 30, 900, 2_000, 2_001, 5_000]
    wire = [edge(1, 1, START_NS + ms * NS_PER_MS) for ms in times]
    events = session.feed(b"".join(wire))
    guns = [(e.stamp - START_NS) // NS_PER_MS for e in events if isinstance(e, Marker)]
    assert guns == [0, 2_001, 5_000]


def test_the_emulators_gun_arrives() -> None:
    line = Line()
    line.plug()
    line.wait(10)
    line.mark("gun")
    at = line.now_ns
    line.wait(5)
    [gun] = [event for event in line.events if isinstance(event, Marker)]
    assert (gun.name, gun.stamp) == ("gun", at)


# -- health ----------------------------------------------------------------------------------------


def antenna(port: int, *, there: bool) -> bytes:
    return notification(tlv(Par.ANTENNA_EVENT, u8(there), u16(port)))


def test_an_antenna_that_is_gone_is_an_alarm_until_it_is_back() -> None:
    talk = Talk()
    talk.says(greeting(), antenna(1, there=True), antenna(3, there=True))
    assert talk.alarms() == {}
    [status, *_] = talk.says(antenna(3, there=False))
    assert isinstance(status, Status)
    assert status.fields == {"antennas": "100"}
    assert "antenna 3" in talk.alarms()["antennas"]
    talk.says(antenna(3, there=True))
    assert talk.alarms() == {}


def test_an_antenna_that_must_be_there_and_never_was_is_an_alarm() -> None:
    talk = Talk({"antennas": [1, 2]})
    there = b"".join(
        tlv(Par.ANTENNA_PROPERTIES, u8(on << 7), u16(port), u16(0)) for port, on in ((1, 1), (2, 0))
    )
    talk.says(greeting())
    talk.answers(Msg.GET_READER_CONFIG_RESPONSE, there)
    assert "antenna 2" in talk.alarms()["antennas"]


@pytest.mark.parametrize(
    ("event", "name", "word"),
    [
        (tlv(Par.BUFFER_OVERFLOW), "reads_lost", "lost reads"),
        (tlv(Par.BUFFER_WARNING, u8(90)), "buffer", "90 %"),
        (tlv(Par.READER_EXCEPTION, u16(8), b"antenna!"), "reader_exception", "antenna!"),
    ],
)
def test_faults_are_told_and_taken_back_in_time(event: bytes, name: str, word: str) -> None:
    talk = Talk()
    talk.says(greeting(), notification(event))
    assert word in talk.alarms()[name]
    for _ in range(160):
        talk.says(message(Msg.KEEPALIVE, 1))
        talk.waits(2)
    assert name not in talk.alarms()


def test_a_warning_of_a_buffer_that_is_half_full_is_health() -> None:
    talk = Talk()
    talk.says(greeting())
    [event, _] = talk.says(notification(tlv(Par.BUFFER_WARNING, u8(50))))
    assert isinstance(event, Status)
    assert event.fields == {"report_buffer_pct": 50}
    assert talk.alarms() == {}


def test_events_without_content_are_just_that() -> None:
    session = DRIVER.session(Opening())
    empty = message(Msg.READER_EVENT_NOTIFICATION, 100, tlv(Par.EVENT_DATA))
    bare = message(Msg.READER_EVENT_NOTIFICATION, 100)
    events = session.feed(empty + bare)
    assert [type(event) for event in events] == [Control, Control]


# -- the clock -------------------------------------------------------------------------------------


def test_the_greeting_tells_the_time_at_once() -> None:
    [clock] = clocks(Talk().says(greeting()))
    assert (clock.stamp, clock.form, clock.asked) == (START_NS, StampForm.UTC, False)
    [clock] = clocks(Talk().says(greeting(at_ns=3_661_366_333_000, uptime=True)))
    assert (clock.stamp, clock.form) == (3_661_366_333_000, StampForm.NAIVE)


def test_a_greeting_without_time_tells_none() -> None:
    talk = Talk()
    assert clocks(talk.says(greeting(at_ns=None))) == []


def test_live_reads_tell_the_time_once_a_second() -> None:
    line = Line()
    line.plug()
    line.wait(10)
    before = len(line.events)
    for number in range(1, 41):
        line.wait(0.5)
        line.sight(Sighting(chip=DRIVER.example_chip(number), stamp=line.now_ns, seq=number))
    told = clocks(line.events[before:])
    assert 18 <= len(told) <= 40
    stamps = {read.stamp for read in line.reads}
    assert all(clock.raw == b"" and clock.stamp in stamps for clock in told)


def test_reads_held_back_say_nothing_of_the_time() -> None:
    talk = Talk()
    talk.says(greeting())
    talk.waits(1)
    held = talk.says(read_at(START_NS - 60 * NS_PER_S), read_at(START_NS - NS_PER_S))
    assert [type(event) for event in held] == [Read, Read]
    [clock] = clocks(talk.says(read_at(START_NS + NS_PER_S)))
    assert clock.stamp == START_NS + NS_PER_S
    assert clocks(talk.says(edge(1, 1, START_NS - 5 * NS_PER_S))) == []
    [clock] = clocks(talk.says(edge(1, 0, START_NS + 5 * NS_PER_S)))
    assert clock.raw == b""


def test_our_rospec_beginning_answers_what_time_it_is() -> None:
    line = Line()
    line.plug()
    line.wait(10)
    asked = [event for event in line.events if isinstance(event, Clock) and event.asked]
    assert len(asked) == 1
    assert asked[0].extra == {"event": "rospec", "rospec": ROSPEC_ID, "began": True}


def test_a_clock_that_is_behind_its_last_read_was_moved() -> None:
    talk = Talk(last_stamp=START_NS + 3600 * NS_PER_S)
    [step, clock, *_] = talk.says(greeting())
    assert isinstance(step, ClockStep)
    assert (step.raw, step.before, step.after) == (b"", START_NS + 3600 * NS_PER_S, START_NS)
    assert isinstance(clock, Clock)
    for fine in (START_NS, START_NS - 60 * NS_PER_S, None):
        told = Talk(last_stamp=fine).says(greeting())
        assert not [event for event in told if isinstance(event, ClockStep)]


def test_a_clock_set_back_in_the_middle_is_noticed_by_its_reads() -> None:
    talk = Talk()
    talk.says(greeting())
    talk.waits(1)
    talk.says(read_at(START_NS + 100 * NS_PER_S))
    for second in (40, 41):
        talk.waits(1)
        [read] = talk.says(read_at(START_NS + second * NS_PER_S))
        assert isinstance(read, Read)
    talk.waits(1)
    [_, step, clock] = talk.says(read_at(START_NS + 42 * NS_PER_S))
    assert isinstance(step, ClockStep)
    assert (step.before, step.after) == (START_NS + 100 * NS_PER_S, START_NS + 42 * NS_PER_S)
    assert isinstance(clock, Clock)
    talk.waits(1)
    assert not [e for e in talk.says(read_at(START_NS + 43 * NS_PER_S)) if isinstance(e, ClockStep)]


def test_single_old_reads_are_no_step_of_the_clock() -> None:
    talk = Talk()
    talk.says(greeting())
    told: list[Event] = []
    for second in range(1, 30):
        talk.waits(1)
        old = START_NS - 60 * NS_PER_S if second % 3 else START_NS + second * NS_PER_S
        told += talk.says(read_at(old))
    assert not [event for event in told if isinstance(event, ClockStep)]
    assert len(clocks(told)) == 9


def test_a_reader_without_a_real_time_clock_is_read_by_its_uptime() -> None:
    line = Line(emulator_options={"clock": "uptime"})
    line.plug()
    line.wait(10)
    line.sight(Sighting(chip=DRIVER.example_chip(1), stamp=line.now_ns))
    [read] = line.reads
    assert read.form is StampForm.NAIVE
    assert 3_600 * NS_PER_S < read.stamp < 4_000 * NS_PER_S


def test_other_rospecs_events_do_not_touch_ours() -> None:
    talk = Talk()
    talk.says(greeting(), notification(tlv(Par.RO_EVENT, u8(1), u32(9), u32(0))))
    assert talk.alarms() == {}
