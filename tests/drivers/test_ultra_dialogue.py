"""What is said to an Ultra, what is made of its answers, and when its link counts as dead."""

from collections.abc import Sequence

import pytest

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Alarm, Clock, ClockStep, Event, Hangup, Marker, Opening, Send, Status
from drivers.ultra import DRIVER
from tests.support.ultra import NOON, Box


def kinds(events: Sequence[Event], kind: type) -> list[Event]:
    return [event for event in events if isinstance(event, kind)]


def test_it_asks_for_status_and_clock_and_never_starts_or_sets_anything() -> None:
    box = Box()
    box.plug()
    assert box.sent() == [b"?\n", b"r\n"]
    box.cross(1, 10)
    box.wait(2)
    box.pull()
    box.cross(11, 20)
    box.plug()
    box.wait(60)
    assert {data[:1] for data in box.sent()} == {b"?", b"r", b"8"}


def test_each_answer_of_the_clock_belongs_to_a_question() -> None:
    box = Box()
    box.plug()
    box.wait(60)
    asked = [event for event in box.events if isinstance(event, Send) and event.asks_clock]
    told = [event for event in box.events if isinstance(event, Clock)]
    assert len(told) == len(asked) >= 12
    assert all(clock.asked and clock.extra == {"resolution_ms": 1000} for clock in told)
    assert told[0].stamp == NOON
    assert not kinds(box.events, ClockStep)


def test_a_time_nobody_asked_for_is_no_sample() -> None:
    session = DRIVER.session(Opening())
    session.opened(0)
    first, second = session.feed(b"8:0:0 29-5-2026\n8:0:0 29-5-2026\n")
    assert isinstance(first, Clock)
    assert isinstance(second, Clock)
    assert (first.asked, second.asked) == (True, False)


@pytest.mark.parametrize(("hours", "way"), [(1, "forward"), (-1, "back")])
def test_a_clock_that_was_set_is_a_step(hours: int, way: str) -> None:
    box = Box()
    box.plug()
    box.wait(20)
    before = len(kinds(box.events, Clock))
    box.emulator.box.shift_ns = hours * 3600 * NS_PER_S  # type: ignore[attr-defined] # an UltraBox
    box.wait(20)
    [step] = [event for event in box.events if isinstance(event, ClockStep)]
    assert step.before is not None
    assert step.after is not None
    assert abs(step.after - step.before - hours * 3600 * NS_PER_S) < 6 * NS_PER_S
    assert way in step.detail
    assert len(kinds(box.events, Clock)) > before


def test_a_stopped_box_is_an_alarm_until_it_reads() -> None:
    box = Box({"reading": False, "start_s": 12})
    box.plug()
    box.wait(2)
    assert box.alarms()["not_recording"] == "the box is not reading: press start on it"
    box.emulator.received(99, b"R", box.now_ns)  # nobody of that number is connected
    box.wait(5)
    assert "not_recording" in box.alarms()
    box.emulator.connected(99, "main", box.now_ns)
    box.emulator.received(99, b"R", box.now_ns)
    box.wait(11)
    assert box.hung_up is None, "its radio starts: it may be silent"
    box.wait(10)
    assert box.alarms() == {}
    assert box.cross(1, 1) == [read.chip for read in box.reads]


def test_a_dead_link_is_given_up_in_time() -> None:
    box = Box()
    box.plug()
    box.wait(20)
    box.mute = True
    box.wait(8.5)
    assert box.hung_up is None
    box.wait(1.5)
    assert box.hung_up == "nothing came for 9 s"


def test_after_the_hangup_it_says_no_more() -> None:
    session = DRIVER.session(Opening())
    session.opened(0)
    assert kinds(session.tick(9 * NS_PER_S), Hangup)
    assert session.tick(10 * NS_PER_S) == []


def test_a_low_battery_is_told_and_taken_back() -> None:
    session = DRIVER.session(Opening())
    session.opened(0)
    told = session.feed(b"V=25.0000\nV=22.9\nV=22.8\nV=12.1\n")
    alarms = [event for event in told if isinstance(event, Alarm)]
    assert [(alarm.name, alarm.on) for alarm in alarms] == [
        ("battery_low", False),
        ("battery_low", True),
        ("battery_low", False),  # no 24 V pack: its limit is not known
    ]


def test_reads_are_requested_where_the_box_wants_that() -> None:
    box = Box({"on_request": True})
    box.plug()
    box.cross(1, 3)
    assert box.reads == []
    asking = Box({"on_request": True}, {"on_request": True})
    asking.plug()
    assert asking.sent()[0] == b"700\n"
    assert set(asking.cross(1, 3)) == asking.chips


def test_a_check_asks_for_no_reads() -> None:
    box = Box({"on_request": True}, {"on_request": True, "backfill": "all"})
    box.plug(trial=True)
    box.wait(5)
    assert set(box.sent()) == {b"?\n", b"r\n"}


def test_the_extended_status_is_asked_for_if_wanted() -> None:
    box = Box(options={"extended_status": True})
    box.plug()
    box.wait(65)
    assert len(box.sent(b"\x03\x00\x00\x03\r\n")) == 3
    told = [event.fields for event in box.events if isinstance(event, Status)]
    assert {"battery_pct": 100, "operating": True} in told


def test_a_bridge_that_imitates_a_box_is_only_listened_to() -> None:
    box = Box({"one_way": True}, {"one_way": True})
    box.plug()
    box.wait(120)
    assert box.hung_up is None
    assert set(box.cross(1, 3)) == box.chips
    assert box.sent() == []


def test_the_start_input_is_a_gun() -> None:
    box = Box()
    box.plug()
    box.cross(1, 1)
    box.mark("gun")
    box.cross(2, 2)
    [gun] = [event for event in box.events if isinstance(event, Marker)]
    assert (gun.name, gun.extra["log_id"]) == ("gun", 2)
    box.wait(20)
    assert not box.sent(b"600"), "it has a log number of its own"


def test_a_channel_nobody_opened() -> None:
    [event] = DRIVER.session(Opening()).feed(b"x", "other")
    assert getattr(event, "raw", b"") == b"x"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, []),
        ({"backfill": "all", "one_way": True}, []),
        ({"backfill": "some"}, ["allowed: missed, all, never"]),
        ({"on_request": 1}, ["allowed: true, false"]),
        ({"speed": 3}, ["allowed: backfill, on_request, extended_status, one_way"]),
    ],
)
def test_options_are_checked(options: dict[str, object], words: list[str]) -> None:
    complaints = DRIVER.check_options(options)
    assert len(complaints) == len(words)
    assert all(word in told for word, told in zip(words, complaints, strict=True))
