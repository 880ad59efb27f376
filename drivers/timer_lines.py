"""Cut the stream of a sport timer into lines that end in CR, LF or both, as each model likes."""

import re
from collections.abc import Callable
from typing import Final

_BODY: Final = re.compile(rb"\n*[^\r\n]*")


class TimerLines:
    r"""Cut a stream into lines; a line comes with its end, and with LFs in front of it.

    CR ends a line at once, as a finish must not wait for the next one. Only where `waits` says of
    the text before it that LF always follows is that LF waited for and made part of the line.
    A piece of `max_frame` bytes without an end comes as it is, for the caller to reject.
    """

    def __init__(self, max_frame: int, waits: Callable[[bytes], bool]) -> None:
        self._max_frame = max_frame
        self._waits = waits
        self._pending = b""

    @property
    def pending(self) -> bytes:
        """Bytes of a line that is not complete yet; LFs in front of the next one."""
        return self._pending

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes as they came; return the complete lines and over-long pieces, in order."""
        buffer = self._pending + data
        lines: list[bytes] = []
        start = 0
        while start < len(buffer):
            end = self._end(buffer, start)
            if end is None:
                break
            lines.append(buffer[start:end])
            start = end
        self._pending = buffer[start:]
        return lines

    def _end(self, buffer: bytes, start: int) -> int | None:
        limit = start + self._max_frame
        match = _BODY.match(buffer, start, limit)
        stop = match.end() if match else start
        if stop >= limit:
            return limit
        if stop == len(buffer):
            return None
        if buffer[stop : stop + 1] == b"\r" and self._waits(buffer[start:stop]):
            if stop + 1 == len(buffer):
                return None
            return stop + (2 if buffer[stop + 1 : stop + 2] == b"\n" else 1)
        return stop + 1
