"""Production traffic and the vendor's examples, byte for byte."""

from collections import Counter

import pytest

from bridge.domain.reads import Read
from bridge.driver_api import Control, Kept, Marker, Opening, Reason, Rejected, StampForm, Status
from drivers.mylaps import DRIVER
from tests.support.mylaps import VECTORS, kept_of, reads_of, sent, session_of, wire_of

told_of = DRIVER.extra
CAPTURES = {
    "ts_v1_acked_backlog_20250416.jsonl": {Read: 1590, Status: 8, Control: 68},
    "ts_v1_auth_locations_info_20250410.jsonl": {Status: 5, Control: 17},
    "ts_v1_handshake_marker_blocks_20250413.jsonl": {Marker: 3, Status: 4, Control: 85},
    "ts_v1_multilocation_resend_20250410.jsonl": {Read: 120, Control: 124},
    "ts_v1_reconnect_msgno_reused_20250411.jsonl": {Read: 53, Status: 1, Control: 27},
    "ts_v1_store_20170514.txt": {Read: 4, Control: 1},
    "ts_v1_unacked_resend_20250410.jsonl": {Read: 120, Status: 1, Control: 12},
    "ts_v2_champchip_20170519.txt": {Read: 21, Control: 3},
    "ts_v2_split_across_reads_20170519.txt": {Read: 8},
    "vendor_doc_examples.txt": {Read: 2, Marker: 2, Status: 3, Control: 12, Rejected: 3},
    "vendor_doc_examples_restored.txt": {Read: 2, Control: 1},
}


@pytest.mark.parametrize("name", CAPTURES)
def test_every_frame_is_understood_and_every_byte_accounted_for(name: str) -> None:
    stream = wire_of(name)
    events, pending = kept_of(stream)
    assert Counter(map(type, events)) == CAPTURES[name]
    assert b"".join(event.raw for event in events) + pending == stream.replace(b"secret", b"******")
    assert pending == b""


@pytest.mark.parametrize("name", CAPTURES)
@pytest.mark.parametrize("size", [1, 7, 333])
def test_cutting_a_capture_changes_nothing(name: str, size: int) -> None:
    stream = wire_of(name)
    assert kept_of(stream, size) == kept_of(stream)


def test_every_capture_has_its_expectation() -> None:
    assert {path.name for path in VECTORS.iterdir()} == {*CAPTURES, "README.md"}


def test_the_first_record_of_the_backlog() -> None:
    first = reads_of(wire_of("ts_v1_acked_backlog_20250416.jsonl"))[0]
    assert first == Read(
        raw=b"5Km@Store@000122806:15:31.82711 01  1D65725041339@",
        chip=first.chip,
        stamp=1_744_524_931_827_000_000,  # 2025-04-13 06:15:31.827, of a clock without zone
        form=StampForm.NAIVE,
        unit="5Km",
        seq=54_871,
        key="5Km/0001228/250413 06:15:31.827/11/D657",
    )
    assert first.chip == "0001228"
    assert told_of(first.raw) == {
        "device": 11, "reader_number": 0, "antenna_or_hits": "1", "lap": 1, "sequence": "D657",
    }  # fmt: skip


def test_the_numbers_of_one_device_are_whole_but_not_in_order() -> None:
    numbers = [read.seq for read in reads_of(wire_of("ts_v1_acked_backlog_20250416.jsonl"))]
    assert None not in numbers
    known = [number for number in numbers if number is not None]
    assert sorted(known) == list(range(min(known), min(known) + 1590))
    assert known != sorted(known)


@pytest.mark.parametrize(
    ("name", "location"),
    [
        ("ts_v1_unacked_resend_20250410.jsonl", "Start"),
        ("ts_v1_multilocation_resend_20250410.jsonl", "MTB Split 4Km"),
    ],
)
def test_the_same_frame_again_is_the_same_reads(name: str, location: str) -> None:
    reads = reads_of(wire_of(name))
    assert len({read.key for read in reads}) == 30
    assert {read.unit for read in reads} == {location}


def test_a_number_used_again_after_a_reconnect_makes_no_duplicates_of_others() -> None:
    before = reads_of(wire_of("ts_v1_unacked_resend_20250410.jsonl"))
    after = reads_of(wire_of("ts_v1_reconnect_msgno_reused_20250411.jsonl"))
    assert len({read.key for read in after}) == 53
    assert {read.key for read in before} < {read.key for read in after}


def test_marker_of_version_1() -> None:
    events, _ = kept_of(wire_of("ts_v1_handshake_marker_blocks_20250413.jsonl"))
    markers = [event for event in events if isinstance(event, Marker)]
    assert {(m.name, m.unit, m.key) for m in markers} == {
        (
            "gun",
            "Start - Finish",
            "Start - Finish/2025-04-13 05:57:56.027|ext-gun|Extern gunshot",
        )
    }
    assert markers[0].form is StampForm.NAIVE
    assert markers[0].extra == {"type": "ext-gun", "text": "Extern gunshot"}


def test_location_names_are_cut_at_the_first_equals_sign() -> None:
    events, _ = kept_of(wire_of("ts_v1_acked_backlog_20250416.jsonl"))
    [told] = [e for e in events if isinstance(e, Control) and e.note == "locations"]
    assert told.extra["locations"] == ["Start - Finish", "21Km = 2Km", "3Km", "5Km"]


def test_version_2_lines() -> None:
    reads = reads_of(wire_of("ts_v2_champchip_20170519.txt"))
    assert (reads[0].chip, reads[0].unit, reads[0].antenna) == ("CR43438", "jjj", None)
    assert reads[0].stamp == 1_495_204_680_132_000_000
    extra = told_of(reads[0].raw)
    assert (extra["chip_type"], extra["lap"], extra["device"]) == ("CX", 1, 1)
    assert "antenna" not in extra  # -1: not known
    assert "bib" not in extra


def test_every_record_of_the_manual_lost_a_blank_in_print() -> None:
    events, _ = kept_of(wire_of("vendor_doc_examples.txt"))
    rejected = [event for event in events if isinstance(event, Rejected)]
    assert [event.reason for event in rejected] == [Reason.CHECKSUM] * 3
    assert [read.chip for read in reads_of(wire_of("vendor_doc_examples_restored.txt"))] == [
        "0RK9T6N",
        "0RK9T6N",
    ]


def test_the_manual_s_other_examples() -> None:
    events, _ = kept_of(wire_of("vendor_doc_examples.txt"))
    chips = {event.chip: event for event in events if isinstance(event, Read)}
    assert set(chips) == {"0000041", "0000039"}
    assert chips["0000041"].antenna is None  # a mask, and nobody says which end is antenna 1
    bare, dated = [event for event in events if isinstance(event, Marker)]
    assert (bare.name, bare.form) == ("gun", StampForm.TIME_OF_DAY)
    assert bare.stamp == 39_820_347_000_000
    assert (dated.name, dated.form) == ("gun", StampForm.NAIVE)
    race = [event for event in events if isinstance(event, Status)][-1]
    assert race.fields == {"race": "My 5K Race", "race_date": "2012-06-21"}


def test_a_capture_answered_live_is_acknowledged_frame_by_frame() -> None:
    session = session_of()
    answers = sent(session.feed(wire_of("ts_v1_acked_backlog_20250416.jsonl")))
    acks = [answer for answer in answers if b"AckStore" in answer]
    assert acks == [b"chip-bridge@AckStore@%d@$" % number for number in range(2, 55)]
    pongs = [answer for answer in answers if b"AckPong" in answer]
    assert len(pongs) == 4
    assert len(set(pongs)) == 1


def test_decoding_alone_says_nothing() -> None:
    session = DRIVER.session(Opening())
    events = session.feed(wire_of("ts_v1_acked_backlog_20250416.jsonl"))
    assert all(isinstance(event, Kept) for event in events)
    assert session.tick(10**18) == []
