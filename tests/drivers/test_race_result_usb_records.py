"""USB Timing Box: the published conversation, stamps with and without a reference, damage."""

import pytest

from bridge.domain.reads import DAY_NS, Read, StampForm
from bridge.driver_api import (
    Chip,
    Clock,
    Control,
    Kept,
    Marker,
    Opening,
    Reason,
    Rejected,
    Sighting,
)
from drivers.race_result_usb import DRIVER
from drivers.race_result_usb.records import TICK_NS, signed
from tests.support.timers import VECTORS, decoded, kinds, naive, reads, wire_of

NAME = "usb_timing_box_19200.transcript.txt"
fields_of = DRIVER.extra
RECORD = b"GLBAS60;0718;01521527;0c;08;9f;1a;0;1;2;00;0\n"


def boxes_bytes() -> bytes:
    """What the box says in the published conversation."""
    lines = wire_of("race_result_usb", NAME).decode().splitlines()
    return "".join(f"{line[3:]}\n" for line in lines if line.startswith("B>")).encode()


@pytest.mark.parametrize("chunk", [1, 7, 4096])
def test_the_published_conversation(chunk: int) -> None:
    events = decoded(DRIVER, boxes_bytes(), chunk)
    assert kinds(events) == {"Read": 2, "Control": 4}
    first, second = reads(events)
    assert first == Read(
        raw=RECORD,
        chip=Chip("GLBAS60"),
        # 22,578 ticks behind the reference of 2009-06-20T09:22:13Z: 88.1953125 s.
        stamp=naive("2009-06-20T09:23:41.195312") + 500,
        form=StampForm.UTC,
        antenna=3,
        rssi=-90.0,
        seq=0,
        key="GLBAS60/0718/01521527",
    )
    assert (second.chip, second.seq) == ("GLBAS70", 1)
    assert second.stamp - first.stamp == 15 * TICK_NS
    assert fields_of(first.raw) == {
        "ticks": 0x01521527,
        "hits": 12,
        "loop_strength": 9,
        "battery_v": 3.1,
        "temperature_c": 26,
        "loop_only": 0,
        "loop_id": 2,
        "channel": 3,
        "wakeup_counter": 0x718,
        "active_flags": 0,
        "internal": "0",
    }
    [reference, passings] = [e for e in events if isinstance(e, Control) and b";00" in e.raw][1:]
    assert reference.extra["values"] == [0x4A3CAA45, 0x0151BCF5]
    assert passings == Control(
        b"PASSINGGET;00\n00000000;03\n",
        "reply",
        {"command": "PASSINGGET", "code": "00", "values": [0, 3]},
    )


def test_every_vector_is_looked_at() -> None:
    assert [path.name for path in (VECTORS / "race_result_usb").iterdir()] == [NAME]


def test_without_a_reference_stamps_count_from_the_start_of_the_box() -> None:
    [read] = reads(decoded(DRIVER, RECORD))
    assert (read.stamp, read.form) == (0x01521527 * TICK_NS, StampForm.TIME_OF_DAY)
    assert read.seq is None


@pytest.mark.parametrize("pair", [b"00000000;00000000", b"00000000;0151bcf5"])
def test_a_reference_that_was_forgotten_counts_no_more(pair: bytes) -> None:
    known = b"EPOCHREFGET;00\n4a3caa45;0151bcf5\n\n"
    forms = [read.form for read in reads(decoded(DRIVER, known + RECORD))]
    assert forms == [StampForm.UTC]
    gone = b"EPOCHREFGET;00\n%b\n\n" % pair
    forms = [read.form for read in reads(decoded(DRIVER, known + gone + RECORD))]
    assert forms == [StampForm.TIME_OF_DAY]
    banner = b"rrActive 2.6\nAUTOBOOT\n"
    forms = [read.form for read in reads(decoded(DRIVER, known + banner + RECORD))]
    assert forms == [StampForm.TIME_OF_DAY]


def test_passings_before_the_reference_was_set_lie_before_it() -> None:
    known = b"EPOCHREFGET;00\n4a3caa45;01521528\n\n"
    [read] = reads(decoded(DRIVER, known + RECORD))
    assert read.stamp == 0x4A3CAA45 * 10**9 - TICK_NS
    early = b"EPOCHREFGET;00\n00000001;01621527\nTIMESTAMPGET;00\n01521527\n\n"
    events = decoded(DRIVER, early + RECORD)
    assert not [event for event in events if isinstance(event, Clock)]
    assert isinstance(events[-1], Rejected)
    assert events[-1].reason is Reason.FIELD


@pytest.mark.parametrize(
    ("reference", "form", "stamp"),
    [
        (b"", StampForm.TIME_OF_DAY, 0x01521527 * TICK_NS),
        (
            b"EPOCHREFGET;00\n4a3caa45;0151bcf5\n\n",
            StampForm.UTC,
            naive("2009-06-20T09:23:41.195312") + 500,
        ),
    ],
)
def test_the_counter_is_a_clock(reference: bytes, form: StampForm, stamp: int) -> None:
    events = decoded(DRIVER, reference + b"TIMESTAMPGET;00\n01521527\n\n")
    [clock] = [event for event in events if isinstance(event, Clock)]
    assert (clock.form, clock.stamp, clock.extra) == (form, stamp, {"ticks": 0x01521527})


def test_the_button_is_a_marker() -> None:
    [marker] = decoded(DRIVER, RECORD.replace(b"GLBAS60", b"_____127"))
    assert isinstance(marker, Marker)
    assert (marker.name, marker.key) == ("trigger", "_____127/0718/01521527")
    assert marker.extra["hits"] == 12


@pytest.mark.parametrize("prefix", [b"#P;", b"#P;0000002a;"])
def test_pushed_passings(prefix: bytes) -> None:
    [read] = reads(decoded(DRIVER, b"\0\0" + prefix + RECORD.replace(b"\n", b"\r\n")))
    assert (read.chip, read.key) == ("GLBAS60", "GLBAS60/0718/01521527")
    assert read.seq == (42 if len(prefix) > 3 else None)


def test_numbers_go_on_behind_a_damaged_record() -> None:
    wire = b"PASSINGGET;00\n00000010;03\n%b%b%b\n" % (RECORD, RECORD[:20] + b"\xff\n", RECORD)
    events = decoded(DRIVER, wire)
    assert [read.seq for read in reads(events)] == [16, 18]
    assert kinds(events) == {"Read": 2, "Rejected": 1, "Control": 2}


def test_an_answer_without_passings_is_kept_in_one_piece() -> None:
    wire = b"PASSINGGET;00\n00000003;00\n\n"
    session = DRIVER.session(Opening())
    assert session.feed(wire[:20]) == []
    assert session.pending == wire[:20]
    assert [event.raw for event in decoded(DRIVER, wire)] == [wire]
    [cut, begun] = decoded(DRIVER, b"PASSINGGET;00\nPASSINGGET;11\n\n")
    assert isinstance(cut, Control)
    assert isinstance(begun, Control)
    assert (cut.note, begun.note) == ("reply", "error")


def rejected(events: list[Kept]) -> list[Reason]:
    return [event.reason for event in events if isinstance(event, Rejected)]


def test_what_is_no_line_of_a_box() -> None:
    assert rejected(decoded(DRIVER, b"x" * 160 + b"\n")) == [Reason.OVERLONG]
    assert rejected(decoded(DRIVER, b"0151bcf5\n")) == [Reason.FRAMING]
    assert rejected(decoded(DRIVER, b"hello\n")) == [Reason.FRAMING]
    assert rejected(decoded(DRIVER, b"INFOGET;00\nT-10123\n\n")) == []
    assert rejected(decoded(DRIVER, b"INFOGET;00\nT\xff\n\n")) == [Reason.FRAMING]
    session = DRIVER.session(Opening())
    [event] = session.feed(b"x", "other")
    assert rejected([event] if isinstance(event, Rejected) else []) == [Reason.UNKNOWN]


@pytest.mark.parametrize(
    ("sighting", "line"),
    [
        (
            Sighting(chip=Chip("GLBAS60"), stamp=DAY_NS + 256 * TICK_NS + 5, antenna=3, seq=2),
            b"GLBAS60;0002;00000100;0c;79;9f;1a;0;0;2;00;0\n",
        ),
        (
            Sighting(chip=Chip("a;b c"), stamp=0, antenna=99, rssi=-200.0),
            b"abc;0001;00000000;0c;09;9f;1a;0;0;7;00;0\n",
        ),
        (Sighting(chip=Chip("\u00e9"), stamp=0), b"0;0001;00000000;0c;79;9f;1a;0;0;0;00;0\n"),
    ],
)
def test_what_is_written(sighting: Sighting, line: bytes) -> None:
    assert DRIVER.encode(sighting) == line
    [read] = reads(decoded(DRIVER, line))
    assert read.antenna == min(sighting.antenna, 8)


def test_degrees_below_zero() -> None:
    assert [signed(value) for value in (0x1A, 0x7F, 0xF0)] == [26, 127, -16]
    assert fields_of(b"noise\n") == {}
