"""Controllers on 61610: greeting, recovery by RR and MR, power cycles, pings."""

import pytest

from bridge.domain.reads import NS_PER_S, Chip, Read
from bridge.driver_api import (
    MAIN,
    Alarm,
    ClockStep,
    Control,
    Event,
    Hangup,
    Marker,
    Opening,
    Rejected,
    Remember,
    Send,
    Session,
    Sighting,
    Status,
)
from drivers.chronotrack import DRIVER
from tests.support.loopback import Loopback

NOON = 1_780_056_000 * NS_PER_S
GREETING = b"ProController~123\r\n"
POWERUP = b"MK~A~3~Powerup~1~21050807000000~Controller\r\n"


def live(memory: str | None = None) -> Session:
    session = DRIVER.session(Opening(memory=memory, link="tcp-listen", host="10.0.0.5"))
    assert session.opened(NOON) == []
    return session


def to(number: int, tag: int = 200, codes: str = "160~18") -> bytes:
    seconds = 1_620_461_000 + number
    return f"TO~{number}~{tag}~{codes}~{seconds}.22~11FD4E~8~-71~{number}~P~9\r\n".encode()


def mk(number: int, kind: str = "Event", detail: str = "RACE") -> bytes:
    return f"MK~A~{number}~{kind}~1~210508070100{number:02d}~{detail}\r\n".encode()


def said(events: list[Event]) -> list[bytes]:
    return [event.data.rstrip() for event in events if isinstance(event, Send)]


def ticked(session: Session, *seconds: int) -> list[Event]:
    return [event for s in seconds for event in session.tick(NOON + s * NS_PER_S)]


def remembered(session: Session, second: int = 1) -> str:
    return [e for e in ticked(session, second) if isinstance(e, Remember)][-1].memory


def first_connection() -> str:
    """Return what is remembered after records 1 to 3 and markers 1 to 4."""
    session = live()
    session.feed(GREETING + mk(1) + mk(2) + POWERUP + mk(4) + to(1) + to(2) + to(3))
    return remembered(session)


def test_the_first_connection_asks_for_everything() -> None:
    session = live()
    events = session.feed(GREETING)
    assert isinstance(events[0], Control)
    ack, *rest = said(events)
    assert ack == b"ACK~CCSLite~10.0.0.5~0.6.0"
    assert rest == [b"IS", b"MR~~1", b"RR~1"]


def test_the_next_connection_asks_for_what_is_new() -> None:
    session = live(first_connection())
    assert said(session.feed(GREETING))[2:] == [b"MR~~3", b"RR~4"]
    assert said(session.feed(POWERUP + mk(4) + to(4))) == []
    assert said(ticked(session, *range(1, 40))) == []


@pytest.mark.parametrize("memory", ["", "{}", '{"greeting":1}', "null", '{"connection":[]}', "["])
def test_a_memory_that_tells_nothing_asks_for_everything(memory: str) -> None:
    assert said(live(memory).feed(GREETING))[2:] == [b"MR~~1", b"RR~1"]


def test_another_controller_is_asked_for_everything() -> None:
    session = live(first_connection())
    assert said(session.feed(b"AnotherOne\r\n"))[2:] == [b"MR~~1", b"RR~1"]


@pytest.mark.parametrize(
    "sign",
    [
        POWERUP.replace(b"070000", b"093000"),
        mk(3),
        b"MK~A~1~Powerup~1~21050809300000~Controller\r\n",
        to(1),
    ],
)
def test_any_sign_of_a_new_file_has_it_all_asked_for(sign: bytes) -> None:
    session = live(first_connection())
    session.feed(GREETING)
    assert said(session.feed(sign)) == [b"MR~~1", b"RR~1"]
    again = session.feed(POWERUP.replace(b"070000", b"093000") + to(1) + to(2) + mk(3))
    assert said(again) == []
    assert said(ticked(session, *range(1, 60))) == []


def test_a_file_whose_powerup_is_not_shown_again_is_read_anew() -> None:
    session = live(first_connection())
    session.feed(GREETING)
    assert said(ticked(session, 5)) == []
    assert said(ticked(session, 10)) == [b"MR~~1", b"RR~1"]


def test_a_new_file_keeps_its_own_reads() -> None:
    session = live(first_connection())
    session.feed(GREETING)
    [read, *_] = session.feed(to(1).replace(b"1620461001", b"1620471001"))
    assert isinstance(read, Read)
    [old] = [e for e in live().feed(to(1)) if isinstance(e, Read)]
    assert read.key != old.key


def test_swapped_numbers_are_no_hole() -> None:
    session = live()
    session.feed(GREETING + b"".join(map(to, (1, 2, 4, 3, 5))))
    assert said(ticked(session, *range(1, 30))) == []


def test_a_hole_is_asked_for_once_and_then_told() -> None:
    session = live()
    session.feed(GREETING + to(1) + b"TO~2~torn\r\n" + to(3))
    assert said(ticked(session, 1, 3)) == []
    assert said(ticked(session, 4)) == [b"RR~2"]
    session.feed(to(3))
    later = ticked(session, *range(5, 20))
    assert said(later) == []
    [alarm] = [event for event in later if isinstance(event, Alarm)]
    assert alarm.name == "reads_missing"
    assert alarm.text.startswith("1 observations up to number 2")
    assert '"records":3' in [e for e in later if isinstance(e, Remember)][-1].memory


def test_a_hole_that_is_filled_is_forgotten() -> None:
    session = live()
    session.feed(GREETING + to(1) + to(3))
    assert said(ticked(session, 1, 4)) == [b"RR~2"]
    session.feed(to(2) + to(3) + to(4))
    assert not [e for e in ticked(session, *range(5, 40)) if isinstance(e, Alarm | Send)]


def test_pings_are_answered_behind_the_reads_before_them() -> None:
    session = live()
    session.feed(GREETING)
    events = session.feed(to(1) + b"PING\r\n" + to(2))
    assert [type(event) for event in events] == [Read, Control, Send, Read]
    assert said(events) == [b"ACK~PING"]


def test_the_time_is_never_told() -> None:
    session = live()
    session.feed(GREETING)
    assert said(session.feed(b"TIME\r\n")) == []


def test_a_controller_that_streams_without_greeting_is_asked_for_the_rest() -> None:
    assert said(live().feed(to(5))) == [b"MR~~1", b"RR~1"]
    assert said(live().feed(mk(5))) == [b"MR~~1", b"RR~1"]


def test_silence() -> None:
    assert isinstance(ticked(live(), 19, 20)[0], Hangup)
    session = live()
    session.feed(GREETING)
    events = ticked(session, 1, 60, 100, 101)
    assert [type(event) for event in events] == [Hangup]


def test_known_markers_raise_no_alarm_and_no_step_again() -> None:
    session = live()
    history = POWERUP + mk(4, "TimeChange", "21050807000000") + mk(5, "GeneralAlert", "Bang")
    events = session.feed(GREETING + mk(1) + mk(2) + history)
    assert [e for e in events if isinstance(e, ClockStep)]
    assert [e for e in events if isinstance(e, Alarm) and e.on]
    again = live(remembered(session))
    events = again.feed(GREETING + history + mk(6, "GeneralAlert", "Boom"))
    assert not [event for event in events if isinstance(event, ClockStep)]
    alarms = [event for event in events if isinstance(event, Alarm)]
    assert [alarm.text for alarm in alarms] == ["the controller says: Boom"]


def test_tags_of_two_events_are_told_unless_they_are_named() -> None:
    own, test, foreign = to(1), to(2, 99997, "160~13"), to(3, 200, "160~29")
    session = live()
    assert not [e for e in session.feed(own + test) if isinstance(e, Alarm)]
    [alarm] = [event for event in session.feed(foreign * 2) if isinstance(event, Alarm)]
    assert "160/18, 160/29" in alarm.text
    named = DRIVER.session(Opening(options={"tags": ["160/18"]}))
    named.opened(NOON)
    assert not [e for e in named.feed(own + foreign) if isinstance(e, Alarm)]


def cross(pair: Loopback, first: int, last: int) -> set[str]:
    for number in range(first, last + 1):
        pair.wait(0.5)
        pair.sight(Sighting(chip=Chip(str(number)), stamp=pair.now_ns, antenna=number % 4 + 1))
    return {f"{number}@160/18" for number in range(first, last + 1)}


@pytest.mark.parametrize("options", [{}, {"hits": False, "padded": True, "late_s": 0}])
def test_reads_come_back_after_our_restart(options: dict[str, object]) -> None:
    pair = Loopback(DRIVER, emulator_options={"role": "controller", **options})
    pair.plug()
    pair.wait(10)
    chips = cross(pair, 1, 20)
    pair.wait(10)
    pair.pull()
    chips |= cross(pair, 21, 40)
    pair.plug()
    chips |= cross(pair, 41, 45)
    pair.wait(60)
    assert {read.chip for read in pair.reads} == chips
    assert len(pair.reads) == len(chips)
    assert pair.hung_up is None
    assert not [event for event in pair.events if isinstance(event, Rejected)]
    assert not [event for event in pair.events if isinstance(event, Alarm) and event.on]


def test_times_come_late_and_out_of_order_as_from_a_real_one() -> None:
    pair = Loopback(DRIVER, emulator_options={"role": "controller"})
    pair.plug()
    cross(pair, 1, 30)
    pair.wait(10)
    stamps = [read.stamp for read in pair.reads]
    assert stamps != sorted(stamps)
    assert [read.seq for read in pair.reads] == list(range(1, 31))


def test_reads_come_back_after_a_power_cycle_of_the_controller() -> None:
    pair = Loopback(DRIVER, emulator_options={"role": "controller", "power_cycle_after": 10})
    pair.plug()
    chips = cross(pair, 1, 12)
    pair.wait(10)
    assert not pair.up
    missed = cross(pair, 13, 30)
    pair.wait(10)
    pair.plug()
    pair.wait(30)
    assert {read.chip for read in pair.reads} == chips | missed
    assert [event.name for event in pair.events if isinstance(event, Alarm) and event.on] == []


def test_a_server_that_does_not_answer_pings_is_left() -> None:
    emulator = DRIVER.emulator({"role": "controller"})
    emulator.connected(1, MAIN, NOON)
    outs = [
        out for s in range(1, 40) for out in emulator.tick(NOON + s * NS_PER_S) if out.client == 1
    ]
    assert outs[0].data == b"PING\r\n"
    assert outs[1].close


def test_nothing_is_sent_before_the_greeting_is_acknowledged() -> None:
    emulator = DRIVER.emulator({"role": "controller", "late_s": 0})
    emulator.connected(1, MAIN, NOON)
    emulator.sighted(Sighting(chip=Chip("7"), stamp=NOON))
    assert emulator.received(1, b"RR~1\r\n", NOON) == []
    [out] = emulator.received(1, b"ACK~Other~10.0.0.1~2.0.0\r\nRR~1\r\n", NOON)
    assert out.data.startswith(b"TO~1~7~160~18~")


def test_buttons_of_the_controller() -> None:
    pair = Loopback(DRIVER, emulator_options={"role": "controller", "places": "START"})
    pair.plug()
    pair.mark("gun")
    pair.mark("photocell")
    markers = [event for event in pair.events if isinstance(event, Marker)]
    assert [(marker.name, marker.stamp) for marker in markers] == [("gun", pair.now_ns)]
    assert "Manual" in {event.note for event in pair.events if isinstance(event, Control)}
    fields = [event.fields for event in pair.events if isinstance(event, Status)]
    assert {"point": "START"} in fields
