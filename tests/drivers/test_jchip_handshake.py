"""J-Chip: who speaks when, what a connection's one clock answer is worth, what a break costs."""

import pytest

from bridge.domain.reads import DAY_NS, StampForm
from bridge.driver_api import Chip, Clock, Hangup, Opening, Send, Shelf, Sighting, Status
from drivers.jchip import DRIVER
from drivers.jchip.sender import BATCH, Sender, Setup
from tests.support.loopback import Loopback
from tests.support.timers import START, S, alarms, naive, open_session, reads, sent

GREETING = b"N0000JCHIP-TEST12\r"
TIME = b"GT013005032 date=20120724\r"


def test_the_host_answers_each_step_at_once_and_only_that() -> None:
    session, events = open_session(DRIVER, link="tcp-listen")
    assert events == []
    told, ask = session.feed(GREETING)
    assert told == Status(GREETING, {"stored": 0, "name": "JCHIP-TEST12"})
    assert ask == Send(b"GT\r", asks_clock=True)
    clock, start, _ = session.feed(TIME)
    assert clock == Clock(
        TIME, naive("2012-07-24T13:00:50.320"), StampForm.NAIVE, extra={"days_running": 0}
    )
    assert start == Send(b"S0000\r")
    assert sent(session.feed(b"DJ413A74 13:00:50.3510 10  00000      C7 date=20120724\r")) == []
    assert sent(event for at in range(60) for event in session.tick(START + at * S)) == []


def test_a_time_that_cannot_be_is_asked_again_and_then_done_without() -> None:
    session, _ = open_session(DRIVER)
    assert sent(session.feed(GREETING)) == [b"GT\r"]
    assert sent(session.feed(b"GT0996099\r")) == []
    for at in (3, 6):
        assert sent(session.tick(START + (at - 1) * S)) == []
        assert sent(session.tick(START + at * S)) == [b"GT\r"]
    events = session.tick(START + 9 * S)
    assert sent(events) == [b"S0000\r"]
    assert "guessed" in str(alarms(events)["sender_clock"])
    assert alarms(session.feed(GREETING) + session.feed(TIME))["sender_clock"] is None


def test_a_dialled_sender_that_waits_for_us_is_asked() -> None:
    session, _ = open_session(DRIVER, link="tcp")
    assert sent(session.tick(START + 3 * S)) == [b"GT\r"]
    assert sent(session.feed(TIME)) == [b"S0000\r"]


def test_in_a_check_a_sender_is_not_told_to_begin() -> None:
    session = DRIVER.session(Opening(trial=True))
    events = [*session.opened(START), *session.feed(GREETING), *session.feed(TIME)]
    assert [event for event in events if isinstance(event, Clock)]
    assert sent(events) == [b"GT\r"]


def test_silence_before_the_first_word_ends_the_link_and_later_does_not() -> None:
    session, _ = open_session(DRIVER)
    events = [event for at in range(1, 10) for event in session.tick(START + at * S)]
    assert isinstance(events[-1], Hangup)
    session, _ = open_session(DRIVER)
    session.feed(GREETING + TIME)
    later = [event for at in range(1, 500) for event in session.tick(START + at * S)]
    assert not [event for event in later if isinstance(event, Hangup)]


def test_a_session_that_was_not_opened_says_nothing() -> None:
    session = DRIVER.session(Opening())
    assert sent(session.feed(GREETING + TIME) + session.tick(START)) == []


@pytest.mark.parametrize(
    ("answer", "form", "days_since"),
    [
        (b"GT0235950320 date=20120724\r", StampForm.NAIVE, naive("2012-07-24T00:00:00")),
        (b"GT0235950320\r", StampForm.TIME_OF_DAY, 0),
    ],
)
def test_crossings_without_a_date_pass_midnight_by_the_senders_clock(
    answer: bytes, form: StampForm, days_since: int
) -> None:
    session, _ = open_session(DRIVER)
    session.feed(GREETING + answer)
    session.tick(START + 20 * S)
    first, second = reads(
        session.feed(b"DJ1 23:59:55.5 10  00000      C7\rDJ1 00:00:09.5 10  00001      C7\r")
    )
    assert (first.stamp, first.form) == (days_since + DAY_NS - 5 * S + S // 2, form)
    assert (second.stamp, second.form) == (days_since + DAY_NS + 9 * S + S // 2, form)
    session.tick(START + 86_400 * S)
    [third] = reads(session.feed(b"DJ1 23:59:50.5 10  00000      C7\r"))
    assert third.stamp == days_since + 2 * DAY_NS - 10 * S + S // 2


def test_what_an_undated_clock_cannot_have_seen_is_not_before_its_day() -> None:
    session, _ = open_session(DRIVER)
    session.feed(GREETING + b"GT0000010000\r")
    [read] = reads(session.feed(b"DJ1 23:59:55.5 10  00000      C7\r"))
    assert read.stamp == DAY_NS - 5 * S + S // 2


def test_dates_with_crossings_only_are_an_alarm() -> None:
    session, _ = open_session(DRIVER)
    session.feed(GREETING + b"GT013005032\r")
    assert alarms(session.tick(START + S))["sender_date"] is None
    session.feed(b"DJ1 13:00:51.5 10  00000      C7 date=20120724\r")
    assert "date" in str(alarms(session.tick(START + 2 * S))["sender_date"])


def crossing(number: int, at_s: int = 0) -> Sighting:
    return Sighting(chip=Chip(f"{number:X}"), stamp=START + at_s * S)


def test_an_emulated_sender_is_what_crossmgr_expects() -> None:
    emulator = DRIVER.emulator({"name": "mat 1", "decimals": 4})
    now = naive("2012-07-24T13:00:50.327")
    [hello] = emulator.connected(1, "main", now)
    assert hello.data == b"N0000mat 1\r"
    assert emulator.sighted(Sighting(chip=Chip("413A74"), stamp=now + 24 * 10**6)) == []
    [told] = emulator.received(1, b"GT\r", now)
    assert told.data == b"GT013005032 date=20120724\r"
    [first] = emulator.received(1, b"S0000\r", now)
    assert first.data == b"DJ413A74 13:00:50.3510 10  00001      C7 date=20120724\r"
    assert list(emulator.marked("gun", now)) == []
    [took_over] = [out for out in emulator.connected(2, "main", now) if out.close]
    assert took_over.client == 1
    assert emulator.received(1, b"GT\r", now) == []


def test_days_running_are_told() -> None:
    emulator = DRIVER.emulator({"dated": False})
    emulator.connected(1, "main", START)
    first, second = (emulator.received(1, b"GT\r", START + days * DAY_NS) for days in (0, 1))
    assert (first[0].data[:3], second[0].data[:3]) == (b"GT0", b"GT1")
    assert b"date" not in first[0].data


def test_an_emulated_sender_hangs_up_on_a_host_that_does_not_answer() -> None:
    emulator = DRIVER.emulator({})
    emulator.connected(1, "main", START)
    assert emulator.tick(START + 2 * S) == []
    assert [out.close for out in emulator.tick(START + 3 * S)] == [True]
    emulator.disconnected(1)
    assert emulator.tick(START + 9 * S) == []


@pytest.mark.parametrize(
    "options",
    [{"names": "x"}, {"name": "a\rb"}, {"overlap_s": -1}, {"decimals": 7}, {"dated": "yes"}],
)
def test_emulator_options_say_what_is_allowed(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        DRIVER.emulator(options)
    assert DRIVER.check_options({"x": 1})


def test_what_a_break_may_have_cost_is_sent_again() -> None:
    pair = Loopback(DRIVER)
    pair.plug()
    for number in range(1, 11):
        pair.sight(crossing(number, at_s=number))
        pair.wait(20)
    assert [read.chip for read in pair.reads] == [f"{number:X}" for number in range(1, 11)]
    pair.pull()
    pair.wait(600)
    pair.sight(crossing(11))
    pair.plug()
    pair.wait(2)
    assert [read.chip for read in pair.reads[10:]] == ["8", "9", "A", "B"]
    assert len(set(pair.reads)) == 11


def connected(sender: Sender, now_ns: int) -> None:
    assert sender.begin(now_ns).startswith(b"N0000")
    assert sender.due(now_ns) == b""
    assert sender.heard(b"GT\rS00", now_ns).startswith(b"GT")
    assert not sender.started
    assert sender.heard(b"00\r", now_ns) == b""
    assert sender.started


def test_a_sender_goes_on_after_its_own_restart_where_it_is_settled() -> None:
    shelf = Shelf()
    sender = Sender(shelf, Setup(overlap_s=5))
    connected(sender, START)
    for number in range(1, 31):
        shelf.add(crossing(number))
        assert sender.due(START + number * S).count(b"\r") == 1
    assert (sender.sent, sender.settled) == (30, 24)
    again = Sender(shelf, Setup(overlap_s=5), settled=sender.settled)
    connected(again, START + 1_000 * S)
    assert again.due(START + 1_000 * S).count(b"\r") == 6


def test_a_sender_hands_over_whole_lines_in_bounded_pieces() -> None:
    shelf = Shelf()
    sender = Sender(shelf, Setup())
    for number in range(1, 2 * BATCH + 2):
        shelf.add(crossing(number))
    connected(sender, START)
    pieces = [sender.due(START) for _ in range(4)]
    assert [piece.count(b"\r") for piece in pieces] == [BATCH, BATCH, 1, 0]
    assert all(piece.endswith(b"\r") for piece in pieces[:3])
    assert b"\n" not in b"".join(pieces)
    assert sender.settled == 0
    sender.end()
    assert sender.due(START + 90 * S) == b""


def test_a_clock_set_back_settles_nothing_early() -> None:
    shelf = Shelf()
    sender = Sender(shelf, Setup(overlap_s=5))
    connected(sender, START)
    for at in (0, 1, -100):
        shelf.add(crossing(1))
        sender.due(START + at * S)
    sender.due(START + 5 * S)
    assert sender.settled == 0
    sender.due(START + 7 * S)
    assert sender.settled == 3
