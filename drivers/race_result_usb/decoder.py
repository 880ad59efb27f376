"""Lines of a USB Timing Box, each by the reply it stands in.

A reply is ``COMMAND;error``, lines with what was asked for, and an empty line. Passings with their
reference and their numbers are understood without having asked.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from bridge.domain.reads import Read
from bridge.driver_api import Clock, Control, Kept, Marker, Reason, Rejected
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
    """One line: what is kept of it, and what it ended or began."""

    event: Kept
    reply: Reply | None = None
    """The reply that ended with this line."""
    restarted: bool = False
    """The box has just been switched on, or was reset."""


class Decoder:
    """Cuts one connection into lines and understands them."""

    def __init__(self) -> None:
        self.reference: Reference | None = None
        """As last told; None: not told, or never set since the box was switched on."""
        self._lines = LineBuffer(MAX_LINE)
        self._reply: Reply | None = None

    @property
    def pending(self) -> bytes:
        """Bytes of a line that has not ended yet."""
        return self._lines.pending

    def feed(self, data: bytes) -> list[Heard]:
        """Take bytes as they came; return what is complete, in order."""
        return [self._line(raw) for raw in self._lines.feed(data)]

    def _line(self, raw: bytes) -> Heard:
        if not is_line(raw):
            self._spoil()
            return Heard(Rejected(raw, Reason.OVERLONG, f"no line end within {MAX_LINE} bytes"))
        text = raw.strip(b"\0\r\n ")
        if not text:
            ended, self._reply = self._reply, None
            return Heard(Control(raw, "empty line"), ended)
        passing = records.parse(text)
        if passing is not None:
            return Heard(self._passing(raw, passing, pushed=text.startswith(PUSH)))
        head = _HEAD.fullmatch(text)
        if head:
            self._reply = Reply(head[1].decode(), int(head[2], 16))
            note = "reply" if not self._reply.error else "error"
            return Heard(
                Control(raw, note, {"command": self._reply.word, "code": head[2].decode()})
            )
        if _NUMBERS.fullmatch(text) and self._reply and not self._reply.numbers:
            self._reply.numbers = [int(digits, 16) for digits in text.split(b";")]
            return Heard(self._numbers(raw, self._reply))
        if any(word in text for word in _BANNER):
            self.reference = self._reply = None
            return Heard(Control(raw, "start of the box"), restarted=True)
        if self._reply and self._reply.word in _TEXTS and text.isascii():
            return Heard(Control(raw, self._reply.word.lower(), {"text": text.decode("ascii")}))
        self._spoil()
        return Heard(Rejected(raw, Reason.FRAMING, "neither a reply nor a passing"))

    def _passing(
        self, raw: bytes, passing: records.Passing, *, pushed: bool
    ) -> Read | Marker | Rejected:
        number = None
        reply = self._reply
        if not pushed and reply is not None and reply.start is not None:
            number = reply.start + reply.records + reply.damaged
            reply.records += 1
        event = records.event_of(raw, passing, number, self.reference)
        return event or Rejected(raw, Reason.FIELD, "stamped before 1970")

    def _numbers(self, raw: bytes, reply: Reply) -> Kept:
        numbers = reply.numbers
        if reply.word == "TIMESTAMPGET" and not reply.error:
            stamp, form = records.stamp_of(numbers[0], self.reference)
            if stamp >= 0:
                return Clock(raw, stamp, form, extra={"ticks": numbers[0]})
        if reply.word in _REFERENCES and len(numbers) > 1:
            self.reference = Reference(numbers[0], numbers[1]) if numbers[0] else None
            return Control(raw, "reference", {"epoch_s": numbers[0], "ticks": numbers[1]})
        return Control(raw, reply.word.lower(), {"values": list(numbers)})

    def _spoil(self) -> None:
        if self._reply is not None:
            self._reply.damaged += 1
