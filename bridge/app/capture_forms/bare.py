"""Files of the reader's bytes and nothing else, or nothing but line ends in between."""

from collections.abc import Iterator
from typing import Final

from bridge.app.capture_forms.piece import Piece, Readable, each_line

_BLOCK: Final = 65_536


def blocks(file: Readable) -> Iterator[Piece]:
    """Yield a file of nothing but the reader's bytes, as much as there is at a time."""
    while data := file.read1(_BLOCK):
        yield Piece(container=0, written=len(data), data=data)


def joined(file: Readable) -> Iterator[Piece]:
    """Yield lines whose ends were put in by whoever wrote the file: one per read of a socket."""
    return each_line(file, _without_end)


def _without_end(line: bytes) -> Piece:
    data = line.removesuffix(b"\n").removesuffix(b"\r")
    return Piece(container=len(line) - len(data), written=len(data), data=data)
