r"""What can be saved of a damaged line: records whose own checksum is right.

A length test is not enough: both damaged lines of a recorded race log have 42 characters, the
length of a TTO record, and one is a cut record glued to a good one,
``aa0005`` + ``aa00058001e62a6a00011311301955523c0e``. So a later ``aa`` whose following characters
pass the LRC *and* whose time exists is a read; whatever lies between is damage.
"""

import re
from typing import Final

from bridge.domain.reads import Read
from bridge.driver_api import Kept, Reason, Rejected
from drivers.ipico import control, records

_CANDIDATE: Final = re.compile(
    rb"(?=aa[0-9a-f]{18}[0-9]{12}[0-9a-f]{4})",
    re.IGNORECASE,
)
_LONGEST: Final = records.LENGTHS[-1]
_TRIED: Final = (38, 36, 44, 42)
_LINE_END: Final = re.compile(rb"\r*\n?")


def pieces(line: bytes) -> list[Kept]:
    """Return the records in a damaged line and the damage around them; empty: nothing saved."""
    found, end = _records(line)
    if end < len(line):
        found += _tail(line[end:], saved=bool(found))
    return found


def overlong(piece: bytes) -> tuple[int, list[Kept]]:
    """Return how much of an over-long piece is dealt with, and its records and damage.

    The last bytes, shorter than a record, stay for the next piece: one may begin there.
    """
    found, end = _records(piece)
    cut = max(end, len(piece) - (_LONGEST - 1))
    if end < cut:
        found.append(Rejected(piece[end:cut], Reason.OVERLONG, "no line end"))
    return cut, found


def _records(line: bytes) -> tuple[list[Kept], int]:
    found: list[Kept] = []
    end = at = 0
    while candidate := _CANDIDATE.search(line, at):
        start = candidate.start()
        read = _record_at(line, start)
        if read is None:
            at = start + 1
            continue
        if start > end:
            found.append(_damage(line[end:start]))
        found.append(read)
        end = at = start + len(read.raw)
    return found, end


def _record_at(line: bytes, start: int) -> Read | None:
    body_end = len(line.rstrip(b"\r\n"))
    # A length that ends where the line ends is the likeliest; FS or LS belongs to its record.
    for length in sorted(_TRIED, key=lambda length: start + length != body_end):
        record = records.parse(line[start : start + length])
        if isinstance(record, records.Record):
            line_end = _LINE_END.match(line, start + length)
            end = line_end.end() if line_end else start + length
            return records.to_read(line[start:end], record)
    return None


def _tail(rest: bytes, *, saved: bool) -> list[Kept]:
    """Save a control frame (a gun, say) that a cut piece was glued to; it must end the line."""
    at = rest.lower().find(b"ab", 0 if saved else 1)
    while at >= 0:
        frame = control.frame_of(rest[at:])
        if isinstance(frame, control.Frame):
            event = control.event_of(rest[at:], frame)
            if not isinstance(event, Rejected):
                return [_damage(rest[:at]), event] if at else [event]
        at = rest.lower().find(b"ab", at + 1)
    return [_damage(rest)] if saved else []


def _damage(raw: bytes) -> Rejected:
    return Rejected(raw, Reason.FRAMING, "cut or glued")
