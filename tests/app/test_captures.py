"""Containers are taken apart without losing a byte."""

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.app.captures import Form, Judge, Piece, Source, form_of, looks_like, pieces
from bridge.errors import UsageError

VECTORS = Path("tests/vectors")
SEGMENTS = b"# t_ms\tdir\tconn\tevent\tpayload(escaped)\n"
LINES = b"# t_first_ms\tt_last_ms\tdir\tconn\tevent\tline(CRLF stripped)\n"


def taken(form: Form, content: bytes, *, reader_dials: bool = False) -> list[Piece]:
    file = io.BufferedReader(io.BytesIO(content))
    return list(pieces(form, file, content[:4096], reader_dials=reader_dials))


def wire(found: list[Piece], source: Source) -> bytes:
    return b"".join(piece.data for piece in found if piece.source is source)


def test_rows_of_lines_get_their_line_ends_back() -> None:
    content = (
        LINES
        + b"0\t1\tH>R\t9999/5\tSYN\t\n"
        + b"2\t3\tH>R\t10000/6\tLINE\tab00000222\n"
        + b"4\t4\tH>R\t10000/6\tNUL\t1024\n"
        + b"5\t9\tR>H\t10000/6\tLINE\tab0000a\t\n"
        + b"9\t9\tR>H\t10000/6\tLINE\t\n"
    )
    found = taken(Form.LINES, content)
    assert wire(found, Source.HOST) == b"ab00000222\r\n" + bytes(1024)
    assert wire(found, Source.READER) == b"ab0000a\t\r\n\r\n"
    assert sum(piece.container + piece.written for piece in found) == len(content)
    assert {piece.connection for piece in found} == {"", "9999/5", "10000/6"}


def test_rows_of_segments_are_unescaped() -> None:
    content = SEGMENTS + rb"7	R>H	1/2	DATA	a\r\n\\r\x00\t\0NUL*3b" + b"\n"
    assert wire(taken(Form.SEGMENTS, content), Source.READER) == b"a\r\n\\r\0\t\0\0\0\0b"


def test_a_transcript_ends_its_lines_as_its_device_does() -> None:
    decoder = b"# said\nH> GETTIME\nD> GETTIME;1\nD> \n"
    found = taken(Form.TRANSCRIPT, decoder)
    assert wire(found, Source.HOST) == b"GETTIME\r\n"
    assert wire(found, Source.READER) == b"GETTIME;1\r\n\r\n"
    box = taken(Form.TRANSCRIPT, b"H> ASCII\nB> ASCII;00\nB> ")
    assert wire(box, Source.HOST) == b"ASCII\n"
    assert wire(box, Source.READER) == b"ASCII;00\n\n"


def test_lines_without_a_mark_are_the_readers_own() -> None:
    content = b"# synthetic\n#P;1;A\r\n2;B\n"
    assert wire(taken(Form.TRANSCRIPT, content), Source.READER) == b"#P;1;A\r\n2;B\n"


def test_a_transcript_of_either_kind_of_mark_has_two_sides() -> None:
    both = taken(Form.TRANSCRIPT, b"C>H N0000X\\r\nH>C GT\\r\nC>H A\n")
    assert wire(both, Source.READER) == b"N0000X\rA\r\n"
    assert wire(both, Source.HOST) == b"GT\r"
    arrows = taken(Form.TRANSCRIPT, b"> HELLO\r\n< PING\r\n\r\n<\r\n>nothing\n")
    assert wire(arrows, Source.READER) == b"HELLO\r\n\r\n>nothing\n"
    assert wire(arrows, Source.HOST) == b"PING\r\n\r\n"


def test_objects_have_hex_or_text_and_say_whose_it_is() -> None:
    content = (
        b'[\n{"id": "a", "direction": "reader>client", "hex": "0001ff"},\n'
        b'{"dir": "C>R", "hex": "AA", "conn": 7}\n'
        b'{"note": "no bytes"}\n\n'
        b'{"dir": "R>H", "was": {"raw": "x"}, "raw": "a\\r\\n\\u00e9\xc3\xa9"}]\n'
    )
    found = taken(Form.JSON, content)
    assert wire(found, Source.READER) == b"\0\1\xff" + "a\r\néé".encode()
    assert wire(found, Source.HOST) == b"\xaa"
    assert [piece.written for piece in found] == [0, 6, 2, 0, 0, 13]
    assert [piece.connection for piece in found][:3] == ["", "", "7"]
    assert sum(piece.container + piece.written for piece in found) == len(content)


@pytest.mark.parametrize(("reader_dials", "reader"), [(True, b"in"), (False, b"out")])
def test_which_end_is_the_client_depends_on_who_connects(
    reader_dials: bool,  # noqa: FBT001 - a parameter of the test
    reader: bytes,
) -> None:
    content = b'{"dir": "c2s", "raw": "in"}\n{"dir": "s2c", "raw": "out"}\n'
    assert wire(taken(Form.JSON, content, reader_dials=reader_dials), Source.READER) == reader


def test_joined_lines_have_no_ends() -> None:
    found = taken(Form.JOINED, b"ab\r\ncd\n\nef")
    assert wire(found, Source.READER) == b"abcdef"
    assert [piece.container for piece in found] == [2, 1, 1, 0]


def test_hex_is_read_line_by_line_without_its_comments() -> None:
    found = taken(Form.HEX, b"# frames\n8e02 33\n\n8F # end\n")
    assert wire(found, Source.READER) == b"\x8e\x02\x33\x8f"
    assert [piece.written for piece in found] == [0, 6, 0, 2]


@pytest.mark.parametrize(
    ("name", "head", "form"),
    [
        ("x.tsv", SEGMENTS, Form.SEGMENTS),
        ("", LINES, Form.LINES),
        ("x.txt", b"# comment\nH> A\n", Form.TRANSCRIPT),
        ("x.txt", b"H> A\n", Form.TRANSCRIPT),
        ("", b"C>H A\n", Form.TRANSCRIPT),
        ("", b"> A\r\n", Form.TRANSCRIPT),
        ("x.hex", b"aa00\n", Form.HEX),
        ("", b"# frames\naa00 01\n\n0A\n0", Form.HEX),
        ("", b"# nothing\n\n", Form.TRANSCRIPT),
        ("", b'{"dir": "c2s", "raw": "a"}\n', Form.JSON),
        ("", b'[\n{"direction": "reader>client", "hex": "00"},\n', Form.JSON),
        ("", b'{"dir": "up", "raw": "a"}\n', Form.RAW),
        ("", b'{"dir": "R>H", "raw": 1}\n', Form.RAW),
        ("", b'{"chip": "A1", "raw": "a"}\n', Form.RAW),
        ("", b'[{"Chip":2,"Type":1},{"Chip":2,"Type":1}]\r\n', Form.RAW),
        ("", b'["dir", "hex"]\n', Form.RAW),
        ("", b'{"a":' * 100_000, Form.RAW),
        ("x.log", b"aa00058\r\n", Form.RAW),
        ("x.bin", b"\x8e\x02", Form.RAW),
        ("x.txt", b"#P;1;2\r\n", Form.RAW),
        ("x.txt", b">A\r\n", Form.RAW),
        ("x.xml", b"<Alien-RFID-Tag>\r\n", Form.RAW),
        ("", b"\n\n", Form.RAW),
        ("", b"", Form.RAW),
    ],
)
def test_what_a_file_looks_like(name: str, head: bytes, form: Form) -> None:
    assert looks_like(head, name) is form


def understands(wanted: bytes) -> Judge:
    return lambda data: 1.0 if data == wanted else -1.0


@pytest.mark.parametrize(
    ("name", "head", "understood", "form"),
    [
        ("", b"aa00\r\n", b"aa00\r\n", Form.RAW),
        ("x.hex", b"aa00\r\n", b"aa00\r\n", Form.RAW),
        ("", b"aa00\r\n", b"\xaa\0", Form.HEX),
        ("", b"aa00\r\n", b"neither", Form.RAW),
        ("x.hex", b"aa00\r\n", b"neither", Form.HEX),
        ("x.hex", b"aa00\nzz\n", b"neither", Form.HEX),
        ("", b"aa00\r\nbb", b"\xaa\0", Form.HEX),
        ("", b"> A\r\n", b"> A\r\n", Form.RAW),
        ("", b"> A\r\n", b"A\r\n", Form.TRANSCRIPT),
        ("", b"> A\r\n", b"neither", Form.TRANSCRIPT),
        ("", b'{"dir": "s2c", "raw": "a"}\n', b'{"dir": "s2c", "raw": "a"}\n', Form.RAW),
        ("", b'{"dir": "s2c", "raw": "a"}\n', b"a", Form.JSON),
    ],
)
def test_a_container_is_believed_if_what_is_in_it_makes_sense(
    name: str, head: bytes, understood: bytes, form: Form
) -> None:
    assert form_of(head, name, understands(understood)) is form


@pytest.mark.parametrize(
    ("form", "content", "says"),
    [
        (Form.LINES, b"aa00\n", "names no columns"),
        (Form.SEGMENTS, SEGMENTS + b"1\tR>H\n", "Line 1 .*2 columns in place of 5"),
        (Form.SEGMENTS, SEGMENTS + b"1\tX>Y\tc\tDATA\ta\n", "direction"),
        (Form.LINES, LINES + b"1\t1\tH>R\tc\tNUL\t99999999\n", "NUL bytes"),
        (Form.HEX, b"00\nxy\n", "Line 2"),
        (Form.HEX, b"0" * 1_000_001, "has no end"),
        (Form.JSON, b"[1]\n", "no JSON object"),
        (Form.JSON, b'{"dir": "R>H", "raw": 1}\n', "raw is no text"),
        (Form.JSON, b'{"dir": "R>H", "hex": "0x"}\n', "Line 1"),
        (Form.JSON, b'{"dir": "R>H", "h\\u0065x": "00"}\n', "unusual way"),
        (Form.JSON, b'{"a":' * 100_000 + b"\n", "nested too deep"),
        (Form.JSON, b'{"raw": "a"}\n', "direction 'None'"),
    ],
)
def test_what_is_no_such_capture_is_told(form: Form, content: bytes, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        taken(form, content)


@settings(max_examples=80)
@given(st.sampled_from(list(Form)), st.binary(max_size=300))
def test_any_bytes_are_accounted_for_or_refused(form: Form, content: bytes) -> None:
    try:
        found = taken(form, content)
    except UsageError:
        return
    assert sum(piece.container + piece.written for piece in found) == len(content)


@settings(max_examples=80)
@given(st.binary(max_size=200))
def test_what_is_written_as_segments_is_read_back(sent: bytes) -> None:
    escaped = sent.replace(b"\\", b"\\\\").replace(b"\r", rb"\r").replace(b"\n", rb"\n")
    escaped = escaped.replace(b"NUL*", rb"\x4eUL*")
    content = SEGMENTS + b"0\tR>H\tc\tDATA\t" + escaped + b"\n"
    assert wire(taken(Form.SEGMENTS, content), Source.READER) == sent


@pytest.mark.parametrize("path", sorted(VECTORS.glob("*/*.t*")), ids=lambda path: path.name)
def test_every_capture_we_keep_is_accounted_for(path: Path) -> None:
    content = path.read_bytes()
    found = taken(looks_like(content[:4096], path.name), content)
    assert sum(piece.container + piece.written for piece in found) == len(content)
    assert wire(found, Source.READER)
