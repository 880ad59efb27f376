"""From the fields of a tag record to a read, and back to the forms in which readers write it."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from bridge.domain.reads import NS_PER_MS, NS_PER_S, Chip, Read, StampForm
from bridge.driver_api import Reason, Rejected, Sighting
from drivers.alien.formats import Fields

MOST_ANTENNA: Final = 15
_ELEMENT: Final = re.compile(r"<([A-Za-z]{1,30})>([^<]{0,200})</\1>")
_DIGITS: Final = re.compile("(?:[0-9A-Fa-f]{2}){1,62}")
_ANTENNA: Final = re.compile("[0-9]{1,2}")
_NUMBER: Final = re.compile(r"-?[0-9]{1,5}(?:\.[0-9]{1,9})?")
_SECONDS: Final = re.compile(r"([0-9]{2}):([0-5][0-9]):([0-5][0-9])(?:\.([0-9]{1,9})[0-9]*)?")
_LAST_HOUR: Final = 23
_CENTURY: Final = 2000
_LAST_YEAR: Final = 2261
"""Beyond it nanoseconds since 1970 do not fit 64 bits."""
_HIGHEST: Final = 2**63 // NS_PER_MS
_XML: Final = (
    ("TagID", "id"), ("DiscoveryTime", "first"), ("LastSeenTime", "last"), ("Antenna", "antenna"),
    ("ReadCount", "reads"), ("Protocol", "protocol"), ("RSSI", "rssi"),
)  # fmt: skip


def element_of(text: str) -> Fields | None:
    """Return the fields of a tag in XML; None if it has no id."""
    found = dict(_ELEMENT.findall(text))
    told = {name: found[tag].strip() for tag, name in _XML if tag in found}
    if "id" not in told:
        return None
    first_date, _, first_clock = told.get("first", "").partition(" ")
    last_date, _, last_clock = told.get("last", "").partition(" ")
    return Fields(
        told["id"],
        first_date or None,
        first_clock or None,
        last_date or None,
        last_clock or None,
        antenna=told.get("antenna"),
        rssi=told.get("rssi"),
        reads=told.get("reads"),
        protocol=told.get("protocol"),
    )


class Reader:
    """Makes reads of fields; remembers the days it has seen."""

    def __init__(self, *, first: bool) -> None:
        """`first`: the time a tag was discovered counts, not that of the newest read of it."""
        self._first = first
        self._days: dict[str, int] = {}

    def read_of(self, raw: bytes, fields: Fields, unit: str | None) -> Read | Rejected:
        """Return the read, or why there is none. Antenna 0 on the wire is our 1."""
        digits = fields.id.replace(" ", "")
        if not _DIGITS.fullmatch(digits):
            return Rejected(raw, Reason.FIELD, "a tag is an even number of hexadecimal digits")
        try:
            stamp, form = self._stamp(fields)
        except ValueError as error:
            return Rejected(raw, Reason.FIELD, str(error))
        antenna = None
        if fields.antenna is not None:
            if not _ANTENNA.fullmatch(fields.antenna) or int(fields.antenna) > MOST_ANTENNA:
                return Rejected(raw, Reason.FIELD, "no such antenna")
            antenna = int(fields.antenna) + 1
        rssi = float(fields.rssi) if fields.rssi and _NUMBER.fullmatch(fields.rssi) else None
        return Read(raw, Chip(digits.upper()), stamp, form, antenna, rssi, unit)

    def stamp_of(self, date: str, clock: str) -> int:
        """Return a date and a time as a NAIVE stamp.

        Raises:
            ValueError: There is no such moment.
        """
        midnight = self._days.get(date)
        if midnight is None:
            midnight = _midnight(date)
            if len(self._days) >= 64:  # noqa: PLR2004 - more days than any reader is kept running
                self._days.clear()
            self._days[date] = midnight
        found = _SECONDS.fullmatch(clock)
        if found is None or int(found[1]) > _LAST_HOUR:
            raise ValueError("no such time")
        seconds = (int(found[1]) * 60 + int(found[2])) * 60 + int(found[3])
        return midnight + seconds * NS_PER_S + int((found[4] or "0").ljust(9, "0"))

    def _stamp(self, fields: Fields) -> tuple[int, StampForm]:
        both = (
            (fields.first_ms, fields.first_date, fields.first_clock),
            (fields.last_ms, fields.last_date, fields.last_clock),
        )
        for ms, date, clock in both if self._first else reversed(both):
            if ms is not None:
                if int(ms) >= _HIGHEST:
                    raise ValueError("no such time")
                return int(ms) * NS_PER_MS, StampForm.UTC
            if date is not None and clock is not None:
                return self.stamp_of(date, clock), StampForm.NAIVE
        return 0, StampForm.ABSENT


def _midnight(date: str) -> int:
    """Return the start of a day as ``YYYY/MM/DD`` or ``YY/MM/DD`` in ns since 1970."""
    year, month, day = (int(part) for part in date.split("/"))
    moment = datetime(year if year > 99 else _CENTURY + year, month, day, tzinfo=UTC)  # noqa: PLR2004
    seconds = int(moment.timestamp())
    if seconds < 0 or moment.year > _LAST_YEAR:
        raise ValueError("no such date")
    return seconds * NS_PER_S


def details(fields: Fields) -> Mapping[str, object]:
    """Return what a record says that a read does not carry."""
    told: dict[str, object] = {}
    if fields.reads is not None:
        told["reads"] = int(fields.reads) if fields.reads.isdecimal() else fields.reads
    if fields.protocol is not None:
        told["protocol"] = fields.protocol
    for name, ms, date, clock in (
        ("first_seen", fields.first_ms, fields.first_date, fields.first_clock),
        ("last_seen", fields.last_ms, fields.last_date, fields.last_clock),
    ):
        if ms is not None:
            told[name] = int(ms)
        elif date is not None and clock is not None:
            told[name] = f"{date} {clock}"
    return told


def tag_of(chip: str) -> str:
    """Return an even number of hex digits for any chip text."""
    text = chip if re.fullmatch(r"[0-9A-Fa-f]+", chip) else chip.encode().hex() or "00"
    return text.upper().rjust(len(text) + len(text) % 2, "0")


def print_usual(one: Sighting, *, first: int | None = None, count: int = 1) -> bytes:
    """Return the line of `formats.USUAL`; `first`: when the tag was discovered."""
    seen = [(one.stamp if at is None else at) // NS_PER_MS for at in (first, None)]
    fields = (tag_of(one.chip), *seen, max(one.antenna, 1) - 1, f"{one.rssi:.1f}", count)
    return ";".join(map(str, fields)).encode() + b"\r\n"


def print_text(one: Sighting, *, first: int | None = None, count: int = 1) -> bytes:
    """Return the reader's default text; the times are those of its wall clock."""
    seen, last = (print_moment(one.stamp if at is None else at) for at in (first, None))
    antenna = max(one.antenna, 1) - 1
    return (
        f"Tag:{_spaced(one.chip)}, Disc:{seen}, Last:{last}, Count:{count}, Ant:{antenna}, "
        "Proto:2\r\n"
    ).encode()


def print_xml(one: Sighting, *, first: int | None = None, count: int = 1) -> bytes:
    """Return the tag as an XML element."""
    seen, last = (print_moment(one.stamp if at is None else at) for at in (first, None))
    fields = (
        ("TagID", _spaced(one.chip)), ("DiscoveryTime", seen), ("LastSeenTime", last),
        ("Antenna", max(one.antenna, 1) - 1), ("ReadCount", count), ("Protocol", 2),
    )  # fmt: skip
    inside = "".join(f"  <{name}>{value}</{name}>\r\n" for name, value in fields)
    return f"<Alien-RFID-Tag>\r\n{inside}</Alien-RFID-Tag>\r\n".encode()


def print_terse(one: Sighting, *, first: int | None = None, count: int = 1) -> bytes:  # noqa: ARG001
    """Return tag, count and antenna: this form has no time."""
    return f"{_spaced(one.chip)},{count},{max(one.antenna, 1) - 1}\r\n".encode()


PRINTERS: Final[Mapping[str, Callable[..., bytes]]] = MappingProxyType(
    {"custom": print_usual, "text": print_text, "xml": print_xml, "terse": print_terse}
)
"""By format, as it is called in an emulator's options and in ``TagListFormat``."""


def print_moment(stamp: int) -> str:
    """Return a wall clock (ns since 1970) as the reader writes it, in ms."""
    seconds, fraction = divmod(stamp, NS_PER_S)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y/%m/%d %H:%M:%S}.{fraction // NS_PER_MS:03d}"


def _spaced(chip: str) -> str:
    tag = tag_of(chip)
    return " ".join(tag[at : at + 4] for at in range(0, len(tag), 4))
