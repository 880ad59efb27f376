"""JSON objects cut out of streams of all shapes, and out of HTTP bodies."""

import json
import random
import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.http_body import MOST_TEXT, Began, Broken, Cut, Ended, LineCutter, Shape, Unwrapper
from drivers.http_wire import chunk, request, response
from drivers.json_stream import MOST_DEPTH, JsonCutter, object_in

Told = list[tuple[str, bytes, object]]


def told_of(stream: bytes, size: int = 1 << 20) -> tuple[Told, bytes]:
    items = Unwrapper(JsonCutter())
    told: Told = []
    for at in range(0, len(stream), size):
        for item in items.feed(stream[at : at + size]):
            match item:
                case Cut(shape, raw, value):
                    told.append((shape.value, raw, value))
                case Began(raw=raw) | Broken(raw=raw):
                    told.append((type(item).__name__, raw, None))
                case Ended():
                    told.append(("Ended", b"", None))
    return told, items.pending


def values(told: Told) -> list[object]:
    return [value for shape, _, value in told if shape == "frame"]


A, B, C = {"n": 1, "s": 'x}"{\\'}, {"n": {"m": [1, {"k": []}]}}, {"n": 3, "s": "\u00fc,["}
BYTES = [json.dumps(one, ensure_ascii=False).encode() for one in (A, B, C)]


@pytest.mark.parametrize(
    "stream",
    [
        b"\n".join([*BYTES, b""]),
        b"\r\n\r\n".join([*BYTES, b""]),
        b"[" + b",".join(BYTES) + b"]\n",
        b"[" + b" , ".join(BYTES) + b" ] \r\n",
        b"[[" + BYTES[0] + b"]," + BYTES[1] + b"][" + BYTES[2] + b"]\n",
        b"".join(BYTES) + b"\n",
        b"  ".join(BYTES) + b"\n",
        b"data: " + b"\n\ndata:".join(BYTES) + b"\n",
        b"\n".join(json.dumps(one, indent=2).encode() for one in (A, B, C)) + b"\n",
        b"\0".join([*BYTES, b"\n"]),
    ],
    ids=range(10),
)
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_streams_of_all_shapes(stream: bytes, size: int) -> None:
    told, pending = told_of(stream, size)
    assert values(told) == [A, B, C]
    assert {shape for shape, _, _ in told} <= {"frame", "blank"}
    assert b"".join(raw for _, raw, _ in told) + pending == stream
    assert pending == b""


def test_objects_end_to_end_come_with_their_last_byte_once_that_is_known() -> None:
    cutter = JsonCutter()
    assert cutter.text(BYTES[0]) == []
    [first, second] = cutter.text(BYTES[1] + BYTES[2])[:2]
    assert (first.raw, second.raw) == (BYTES[0], BYTES[1])
    assert cutter.pending == b""
    [third] = cutter.text(BYTES[0])
    assert third.value == A
    assert [cut.shape for cut in cutter.text(b"\n")] == [Shape.BLANK]
    assert cutter.text(BYTES[0]) == []  # with a line end behind the last, this one waits again


def test_an_object_that_only_waits_can_be_asked_for() -> None:
    cutter = JsonCutter()
    cutter.text(b"[" + BYTES[0] + b" ]  ")
    [cut] = cutter.flush()
    assert (cut.shape, cut.raw, cut.value) == (Shape.FRAME, b"[" + BYTES[0] + b" ]  ", A)
    cutter.text(BYTES[0][:-1])
    assert cutter.flush() == []
    [cut] = cutter.end()
    assert cut.shape is Shape.DAMAGE


@pytest.mark.parametrize(
    "damage",
    [
        b'{"a": "cut in a str\n',
        b'{"a": 1, "b\n',
        b'{"a": 1,\n',
        b'{"a": \n',
        b'{"a": [1, \n',
        b'{"a": [1, 2}\n',
        b'{"a": nonsense}\n',
        b'{"a": "\xff"}\n',
        b"}}}\n",
        b"plain text\n",
        b"HTTP/1.1 nothing\n",
        b"noise without end ",
        b'{"a": "cut"',
        b'{"a"',
        b'{"a":' * (MOST_DEPTH + 1) + b"\n",
        b'{"a":"' + b"x" * MOST_TEXT + b"\n",
        b'{"a":[' + b"1," * (MOST_TEXT // 2) + b"\n",
        b"x" * 9_000,
        b" " * 9_000,
    ],
    ids=range(19),
)
@pytest.mark.parametrize("size", [1, 4_096])
def test_after_damage_the_next_objects_are_found(damage: bytes, size: int) -> None:
    stream = b"\n".join([BYTES[0], damage + BYTES[1], BYTES[2], BYTES[0], b""])
    told, pending = told_of(stream, size)
    assert values(told)[0] == A
    assert values(told)[-2:] == [C, A]
    if damage != b'{"a": \n':  # followed by an object this is whole
        assert B in values(told)
    assert b"".join(raw for _, raw, _ in told) == stream
    assert pending == b""


def test_a_post_with_an_array_cut_over_chunks() -> None:
    body = b"[" + b",".join(BYTES) + b"]"
    head = request("POST", "/", "h", {"Transfer-Encoding": "chunked"})
    pieces = [body[:9], body[9:30], body[30:-1], body[-1:], b""]
    stream = head + b"".join(map(chunk, pieces))
    for size in (1, 3, 1 << 20):
        told, pending = told_of(stream, size)
        assert values(told) == [A, B, C]
        assert told[0][0] == "Began"
        assert told[-1][0] == "Ended"
        assert b"".join(raw for _, raw, _ in told) == stream
        assert pending == b""
        assert [object_in(raw) for shape, raw, _ in told if shape == "frame"] == [A, B, C]


def test_an_endless_answer_in_chunks() -> None:
    lines = [one + b"\r\n" for one in BYTES]
    stream = response(200, None, {"Transfer-Encoding": "chunked"})
    stream += b"".join(map(chunk, [lines[0], b"\r\n", lines[1] + lines[2]]))
    told, pending = told_of(stream)
    assert values(told) == [A, B, C]
    assert pending == b"\r\n"
    assert b"".join(raw for _, raw, _ in told) + pending == stream


def test_a_body_in_crumbs_is_bounded() -> None:
    stream = response(200, None, {"Transfer-Encoding": "chunked"})
    stream += chunk(b'{"a":"')
    items = Unwrapper(JsonCutter())
    items.feed(stream)
    for _ in range(4_000):
        items.feed(chunk(b"x"))
        assert len(items.pending) < 70_000


@given(
    st.lists(
        st.sampled_from([*BYTES, b"\n", b"\r\n", b"[", b"]", b",", b"data:", b"{", b'"', b"\\"])
        | st.binary(max_size=6),
        max_size=14,
    ),
    st.integers(1, 30),
)
@settings(max_examples=300, deadline=None)
def test_cutting_changes_nothing(pieces: list[bytes], size: int) -> None:
    stream = b"".join(pieces)
    told, pending = told_of(stream)
    assert b"".join(raw for _, raw, _ in told) + pending == stream
    assert told_of(stream, size) == (told, pending)


@pytest.mark.parametrize(
    "piece",
    [
        b"{",
        b"[",
        b"{}",
        b'{"a":',
        b'{"a":[\n',
        b'"',
        b",",
        b" ",
        b"{} ",
        b"{\n",
        b"}\n",
        b"x",
        b"\\",
    ],
)
def test_the_cost_is_linear(piece: bytes) -> None:
    def cost(size: int) -> float:
        stream = piece * (size // len(piece))
        began = time.process_time()
        told_of(stream, 65_536)
        return time.process_time() - began

    cost(10_000)
    assert cost(400_000) < 40 * max(cost(40_000), 0.01)


def lines(stream: bytes, sizes: Sequence[int], *, cr: bool) -> tuple[list[Cut], bytes]:
    cutter = LineCutter(20, cr_ends=cr)
    cuts: list[Cut] = []
    at = 0
    for size in sizes:
        cuts += cutter.text(stream[at : at + size])
        at += size
    cuts += cutter.text(stream[at:])
    return cuts, cutter.pending


def test_lines_may_end_with_cr_alone() -> None:
    cuts, pending = lines(b"a;b\rc\r\nd\n\re\r", [], cr=True)
    assert [cut.value for cut in cuts] == [b"a;b\r", b"c\r\n", b"d\n", None]
    assert pending == b"e\r"


@given(st.lists(st.sampled_from([b"a", b"\r", b"\n", b"b;c", b"x" * 19]), max_size=20), st.data())
@settings(max_examples=150, deadline=None)
def test_cutting_changes_no_lines(pieces: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(pieces)
    for cr in (False, True):
        whole = lines(stream, [], cr=cr)
        assert b"".join(cut.raw for cut in whole[0]) + whole[1] == stream
        assert lines(stream, data.draw(st.lists(st.integers(1, 9), max_size=30)), cr=cr) == whole


def test_noise() -> None:
    source = random.Random(3)
    alphabet = list(b"".join(BYTES) * 3 + b"\n\n[],{}" + bytes(range(256)))
    items = Unwrapper(JsonCutter())
    fed = came = 0
    for _ in range(200):
        data = bytes(source.choices(alphabet, k=source.randint(1, 4_000)))
        fed += len(data)
        for item in items.feed(data):
            came += 0 if isinstance(item, Ended) else len(item.raw)
        assert came + len(items.pending) == fed
        assert len(items.pending) < 70_000
