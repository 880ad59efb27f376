"""Transcripts of a talk in lines: who speaks stands before each line, ``# `` before comments.

``H> `` is the host; ``D> ``, ``B> `` a decoder or box; ``C>H `` and the like say both; ``> ``
alone comes from the reader and ``< `` goes to it. Lines without a mark are the reader's own.
"""

import re
from collections.abc import Iterator
from typing import Final

from bridge.app.capture_forms.piece import Piece, Readable, each_line, source_of

_MARK: Final = re.compile(
    rb"(?:([RDBC]>H|H>[RDBC]|R>C|C>R)(?= |[\r\n]|$)|([HDB]>)|([<>])(?= |[\r\n]|$)) ?"
)
_FIRST: Final = re.compile(rb"# |(?:[RDBC]>H|H>[RDBC]|R>C|C>R|[HDB]>|[<>]) ")
_TOLD_END: Final = re.compile(rb"(?:\\[rn])+\Z")
"""A line end that is written out."""


def is_marked(first: bytes) -> bool:
    """Tell whether a file with this first line may be a transcript."""
    return _FIRST.match(first) is not None


def lines(file: Readable, head: bytes) -> Iterator[Piece]:
    """Yield the lines as they were on the wire; `head` tells whose they are."""
    return each_line(file, _Lines(head).piece)


class _Lines:
    """Gives lines the end they had on the wire: as written out, else that of the device."""

    def __init__(self, head: bytes) -> None:
        usb_box = head.startswith(b"B> ") or b"\nB> " in head
        self._end = b"\n" if usb_box else b"\r\n"

    def piece(self, line: bytes) -> Piece:
        if line.startswith(b"# ") or line.rstrip() == b"#":
            return Piece(container=len(line))
        mark = _MARK.match(line)
        if mark is None:
            return Piece(container=0, written=len(line), data=line)
        body = line[mark.end() :]
        word = next(word for word in mark.groups() if word is not None)
        return Piece(
            container=len(line) - len(body),
            written=len(body),
            data=self._on_wire(body),
            source=source_of(word.decode(), reader_dials=False),
        )

    def _on_wire(self, line: bytes) -> bytes:
        text = line.rstrip(b"\r\n")
        told = _TOLD_END.search(text)
        if told is None:
            return text + self._end
        end = told[0].replace(rb"\r", b"\r").replace(rb"\n", b"\n")
        return text[: told.start()] + end
