"""USB Timing Box: what is asked and never sent, gaps, restarts, clock, health."""

import json

import pytest

from bridge.domain.reads import StampForm
from bridge.driver_api import (
    Chip,
    Clock,
    ClockStep,
    Event,
    Hangup,
    Marker,
    Opening,
    Read,
    Send,
    Sighting,
    Status,
)
from drivers.race_result_usb import DRIVER
from drivers.race_result_usb.decoder import Decoder
from drivers.race_result_usb.position import MOST_PER_REPLY, Position
from drivers.race_result_usb.records import TICK_NS
from tests.support.loopback import Loopback
from tests.support.timers import START, S, alarms, memories, reads, sent

RECORD = b"GLBAS60;0718;%08x;0c;08;9f;1a;0;1;2;00;0\n"


def sight(pair: Loopback, first: int, last: int, seconds: float = 0.5) -> list[str]:
    chips = [f"GLB{number:04d}" for number in range(first, last + 1)]
    for chip in chips:
        pair.sight(Sighting(chip=Chip(chip), stamp=pair.now_ns))
        pair.wait(seconds)
    return chips


def plugged(**options: object) -> Loopback:
    pair = Loopback(DRIVER, emulator_options=options)
    pair.plug()
    pair.wait(10)
    return pair


def chips_of(pair: Loopback) -> list[str]:
    return list(dict.fromkeys(read.chip for read in pair.reads))


def said(pair: Loopback) -> list[bytes]:
    return sent(pair.events)


def test_the_box_is_left_alone_first_and_asked_one_thing_at_a_time() -> None:
    session = DRIVER.session(Opening(link="serial"))
    assert session.opened(START) == []
    assert session.tick(START + 2 * S) == []
    assert sent(session.tick(START + 3 * S)) == [b"ASCII\n"]
    assert session.feed(b"ASCII;00\n") == []
    assert sent(session.feed(b"\n")) == [b"EPOCHREFGET\n"]
    assert sent(session.feed(b"EPOCHREFGET;00\n00000000;00000000\n\n")) == [b"TIMESTAMPGET\n"]
    assert session.feed(b"TIMESTAMPGET;00\n") == []
    events = session.feed(b"0151bcf5\n\n")
    assert isinstance(events[0], Clock)
    assert sent(events) == [b"PASSINGINFOGET\n"]
    extent = b"PASSINGINFOGET;00\n00000003;00000000;0151bcf0;00000002;0151bcf4\n\n"
    events = session.feed(extent)
    assert sent(events) == [b"PASSINGGET;00000003\n"]
    assert json.loads(memories(events)[-1]) == {"next": 3, "ticks": 0x0151BCF5}


def test_the_clock_is_asked_with_its_round_trip_measured() -> None:
    pair = plugged()
    asks = [event for event in pair.events if isinstance(event, Send)]
    assert {send.data for send in asks if send.asks_clock} == {b"TIMESTAMPGET\n"}
    pair.wait(60)
    clocks = [event for event in pair.events if isinstance(event, Clock)]
    assert 6 <= len(clocks) <= 9
    assert {clock.form for clock in clocks} == {StampForm.TIME_OF_DAY}
    offsets = {pair.now_ns - 60 * S - clock.stamp for clock in clocks}
    assert max(offsets) - min(offsets) <= 62 * S
    assert not [event for event in pair.events if isinstance(event, ClockStep)]


def test_nothing_is_ever_changed() -> None:
    pair = plugged(reference=True)
    sight(pair, 1, 30)
    pair.wait(200)
    words = {line.partition(b";")[0].strip() for line in said(pair)}
    assert words == {
        b"ASCII", b"EPOCHREFGET", b"TIMESTAMPGET", b"PASSINGINFOGET", b"PASSINGGET", b"INFOGET",
        b"CONFGET",
    }  # fmt: skip


def test_with_a_reference_stamps_are_utc() -> None:
    pair = plugged(reference=True)
    pair.wait(0.3, step_s=0.3)
    now_ns = pair.now_ns
    sight(pair, 1, 1, seconds=2)
    [read] = pair.reads
    assert (read.form, read.stamp) == (StampForm.UTC, now_ns // TICK_NS * TICK_NS)


def test_a_reference_set_meanwhile_is_a_new_clock() -> None:
    pair = plugged()
    pair.emulator.received(1, b"EPOCHREFSET;6a000000\n", pair.now_ns)
    pair.wait(12)
    [step] = [event for event in pair.events if isinstance(event, ClockStep)]
    assert "told the time" in step.detail
    sight(pair, 1, 1, seconds=2)
    assert pair.reads[-1].form is StampForm.UTC


def test_more_than_one_reply_holds_is_fetched_at_once() -> None:
    pair = plugged()
    pair.pull()
    chips = sight(pair, 1, 3 * MOST_PER_REPLY + 5, seconds=0)
    pair.plug()
    pair.wait(6)
    assert chips_of(pair) == chips
    assert [read.seq for read in pair.reads] == list(range(len(chips)))


@pytest.mark.parametrize(("policy", "expected"), [("missed", 5), ("all", 15), ("never", 5)])
def test_the_first_connection_ever(policy: str, expected: int) -> None:
    pair = Loopback(DRIVER, options={"backfill": policy})
    sight(pair, 1, 10)
    pair.plug()
    pair.wait(10)
    sight(pair, 11, 15)
    pair.wait(5)
    assert len(chips_of(pair)) == expected
    pair.pull()
    sight(pair, 16, 20)
    pair.plug()
    pair.wait(10)
    assert len(chips_of(pair)) == (5 if policy == "never" else expected + 5)


def test_what_the_box_dropped_is_an_alarm() -> None:
    pair = plugged(capacity=10)
    sight(pair, 1, 3, seconds=1)
    pair.pull()
    sight(pair, 4, 20)
    pair.plug()
    pair.wait(10)
    assert chips_of(pair)[-10:] == [f"GLB{number:04d}" for number in range(11, 21)]
    assert str(alarms(pair.events)["passings_lost"]).startswith("7 passings")


def test_a_box_that_starts_anew_while_we_listen() -> None:
    pair = plugged(power_cycle_after=3, reference=True)
    sight(pair, 1, 2, seconds=2)
    sight(pair, 3, 3, seconds=10)
    assert [event.detail for event in pair.events if isinstance(event, ClockStep)] == [
        "the box was started anew"
    ]
    sight(pair, 4, 5, seconds=2)
    assert chips_of(pair) == ["GLB0001", "GLB0002", "GLB0004", "GLB0005"]
    assert pair.reads[-1].form is StampForm.TIME_OF_DAY
    assert "without power" in str(alarms(pair.events)["restarted"])


@pytest.mark.parametrize("passings_before", [2, 12])
def test_a_box_that_started_anew_while_we_were_away(passings_before: int) -> None:
    pair = plugged(power_cycle_after=passings_before + 1)
    sight(pair, 1, passings_before, seconds=2)
    pair.pull()
    sight(pair, passings_before + 1, passings_before + 8)
    pair.plug()
    pair.wait(10)
    assert chips_of(pair)[-7:] == [
        f"GLB{number:04d}" for number in range(passings_before + 2, passings_before + 9)
    ]
    assert "without power" in str(alarms(pair.events)["restarted"])
    assert [event for event in pair.events if isinstance(event, ClockStep)]


def test_a_box_that_started_anew_long_ago_is_known_by_its_passings() -> None:
    pair = plugged()
    sight(pair, 1, 5)
    pair.wait(5)
    pair.pull()
    pair.emulator = DRIVER.emulator({})  # switched off and on: counts from the beginning
    sight(pair, 11, 30)
    pair.wait(120)  # so that its counter shows more than before
    before = len(pair.events)
    pair.plug()
    pair.wait(10)
    assert {f"GLB{number:04d}" for number in range(11, 31)} <= set(chips_of(pair))
    assert "without power" in str(alarms(pair.events)["restarted"])
    news = [event for event in pair.events[before:] if isinstance(event, ClockStep | Read)]
    assert isinstance(news[0], ClockStep), "no read of it is placed by the clock before"
    assert len([event for event in news if isinstance(event, ClockStep)]) == 1


def test_the_last_passing_is_asked_for_once_more_after_a_break() -> None:
    pair = plugged()
    sight(pair, 1, 5)
    pair.wait(5)
    assert json.loads(pair.memory or "")["next"] == 5
    pair.pull()
    sight(pair, 6, 9)
    pair.plug()
    pair.wait(10)
    assert b"PASSINGGET;00000004\n" in said(pair)
    assert set(chips_of(pair)) == {f"GLB{number:04d}" for number in range(1, 10)}
    assert len({read.key for read in pair.reads}) == 9
    assert json.loads(pair.memory or "")["next"] == 9
    assert not [event for event in pair.events if isinstance(event, ClockStep)]
    assert not alarms(pair.events).get("restarted")


@pytest.mark.parametrize(
    ("answer", "asked"),
    [
        ("PASSINGGET;00\n00000004;00\n\n", 5),  # it has none of that number
        ("PASSINGGET;00\n00000004;01\nnoise\n\n", 5),  # damaged
        ("PASSINGGET;10\n00000004;00000005\n\n", 5),  # dropped
        ("PASSINGGET;10\n00000004;00000009\n\n", 5),
        ("PASSINGGET;11\n\n", None),
    ],
)
def test_where_nothing_can_be_compared_it_goes_on_as_it_was(answer: str, asked: int | None) -> None:
    position = Position('{"next": 5, "ticks": 9, "last": "x"}', "missed")
    assert position.begin() == 4
    [ended] = [heard.reply for heard in Decoder().feed(answer.encode()) if heard.reply]
    assert position.took(ended) is (asked is not None)
    assert position.begin() == (asked or 4)


def extent(count: int, first: int, last: int) -> bytes:
    return b"PASSINGINFOGET;00\n%08x;%08x;00000001;%08x;00000002\n\n" % (count, first, last)


def prepared(memory: str | None = None) -> tuple[list[Event], list[bytes]]:
    session = DRIVER.session(Opening(memory=memory))
    session.opened(START)
    session.tick(START + 3 * S)
    said: list[bytes] = []
    events: list[Event] = []
    for reply in (
        b"ASCII;00\n\n",
        b"EPOCHREFGET;00\n00000000;00000000\n\n",
        b"TIMESTAMPGET;00\n00010000\n\n",
        extent(3, 5, 7),
    ):
        fed = session.feed(reply)
        events += fed
        said += sent(fed)
    return events, said


@pytest.mark.parametrize(
    ("memory", "asked"),
    [
        (None, b"PASSINGGET;00000008\n"),
        ("nonsense", b"PASSINGGET;00000008\n"),
        ('{"next": -1, "ticks": 0}', b"PASSINGGET;00000008\n"),
        ("[]", b"PASSINGGET;00000008\n"),
        ('{"next": 6, "ticks": 255}', b"PASSINGGET;00000006\n"),
        ('{"next": 8, "ticks": 255}', b"PASSINGGET;00000008\n"),
        ('{"next": 9, "ticks": 255}', b"PASSINGGET;00000005\n"),
        ('{"next": 7, "ticks": 65537}', b"PASSINGGET;00000005\n"),
    ],
)
def test_where_a_session_begins(memory: str | None, asked: bytes) -> None:
    assert prepared(memory)[1][-1] == asked


def test_a_note_ages() -> None:
    position = Position(None, "missed")
    assert position.note_to_keep() is None
    assert position.begin() == 0
    assert position.note_to_keep() == '{"next": 0, "ticks": 0}'
    position.told_ticks(599 * 256)
    assert position.note_to_keep() is None
    position.told_ticks(600 * 256)
    assert position.note_to_keep() == '{"next": 0, "ticks": 153600}'


class Box:
    """The other end of a session that waits for passings, answering by hand."""

    def __init__(self) -> None:
        self.session = DRIVER.session(Opening(memory='{"next": 0, "ticks": 0}'))
        self.session.opened(START)
        self.now_ns = START + 3 * S
        self.events: list[Event] = []
        self.asked = sent(self.session.tick(self.now_ns))
        for _ in range(30):
            word = self.asked[-1].decode().strip().partition(";")[0]
            if word == "PASSINGGET":
                self.say("PASSINGGET;00\n00000000;00\n\n")
            elif self.asked:
                self.say(f"{word};00\n\n")

    def say(self, text: str) -> list[Event]:
        events = self.session.feed(text.encode())
        self.events += events
        self.asked += sent(events)
        return events

    def tick(self) -> list[Event]:
        self.now_ns += S
        events = self.session.tick(self.now_ns)
        self.events += events
        self.asked += sent(events)
        return events


def records(*ticks: int) -> str:
    return "".join((RECORD % tick).decode() for tick in ticks)


def test_a_damaged_reply_is_asked_again_and_then_given_up() -> None:
    box = Box()
    assert sent(box.tick()) == [b"PASSINGGET;00000000\n"]
    bad = "PASSINGGET;00\n00000000;03\n" + records(1) + "noise\n" + records(3) + "\n"
    assert sent(box.say(bad)) == [b"PASSINGGET;00000000\n"]
    short = "PASSINGGET;00\n00000000;03\n" + records(1, 2) + "\n"
    assert sent(box.say(short)) == [b"PASSINGGET;00000000\n"]
    events = box.say(bad)
    assert sent(events) == []
    assert str(alarms(events)["passings_lost"]).startswith("1 passings")
    assert sent(box.tick()) == [b"PASSINGGET;00000003\n"]
    assert len({read.key for read in reads(box.events)}) == 3


def test_answers_to_other_questions_move_nothing() -> None:
    box = Box()
    box.tick()
    assert sent(box.say("PASSINGGET;00\n00000007;01\n" + records(1) + "\n")) == []
    assert sent(box.tick()) == [b"PASSINGGET;00000000\n"]
    assert sent(box.say("PASSINGGET;00\n00000000;41\n\n")) == []
    assert sent(box.tick()) == [b"PASSINGGET;00000000\n"]
    assert sent(box.say("PASSINGGET;10\n00000000;00000000\n\n")) == []
    assert sent(box.tick()) == [b"PASSINGGET;00000000\n"]
    assert sent(box.say("PASSINGGET;00\n\n")) == []
    assert box.say("TIMESTAMPGET;00\n\n")
    assert sent(box.tick()) == [b"PASSINGGET;00000000\n"]
    assert sent(box.say("PASSINGGET;10\n00000000;00000005\n\n")) == [b"PASSINGGET;00000005\n"]


def test_a_question_without_an_answer_is_left_behind() -> None:
    box = Box()
    assert box.tick()
    assert box.tick() == []
    assert sent(box.tick()) == [b"PASSINGGET;00000000\n"]


def test_noise_is_no_answer_and_a_box_that_gives_none_is_given_up() -> None:
    session = DRIVER.session(Opening())
    assert session.tick(START) == []
    session.opened(START)
    for at in range(3, 11):
        session.feed(b"\xff\xfe\n")
        assert not [e for e in session.tick(START + at * S) if isinstance(e, Hangup)]
    assert [e for e in session.tick(START + 11 * S) if isinstance(e, Hangup)]


def test_passings_are_fetched_though_the_box_does_not_tell_their_extent() -> None:
    session = DRIVER.session(Opening())
    session.opened(START)
    asked = sent(session.tick(START + 3 * S))
    for _ in range(4):
        word = asked[-1].decode().strip()
        asked += sent(session.feed(f"{word};01\n\n".encode()))
    assert asked[-1] == b"PASSINGGET;00000000\n"
    events = session.feed(b"PASSINGGET;10\n00000000;00000009\n\n")
    assert sent(events) == [b"PASSINGGET;00000009\n"]
    assert "passings_lost" not in {n for n, text in alarms(events).items() if text}


def test_the_memory_of_an_empty_box_is_no_restart() -> None:
    position = Position('{"next": 4, "ticks": 9}', "missed")
    pair = plugged()
    assert "restarted" not in {n for n, text in alarms(pair.events).items() if text}
    assert position.begin() == 4


def test_health_is_told_and_taken_back() -> None:
    pair = plugged(loop="fault")
    told: dict[str, object] = {}
    for event in pair.events:
        if isinstance(event, Status):
            told |= event.fields
    assert told == {
        "serial": "1042", "firmware": "2.6", "checksums": False, "mode": "timing",
        "battery_v": 3.9, "battery_pct": 87, "temperature_c": 26, "supply_v": 5.0, "loop": "fault",
    }  # fmt: skip
    assert "fault" in str(alarms(pair.events)["loop"])
    assert alarms(pair.events)["battery_low"] is None
    for command in (b"CONFSET;05;05\n", b"CONFSET;b1;01\n", b"CONFSET;99;01\n"):
        pair.emulator.received(1, command, pair.now_ns)
    pair.pull()
    pair.plug()
    pair.wait(10)
    assert "kiosk" in str(alarms(pair.events)["mode"])
    assert "check sums" in str(alarms(pair.events)["checksums"])
    assert "timing" in str(alarms(pair.events)["passings_refused"])
    pair.emulator.received(2, b"CONFSET;05;06\n", pair.now_ns)
    pair.wait(70)
    assert alarms(pair.events)["mode"] is None
    assert alarms(pair.events)["passings_refused"] is None


def test_a_low_battery() -> None:
    box = Box()
    while not box.asked[-1].startswith(b"INFOGET;08"):
        if not box.tick() and len(box.asked) > 500:
            raise AssertionError("never asked")
        word = box.asked[-1].decode().strip().partition(";")[0]
        if not box.asked[-1].startswith(b"INFOGET;08"):
            box.say(f"{word};00\n\n")
    assert "20 %" in str(alarms(box.say("INFOGET;00\n08;13\n\n"))["battery_low"])


def test_pushed_and_fetched_are_one_read() -> None:
    pair = plugged()
    pair.emulator.received(1, b"CONFSET;b2;01\n", pair.now_ns)
    sight(pair, 1, 1, seconds=2)
    pushed, fetched = pair.reads
    assert pushed.key == fetched.key
    assert (pushed.seq, fetched.seq) == (None, 0)


def test_the_button_of_the_emulator() -> None:
    pair = plugged()
    pair.mark("gun")
    pair.wait(2)
    [marker] = [event for event in pair.events if isinstance(event, Marker)]
    assert marker.name == "trigger"


def test_an_emulated_box_is_one_for_others_too() -> None:
    emulator = DRIVER.emulator({})
    emulator.connected(1, "main", START)

    def ask(text: str) -> bytes:
        return b"".join(out.data for out in emulator.received(1, text.encode(), START))

    assert ask("TIMESTAMPGET\n") == b""
    assert ask("ASCII\n\n") == b"ASCII;00\n\n"
    assert ask("EPOCHREFADJ1D\n") == b"EPOCHREFADJ1D;00\n00000000;00000000\n\n"
    assert ask("EPOCHREFSET;4a3caa45\n") == b"EPOCHREFSET;00\n4a3caa45;0151bcf5\n\n"
    assert ask("EPOCHREFADJ1D\n") == b"EPOCHREFADJ1D;00\n4a3dfbc5;02a33cf5\n\n"
    assert ask("INFOGET;63\n") == b"INFOGET;01\n\n"
    assert ask("PASSINGGET;zz\n") == b"PASSINGGET;01\n\n"
    assert ask("RESET\n") == b"RESET;01\n\n"
    assert emulator.received(9, b"ASCII\n", START) == []


@pytest.mark.parametrize(
    "options",
    [{"x": 1}, {"reference": 1}, {"mode": "sleep"}, {"loop": "none"}, {"capacity": -1}],
)
def test_emulator_options_say_what_is_allowed(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        DRIVER.emulator(options)


def test_the_options_of_a_box_are_checked() -> None:
    assert DRIVER.check_options({"backfill": "all"}) == []
    assert "allowed" in DRIVER.check_options({"backfill": "some"})[0]
    assert "allowed" in DRIVER.check_options({"x": 1})[0]
