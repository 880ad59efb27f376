r"""The read record: twelve comma-separated fields and LF, to reads and back.

``0,chip,seconds,milliseconds,antenna,rssi,rewound,reader,box,reader time,start time,log`` with
seconds of the box's own wall clock since 1980-01-01, without a zone, and milliseconds that are
not padded: ``7`` is .007. No checksum anywhere, so the shape is all there is to check.

Chip ``0`` is the trigger input, not a chip. The log number counts the records of the box's memory
from 1; it starts again when the log is cleared, so it tells what is missing but identifies
nothing: the identity is (box, chip, time, antenna).

Source: four independent clients (Chronokeep, PikaTimer, CrossMgr, saturnTagReader).
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from bridge.domain.reads import NS_PER_MS, NS_PER_S, Chip, Read, StampForm
from bridge.driver_api import Control, Kept, Marker, Sighting

EPOCH_S: Final = 315_532_800
"""1980-01-01T00:00:00 in seconds since 1970."""
TRIGGER: Final = Chip("0")
_MOST_CHIP: Final = 64
_LAST_SECOND: Final = 2**32
_NO_MODULE_TIME: Final = "0" * 16
_NAIVE: Final = StampForm.NAIVE
_SMALL: Final = {str(number): number for number in range(256)}
_new = tuple.__new__
"""Makes a NamedTuple of fields in order at half the price of calling its class."""

_FIELDS: Final = (
    r"([01]),([\x20-\x2b\x2d-\x7e]{1,64}),(\d{1,10}),(\d{1,3}),(\d{1,2}),(-?\d{1,4}(?:\.\d{1,4})?),"
    r"([01]),(\d{1,3}),(\d{1,3}),([0-9A-Fa-f]{0,32}),(\d{0,10}),(\d{1,10})"
)
RECORD: Final = re.compile(_FIELDS.encode() + rb"\r?\n")
"""One whole record with its line end; a read's first field is 0, some boxes may say 1."""


class Line(NamedTuple):
    """What one line told, and where it stands in the box's log."""

    event: Kept
    log: int | None = None
    """The log number of a record; None: not a record, or one of a bridge that numbers nothing."""
    rewound: bool = False
    """Sent again from the log, not live."""


def to_line(found: re.Match[bytes]) -> Line | None:
    """Return what a match of `RECORD` tells, or None: it has no time that can be."""
    raw = found[0]
    # fmt: off
    (_, chip, second, milli, antenna, rssi, rewound, _, box, _, _, log) = (
        found.group(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
    )
    # fmt: on
    seconds = int(second)
    if seconds >= _LAST_SECOND:
        return None
    stamp = (seconds + EPOCH_S) * NS_PER_S + int(milli) * NS_PER_MS
    name, unit, port = chip.decode("ascii").strip(), box.decode("ascii"), antenna.decode("ascii")
    if not name:
        return None
    number = int(log)
    key = f"{unit}/{name}/{seconds}.{int(milli)}/{port}"
    event: Read | Marker
    if name == TRIGGER:
        event = Marker(raw, "gun", stamp, _NAIVE, key, extra(raw), unit)
    else:
        event = _new(
            Read,
            (
                raw,
                name,
                stamp,
                _NAIVE,
                _SMALL.get(port) or None,
                float(rssi),
                unit,
                number or None,
                key,
            ),
        )
    return _new(Line, (event, number or None, rewound == b"1"))


def seconds_of(stamp: int) -> int:
    """Return the box's seconds of a naive stamp; before 1980 it knows none."""
    return max(stamp // NS_PER_S - EPOCH_S, 0)


def encode(sighting: Sighting) -> bytes:
    """Return the live record of box 1 for a sighting, LF included; ms, NAIVE stamp."""
    return record(sighting)


def record(
    sighting: Sighting, *, rewound: bool = False, reader: int = 1, box: int = 1, end: bytes = b"\n"
) -> bytes:
    """Return a record with the sighting's `seq` as its log number.

    What cannot stand in a chip field becomes ``_``. Antenna, reader and dBm of a trigger are 0.
    """
    trigger = sighting.chip == TRIGGER
    milli = sighting.stamp % NS_PER_S // NS_PER_MS
    port, level = (0, 0) if trigger else (sighting.antenna, round(sighting.rssi))
    text = (
        f"0,{_clean(sighting.chip)},{seconds_of(sighting.stamp)},{milli},{port},{level},"
        f"{int(rewound)},{0 if trigger else reader},{box},{_NO_MODULE_TIME},0,{sighting.seq}"
    )
    return text.encode("ascii") + end


def _clean(chip: str) -> str:
    text = "".join(c if " " <= c <= "~" and c != "," else "_" for c in chip.strip())
    return text[:_MOST_CHIP] or "_"


def extra(raw: bytes) -> Mapping[str, object]:
    """Return the fields of a record that a `Read` does not carry."""
    found = RECORD.fullmatch(raw)
    if found is None:
        return {}
    start = found[11].decode("ascii")
    return {
        "rewound": found[7] == b"1",
        "reader_no": int(found[8]),
        "reader_time": found[10].decode("ascii"),
        "start_time": int(start) if start else 0,
        "log_id": int(found[12]),
    }


def control(raw: bytes, note: str, **told: object) -> Line:
    """Return an understood line that tells nothing of a read."""
    return Line(Control(raw, note, told))
