"""Lines of a USB Timing Box, each by the reply it stands in.

A reply is ``COMMAND;error``, lines with what was asked for, and an empty line. Passings with their
reference and their numbers are understood without having asked.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from bridge.driver_api import Clock, Control, Kept, Reason, Rejected
from drivers.framing import LineBuffer, is_line
from drivers.race_result_usb import records
from drivers.race_result_usb.records import PUSH, Reference

MAX_LINE: Final = 160
"""Bytes; a record has about 50."""
START_TOO_LOW: Final = 0x10
_HEAD: Final = re.compile(rb"([A-Z][A-Z0-9]{3,19});([0-9A-Fa-f]{2})")
_NUMBERS: Final = re.compile(rb"[0-9A-Fa-f]{1,8}(?:;[0-9A-Fa-f]{1,8}){0,7}")
_BANNER: Final = (b"rrActive", b"AUTOBOOT")
_REFERENCES: Final = ("EPOCHREFSET", "EPOCHREFGET", "EPOCHREFADJ1D")
_PASSINGS: Final = "PASSINGGET"
_TEXTS: Final = ("INFOGET", "CONFGET")
"""Replies whose values nobody has shown: what is no number in them is some text."""


@dataclass(slots=True)
class Reply:
    """What came so far of one reply."""

    word: str
    error: int
    numbers: list[int] = field(default_factory=list)
    """Those of its first line that is not a record."""
    records: int = 0
    damaged: int = 0

    @property
    def start(self) -> int | None:
        """Number of its first passing."""
        return self.numbers[0] if self.word == _PASSINGS and self.numbers else None

    @property
    def is_whole(self) -> bool:
        """Whether as many passings came as it announced, all of them good."""
        return not self.damaged and len(self.numbers) > 1 and self.records == self.numbers[1]


@dataclass(frozen=True, slots=True)
class Heard:
    """One line: what is kept now, and what it ended or began."""

    events: list[Kept]
    reply: Reply | None = None
    """The reply that ended with this line."""
    restarted: bool = False
    """The box has just been switched on, or was reset."""
    passing: tuple[int, str] | None = None
    """Number and identity of a passing that stands in a reply."""


class Decoder:
    """Cuts one connection into lines and understands them.

    A reply without passings is kept in one piece, as there is one every second.
    """

    def __init__(self) -> None:
        self.reference: Reference | None = None
        """As last told; None: not told, or never set since the box was switched on."""
        self._lines = LineBuffer(MAX_LINE)
        self._reply: Reply | None = None
        self._held = b""
        """Lines of the reply that are not kept yet: its head, and its first numbers."""

    @property
    def pending(self) -> bytes:
        """Bytes of a reply that has just begun, and of a line that has not ended yet."""
        return self._held + self._lines.pending

    def feed(self, data: bytes) -> list[Heard]:
        """Take bytes as they came; return what is complete, in order."""
        return [self._line(raw) for raw in self._lines.feed(data)]

    def _line(self, raw: bytes) -> Heard:
        text = raw.strip(b"\0\r\n ")
        reply = self._reply
        if not is_line(raw):
            return self._spoilt(raw, Reason.OVERLONG, f"no line end within {MAX_LINE} bytes")
        if not text:
            self._reply = None
            return Heard([_summary(self._take(raw), reply)], reply)
        passing = records.parse(text)
        if passing is not None:
            return self._passing(raw, passing, pushed=text.startswith(PUSH))
        head = _HEAD.fullmatch(text)
        if head:
            before = self._flush()
            self._reply, self._held = Reply(head[1].decode(), int(head[2], 16)), raw
            return Heard(before)
        if reply and not reply.numbers and _NUMBERS.fullmatch(text):
            reply.numbers = [int(digits, 16) for digits in text.split(b";")]
            return Heard(self._numbers(raw, reply))
        if any(word in text for word in _BANNER):
            before = self._flush()
            self.reference = self._reply = None
            return Heard([*before, Control(raw, "start of the box")], restarted=True)
        if reply and reply.word in _TEXTS and text.isascii():
            told = {"text": text.decode("ascii")}
            return Heard([Control(self._take(raw), reply.word.lower(), told)])
        return self._spoilt(raw, Reason.FRAMING, "neither a reply nor a passing")

    def _passing(self, raw: bytes, passing: records.Passing, *, pushed: bool) -> Heard:
        before = self._flush()
        number = self._number(pushed=pushed)
        event = records.event_of(raw, passing, number, self.reference)
        if event is None:
            return Heard([*before, Rejected(raw, Reason.FIELD, "stamped before 1970")])
        known = None if number is None or event.key is None else (number, event.key)
        return Heard([*before, event], passing=known)

    def _number(self, *, pushed: bool) -> int | None:
        """Return the number of the passing that comes now; None: it stands in no reply."""
        reply = self._reply
        if pushed or reply is None or reply.start is None:
            return None
        reply.records += 1
        return reply.start + reply.records - 1 + reply.damaged

    def _numbers(self, raw: bytes, reply: Reply) -> list[Kept]:
        """Take the first numbers of a reply; a time is told at once, the rest with the reply."""
        numbers = reply.numbers
        if reply.word in _REFERENCES and len(numbers) > 1:
            self.reference = Reference(numbers[0], numbers[1]) if numbers[0] else None
        if reply.word == "TIMESTAMPGET" and not reply.error:
            stamp, form = records.stamp_of(numbers[0], self.reference)
            if stamp >= 0:
                return [Clock(self._take(raw), stamp, form, extra={"ticks": numbers[0]})]
        self._held += raw
        return []

    def _spoilt(self, raw: bytes, reason: Reason, detail: str) -> Heard:
        before = self._flush()
        if self._reply is not None:
            self._reply.damaged += 1
        return Heard([*before, Rejected(raw, reason, detail)])

    def _take(self, raw: bytes) -> bytes:
        whole, self._held = self._held + raw, b""
        return whole

    def _flush(self) -> list[Kept]:
        return [_summary(self._take(b""), self._reply)] if self._held else []


def _summary(raw: bytes, reply: Reply | None) -> Control:
    """Return the lines of a reply that are no passings."""
    if reply is None or not raw.strip():
        return Control(raw, "empty line")
    told = {"command": reply.word, "code": f"{reply.error:02x}", "values": list(reply.numbers)}
    return Control(raw, "error" if reply.error else "reply", told)
