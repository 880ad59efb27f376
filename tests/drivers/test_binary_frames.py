"""Check sums, EPC fields and the search for frames, against a small protocol of our own."""

import re
from time import process_time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bridge.driver_api import Reason
from drivers.binary_frames import (
    NOISE_PIECE,
    FrameBuffer,
    Piece,
    Shape,
    chip_of,
    crc_gen2,
    crc_mcrf4xx,
    crc_mercury,
    epc_of,
    low_sum,
    negated_sum,
    pc_of,
)

SHAPE = Shape(
    head=re.compile(rb"\xa5.[\x01\x02]", re.DOTALL),
    header=3,
    length=lambda buffer, at: buffer[at + 1] if buffer[at] == 0xA5 and buffer[at + 1] > 3 else 0,
    sound=lambda frame: low_sum(frame[:-1]) == frame[-1],
    proven=lambda frame: frame[2] == 1,
)
"""A5, whole length, kind, data, sum; kind 1 is believed wherever it stands."""


def frame(data: bytes, kind: int = 1) -> bytes:
    head = bytes((0xA5, len(data) + 4, kind)) + data
    return head + bytes((low_sum(head),))


def good(pieces: list[Piece]) -> list[bytes]:
    return [piece.raw for piece in pieces if piece.damage is None]


def mcrf4xx_by_bits(data: bytes) -> int:
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8408 if crc & 1 else 0)
    return crc


def mercury_by_half_bytes(data: bytes) -> int:
    table = [n << 12 ^ n << 5 ^ n for n in range(16)]
    crc = 0xFFFF
    for byte in data:
        for nibble in (byte >> 4, byte & 0x0F):
            crc = (crc << 4 | nibble) & 0xFFFF ^ table[crc >> 12]
    return crc


@given(st.binary(max_size=80))
def test_crcs_are_those_of_the_bitwise_rules(data: bytes) -> None:
    assert crc_mcrf4xx(data) == mcrf4xx_by_bits(data)
    assert crc_mercury(b"\x00\x03" + data) == mercury_by_half_bytes(b"\x00\x03" + data)


def test_published_examples() -> None:
    assert crc_mcrf4xx(b"123456789") == 0x6F91
    assert crc_mcrf4xx(bytes.fromhex("040021")) == 0x6AD9
    assert crc_mercury(bytes.fromhex("0003")) == 0x1D0C
    assert crc_gen2(bytes.fromhex("3000E200001D7315016521408FC6")) == 0xB83E
    assert crc_gen2(b"123456789") == 0xD64E
    assert negated_sum(bytes.fromhex("A0030172")) == 0xEA
    assert low_sum(bytes.fromhex("00220000")) == 0x22


@given(st.text(max_size=140))
def test_every_chip_text_becomes_an_epc_in_whole_words(chip: str) -> None:
    epc = epc_of(chip)
    assert 2 <= len(epc) <= 62
    assert len(epc) % 2 == 0
    assert int.from_bytes(pc_of(epc), "big") >> 11 == len(epc) // 2


def test_a_chip_keeps_its_digits() -> None:
    assert chip_of(epc_of("e2001d73")) == "E2001D73"
    assert epc_of("123") == b"\x01\x23"
    assert epc_of("Zoe") == b"\0Zoe"
    assert epc_of("") == b"\0\0"


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    kinds = st.one_of(
        st.binary(max_size=12).map(frame),
        st.binary(max_size=4).map(lambda data: frame(data, 9)),
        st.binary(max_size=30),
        st.binary(max_size=12).map(lambda data: frame(data)[:-2]),
        st.lists(st.sampled_from([0xA5, 4, 5, 200, 1, 2]), max_size=12).map(bytes),
    )
    return b"".join(draw(st.lists(kinds, max_size=12)))


@given(streams(), st.integers(1, 40))
@settings(deadline=None)
def test_cutting_changes_nothing_and_no_byte_is_lost(stream: bytes, size: int) -> None:
    whole, cut = FrameBuffer(SHAPE), FrameBuffer(SHAPE)
    pieces = whole.feed(stream)
    assert b"".join(piece.raw for piece in pieces) + whole.pending == stream
    again = []
    for at in range(0, len(stream), size):
        again += cut.feed(stream[at : at + size])
    assert (again, cut.pending) == (pieces, whole.pending)


@given(streams(), st.binary(min_size=1, max_size=12))
@settings(deadline=None)
def test_good_frames_behind_any_damage_come_in_the_end(damage: bytes, data: bytes) -> None:
    buffer = FrameBuffer(SHAPE)
    wanted = frame(data)
    pieces = buffer.feed(damage + wanted)
    for _ in range(2):
        buffer.doubt()
    pieces += buffer.feed(b"")
    start = 0
    for piece in pieces:
        # Damage whose check comes out right together with the bytes behind it cannot be told apart.
        assume(piece.damage or not start < len(damage) < start + len(piece.raw))
        start += len(piece.raw)
    assert wanted in good(pieces)


def test_a_false_length_holds_nothing_back_that_is_whole() -> None:
    buffer = FrameBuffer(SHAPE)
    noise = b"\xff\xa5\xf0\x01"  # out of step, and a head that wants 240 bytes
    assert good(buffer.feed(noise + frame(b"abc"))) == [frame(b"abc")]


def test_a_length_that_is_waited_for_too_long_is_doubted_and_still_taken_when_it_comes() -> None:
    buffer = FrameBuffer(SHAPE)
    long = frame(bytes(60))
    assert buffer.feed(long[:30]) == []
    buffer.doubt()
    assert buffer.feed(b"") == []
    buffer.doubt()
    assert good(buffer.feed(long[30:])) == [long]

    assert buffer.feed(b"\xa5\xf0\x01" + frame(b"abc")) == []
    buffer.doubt()
    buffer.doubt()
    assert good(buffer.feed(frame(b"def"))) == [frame(b"abc"), frame(b"def")]


def test_a_frame_that_comes_slowly_is_not_doubted_while_others_arrive() -> None:
    buffer = FrameBuffer(SHAPE)
    inner = frame(b"")
    outer = frame(inner)
    for _ in range(5):
        assert buffer.feed(outer[:-1]) == []
        buffer.doubt()
        assert good(buffer.feed(outer[-1:])) == [outer]


def test_a_kind_nobody_knows_is_believed_in_step_only() -> None:
    assert good(FrameBuffer(SHAPE).feed(frame(b"x", 9))) == [frame(b"x", 9)]
    late = FrameBuffer(SHAPE)
    pieces = late.feed(b"\0" + frame(b"x", 9) + frame(b"y"))
    assert good(pieces) == [frame(b"y")]
    assert pieces[0] == Piece(b"\0" + frame(b"x", 9), Reason.FRAMING)


def test_a_whole_frame_with_a_wrong_check_is_told_as_such() -> None:
    wrong = frame(b"abc")[:-1] + b"\0"
    pieces = FrameBuffer(SHAPE).feed(frame(b"1") + wrong + frame(b"2"))
    assert [piece.damage for piece in pieces] == [None, Reason.CHECKSUM, None]
    assert pieces[1].raw == wrong


def test_noise_comes_in_bounded_pieces() -> None:
    buffer = FrameBuffer(SHAPE)
    pieces = buffer.feed(bytes(1000))
    assert [len(piece.raw) for piece in pieces] == [NOISE_PIECE] * 3
    assert len(buffer.pending) == 1000 - 3 * NOISE_PIECE


@pytest.mark.parametrize("size", [1, 64, 1 << 20])
def test_cost_is_linear(size: int) -> None:
    def cost(total: int) -> float:
        stream = (b"\xa5\xf0\x01" * 7 + frame(b"a")) * (total // 26)
        buffer = FrameBuffer(SHAPE)
        began = process_time()
        for at in range(0, len(stream), size):
            buffer.feed(stream[at : at + size])
        return process_time() - began

    cost(2_000)
    assert cost(40_000) < 20 * max(cost(10_000), 0.01)
