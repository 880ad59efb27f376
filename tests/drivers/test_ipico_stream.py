"""Records and streams: round trip, damage, totality, bounds."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.reads import NS_PER_MS, NS_PER_S, Chip, Read
from bridge.driver_api import (
    Clock,
    Control,
    Kept,
    Marker,
    Opening,
    Reason,
    Rejected,
    Send,
    Sighting,
)
from drivers.ipico import DRIVER, control, records, salvage
from drivers.ipico.decoder import MAX_FRAME, Decoder, decode_line
from tests.support.ipico import kept_only, naive

GOOD = b"aa0005800012860800012603062027472353\r\n"
TTO = b"aa00058000123b3200042603081222022f060060ce\r\n"
GUN = b"ab000a2c26030605200415152782"
CLOCK = b"ab000902260306051855443727cf\r\n"
SIGHTINGS = st.builds(
    Sighting,
    chip=st.integers(0, 2**48 - 1).map(lambda n: Chip(f"{n:012x}")),
    stamp=st.integers(naive("2000-01-01"), naive("2099-12-31T23:59:59")),
)
FRAMES = st.one_of(
    SIGHTINGS.map(DRIVER.encode),
    st.sampled_from([GOOD, TTO, CLOCK, GOOD[:-2] + b"FS\r\n", b"\r\n", b"ARM9 board v1\r\n"]),
)
PIECES = st.one_of(
    FRAMES,
    st.binary(max_size=60),
    st.builds(lambda frame, cut: frame[:cut], FRAMES, st.integers(0, 40)),
    st.builds(lambda n: b"a" * n, st.integers(0, 3 * MAX_FRAME)),
)
STREAMS = st.lists(PIECES, max_size=12).map(b"".join)


def decoded(wire: bytes, size: int = 1 << 16) -> tuple[list[Kept], bytes]:
    decoder = Decoder()
    events: list[Kept] = []
    for at in range(0, len(wire), size):
        events += decoder.feed(wire[at : at + size])
        assert len(decoder.pending) < MAX_FRAME
    return events, decoder.pending


@given(SIGHTINGS)
@settings(deadline=None)
def test_what_is_encoded_is_read(sighting: Sighting) -> None:
    raw = DRIVER.encode(sighting)
    assert len(raw) == 38
    read = DRIVER.session(Opening()).feed(raw)[0]
    assert isinstance(read, Read)
    assert (read.raw, read.chip, read.unit) == (raw, sighting.chip, "00")
    assert read.stamp == sighting.stamp - sighting.stamp % (10 * NS_PER_MS)


@given(STREAMS, st.integers(1, 50))
@settings(max_examples=200, deadline=None)
def test_chunks_change_nothing_and_every_byte_is_kept(stream: bytes, size: int) -> None:
    whole, rest = decoded(stream)
    assert decoded(stream, size) == (whole, rest)
    assert b"".join(event.raw for event in whole) + rest == stream


@given(STREAMS, st.integers(1, 50))
@settings(max_examples=100, deadline=None)
def test_so_it_is_through_an_open_session(stream: bytes, size: int) -> None:
    whole, pieces = DRIVER.session(Opening()), DRIVER.session(Opening())
    for session in (whole, pieces):
        session.opened(0)
        session.closed("control", refused=True)
    by_piece = [
        event for at in range(0, len(stream), size) for event in pieces.feed(stream[at : at + size])
    ]
    at_once = whole.feed(stream)
    assert kept_only(by_piece) == kept_only(at_once)
    assert b"".join(e.raw for e in kept_only(at_once)) + whole.pending == stream
    assert pieces.pending == whole.pending


def test_a_million_random_bytes_are_survived_in_little_memory() -> None:
    noise = random.Random(7).randbytes(1_000_000)
    session = DRIVER.session(Opening())
    session.opened(0)
    kept = b""
    for at in range(0, len(noise), 4096):
        kept += b"".join(e.raw for e in kept_only(session.feed(noise[at : at + 4096])))
        assert len(session.pending) < MAX_FRAME
    assert kept + session.pending == noise


def test_upper_case_is_one_chip_with_lower_case() -> None:
    upper = DRIVER.encode(Sighting(chip=Chip("058000abcdef"), stamp=0)).upper()
    as_sent = upper[:34].replace(b"AA", b"aa", 1)
    as_sent += b"%02X\r\n" % records.lrc(as_sent[2:])
    for raw in (upper, as_sent):
        read = decode_line(raw)[0]
        assert isinstance(read, Read)
        assert read.chip == "058000abcdef"


def test_cut_record_glued_to_a_good_one() -> None:
    line = b"aa0005aa00058001e62a6a00011311301955523c0e\r\n"
    assert len(line.strip()) == 42
    damage, read = decode_line(line)
    assert damage == Rejected(b"aa0005", Reason.FRAMING, "cut or glued")
    assert isinstance(read, Read)
    assert read.raw == b"aa00058001e62a6a00011311301955523c0e\r\n"
    assert read.stamp == naive("2013-11-30T19:55:52.600")


@pytest.mark.parametrize(
    ("line", "kinds"),
    [
        (GOOD.strip() + GOOD, [Read, Read]),
        (GOOD.strip() + TTO, [Read, Read]),
        (TTO.strip() + GOOD, [Read, Read]),
        (b"\\f0 " + GOOD.strip() + b"\\\r\n", [Rejected, Read, Rejected]),
        (GOOD[:17] + CLOCK, [Rejected, Clock]),
        (GOOD.strip() + CLOCK, [Read, Clock]),
        (GOOD.strip() + b"FS" + GOOD, [Read, Read]),
        (GOOD[:30] + b"\xff\xff" + GOOD[:-2] + b"\n", [Rejected, Read]),
    ],
)
def test_salvage(line: bytes, kinds: list[type]) -> None:
    events = decode_line(line)
    assert [type(event) for event in events] == kinds
    assert b"".join(event.raw for event in events) == line


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (GOOD.replace(b"53\r", b"54\r"), Reason.CHECKSUM),
        (GOOD.replace(b"128608", b"128609"), Reason.CHECKSUM),
        (CLOCK.replace(b"cf\r", b"ce\r"), Reason.CHECKSUM),
        (records.record_line("058000128608", 0).replace(b"700101", b"701301"), Reason.CHECKSUM),
        (b"ab000203aabb" + b"%02x\r\n" % records.lrc(b"000203aabb"), Reason.UNKNOWN),
        (b"ab0009020203\r\n", Reason.FRAMING),
        (b"garbage\r\n", Reason.FRAMING),
        (b"\xff\xfe\r\n", Reason.FRAMING),
    ],
)
def test_rejected_by_reason(line: bytes, reason: Reason) -> None:
    (event,) = decode_line(line)
    assert isinstance(event, Rejected)
    assert (event.raw, event.reason) == (line, reason)


def with_time(digits: bytes) -> bytes:
    body = b"000580001286080001" + digits
    return b"aa%s%02x\r\n" % (body, records.lrc(body))


@pytest.mark.parametrize(
    "digits",
    [
        b"26130620274723",
        b"26023020274723",
        b"26030624274723",
        b"26030620604723",
        b"26030620276023",
        b"26030620274764",
        b"2603a620274723",
    ],
)
def test_times_that_do_not_exist_are_field_errors(digits: bytes) -> None:
    (event,) = decode_line(with_time(digits))
    assert isinstance(event, Rejected)
    assert event.reason is Reason.FIELD


def test_the_fast_path_finds_them_too() -> None:
    good = with_time(b"26030620274763")
    wire = good * 3 + with_time(b"26030620274764") + good.replace(b"8608", b"8609") + good
    events, _ = decoded(wire)
    kinds = [type(event) for event in events]
    assert kinds == [Read, Read, Read, Rejected, Rejected, Read]
    assert {e.stamp for e in events if isinstance(e, Read)} == {naive("2026-03-06T20:27:47.990")}


def test_more_seconds_than_are_kept_are_all_right() -> None:
    stamps = [naive("2026-01-01") + n * NS_PER_S for n in range(10_000)]
    wire = b"".join(DRIVER.encode(Sighting(chip=Chip("058000000001"), stamp=s)) for s in stamps)
    assert [e.stamp for e in decoded(wire)[0] if isinstance(e, Read)] == stamps


@pytest.mark.parametrize("data", ["2603060520041564", "2613060520041500", "260306052004150027"])
def test_control_frames_with_impossible_fields(data: str) -> None:
    for code in (control.GET_CLOCK, control.TRIGGER):
        event = control.decode_line(control.build(code, bytes.fromhex(data) + b"\x27\x82\x27"))
        assert isinstance(event, Rejected)
        assert event.reason is Reason.FIELD
    (bad_month,) = decode_line(
        control.build(control.GET_CLOCK, bytes.fromhex("261306052004150027"))
    )
    (bad_day,) = decode_line(control.build(control.TRIGGER, bytes.fromhex("26023005200415002782")))
    assert isinstance(bad_month, Rejected)
    assert isinstance(bad_day, Rejected)


def test_clock_digits_that_are_none() -> None:
    data = bytes.fromhex("26a306052004150027")
    event = control.decode_line(control.build(control.GET_CLOCK, data))
    assert isinstance(event, Rejected)
    assert event.reason is Reason.FIELD


@pytest.mark.parametrize("data", ["0199522002a855520f", "015552ffff555201f4", "0155"])
def test_clock_steps_with_impossible_fields(data: str) -> None:
    event = control.decode_line(control.build(control.CLOCK_STEP, bytes.fromhex(data)))
    assert isinstance(event, Rejected)


def test_a_very_old_board_replies_with_the_tag_header() -> None:
    reply = CLOCK.replace(b"ab", b"aa", 1)
    (event,) = decode_line(reply)
    assert isinstance(event, Clock)


def test_the_other_headers_and_odd_notes() -> None:
    notes = {
        line: event.note
        for line in (b"ac000002\r\n", b"ad0102\r\n", b"ae01\r\n", b"\n", b"--- spacer\r\n")
        for event in decode_line(line)
        if isinstance(event, Control)
    }
    assert len(notes) == 5
    (query,) = decode_line(b"ab00ff118e\r\n")
    assert isinstance(query, Control)
    assert query.note == "query 11"
    (erase,) = decode_line(control.build(control.MEMORY, bytes([0xD0, 3, 0x59])))
    assert isinstance(erase, Control)


def test_a_gun_glued_behind_a_cut_record_is_kept() -> None:
    gun = b"ab000a2c260306052004151b2782ae\r\n"
    damage, marker = decode_line(GOOD[:21] + gun)
    assert isinstance(damage, Rejected)
    assert isinstance(marker, Marker)
    assert marker.raw == gun


def test_an_endless_line_still_gives_its_records() -> None:
    events, rest = decoded((GOOD.strip() + b"#") * 200)
    events += decode_line(rest)
    assert sum(isinstance(event, Read) for event in events) == 200
    assert {e.reason for e in events if isinstance(e, Rejected)} <= {
        Reason.FRAMING,
        Reason.OVERLONG,
    }


def test_overlong_noise_keeps_back_less_than_a_record() -> None:
    used, events = salvage.overlong(b"x" * MAX_FRAME)
    assert used == MAX_FRAME - 43
    assert [type(event) for event in events] == [Rejected]


def test_any_chip_text_can_be_forwarded() -> None:
    chips = ["058000128608", "0580001286AB", "KL-4711", "300833b2ddd9014000000001", ""]
    lines = [DRIVER.encode(Sighting(chip=Chip(chip), stamp=naive("2026-05-05"))) for chip in chips]
    assert [len(line) for line in lines] == [38] * 5
    assert len({read.chip for read in decoded(b"".join(lines))[0] if isinstance(read, Read)}) == 5


def binary(stamp_hex: str = "260306202747", hundredths: int = 35) -> bytes:
    body = bytes.fromhex("010580001286080203") + bytes.fromhex(stamp_hex)
    body += bytes([hundredths])
    return b"\xaa" + body + bytes([sum(body) & 0xFF]) + b"\r\n"


@given(
    st.lists(st.one_of(st.just(binary()), st.binary(max_size=90)), max_size=8).map(b"".join),
    st.integers(1, 30),
)
@settings(deadline=None)
def test_binary_streams(stream: bytes, size: int) -> None:
    opening = Opening(options={"binary": True})
    whole, pieces = DRIVER.session(opening), DRIVER.session(opening)
    at_once = whole.feed(stream)
    by_piece = []
    for at in range(0, len(stream), size):
        by_piece += pieces.feed(stream[at : at + size])
        assert len(pieces.pending) < 84
    assert by_piece == at_once
    assert b"".join(e.raw for e in kept_only(at_once)) + whole.pending == stream


def test_binary_records() -> None:
    session = DRIVER.session(Opening(options={"binary": True}))
    assert session.opened(0) == session.tick(1) == session.closed("x", refused=True) == []
    noise = b"\xaa\x00"
    wire = noise + binary() + binary(hundredths=100) + binary("261306202747")
    rejected, read, *bad = session.feed(wire + binary())
    assert rejected == Rejected(noise, Reason.FRAMING, "no binary record")
    assert isinstance(read, Read)
    assert (read.chip, read.unit) == ("058000128608", "01")
    assert read.stamp == naive("2026-03-06T20:27:47.350")
    fields_of = DRIVER.extra
    assert fields_of(read.raw) == {"i": 2, "q": 3}
    assert [type(event) for event in bad] == [Rejected, Rejected, Read]


def test_nothing_is_sent_for_bytes_heard_before_the_link_is_opened() -> None:
    session = DRIVER.session(Opening())
    step = control.build(control.CLOCK_STEP, bytes.fromhex("01555202a8555201f4"))
    assert not [e for e in session.feed(step + CLOCK) if isinstance(e, Send)]
