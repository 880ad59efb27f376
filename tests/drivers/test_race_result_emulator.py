"""The emulated decoder by itself, and any story between it and our session."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.driver_api import MAIN, Out
from drivers.race_result import DRIVER
from drivers.race_result.emulator import RaceResultEmulator
from drivers.race_result.ledger import Ledger, recall
from tests.support.race_result import NOON, Bench, sighting


def answer(decoder: RaceResultEmulator, command: bytes) -> bytes:
    """What client 1 gets, connected first if it is not."""
    return b"".join(out.data for out in decoder.received(1, command + b"\r\n", NOON))


def decoder_with(count: int, **options: object) -> RaceResultEmulator:
    decoder = RaceResultEmulator(options)
    assert list(decoder.connected(1, MAIN, NOON)) == []
    for number in range(count):
        decoder.sighted(sighting(number))
    return decoder


def test_stores_with_nobody_connected_and_answers_by_number_and_by_range() -> None:
    decoder = RaceResultEmulator({})
    for number in range(3):
        assert list(decoder.sighted(sighting(number))) == []
    decoder.connected(1, MAIN, NOON)
    assert answer(decoder, b"PASSINGS") == b"PASSINGS;3;177\r\n"
    one = answer(decoder, b"2")
    assert one.startswith(b"2;ZCAA001;2026-05-27;12:00:00.010;0;1;-60;")
    assert one.endswith(b";D-50432;177;2;D-50432\r\n\r\n")
    assert answer(decoder, b"2:1") == one
    assert answer(decoder, b"2:32").count(b"\r\n") == 3
    assert answer(decoder, b"4:32") == b"ONLY 3\r\n\r\n"
    assert answer(decoder, b"0:1") == b"ONLY 3\r\n\r\n"


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        (b"SETPROTOCOL;<=3.4", b"SETPROTOCOL;3.2\r\n"),
        (b"SETPROTOCOL;2.0", b"SETPROTOCOL;2.0\r\n"),
        (b"SETPROTOCOL;3.4", b"SETPROTOCOL;ERROR\r\n"),
        (b"GETPROTOCOL", b"GETPROTOCOL;3.2;1.0;3.2\r\n"),
        (b"GETCONFIG;GENERAL;BOXNAME", b"GETCONFIG;GENERAL;BOXNAME;D-50432;D-50432\r\n"),
        (b"GETCONFIG;DETECTION;DEADTIME", b"GETCONFIG;DETECTION;DEADTIME;0\r\n"),
        (b"GETCONFIG;NO;SUCH", b"GETCONFIG;ERROR\r\n"),
        (b"GETTIME", b"GETTIME;2026-05-27;12:00:00.000\r\n"),
        (b"SETTIME;2026-05-27;13:00:00.000", b"SETTIME;ERROR\r\n"),
        (b"SETPUSHPASSINGS;1;0", b"SETPUSHPASSINGS;1;0\r\n"),
        (b"SETPUSHPASSINGS;2;0", b"SETPUSHPASSINGS;ERROR\r\n"),
        (b"SETPUSHPREWARNS;1", b"SETPUSHPREWARNS;1\r\n"),
        (b"GETFIRMWAREVERSION", b"GETFIRMWAREVERSION;1.0\r\n"),
        (b"GETACTIVESTATUS", b"GETACTIVESTATUS;1;1;1;100\r\n"),
        (b"GETMODE", b"GETMODE;OPERATION\r\n"),
        (b"GETFILE;3", b"GETFILE;ERROR\r\n"),
        (b"NONSENSE", b"NONSENSE;ERROR\r\n"),
        (b"PING", b""),
        (b"", b""),
    ],
)
def test_answers(command: bytes, reply: bytes) -> None:
    assert answer(decoder_with(0), command) == reply


def test_status_has_25_fields_or_18() -> None:
    assert answer(decoder_with(0), b"GETSTATUS").count(b";") == 25
    assert answer(decoder_with(0, old_status=True), b"GETSTATUS").count(b";") == 18
    assert answer(decoder_with(0, protocol="2.0"), b"PASSINGS") == b"PASSINGS;0\r\n"
    assert b";12,1\r\n" in answer(decoder_with(0, decimal_comma=True), b"GETSTATUS")


def test_timing_mode_opens_a_file_and_test_mode_stores_nothing() -> None:
    decoder = decoder_with(2)
    assert answer(decoder, b"STOPOPERATION") == b"STOPOPERATION;OK\r\n"
    assert answer(decoder, b"GETMODE") == b"GETMODE;TEST\r\n"
    decoder.sighted(sighting(5))
    assert answer(decoder, b"PASSINGS") == b"PASSINGS;2;177\r\n"
    assert answer(decoder, b"SETTIME;2026-05-27;13:00:00.000").startswith(b"SETTIME;2026")
    started = answer(decoder, b"STARTOPERATION")
    assert started == b"STARTOPERATION;OK;2026-05-27;13:00:00.000\r\n"
    decoder.sighted(sighting(6))
    assert answer(decoder, b"PASSINGS") == b"PASSINGS;1;178\r\n"
    assert b"1;ZCAA006;2026-05-27;13:00:00.060;" in answer(decoder, b"1")
    assert answer(decoder, b"GETFILE;177").startswith(b"GETFILE;177\r\n1;ZCAA000;")


def test_pushes_to_those_who_want_it_in_the_layout_of_their_version() -> None:
    decoder = decoder_with(2)
    decoder.connected(2, MAIN, NOON)
    decoder.connected(3, MAIN, NOON)
    decoder.received(2, b"SETPROTOCOL;1.5\r\nSETPUSHPASSINGS;1;0\r\n", NOON)
    answer(decoder, b"SETPUSHPASSINGS;1;1")
    assert [out.data.count(b"#P;") for out in decoder.tick(NOON)] == [2]
    outs = list(decoder.sighted(sighting(2)))
    assert [(out.client, out.data.count(b";")) for out in outs] == [(1, 20), (2, 16)]
    decoder.disconnected(1)
    answer_of_nobody: list[Out] = list(decoder.received(1, b"PASSINGS\r\n", NOON))
    assert answer_of_nobody == []


def test_a_dateless_clock_counts_days() -> None:
    decoder = decoder_with(0, no_date=True)
    assert answer(decoder, b"GETTIME") == b"GETTIME;0000-00-00;12:00:00.000\r\n"
    later = decoder.received(1, b"GETTIME\r\n", NOON + 13 * 3600 * 10**9)
    assert later[0].data == b"GETTIME;0000-00-01;01:00:00.000\r\n"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"speed": 1}, "unknown option 'speed'"),
        ({"operating": "yes"}, "'operating' is 'yes'"),
        ({"skip_push_every": -1}, "'skip_push_every' is -1"),
        ({"protocol": "new"}, "'protocol' is 'new'"),
        ({"file": True}, "'file' is True"),
    ],
)
def test_options_that_cannot_be_are_named(options: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        DRIVER.emulator(options)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("see"), st.integers(1, 80)),
        st.tuples(st.just("lose"), st.integers(1, 5)),
        st.tuples(st.just("hurt"), st.integers(1, 5)),
        st.tuples(st.just("run"), st.integers(1, 5)),
        st.tuples(st.just("deaf"), st.integers(1, 4)),
        st.tuples(st.just("again"), st.integers(0, 20)),
        st.tuples(st.just("restart"), st.integers(0, 40)),
    ),
    max_size=14,
)
kinds = st.fixed_dictionaries(
    {},
    optional={
        "protocol": st.sampled_from(["1.4", "1.5", "1.6", "2.0", "3.2", "3.10"]),
        "skip_push_every": st.integers(0, 4),
        "push_inside_reply": st.booleans(),
        "old_status": st.booleans(),
        "no_date": st.booleans(),
    },
)


@settings(deadline=None, max_examples=60)
@given(kinds, steps, st.sampled_from([0, 1, 50]))
def test_whatever_happens_every_stored_passing_arrives(
    options: dict[str, object], story: list[tuple[str, int]], chunk: int
) -> None:
    """Passings, lost or spoilt pushes, silence, cuts, new files in any order; then a minute."""
    bench = Bench(options, chunk=chunk)
    bench.connect()
    seen = 0
    for what, count in story:
        match what:
            case "see":
                bench.see(range(seen, seen + count))
                seen += count
            case "lose":
                bench.see_in_vain(range(seen, seen + count))
                seen += count
            case "hurt":
                bench.see_hurt(range(seen, seen + count))
                seen += count
            case "run":
                bench.run(count)
            case "deaf":
                bench.deaf = True
                bench.run(count)
                bench.deaf = False
            case "again":
                bench.cut()
                bench.see(range(seen, seen + count))
                seen += count
                bench.connect()
            case _:
                bench.operate(b"STARTOPERATION")
                bench.see(range(seen, seen + count))
                seen += count
    bench.cut()
    bench.connect()
    bench.run(75)
    assert set(bench.chips) == {DRIVER.example_chip(number) for number in range(seen)}
    assert bench.alarms("numbering_reset") == []


@given(st.lists(st.integers(1, 60), max_size=80), st.integers(0, 70))
def test_the_book_knows_what_is_missing(numbers: list[int], target: int) -> None:
    ledger = Ledger(box="D", file=1)
    for number in numbers:
        ledger.mark(number)
    assert [n for n in range(1, 71) if ledger.has(n)] == sorted(set(numbers))
    reopened = recall(ledger.memory())
    assert reopened.memory() == ledger.memory()
    asked: list[int] = []
    while span := reopened.missing(target):
        asked += range(span[0], span[0] + span[1])
        assert span[1] <= 32
        for number in range(span[0], span[0] + span[1]):
            reopened.mark(number)
    assert asked == [n for n in range(1, target + 1) if n not in numbers]


@given(st.sets(st.integers(1, 40)), st.sets(st.integers(1, 40)))
def test_what_is_deferred_is_not_asked_for_until_forgiven(
    have: set[int], not_now: set[int]
) -> None:
    ledger = Ledger()
    for number in sorted(have, reverse=True):
        ledger.mark(number)
    for number in not_now:
        ledger.defer(number, number)
    asked = []
    while span := ledger.missing(40):
        asked += range(span[0], span[0] + span[1])
        ledger.defer(span[0], span[0] + span[1] - 1)
    assert asked == [n for n in range(1, 41) if n not in have | not_now]
    ledger.forgive()
    left = next((n for n in range(1, 41) if n not in have), None)
    assert (ledger.missing(40) or [None])[0] == left


def test_the_book_stays_small_and_loses_nothing() -> None:
    ledger = Ledger()
    for number in range(2, 2000, 2):
        ledger.mark(number)
    assert len(ledger.memory()) < 1000
    assert ledger.missing(2000) == (1, 1)
    ledger.turn_to(5)
    ledger.turn_to(10**9)
    assert len(json.loads(ledger.memory())["owed"]) == 16
