"""HTTP taken apart and put together, byte by byte accounted for."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.http_wire import (
    MOST_HEAD,
    Head,
    HttpReader,
    Kind,
    basic,
    chunk,
    request,
    response,
)

Told = list[tuple[str, bytes]]


def taken(stream: bytes, size: int = 1 << 20) -> tuple[Told, list[Head], bytes]:
    """Return (kind, data) with neighbours of one kind joined, the heads, and what is pending."""
    reader = HttpReader()
    told: Told = []
    heads: list[Head] = []
    for at in range(0, len(stream), size):
        for part in reader.feed(stream[at : at + size]):
            if part.head:
                heads.append(part.head)
            kind = part.kind.value
            if told and told[-1][0] == kind == "body":
                told[-1] = (kind, told[-1][1] + part.data)
            else:
                told.append((kind, part.data))
    return told, heads, reader.pending


POST = request("POST", "/hook?x=1", "box:8090", {"Content-Type": "application/json"}, b"[{}]")
STREAM = response(200, None, {"Transfer-Encoding": "chunked"})


def test_a_request_with_its_length() -> None:
    told, [head], pending = taken(POST)
    assert told == [("head", POST[:-4]), ("body", b"[{}]"), ("end", b"")]
    assert (head.method, head.target, head.keep_alive) == ("POST", "/hook?x=1", True)
    assert head.fields["host"] == "box:8090"
    assert pending == b""


def test_pipelined_requests_and_answers_of_all_kinds() -> None:
    stream = (
        POST
        + request("GET", "/", "h")
        + response(204)
        + response(100)
        + b"HTTP/1.0 200\r\nContent-Length: 2\r\n\r\nok"
        + b"HTTP/1.1 304 Not Modified\nContent-Length: 9\n\n"
        + POST
    )
    told, heads, pending = taken(stream)
    assert [kind for kind, _ in told].count("end") == 7
    assert [head.status for head in heads] == [0, 0, 204, 100, 200, 304, 0]
    assert [head.keep_alive for head in heads] == [True, True, True, True, False, True, True]
    assert b"".join(data for _, data in told) == stream
    assert pending == b""


def test_chunks_with_extensions_and_trailers() -> None:
    stream = STREAM + b'5;name="v"\r\n{"a":\r\n2 \r\n1}\r\n0\r\nX: y\r\n\r\n' + POST
    told, _, pending = taken(stream)
    bodies = [data for kind, data in told if kind == "body"]
    framing = [data for kind, data in told if kind == "framing"]
    assert bodies == [b'{"a":', b"1}", b"[{}]"]
    assert framing == [
        b'5;name="v"\r\n',
        b"\r\n",
        b"2 \r\n",
        b"\r\n",
        b"0\r\n",
        b"X: y\r\n",
        b"\r\n",
    ]
    assert pending == b""


def test_a_body_until_the_connection_ends() -> None:
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    told, [answer], _ = taken(head + b"{}\r\n\r\n{}")
    assert told == [("head", head), ("body", b"{}\r\n\r\n{}")]
    assert not answer.keep_alive


def test_what_is_no_http_is_body() -> None:
    stream = b'{"a":1}\nGETTIME;1\nPOST /trackping?v=2\nHTTP is no head\nDELETE'
    told, heads, pending = taken(stream)
    assert told == [("body", stream.removesuffix(b"DELETE"))]
    assert (heads, pending) == ([], b"DELETE")


@pytest.mark.parametrize(
    "broken",
    [
        b"POST / HTTP/1.1\r\nno field\r\n",
        b"POST / HTTP/1.1\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n",
        b"GET / HTTP/1.1\r\nA: " + b"b" * (2 * MOST_HEAD) + b"\r\n",
        STREAM + b"zz\r\n",
        STREAM + b"3\r\nabcd\r\n",
        STREAM + b"fffffff\r\n",
        STREAM + b"0\r\nno trailer\r\n",
        STREAM + b"1" * 300 + b"\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    ],
    ids=range(11),
)
def test_after_damage_the_next_head_is_found(broken: bytes) -> None:
    told, heads, pending = taken(broken + POST)
    assert told[-3:] == [("head", POST[:-4]), ("body", b"[{}]"), ("end", b"")]
    assert heads[-1].target == "/hook?x=1"
    assert b"".join(data for _, data in told) == broken + POST
    assert pending == b""


PIECES = [
    POST,
    STREAM,
    chunk(b'{"a":1}\r\n'),
    chunk(b""),
    b"0\r\n\r\n",
    b"GET / HTTP/1.1\r\n",
    b"\r\n",
    b"GE",
    b"HTTP/1.1 200 OK\nContent-Length: 3\n\n",
    b"x\nHTTP",
    b'{"a":\r\n',
]


@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=20), max_size=12), st.integers(1, 40))
@settings(max_examples=150, deadline=None)
def test_cutting_changes_nothing(pieces: list[bytes], size: int) -> None:
    stream = b"".join(pieces)
    told, heads, pending = taken(stream)
    assert b"".join(data for _, data in told) + pending == stream
    assert taken(stream, size) == (told, heads, pending)


def test_noise_is_never_held_for_long() -> None:
    source = random.Random(5)
    alphabet = list(bytes(range(256)) + b"".join(PIECES) * 2)
    reader = HttpReader()
    fed = came = 0
    for _ in range(300):
        data = bytes(source.choices(alphabet, k=source.randint(1, 3_000)))
        data += source.choice(PIECES)
        fed += len(data)
        came += sum(len(part.data) for part in reader.feed(data))
        assert len(reader.pending) <= MOST_HEAD
        assert came + len(reader.pending) == fed


def test_messages_are_written_as_the_standard_wants() -> None:
    assert response(200, b"OK") == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"
    assert request("GET", "/a", "h") == b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
    assert b"X: a??b\r\n" in request("GET", "/", "h", {"X": "a\r\nb"})
    assert basic("root", "impinj") == "Basic cm9vdDppbXBpbmo="
    assert chunk(b"ab") == b"2\r\nab\r\n"
    assert chunk(b"") == b"0\r\n\r\n"
    assert Kind.END.value == "end"
