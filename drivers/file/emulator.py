"""What software writes into files of reads: JSON Lines, or rows below a header."""

from collections.abc import Callable, Mapping
from typing import Final

import orjson

from bridge.driver_api import Sighting
from drivers import rows
from drivers.one_way_emulator import OneWayEmulator
from drivers.time_text import TimeText

_KNOWN: Final = ("format", "separator")
_FORMATS: Final = ("json", "rows")
_COLUMNS: Final = ("Chip", "Time", "Antenna", "RSSI", "Seq")
_PORT: Final = 10_002
_TIME: Final = "iso"


def encode(sighting: Sighting) -> bytes:
    """Return a read as a JSON object and LF, to the microsecond."""
    chip, time, *_ = _texts(sighting)
    told = {
        "chip": chip,
        "time": time,
        "antenna": sighting.antenna,
        "rssi": sighting.rssi,
        "seq": sighting.seq,
    }
    return orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)


def _texts(sighting: Sighting) -> tuple[str, ...]:
    time = TimeText(_TIME).print(sighting.stamp)
    rssi = f"{sighting.rssi:g}"
    return sighting.chip, time, str(sighting.antenna), rssi, str(sighting.seq)


def _rows(separator: str) -> Callable[[Sighting], bytes]:
    return lambda sighting: (rows.join(_texts(sighting), separator) + "\r\n").encode()


def make(options: Mapping[str, object]) -> OneWayEmulator:
    """Return the emulator.

    Options: `format` (``json``, or ``rows`` below a header), `separator` of the rows.

    Raises:
        ValueError: An option is unknown or out of range; the text says what is allowed.
    """
    for name in options:
        if name not in _KNOWN:
            raise ValueError(f"unknown emulator option {name!r}; allowed: {', '.join(_KNOWN)}")
    form, separator = options.get("format", "json"), options.get("separator", ",")
    if form not in _FORMATS:
        raise ValueError(f"emulator option 'format' is {form!r}; allowed: {', '.join(_FORMATS)}")
    if separator not in rows.SEPARATORS:
        allowed = ", ".join(map(repr, rows.SEPARATORS))
        raise ValueError(f"emulator option 'separator' is {separator!r}; allowed: {allowed}")
    if form == "json":
        return OneWayEmulator(_PORT, encode, _no_mark)
    header = (rows.join(_COLUMNS, str(separator)) + "\r\n").encode()
    return OneWayEmulator(_PORT, _rows(str(separator)), _no_mark, header)


def _no_mark(name: str, stamp: int) -> bytes:  # noqa: ARG001 - the emulator's form
    return b""
