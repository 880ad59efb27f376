r"""The stream of a reader, cut into lines and decoded: records, control frames, text, damage.

Lines end in CR LF; reads, replies and unasked frames interleave between lines, never inside one.
TCP segments mean nothing: a Lite flushes 4 to 20 bytes at a time.
"""

import re
from struct import Struct
from typing import Final
from zlib import adler32

from bridge.domain.reads import Read, StampForm
from bridge.driver_api import Control, Kept, Reason, Rejected
from drivers.ipico import control, records, salvage

MAX_FRAME: Final = 1024
"""Longer than any control frame (522 bytes) and the banner (105): beyond it is noise."""
_SECONDS_KEPT: Final = 4096
_TEXTS_KEPT: Final = 8192
_RECORDS: Final = Struct("38s")
_FIELDS: Final = Struct(">2xH12s4x12sHH2x")
"""Of the same: reader id, chip, ``yymmddhhmmss``, hundredths, LRC; what has two characters as the
number that those two bytes are, which is found faster than a text."""
_RUN: Final = re.compile(rb"(?:aa[0-9a-f]{34}\r\n)+")
_SIZE: Final = _RECORDS.size
_HEX_DIGITS: Final = b"0123456789abcdef"
_TEXT: Final = re.compile(rb"(?=[\x20-\x7e]*[g-zG-Z])(?=[\x20-\x7e]* )[\x20-\x7e]+")
_HEX: Final = re.compile(rb"[0-9a-f]*", re.IGNORECASE)

# What a record of the plain 38 bytes adds up to in its low 8 bits, header, LRC characters and CR
# LF included, if its LRC is right: one sum over the whole line and one look-up check it.
_LINE_SUM: Final = {
    int.from_bytes(b"%02x" % lrc): (2 * ord("a") + lrc + sum(b"%02x" % lrc) + 13 + 10) & 0xFF
    for lrc in range(256)
}
_HUNDREDTHS: Final = {int.from_bytes(b"%02x" % n): n * records.HUNDREDTH_NS for n in range(100)}


class Decoder:
    """Decode one connection in ASCII mode.

    Total; every byte fed comes back once, in an event's `raw` or in `pending`.

    Attributes:
        has_only_reads: Whether the last `feed` gave nothing but reads.
    """

    def __init__(self) -> None:
        self._pending = b""
        self._seconds: dict[bytes, int] = {}
        """``yymmddhhmmss`` of the last records -> ns: many fall into one second."""
        self._texts: dict[bytes, str] = {}
        """Chips: all reads of one share its text, and the hash kept in it."""
        self.has_only_reads = True

    @property
    def pending(self) -> bytes:
        """Bytes of a line that is not complete yet."""
        return self._pending

    def feed(self, data: bytes) -> list[Kept]:
        """Take bytes as they came; return what is complete, in wire order."""
        buffer = self._pending + data
        events: list[Kept] = []
        self.has_only_reads = True
        at = _plain_length(buffer)
        if at:
            self._decode_run(buffer[:at], events)
        while True:
            run = _RUN.match(buffer, at)
            if run:
                self._decode_run(run[0], events)
                at = run.end()
                continue
            end = buffer.find(b"\n", at, at + MAX_FRAME) + 1
            if end:
                self._add(decode_line(buffer[at:end]), events)
                at = end
            elif len(buffer) - at >= MAX_FRAME:
                piece, found = salvage.overlong(buffer[at : at + MAX_FRAME])
                self._add(found, events)
                at += piece
            else:
                break
        self._pending = buffer[at:]
        return events

    def flush(self) -> list[Kept]:
        """Decode what is left, as a line: the stream has ended, perhaps without its CR LF."""
        rest, self._pending = self._pending, b""
        return decode_line(rest) if rest else []

    def _add(self, found: list[Kept], events: list[Kept]) -> None:
        events += found
        if self.has_only_reads:
            self.has_only_reads = all(type(event) is Read for event in found)

    def _decode_run(self, run: bytes, events: list[Kept]) -> None:
        """Decode back-to-back plain lower-case records: the hot path."""
        line_sum, hundredths_of = _LINE_SUM, _HUNDREDTHS
        seconds, texts = self._seconds, self._texts
        make, add, read, naive = tuple.__new__, events.append, Read, StampForm.NAIVE
        of_digits, of_unit = b"", -1
        second: int | None = None
        name = ""
        records_and_fields = zip(_RECORDS.iter_unpack(run), _FIELDS.iter_unpack(run), strict=True)
        for (raw,), (unit, chip, digits, hundredths, check) in records_and_fields:
            if digits != of_digits:
                of_digits = digits
                second = seconds[digits] if digits in seconds else self._learn(digits)
            if unit != of_unit:
                of_unit, name = unit, self._text(unit.to_bytes(2))
            rest = hundredths_of.get(hundredths)
            if (
                second is not None
                and rest is not None
                and adler32(raw, 0) & 0xFF == line_sum[check]
            ):
                text = texts[chip] if chip in texts else self._text(chip)
                add(make(read, (raw, text, second + rest, naive, None, None, name, None, None)))
            else:
                self._add(decode_line(raw), events)

    def _learn(self, digits: bytes) -> int | None:
        text = digits.decode("ascii")
        second = records.stamp_of(text[:6], text[6:], 0)
        if second is not None:
            if len(self._seconds) >= _SECONDS_KEPT:
                self._seconds.clear()
            self._seconds[digits] = second
        return second

    def _text(self, digits: bytes) -> str:
        if len(self._texts) >= _TEXTS_KEPT:
            self._texts.clear()
        return self._texts.setdefault(digits, digits.decode("ascii"))


def _plain_length(buffer: bytes) -> int:
    """Return how long the run of records at the front is if all of `buffer` is one, else 0.

    The usual case: five looks at the whole are faster than a pattern that goes through it.
    """
    count = len(buffer) // _SIZE
    run = buffer[: count * _SIZE]
    is_run = (
        run[::_SIZE] == run[1::_SIZE] == b"a" * count
        and run[_SIZE - 2 :: _SIZE] == b"\r" * count
        and run[_SIZE - 1 :: _SIZE] == b"\n" * count
        and run.translate(None, _HEX_DIGITS) == b"\r\n" * count
    )
    return len(run) if is_run else 0


def decode_line(line: bytes) -> list[Kept]:
    r"""Decode one line with its ``\n``: one event, or several if it was cut or glued.

    The events' `raw` together are the line.
    """
    body = line.rstrip(b"\r\n")
    if not body:
        return [Control(line, "empty line")]
    event = _whole(line, body)
    if not isinstance(event, Rejected) or event.reason is Reason.UNKNOWN:
        return [event]
    return salvage.pieces(line) or [event]


def _whole(line: bytes, body: bytes) -> Kept:
    head = body[:2].lower()
    if head == b"aa":
        return _tag_or_old_reply(line, body)
    if head == b"ab":
        return control.decode_line(line)
    if head in {b"ac", b"ad", b"ae"} and len(body) % 2 == 0 and _HEX.fullmatch(body):
        return Control(line, _OTHER_HEADERS[head])
    if _TEXT.fullmatch(body):
        return Control(line, "text", {"text": body.decode("ascii")})
    return Rejected(line, Reason.FRAMING, "neither record nor control frame nor text")


def _tag_or_old_reply(line: bytes, body: bytes) -> Kept:
    event = records.decode_line(line)
    if isinstance(event, Rejected) and len(body) not in records.LENGTHS:
        # Firmware 5.1 and before replies with this header too.
        reply = control.frame_of(line)
        if isinstance(reply, control.Frame):
            return control.event_of(line, reply)
    return event


_OTHER_HEADERS: Final = {
    b"ac": "command without LRC",
    b"ad": "tag page data",
    b"ae": "short TTO page",
}
