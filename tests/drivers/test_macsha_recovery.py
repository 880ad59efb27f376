"""Conversations with an emulated One4All: whatever happens, no passing is missing."""

import json

import pytest

from bridge.domain.reads import NS_PER_S, Read
from bridge.driver_api import Alarm, Clock, ClockStep, Hangup, Opening, Remember, Send
from drivers.macsha import DRIVER
from drivers.macsha.ledger import FAR, Ledger
from tests.support.macsha import NOON, Mat


def test_says_hello_in_the_safe_order_and_never_starts_or_sets_anything() -> None:
    mat = Mat()
    mat.cross(1, 3)
    mat.plug()
    assert mat.sent() == [
        "GETPROTOCOL",
        "GETTIME",
        "PUSHTAGS;true",
        "PASSINGS",
        "GETPASSINGS;1;3",
    ]
    mat.wait(30)
    words = {text.partition(";")[0] for text in mat.sent()}
    assert words == {"GETPROTOCOL", "GETTIME", "PUSHTAGS", "PASSINGS", "GETPASSINGS", "READBATTERY"}
    assert len(mat.reads) == 3


def test_a_check_takes_the_pushes_from_nobody() -> None:
    mat = Mat()
    mat.plug(trial=True)
    mat.wait(5)
    assert mat.sent("GETTIME")
    assert not mat.sent("PUSHTAGS")


def test_a_long_backlog_comes_in_pieces() -> None:
    mat = Mat()
    chips = mat.cross(1, 450, step_s=0)
    mat.plug()
    assert mat.chips == set(chips)
    assert mat.sent("GETPASSINGS") == [
        "GETPASSINGS;1;200",
        "GETPASSINGS;201;400",
        "GETPASSINGS;401;450",
    ]


def test_a_dropped_link_gives_back_what_was_missed() -> None:
    mat = Mat()
    mat.plug()
    chips = mat.cross(1, 5)
    mat.wait(2)
    mat.pull()
    chips += mat.cross(6, 15)
    mat.plug()
    assert mat.chips == set(chips), "at once, without a new passing"
    assert mat.sent("GETPASSINGS") == ["GETPASSINGS;5;5", "GETPASSINGS;6;15"]
    chips += mat.cross(16, 18)
    assert len(mat.reads) == 18 + 1, "one row was compared"
    mat.wait(2)
    assert json.loads(mat.memory or "")["newest"] == 18


def test_pushes_that_were_lost_are_fetched() -> None:
    mat = Mat({"skip_push_every": 4})
    mat.plug()
    chips = mat.cross(1, 8)
    mat.wait(6)
    assert mat.chips == set(chips), "number 8 shows in the count only"
    assert mat.sent("GETPASSINGS") == ["GETPASSINGS;4;4", "GETPASSINGS;8;8"]


def test_another_session_file_while_we_were_away() -> None:
    mat = Mat()
    mat.plug()
    mat.cross(1, 5)
    mat.wait(2)
    mat.pull()
    assert mat.operate("NEWFILE").endswith(".csv")
    chips = mat.cross(101, 120)
    mat.plug()
    assert set(chips) <= mat.chips, "more passings than before, and others"
    chips = mat.cross(121, 123)
    mat.wait(5)
    assert set(chips) <= mat.chips
    assert json.loads(mat.memory or "")["newest"] == 23
    assert "Copy that file" in mat.alarms()["session_file"]


@pytest.mark.parametrize("before", [1, 5])
def test_another_session_file_while_we_listen(before: int) -> None:
    mat = Mat({"skip_push_every": 3})
    mat.plug()
    mat.cross(1, before)
    mat.wait(6)
    assert mat.operate("STOP") == "STOP;OK"
    assert mat.operate("START").startswith("START;2026-05-29-")
    chips = mat.cross(101, 109)
    mat.wait(15)
    assert set(chips) <= mat.chips
    assert json.loads(mat.memory or "")["newest"] == 9


def test_a_push_before_the_comparison_does_not_hide_another_session() -> None:
    memory = Mat()
    memory.plug()
    memory.cross(1, 5)
    memory.wait(2)
    session = DRIVER.session(Opening(memory=memory.memory))
    session.opened(0)
    row = "%d;MC;00%d;2026-05-29;14:00:00.000;1;1;00000\r\n"
    session.feed((row % (9, 909)).encode())  # of another file
    sent: list[bytes] = []
    for answer in (b"GETPROTOCOL;3.1;1.0;2.0", b"GETTIME;2026-05-29;14:00:01", b"PUSHTAGS;true",
                   b"PASSINGS;9;MC00909;0"):  # fmt: skip
        sent += [e.data for e in session.feed(answer + b"\r\n") if isinstance(e, Send)]
    assert sent[-1] == b"GETPASSINGS;5;5\r\n"
    events = session.feed((row % (5, 905)).encode() + b"\r\n")
    assert [e.data for e in events if isinstance(e, Send)] == [b"GETPASSINGS;1;9\r\n"]


def test_a_count_that_means_something_else_is_not_believed_for_ever() -> None:
    session = DRIVER.session(Opening())
    session.opened(0)
    row = b"%d;MC;00%d;2026-05-29;14:00:00.000;1;1;00000\r\n"
    session.feed(b"".join(row % (n, n) for n in range(1, 31)))
    asked = 0
    for second in range(1, 60):
        queue = [e.data for e in session.tick(second * NS_PER_S) if isinstance(e, Send)]
        while queue:
            command = queue.pop(0).strip()
            asked += command.startswith(b"GETPASSINGS")
            answer = {
                b"PASSINGS": b"PASSINGS;12;MC00030;30\r\n",
                b"GETPASSINGS;30;30": row % (30, 30) + b"\r\n",
            }.get(command, command.partition(b";")[0] + b";\r\n")
            queue += [e.data for e in session.feed(answer) if isinstance(e, Send)]
    assert asked == 1, "the row is the same: it is the same session"


def test_more_rows_than_asked_for_are_taken() -> None:
    session = DRIVER.session(Opening())
    session.opened(0)
    row = b"%d;MC;00%d;2026-05-29;14:00:00.000;1;1;00000\r\n"
    sent: list[bytes] = []
    for answer in (b"GETPROTOCOL;3.1", b"GETTIME;2026-05-29;14:00:01", b"PUSHTAGS;true",
                   b"PASSINGS;1;MC00001;0"):  # fmt: skip
        sent += [e.data for e in session.feed(answer + b"\r\n") if isinstance(e, Send)]
    assert sent[-1] == b"GETPASSINGS;1;1\r\n"
    events = session.feed(b"".join(row % (n, n) for n in (1, 2, 3)) + b"\r\n")
    assert len([e for e in events if isinstance(e, Read)]) == 3
    assert not [e for e in events if isinstance(e, Send)], "nothing is missing, nothing in doubt"


def test_passings_that_cannot_be_had_are_given_up_with_a_word() -> None:
    session = DRIVER.session(Opening())
    session.opened(0)
    alarms: list[Alarm] = []
    asked = 0
    for second in range(1, 120):
        queue = list(session.tick(second * NS_PER_S))
        while queue:
            event = queue.pop(0)
            if isinstance(event, Alarm):
                alarms.append(event)
            elif isinstance(event, Send):
                asked += event.data.startswith(b"GETPASSINGS")
                word = event.data.strip().partition(b";")[0]
                rows = b"\r\n" if word == b"GETPASSINGS" else word + b";2;MC00001;0\r\n"
                queue += session.feed(rows)
    [alarm] = [one for one in alarms if one.name == "missed"]
    assert alarm.text.startswith("2 passings")
    assert asked == 3


def test_an_answer_that_never_comes_costs_time_only() -> None:
    session = DRIVER.session(Opening())
    sent = [e.data for e in session.opened(0) if isinstance(e, Send)]
    for second in range(1, 14):
        session.feed(b"HELLO;...\r\n")
        sent += [e.data for e in session.tick(second * NS_PER_S) if isinstance(e, Send)]
    assert sent[:4] == [b"GETPROTOCOL\r\n", b"GETTIME\r\n", b"PUSHTAGS;true\r\n", b"PASSINGS\r\n"]


def test_a_dead_link_is_given_up_in_time() -> None:
    mat = Mat()
    mat.plug()
    mat.wait(20)
    mat.mute = True
    mat.wait(12)
    assert mat.hung_up == "nothing came for 9 s"
    session = DRIVER.session(Opening())
    session.opened(0)
    assert isinstance(session.tick(9 * NS_PER_S)[-1], Hangup)
    assert session.tick(10 * NS_PER_S) == []


def test_the_clock_is_asked_and_a_step_is_told() -> None:
    mat = Mat()
    mat.plug()
    mat.wait(20)
    told = [event for event in mat.events if isinstance(event, Clock)]
    assert len(told) >= 4
    assert all(clock.asked for clock in told)
    assert told[0].stamp == NOON
    assert not [event for event in mat.events if isinstance(event, ClockStep)]
    assert mat.operate("SETTIME;2026-05-29;15:00:00") == "SETTIME;STARTMODE"
    mat.operate("STOP")
    assert mat.operate("SETTIME;2026-05-29;15:00:00") == "SETTIME;2026-05-29;15:00:00"
    mat.wait(10)
    [step] = [event for event in mat.events if isinstance(event, ClockStep)]
    assert step.detail == "the clock was set forward"


@pytest.mark.parametrize(
    ("reader", "alarms"),
    [
        ({}, set()),
        ({"battery_pct": 10}, set()),
        ({"battery_pct": 10, "mains": False}, {"battery_low"}),
    ],
)
def test_battery(reader: dict[str, object], alarms: set[str]) -> None:
    mat = Mat(reader)
    mat.plug()
    mat.wait(15)
    assert set(mat.alarms()) == alarms


def test_lost_mains_are_told_and_taken_back() -> None:
    session = DRIVER.session(Opening())
    session.opened(0)
    line = b"READBATTERY;VOLTS;25.5;PERCENT;90;HASPOWER;%s\r\n"
    told = session.feed(line % b"true" + line % b"false" + line % b"true")
    mains = [e.on for e in told if isinstance(e, Alarm) and e.name == "mains_lost"]
    assert mains == [False, True, False]


def test_memory_is_told_behind_the_reads_it_covers() -> None:
    session = DRIVER.session(Opening())
    session.opened(0)
    session.feed(b"1;MC;00001;2026-05-29;14:00:00.000;1;1;00000\r\n")
    first, *_ = session.tick(NS_PER_S)
    assert isinstance(first, Remember)
    assert json.loads(first.memory)["newest"] == 1


class TestLedger:
    def test_a_number_far_off_is_left_to_the_count(self) -> None:
        ledger = Ledger(None)
        read = Read(b"", "MC00001", 1, 1)  # type: ignore[arg-type]
        ledger.came(1, read)
        assert ledger.came(FAR + 2, read)
        assert (ledger.newest, list(ledger.holes)) == (1, [])
        ledger.counted(4)
        assert [(hole.first, hole.last) for hole in ledger.holes] == [(2, 4)]

    def test_a_memory_nobody_can_read_counts_as_none(self) -> None:
        for memory in ("", "[]", "null", "{}", '{"newest": 7, "anchor": [], "holes": []}'):
            ledger = Ledger(memory)
            assert (ledger.newest, ledger.anchor, list(ledger.holes)) == (0, None, [])


def test_a_count_without_any_row_may_fall_too() -> None:
    session = DRIVER.session(Opening(memory='{"newest": 9, "anchor": null, "holes": []}'))
    session.opened(0)
    sent: list[bytes] = []
    for answer in (b"GETPROTOCOL;3.1", b"GETTIME;2026-05-29;14:00:01", b"PUSHTAGS;true",
                   b"PASSINGS;2;MC00002;0"):  # fmt: skip
        sent += [e.data for e in session.feed(answer + b"\r\n") if isinstance(e, Send)]
    assert sent[-1] == b"GETPASSINGS;1;2\r\n"


def test_a_row_in_doubt_is_compared_once() -> None:
    session = DRIVER.session(Opening())
    session.opened(0)
    row = b"%d;MC;00%d;2026-05-29;14:00:00.000;1;1;00000\r\n"
    for answer in (b"GETPROTOCOL;3.1", b"GETTIME;2026-05-29;14:00:01", b"PUSHTAGS;true",
                   b"PASSINGS;0;;0"):  # fmt: skip
        session.feed(answer + b"\r\n")
    session.feed(b"".join(row % (n, n) for n in (1, 2, 3)))
    asked = session.feed(row % (1, 1) + row % (2, 2))
    assert [e.data for e in asked if isinstance(e, Send)] == [b"GETPASSINGS;3;3\r\n"]
    then = session.feed(row % (3, 3) + b"\r\n")
    assert [e.data for e in then if isinstance(e, Send)] == [b"PASSINGS\r\n"]
