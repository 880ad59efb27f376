"""The passing record of RACE RESULT decoders: a line of ``;``-fields, to reads and back.

Layouts are told apart by the number of fields after ``#P;`` is taken off: 20 from protocol 1.6
on, 19 in exporter format V1 (no LoopOnly), 11 and 8 in old passing files. Of any other number
the first nine are taken, more than 20 are a later protocol's additions.

Source: decoder protocol 2.0 and exporter articles of the vendor; independent clients agree.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from bridge.domain.reads import Chip, Read
from bridge.driver_api import Marker, Reason, Rejected, Sighting
from drivers.race_result import stamps

FIELDS: Final = 20
TRIGGER_CODE: Final = "99999"
"""The code a decoder gives a marker by default."""
PUSH_PREFIX: Final = "#P;"
EXAMPLE_BOX: Final = "D-50432"
_EXPORTER_V1: Final = 19
_OLD_FILE: Final = 11
_COMMON: Final = 9
_FEWEST: Final = 4
_MOST_DIGITS: Final = 10
_STORED_PASS: Final = 0x40
_CACHE_LIMIT: Final = 1024
_NO_ORDER: Final = ("0", "")
_PORTS: Final = {str(port): port for port in range(1, 9)}
_new = tuple.__new__
"""Makes a NamedTuple of fields in order at half the price of calling its class."""


class Numbering(NamedTuple):
    """What the connection knows beyond a record: where it stands if it does not say so itself.

    The file is that of the last count or status, which may be behind by a few seconds. So it tells
    whether a number is the next one, but makes no identity: of a record that does not name its
    own file, chip and stamp are the identity, live and fetched again.
    """

    box: str = ""
    file: str = ""
    epoch: int = 0
    """How often numbers were given again within a file, as far as we know."""


class Record(NamedTuple):
    """One record line: what it tells and where it stands in the decoder's file."""

    event: Read | Marker | Rejected
    number: int | None
    """PassingNo, wherever it can be read, even of a malformed record."""
    file: str
    """The record's own FileNumber, else that of the `Numbering`; empty if neither is known."""


class RecordReader:
    """Decode record lines; remembers field texts it has seen, so that most cost a look-up."""

    def __init__(self) -> None:
        self._stamps = stamps.StampReader()
        self._rssis: dict[str, float | None] = {}
        self._key_parts = ("", "", 0)
        self._key_start = ""

    def read(self, raw: bytes, numbering: Numbering) -> Record:
        """Decode one line, pushed or not, line end included.

        A record without chip, with fewer than 4 fields or with a time that cannot be is
        `Rejected`; its number is still told where it can be read.
        """
        fields = raw.decode("latin-1").strip("\0\r\n").removeprefix(PUSH_PREFIX).split(";")
        if len(fields) != FIELDS:
            fields = _to_twenty(fields)
        # fmt: off
        (no, code, day, clock, order, _, rssi, _, active, channel,
         _, _, _, _, _, _, name, own_file, port, box) = fields
        # fmt: on
        number = int(no) if no.isdecimal() and len(no) <= _MOST_DIGITS else None
        file = own_file or numbering.file
        stamp = self._stamps.read(day, clock)
        chip = code if order in _NO_ORDER else chip_of(code, order)
        if stamp is None or not code or not chip.isprintable():
            return Record(_reject(raw, fields, number), number, file)
        key = None
        if own_file and number is not None:
            key_parts = (box or numbering.box, own_file, numbering.epoch)
            if key_parts != self._key_parts:
                self._key_parts, self._key_start = key_parts, _key_start(*key_parts)
            if self._key_start:
                key = f"{self._key_start}{number}"
        if code == TRIGGER_CODE:
            marker = Marker(raw, "trigger", *stamp, key, _details(fields))
            return Record(marker, number, file)
        try:
            level = self._rssis[rssi]
        except KeyError:
            level = self._learn_rssi(rssi)
        read = _new(
            Read,
            (
                raw,
                chip,
                *stamp,
                _PORTS.get(port) or _other_port(port, active, channel),
                level,
                box or name or numbering.box or None,
                number,
                key,
            ),
        )
        return _new(Record, (read, number, file))

    def _learn_rssi(self, text: str) -> float | None:
        if len(self._rssis) >= _CACHE_LIMIT:
            self._rssis.clear()
        level = self._rssis[text] = decimal(text)
        return level


def _key_start(box: str, file: str, epoch: int) -> str:
    if not box:
        return ""
    return f"{box}/{file}+{epoch}/" if epoch else f"{box}/{file}/"


def fields_of(raw: bytes) -> list[str]:
    """Return the fields of a record line without ``#P`` and line end, as many as there are."""
    return raw.decode("latin-1").strip("\0\r\n").removeprefix(PUSH_PREFIX).split(";")


def chip_of(code: str, order: str) -> Chip:
    """Return the identity of a chip: its code, with the set it belongs to unless that is zero.

    Codes of disposable chips are bib numbers, unique only within their set.
    """
    return Chip(f"{code}@{order}" if order.strip("0") else code)


def decimal(text: str) -> float | None:
    """Return a decimal number, point or comma, or None: units and radix are not decided here."""
    text = text.replace(",", ".")
    digits = text.lstrip("-").replace(".", "", 1)
    return float(text) if digits.isdecimal() and len(text) <= _MOST_DIGITS else None


def encode(sighting: Sighting) -> bytes:
    """Return the pushed line for a sighting; ms, NAIVE stamp.

    The file number stays empty, as an exporter may leave it: a sighting belongs to no file, and
    a made-up one would give two sightings of the same `seq` one identity.
    """
    return encode_record(record_of(sighting), pushed=True)


def record_of(sighting: Sighting, *, box: str = EXAMPLE_BOX, file: str = "") -> list[str]:
    """Return the 20 fields of a passive passing with the sighting's `seq` as its number."""
    code, _, order = _clean(sighting.chip).partition("@")
    fields = [""] * FIELDS
    fields[:7] = [
        str(sighting.seq),
        code,
        stamps.print_date(sighting.stamp),
        stamps.print_clock(sighting.stamp),
        order or "0",
        "1",
        f"{sighting.rssi:.10g}",
    ]
    fields[8] = "0"
    fields[16:] = [box, file, str(sighting.antenna), box]
    return fields


def encode_record(fields: list[str], *, pushed: bool = False) -> bytes:
    """Return a record line of any layout, line end included; what is not latin-1 becomes ``?``."""
    return f"{PUSH_PREFIX if pushed else ''}{';'.join(fields)}\r\n".encode("latin-1", "replace")


def details(raw: bytes) -> Mapping[str, object]:
    """Return the protocol fields of a record line that a `Read` does not carry."""
    return _details(_to_twenty(fields_of(raw)))


def _to_twenty(fields: list[str]) -> list[str]:
    count = len(fields)
    if count > FIELDS:
        return fields[:FIELDS]
    if count == _EXPORTER_V1:
        return [*fields[:11], "", *fields[11:]]
    if count == _OLD_FILE:
        fields = [*fields[:7], fields[9], fields[10]]
    elif count < FIELDS:
        fields = fields[:_COMMON]
    return fields + [""] * (FIELDS - len(fields))


def _reject(raw: bytes, fields: list[str], number: int | None) -> Rejected:
    which = "record" if number is None else f"record {number}"
    if len(fields_of(raw)) < _FEWEST:
        return Rejected(raw, Reason.FIELD, f"{which} has fewer than {_FEWEST} fields")
    if stamps.parse_stamp(fields[2], fields[3]) is None:
        return Rejected(raw, Reason.FIELD, f"{which} has no time that can be")
    return Rejected(raw, Reason.FIELD, f"{which} has no chip code")


def _small(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) <= 3 else None  # noqa: PLR2004


def _other_port(antenna: str, active: str, channel: str) -> int | None:
    return _small(antenna) or (_small(channel) if active == "1" else None) or None


def _clean(chip: str) -> str:
    return "".join(c if c.isprintable() and c != ";" else "_" for c in chip)


def _details(fields: list[str]) -> dict[str, object]:
    told: dict[str, object] = {}
    for index, name, convert in _DETAILS:
        text = fields[index]
        if text:
            value = convert(text) if convert else text
            told[name] = text if value is None else value
    flags, active = told.get("active_flags"), fields[8] == "1"
    if isinstance(flags, int):
        told["stored"] = bool(flags & _STORED_PASS)
    level = _small(fields[6])
    if active and level is not None:
        told["signal_dbm"] = -90 + ((level & 0x70) >> 2)
        told["loop_strength"] = 1 + (level & 0x0F)
    return told


def _whole(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else None


_DETAILS: Final = (
    (0, "passing_no", _whole),
    (4, "order_id", None),
    (5, "hits", _whole),
    (6, "max_rssi", None),
    (7, "internal_data", None),
    (8, "is_active", _whole),
    (9, "channel", _whole),
    (10, "loop_id", _whole),
    (11, "loop_only", _whole),
    (12, "wakeup_counter", _whole),
    (13, "battery_v", decimal),
    (14, "temperature_c", decimal),
    (15, "active_flags", _whole),
    (16, "box_name", None),
    (17, "file", _whole),
    (18, "antenna", _whole),
    (19, "box_id", None),
)
"""Index, name, conversion of the fields for `details`; what does not convert stays text."""
