"""The record memory of an emulated Lite: cursors, recording, playback."""

from itertools import islice
from typing import Final

from bridge.domain.reads import NS_PER_S
from drivers.ipico.control import MEMORY, build

PER_BLOCK: Final = 1423
LAST_BLOCK: Final = 0x59
CAPACITY: Final = (LAST_BLOCK + 1) * PER_BLOCK


class LiteMemory:
    """Every tag line sent while recording, in order; playback gives them again as they were."""

    def __init__(self, *, recording: bool, playback_rate: float) -> None:
        self.recording = recording
        self._rate = playback_rate
        self._lines: list[bytes] = []
        self._played = 0
        self._is_playing = False
        self._played_until_ns = 0
        self._progress_ns = 0
        self._next_progress_ns = 0
        self._sent = 0

    def sent(self, line: bytes) -> None:
        """Note a tag line on its way: stored if recording, and as long as there is room."""
        self._sent += 1
        if self.recording and len(self._lines) < CAPACITY:
            self._lines.append(line)

    def status(self, *, is_query: bool) -> bytes:
        """Return the 4b frame: 13 bytes to a query, 12 to a sub-command."""
        block, record = divmod(len(self._lines), PER_BLOCK)
        at_block, at_record = divmod(self._played, PER_BLOCK)
        data = bytes([self.recording | self._is_playing << 1, block])
        data += record.to_bytes(2, "big") + bytes([at_block]) + at_record.to_bytes(2, "big")
        data += bytes([0, LAST_BLOCK]) + PER_BLOCK.to_bytes(2, "big") + bytes([block + 1])
        return build(MEMORY, data + bytes([self._sent & 0xFF]) * is_query)

    def command(self, data: bytes, now_ns: int) -> list[bytes] | None:
        """Do a sub-command and return the frames that answer it, or None: no such one."""
        match data[0], data[1:]:
            case 0x00, b"\x00" | b"\x01":
                self.recording = data[1] == 1
            case 0x01, b"\x00" | b"\x01":
                self._is_playing = data[1] == 1
                self._played_until_ns = now_ns
            case 0x02, b"":
                self._played = 0
            case 0x07, rest if rest[:1] in {b"\x00", b"\x01"}:
                self._progress_ns = rest[1] * NS_PER_S if len(rest) > 1 else 0
                self._next_progress_ns = now_ns + self._progress_ns
            case 0xD0, b"":
                self._lines.clear()
                self._played = 0
                return [build(MEMORY, bytes([0xD0, n, LAST_BLOCK])) for n in range(LAST_BLOCK + 1)]
            case _:
                return None
        return [self.status(is_query=False)]

    def tick(self, now_ns: int) -> list[bytes]:
        """Return the lines played back and the progress frames that are due."""
        out: list[bytes] = []
        if self._is_playing:
            due = int((now_ns - self._played_until_ns) * self._rate / NS_PER_S)
            out += islice(self._lines, self._played, self._played + due)
            self._played = min(self._played + due, len(self._lines))
            self._sent += len(out)
            self._played_until_ns += int(due * NS_PER_S / self._rate)
            if self._progress_ns and now_ns >= self._next_progress_ns:
                self._next_progress_ns = now_ns + self._progress_ns
                out.append(self.status(is_query=True))
        return out
