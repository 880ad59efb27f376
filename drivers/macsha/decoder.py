r"""The stream of a Macsha reader, cut into rows, replies and damage.

A One4All ends lines in CR LF, an Ocelot ends records in ``|``, and an Ocelot's answers and its
heartbeat ``CONECTADO_3`` end in nothing at all: they stand glued in front of what follows, and
their digits last up to the first character that is none.
"""

import re
from typing import Final, NamedTuple

from bridge.domain.reads import NS_PER_MS
from bridge.driver_api import Clock, Control, Kept, Reason, Rejected, StampForm, Status
from drivers.macsha import records
from drivers.macsha.records import ROW, RowReader

MAX_FRAME: Final = 512
"""Bytes; a row has about 50."""
_END: Final = re.compile(rb"[\n|]")
_TOKEN: Final = re.compile(
    rb"(CONECTADO|START-OK|OPERATION-MODE-STARTED|MODO-REMOTE-OFF|STOP-OK)_(\d{1,20})(?=[^\d])"
)
_TOKENS: Final = {
    b"CONECTADO": "heartbeat",
    b"START-OK": "reading started",
    b"OPERATION-MODE-STARTED": "already reading",
    b"MODO-REMOTE-OFF": "not in operation mode",
    b"STOP-OK": "reading stopped",
}
_FILE_HEAD: Final = re.compile(r"ID\d{1,6}-\d{8}-\d{6}-[\x20-\x7e]*")
_FILE_END: Final = re.compile(r"\d{8}-\d{6}-\d{3}")
_DATE: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
_TIME: Final = re.compile(r"(\d\d):(\d\d):(\d\d)(?:\.(\d{3}))?")
_TEXT: Final = re.compile(r"[\x20-\x7e]*")
_ROW_FIELDS: Final = 4
_KNOWN: Final = frozenset(
    {
        "HELLO",
        "START",
        "STOP",
        "PUSHTAGS",
        "SETBOUNCE",
        "SETTIME",
        "GETPASSINGS",
        "PING",
        "LISTFILES",
        "GETFILEINFO",
        "GETFILE",
        "CLEARFILES",
        "NEWFILE",
        "SETPROTOCOL",
        "GETPROTOCOL",
    }
)


class Line(NamedTuple):
    """What one frame told, and for the conversation what kind of frame it was."""

    event: Kept
    number: int | None = None
    """Passing number of a row that came whole."""
    word: str | None = None
    """First word of a reply; empty for an empty line, which ends a block of rows."""
    total: int | None = None
    """Number of passings, where a reply tells it."""


class MacshaDecoder:
    """Decode one connection or file. Total; every byte comes back once."""

    def __init__(self, time: str) -> None:
        """Take the ``last`` or the ``first`` `time` of an Ocelot's records."""
        self._time = time
        self._rows = RowReader()
        self._pending = b""

    @property
    def pending(self) -> bytes:
        """Bytes of a frame that is not complete yet."""
        return self._pending

    def feed(self, data: bytes) -> list[Line]:
        """Take bytes as they came; return what is complete, in wire order."""
        buffer = self._pending + data
        lines: list[Line] = []
        at, size, match = 0, len(buffer), ROW.match
        while at < size:
            found = match(buffer, at)
            if found:
                lines.append(self._row(found))
                at = found.end()
                continue
            token = _TOKEN.match(buffer, at)
            if token:
                lines.append(Line(Control(token[0], _TOKENS[token[1]], {"id": int(token[2])})))
                at = token.end()
                continue
            end = _END.search(buffer, at, at + MAX_FRAME)
            if end:
                lines += self._line(buffer[at : end.end()])
                at = end.end()
            elif size - at >= MAX_FRAME:
                lines.append(_overlong(buffer[at : at + MAX_FRAME]))
                at += MAX_FRAME
            else:
                break
        self._pending = buffer[at:]
        return lines

    def _row(self, found: re.Match[bytes]) -> Line:
        row = self._rows.read(found)
        if row is None:
            return _rejected(found[0], Reason.FIELD, "no chip, or no such time")
        return Line(row.read, row.number)

    def _line(self, raw: bytes) -> list[Line]:
        """Decode a frame with its end; it is two if a whole record stands behind damage."""
        found = ROW.search(raw)
        row = self._rows.read(found) if found else None
        if found and row:
            # The digits in front of the first separator may belong to what was cut off.
            read = row.read._replace(seq=None)
            return [_cut(raw[: found.start()]), Line(read)]
        ocelot = records.OCELOT_END.search(raw)
        if ocelot:
            record = records.ocelot(ocelot[0])
            if record and not records.is_void(ocelot[0]):
                read = records.ocelot_read(ocelot[0], record, self._time)
                front = [_cut(raw[: ocelot.start()])] if ocelot.start() else []
                return [*front, Line(read)]
        return [self._other(raw)]

    def _other(self, raw: bytes) -> Line:
        if records.is_void(raw):
            return Line(Control(raw, "no tag"))
        record = records.ocelot(raw)
        if record:
            return Line(records.ocelot_read(raw, record, self._time))
        text = raw.decode("latin-1").strip("|\r\n")
        if not text:
            return Line(Control(raw, "empty line"), word="" if raw.endswith(b"\n") else None)
        fields = text.split(";")
        if _FILE_HEAD.fullmatch(text) or _FILE_END.fullmatch(text):
            return Line(Control(raw, "file header" if text[0] == "I" else "file end"))
        known = _reply(raw, fields)
        return known or _unknown(raw, text, fields)


def _reply(raw: bytes, fields: list[str]) -> Line | None:
    word = fields[0]
    if word == "GETTIME":
        clock = _clock(raw, fields)
        return None if clock is None else Line(clock, word=word)
    if word == "PASSINGS":
        if len(fields) < 2 or not fields[1].isdecimal() or len(fields[1]) > 9:  # noqa: PLR2004
            return None
        count = int(fields[1])
        return Line(Status(raw, {"stored": count}), word=word, total=count)
    if word == "READBATTERY":
        return Line(Status(raw, _battery(fields)), word=word)
    if word == "START" and len(fields) > 1 and fields[1].endswith(".csv"):
        return Line(Status(raw, {"file": fields[1]}), word=word)
    if word in _KNOWN and all(map(_TEXT.fullmatch, fields)):
        return Line(Control(raw, word.lower(), {"fields": fields[1:]}), word=word)
    return None


def _clock(raw: bytes, fields: list[str]) -> Clock | None:
    if len(fields) < 3:  # noqa: PLR2004
        return None
    day, time = _DATE.fullmatch(fields[1]), _TIME.fullmatch(fields[2])
    if day is None or time is None:
        return None
    midnight = records.day_ns(int(day[1]), int(day[2]), int(day[3]))
    second = records.time_ns(int(time[1]), int(time[2]), int(time[3]))
    if midnight is None or second is None:
        return None
    milli = int(time[4] or "0") * NS_PER_MS
    extra = {"resolution_ms": 1 if time[4] else 1000}
    return Clock(raw, midnight + second + milli, StampForm.NAIVE, asked=False, extra=extra)


def _battery(fields: list[str]) -> dict[str, object]:
    told: dict[str, object] = {}
    for name, value in zip(fields[1::2], fields[2::2], strict=False):
        if name == "VOLTS" and re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,4})?", value):
            told["battery_v"] = float(value)
        elif name == "PERCENT" and re.fullmatch(r"[0-9]{1,3}", value):
            told["battery_pct"] = int(value)
        elif name == "HASPOWER" and value in {"true", "false"}:
            told["mains"] = value == "true"
    return told


def _unknown(raw: bytes, text: str, fields: list[str]) -> Line:
    if fields[0] in {"GETTIME", "PASSINGS"}:
        return Line(Rejected(raw, Reason.FIELD, "a reply without its value"), word=fields[0])
    if len(fields) >= _ROW_FIELDS:
        return _rejected(raw, Reason.FIELD, "a row with a field missing or that cannot be")
    if _TEXT.fullmatch(text):
        return _rejected(raw, Reason.UNKNOWN, "a line of no known kind")
    return _rejected(raw, Reason.FRAMING, "no line of text")


def _cut(raw: bytes) -> Line:
    return _rejected(raw, Reason.FRAMING, "cut off by the record behind it")


def _overlong(raw: bytes) -> Line:
    return _rejected(raw, Reason.OVERLONG, f"no end within {MAX_FRAME} bytes")


def _rejected(raw: bytes, reason: Reason, detail: str) -> Line:
    return Line(Rejected(raw, reason, detail))
