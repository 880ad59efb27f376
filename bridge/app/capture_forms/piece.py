"""What a capture is taken apart into, and how its lines are gone through."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from bridge.errors import UsageError

_LONGEST_LINE: Final = 1_000_000
_TO_READER: Final = frozenset(
    {"<", "H>", "H>R", "H>D", "H>B", "H>C", "C>R", "host>reader", "client>reader"}
)
_FROM_READER: Final = frozenset(
    {">", "D>", "B>", "R>H", "D>H", "B>H", "C>H", "R>C", "reader>host", "reader>client"}
)


class Source(Enum):
    """Who sent the bytes."""

    READER = "reader"
    HOST = "host"


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One stretch of the file."""

    container: int
    """Bytes of the file that carry nothing: columns, comments, line ends of the container."""
    written: int = 0
    """Bytes of the file that stand for `data`; escaped or in hex it is more than `data` has."""
    data: bytes = b""
    """Bytes as they were on the wire."""
    source: Source = Source.READER
    connection: str = ""
    """Whatever tells one connection from another, where the container says it."""


class Readable(Protocol):
    """A binary file or pipe."""

    def readline(self, limit: int = -1, /) -> bytes:
        """Return the next line."""
        ...

    def read1(self, size: int = -1, /) -> bytes:
        """Return what is there, waiting only if there is nothing."""
        ...


def each_line(file: Readable, piece_of: Callable[[bytes], Piece]) -> Iterator[Piece]:
    """Yield what `piece_of` makes of each line; its `ValueError` says what is wrong with one.

    Raises:
        UsageError: A line is not of this container; the text names it.
    """
    number = 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE:
            raise UsageError(f"Line {number} has no end: the file is no such capture; --as raw?")
        try:
            yield piece_of(line)
        except ValueError as error:
            raise UsageError(
                f"Line {number} is not what this kind of capture has ({error}); try --as raw."
            ) from error


def source_of(direction: str, *, reader_dials: bool) -> Source:
    """Return who sent bytes with this word beside them.

    ``c2s`` and ``s2c`` are client and server, which is which depends on who connects.

    Raises:
        ValueError: The word is none that we know.
    """
    if direction in ("c2s", "s2c"):
        return Source.READER if (direction == "c2s") == reader_dials else Source.HOST
    if direction in _FROM_READER:
        return Source.READER
    if direction in _TO_READER:
        return Source.HOST
    raise ValueError(f"direction {direction!r} in place of R>H or H>R")
