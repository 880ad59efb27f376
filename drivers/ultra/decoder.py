r"""The stream of a box, cut into lines and decoded: records, health, clock, settings, damage.

Lines end in LF, bridges that imitate a box send CR LF. Two things are no clean text: a setting
(``U`` or ``u`` and a raw id byte, which may be an LF), and the extended status, ``03``, its whole
length in one byte, and payload that may hold any byte.
"""

import re
from datetime import date
from typing import Final

from bridge.domain.reads import DAY_NS, NS_PER_S, StampForm
from bridge.driver_api import Clock, Kept, Reason, Rejected, Status
from drivers.ultra import exports
from drivers.ultra.records import RECORD, Line, control, to_line

MAX_FRAME: Final = 512
"""Bytes; a record has about 70, the extended status at most 255."""
STATUS: Final = 0x03
BATTERY_AT: Final = 42
READING_AT: Final = 45
_FULL_BATTERY: Final = 100
_RECORD_COMMAS: Final = 4
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 2261
"""Beyond it nanoseconds since 1970 do not fit 64 bits."""
_VOLTS: Final = re.compile(rb"V=(\d{1,3}(?:\.\d{1,6})?)")
_STATE: Final = re.compile(rb"S=(\d)(\d{0,8})")
_GREETING: Final = re.compile(rb"(?:1,)?Connected,(\d{0,10})")
# Not padded; what follows it differs: a number in brackets whose meaning is not known, or one byte.
_TIME: Final = re.compile(
    rb"(\d{1,2}):(\d{1,2}):(\d{1,2}) (\d{1,2})-(\d{1,2})-(\d{4})(?: \(\d{0,20}\))?[^0-9]{0,2}"
)
_TEXT: Final = re.compile(rb"[\x20-\x7e\r\n]*")


class UltraDecoder:
    """Decode one connection. Total; every byte fed comes back once, in a line or in `pending`."""

    def __init__(self) -> None:
        self._pending = b""

    @property
    def pending(self) -> bytes:
        """Bytes of a line, or of an extended status, that is not complete yet."""
        return self._pending

    def feed(self, data: bytes) -> list[Line]:
        """Take bytes as they came; return what is complete, in wire order."""
        buffer = self._pending + data
        lines: list[Line] = []
        at, size, match = 0, len(buffer), RECORD.match
        while at < size:
            found = match(buffer, at)
            if found:
                lines.append(to_line(found) or _rejected(found[0], Reason.FIELD, "no such time"))
                at = found.end()
                continue
            end = _end(buffer, at)
            if end is None:
                break
            lines += _decode(buffer[at:end])
            at = end
        self._pending = buffer[at:]
        return lines


def _end(buffer: bytes, at: int) -> int | None:
    """Return where the frame that begins at `at` ends, or None: more bytes are needed."""
    if buffer[at] == STATUS:
        size = _status_size(buffer[at : at + 255])
        if size is None:
            return None
        if size:
            return at + size
    id_bytes = 2 if buffer[at : at + 1] in {b"U", b"u"} else 0
    limit = at + MAX_FRAME
    end = buffer.find(b"\n", at + id_bytes, limit) + 1
    if end:
        return end
    return limit if len(buffer) >= limit else None


def _status_size(head: bytes) -> int | None:
    """Return the length of the extended status that `head` begins with, 0 if it is none.

    None: more bytes are needed to tell. There is no checksum, so what holds a whole record, or
    nothing but text, is a stray byte in front of lines.
    """
    if len(head) == 1:
        return None
    size = head[1]
    if size <= READING_AT:
        return 0
    body = head[:size]
    if len(body) > BATTERY_AT and body[BATTERY_AT] > _FULL_BATTERY:
        return 0
    if RECORD.search(body, 2):
        return 0
    if len(body) < size:
        return None
    return 0 if _TEXT.fullmatch(body, 2) else size


def _decode(raw: bytes) -> list[Line]:
    """Decode one frame that is not a plain record: one line, or two that were glued."""
    if raw[0] == STATUS and len(raw) > READING_AT and _status_size(raw) == len(raw):
        told = {"battery_pct": raw[BATTERY_AT], "operating": raw[READING_AT] != 0}
        return [Line(Status(raw, told))]
    found = RECORD.search(raw)
    line = to_line(found) if found else None
    if found and line:
        front = raw[: found.start()]
        known = _known(front)
        if known is None:
            detail = "cut off by the record behind it"
            known = Line(Rejected(front, Reason.FRAMING, detail))
        return [known, line]
    if not raw.endswith(b"\n"):
        return [_rejected(raw, Reason.OVERLONG, f"no line end within {MAX_FRAME} bytes")]
    return [_known(raw) or _unknown(raw)]


def _known(raw: bytes) -> Line | None:
    body = raw.rstrip(b"\r\n")
    if not body:
        return control(raw, "empty line")
    if body[:1] in {b"U", b"u"}:
        note = "setting" if body[:1] == b"U" else "setting answered"
        return control(raw, note, id=raw[1] if len(raw) > 1 else None)
    if found := _VOLTS.fullmatch(body):
        return Line(Status(raw, {"battery_v": float(found[1])}))
    if found := _STATE.fullmatch(body):
        return Line(Status(raw, {"operating": found[1] == b"1"}))
    if found := _GREETING.fullmatch(body):
        return control(raw, "greeting", last_sent=int(found[1] or b"0"))
    if found := _TIME.fullmatch(body):
        stamp = _stamp([int(part) for part in found.groups()])
        return None if stamp is None else Line(_clock(raw, stamp))
    read = exports.decode(raw)
    return Line(read) if read else None


def _stamp(parts: list[int]) -> int | None:
    hour, minute, second, day, month, year = parts
    if hour > 23 or minute > 59 or second > 59 or not _FIRST_YEAR <= year <= _LAST_YEAR:  # noqa: PLR2004
        return None
    try:
        days = date(year, month, day).toordinal() - _EPOCH_DAY
    except ValueError:
        return None
    return days * DAY_NS + ((hour * 60 + minute) * 60 + second) * NS_PER_S


def _clock(raw: bytes, stamp: int) -> Clock:
    return Clock(raw, stamp, StampForm.NAIVE, asked=False, extra={"resolution_ms": 1000})


def _unknown(raw: bytes) -> Line:
    if raw.count(b",") >= _RECORD_COMMAS:
        return _rejected(raw, Reason.FIELD, "a record with a field missing or that cannot be")
    if raw[:2] in {b"V=", b"S="} or _TIME.match(raw):
        return _rejected(raw, Reason.FIELD, "a value that cannot be")
    if _TEXT.fullmatch(raw):
        return _rejected(raw, Reason.UNKNOWN, "a line of no known kind")
    return _rejected(raw, Reason.FRAMING, "no line of text")


def _rejected(raw: bytes, reason: Reason, detail: str) -> Line:
    return Line(Rejected(raw, reason, detail))


def is_damaged_read(event: Kept) -> bool:
    """Tell whether a read may have been lost with these bytes."""
    return isinstance(event, Rejected) and event.raw.count(b",") >= _RECORD_COMMAS
