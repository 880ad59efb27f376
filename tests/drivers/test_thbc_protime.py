"""Protime decoders: records, acknowledgements, clock, damage."""

import pytest

from bridge.domain.reads import Chip, StampForm
from bridge.driver_api import (
    Clock,
    Control,
    Hangup,
    Opening,
    Reason,
    Rejected,
    Send,
    Sighting,
    Status,
)
from drivers.thbc_protime import ACK, DRIVER, STATUS, emulator, line_of
from tests.support.loopback import Loopback
from tests.support.timers import (
    START,
    S,
    alarms,
    decoded,
    kinds,
    markers,
    open_session,
    reads,
    sent,
    tod,
    wire_of,
)

fields_of = DRIVER.extra
PASSING = b"<STA 023066 80:27'53\"016 01 01 3 1569>\r\n"
BUTTON = line_of("MAN", "000000", 30 * S)


@pytest.mark.parametrize("chunk", [1, 7, 4096])
def test_published_lines(chunk: int) -> None:
    events = decoded(DRIVER, wire_of("thbc_protime", "lines.txt"), chunk)
    assert kinds(events) == {"Read": 2, "Marker": 2}
    first, last = reads(events)
    assert (first.chip, first.unit, first.form) == ("023066", "STA", StampForm.TIME_OF_DAY)
    assert first.stamp == tod(80, 27, 53, 16_000_000)
    assert (last.chip, last.unit, last.stamp) == ("093367", "B01", tod(3, 45, 8, 388_000_000))
    assert [(m.name, m.unit, m.stamp) for m in markers(events)] == [
        ("beam", "STA", tod(0, 0, 31, 957_000_000)),
        ("beam", "BOX", tod(0, 1, 32, 663_000_000)),
    ]


def test_the_worked_sum() -> None:
    assert sum(PASSING[1:33]) == 1569
    assert fields_of(PASSING) == {
        "level": "01",
        "count": "01",
        "flag": "3",
        "transponder_battery": "low",
    }
    [event] = decoded(DRIVER, PASSING.replace(b"023066", b"023067"))
    assert isinstance(event, Rejected)
    assert event.reason is Reason.CHECKSUM
    assert fields_of(b"x") == {}


def test_each_record_is_acknowledged_behind_its_read() -> None:
    session, _ = open_session(DRIVER)
    events = session.feed(PASSING + BUTTON)
    assert [type(event).__name__ for event in events] == ["Read", "Send", "Marker", "Send"]
    assert sent(events) == [ACK, ACK]


def test_what_came_twice_while_the_disk_was_slow_is_acknowledged_once() -> None:
    # An acknowledgement names no record: a second one would tick off the next record, unseen.
    session, _ = open_session(DRIVER)
    events = session.feed(PASSING)
    session.tick(START + S)
    events += session.feed(PASSING)
    assert sent(events) == [ACK]
    assert reads(events)[0].key == reads(events)[1].key
    session.tick(START + 4 * S)  # the first one was lost on its way
    assert sent(session.feed(PASSING)) == [ACK]


def test_a_check_acknowledges_nothing() -> None:
    session = DRIVER.session(Opening(trial=True))
    assert sent(session.opened(START)) == [STATUS]
    broken = PASSING.replace(b"1569", b"1568")
    assert sent(session.feed(PASSING + BUTTON + broken * 8)) == []


def test_bytes_of_a_file_are_not_acknowledged() -> None:
    assert not sent(DRIVER.session(Opening()).feed(PASSING))


def test_a_broken_record_is_not_acknowledged_but_for_one_that_comes_again_and_again() -> None:
    session, _ = open_session(DRIVER)
    broken = PASSING.replace(b"1569", b"1568")
    said = [sent(session.feed(broken)) for _ in range(3)]
    assert said == [[], [], []]
    events = session.feed(broken)
    assert sent(events) == [ACK]
    assert "broken record" in (alarms(events)["broken_record"] or "")
    assert alarms(session.feed(PASSING))["broken_record"] is None


def test_what_waits_comes_after_a_gap_one_by_one() -> None:
    pair = Loopback(DRIVER)
    pair.plug()
    pair.wait(2)
    pair.pull()
    for number in range(5):
        pair.sight(Sighting(chip=Chip(f"{number + 1:06d}"), stamp=pair.now_ns))
    pair.mark("beam")
    pair.mark("button")
    pair.plug()
    pair.wait(3)
    assert [read.chip for read in pair.reads] == [f"{n:06d}" for n in range(1, 6)]
    assert [(m.name, m.unit) for m in markers(pair.events)] == [("beam", "CEL"), ("button", "MAN")]


def test_the_clock_is_asked_and_told_in_whole_seconds() -> None:
    session, events = open_session(DRIVER)
    assert events == [Send(STATUS, asks_clock=True)]
    [clock] = session.feed(b"[80:27'53\" 01 02 10 11]\r\n")
    assert isinstance(clock, Clock)
    assert (clock.stamp, clock.extra["resolution_ms"]) == (tod(80, 27, 53), 1000)
    [status] = session.feed(b"[no time here]\r\n")
    assert isinstance(status, Status)


def test_a_decoder_that_answered_and_fell_silent_is_given_up() -> None:
    session, _ = open_session(DRIVER)
    session.feed(b"[00:00'00\" 01 02 10 11]\r\n")
    events = [event for second in range(1, 12) for event in session.tick(START + second * S)]
    assert [event for event in events if isinstance(event, Hangup)]


def test_a_decoder_that_never_answers_is_left_alone() -> None:
    session, _ = open_session(DRIVER)
    events = [event for second in range(1, 180) for event in session.tick(START + second * S)]
    assert not [event for event in events if isinstance(event, Hangup)]
    assert len(sent(events)) < 8
    assert set(sent(events)) == {STATUS}


def test_noise() -> None:
    events = decoded(DRIVER, b"\0" + PASSING + b"\r\nhello\r\n<STA 02\r\n" + b"\x80" * 256)
    assert [type(event) for event in events[1:3]] == [Control, Control]
    assert len(reads(events)) == 1
    assert [e.reason for e in events if isinstance(e, Rejected)] == [
        Reason.FRAMING,
        Reason.OVERLONG,
    ]


def test_the_emulator_repeats_until_acknowledged() -> None:
    decoder = emulator({})
    decoder.connected(1, "main", START)
    [first] = decoder.sighted(Sighting(chip=Chip("Ä"), stamp=START, antenna=2))
    assert first.data.startswith(b"<B01 ")
    assert decoder.sighted(Sighting(chip=Chip("7"), stamp=START)) == []
    assert decoder.tick(START + S)[0].data == first.data
    assert decoder.received(1, b"\x1b", START) == []
    [second] = decoder.received(1, b"\x11", START + S)
    assert second.data.startswith(b"<STA 000007 ")
    assert decoder.received(1, b"\x1b\x12", START + S)[0].data == second.data
    assert decoder.received(1, b"\x1b\x07\x1b\x05", START + S)[0].data.startswith(b"[20:26'41\"")
    with pytest.raises(ValueError, match="allowed"):
        emulator({"x": 1})
