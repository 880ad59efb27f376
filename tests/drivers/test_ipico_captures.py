"""Every capture and log, decoded: counts, first and last reads, guns, clocks."""

from collections import Counter

import pytest

from bridge.domain.reads import NS_PER_MS, NS_PER_S, Read, StampForm
from bridge.driver_api import (
    Clock,
    ClockStep,
    Control,
    Kept,
    Marker,
    Opening,
    Rejected,
    Send,
    Status,
)
from drivers.ipico import DRIVER
from drivers.ipico.control import Frame, frame_of, memory_of
from drivers.ipico.decoder import Decoder
from drivers.ipico.ledger import Ledger
from tests.support.ipico import VECTORS, kept_only, naive, reader_bytes

NAMES = sorted(
    path.name for path in VECTORS.iterdir() if path.name.startswith(("lite_", "elite_", "single"))
)
# reads, guns, clocks, steps, statuses, controls, rejected
COUNTS = {
    "elite_port10200_fsls_a.log": (856, 0, 0, 0, 0, 0, 0),
    "lite_clockset_0x4c.lines.tsv": (0, 0, 41, 8, 2, 9, 0),
    "lite_connect_disconnect.lines.tsv": (0, 0, 5, 0, 6, 12, 0),
    "lite_connect_session.lines.tsv": (0, 0, 8, 1, 9, 19, 0),
    "lite_download_empty.lines.tsv": (0, 0, 1, 0, 7, 0, 0),
    "lite_download_stored_first20s.lines.tsv": (967, 0, 0, 0, 7, 0, 0),
    "lite_fsls_mode_multiple.segments.tsv": (3, 0, 1, 0, 2, 0, 0),
    "lite_fsls_mode_single.segments.tsv": (1, 0, 1, 0, 2, 0, 0),
    "lite_fsls_mode_tto_toggle.lines.tsv": (18, 0, 7, 0, 14, 14, 0),
    "lite_raw_mode_4tags_joined_midstream.segments.tsv": (41, 0, 1, 0, 1, 1, 0),
    "lite_raw_mode_live.segments.tsv": (156, 0, 0, 0, 0, 0, 0),
    "lite_setclock_x5.lines.tsv": (0, 0, 28, 2, 6, 5, 0),
    "lite_settime.lines.tsv": (0, 0, 6, 0, 6, 13, 0),
    "lite_tagformat_query.lines.tsv": (0, 0, 1, 0, 4, 4, 0),
    "lite_trigger_button.segments.tsv": (0, 1, 1, 0, 1, 1, 0),
    "lite_usb_TAGDATA_1-2200.txt": (2200, 0, 0, 0, 0, 0, 0),
    "lite_usb_TAGDATA_46205-46220_trigger.txt": (15, 1, 0, 0, 0, 0, 0),
    "lite_usb_TAGDATA_70100-70130_truncated.txt": (30, 0, 0, 0, 0, 0, 1),
    "lite_usb_TAGDATA_70260-70326_trigger_status.txt": (59, 1, 0, 0, 0, 7, 0),
    "single_lines_from_manuals_and_repos.txt": (6, 1, 1, 0, 0, 2, 0),
}

fields_of = DRIVER.extra


def decoded(wire: bytes, chunk: int = 1 << 16) -> list[Kept]:
    decoder = Decoder()
    events: list[Kept] = []
    for at in range(0, len(wire), chunk):
        events += decoder.feed(wire[at : at + chunk])
    return events + decoder.flush()


def counted(events: list[Kept]) -> tuple[int, ...]:
    kinds = Counter(type(event) for event in events)
    order = (Read, Marker, Clock, ClockStep, Status, Control, Rejected)
    return tuple(kinds[kind] for kind in order)


def read_at(event: Kept) -> tuple[str, int]:
    assert isinstance(event, Read)
    assert event.form is StampForm.NAIVE
    assert (event.antenna, event.rssi, event.key) == (None, None, None)
    return event.chip, event.stamp


def test_every_capture_has_its_counts() -> None:
    assert {name: counted(decoded(reader_bytes(name))) for name in NAMES} == COUNTS


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("chunk", [1, 7, 4096])
def test_chunks_change_nothing_and_every_byte_is_kept(name: str, chunk: int) -> None:
    wire = reader_bytes(name)
    events = decoded(wire, chunk)
    assert events == decoded(wire)
    assert b"".join(event.raw for event in events) == wire


def test_first_and_last_reads() -> None:
    log = decoded(reader_bytes("lite_usb_TAGDATA_1-2200.txt"))
    assert read_at(log[0]) == ("058001e5a02d", naive("2016-10-18T11:29:37.620"))
    elite = decoded(reader_bytes("elite_port10200_fsls_a.log"))
    assert read_at(elite[0]) == ("058001e9df91", naive("2018-10-13T09:23:42.250"))
    assert {event.unit for event in elite if isinstance(event, Read)} == {"01", "02"}
    stored = decoded(reader_bytes("lite_download_stored_first20s.lines.tsv"))
    reads = [event for event in stored if isinstance(event, Read)]
    assert read_at(reads[0]) == ("058000123b32", naive("2026-03-07T13:48:50.500"))


def test_extra_fields() -> None:
    elite = reader_bytes("elite_port10200_fsls_a.log").splitlines(keepends=True)
    suffixes = Counter(fields_of(line)["suffix"] for line in elite)
    assert suffixes["FS"] + suffixes["LS"] == 856
    assert fields_of(elite[0]) == {"i": 0, "q": 1, "suffix": "FS"}
    tto = decoded(reader_bytes("lite_fsls_mode_tto_toggle.lines.tsv"))
    blocks = [fields_of(event.raw).get("tto") for event in tto if isinstance(event, Read)]
    assert blocks[9:12] == ["060080", "060060", "060080"]
    assert fields_of(b"aa0005") == {}


def test_the_cut_record_is_damage_and_its_neighbours_are_reads() -> None:
    events = decoded(reader_bytes("lite_usb_TAGDATA_70100-70130_truncated.txt"))
    assert [e.raw for e in events if isinstance(e, Rejected)] == [b"1404070923540e43\r\n"]


def test_guns() -> None:
    guns = {
        name: [(e.name, e.stamp, e.extra["event"]) for e in events if isinstance(e, Marker)]
        for name in NAMES
        if (events := decoded(reader_bytes(name)))
    }
    assert {name: found for name, found in guns.items() if found} == {
        "lite_trigger_button.segments.tsv": [("gun", naive("2026-03-06T20:04:15.270"), "82")],
        "lite_usb_TAGDATA_46205-46220_trigger.txt": [
            ("gun", naive("2016-10-25T11:20:26.450"), "02")
        ],
        "lite_usb_TAGDATA_70260-70326_trigger_status.txt": [
            ("gun", naive("2013-11-30T20:37:37.180"), "02")
        ],
        "single_lines_from_manuals_and_repos.txt": [
            ("gun", naive("2008-11-18T12:15:30.980"), "02")
        ],
    }


def test_clocks() -> None:
    events = decoded(reader_bytes("lite_connect_session.lines.tsv"))
    clock = next(event for event in events if isinstance(event, Clock))
    assert clock.stamp == naive("2026-03-06T18:55:44.550")
    assert (clock.asked, clock.extra) == (False, {"config1": "27"})
    step = next(event for event in events if isinstance(event, ClockStep))
    minute = 55 * 60 * NS_PER_S
    assert (step.before, step.after) == (
        minute + 52_680 * NS_PER_MS,
        minute + 52_500 * NS_PER_MS,
    )
    assert step.detail.startswith("55:52.680 -> 55:52.500")


def test_status_of_a_memory_with_records() -> None:
    first = decoded(reader_bytes("lite_download_stored_first20s.lines.tsv"))[0]
    assert isinstance(first, Status)
    assert first.fields == {
        "operating": True,
        "stored": 2 * 1423 + 1270,
        "playing": False,
        "played": 0,
        "capacity": 128_070,
    }


def test_settings_and_notes() -> None:
    events = decoded(reader_bytes("lite_connect_session.lines.tsv"))
    notes = [event.note for event in events if isinstance(event, Control)]
    assert "acknowledgement 37" in notes
    assert "text" in notes
    assert "empty line" in notes
    assert "error f2: unknown instruction" in notes
    modes = [e.fields["mode"] for e in events if isinstance(e, Status) and "mode" in e.fields]
    assert modes == ["event", "raw", "event"]
    counters = next(e.fields for e in events if isinstance(e, Status))
    assert counters["power_ups"] == 0
    layouts = decoded(reader_bytes("lite_fsls_mode_tto_toggle.lines.tsv"))
    tto = [e.extra["tto"] for e in layouts if isinstance(e, Control) and "tto" in e.extra]
    assert tto[:4] == [True, True, True, False]


def test_write_cursor_grows_by_the_lines_received() -> None:
    ledger, verdicts = Ledger(None, 0), []
    for event in decoded(reader_bytes("lite_fsls_mode_tto_toggle.lines.tsv")):
        if isinstance(event, Read):
            ledger.lines += 1
        frame = frame_of(event.raw)
        memory = memory_of(frame) if isinstance(frame, Frame) else None
        if memory:
            verdicts.append((ledger.observe(memory.written), ledger.lines))
    assert verdicts == [(0, 0)] * 7


def test_the_session_decodes_like_the_decoder_and_says_nothing_of_its_own() -> None:
    for name in NAMES:
        session = DRIVER.session(Opening())
        wire = reader_bytes(name)
        events = session.feed(wire)
        assert b"".join(event.raw for event in kept_only(events)) + session.pending == wire
        assert not any(isinstance(event, Send) for event in events)
