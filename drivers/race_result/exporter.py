"""Record lines of the RACE RESULT 12/14 exporter in its JSON format.

The object may be followed by free text on the same line (``;`` and the event's name in one real
feed): the object is decoded, the rest stays in the raw frame. "Rewind" in the software sends
everything again, so the identity is the decoder's own: device, file, passing number.

`Time` is seconds since local midnight. `UTCTime` is the wall clock with a zone that was wrong in
real data, so only its date is used.
"""

import json
import math
from collections.abc import Mapping
from typing import Final

from bridge.domain.reads import DAY_NS, NS_PER_MS, Read, StampForm
from bridge.driver_api import Marker, Reason, Rejected
from drivers.race_result import records, stamps

_MOST_SECONDS: Final = 100 * 86_400
_LOCAL_LENGTH: Final = len("yyyy-mm-ddThh:mm:ss")


def decode(raw: bytes) -> Read | Marker | Rejected:
    """Decode one line that begins with ``{``."""
    record = _object(raw)
    if record is None:
        return Rejected(raw, Reason.FRAMING, "no JSON object in this line")
    passing = record.get("Passing")
    if not isinstance(passing, dict):
        return Rejected(raw, Reason.UNKNOWN, "a JSON object without Passing")
    stamp = _stamp(record.get("Time"), passing.get("UTCTime"))
    code = _text(passing.get("Transponder"))
    if stamp is None or not code or not code.isprintable():
        return Rejected(raw, Reason.FIELD, "no Time or no Transponder that can be")
    box, number = _text(passing.get("DeviceID")), _whole(passing.get("PassingNo"))
    file = _whole(passing.get("FileNo"))
    known = box and file is not None and number is not None
    key = f"{box}/{file}/{number}" if known else None
    if passing.get("IsMarker") is True or code == records.TRIGGER_CODE:
        return Marker(raw, "trigger", *stamp, key, _details(record, passing))
    return Read(
        raw,
        records.chip_of(code, str(_whole(passing.get("OrderID")) or "")),
        *stamp,
        _whole(passing.get("Port")) or _whole(passing.get("Channel")) or None,
        _number(passing.get("RSSI")),
        box or _text(passing.get("DeviceName")) or None,
        number,
        key,
    )


def details(raw: bytes) -> Mapping[str, object]:
    """Return what the exporter tells beyond a `Read`, under names like those of a record."""
    record = _object(raw) or {}
    passing = record.get("Passing")
    return _details(record, passing if isinstance(passing, dict) else {})


def _object(raw: bytes) -> dict[str, object] | None:
    try:
        found, _ = json.JSONDecoder().raw_decode(raw.decode("utf-8", "replace").lstrip("\0"))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _stamp(time: object, utc: object) -> tuple[int, StampForm] | None:
    seconds = _number(time)
    if seconds is None or not 0 <= seconds < _MOST_SECONDS:
        return None
    clock = round(seconds * 1000) * NS_PER_MS
    text = utc if isinstance(utc, str) else ""
    wall = stamps.parse_stamp(text[:10], text[11:_LOCAL_LENGTH])
    if wall is None or wall[1] is not StampForm.NAIVE:
        return clock, StampForm.TIME_OF_DAY
    days = (wall[0] - clock + DAY_NS // 2) // DAY_NS
    return clock + days * DAY_NS, StampForm.NAIVE


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and abs(value) < 10**12 else None


def _whole(value: object) -> int | None:
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**10
    return value if good and isinstance(value, int) else None


def _text(value: object) -> str:
    return value if isinstance(value, str) and value.isprintable() else ""


def _details(record: Mapping[str, object], passing: Mapping[str, object]) -> dict[str, object]:
    told = {name: _plain(record.get(key)) for key, name in _RECORD.items()}
    told |= {name: _plain(passing.get(key)) for key, name in _PASSING.items()}
    return {name: value for name, value in told.items() if value is not None}


def _plain(value: object) -> object:
    if isinstance(value, bool):
        return value
    return _whole(value) if isinstance(value, int) else _number(value) or _text(value) or None


_RECORD: Final = {"Bib": "bib", "TimingPoint": "timing_point", "Invalid": "invalid"}
_PASSING: Final = {
    "PassingNo": "passing_no",
    "OrderID": "order_id",
    "Hits": "hits",
    "InternalData": "internal_data",
    "Channel": "channel",
    "LoopID": "loop_id",
    "WUC": "wakeup_counter",
    "Battery": "battery_v",
    "Temperature": "temperature_c",
    "StatusFlags": "active_flags",
    "DeviceName": "box_name",
    "FileNo": "file",
    "DeviceID": "box_id",
    "UTCTime": "utc_time",
    "Received": "received",
}
