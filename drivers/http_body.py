"""Frames out of HTTP bodies or of bare bytes, each with exactly the wire bytes it came in.

A cutter finds frames in text; what HTTP put between two pieces of a body (chunk sizes) belongs to
the `raw` of the frame around it, or of the one behind it.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple, Protocol

from drivers.http_wire import Head, HttpReader, Kind

MOST_TEXT: Final = 40_000
"""Bytes of text of one frame; more are junk."""
MOST_FRAMING: Final = 8_192
"""Bytes of chunk framing within one frame."""


class Shape(Enum):
    """What a cutter found."""

    FRAME = "frame"
    BLANK = "blank"
    """White space and punctuation between frames: an empty line, an empty batch."""
    TEXT = "text"
    """A line that cannot be a frame, but is whole."""
    DAMAGE = "damage"
    OVERLONG = "overlong"


class Cut(NamedTuple):
    """One stretch of the wire."""

    shape: Shape
    raw: bytes
    value: object = None
    """Of a FRAME: what the cutter made of it. Of TEXT: the text."""


class Cutter(Protocol):
    """Finds frames in text that comes in pieces; how it was cut changes nothing."""

    def text(self, data: bytes) -> list[Cut]:
        """Take text."""
        ...

    def framing(self, data: bytes) -> list[Cut]:
        """Take bytes that stand between two pieces of text and are none."""
        ...

    def end(self) -> list[Cut]:
        """Return everything that is left: the text has ended."""
        ...

    def flush(self) -> list[Cut]:
        """Return a frame that is complete if nothing follows it."""
        ...

    @property
    def pending(self) -> bytes:
        """Wire bytes that are in no cut yet."""
        ...


@dataclass(frozen=True, slots=True)
class Began:
    """A message's head."""

    raw: bytes
    head: Head


@dataclass(frozen=True, slots=True)
class Ended:
    """A message is complete; no bytes."""


@dataclass(frozen=True, slots=True)
class Broken:
    """Bytes that began like a message's head and went on otherwise."""

    raw: bytes


Item = Began | Ended | Broken | Cut


class Unwrapper:
    """Feeds a cutter with what is body in one direction of a connection."""

    def __init__(self, cutter: Cutter) -> None:
        self._http = HttpReader()
        self._cutter = cutter

    def feed(self, data: bytes) -> list[Item]:
        """Take bytes as they came; return what is settled, in wire order."""
        items: list[Item] = []
        for part in self._http.feed(data):
            match part.kind:
                case Kind.BODY:
                    items += self._cutter.text(part.data)
                case Kind.FRAMING:
                    items += self._cutter.framing(part.data)
                case Kind.HEAD:
                    items += self._cutter.end()
                    if part.head:
                        items.append(Began(part.data, part.head))
                case Kind.JUNK:
                    items += self._cutter.end()
                    items.append(Broken(part.data))
                case Kind.END:
                    items += self._cutter.end()
                    items.append(Ended())
        return items

    def flush(self) -> list[Cut]:
        """Return what of the held text is complete if nothing follows it."""
        return self._cutter.flush() if not self._http.pending else []

    @property
    def pending(self) -> bytes:
        """Bytes that are in no item yet."""
        return self._cutter.pending + self._http.pending


class WireText:
    """Text with the bytes that stood between its pieces on the wire."""

    def __init__(self) -> None:
        self.text = b""
        self._framing: list[tuple[int, bytes]] = []
        """(Offset in `text`, bytes that stand before it)."""
        self.framing_size = 0

    def add(self, data: bytes) -> None:
        """Append text."""
        self.text = self.text + data if self.text else data

    def insert(self, framing: bytes) -> None:
        """Append bytes that are no text."""
        self._framing.append((len(self.text), framing))
        self.framing_size += len(framing)

    def take(self, start: int, end: int) -> bytes:
        """Return the wire bytes of ``text[start:end]``, with what stands before and within it."""
        if not self._framing or self._framing[0][0] >= end:
            return self.text[start:end]
        pieces: list[bytes] = []
        count = 0
        for offset, framing in self._framing:
            if offset >= end:
                break
            pieces += [self.text[start:offset], framing]
            start = max(start, offset)
            count += 1
        pieces.append(self.text[start:end])
        self._forget(count)
        return b"".join(pieces)

    def drop(self, size: int) -> None:
        """Forget the first `size` bytes of text, all of which were taken."""
        self.text = self.text[size:]
        self._framing = [(offset - size, framing) for offset, framing in self._framing]

    def take_all(self, start: int) -> bytes:
        """Return and forget the wire bytes from ``text[start]`` on, to the last."""
        rest = self.wire(start)
        self.text = b""
        self._forget(len(self._framing))
        return rest

    def wire(self, start: int = 0) -> bytes:
        """Return the wire bytes from ``text[start]`` on."""
        pieces: list[bytes] = []
        for offset, framing in self._framing:
            pieces += [self.text[start:offset], framing]
            start = max(start, offset)
        pieces.append(self.text[start:])
        return b"".join(pieces)

    def _forget(self, count: int) -> None:
        self.framing_size -= sum(len(framing) for _, framing in self._framing[:count])
        del self._framing[:count]


_LF: Final = re.compile(rb"\n")
_CR_OR_LF: Final = re.compile(rb"\r\n|\n|\r(?=[^\n])")


class LineCutter:
    """Lines; the last of a body may lack its end. The value of a frame is the line with its end."""

    def __init__(self, max_line: int = 4_096, *, cr_ends: bool = False) -> None:
        """With `cr_ends` a CR alone ends a line too, as soon as the byte behind it is known."""
        self._end = _CR_OR_LF if cr_ends else _LF
        self._max_line = max_line
        self._wire = WireText()
        self._scanned = 0
        """Text before this has no line end."""

    def text(self, data: bytes) -> list[Cut]:
        """Take text."""
        self._wire.add(data)
        text = self._wire.text
        cuts: list[Cut] = []
        at = 0
        scan = self._scanned
        while True:
            found = self._end.search(text, scan, at + self._max_line + 1)
            end = found.end() if found else 0
            if not 0 < end - at <= self._max_line:
                if len(text) - at <= self._max_line:
                    break
                end = at + self._max_line
                cuts.append(Cut(Shape.OVERLONG, self._wire.take(at, end)))
            else:
                cuts.append(_line(self._wire.take(at, end), text[at:end]))
            at = scan = end
        self._scanned = max(len(text) - 1 - at, 0)
        if at:
            self._wire.drop(at)
        return cuts

    def framing(self, data: bytes) -> list[Cut]:
        """Take chunk framing."""
        self._wire.insert(data)
        return self.end() if self._wire.framing_size > MOST_FRAMING else []

    def end(self) -> list[Cut]:
        """Return the line that lacks its end, and what framing came behind it."""
        rest = self._wire.text
        raw = self._wire.take_all(0)
        self._scanned = 0
        return [_line(raw, rest)] if raw else []

    def flush(self) -> list[Cut]:
        """Return nothing: without its end no line is complete."""
        return []

    @property
    def pending(self) -> bytes:
        """Wire bytes of the line that is not complete."""
        return self._wire.wire()


def _line(raw: bytes, line: bytes) -> Cut:
    return Cut(Shape.FRAME, raw, line) if line.strip(b"\r\n\0") else Cut(Shape.BLANK, raw)
