"""Alien: login, polling, silence, and how the emulated readers deliver."""

import pytest

from bridge.domain.reads import StampForm
from bridge.driver_api import (
    Chip,
    Clock,
    ClockStep,
    Control,
    Hangup,
    Opening,
    Out,
    Read,
    Rejected,
    Send,
    Session,
    Sighting,
)
from drivers.alien import DRIVER
from drivers.alien.talk import Talk
from tests.support.loopback import Loopback
from tests.support.timers import START, S, alarms, kept, reads, sent

WORD = "geheim"
fields_of = DRIVER.extra
LINE = b"E20000165919007818405C7B;1518784324007;1518784353958;0;-40.3;908\r\n"


def tag(number: int, stamp: int = START) -> Sighting:
    return Sighting(chip=DRIVER.example_chip(number), stamp=stamp)


def cross(pair: Loopback, first: int, last: int) -> list[str]:
    for number in range(first, last + 1):
        pair.sight(tag(number, pair.now_ns))
        pair.wait(0.5)
    return [DRIVER.example_chip(number) for number in range(first, last + 1)]


def cross_unseen(pair: Loopback, count: int) -> list[str]:
    """Let chips cross while nobody is connected."""
    for number in range(1, count + 1):
        pair.sight(tag(number, pair.now_ns))
    return [DRIVER.example_chip(number) for number in range(1, count + 1)]


def chips_of(pair: Loopback) -> list[str]:
    return [read.chip for read in pair.reads]


def logged_in(link: str = "tcp", password: str | None = None, **options: object) -> Session:
    session = DRIVER.session(Opening(link=link, password=password, options=options))
    session.opened(START)
    return session


def test_a_check_leaves_the_list_of_tags_as_it_is() -> None:
    pair = Loopback(DRIVER, emulator_options={"mode": "command"})
    chips = cross_unseen(pair, 3)
    pair.plug(trial=True)
    pair.wait(5)
    assert [event for event in pair.events if isinstance(event, Clock)]
    assert pair.reads == []
    pair.pull()
    pair.plug()
    pair.wait(5)
    assert chips_of(pair) == chips


@pytest.mark.parametrize("prompts", [False, True])
@pytest.mark.parametrize("form", ["text", "xml", "custom", "terse"])
def test_a_reader_that_is_asked(form: str, prompts: bool) -> None:  # noqa: FBT001
    setup = {"mode": "command", "format": form, "prompts": prompts, "name": "Mat"}
    pair = Loopback(DRIVER, emulator_options=setup)
    pair.plug()
    pair.wait(5)
    chips = cross(pair, 1, 10)
    pair.wait(30)
    assert pair.hung_up is None
    assert chips_of(pair) == chips
    assert {read.unit for read in pair.reads} == {"Mat"}
    assert not [event for event in pair.events if isinstance(event, Rejected)]
    asked = {data.strip(b"\x01\r\n") for data in sent(pair.events)[2:]}
    assert asked == {
        b"get ReaderName", b"get ReaderVersion", b"get TagListMillis", b"get Time",
        b"get AutoMode", b"get TagList",
    }  # fmt: skip


def test_what_a_list_holds_while_we_are_away_comes_back() -> None:
    pair = Loopback(DRIVER, emulator_options={"mode": "command"})
    pair.plug()
    pair.wait(5)
    chips = cross(pair, 1, 3)
    pair.wait(3)
    pair.pull()
    chips += cross(pair, 4, 6)
    pair.plug()
    pair.wait(5)
    assert chips_of(pair) == chips


def test_the_next_question_stands_behind_the_tags_of_the_answer() -> None:
    session = logged_in()
    session.feed(b"Username>\0Password>\0Alien>\0")
    for answer in (b"ReaderName = x", b"ReaderVersion = 1", b"TagListMillis = ON"):
        assert session.feed(answer + b"\r\n\0")
    assert sent(session.feed(b"Time = 2026/05/01 10:00:00.000\r\n\0")) == [b"\x01get AutoMode\r\n"]
    assert sent(session.feed(b"AutoMode = ON\r\n\0")) == [b"\x01get TagList\r\n"]
    assert sent(session.tick(START + S)) == []
    events = session.feed(LINE + LINE + b"\0")
    assert [type(event) for event in events] == [Read, Read, Control, Send]


def test_the_login_is_typed_as_asked_and_never_kept() -> None:
    session = logged_in(password=WORD, user="timer")
    [banner, *_] = session.feed(b"* ALR-9900 *\r\n")
    assert isinstance(banner, Control)
    assert banner.note == "banner"
    assert sent(session.feed(b"\r\nUsername>\0")) == [b"timer\r\n"]
    assert sent(session.feed(b"timer\r\nPassword>\0")) == [b"geheim\r\n"]
    events = session.feed(b"geheim\r\ngeh")
    assert b"geheim" not in b"".join(event.raw for event in kept(events))
    session.feed(b"eim")
    assert session.pending == b"******"
    events = session.feed(b"\r\nAlien>\0")
    assert sent(events) == [b"\x01get ReaderName\r\n"]
    assert alarms(events)["login"] is None


def test_the_factorys_login_is_tried_without_a_password() -> None:
    session = logged_in()
    asked = sent(session.feed(b"Username>\0Password>\0"))
    assert asked == [b"alien\r\n", b"password\r\n"]


@pytest.mark.parametrize(
    "answer", [b"Error: Invalid Username and/or Password\r\n\0", b"Username>\0"]
)
def test_a_refused_login_is_an_alarm(answer: bytes) -> None:
    session = logged_in()
    session.feed(b"Username>\0Password>\0")
    events = session.feed(answer)
    assert "user" in str(alarms(events)["login"])
    assert [event for event in events if isinstance(event, Hangup)]


def test_a_wrong_password_in_the_emulator() -> None:
    pair = Loopback(DRIVER, emulator_options={"mode": "command", "password": "other"})
    pair.plug()
    assert pair.hung_up is not None
    assert alarms(pair.events)["login"]


def test_who_connects_to_us_is_told_no_password() -> None:
    session = logged_in("tcp-listen", password=WORD)
    assert sent(session.feed(b"Username>\0Password>\0Alien>\0" + LINE)) == []
    assert sent(event for at in range(30) for event in session.tick(START + at * S)) == []


def test_a_session_that_was_not_opened_says_nothing() -> None:
    session = DRIVER.session(Opening())
    assert sent(session.feed(b"Username>\0Password>\0Alien>\0") + session.tick(START)) == []


def test_the_clock_is_asked_and_its_steps_are_told() -> None:
    pair = Loopback(DRIVER, emulator_options={"mode": "command"})
    pair.plug()
    pair.wait(40)
    clocks = [event for event in pair.events if isinstance(event, Clock)]
    assert 4 <= len(clocks) <= 6
    assert {clock.form for clock in clocks} == {StampForm.NAIVE}
    asks = [event for event in pair.events if isinstance(event, Send)]
    assert {send.data for send in asks if send.asks_clock} == {b"\x01get Time\r\n"}
    assert not [event for event in pair.events if isinstance(event, ClockStep)]
    pair.emulator.received(1, b"\x01set Time = 2020/01/01 00:00:00\r\n", pair.now_ns)
    pair.wait(12)
    [step] = [event for event in pair.events if isinstance(event, ClockStep)]
    assert "back" in step.detail
    cross(pair, 1, 1)
    pair.wait(2)
    assert pair.reads[-1].stamp < START


def test_a_command_channel_that_falls_silent_is_given_up() -> None:
    pair = Loopback(DRIVER, emulator_options={"mode": "command"})
    pair.plug()
    pair.wait(20)
    assert pair.hung_up is None
    pair.mute = True
    pair.wait(10)
    assert pair.hung_up


def test_one_that_never_greets_is_given_up_and_a_quiet_stream_is_not() -> None:
    session = logged_in()
    assert [event for event in session.tick(START + 8 * S) if isinstance(event, Hangup)]
    pair = Loopback(DRIVER)
    pair.plug()
    pair.wait(60)
    assert pair.hung_up is None


def test_a_question_without_an_answer_is_left_behind() -> None:
    session = logged_in()
    session.feed(b"Username>\0Password>\0Alien>\0")
    assert session.tick(START + 2 * S) == []
    assert sent(session.feed(b"\0Alien>\0")) == []
    assert sent(session.tick(START + 3 * S)) == [b"\x01get ReaderVersion\r\n"]


def test_a_reader_that_does_not_read_by_itself_is_an_alarm() -> None:
    pair = Loopback(DRIVER, emulator_options={"mode": "command", "auto_mode": False})
    cross(pair, 1, 1)
    pair.plug()
    pair.wait(5)
    assert pair.reads == []
    assert "AutoMode" in str(alarms(pair.events)["not_reading"])
    pair.emulator.received(1, b"AutoMode=ON\r\n", pair.now_ns)
    pair.wait(15)
    assert alarms(pair.events)["not_reading"] is None


def test_whole_seconds_are_an_alarm() -> None:
    pair = Loopback(DRIVER, emulator_options={"mode": "command"})
    pair.plug()
    pair.wait(3)
    pair.emulator.received(1, b"set TagListMillis = off\r\n", pair.now_ns)
    cross(pair, 1, 6)
    pair.wait(3)
    assert "TagListMillis" in str(alarms(pair.events)["whole_seconds"])
    pair.emulator.received(1, b"set TagListMillis = on\r\n", pair.now_ns)
    pair.wait(0.25, step_s=0.25)
    cross(pair, 7, 7)
    pair.wait(3)
    assert alarms(pair.events)["whole_seconds"] is None


def test_a_format_that_is_not_understood_is_an_alarm() -> None:
    session = logged_in("tcp-listen")
    events = session.feed(b"E20000165919007818405C7B|0|x\r\n")
    assert "TagStreamCustomFormat" in str(alarms(events)["format"])
    assert alarms(session.feed(b"hello\r\n")) == {}
    assert alarms(session.feed(LINE + LINE)) == {"format": None}


@pytest.mark.parametrize("form", ["text", "xml", "custom", "terse"])
@pytest.mark.parametrize("per_message", [False, True])
def test_notifications_wait_for_a_host_that_is_away(form: str, per_message: bool) -> None:  # noqa: FBT001
    setup = {"mode": "notify", "format": form, "per_message": per_message, "name": "Mat"}
    pair = Loopback(DRIVER, emulator_options=setup)
    chips = cross(pair, 1, 5)
    for _ in chips:
        pair.plug()
        pair.wait(1)
    assert chips_of(pair) == chips
    assert {read.unit for read in pair.reads} == {"Mat"}
    assert not [event for event in pair.events if isinstance(event, Rejected)]


def test_a_reader_keeps_a_thousand_notifications() -> None:
    emulator = DRIVER.emulator({"mode": "notify"})
    for number in range(1, 1_006):
        assert emulator.sighted(tag(number)) == []
    outs = emulator.connected(1, "main", START)
    assert len(outs) == 1_000
    assert DRIVER.example_chip(6).encode() in outs[0].data


def test_a_stream_is_lost_while_nobody_takes_it() -> None:
    emulator = DRIVER.emulator({"header": False})
    assert emulator.sighted(tag(1)) == []
    assert emulator.connected(1, "main", START) == []
    [out] = emulator.sighted(tag(1, START + S))
    assert out.data.endswith(b";%d;%d;0;-60.0;2\r\n" % (START // 10**6, (START + S) // 10**6))
    emulator.disconnected(1)
    assert emulator.sighted(tag(2)) == []
    assert [list(emulator.marked("gun", START)), list(emulator.received(1, b"x", START))] == [
        [],
        [],
    ]


def answers(text: str, setup: dict[str, object] | None = None) -> list[Out]:
    emulator = DRIVER.emulator({"mode": "command", **(setup or {})})
    emulator.connected(1, "main", START)
    emulator.received(1, b"alien\r\npassword\r\n", START)
    emulator.sighted(tag(1))
    emulator.marked("gun", START)
    return list(emulator.received(1, text.encode(), START))


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("\x01get ReaderName", "ReaderName = Alien RFID Reader"),
        ("\x01readername?", "ReaderName = Alien RFID Reader"),
        ("\x01SET PersistTime = 5", "PersistTime = 5"),
        ("\x01NotifyMode=on", "NotifyMode = ON"),
        ("\x01Clear TagList", "Tag List has been cleared!"),
        ("\x01AutoModeReset", "All auto-mode settings have been reset!"),
        ("\x01Save", "All settings saved!"),
        ("\x01quit", "Goodbye!"),
        ("\x01", ""),
        ("\x01dance", "Error 1: Command not understood."),
        ("\x01get Nothing", "Error 1: Command not understood."),
        ("\x01Nothing = 5", "Error 1: Command not understood."),
        ("\x01PersistTime =", "Error 4: Invalid use of command."),
        ("\x01Time = now", "Error 4: Invalid use of command."),
        ("\x01Time?", "Time = 2026/05/28 20:26:40.000"),
    ],
)
def test_an_emulated_reader_is_one_for_others_too(command: str, answer: str) -> None:
    [out] = answers(command + "\n")
    assert out.data == answer.encode() + b"\r\n\0"
    assert out.close is (answer == "Goodbye!")


def test_echo_and_prompt_for_a_person() -> None:
    [out] = answers("PersistTime?\r\n")
    assert out.data == b"PersistTime?\r\nPersistTime = -1\r\n\r\nAlien>\0"
    first, second = answers("\x01get TagList\nget TagList\n")
    assert first.data.startswith(b"Tag:E200 0016 5919")
    assert b"(No Tags)" in second.data


def test_after_goodbye_nothing_is_answered() -> None:
    assert len(answers("quit\nPersistTime?\n")) == 1
    assert DRIVER.emulator({"mode": "command"}).received(7, b"x\n", START) == []


@pytest.mark.parametrize(
    "options",
    [{"x": 1}, {"mode": "web"}, {"format": "json"}, {"header": 1}, {"name": ""}, {"user": "\n"}],
)
def test_emulator_options_say_what_is_allowed(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        DRIVER.emulator({"mode": "command", **options})


def test_the_same_tag_again_is_one_entry_of_the_list() -> None:
    emulator = DRIVER.emulator({"mode": "command", "format": "custom"})
    emulator.connected(1, "main", START)
    emulator.received(1, b"alien\r\npassword\r\n", START)
    for at in range(3):
        emulator.sighted(Sighting(chip=Chip("E2"), stamp=START + at * S, rssi=-50.0))
    [out] = emulator.received(1, b"\x01get TagList\n", START)
    [read] = reads(DRIVER.session(Opening()).feed(out.data))
    assert (read.chip, read.stamp) == ("E2", START + 2 * S)
    assert fields_of(read.raw)["reads"] == 3


def test_a_time_that_is_told_late_belongs_to_the_question_for_it() -> None:
    talk = Talk("alien", "password")
    talk.begin(START)
    events, _ = talk.line("Alien>", ended=True)
    asked: dict[bytes, int] = {}
    for second in range(30):
        for data in sent(events):
            asked.setdefault(data, START + second * S)
        if b"\x01get AutoMode\r\n" in asked:  # the next question, as the time was not told
            break
        talk.heard()
        events = talk.tick(START + (second + 1) * S)
    assert talk.told_time() == asked[b"\x01get Time\r\n"] < asked[b"\x01get AutoMode\r\n"]
    assert talk.told_time() is None
