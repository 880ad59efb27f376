"""Conversations with an emulated decoder: whatever happens to the line, no passing is missing."""

import json

import pytest

from bridge.domain.reads import NS_PER_S, Read
from bridge.driver_api import Alarm, Clock, ClockStep, Marker, Remember, Send, Status
from drivers.race_result import DRIVER
from tests.support.race_result import NOON, Bench


def chips(*numbers: int) -> list[str]:
    return sorted(DRIVER.example_chip(number) for number in numbers)


def book(bench: Bench) -> dict[str, object]:
    assert bench.memory is not None
    found = json.loads(bench.memory)
    assert isinstance(found, dict)
    return found


def test_says_hello_in_the_safe_order() -> None:
    bench = Bench()
    bench.see(range(40))
    bench.connect()
    assert bench.sent_since(0) == [
        "SETPROTOCOL;<=3.4",
        "GETCONFIG;GENERAL;BOXNAME",
        "GETSTATUS",
        *["GETTIME"] * 5,
        "PASSINGS",
        "1:32",
        "33:8",
        "SETPUSHPASSINGS;1;0",
        "PASSINGS",
    ]
    assert [e.asks_clock for e in bench.events if isinstance(e, Send)].count(True) == 5


def test_first_connection_ever_reads_the_file_from_its_first_record() -> None:
    bench = Bench()
    bench.see(range(70))
    bench.connect()
    assert bench.chips == chips(*range(70))
    assert [read.seq for read in bench.reads.values() if isinstance(read, Read)] == list(
        range(1, 71)
    )


@pytest.mark.parametrize("chunk", [1, 7, 0])
def test_a_dropped_link_gives_back_exactly_what_was_missed(chunk: int) -> None:
    bench = Bench(chunk=chunk)
    bench.connect()
    bench.see(range(10))
    bench.run(2)
    bench.cut()
    bench.see(range(10, 57))
    bench.connect()
    bench.see(range(57, 60))
    bench.run(10)
    assert bench.chips == chips(*range(60))
    assert set(bench.times.values()) == {1}
    assert book(bench) == {"box": "D-50432", "file": 177, "contiguous": 60}


def test_live_and_fetched_copy_of_a_passing_have_one_key() -> None:
    bench = Bench()
    bench.connect()
    bench.see(range(3))
    bench.cut()  # before the book was handed out: everything comes again
    bench.memory = None
    bench.connect()
    assert list(bench.times) == ["D-50432/177/1", "D-50432/177/2", "D-50432/177/3"]
    assert set(bench.times.values()) == {2}


def test_a_hole_in_the_pushes_is_asked_for_at_once() -> None:
    bench = Bench({"skip_push_every": 5})
    bench.connect()
    mark = len(bench.sent)
    bench.see(range(24))
    assert bench.sent_since(mark) == ["5:1", "10:1", "15:1", "20:1"]
    assert bench.chips == chips(*range(24))
    assert set(bench.times.values()) == {1}


def test_the_count_finds_a_lost_push_that_no_other_follows() -> None:
    bench = Bench()
    bench.connect()
    bench.see(range(3))
    bench.see_in_vain([3])
    bench.run(8)
    assert bench.chips == chips(0, 1, 2, 3)


def test_holes_beyond_are_remembered_over_a_cut() -> None:
    bench = Bench()
    bench.connect()
    bench.see(range(4))
    bench.see_in_vain([4])
    bench.deaf = True
    assert bench.session is not None
    bench.hear(b"#P;6;ZCAA005;2026-05-27;12:00:00.050;0;1;-60;;0;;;;;;;;D-50432;177;2;D-50432\r\n")
    bench.run(1)
    assert book(bench)["beyond"] == [[6, 6]]
    bench.see_in_vain([5])
    bench.cut()
    bench.deaf = False
    mark = len(bench.sent)
    bench.connect()
    assert "5:1" in bench.sent_since(mark)
    assert bench.chips == chips(*range(6))


def test_a_push_inside_a_reply_is_no_part_of_it() -> None:
    bench = Bench({"push_inside_reply": True, "skip_push_every": 4})
    bench.connect()
    for number in range(40):
        bench.see([number])
        if number % 3 == 0:
            bench.run(1)
    bench.run(8)
    assert bench.chips == chips(*range(40))


@pytest.mark.parametrize("options", [{}, {"protocol": "2.0"}, {"protocol": "1.4"}])
def test_a_file_begun_while_connected(options: dict[str, object]) -> None:
    bench = Bench(options)
    bench.connect()
    bench.see(range(5))
    bench.run(3)
    bench.see_in_vain([5])  # the tail of the old file, never pushed
    bench.operate(b"STARTOPERATION")
    bench.see(range(10, 15))
    bench.run(12)
    assert bench.chips == chips(*range(6), *range(10, 15))
    assert "GETFILE;177" in bench.sent_since(0)
    assert book(bench)["file"] == 178
    assert book(bench)["contiguous"] == 5
    assert "owed" not in book(bench)


@pytest.mark.parametrize("options", [{}, {"protocol": "2.0"}, {"protocol": "1.5"}])
def test_files_begun_while_the_link_was_down(options: dict[str, object]) -> None:
    bench = Bench(options)
    bench.connect()
    bench.see(range(5))
    bench.run(4)
    bench.cut()
    bench.see(range(5, 8))
    bench.operate(b"STARTOPERATION")
    bench.see(range(10, 12))
    bench.operate(b"STARTOPERATION")
    bench.see(range(20, 60))
    mark = len(bench.sent)
    bench.connect()
    bench.run(4)
    assert bench.chips == chips(*range(8), 10, 11, *range(20, 60))
    assert [word for word in bench.sent_since(mark) if word.startswith("GETFILE")] == [
        "GETFILE;177",
        "GETFILE;178",
    ]


def test_a_decoder_that_knows_no_getfile_holds_nothing_up() -> None:
    bench = Bench()
    bench.memory = json.dumps({"box": "D-50432", "file": 12, "contiguous": 3})
    bench.see(range(5))
    bench.connect()
    assert bench.chips == chips(*range(5))
    assert bench.alarms("old_file") == [True]
    assert book(bench)["owed"] == [[12, 1], *[[file, 0] for file in range(162, 177)]]
    for _ in range(60):
        bench.cut()
        bench.connect()
    assert "owed" not in book(bench)
    mark = len(bench.sent)
    bench.cut()
    bench.connect()
    assert not [word for word in bench.sent_since(mark) if word.startswith("GETFILE")]


def test_silence_after_getfile_goes_on() -> None:
    bench = Bench()
    bench.connect()
    bench.run(3)
    bench.deaf = True
    bench.run(3)  # STATUS is under way
    bench.hear(b"GETSTATUS;2026-05-27;12:00:00.000;1;11111111;1;178;1;;1;90\r\n")
    bench.hear(b"PASSINGS;0;178\r\n")
    assert bench.sent[-1] == b"GETFILE;177\r\n"
    assert book(bench)["owed"] == [[177, 1]]
    bench.hear(b"1;ZCAA001;2026-05-27;12:00:00.010;0;1;-60;;0\r\n")
    bench.run(3)
    assert bench.sent[-1] == b"GETFILE;177\r\n"
    bench.run(1)
    assert bench.sent[-1] == b"GETSTATUS\r\n"
    assert "owed" not in book(bench)
    assert [identity[0] for identity in bench.reads] == ["ZCAA001"]
    assert bench.hangups == []


def test_numbering_reset_in_the_same_file_reads_all_as_other_passings() -> None:
    bench = Bench()
    bench.connect()
    bench.see(range(9))
    bench.run(2)
    bench.cut()
    renewed = Bench()
    renewed.memory = bench.memory
    renewed.see(range(20, 24))
    renewed.connect()
    renewed.run(2)
    assert renewed.chips == chips(*range(20, 24))
    assert renewed.alarms("numbering_reset") == [True]
    assert next(iter(renewed.reads)) == "D-50432/177+1/1"
    assert book(renewed) == {"box": "D-50432", "file": 177, "contiguous": 4, "epoch": 1}
    renewed.see([24])
    assert list(renewed.reads)[-1] == "D-50432/177+1/5"


def test_a_push_that_overtakes_a_count_is_no_reset() -> None:
    bench = Bench()
    bench.connect()
    bench.see(range(3))
    bench.hear(b"PASSINGS;2;177\r\n")
    bench.run(4)
    assert bench.alarms("numbering_reset") == []
    assert book(bench)["contiguous"] == 3


def test_another_box_has_a_book_of_its_own() -> None:
    bench = Bench()
    bench.memory = json.dumps({"box": "D-1", "file": 177, "contiguous": 500, "epoch": 2})
    bench.see(range(3))
    bench.connect()
    assert bench.chips == chips(0, 1, 2)
    assert book(bench) == {"box": "D-50432", "file": 177, "contiguous": 3, "epoch": 2}


@pytest.mark.parametrize("memory", ["", "[]", "nonsense", '{"box":1}', '{"box":null,"file":"x"}'])
def test_a_memory_of_something_else_means_everything_from_one(memory: str) -> None:
    bench = Bench()
    bench.memory = memory
    bench.see(range(3))
    bench.connect()
    assert bench.chips == chips(0, 1, 2)


def test_old_firmware_polls_where_there_is_no_push() -> None:
    bench = Bench({"protocol": "1.4"})
    bench.connect()
    bench.see(range(5))
    bench.run(3)
    bench.see(range(5, 9))
    bench.run(3)
    assert bench.chips == chips(*range(9))
    assert not [word for word in bench.sent_since(0) if word.startswith("SETPUSH")]
    assert next(iter(bench.reads)) == ("ZCAA000", NOON)


@pytest.mark.parametrize("options", [{"old_status": True}, {"protocol": "2.0"}])
def test_a_status_of_18_fields_tells_what_stands_in_its_place(options: dict[str, object]) -> None:
    bench = Bench(options)
    bench.connect()
    told = [e.fields for e in bench.events if isinstance(e, Status) and "mains" in e.fields]
    assert told[0]["operating"] is True
    assert told[0]["file"] == 177
    assert "temperature_c" not in told[0]


def test_a_full_status_tells_all() -> None:
    bench = Bench({"decimal_comma": True})
    bench.connect()
    told = [e.fields for e in bench.events if isinstance(e, Status) and "mains" in e.fields]
    assert told[0]["temperature_c"] == 31
    assert told[0]["external_v"] == 12.1
    assert told[0]["error_flags"] == 0


def test_decimal_comma_and_a_clock_without_date() -> None:
    bench = Bench({"decimal_comma": True, "no_date": True})
    bench.connect()
    bench.see([1])
    read = next(iter(bench.reads.values()))
    assert isinstance(read, Read)
    assert read.form.name == "TIME_OF_DAY"
    assert read.stamp == 12 * 3600 * NS_PER_S + 10_000_000
    told = DRIVER.extra
    assert told(read.raw)["battery_v"] == 2.9
    assert b"2,9" in read.raw


@pytest.mark.parametrize("busy", [True, False])
def test_a_dead_link_is_given_up_within_ten_seconds(*, busy: bool) -> None:
    bench = Bench()
    bench.connect()
    if busy:
        bench.run(7)
    bench.deaf = True
    bench.run(10)
    assert len(bench.hangups) == 1
    mark = len(bench.events)
    bench.run(20)
    bench.hear(b"PASSINGS;5;177\r\n")
    assert not [e for e in bench.events[mark:] if isinstance(e, Send | Remember)]


def test_a_link_that_never_answers_is_given_up() -> None:
    bench = Bench()
    bench.deaf = True
    bench.connect()
    bench.run(7)
    assert len(bench.hangups) == 1


def test_a_link_that_only_pushes_is_kept_for_a_while_and_then_given_up() -> None:
    bench = Bench()
    bench.connect()
    bench.run(1)
    bench.deaf = True
    for second in range(30):
        bench.hear(
            b"#P;%d;ZCAA001;2026-05-27;12:00:%02d.050;0;1;-60;;0;;;;;;;;D-50432;177;2;D-50432\r\n"
            % (second + 1, second)
        )
        bench.run(1)
        assert second > 12 or not bench.hangups
    assert len(bench.reads) == 30
    assert len(bench.hangups) == 1


def test_a_late_answer_is_not_taken_for_a_clock_sample() -> None:
    bench = Bench()
    bench.connect()
    bench.run(9)
    bench.deaf = True
    while bench.sent[-1] != b"GETTIME\r\n":
        bench.run(1)
        bench.hear(b"GETSTATUS;2026-05-27;12:00:10.000;1;11111111;1;177;1;;1;90\r\n")
        bench.hear(b"PASSINGS;0;177\r\n")
    bench.run(3)
    late, answer = bench.hear(b"GETTIME;2026-05-27;12:00:10.000\r\n"), bench.sent[-1]
    assert answer == b"GETSTATUS\r\n"
    assert [clock.asked for clock in late if isinstance(clock, Clock)] == [False]


def test_clock_samples_go_on() -> None:
    bench = Bench()
    bench.connect()
    mark = len(bench.sent)
    bench.run(40)
    assert bench.sent_since(mark).count("GETTIME") == 4
    assert bench.sent_since(mark).count("GETSTATUS") >= 10
    assert bench.hangups == []


def test_a_date_set_is_a_clock_step() -> None:
    bench = Bench({"no_date": True})
    bench.connect()
    events = bench.hear(b"GETTIME;2026-05-27;12:00:00.000\r\n")
    steps = [event for event in events if isinstance(event, ClockStep)]
    assert [step.raw for step in steps] == [b""]
    assert not [e for e in bench.hear(b"GETTIME;2026-05-27;12:00:01.000\r\n") if e in steps]
    back = bench.hear(b"GETSTATUS;2026-05-27;11:00:01.000;1;11111111;1;177\r\n")
    assert isinstance(back[0], ClockStep)


def test_test_mode_is_an_alarm_and_its_numbers_are_no_identity() -> None:
    bench = Bench({"operating": False})
    bench.connect()
    bench.see(range(3))
    bench.run(4)
    assert bench.alarms("not_recording") == [True]
    assert bench.chips == chips(0, 1, 2)
    assert all(isinstance(identity, tuple) for identity in bench.reads)
    bench.operate(b"STARTOPERATION")
    bench.see(range(10, 14))
    bench.run(8)
    assert bench.chips == chips(0, 1, 2, *range(10, 14))
    assert bench.alarms("not_recording") == [True, False]
    assert list(bench.reads)[3:] == [f"D-50432/178/{number}" for number in range(1, 5)]


def test_a_trigger_is_a_marker_and_takes_a_number() -> None:
    bench = Bench()
    bench.connect()
    bench.see([0])
    bench.fire_gun()
    bench.see([1])
    markers = [event for event in bench.events if isinstance(event, Marker)]
    assert [(marker.name, marker.key) for marker in markers] == [("trigger", "D-50432/177/2")]
    assert "2:1" not in bench.sent_since(0)


BLOCK = [
    b"%d;ZCAA%03d;2026-05-27;12:00:00.%03d;0;1;-60;;0;;;;;;;;D-50432;177;2;D-50432\r\n" % (n, n, n)
    for n in range(1, 7)
]


@pytest.mark.parametrize(
    "damage", [b"4;\xff\r\n", b"\xfe;ZC\xff;;zz;\r\n", b"4;ZCAA004;;99:00:00;\r\n"]
)
def test_a_malformed_record_neither_shifts_the_index_nor_is_asked_for_for_ever(
    damage: bytes,
) -> None:
    bench = Bench()
    bench.connect()
    bench.run(3)
    bench.deaf = True
    bench.run(3)
    bench.hear(b"GETSTATUS;2026-05-27;12:00:00.000;1;11111111;1;177;1;;1;90\r\n")
    bench.hear(b"PASSINGS;6;177\r\n")
    bench.run(2)
    assert bench.sent[-1] == b"1:6\r\n"
    bench.hear(b"".join([*BLOCK[:3], damage, *BLOCK[4:], b"\r\n"]))
    assert bench.sent[-1] == b"4:1\r\n"
    bench.hear(damage + b"\r\n")
    assert bench.sent[-1] == b"4:1\r\n"
    bench.run(1)
    assert book(bench)["contiguous"] == 6
    assert len(bench.reads) == 5


def test_a_push_hurt_on_its_way_is_fetched_whole() -> None:
    bench = Bench()
    bench.connect()
    bench.see_in_vain([1])
    mark = len(bench.sent)
    bench.hear(b"#P;1;ZCA\xa7\x01;2026-05-2\r\n")
    assert bench.sent_since(mark) == ["1:1"]
    assert bench.chips == chips(1)


def test_records_the_decoder_does_not_give_are_gone_round_and_asked_for_later() -> None:
    bench = Bench()
    bench.connect()
    bench.deaf = True
    mark = len(bench.sent)
    bench.hear(b"#P;3;ZCAA002;2026-05-27;12:00:00.020;0;1;-60;;0;;;;;;;;D-50432;177;2;D-50432\r\n")
    answered = 0
    while answered < 100 and len(bench.sent) > mark:
        mark += 1
        answered += 1
        bench.hear(b"PASSINGS;3;177\r\n" if bench.sent[mark - 1] == b"PASSINGS\r\n" else b"\r\n")
    assert answered < 10
    assert bench.alarms("passings_missing") == [True]
    bench.deaf = False
    bench.see(range(3))
    bench.run(61)
    assert bench.chips == chips(0, 1, 2)
    assert bench.alarms("passings_missing") == [True, False]


@pytest.mark.parametrize(
    "line", [b"ONLY 0\r\n\r\n", b"1:999;ERROR\r\n", b"ERROR,unknown\r\n", b"\r\n"]
)
def test_a_number_that_cannot_be_ends_in_quiet(line: bytes) -> None:
    bench = Bench()
    bench.connect()
    mark = len(bench.sent)
    bench.hear(
        b"#P;9999999999;ZCAA003;2026-05-27;12:00:00.003;0;1;-60;;0;;;;;;;;D-50432;177;2;D-50432\r\n"
    )
    bench.hear(line)
    bench.run(120)
    asked = [word for word in bench.sent_since(mark) if ":" in word]
    assert len(asked) < 10
    bench.see(range(5))
    bench.run(3)
    assert {read.seq for read in bench.reads.values() if isinstance(read, Read)} >= {1, 2, 3, 4, 5}
    assert bench.hangups == []


def test_requests_that_are_never_answered_do_not_keep_the_pushes_off() -> None:
    bench = Bench()
    bench.connect()
    bench.deaf = True
    answers = {
        b"SETPROTOCOL;<=3.4": b"SETPROTOCOL;3.2\r\n",
        b"GETCONFIG;GENERAL;BOXNAME": b"GETCONFIG;GENERAL;BOXNAME;A;D-50432\r\n",
        b"GETSTATUS": b"GETSTATUS;2026-05-27;12:00:00.000;1;11111111;1;177;1;;1;90\r\n",
        b"GETTIME": b"GETTIME;2026-05-27;12:00:00.000\r\n",
        b"PASSINGS": b"PASSINGS;400;177\r\n",
        b"SETPUSHPASSINGS;1;0": b"SETPUSHPASSINGS;1;0\r\n",
    }
    bench.cut()
    mark = len(bench.sent)
    bench.connect()
    for _ in range(40):
        while mark < len(bench.sent):
            mark += 1
            bench.hear(answers.get(bench.sent[mark - 1].rstrip(), b""))
        bench.run(1)
    assert b"SETPUSHPASSINGS;1;0\r\n" in bench.sent[20:]
    assert bench.hangups == []
    assert bench.alarms("passings_missing") == [True]


@pytest.mark.parametrize("refusal", [b"SETPROTOCOL;ERROR\r\n", b"ERROR,what\r\n", b""])
def test_protocol_negotiation_falls_back(refusal: bytes) -> None:
    bench = Bench()
    bench.deaf = True
    bench.connect()
    if refusal:
        bench.hear(refusal)
    else:
        bench.run(3)
    assert bench.sent[-1] == b"GETPROTOCOL\r\n"
    bench.hear(b"GETPROTOCOL;1.5;1.0;1.10\r\n")
    assert bench.sent[-1] == b"SETPROTOCOL;1.10\r\n"
    bench.hear(b"SETPROTOCOL;1.10\r\n")
    assert bench.sent[-1] == b"GETCONFIG;GENERAL;BOXNAME\r\n"
    bench.hear(b"GETCONFIG;ERROR\r\n")
    assert bench.sent[-1] == b"GETSTATUS\r\n"
    for line in (b"GETSTATUS;ERROR\r\n", *[b"GETTIME;ERROR\r\n"] * 5, b"PASSINGS;3\r\n"):
        bench.hear(line)
    if not refusal:  # the polls have come due meanwhile
        bench.hear(b"GETSTATUS;ERROR\r\n")
        bench.hear(b"PASSINGS;3\r\n")
    assert bench.sent[-1] == b"1:3\r\n"


def test_alarms_come_and_go_with_their_cause() -> None:
    bench = Bench()
    bench.connect()
    assert all(not event.on for event in bench.events if isinstance(event, Alarm))
    line = "GETSTATUS;2026-05-27;12:00:00.000;{};1;177;1;;0;12;30;31;0;1;1;1;100;1;1;0;0;0;0;{};"
    bench.hear(line.format("0;11110111", "0x48").encode() + b"\r\n")
    told = {e.name: e.text for e in bench.events if isinstance(e, Alarm) and e.on}
    assert set(told) == {
        "battery_low",
        "mains_lost",
        "antennas",
        "reader_unhealthy",
        "clock_stopped",
        "decoder_errors",
    }
    assert "antenna 5 " in told["antennas"]
    assert told["decoder_errors"] == "the active link was lost; unknown error flags 0x8"
    mark = len(bench.events)
    bench.run(3)
    taken_back = {e.name for e in bench.events[mark:] if isinstance(e, Alarm) and not e.on}
    assert taken_back == set(told)
