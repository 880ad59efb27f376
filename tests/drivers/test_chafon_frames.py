"""Chafon: recorded frames of the older and the newer kind, told apart by their bytes."""

import pytest

from bridge.driver_api import Chip, Control, Opening, Reason, Rejected, Sighting, Status
from drivers.chafon import DRIVER, older, prime, wire
from tests.support.modules import decoded, fields, reads, recorded, rejected

WIRE = recorded("chafon")
PRIME = recorded("chafon", "prime_replies")
EPC = "000000000000000000000313"
OTHER = "000000000000000000000314"


def test_recorded_frames() -> None:
    events = decoded(DRIVER, *WIRE[:-1])
    assert b"".join(event.raw for event in events) == b"".join(WIRE[:-1])
    assert [(read.chip, read.antenna, read.rssi) for read in reads(events)] == [
        (EPC, None, None),
        (EPC, None, None),
        (OTHER, None, None),
        (EPC, 1, 107),
        ("3039606303C74380001A0559", 1, 0x40),
        (EPC, 1, 107),
        (OTHER, 1, 108),
    ]
    assert not rejected(events)
    health = [event.fields for event in events if isinstance(event, Status)]
    info = {"firmware": "3.1", "model": "86", "power_dbm": 26, "scan_s": 0.3}
    assert health == [info, {"serial": "17439015"}]


def test_stored_tags_are_no_reads_of_now() -> None:
    [frame] = [frame for frame in WIRE if frame[2] == older.READ_BUFFER and len(frame) > 5]
    [event] = decoded(DRIVER, frame)
    assert isinstance(event, Control)
    assert "E20000173804007111909EE5" in str(event.extra["data"])


def test_a_wrong_crc_is_rejected_and_what_follows_is_read() -> None:
    events = decoded(DRIVER, WIRE[2], WIRE[-1], WIRE[3])
    assert events[1] == Rejected(WIRE[-1], Reason.CHECKSUM)
    assert len(reads(events)) == 2


def test_worked_examples() -> None:
    assert wire.older(older.INFO) == bytes.fromhex("04FF211995")
    assert wire.older(older.INFO, address=0) == bytes.fromhex("040021D96A")
    assert wire.older(older.INVENTORY, address=0) == bytes.fromhex("040001DB4B")
    asked = wire.older(older.INVENTORY, bytes.fromhex("0400008003"))
    assert asked == bytes.fromhex("09FF01040000800346C9")
    assert wire.older(older.MODE, b"\x01") == bytes.fromhex("05FF7601181E")
    assert wire.newer(prime.INFO) == bytes.fromhex("CFFF0070002415")
    assert wire.newer(prime.PARAMETERS) == bytes.fromhex("CFFF00720017A5")
    assert wire.newer(prime.INVENTORY, prime.START) == bytes.fromhex("CFFF0001050000000000F5B5")
    assert wire.newer(prime.STOP) == bytes.fromhex("CFFF000200E761")


def tags(*blocks: bytes, antenna: int = 1, status: int = 1) -> bytes:
    data = bytes((antenna, len(blocks))) + b"".join(blocks)
    return older.answer(older.INVENTORY, status, data)


def block(epc: str, rssi: int = 0x40, size: int | None = None) -> bytes:
    data = bytes.fromhex(epc)
    return bytes((len(data) if size is None else size,)) + data + bytes((rssi,))


@pytest.mark.parametrize(
    ("byte", "port"),
    [(0x01, 1), (0x04, 3), (0x08, 4), (0x80, 8), (0x03, None), (0x00, None)],
)
def test_the_antenna_byte_is_a_mask(byte: int, port: int | None) -> None:
    [read] = reads(decoded(DRIVER, tags(block(EPC), antenna=byte)))
    assert read.antenna == port


def test_sixteen_ports_are_numbers() -> None:
    frame = tags(block(EPC), antenna=0x0B)
    [read] = reads(decoded(DRIVER, frame, options={"sixteen_ports": True}))
    assert read.antenna == 12


def test_epcs_of_any_length_share_a_frame() -> None:
    chips = ["E200", "E2001234", EPC, "AB" * 16]
    events = decoded(DRIVER, tags(*map(block, chips), status=3))
    assert [read.chip for read in reads(events)] == chips


def test_a_tid_behind_an_epc_is_not_part_of_it() -> None:
    fast_id = block(EPC + "E2" * 12, size=0x80 | 24)
    events = decoded(DRIVER, tags(fast_id, block(OTHER)))
    assert [read.chip for read in reads(events)] == [EPC, OTHER]


def test_tags_that_do_not_fill_their_frame_are_rejected_whole() -> None:
    cut = tags(block(EPC)[:-3])
    count = older.answer(older.INVENTORY, 1, bytes((1, 2)) + block(EPC))
    assert [event.reason for event in rejected(decoded(DRIVER, cut, count))] == [Reason.FIELD] * 2


def test_the_form_without_rssi_is_found_or_told() -> None:
    frame = older.answer(older.INVENTORY, 1, bytes.fromhex("0104AABBCCDD"))
    for dialect in ("auto", "uhfreader18"):
        [read] = reads(decoded(DRIVER, frame, options={"dialect": dialect}))
        assert (read.chip, read.rssi) == ("AABBCCDD", None)
    assert rejected(decoded(DRIVER, frame, options={"dialect": "uhfreader288"}))


def test_where_both_forms_fill_the_frame_the_type_of_the_reader_decides() -> None:
    frame = older.answer(older.INVENTORY, 1, bytes.fromhex("020202E205F102F3F4F5"))
    simple = older.answer(older.INFO, 0, bytes.fromhex("0305090331801A0A"))
    assert [read.chip for read in reads(decoded(DRIVER, frame))] == ["E205", "F3F4"]
    assert [read.chip for read in reads(decoded(DRIVER, simple, frame))] == ["02E2", "F102F3F4F5"]


def test_statuses_without_tags_are_named() -> None:
    wanted = {0xF8: "antenna fault", 0xFB: "no tag", 0xFE: "illegal command", 0x01: "done"}
    for status, note in wanted.items():
        [event] = decoded(DRIVER, older.answer(older.INVENTORY, status))
        assert isinstance(event, Control)
        assert event.note == note
    [statistics] = decoded(DRIVER, older.answer(older.INVENTORY, 0x26, bytes(7)))
    assert isinstance(statistics, Control)
    assert statistics.note == "statistics"


def test_strange_answers_are_kept() -> None:
    [unknown, strange] = decoded(
        DRIVER, older.answer(0x00, 0xFE), older.answer(older.SERIAL, 0x77, b"x")
    )
    assert isinstance(unknown, Control)
    assert isinstance(strange, Rejected)
    assert strange.reason is Reason.UNKNOWN


def test_reports_of_real_time_mode() -> None:
    one = older.answer(older.LIVE, 0, b"\x02" + block(EPC, 0xC4))
    wide = older.answer(older.LIVE, 0, b"\x01\x00" + block(EPC))
    beat = older.answer(older.LIVE, older.BEAT, bytes(4) + b"\x01\x00\x01\x00" + bytes(4))
    odd = older.answer(older.LIVE, 0, b"\x02\x0c\x00")
    events = decoded(DRIVER, one, wide, beat, odd)
    assert [(read.antenna, read.rssi) for read in reads(events)] == [(2, 0xC4), (9, 0x40)]
    assert isinstance(events[2], Status)
    assert events[2].fields == {"antennas": "1010"}
    assert isinstance(events[3], Rejected)
    assert fields(DRIVER, one) == {"command": "EE", "antenna_byte": 2}


def test_what_newer_readers_answered() -> None:
    events = decoded(DRIVER, *PRIME)
    assert [event.raw for event in events] == PRIME
    assert isinstance(events[1], Status)
    assert events[1].fields == {
        "mode": "active",
        "antennas": "1000",
        "power_dbm": 33,
        "session": 0,
        "filter_s": 0,
    }
    notes = [event.note for event in events if isinstance(event, Control)]
    assert notes == ["done", "done", "done", "no tag"]


def test_a_tag_of_a_newer_reader() -> None:
    data = bytes.fromhex("FEC001030CE2801160600002094C4C8B1A")
    frame = prime.answer(prime.INVENTORY, 0, data)
    [read] = reads(decoded(DRIVER, frame))
    assert (read.chip, read.rssi, read.antenna) == ("E2801160600002094C4C8B1A", -32.0, 1)
    assert fields(DRIVER, frame) == {"command": "0001", "channel": 3}


def test_the_length_seen_in_a_packet_capture_is_an_epc_of_eight_bytes() -> None:
    sighting = Sighting(chip=Chip("E280116060000209"), stamp=0, rssi=-72.0)
    frame = prime.encode(sighting)
    assert frame[:7] == bytes.fromhex("CF0000010E00FD")
    assert len(frame) == 21
    assert [read.chip for read in reads(decoded(DRIVER, frame))] == ["E280116060000209"]


def test_a_newer_frame_whose_lengths_disagree_is_rejected() -> None:
    frame = prime.answer(prime.INVENTORY, 0, bytes.fromhex("FEC0010005E28011"))
    [event] = decoded(DRIVER, frame)
    assert isinstance(event, Rejected)
    assert event.reason is Reason.FIELD


def test_the_greeting_of_a_network_module_is_no_damage() -> None:
    events = decoded(DRIVER, b"\0\0", PRIME[1])
    assert [type(event) for event in events] == [Control, Status]
    assert events[0].raw == b"\0\0"


def test_both_kinds_in_one_stream_and_any_cut() -> None:
    stream = b"".join([*WIRE[:7], *PRIME, WIRE[6], prime.encode(_sighting()), *WIRE[:2]])
    whole = decoded(DRIVER, stream)
    session = DRIVER.session(Opening())
    cut = [event for byte in stream for event in session.feed(bytes((byte,)))]
    assert cut == whole
    assert not rejected(whole)


def test_a_long_answer_whose_length_is_the_newer_head_is_an_older_frame() -> None:
    # 13 EPCs of 12 bytes and one of 16 make a length of CF.
    blocks = [block(f"E2{n:022X}") for n in range(13)] + [block("AB" * 16)]
    frame = tags(*blocks)
    assert frame[0] == 0xCF
    assert len(reads(decoded(DRIVER, frame))) == 14


def test_out_of_step_the_inside_of_a_frame_has_to_fit() -> None:
    live = older.answer(older.LIVE, 0, b"\x02" + block(EPC))
    odd = older.answer(older.LIVE, 0, b"\x02\x0c\x00")
    long = older.answer(older.SERIAL, 0, bytes(40))
    for frame, is_taken in ((live, True), (odd, False), (WIRE[8], True), (long, False)):
        events = DRIVER.session(Opening()).feed(b"\x00" + frame + WIRE[4])
        assert (frame in [event.raw for event in events]) is is_taken
        assert WIRE[4] in [event.raw for event in events]


def test_a_block_out_of_a_longer_frame_has_no_fields_of_its_own() -> None:
    first, second = reads(decoded(DRIVER, tags(block(EPC), block(OTHER))))
    assert fields(DRIVER, first.raw) == fields(DRIVER, second.raw) == {}
    assert fields(DRIVER, tags(block(EPC))) == {"command": "01", "antenna_byte": 1}
    assert fields(DRIVER, WIRE[0]) == {"command": "01"}
    assert fields(DRIVER, b"\xcf\x00\x00\x01") == {}


def test_commands_and_empty_answers_of_newer_readers() -> None:
    told = decoded(
        DRIVER,
        wire.newer(prime.INFO),
        wire.newer(prime.INVENTORY, prime.START),
        prime.answer(prime.INVENTORY, 0),
        prime.answer(prime.INVENTORY, 0x14),
        prime.answer(0x0063, 1),
    )
    notes = [event.note for event in told if isinstance(event, Control)]
    assert notes == ["command", "command", "done", "inventory failed", "refused"]


def test_noise_makes_no_runner() -> None:
    # Right CRC by construction, out of step, but the inside contradicts itself.
    wrong = older.answer(older.INVENTORY, 1, bytes.fromhex("0101FF0102"))
    events = DRIVER.session(Opening()).feed(b"\x00" + wrong + WIRE[4])
    assert not reads(events)
    assert rejected(events)[0].raw == b"\x00" + wrong


def _sighting() -> Sighting:
    return Sighting(chip=DRIVER.example_chip(3), stamp=0, antenna=2, rssi=-60)
