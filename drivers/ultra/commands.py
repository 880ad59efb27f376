r"""What a host says to a box, cut apart: single letters, with or without a line end behind them.

Clients differ: one ends every command in LF, another sends bare letters. So the end of what has
come counts as the end of a number. A setting ends in the raw byte ``ff``; one public client sends
``?`` there, because it writes ASCII.

Source: Chronokeep (RFIDUltraInterface), PikaTimer (PikaRFIDDirectReader).
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

MOST_HELD: Final = 128
"""Longest command that is waited for; more without an end is skipped."""


class Kind(Enum):
    """What a command asks for."""

    START = b"R"
    STOP = b"S"
    YES = b"N"
    TIME = b"r"
    HOLD = b"s"
    END_REWIND = b"9"
    STATUS = b"?"
    SETTINGS = b"U"
    SET_TIME = b"t"
    SEND = b"7"
    REWIND_TIME = b"8"
    REWIND_LOG = b"6"
    COMMIT = b"u\xff"
    SET = b"u"
    EXTENDED = b"\x03"


_SHAPES: Final = (
    (Kind.SEND, re.compile(rb"700(\d{0,10})")),
    (Kind.REWIND_TIME, re.compile(rb"8(00|\x00\x00)(\d{1,10})\r(\d{1,10})")),
    (Kind.REWIND_LOG, re.compile(rb"6(00|\x00\x00)(\d{1,10})\r(\d{1,10})")),
    (Kind.SET_TIME, re.compile(rb"t (\d\d):(\d\d):(\d\d) (\d\d)-(\d\d)-(\d{4})")),
    (Kind.COMMIT, re.compile(rb"u(?:\xff\xff|\?\n)")),
    (Kind.SET, re.compile(rb"u([^\xff?])([^\xff?]{0,64})[\xff?]", re.DOTALL)),
    (Kind.EXTENDED, re.compile(rb"\x03\x00\x00\x03\r\n")),
)
_LETTERS: Final = {
    kind.value: kind
    for kind in (
        Kind.START,
        Kind.STOP,
        Kind.YES,
        Kind.TIME,
        Kind.HOLD,
        Kind.END_REWIND,
        Kind.STATUS,
        Kind.SETTINGS,
    )
}
_BEGINNINGS: Final = frozenset(b"786tu\x03")


@dataclass(frozen=True, slots=True)
class Command:
    """One command with its parts as sent: numbers, or a setting's id and value."""

    kind: Kind
    parts: tuple[bytes, ...] = ()


class CommandReader:
    """Cut the bytes of one client into commands; what is none is skipped."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> list[Command]:
        """Take bytes as they came; return the complete commands."""
        buffer = self._held + data
        commands: list[Command] = []
        at = 0
        while at < len(buffer):
            letter = _LETTERS.get(buffer[at : at + 1])
            if letter is not None:
                commands.append(Command(letter))
                at += 1
            elif buffer[at] not in _BEGINNINGS:
                at += 1
            else:
                command, end = _long(buffer, at)
                if command is not None:
                    commands.append(command)
                elif len(buffer) - at < MOST_HELD:
                    break
                at = end
        self._held = buffer[at:]
        return commands


def _long(buffer: bytes, at: int) -> tuple[Command | None, int]:
    """Return the command that begins at `at` and where it ends, or None and the next byte."""
    for kind, shape in _SHAPES:
        found = shape.match(buffer, at)
        if found:
            return Command(kind, found.groups()), found.end()
    return None, at + 1
