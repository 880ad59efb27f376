"""One line of an export: JSON for the journal's rows, loss-free, and readable by other tools.

The first line names the store: ``{"export": "chip-bridge", "v": 1, "store": UUID}``. Then
``{"session": {...}}``, ``{"sample": {...}}`` and ``{"event": {...}}``, each with the columns of its
table by name, `raw` in hex. An event says ``reader`` and ``location`` on the outside too, a read
also ``chip`` and ``time``: the four that a line written by another tool has.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson

from bridge.app.ports import ClockSample, EventRow, Kind, SessionRow
from bridge.domain.reads import NS_PER_S, StampForm, UtcNs

FORMAT: Final = 1
Line = dict[str, object]

_TYPES: Final = {
    "i": (int,),
    "t": (str,),
    "b": (bool,),
    "I": (int, type(None)),
    "T": (str, type(None)),
    "R": (float, int, str, type(None)),
}
_EVENT_TYPES: Final = "iiiiiTiiIRITtT"
_SAMPLE_TYPES: Final = "iiiiiib"
_SESSION_COLUMNS: Final = {
    "id": "i",
    "reader": "t",
    "driver": "t",
    "location": "t",
    "link": "t",
    "boot_id": "t",
    "opened_ns": "i",
    "synchronised": "b",
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FRACTION: Final = re.compile(r"[.,](\d{1,9})\d*")
_INT64: Final = 1 << 63


class DamagedLine(ValueError):  # noqa: N818
    """This line does not say what a line has to say."""


def header_line(store: str) -> bytes:
    """Return the first line of an export."""
    return _dump({"export": "chip-bridge", "v": FORMAT, "store": store})


def session_line(session: SessionRow) -> bytes:
    """Return the line of a session."""
    return _dump({"session": {name: getattr(session, name) for name in _SESSION_COLUMNS}})


def sample_line(number: int, sample: ClockSample) -> bytes:
    """Return the line of a clock sample; `number` is its row id."""
    return _dump({"sample": {"id": number, **sample._asdict()}})


def event_line(row: EventRow, session: SessionRow | None) -> bytes:
    """Return the line of an event, with what other tools want to know if it is a read."""
    columns: Line = row._asdict()
    columns["raw"] = row.raw.hex()
    if row.rssi is not None and orjson.dumps(row.rssi) == b"null":
        columns["rssi"] = str(row.rssi)  # an infinity, which JSON can not say
    line: Line = {"reader": session.reader, "location": session.location} if session else {}
    if row.kind == Kind.READ:
        line["chip"] = row.chip
        line["time"] = time_text(row.stamp, row.form)
    line["event"] = columns
    return _dump(line)


def is_head(line: bytes) -> bool:
    """Say whether a line is one that others need: the header, or a session."""
    return line.startswith((b'{"export"', b'{"session"'))


def parse(line: bytes | str) -> Line:
    """Return what a line says.

    Raises:
        DamagedLine: It is not a JSON object.
    """
    try:
        said = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise DamagedLine(f"not JSON: {error}") from None
    if not isinstance(said, dict):
        raise DamagedLine("not a JSON object")
    return said


def session_in(said: object) -> SessionRow:
    """Return the session of a line's ``session``.

    Raises:
        DamagedLine: A column is missing or of the wrong type.
    """
    values = _columns(said, tuple(_SESSION_COLUMNS), "".join(_SESSION_COLUMNS.values()))
    return SessionRow(**dict(zip(_SESSION_COLUMNS, values, strict=True)))  # type: ignore[arg-type]


def sample_in(said: object) -> tuple[int, ClockSample]:
    """Return row id and sample of a line's ``sample``; `DamagedLine` as above."""
    (number,) = _columns(said, ("id",), "i")
    values = _columns(said, ClockSample._fields, _SAMPLE_TYPES)
    return int(str(number)), ClockSample._make(values)


def event_in(said: object) -> EventRow:
    """Return the row of a line's ``event``; `DamagedLine` as above."""
    values = _columns(said, EventRow._fields, _EVENT_TYPES)
    row = EventRow._make(values)
    try:
        rssi = None if row.rssi is None else float(row.rssi)
        return row._replace(rssi=rssi, raw=bytes.fromhex(str(row.raw)))
    except ValueError as error:
        raise DamagedLine(str(error)) from None


def bare_read(said: Line) -> tuple[str, str, str, int, StampForm]:
    """Return reader, location, chip, stamp and form of a line another tool wrote.

    Raises:
        DamagedLine: No chip or reader in it, or a time that is none.
    """
    reader, chip, time = said.get("reader"), said.get("chip"), said.get("time")
    location = said.get("location") or ""
    if isinstance(chip, int) and not isinstance(chip, bool):
        chip = str(chip)
    if not isinstance(reader, str) or not isinstance(chip, str) or not chip:
        raise DamagedLine("needs at least a reader, a chip and a time")
    if not isinstance(location, str):
        raise DamagedLine("the location is not a text")
    if not isinstance(time, str):
        raise DamagedLine("the time is not a text in ISO 8601")
    stamp, form = stamp_of(time)
    return reader, location, chip, stamp, form


def time_text(stamp: int, form: int) -> str | None:
    """Return a stamp in ISO 8601, naive where the reader is naive; None where it has no date."""
    if form not in (StampForm.NAIVE, StampForm.UTC):
        return None
    seconds, fraction = divmod(stamp, NS_PER_S)
    try:
        moment = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return None
    digits = f"{fraction:09d}"
    digits = digits[:3] + digits[3:].rstrip("0")
    zone = "Z" if form == StampForm.UTC else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{digits}{zone}"


def stamp_of(text: str) -> tuple[int, StampForm]:
    """Return stamp and form of an ISO 8601 text.

    Raises:
        DamagedLine: It is none.
    """
    fraction = _FRACTION.search(text)
    whole = text if fraction is None else text[: fraction.start()] + text[fraction.end() :]
    try:
        moment = datetime.fromisoformat(whole)
    except ValueError:
        raise DamagedLine(f"{text!r} is not a time in ISO 8601") from None
    form = StampForm.NAIVE if moment.tzinfo is None else StampForm.UTC
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    seconds = since.days * 86_400 + since.seconds
    nanoseconds = int(fraction[1].ljust(9, "0")) if fraction else 0
    return UtcNs(seconds * NS_PER_S + nanoseconds), form


def _columns(said: object, names: tuple[str, ...], types: str) -> list[object]:
    if not isinstance(said, dict):
        raise DamagedLine("its columns are missing")
    values = [said.get(name) for name in names]
    for name, kind, value in zip(names, types, values, strict=True):
        wrong_bool = isinstance(value, bool) != (kind == "b")
        too_large = isinstance(value, int) and not -_INT64 <= value < _INT64
        if wrong_bool or too_large or not isinstance(value, _TYPES[kind]):
            raise DamagedLine(f"column {name} is {value!r}")
    return values


def _dump(line: Line) -> bytes:
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
