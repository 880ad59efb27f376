"""Frames, CRC and punches of SPORTident stations."""

import random

import pytest

from bridge.domain.reads import DAY_NS, StampForm
from bridge.driver_api import Control, Opening, Reason, Rejected
from drivers.sportident import DRIVER, punches
from drivers.sportident.frames import Frames, build, crc
from drivers.sportident.session import ASK_CLOCK, DIRECT
from tests.support.timers import START, decoded, kept, naive, reads, tod, wire_of

fields_of = DRIVER.extra
PUNCH, HOST = (bytes.fromhex(line) for line in wire_of("sportident", "frames.hex").decode().split())


@pytest.mark.parametrize("chunk", [1, 3, 4096])
def test_a_captured_punch(chunk: int) -> None:
    [read] = reads(decoded(DRIVER, PUNCH, chunk))
    assert (read.chip, read.unit, read.stamp) == ("912345", "31", tod(13, 32, 14))
    assert read.form is StampForm.TIME_OF_DAY
    assert fields_of(read.raw) == {"control": 31, "weekday": 2, "address": 0}


def test_worked_crcs() -> None:
    assert crc(b"\xf9\x01\x02") == 0x140A
    assert build(0xF9, b"\x02") == HOST
    assert bytes.fromhex("FF02F0014D6D0A03") == DIRECT
    assert crc(PUNCH[1:-3]) == 0x7693
    [event] = decoded(DRIVER, HOST)
    assert isinstance(event, Control)


def test_wake_bytes_belong_to_the_frame_behind_them() -> None:
    [first, second] = reads(decoded(DRIVER, b"\xff\xff\x02" + PUNCH + b"\xff" + PUNCH, 2))
    assert (first.raw, second.raw) == (b"\xff\xff\x02" + PUNCH, b"\xff" + PUNCH)
    assert fields_of(first.raw)["control"] == 31


def test_damage_costs_one_punch_and_the_search_goes_on_from_the_next_byte() -> None:
    hurt = PUNCH.replace(b"\x0d\xeb", b"\x0d\xec")
    long_lie = b"\x02\xd3\x20"
    events = decoded(DRIVER, hurt + long_lie + PUNCH + PUNCH + PUNCH)
    assert [type(event).__name__ for event in events] == ["Rejected", "Read", "Read", "Read"]
    [noise] = [event for event in events if isinstance(event, Rejected)]
    assert (noise.raw, noise.reason) == (hurt + long_lie, Reason.CHECKSUM)


def test_noise_comes_in_bounded_pieces_however_it_is_cut() -> None:
    source = random.Random(3)
    wire = bytes(source.choices(b"\x00\x02\x03\xd3\xff\x0d\x80", k=20_000)) + PUNCH * 20
    pieces = Frames().feed(wire)
    assert max(len(piece.raw) for piece in pieces) <= 256 + 19
    for size in (1, 5, 300):
        frames, cut = Frames(), []
        for at in range(0, len(wire), size):
            cut += frames.feed(wire[at : at + size])
            assert len(frames.pending) < 600
        assert cut == pieces
    assert pieces[-1].command == punches.PUNCH


@pytest.mark.parametrize(
    ("three", "card"),
    [
        ("000064", 100),
        ("0103e8", 1000),
        ("0203e8", 201_000),
        ("04c350", 450_000),
        ("0debd9", 912_345),
        ("7a1201", 8_000_001),
        ("d59f81", 14_000_001),
    ],
)
def test_card_numbers(three: str, card: int) -> None:
    assert punches.card_of(bytes.fromhex(three)) == card
    if three != "0103e8":
        assert punches.card_bytes(card).hex() == three


@pytest.mark.parametrize("chip", ["170000", "0", "99999999", "A-17", "07"])
def test_any_chip_becomes_some_card(chip: str) -> None:
    number = punches.card_number(chip)
    assert punches.card_of(punches.card_bytes(number)) == number


def test_radio_punches_have_no_address_and_no_fraction() -> None:
    frame = punches.punch_frame(31 | 0x8000, "8000001", START + 500_000_000, b"\x00\x01\x02")
    [read] = reads(decoded(DRIVER, frame))
    assert (read.unit, read.chip, read.stamp) == ("31", "8000001", START % DAY_NS)
    assert fields_of(frame) == {
        "control": 31,
        "weekday": 4,
        "by_radio": True,
        "tail": "80000102",
    }


def test_an_unknown_weekday_is_no_weekday() -> None:
    data = bytearray(PUNCH[3:-3])
    data[6] |= 0x0E
    assert "weekday" not in fields_of(build(0xD3, bytes(data)))
    data[7:9] = b"\xff\xff"
    [event] = decoded(DRIVER, build(0xD3, bytes(data)))
    assert isinstance(event, Rejected)
    assert fields_of(build(0xD3, bytes(data))) == {}


def test_a_punch_gets_its_date_from_the_stations_clock_and_its_weekday() -> None:
    now = naive("2026-05-28T00:00:10")
    late, early = tod(23, 59, 50), tod(0, 0, 5)
    assert punches.dated(late, None, now) == naive("2026-05-27T23:59:50")
    assert punches.dated(early, None, now) == naive("2026-05-28T00:00:05")
    assert punches.dated(late, 1, now) == naive("2026-05-25T23:59:50")
    assert punches.dated(early, 4, now) == naive("2026-05-28T00:00:05")
    session = DRIVER.session(Opening())
    answer = build(0xF7, bytes((0, 31, 26, 5, 26, 2 << 1)) + (600).to_bytes(2, "big") + b"\x00")
    told, read = kept(session.feed(answer + PUNCH))
    assert told.raw == answer
    assert reads([read])[0].stamp == naive("2026-05-26T13:32:14")
    assert reads([read])[0].form is StampForm.NAIVE


def test_a_weekday_that_does_not_fit_the_stations_own_date_is_not_used() -> None:
    session = DRIVER.session(Opening())
    wrong = build(0xF7, bytes((0, 31, 26, 5, 28, 2 << 1)) + (600).to_bytes(2, "big") + b"\x00")
    right = build(0xF7, bytes((0, 31, 26, 5, 28, 4 << 1)) + (600).to_bytes(2, "big") + b"\x00")
    days = [read.stamp for read in reads(session.feed(wrong + PUNCH + right + PUNCH))]
    assert days == [naive("2026-05-27T13:32:14"), naive("2026-05-26T13:32:14")]


def test_the_clock_question() -> None:
    assert build(0xF7, wake=True) == ASK_CLOCK


@pytest.mark.parametrize(
    "data",
    [b"\x00\x1f", bytes((0, 31, 26, 13, 1, 0, 0, 0, 0)), bytes((0, 31, 26, 1, 1, 0)) + b"\xff" * 3],
)
def test_a_clock_that_cannot_be(data: bytes) -> None:
    [event] = decoded(DRIVER, build(0xF7, data))
    assert isinstance(event, Rejected)


def test_stored_records() -> None:
    stamp = naive("2026-11-30T18:05:09.5")
    read = punches.stored(punches.record_of("8000001", stamp), 31)
    assert (read.raw, punches.stored(b"\x00\x00\x64\x68\x00\xf1\x00\x00", 31).raw) == (
        punches.record_of("8000001", stamp),
        b"\x00\x00\x64\x68\x00\xf1\x00\x00",
    )
    assert reads([read])[0].stamp == stamp
    assert not reads([punches.stored(b"\x00\x00\x64\x68\x42\xf1\x00\x00", 31)])


def test_other_frames() -> None:
    wire = build(0xA7, b"abc") + build(0xE8, bytes(2) + bytes.fromhex("007a1201")) + b"\x15" + HOST
    events = decoded(DRIVER, wire)
    assert [event.note for event in events if isinstance(event, Control)] == [
        "sign of life of the radio",
        "card inserted",
        "refused",
        "answer f9",
    ]
    assert [event.extra for event in events if isinstance(event, Control)][1] == {"card": 8_000_001}


@pytest.mark.parametrize("options", [{"backfill": "x"}, {"fill": 1}])
def test_wrong_options_are_named(options: dict[str, object]) -> None:
    [complaint] = DRIVER.check_options(options)
    assert "allowed" in complaint
    assert not DRIVER.check_options({"backfill": "all"})
