"""What is said to an ALGE timer, when, and what never is."""

import pytest

from bridge.domain.reads import Chip
from bridge.driver_api import Hangup, Opening, Sighting
from drivers.alge import DRIVER
from drivers.alge.emulator import make
from tests.support.loopback import Loopback
from tests.support.timers import START, S, alarms, markers, memories, open_session, reads, sent

CLEARED = b" 0001 C0M 09:00:38.7600 00\rc0001 C0M 09:00:38.7600 00\r"


def sight(pair: Loopback, bib: str, antenna: int = 1) -> None:
    pair.wait(0.5)
    pair.sight(Sighting(chip=Chip(bib), stamp=pair.now_ns, antenna=antenna))


def test_the_first_connection_asks_who_is_there_and_no_more() -> None:
    _, events = open_session(DRIVER)
    assert sent(events) == [b"NSF?\r"]


def test_where_the_cable_is_ours_lines_get_a_checksum() -> None:
    _, events = open_session(DRIVER, link="serial")
    assert sent(events) == [b"CHK1\r", b"NSF?\r"]
    _, events = open_session(DRIVER, link="serial", options={"checksum": False})
    assert sent(events) == [b"NSF?\r"]


def test_all_dumps_at_once_and_never_dumps_not_at_all() -> None:
    assert sent(open_session(DRIVER, options={"backfill": "all"})[1])[-1] == b"RSM\r"
    events = open_session(DRIVER, memory="seen", options={"backfill": "never"})[1]
    assert sent(events) == [b"NSF?\r"]


def test_after_a_restart_of_the_bridge_the_memory_is_dumped() -> None:
    session, events = open_session(DRIVER)
    events = session.feed(b"?0000 C1  10:00:00.1234 00\r")
    assert memories(events) == ["seen"]
    assert sent(open_session(DRIVER, memory="seen")[1]) == [b"NSF?\r", b"RSM\r"]


def test_a_dump_brings_what_was_missed_under_the_same_identity() -> None:
    pair = Loopback(DRIVER, options={"checksum": True})
    pair.plug()
    pair.wait(2)
    sight(pair, "1")
    pair.mark("gun")
    pair.pull()
    sight(pair, "2")
    pair.plug()
    pair.wait(5)
    assert [read.chip for read in pair.reads] == ["1@bib", "1@bib", "2@bib"]
    assert len({read.key for read in pair.reads}) == 2
    assert len({marker.key for marker in markers(pair.events)}) == 1
    assert alarms(pair.events)["no_dump"] is None


def test_a_damaged_line_is_fetched_from_memory_within_a_minute() -> None:
    session, _ = open_session(DRIVER)
    session.feed(b" 0001 C1  10:04:55.6#13 00\r")
    said: list[bytes] = []
    for second in range(1, 130):
        events = session.tick(START + second * S)
        said += sent(events)
        if b"RSM\r" in sent(events):
            session.feed(b" 0001 C1  10:04:55.6513 00\r  ALGE-TIMING\r  TIMY V 1\r")
        else:
            session.feed(b"NSF V 1\r")
    assert said.count(b"RSM\r") == 1


def test_a_dump_that_does_not_come_is_repeated_and_then_told() -> None:
    session, events = open_session(DRIVER, memory="seen")
    for second in range(1, 60):
        events += session.tick(START + second * S)
        events += session.feed(b"n0001\r")
    assert sent(events).count(b"RSM\r") == 3
    assert "missing" in (alarms(events)["no_dump"] or "")


def test_a_timer_that_hears_nothing_is_not_hung_up_on() -> None:
    session, events = open_session(DRIVER)
    for second in range(1, 200):
        events += session.tick(START + second * S)
    assert "answers no questions" in (alarms(events)["mute"] or "")
    assert not [event for event in events if isinstance(event, Hangup)]
    assert len(sent(events)) < 10
    assert alarms(session.feed(b"NSF V 0974\r"))["mute"] is None


def test_a_wrong_speed_is_suspected_when_nothing_is_understood() -> None:
    session, _ = open_session(DRIVER)
    events = [event for _ in range(5) for event in session.feed(b"\x80\x01\xfe\r")]
    assert "baud" in (alarms(events)["speed"] or "")
    assert alarms(session.feed(b" 0001 C1  10:04:55.6513 00\r"))["speed"] is None


def test_a_cleared_time_stays_and_a_person_is_told() -> None:
    session, _ = open_session(DRIVER)
    events = session.feed(CLEARED + b"c0012 C1  09:10:00.5000 00\r")
    assert len(markers(events)) == 1
    text = alarms(events)["cleared"] or ""
    assert "gun of 09:00:38.7600" in text
    assert "chip 12@bib or C1#0910005000" in text
    assert "ignore" in text


def test_a_memory_of_two_days_is_told() -> None:
    session, _ = open_session(DRIVER, memory="seen")
    lines = b" 0001 C1  14:00:00.0000 00\r 0001 C1  09:00:00.0000 00\r"
    events = session.feed(lines + b"  ALGE-TIMING\r")
    assert len(reads(events)) == 2
    assert "earlier day" in (alarms(events)["old_memory"] or "")


def test_a_live_impulse_between_the_lines_of_a_dump_is_no_second_day() -> None:
    session, _ = open_session(DRIVER, memory="seen")
    hours = (b"09:00", b"12:00", b"09:01", b"12:01", b"09:02")
    lines = [b" 0001 C1  %b:00.0000 00\r" % hour for hour in hours]
    events = session.feed(b"".join(lines) + b"  ALGE-TIMING\r")
    assert len(reads(events)) == 5
    assert "old_memory" not in alarms(events)


def test_a_line_that_is_meant_so_does_not_cancel_a_repair() -> None:
    session, _ = open_session(DRIVER)
    session.feed(b"NSF V 1\r 0001 C1  10:04:55.6#13 00\r 0001 C1  27:04:55.6513 00\r")
    assert sent(session.tick(START + S)) == [b"RSM\r"]


def test_nothing_that_deletes_or_sets_is_ever_sent() -> None:
    pair = Loopback(DRIVER, options={"checksum": True, "backfill": "all"})
    for _ in range(3):
        pair.plug()
        for bib in "123":
            sight(pair, bib)
        pair.wait(20)
        pair.pull()
    assert set(sent(pair.events)) == {b"NSF?\r", b"RSM\r", b"CHK1\r"}


def test_the_emulator_serves_other_clients() -> None:
    timer = make({"numbers": False, "decimals": 2})
    timer.connected(1, "main", START)
    [out] = timer.sighted(Sighting(chip=Chip("7"), stamp=START, antenna=2))
    assert out.data == b"?0000 C2  20:26:40.00   00\r"
    [out] = timer.received(1, b"PROG?\rPRE4\rTIMYINIT\rRSM\r", START)
    assert out.data.split(b"\r")[:3] == [
        b"PROG: BACKUP",
        b"?0000 C2  20:26:40.00   00",
        b"  ALGE-TIMING",
    ]
    assert out.data.endswith(b"26-05-28  20:26\r")
    assert timer.received(1, b"CLR\r", START)[0].data == b"CLR\r"
    assert timer.received(1, b"RSM\r", START)[0].data.startswith(b"  ALGE-TIMING\r")
    timer.received(1, b"EMU1\rCHK1\r", START)
    assert timer.tick(START)[0].data == b"20:26:40.0\r"
    assert timer.tick(START) == []
    [out] = timer.marked("button", START)
    assert out.data.startswith(b" 0000 C0M 20:26:40.00   00")
    assert len(out.data) == 29


@pytest.mark.parametrize(
    "options", [{"speed": 1}, {"checksum": "x"}, {"decimals": 5}, {"numbers": 2}]
)
def test_the_emulator_names_what_it_takes(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        make(options)


def test_a_check_leaves_the_form_of_the_lines_alone() -> None:
    session = DRIVER.session(Opening(link="serial", trial=True))
    assert sent(session.opened(START)) == [b"NSF?\r"]
