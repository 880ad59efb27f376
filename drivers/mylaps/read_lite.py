"""The record of version 1 (``Store``): fixed columns with a checksum, called ReadLite.

Chip (7), time of day (12), device (2), reader (2), a hex digit, lap (3), sequence (4 hex), date
``yyMMdd`` (6), checksum (2 hex): 39 characters. The vendor's manual also has one of 48, with 8 hex
digits instead of 1 and 6 instead of 4. So what stands behind the middle is found from the end.

Source: vendor manual of the exporter v1.3 (2021); the checksum was found in production records.
"""

import re
from collections.abc import Mapping
from typing import Final
from zlib import adler32

from bridge.domain.reads import Chip, Read, StampForm
from bridge.driver_api import Reason, Rejected, Sighting
from drivers.mylaps import stamps

CHIP_LENGTH: Final = 7
_SHAPE: Final = re.compile(
    r"([!-~][ -~]{6})( [0-9:]{8}\.[0-9]{2}|[0-9:]{8}\.[0-9]{3})([ 0-9]{2})([ 0-9]{2})"
    r"([ -~]*)([0-9]{6})[0-9A-Fa-f]{2}"
)
_MIDDLES: Final = {8: (1, 4), 17: (8, 11)}
"""Length of what stands between reader number and date -> where the lap begins and ends in it."""
_NO_SEQUENCE: Final = "FFFFFF"
_SEQUENCES: Final = 0x1_0000
_MOST_HITS: Final = 15


def checksum(body: bytes) -> int:
    """Return the sum of the character codes modulo 256 (right below 257 bytes).

    The low half of an Adler-32 started at 0 is that sum modulo 65521: the fastest there is.
    """
    return adler32(body, 0) & 0xFF


class ReadLiteReader:
    """Decode records; remembers the seconds it has seen."""

    def __init__(self) -> None:
        self._stamps = stamps.StampReader()

    def read(self, record: bytes, raw: bytes, unit: str) -> Read | Rejected:
        """Decode one record of location `unit`; `raw` is its share of the wire."""
        text = record.decode("latin-1")
        shape = _SHAPE.fullmatch(text)
        if int(text[-2:], 16) != checksum(record[:-2]) if shape else not _adds_up(record):
            return Rejected(raw, Reason.CHECKSUM, "the sum of the characters is another")
        if shape is None:
            return Rejected(raw, Reason.FIELD, "not the columns of a ReadLite record")
        code, clock, device, _, middle, day = shape.groups()
        clock = clock.strip(" ")
        stamp = self._stamps.read(day, clock)
        if stamp is None:
            return Rejected(raw, Reason.FIELD, f"no such time: {day} {clock}")
        chip = Chip(code.strip(" "))
        _, sequence = _parts(middle)
        # Without lap and hits: the timer's software may count them anew when it opens a file.
        key = f"{unit}/{chip}/{day} {clock}/{device.strip(' ')}/{sequence}"
        # The hex digit is an antenna or a number of hits, and nothing in the record says which.
        return Read(raw, chip, stamp, StampForm.NAIVE, unit=unit, seq=_sequence(sequence), key=key)


def details(record: bytes) -> Mapping[str, object]:
    """Return the columns of a record that a `Read` does not carry."""
    shape = _SHAPE.fullmatch(record.decode("latin-1"))
    if shape is None:
        return {}
    _, _, device, reader, middle, _ = shape.groups()
    begin, end = _MIDDLES.get(len(middle), (0, 0))
    named = (
        ("device", device),
        ("reader_number", reader),
        ("antenna_or_hits", middle[:begin]),
        ("lap", middle[begin:end]),
        ("sequence", middle[end:]),
    )
    told: dict[str, object] = {}
    for name, column in named:
        value = column.strip(" ")
        if value:
            told[name] = int(value) if name in {"device", "reader_number"} else value
    lap = told.get("lap")
    if isinstance(lap, str) and lap.isdecimal():
        told["lap"] = int(lap)
    return told


def encode(sighting: Sighting, stamp: int) -> str:
    """Return the record of a sighting at the local `stamp`; lap 1 on device 1."""
    body = (
        f"{chip_field(sighting.chip)}{stamps.print_clock(stamp)} 1 0"
        f"{min(max(sighting.antenna, 0), _MOST_HITS):X}  1"
        f"{sighting.seq % _SEQUENCES:04X}{stamps.print_day(stamp)}"
    )
    return f"{body}{checksum(body.encode('ascii')):02X}"


def chip_field(chip: str) -> str:
    """Return 7 characters for any chip text, so that chips of other readers can be sent on.

    Digits are filled up with zeros as BibTag codes are; of what is longer the end is kept, where
    chips of one race differ.
    """
    text = "".join(sign if sign.isascii() and sign.isalnum() else "_" for sign in chip)
    text = text[-CHIP_LENGTH:] or "0"
    return text.rjust(CHIP_LENGTH, "0") if text.isdecimal() else text.ljust(CHIP_LENGTH)


def _parts(middle: str) -> tuple[str, str]:
    """Return the hex digits before the lap, and the sequence as text."""
    begin, end = _MIDDLES.get(len(middle), (0, 0))
    return middle[:begin], middle[end:]


def _sequence(text: str) -> int | None:
    try:
        return None if text == _NO_SEQUENCE else int(text, 16)
    except ValueError:
        return None


def _adds_up(record: bytes) -> bool:
    """Tell whether two hex digits at the end are the sum of what is before them."""
    try:
        return int(record[-2:], 16) == checksum(record[:-2])
    except ValueError:
        return False
