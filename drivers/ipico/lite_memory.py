"""The record memory of an emulated Lite: cursors, recording, playback."""

from collections.abc import Sequence
from typing import Final, Protocol

from bridge.domain.reads import NS_PER_S
from drivers.ipico.control import MEMORY, build

PER_BLOCK: Final = 1423
LAST_BLOCK: Final = 0x59
MOST_PLAYED: Final = 500
"""Lines played back per turn."""


class Lines(Protocol):
    """What is stored, in order."""

    def __len__(self) -> int:
        """Return how many lines there are."""
        ...

    def read(self, first: int, count: int) -> Sequence[bytes]:
        """Return up to `count` lines, `first` counted from 0."""
        ...


class Tape:
    """Lines in memory."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, line: bytes) -> None:
        """Store a line."""
        self._lines.append(line)

    def read(self, first: int, count: int) -> Sequence[bytes]:
        """See `Lines.read`."""
        return self._lines[first : first + count]


class LiteMemory:
    """Every tag line sent while recording, in order; playback gives them again as they were."""

    def __init__(
        self,
        *,
        recording: bool,
        playback_rate: float,
        lines: Lines | None = None,
        last_block: int = LAST_BLOCK,
    ) -> None:
        """`lines` are stored by somebody else, whatever is said of recording; None: by us."""
        self.recording = recording
        self._rate = playback_rate
        tape = Tape()
        self._tape = tape if lines is None else None
        self._lines: Lines = tape if lines is None else lines
        self._last_block = last_block
        self._capacity = (last_block + 1) * PER_BLOCK
        self._erased = 0
        self._played = 0
        self._is_playing = False
        self._played_until_ns = 0
        self._progress_ns = 0
        self._next_progress_ns = 0
        self._sent = 0

    def sent(self, line: bytes) -> None:
        """Note a tag line on its way: stored if recording, and as long as there is room."""
        self._sent += 1
        if self.recording and self._tape is not None and self.stored < self._capacity:
            self._tape.add(line)

    @property
    def stored(self) -> int:
        """How many lines there are."""
        return min(len(self._lines) - self._erased, self._capacity)

    def status(self, *, is_query: bool) -> bytes:
        """Return the 4b frame: 13 bytes to a query, 12 to a sub-command."""
        block, record = divmod(self.stored, PER_BLOCK)
        at_block, at_record = divmod(self._played, PER_BLOCK)
        data = bytes([self.recording | self._is_playing << 1, block])
        data += record.to_bytes(2, "big") + bytes([at_block]) + at_record.to_bytes(2, "big")
        data += bytes([0, self._last_block]) + PER_BLOCK.to_bytes(2, "big")
        data += bytes([min(block + 1, 0xFF)])
        return build(MEMORY, data + bytes([self._sent & 0xFF]) * is_query)

    def command(self, data: bytes, now_ns: int) -> list[bytes] | None:
        """Do a sub-command and return the frames that answer it, or None: no such one."""
        match data[0], data[1:]:
            case 0x00, b"\x00" | b"\x01":
                self.recording = data[1] == 1 or self._tape is None
            case 0x01, b"\x00" | b"\x01":
                self._is_playing = data[1] == 1
                self._played_until_ns = now_ns
            case 0x02, b"":
                self._played = 0
            case 0x07, rest if rest[:1] in {b"\x00", b"\x01"}:
                self._progress_ns = rest[1] * NS_PER_S if len(rest) > 1 else 0
                self._next_progress_ns = now_ns + self._progress_ns
            case 0xD0, b"":
                self._erased, self._played = len(self._lines), 0
                last = self._last_block
                return [build(MEMORY, bytes([0xD0, n, last])) for n in range(last + 1)]
            case _:
                return None
        return [self.status(is_query=False)]

    def tick(self, now_ns: int) -> list[bytes]:
        """Return the lines played back and the progress frames that are due."""
        out: list[bytes] = []
        if self._is_playing:
            due = int((now_ns - self._played_until_ns) * self._rate / NS_PER_S)
            due = min(due, MOST_PLAYED)
            wanted = min(due, self.stored - self._played)
            out += self._lines.read(self._erased + self._played, wanted) if wanted > 0 else ()
            self._played += len(out)
            self._sent += len(out)
            self._played_until_ns += int(due * NS_PER_S / self._rate)
            if self._progress_ns and now_ns >= self._next_progress_ns:
                self._next_progress_ns = now_ns + self._progress_ns
                out.append(self.status(is_query=True))
        return out
