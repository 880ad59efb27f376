"""The playback of a Lite's memory, step by step, always ended properly.

prepare, progress every 5 s, start; then ``aa`` lines with their original times, oldest first, at
about 76 per second; it is over when the read cursor has reached the write cursor in a status. Then
playback off, progress off. Playback neither changes the read mode nor erases.

Leaving out `PREPARE` may resume at the old read cursor; nobody has tried, so it is always sent.
"""

from enum import Enum, auto
from typing import Final

from bridge.domain.reads import NS_PER_S
from drivers.ipico.control import MEMORY, Frame, Memory, build, memory_of
from drivers.ipico.dialogue import Command

STALL_NS: Final = 30 * NS_PER_S
"""No progress of the read cursor for so long ends the playback as failed."""


def _is_memory_status(frame: Frame) -> bool:
    return memory_of(frame) is not None


def _step(data_hex: str) -> Command:
    return Command(build(MEMORY, bytes.fromhex(data_hex)), MEMORY, _is_memory_status)


STATUS: Final = Command(build(MEMORY, query=True), MEMORY, _is_memory_status)
PREPARE: Final = _step("02")
PROGRESS: Final = _step("070105")
START: Final = _step("0101")
STOP: Final = _step("0100")
PROGRESS_OFF: Final = _step("0700")
STEPS: Final = (PREPARE, PROGRESS, START, STOP, PROGRESS_OFF)


class Stage(Enum):
    """Where a download is."""

    ARMING = auto()
    PLAYING = auto()
    ENDING = auto()
    COMPLETE = auto()
    FAILED = auto()


class Download:
    """One playback of all that is stored.

    Attributes:
        lines: Tag lines received since it began; the session counts them in.
        why: What went wrong, for people.
    """

    def __init__(self, now_ns: int, *, ends_old: bool) -> None:
        """Plan a playback; with `ends_old` first end one that an earlier session left running."""
        self.stage = Stage.ARMING
        self.lines = 0
        self.why = ""
        self._ends_old = ends_old
        self._began_at: int | None = None
        self._played = -1
        self._played_out_at: int | None = None
        self._moved_ns = now_ns

    @property
    def is_over(self) -> bool:
        """Nothing is left to do."""
        return self.stage in {Stage.COMPLETE, Stage.FAILED}

    @property
    def reached_end(self) -> bool:
        """The read cursor met the write cursor."""
        return self._played_out_at is not None

    def begin(self) -> list[Command]:
        """Return the commands that start it."""
        old = [STOP, PROGRESS_OFF] if self._ends_old else []
        return [*old, PREPARE, PROGRESS, START]

    def answered(self, command: Command, memory: Memory, now_ns: int) -> None:
        """Take the reply to one of its own commands."""
        if command is PREPARE:
            # A reader that does not go back to the first record plays only the rest.
            self._began_at = memory.played
        elif command is START:
            self.stage = Stage.PLAYING
            self._moved_ns = now_ns
        elif command is PROGRESS_OFF and self.stage is Stage.ENDING:
            self._conclude()

    def status(self, memory: Memory, now_ns: int) -> list[Command]:
        """Take any status while it runs; return the commands that end it when it is time."""
        if self.stage is not Stage.PLAYING:
            return []
        if memory.is_played_out:
            self._played_out_at = memory.written
            return self._end()
        if not memory.playing:
            return self._end("another program stopped the playback")
        if memory.played != self._played:
            self._played, self._moved_ns = memory.played, now_ns
        return []

    def tick(self, now_ns: int) -> list[Command]:
        """Let time pass; return the commands that end a playback that stands still."""
        if self.stage is Stage.PLAYING and now_ns - self._moved_ns >= STALL_NS:
            return self._end("the playback stands still")
        return []

    def unanswered(self, command: Command) -> list[Command]:
        """Go on after one of its commands was given up."""
        if self.stage is Stage.ENDING:
            if command is PROGRESS_OFF:
                self._conclude()
            return []
        if command in {STOP, PROGRESS_OFF, PROGRESS}:  # the rest decides
            return []
        return self._end("the reader does not take the command")

    def _end(self, why: str = "") -> list[Command]:
        self.stage = Stage.ENDING
        self.why = why
        return [STOP, PROGRESS_OFF]

    def _conclude(self) -> None:
        # Lines still queued when the cursors met came out before the replies to the two last
        # commands: all share one stream.
        due = (self._played_out_at or 0) - (self._began_at or 0)
        if not self.why and self.lines < due:
            self.why = f"{due - self.lines} of {due} lines of the playback are missing"
        self.stage = Stage.FAILED if self.why else Stage.COMPLETE

    def covers(self, written: int) -> bool:
        """Whether it began early enough to give what came after record `written`."""
        return (self._began_at or 0) <= written
