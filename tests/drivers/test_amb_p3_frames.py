"""P3 frames and ASCII records: checksums, escapes, damage."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.reads import Read, StampForm
from bridge.driver_api import Clock, Control, Event, Opening, Reason, Rejected, Status
from drivers.amb_p3 import DRIVER, extra, lines
from drivers.amb_p3.frames import Frame, Kind, build, crc, escape, parse, unescape

STATUS = bytes.fromhex("8e021f00f389000002000102280007021600 0c01760601008104131804008f")
PASSING = build(
    Kind.PASSING,
    [(0x03, b"\x01\x02\x03\0"), (0x01, b"\x07\0\0\0"), (0x04, (10**15).to_bytes(8, "little"))],
)


def fed(wire: bytes, **options: object) -> list[Event]:
    return DRIVER.session(Opening(options=options)).feed(wire)


def only_rejected(wire: bytes, **options: object) -> Rejected:
    [event] = fed(wire, **options)
    assert isinstance(event, Rejected)
    assert event.raw == wire
    return event


def test_the_crc_runs_over_the_whole_frame_with_its_own_bytes_zero() -> None:
    assert crc(STATUS[:4] + b"\0\0" + STATUS[6:]) == 0x89F3
    # The register after the first bytes, as the vendor's loop shows it.
    assert [crc(STATUS[:2]), crc(STATUS[:3])] == [0x930D, 0xBEC5]


def test_frames_built_are_those_worked_out_by_hand() -> None:
    resend = build(Kind.RESEND, [(1, b"\x51\x68\x02\0"), (2, b"\x54\x68\x02\0")])
    assert resend == bytes.fromhex("8e021700f848000004000104516802000204546802008f")
    time = bytes.fromhex("8e021f00ae9c00002400010888f2fab51e830500040200008104131804008f")
    [clock] = fed(time)
    assert isinstance(clock, Clock)
    assert (clock.stamp, clock.form) == (1_551_542_808_933_000_000, StampForm.NAIVE)


@given(body=st.binary(max_size=60), kind=st.integers(0, 0xFFFF))
@settings(max_examples=60, deadline=None)
def test_escaping_is_undone(body: bytes, kind: int) -> None:
    wire = build(kind, [(0x42, body)])
    assert wire[1:-1].find(b"\x8e") == wire[1:-1].find(b"\x8f") == -1
    assert escape(unescape(wire)) == wire
    assert parse(wire) == Frame(kind, {0x42: body})


def test_any_escaped_byte_is_accepted_but_only_three_are_escaped() -> None:
    plain = build(0x77, [(1, b"\x8a\x8b\x8c")])
    eager = plain.replace(b"\x8a\x8b\x8c", b"\x8d\xaa\x8d\xab\x8d\xac")
    assert b"\x8a\x8b\x8c" in plain
    assert parse(eager) == parse(plain)


def test_fields_come_in_any_order() -> None:
    [read] = fed(PASSING)
    assert isinstance(read, Read)
    assert (read.chip, read.seq, read.stamp) == ("197121", 7, 10**18)


def test_utc_is_preferred_to_the_decoders_own_clock() -> None:
    fields = [(0x03, b"\x01"), (0x04, (10**15).to_bytes(8, "little"))]
    wire = build(Kind.PASSING, [*fields, (0x10, (10**15 + 5).to_bytes(8, "little"))])
    [read] = fed(wire)
    assert isinstance(read, Read)
    assert (read.stamp, read.form) == (10**18 + 5000, StampForm.UTC)
    assert extra(wire)["rtc_us"] == 10**15


def test_damage_is_named() -> None:
    assert only_rejected(STATUS[:10] + b"\x7f" + STATUS[11:]).reason is Reason.CHECKSUM
    assert only_rejected(b"\x8e\x02\x8f").reason is Reason.FRAMING
    assert only_rejected(build(Kind.PASSING, [(0x01, b"\x07")])).reason is Reason.FIELD
    late = (5 * 10**15).to_bytes(8, "little")
    assert only_rejected(build(Kind.PASSING, [(0x03, b"\x07"), (0x04, late)])).reason is (
        Reason.FIELD
    )


def test_a_wrong_length_or_a_field_beyond_the_end_is_a_field_error() -> None:
    for body in (b"\x01\x09\x00", b"\x01"):
        head = b"\x8e\x02" + (11 + len(body)).to_bytes(2, "little")
        rest = b"\0\0\x01\0" + body + b"\x8f"
        check = crc(head + b"\0\0" + rest).to_bytes(2, "little")
        assert only_rejected(head + check + rest).reason is Reason.FIELD
    head, rest = b"\x8e\x02\x63\0", b"\0\0\x02\0\x8f"
    check = crc(head + b"\0\0" + rest).to_bytes(2, "little")
    assert only_rejected(head + check + rest).reason is Reason.FIELD


def test_a_crc_of_zero_is_taken_only_if_told_so() -> None:
    wire = STATUS[:4] + b"\0\0" + STATUS[6:]
    assert only_rejected(wire).reason is Reason.CHECKSUM
    assert isinstance(fed(wire, zero_crc=True)[0], Status)


def test_a_beginning_inside_a_frame_costs_that_frame_only() -> None:
    broken, whole = fed(STATUS[:12] + STATUS)
    assert broken == Rejected(STATUS[:12], Reason.FRAMING, "another frame begins in it")
    assert isinstance(whole, Status)


def test_an_endless_frame_is_given_up() -> None:
    session = DRIVER.session(Opening())
    events = session.feed(b"\x8e" + bytes(9_000) + STATUS)
    assert isinstance(events[0], Rejected)
    assert events[0].reason is Reason.OVERLONG
    assert isinstance(events[-1], Status)


def test_terminal_noise_between_frames_is_only_noise() -> None:
    one, noise, two = fed(STATUS + b"\r\n" + STATUS)
    assert isinstance(noise, Rejected)
    assert isinstance(one, Status)
    assert isinstance(two, Status)


@pytest.mark.parametrize(
    ("kind", "fields", "note"),
    [
        (Kind.RESET, [], "reset"),
        (Kind.WATCHDOG, [], "watchdog"),
        (Kind.VERSION, [], "version"),
        (Kind.GET_TIME, [(0x01, b"")], "time request"),
        (0x7777, [(0x01, b"x")], "record 7777"),
        (Kind.ERROR, [(0x01, b"\x04\0")], "error"),
    ],
)
def test_other_records_are_understood(
    kind: int, fields: list[tuple[int, bytes]], note: str
) -> None:
    [event] = fed(build(kind, fields))
    assert isinstance(event, Control)
    assert event.note == note


def test_errors_and_versions_are_told() -> None:
    error, version = fed(
        build(Kind.ERROR, [(0x01, b"\x04\0")])
        + build(Kind.VERSION, [(0x01, b"\x10"), (0x03, b"4.5\0"), (0x81, b"\x13\x18\4\0")])
    )
    assert isinstance(error, Control)
    assert isinstance(version, Status)
    assert error.extra == {"code": 4, "text": "type of record unknown"}
    assert version.fields == {"model": "AMBrc", "firmware": "4.5", "serial": "13180400"}


def test_ascii_records_with_every_quirk() -> None:
    short = lines.build("@", ["101", "5", "77", "46.82", "9", "30", "2", "'FL-1'"])
    [read] = fed(short)
    assert isinstance(read, Read)
    assert read.stamp == 46_820_000_000
    assert extra(short)["code"] == "FL-1"
    [status] = fed(lines.build("#", ["101", "6", "12", "1", "52.1", "5.0"]))
    assert isinstance(status, Status)
    assert status.fields == {"noise": 12, "serial": "101", "gps": True}


def test_ascii_crc_is_a_number_and_not_a_text() -> None:
    number = next(n for n in range(10_000) if crc(b"#\t101\t%d\t0\t" % n) < 0x1000)
    wire = lines.build("#", ["101", str(number), "0"])
    padded = wire.replace(b"\tx", b"\tx0")
    assert isinstance(fed(wire)[0], Status)
    assert isinstance(fed(padded)[0], Status)


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (b"\x01@\t101\t9788\t8110984\t52083.692\t127\t40\t2\tx3DAF\r\n", Reason.CHECKSUM),
        (b"\x01@\t101\t9788\r\n", Reason.FRAMING),
        (lines.build("@", ["101", "5", "77", "46,82", "9", "30", "2"]), Reason.FIELD),
        (lines.build("@", ["101", "five", "77", "46.8", "9", "30", "2"]), Reason.FIELD),
        (lines.build("@", ["101", "5", "x", "46.8", "9", "30", "2"]), Reason.FIELD),
        (lines.build("#", ["101", "5", "loud"]), Reason.FIELD),
        (lines.build("@", ["101", "5"]), Reason.FIELD),
        (lines.build("&", ["101"]), Reason.UNKNOWN),
        (b"#690F\r\n", Reason.UNKNOWN),
        (b"$6900111145018551552D9C00\r\n", Reason.UNKNOWN),
    ],
)
def test_ascii_that_is_not_understood(wire: bytes, reason: Reason) -> None:
    assert only_rejected(wire).reason is reason


def test_options_are_checked() -> None:
    assert DRIVER.check_options({"chip": "code", "resend": False, "zero_crc": True}) == []
    wrong = DRIVER.check_options({"chip": "name", "resend": 1, "speed": 2})
    assert [("allowed" in text) for text in wrong] == [True, True, True]


def test_a_passing_without_a_time_is_placed_by_its_arrival() -> None:
    [read] = fed(build(Kind.PASSING, [(0x03, b"\x07"), (0x81, b"\x13\x18\4\0")]))
    assert isinstance(read, Read)
    assert (read.stamp, read.form, read.key, read.seq) == (0, StampForm.ABSENT, None, None)


def test_a_clock_that_cannot_be_is_refused() -> None:
    late = (5 * 10**15).to_bytes(8, "little")
    assert only_rejected(build(Kind.GET_TIME, [(0x01, late)])).reason is Reason.FIELD


def test_other_frames_have_no_passing_fields() -> None:
    assert extra(STATUS) == {"record": "status"}
    assert extra(lines.build("#", ["101", "6", "0"])) == {"record": "ascii"}
    assert extra(STATUS[:9]) == extra(b"\x01#\t1\tx0\r\n") == {}
    [status] = fed(build(Kind.STATUS, [(0x0B, b"\x05\0")]))
    assert isinstance(status, Status)
    assert status.fields == {"loop_triggers": 5}


def test_an_ascii_record_that_begins_in_another_is_saved() -> None:
    whole = lines.build("#", ["101", "6", "0"])
    torn, status = fed(whole[:6] + whole)
    assert isinstance(torn, Rejected)
    assert torn.raw == whole[:6]
    assert isinstance(status, Status)


def test_an_ascii_record_waits_for_its_end() -> None:
    session = DRIVER.session(Opening())
    whole = lines.build("#", ["101", "6", "0"])
    assert session.feed(whole[:-1]) == []
    assert session.pending == whole[:-1]
    assert session.feed(b"x" * 600)[0] == Rejected(
        whole[:-1] + b"x" * (512 - len(whole) + 1), Reason.OVERLONG, "no end of frame"
    )


def test_bytes_of_a_channel_nobody_opened_are_kept() -> None:
    assert isinstance(DRIVER.session(Opening()).feed(STATUS, "side")[0], Rejected)
