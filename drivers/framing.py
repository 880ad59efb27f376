"""Pure helpers that cut a byte stream into frames, shared by the reader families."""


class LineBuffer:
    r"""Cut a stream into lines ended by ``\n``, holding back less than `max_frame` bytes.

    A line comes with its line end. Where no line end shows within `max_frame` bytes, a piece of
    exactly `max_frame` bytes without ``\n`` comes instead: noise for the caller to reject. How the
    stream was cut into chunks changes nothing, and the cost per byte does not grow with the line.
    """

    def __init__(self, max_frame: int, end: bytes = b"\n") -> None:
        """Cut at `end`, one byte; `is_line` knows the usual one alone."""
        self._max_frame = max_frame
        self._end = end
        self._pending = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes as they came; return the complete lines and over-long pieces, in order."""
        buffer = self._pending + data
        pieces: list[bytes] = []
        start = 0
        while True:
            limit = start + self._max_frame
            end = buffer.find(self._end, start, limit) + 1
            if not end:
                if len(buffer) < limit:
                    break
                end = limit
            pieces.append(buffer[start:end])
            start = end
        self._pending = buffer[start:]
        return pieces

    @property
    def pending(self) -> bytes:
        """Bytes of a line that is not complete yet."""
        return self._pending

    def flush(self) -> bytes:
        """Return and forget the incomplete line: the stream has ended."""
        rest, self._pending = self._pending, b""
        return rest


def is_line(piece: bytes) -> bool:
    """Tell a line from an over-long piece of a `LineBuffer`."""
    return piece.endswith(b"\n")
