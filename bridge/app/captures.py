"""Capture files: what was recorded of a connection, in the containers people keep it in.

Each container is taken apart into pieces, so that every byte of the file is accounted for: as
container, as what the reader sent, or as what the host sent.
"""

import io
from collections.abc import Callable, Iterator
from enum import Enum

from bridge.app.capture_forms import bare, hex_dump, json_rows, tab_rows, transcript
from bridge.app.capture_forms.piece import Piece, Readable, Source
from bridge.errors import UsageError


class Form(Enum):
    """A container."""

    RAW = "raw"
    """The reader's bytes and nothing else."""
    LINES = "lines"
    """Tab-separated, one line of the wire per row, its CR LF left out."""
    SEGMENTS = "segments"
    """Tab-separated, one TCP segment per row, escaped (``\\r``, ``\\n``, ``NUL*n``)."""
    TRANSCRIPT = "transcript"
    """Who speaks before each line (``H> ``, ``D> ``, ``C>H ``, ``> ``), ``# `` before comments."""
    HEX = "hex"
    """One frame per line in hex, ``#`` before comments."""
    JSON = "json"
    """One object per line with ``dir`` and the bytes in ``hex`` or ``raw``."""
    JOINED = "joined"
    """Lines whose ends were not on the wire. Nothing tells these from raw ones, so they have to be
    asked for."""


Judge = Callable[[bytes], float]
"""How well a driver understands bytes: from 1, all of them tell something, to -1, none does."""


def form_of(head: bytes, name: str, judge: Judge, *, reader_dials: bool = False) -> Form:
    """Return which container a file with these first bytes and this name is.

    A container is believed only where the driver understands what is in it no worse than the bare
    bytes of the file: readers send hex digits, JSON and lines with marks too.
    """
    form = looks_like(head, name)
    if form is Form.RAW:
        return form
    start = head[: head.rfind(b"\n") + 1] or head
    try:
        found = pieces(form, _file(start), start, reader_dials=reader_dials)
        wire = b"".join(piece.data for piece in found if piece.source is Source.READER)
    except UsageError:
        return form  # which line is wrong is told when it is taken apart
    carried, bare_bytes = judge(wire), judge(start)
    if carried == bare_bytes:
        return Form.RAW if form is Form.HEX and not name.endswith(".hex") else form
    return form if carried > bare_bytes else Form.RAW


def looks_like(head: bytes, name: str = "") -> Form:
    """Return which container a file may be by its first bytes, whatever is in it."""
    lines = head.split(b"\n")
    first = lines[0]
    if first.startswith(b"# t_"):
        return Form.SEGMENTS if b"\tpayload" in first else Form.LINES
    if json_rows.is_json(lines):
        return Form.JSON
    if name.endswith(".hex") or hex_dump.is_hex(lines[:-1] or lines):
        return Form.HEX
    return Form.TRANSCRIPT if transcript.is_marked(first) else Form.RAW


def pieces(
    form: Form, file: Readable, head: bytes = b"", *, reader_dials: bool = False
) -> Iterator[Piece]:
    """Yield the pieces of a capture in order, holding no more than a block or line of it.

    `head` are its first bytes, as far as they are known (they are read again from `file`);
    `reader_dials` says whether it is the reader that connects.

    Raises:
        UsageError: The file is not of that form; the text names the line.
    """
    match form:
        case Form.RAW:
            return bare.blocks(file)
        case Form.JOINED:
            return bare.joined(file)
        case Form.LINES | Form.SEGMENTS:
            return tab_rows.rows(file, reader_dials=reader_dials)
        case Form.TRANSCRIPT:
            return transcript.lines(file, head)
        case Form.HEX:
            return hex_dump.frames(file)
        case Form.JSON:
            return json_rows.rows(file, reader_dials=reader_dials)


def _file(content: bytes) -> Readable:
    return io.BufferedReader(io.BytesIO(content))


__all__ = ["Form", "Judge", "Piece", "Readable", "Source", "form_of", "looks_like", "pieces"]
