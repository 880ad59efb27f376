"""The lines a RACE RESULT decoder uploads to a custom URL, to reads and back.

A line has 19 fields: those of a passing record up to RSSI and internal data, then the code of an
active transponder, a field nobody has explained, and from IsActive on the record again, up to its
active data; box and file stand in the query of the request. Which fields are what is known from
one independent receiver (bib, date, time, event, hits, RSSI, code, IsActive, loop, battery, active
data); channel, store mode, wake-ups and temperature are where the record's order puts them.
"""

from collections.abc import Mapping
from typing import Final

from bridge.domain.reads import NS_PER_MS, Read
from bridge.driver_api import Marker, Rejected, Sighting
from drivers.race_result import records
from drivers.race_result.records import Numbering, RecordReader

FIELDS: Final = 19
_CODE: Final = 8
_IS_ACTIVE: Final = 10
_ACTIVE_DATA: Final = 17
_INTERNAL: Final = 7


class UploadReader:
    """Decodes the lines of uploads; each is told where its request says it comes from."""

    def __init__(self) -> None:
        self._records = RecordReader()

    def read(self, raw: bytes, line: bytes, source: Numbering) -> Read | Marker | Rejected:
        """Decode one line of a body; `raw` are the wire bytes it came in."""
        fields = records.fields_of(line)
        if len(fields) == FIELDS:
            fields = _record_of(fields)
        if len(fields) == records.FIELDS:
            fields[16] = fields[16] or source.box
            fields[17] = fields[17] or source.file
            fields[19] = fields[19] or source.box
        event = self._records.read(records.encode_record(fields), source).event
        match event:
            case Read():
                return event._replace(raw=raw, key=_identity(event))
            case Marker():
                key = _identity(event)
                return Marker(raw, event.name, event.stamp, event.form, key, event.extra)
            case Rejected():
                return Rejected(raw, event.reason, event.detail)


def _identity(event: Read | Marker) -> str | None:
    """Return what makes a line unique: numbers begin again in a file that somebody clears.

    Where the decoder is asked that shows in its counts. Here nothing shows it, so the time is part
    of the identity; a line that is uploaded again has the same.
    """
    return None if event.key is None else f"{event.key}@{event.stamp // NS_PER_MS}"


def _record_of(fields: list[str]) -> list[str]:
    """Return the 20 fields of the record an uploaded line stands for."""
    code = fields[_CODE] if fields[_IS_ACTIVE] == "1" else ""
    head = [fields[0], code or fields[1], *fields[2 : _INTERNAL + 1]]
    return [*head, *fields[_IS_ACTIVE : _ACTIVE_DATA + 1], "", "", "", ""]


def encode(sighting: Sighting) -> bytes:
    """Return the line a decoder uploads for a passive transponder; NAIVE stamp, to the ms."""
    return line_of(sighting, active=False)


def line_of(sighting: Sighting, *, active: bool) -> bytes:
    """Return an uploaded line, line end included."""
    record = records.record_of(sighting)
    fields = [*record[:8], "", "", *record[8:16], ""]
    if active:
        fields[_CODE], fields[1] = fields[1], ""
        fields[_IS_ACTIVE:_ACTIVE_DATA] = ["1", "1", "1", "0", "10000", "2.9", "17"]
    return records.encode_record(fields)


def details(raw: bytes) -> Mapping[str, object]:
    """Return the protocol fields of a line that a `Read` does not carry."""
    fields = records.fields_of(raw)
    if len(fields) == FIELDS:
        return records.details(records.encode_record(_record_of(fields)))
    return records.details(raw)
