"""Missed passings of AMB and MYLAPS decoders, dead links, clocks, and what the emulator answers."""

import pytest

from bridge.domain.reads import NS_PER_S, Read, StampForm
from bridge.driver_api import (
    MAIN,
    Alarm,
    Clock,
    ClockStep,
    Control,
    Event,
    Hangup,
    Marker,
    Opening,
    Out,
    Rejected,
    Remember,
    Send,
    Session,
    Sighting,
    Status,
)
from drivers.amb_p3 import DRIVER, lines
from drivers.amb_p3.frames import Frame, Kind, build, parse
from drivers.amb_p3.records import passing_fields
from drivers.amb_p3.session import ASK_TIME
from tests.support.loopback import Loopback

DECODER = bytes.fromhex("13180400")
NOON = 1_780_000_000 * NS_PER_S
STATUS = build(Kind.STATUS, [(0x01, b"\x20\0"), (0x81, DECODER)])


def passing(number: int, at_s: float | None = None, decoder: bytes = DECODER) -> bytes:
    stamp = NOON + round((number if at_s is None else at_s) * NS_PER_S)
    sighting = Sighting(chip=DRIVER.example_chip(number), stamp=stamp, seq=number)
    return build(Kind.PASSING, passing_fields(sighting, decoder))


def asked(events: list[Event]) -> list[tuple[int, int]]:
    """Return the spans of RESEND requests among events."""
    spans = []
    for event in events:
        frame = parse(event.data) if isinstance(event, Send) and not event.asks_clock else None
        if isinstance(frame, Frame):
            assert frame.kind == Kind.RESEND
            spans.append((frame.number(1) or 0, frame.number(2) or 0))
    return spans


def live(memory: str | None = None, link: str = "tcp") -> Session:
    session = DRIVER.session(Opening(memory=memory, link=link))
    assert session.opened(NOON) == []
    return session


def remembered(session: Session, after_s: int = 1) -> str:
    [told] = [e for e in session.tick(NOON + after_s * NS_PER_S) if isinstance(e, Remember)]
    return told.memory


def cross(pair: Loopback, first: int, last: int) -> set[str]:
    for number in range(first, last + 1):
        pair.wait(0.5)
        chip = DRIVER.example_chip(number)
        pair.sight(Sighting(chip=chip, stamp=pair.now_ns, seq=number))
    return {str(5_000_000 + number) for number in range(first, last + 1)}


def test_a_hole_is_asked_for_at_once_and_the_next_only_afterwards() -> None:
    session = live()
    assert asked(session.feed(passing(10))) == []
    assert asked(session.feed(passing(12) + passing(15))) == [(11, 11)]
    assert asked(session.feed(passing(11))) == [(13, 14)]
    assert asked(session.feed(passing(13) + passing(14) + passing(16))) == []
    assert '"last":16' in remembered(session)


def test_a_large_gap_is_asked_for_in_pieces() -> None:
    memory = remembered_at(10)
    session = live(memory)
    assert asked(session.feed(passing(500))) == [(11, 110)]
    events = session.feed(b"".join(passing(number) for number in range(11, 111)))
    assert asked(events) == [(111, 210)]
    assert len([event for event in events if isinstance(event, Read)]) == 100


def remembered_at(number: int) -> str:
    session = live()
    session.feed(passing(number))
    return remembered(session)


def test_what_was_missed_last_of_all_is_asked_for_when_the_decoder_is_heard() -> None:
    session = live(remembered_at(10))
    assert asked(session.feed(STATUS)) == [(11, 110)]
    assert asked(session.feed(passing(11) + passing(12))) == []
    assert [asked(session.tick(NOON + s * NS_PER_S)) for s in range(1, 20)] == [[]] * 19
    assert asked(session.feed(STATUS)) == []


def test_a_whole_piece_missed_last_of_all_has_the_next_one_asked_for() -> None:
    session = live(remembered_at(10))
    session.feed(STATUS)
    events = session.feed(b"".join(passing(number) for number in range(11, 111)))
    assert asked(events) == [(111, 210)]


def test_another_decoder_on_the_address_owes_nothing() -> None:
    session = live(remembered_at(10))
    assert asked(session.feed(passing(500, decoder=b"\xd0\0\x0c\0"))) == []
    assert '"decoder":"D0000C00"' in remembered(session)


@pytest.mark.parametrize("memory", ["", "[]", "{}", '{"decoder":1}', "nonsense", "[" * 5000])
def test_a_memory_that_tells_nothing_begins_anew(memory: str) -> None:
    session = live(memory)
    assert asked(session.feed(STATUS + passing(500))) == []


def test_what_is_not_sent_again_is_asked_for_twice_and_then_told() -> None:
    session = live()
    session.feed(passing(10) + passing(12))
    told: list[Event] = []
    for second in range(1, 14):
        session.feed(STATUS)
        told += session.tick(NOON + second * NS_PER_S)
    assert asked(told) == [(11, 11)]
    [alarm] = [event for event in told if isinstance(event, Alarm)]
    assert alarm.name == "passings_missing"
    assert "1 passings up to number 12" in alarm.text
    assert asked(session.feed(passing(13))) == []
    assert '"last":13' in remembered(session, 14)


def test_a_decoder_that_refuses_is_not_asked_again_for_the_same() -> None:
    session = live()
    session.feed(passing(10) + passing(300))
    events = session.feed(build(Kind.ERROR, [(0x01, b"\x04\0")]))
    assert asked(events) == []
    assert [event.name for event in events if isinstance(event, Alarm)] == ["passings_missing"]


def test_a_decoder_that_was_cleared_begins_anew() -> None:
    session = live(remembered_at(1000))
    assert asked(session.feed(passing(1, at_s=2000))) == []
    assert asked(session.feed(passing(2, at_s=2001) + passing(4, at_s=2003))) == [(3, 3)]


def test_a_cleared_decoder_that_lost_its_clock_is_believed_at_the_second_passing() -> None:
    session = live(remembered_at(1000))
    session.feed(passing(5, at_s=-900) + passing(6, at_s=-899))
    assert '"last":6' in remembered(session)


@pytest.mark.parametrize(
    ("came", "before"),
    [
        (passing(1, at_s=2000) + passing(2, at_s=2001), 0),
        (passing(1, at_s=-900) + passing(2, at_s=-899), 0),
        (passing(21, at_s=2000) + passing(22, at_s=2001), 21),
        (passing(21, at_s=-900) + passing(22, at_s=-899), 21),
    ],
)
def test_what_a_cleared_decoder_passed_unheard_is_told(came: bytes, before: int) -> None:
    session = live(remembered_at(1000))
    told = [e.text for e in session.feed(came) if isinstance(e, Alarm) and e.on]
    assert [f"before number {before} " in text for text in told] == [True] * bool(before)


@pytest.mark.parametrize("kind", [Kind.RESET, Kind.CLEAR_PASSING])
def test_a_clear_that_is_told_is_believed_at_once(kind: Kind) -> None:
    session = live()
    session.feed(passing(10))
    session.feed(build(kind, []))
    assert asked(session.feed(passing(400))) == []


def test_a_passing_seen_twice_is_the_same_and_one_after_a_clear_is_not() -> None:
    events = DRIVER.session(Opening()).feed(passing(7) * 2 + passing(7, at_s=9000))
    keys = [event.key for event in events if isinstance(event, Read)]
    assert keys[0] == keys[1] != keys[2]


def test_numbers_that_jump_too_far_are_another_numbering() -> None:
    session = live()
    session.feed(passing(10))
    assert asked(session.feed(passing(10_000_000))) == []


def test_nothing_is_asked_for_where_that_is_switched_off() -> None:
    session = DRIVER.session(Opening(options={"resend": False}))
    session.opened(NOON)
    assert asked(session.feed(passing(10) + passing(20))) == []


@pytest.mark.parametrize("options", [{}, {"cut": True, "model": "prochip"}, {"dialect": "ascii"}])
def test_passings_missed_over_a_restart_come_back(options: dict[str, object]) -> None:
    pair = Loopback(DRIVER, emulator_options=options)
    pair.plug()
    pair.wait(10)
    chips = cross(pair, 1, 5)
    pair.wait(3)
    pair.pull()
    chips |= cross(pair, 6, 40)
    pair.plug()
    pair.wait(60)
    assert {read.chip for read in pair.reads} == chips
    assert not [event for event in pair.events if isinstance(event, Alarm | Rejected)]


@pytest.mark.parametrize("resend", ["error", "silent"])
def test_passings_that_stay_missing_raise_an_alarm(resend: str) -> None:
    pair = Loopback(DRIVER, emulator_options={"resend": resend})
    pair.plug()
    pair.wait(10)
    cross(pair, 1, 5)
    pair.wait(3)
    pair.pull()
    cross(pair, 6, 8)
    pair.plug()
    pair.wait(10)
    cross(pair, 9, 10)
    pair.wait(30)
    assert [event.name for event in pair.events if isinstance(event, Alarm)] == ["passings_missing"]
    assert pair.reads[-1].chip == "5000010"


def test_only_time_and_passings_are_asked_for() -> None:
    pair = Loopback(DRIVER)
    pair.plug()
    pair.wait(10)
    cross(pair, 1, 5)
    pair.wait(30)
    sent = {event.data for event in pair.events if isinstance(event, Send)}
    assert sent == {ASK_TIME}
    clocks = [event for event in pair.events if isinstance(event, Clock)]
    assert len(clocks) >= 3
    assert all(clock.asked and clock.form is StampForm.NAIVE for clock in clocks)


def test_a_decoder_with_gps_tells_utc() -> None:
    pair = Loopback(DRIVER, emulator_options={"utc": True, "utc_offset_s": -3600})
    pair.plug()
    pair.wait(10)
    cross(pair, 1, 1)
    [read] = pair.reads
    assert read.form is StampForm.UTC
    assert read.stamp == pair.now_ns - 3600 * NS_PER_S
    [clock, *_] = [event for event in pair.events if isinstance(event, Clock)]
    assert clock.form is StampForm.UTC


def test_a_serial_line_is_not_spoken_to_in_p3_unless_it_does() -> None:
    session = live(link="serial")
    silent = [session.tick(NOON + second * NS_PER_S) for second in range(1, 29)]
    assert not [event for events in silent for event in events]
    session.feed(STATUS)
    assert Send(ASK_TIME, asks_clock=True) in session.tick(NOON + 29 * NS_PER_S)


def test_a_silent_decoder_on_tcp_is_asked_and_given_up_after_thirty_seconds() -> None:
    session = live()
    events = [e for second in range(1, 31) for e in session.tick(NOON + second * NS_PER_S)]
    assert events[0] == Send(ASK_TIME, asks_clock=True)
    assert isinstance(events[-1], Hangup)
    assert "30 s" in events[-1].why


def test_a_decoder_that_answers_is_given_up_after_ten_seconds() -> None:
    session = live()
    session.feed(STATUS)
    session.tick(NOON)
    session.feed(build(Kind.GET_TIME, [(0x01, (10**15).to_bytes(8, "little"))]))
    silent = [session.tick(NOON + second * NS_PER_S) for second in range(1, 12)]
    [hangup] = [event for event in silent[-1] if isinstance(event, Hangup)]
    assert "10 s" in hangup.why


def clock_of(us: int, tag: int = 0x01) -> bytes:
    return build(Kind.GET_TIME, [(tag, us.to_bytes(8, "little"))])


@pytest.mark.parametrize(("minutes", "way"), [(60, "forward"), (-60, "back"), (-0.1, "back")])
def test_a_clock_that_was_set_between_two_answers_is_a_step(minutes: float, way: str) -> None:
    session = live()
    session.feed(STATUS)
    told: list[Event] = []
    for second in range(1, 31):
        asked = [e for e in session.tick(NOON + second * NS_PER_S) if isinstance(e, Send)]
        moved_us = round(minutes * 60_000_000) if second > 15 else 0
        now_us = 10**15 + second * 1_000_000 + moved_us
        told += [e for _ in asked for e in session.feed(clock_of(now_us))]
    [step] = [event for event in told if isinstance(event, ClockStep)]
    assert step.detail == f"the clock was set {way}"


def test_an_answer_that_was_held_up_is_no_step() -> None:
    session = live()
    session.feed(STATUS)
    events: list[Event] = []
    queue: list[int] = []
    for second in range(1, 60):
        told = session.tick(NOON + second * NS_PER_S)
        queue += [second for event in told if isinstance(event, Send)]
        if 20 <= second < 28:  # the network holds up what was answered at once
            continue
        for asked_at in queue:
            events += session.feed(clock_of(10**15 + asked_at * 1_000_000))
        queue.clear()
    assert len([event for event in events if isinstance(event, Clock)]) > 5
    assert not [event for event in events if isinstance(event, ClockStep)]


def test_gps_that_comes_begins_an_epoch() -> None:
    session = live()
    session.feed(clock_of(10**15))
    assert not [e for e in session.feed(clock_of(10**15 + 9)) if isinstance(e, ClockStep)]
    step, told = session.feed(clock_of(10**15, 0x05))
    assert isinstance(step, ClockStep)
    assert isinstance(told, Clock)
    assert (step.raw, step.after) == (b"", told.stamp)


def test_a_low_supply_is_told_and_taken_back() -> None:
    session = live()
    told = []
    for tenths in (118, 99, 99, 120):
        told += session.feed(build(Kind.STATUS, [(0x0C, bytes([tenths]))]))
    assert [event.on for event in told if isinstance(event, Alarm)] == [True, False]


def test_the_hexadecimal_dialect_is_told_once() -> None:
    events = live().feed(b"#690F\r\n" * 3)
    assert [event.name for event in events if isinstance(event, Alarm)] == ["unsupported_dialect"]
    assert len([event for event in events if isinstance(event, Rejected)]) == 3


def test_ascii_numbers_count_status_records_too() -> None:
    session = live(link="serial")
    session.feed(lines.build("#", ["101", "7", "0"]))
    events = session.feed(lines.build("#", ["101", "10", "0"]))
    [send] = [event for event in events if isinstance(event, Send)]
    assert send.data == lines.resend_command("101", 8) + lines.resend_command("101", 9)
    assert send.data.startswith(b"\x01?\t101\t0\t13\t2\t8\r\n")


def p98(number: int, seconds: float) -> bytes:
    return lines.build("@", ["101", str(number), "77", f"{seconds:.3f}", "9", "30", "2"])


def test_ascii_seconds_that_begin_again_are_a_step() -> None:
    session = live(link="serial")
    session.feed(p98(7, 5000.0) + p98(9, 5010.0))
    resent = session.feed(p98(8, 4000.0))
    assert not [event for event in resent if isinstance(event, ClockStep)]
    restarted = session.feed(p98(10, 3.5))
    assert [e.after for e in restarted if isinstance(e, ClockStep)] == [3_500_000_000]


def test_an_ascii_decoder_that_was_reset_begins_anew() -> None:
    session = live(link="serial")
    session.feed(p98(50, 5000.0))
    status = lines.build("#", ["101", "1", "0"]) + lines.build("#", ["101", "2", "0"])
    events = session.feed(status + p98(3, 12.0))
    assert [e.after for e in events if isinstance(e, ClockStep)] == [12_000_000_000]
    assert not [event for event in events if isinstance(event, Send)]


def test_an_ascii_decoder_on_tcp_is_not_asked_in_p3() -> None:
    session = live()
    session.feed(lines.build("#", ["101", "7", "0"]))
    events = [e for second in range(1, 25) for e in session.tick(NOON + second * NS_PER_S)]
    assert not [event for event in events if isinstance(event, Send)]


def answers(data: bytes, **options: object) -> list[Event]:
    emulator = DRIVER.emulator(options)
    emulator.connected(1, MAIN, NOON)
    outs: list[Out] = list(emulator.received(1, data, NOON))
    return DRIVER.session(Opening()).feed(b"".join(out.data for out in outs))


def test_the_emulator_serves_foreign_clients() -> None:
    assert isinstance(answers(ASK_TIME)[0], Clock)
    assert isinstance(answers(build(Kind.VERSION, []))[0], Status)
    assert isinstance(answers(build(Kind.STATUS, []))[0], Status)
    unknown, broken = answers(build(0x4A, [])), answers(STATUS[:-2] + b"\x01\x8f")
    codes = []
    for events in (unknown, broken):
        [event] = events
        assert isinstance(event, Control)
        codes.append(event.extra["code"])
    assert codes == [4, 1]
    assert answers(b"\x01hello\r\n") == []
    assert answers(b"\x01?\t19\t0\t13\t2\t157777\r\n", dialect="ascii") == []


def test_the_emulator_resends_only_what_it_has() -> None:
    emulator = DRIVER.emulator({"first_number": 10})
    emulator.connected(1, MAIN, NOON)
    for _ in range(3):
        emulator.sighted(Sighting(chip=DRIVER.example_chip(1), stamp=NOON))
    spans = [(1, b"\1\0\0\0"), (2, b"\x0b\0\0\0")]
    outs = emulator.received(1, build(Kind.RESEND, spans), NOON)
    events = DRIVER.session(Opening()).feed(b"".join(out.data for out in outs))
    assert [event.seq for event in events if isinstance(event, Read)] == [10, 11]
    [error] = answers(build(Kind.RESEND, []))
    assert isinstance(error, Control)
    assert list(DRIVER.emulator({"dialect": "ascii"}).marked("gun", NOON)) == []


def test_the_gate_of_the_emulator_is_a_marker() -> None:
    pair = Loopback(DRIVER)
    pair.plug()
    pair.mark("gun")
    [marker] = [event for event in pair.events if isinstance(event, Marker)]
    assert (marker.name, marker.stamp) == ("gate", pair.now_ns)


@pytest.mark.parametrize(
    "options",
    [
        {"speed": 1},
        {"dialect": "p98"},
        {"decoder": "12"},
        {"first_number": 0},
        {"first_number": True},
        {"utc": 1},
    ],
)
def test_wrong_emulator_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        DRIVER.emulator(options)
