r"""The older ASCII records: ``SOH @ TAB 101 TAB 9788 TAB … TAB x3DAF CR LF``.

AMBrc, AMB20, Vostok and RCHourglass speak it, on serial ports mostly. Times are seconds since the
decoder's own zero, without a date. Source: skoky/ammc-android (P98Parser and its tests, the
AMBrc manual quoted there), betaflight issue 112 (I-Lap).
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from bridge.domain.reads import NS_PER_S, StampForm
from bridge.driver_api import Chip, Control, Kept, Read, Reason, Rejected, Sighting, Status
from drivers.amb_p3.frames import crc

SOH: Final = 0x01
_TAB: Final = b"\t"
_SECONDS: Final = re.compile(rb"(\d{1,9})(?:\.(\d{1,9}))?")
_CHECK: Final = re.compile(rb"x([0-9A-Fa-f]{1,4})")
_HEX_DIALECT: Final = re.compile(rb"[#$][0-9A-Fa-f]{3,}\r?\n")
_PASSING: Final = 7
_SIMPLE_PASSING: Final = 3
_STATUS: Final = 3
_ANSWER: Final = 4


class Line(NamedTuple):
    """A record that checks."""

    kind: bytes
    fields: list[bytes]
    """Between the type and the CRC."""


def is_hex_dialect(noise: bytes) -> bool:
    """Tell the AMB RC2 hexadecimal dialect, which is another protocol and not understood."""
    return _HEX_DIALECT.fullmatch(noise) is not None


def parse(raw: bytes) -> Line | Rejected:
    """Return the record in `raw`, which begins with SOH and ends with a line feed."""
    body = raw[1:].rstrip(b"\r\n")
    kind, *fields = body.split(_TAB)
    found = _CHECK.fullmatch(fields[-1]) if fields else None
    if found is None:
        # Clones of the I-Lap leave the CRC out; decoders never do.
        bare = kind == b"@" and len(fields) == _SIMPLE_PASSING
        if bare or kind == b"%":
            return Line(kind, fields)
        return Rejected(raw, Reason.FRAMING, "a record without a CRC")
    text = body[: -len(fields[-1])]
    told, computed = int(found[1], 16), crc(text)
    if told != computed:
        return Rejected(raw, Reason.CHECKSUM, f"CRC {told:X}, computed {computed:X}")
    return Line(kind, fields[:-1])


def event_of(raw: bytes, line: Line) -> Kept:
    """Return the event a record tells."""
    fields = line.fields
    match line.kind:
        case b"@" if len(fields) >= _PASSING:
            return _passing(raw, fields[0], fields[2], fields[3], number=fields[1], rssi=fields[5])
        case b"@" if len(fields) == _SIMPLE_PASSING:
            return _passing(raw, fields[0], fields[1], fields[2])
        case b"#" if len(fields) >= _STATUS:
            return _status(raw, fields)
        case b"$" if len(fields) >= _ANSWER:
            return Control(raw, "answer", {"code": _text(fields[2]), "value": _text(fields[3])})
        case b"%" | b"?":
            return Control(raw, "mode" if line.kind == b"%" else "command")
        case b"@" | b"#" | b"$":
            return Rejected(raw, Reason.FIELD, "too few fields")
        case _:
            return Rejected(raw, Reason.UNKNOWN, "a record of an unknown type")


def sequence_of(line: Line) -> int | None:
    """Return the running number that passings and status records share."""
    whole = _PASSING if line.kind == b"@" else _STATUS
    if line.kind not in (b"@", b"#") or len(line.fields) < whole:
        return None
    text = line.fields[1]
    return int(text) if _is_number(text) else None


def _passing(
    raw: bytes, decoder: bytes, chip: bytes, time: bytes, *, number: bytes = b"", rssi: bytes = b""
) -> Read | Rejected:
    seconds = _SECONDS.fullmatch(time)
    if seconds is None or not _is_number(chip):
        return Rejected(raw, Reason.FIELD, "a passing whose number or time cannot be")
    if number and not _is_number(number):
        return Rejected(raw, Reason.FIELD, "a passing whose running number cannot be")
    stamp = int(seconds[1]) * NS_PER_S + int((seconds[2] or b"0").ljust(9, b"0"))
    key = f"{_text(decoder)}/{int(number)}/{stamp}" if number else None
    return Read(
        raw,
        Chip(str(int(chip))),
        stamp,
        StampForm.TIME_OF_DAY,
        None,
        float(rssi) if _is_number(rssi) else None,
        _text(decoder) or None,
        int(number) if number else None,
        key,
    )


def _status(raw: bytes, fields: list[bytes]) -> Status | Rejected:
    if not _is_number(fields[2]):
        return Rejected(raw, Reason.FIELD, "a noise level that cannot be")
    told: dict[str, object] = {"noise": int(fields[2]), "serial": _text(fields[0])}
    if len(fields) > _STATUS:
        told["gps"] = fields[3] == b"1"
    return Status(raw, told)


def details(line: Line) -> Mapping[str, object]:
    """Return what else a passing says, for people."""
    fields = line.fields
    if line.kind != b"@" or len(fields) < _PASSING:
        return {"record": "ascii"}
    told: dict[str, object] = {
        "record": "ascii passing",
        "hits": _text(fields[4]),
        "status": _text(fields[6]),
    }
    if len(fields) > _PASSING:
        told["code"] = _text(fields[7]).strip("'\"")
    return told


def build(kind: str, fields: list[str]) -> bytes:
    """Return the bytes on the wire of a record; its CRC has no leading zeros."""
    body = "\t".join([kind, *fields, ""]).encode("latin-1", "replace")
    return b"\x01%bx%X\r\n" % (body, crc(body))


def passing_line(sighting: Sighting, decoder: str) -> bytes:
    """Return the passing a decoder sends; `sighting.stamp` is cut to milliseconds, of its day."""
    ms = sighting.stamp // 1_000_000
    seconds = f"{ms // 1000}.{ms % 1000:03d}".rstrip("0").rstrip(".")
    strength = str(min(max(round(130 + sighting.rssi), 1), 255))
    return build("@", [decoder, str(sighting.seq), sighting.chip, seconds, "20", strength, "2"])


def resend_command(decoder: str, number: int) -> bytes:
    """Return the command that has one record sent again; one program is known to send it."""
    return f"\x01?\t{decoder}\t0\t13\t2\t{number}\r\n".encode("latin-1", "replace")


def _is_number(text: bytes) -> bool:
    return 0 < len(text) <= 18 and text.isdigit()  # noqa: PLR2004 - fits 64 bits


def _text(value: bytes) -> str:
    return value.decode("latin-1")
