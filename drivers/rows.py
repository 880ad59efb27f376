"""Rows of fields: CSV and its like, JSON objects, and which field is which.

Column names are those found in exports of readers and timing programs; `guess` knows them.
"""

import csv
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import orjson

SEPARATORS: Final = ("\t", ";", ",", "|")
"""Tried in this order."""
KNOWN_NAMES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "chip": (
            "chip", "tag", "epc", "rfid", "transponder", "chipid", "tagid", "chipcode", "chipno",
            "chipnumber", "tagcode", "tagno", "tagnumber", "epchex", "tagepc", "idhex", "rfidtag",
            "transpondercode", "transponderid", "puce", "uid", "code",
        ),
        "bib": ("bib", "bibno", "bibnumber", "startno", "startnumber", "dorsal", "dossard"),
        "time": (
            "time", "timestamp", "datetime", "readtime", "chiptime", "tagtime", "passingtime",
            "detectiontime", "utctime", "firstseen", "lastseen", "lastseentime", "moment",
            "timeofday", "firstseentimestamp", "lastseentimestamp", "hora", "heure", "zeit",
        ),
        "date": ("date", "day", "fecha", "datum"),
        "antenna": (
            "antenna", "ant", "antennaport", "antennaid", "antennano", "antennanumber", "port",
            "loop", "loopid", "antena", "antenne",
        ),
        "rssi": ("rssi", "maxrssi", "peakrssi", "peakrssidbm", "strength", "signal"),
        "seq": ("seq", "sequence", "passingno", "passingnumber", "recordnumber", "logid"),
        "key": ("readid", "passingid"),
        "unit": (
            "reader", "readername", "readerid", "device", "deviceid", "decoder", "decoderid",
            "timingpoint", "location", "source", "unit",
        ),
    }
)  # fmt: skip
"""Field -> names of its column without case, blanks and signs, the likeliest first.

A plain ``id`` is left out: it may be the chip, the runner or the row.
"""
_SIGNS: Final = re.compile(r"[\W_]+")
Places = Mapping[str, int]
"""Field -> index of its column, from 0."""


def plain(name: str) -> str:
    """Return a column's name without case, blanks and signs."""
    return _SIGNS.sub("", name.lower())


def split(line: str, separator: str) -> list[str]:
    """Return the trimmed fields of a row, quotes taken off."""
    if '"' not in line:
        return [field.strip() for field in line.split(separator)]
    try:
        found = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    except csv.Error:
        found = line.split(separator)
    return [field.strip() for field in found]


def join(fields: Sequence[str], separator: str) -> str:
    """Return a row; a field that holds the separator or a quote is quoted."""
    special = (separator, '"')
    quoted = [
        '"' + field.replace('"', '""') + '"' if any(sign in field for sign in special) else field
        for field in fields
    ]
    return separator.join(quoted)


def separator_of(line: str) -> str:
    """Return the separator a row seems to have."""
    return next((sign for sign in SEPARATORS if sign in line), ",")


def guess(names: Sequence[str]) -> dict[str, int]:
    """Return which column is which by their names; a name counts for one field alone."""
    wanted = [plain(name) for name in names]
    found: dict[str, int] = {}
    for field, known in KNOWN_NAMES.items():
        place = next((wanted.index(name) for name in known if name in wanted), None)
        if place is not None:
            found[field] = place
    if "time" not in found and "date" in found:  # one column for both is often called Date
        found["time"] = found.pop("date")
    return found


def by_name(columns: Mapping[str, str], names: Sequence[str]) -> dict[str, int] | None:
    """Return where the named columns stand in a header, None if one is missing."""
    wanted = [plain(name) for name in names]
    found = {field: plain(name) for field, name in columns.items()}
    if not all(name in wanted for name in found.values()):
        return None
    return {field: wanted.index(name) for field, name in found.items()}


def pick(fields: Sequence[str], places: Places) -> dict[str, str]:
    """Return the texts by field; a row may end before its last columns."""
    return {name: fields[place] for name, place in places.items() if place < len(fields)}


def object_of(line: str | bytes) -> dict[str, str] | None:
    """Return the plain values of a JSON object as text, by name; None: it is none."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(value, dict):
        return None
    return {
        name: _text(item)
        for name, item in value.items()
        if isinstance(item, str | int | float) and not isinstance(item, bool)
    }


def _text(value: str | float) -> str:
    if isinstance(value, str):
        return value.strip()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
