"""Lines out of a stream, however it was cut."""

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.framing import LineBuffer, is_line

STREAMS = st.lists(st.sampled_from([b"\n", b"\r\n", b"abc", b"x" * 9, b"0"]), max_size=40).map(
    b"".join
)


def test_lines_come_with_their_line_end() -> None:
    lines = LineBuffer(16)
    assert lines.feed(b"one\r\ntw") == [b"one\r\n"]
    assert lines.pending == b"tw"
    assert lines.feed(b"o\n\n") == [b"two\n", b"\n"]
    assert lines.pending == b""


def test_noise_without_a_line_end_comes_in_pieces_of_the_largest_frame() -> None:
    lines = LineBuffer(4)
    assert lines.feed(b"abcdefghij\n") == [b"abcd", b"efgh", b"ij\n"]
    assert [is_line(piece) for piece in (b"abcd", b"ij\n")] == [False, True]


def test_a_line_of_exactly_the_largest_frame_is_a_line() -> None:
    assert LineBuffer(4).feed(b"abc\nabcd\n") == [b"abc\n", b"abcd", b"\n"]


def test_flush_gives_the_rest_once() -> None:
    lines = LineBuffer(8)
    lines.feed(b"rest")
    assert (lines.flush(), lines.flush()) == (b"rest", b"")


@given(STREAMS, st.integers(1, 9))
@settings(deadline=None)
def test_chunks_change_nothing_and_every_byte_is_kept(stream: bytes, size: int) -> None:
    whole, pieces = LineBuffer(8), LineBuffer(8)
    at_once = whole.feed(stream)
    by_chunk: list[bytes] = []
    for at in range(0, len(stream), size):
        by_chunk += pieces.feed(stream[at : at + size])
        assert len(pieces.pending) < 8
    assert by_chunk == at_once
    assert b"".join(at_once) + whole.pending == stream
