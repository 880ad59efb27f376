"""What P3 records mean: passings, status, time, version, errors.

Source: captured frames of an RC decoder (2019) and a ProChip decoder (2025); names of rarer fields
from vmindru/ambp3client and erathe/p3-rust-parser.
"""

from collections.abc import Mapping
from typing import Final

from bridge.domain.reads import StampForm
from bridge.driver_api import (
    Chip,
    Clock,
    Control,
    Kept,
    Marker,
    Read,
    Reason,
    Rejected,
    Sighting,
    Status,
)
from drivers.amb_p3 import frames
from drivers.amb_p3.frames import Frame, Kind

US_NS: Final = 1_000
NUMBER, TRANSPONDER, RTC_TIME, STRENGTH, HITS, FLAGS = 0x01, 0x03, 0x04, 0x05, 0x06, 0x08
TRAN_CODE, USER_FLAG, DRIVER, SPORT, UTC_TIME = 0x0A, 0x0E, 0x0F, 0x14, 0x10
TRAN_VOLTAGE, TRAN_TEMPERATURE = 0x30, 0x31
CLOCK_RTC, CLOCK_FLAGS, CLOCK_UTC = 0x01, 0x04, 0x05
FROM, UNTIL = 0x01, 0x02
GATE_SIGNALS: Final = range(9991, 9996)
"""Transponder numbers of a BMX start gate; its signals carry neither strength nor hits."""
_MOST_US: Final = 4_102_444_800_000_000
"""The year 2100: a decoder's clock may be wrong, but not by that much."""
_DECODER_TYPES: Final[Mapping[int, str]] = {
    0x10: "AMBrc",
    0x11: "AMBmx",
    0x12: "TranX",
    0x13: "TranX Pro",
    0x14: "TranX Pro",
}
_ERRORS: Final[Mapping[int, str]] = {
    1: "CRC error",
    2: "no start of record",
    3: "header corrupt",
    4: "type of record unknown",
    5: "parameters missing",
    6: "record too long",
}
_PASSING_EXTRA: Final = (
    (HITS, "hits"),
    (FLAGS, "flags"),
    (USER_FLAG, "user_flag"),
    (DRIVER, "driver"),
    (SPORT, "sport"),
    (TRAN_VOLTAGE, "transponder_voltage"),
    (TRAN_TEMPERATURE, "transponder_temperature"),
)


def event_of(raw: bytes, frame: Frame, *, by_code: bool, asked: bool) -> Kept:
    """Return the event a frame tells; `asked`: a clock query of ours is open."""
    match frame.kind:
        case Kind.PASSING:
            return _passing(raw, frame, by_code=by_code)
        case Kind.STATUS:
            return Status(raw, _status(frame))
        case Kind.GET_TIME:
            return _clock(raw, frame, asked=asked)
        case Kind.VERSION if frame.number(0x01) is not None:
            return Status(raw, _version(frame))
        case Kind.ERROR:
            return Control(raw, "error", _error(frame))
        case _:
            return Control(raw, frames.name_of(frame.kind))


def passing_number(frame: Frame) -> int | None:
    """Return the running number of a passing."""
    return frame.number(NUMBER)


def _passing(raw: bytes, frame: Frame, *, by_code: bool) -> Read | Marker | Rejected:
    fields = frame.fields
    transponder = frame.number(TRANSPONDER)
    if transponder is None:
        return Rejected(raw, Reason.FIELD, "a passing without a transponder")
    told = _stamp(frame, UTC_TIME, RTC_TIME)
    if told is None:
        return Rejected(raw, Reason.FIELD, "a passing at a time that cannot be")
    stamp, form = told
    number = frame.number(NUMBER)
    # Numbers begin again when a decoder is cleared, so the moment is part of the identity.
    key = None if number is None else f"{frame.decoder}/{number}/{stamp // US_NS}"
    strength = frame.number(STRENGTH)
    if strength is None and HITS not in fields and transponder in GATE_SIGNALS:
        extra = {"transponder": transponder}
        return Marker(raw, "gate", stamp, form, key, extra, frame.decoder or None)
    code = _code(frame) if by_code else ""
    return Read(
        raw,
        Chip(code or str(transponder)),
        stamp,
        form,
        None,  # one decoder is one loop
        strength,
        frame.decoder or None,
        number,
        key,
    )


def _stamp(frame: Frame, utc: int, rtc: int) -> tuple[int, StampForm] | None:
    """Return UTC where the decoder has GPS, else its own clock, which is a local one.

    The clock's microseconds since 1970 carry no zone; in a capture of 2019 they were local time.
    """
    true = frame.number(utc)
    if true and true < _MOST_US:
        return true * US_NS, StampForm.UTC
    shown = frame.number(rtc)
    if shown is None:
        return 0, StampForm.ABSENT
    return (shown * US_NS, StampForm.NAIVE) if shown < _MOST_US else None


def _clock(raw: bytes, frame: Frame, *, asked: bool) -> Clock | Control | Rejected:
    if not (frame.number(CLOCK_RTC) or frame.number(CLOCK_UTC)):
        return Control(raw, "time request")
    told = _stamp(frame, CLOCK_UTC, CLOCK_RTC)
    if told is None or told[1] is StampForm.ABSENT:
        return Rejected(raw, Reason.FIELD, "a time that cannot be")
    return Clock(raw, *told, asked, {"clock_flags": frame.number(CLOCK_FLAGS)})


def _status(frame: Frame) -> dict[str, object]:
    """Return health; which fields there are differs by model."""
    told: dict[str, object] = {}
    for tag, name in ((0x01, "noise"), (0x07, "temperature_c"), (0x0A, "satellites")):
        if (value := frame.number(tag)) is not None:
            told[name] = value
    if (tenths := frame.number(0x0C)) is not None:
        told["battery_v"] = tenths / 10  # of the supply: there is no other word on power
    if (gps := frame.number(0x06)) is not None:
        told["gps"] = bool(gps)
    if (triggers := frame.number(0x0B)) is not None:
        told["loop_triggers"] = triggers
    if frame.decoder:
        told["serial"] = frame.decoder
    return told


def _version(frame: Frame) -> dict[str, object]:
    kind = frame.number(0x01) or 0
    told: dict[str, object] = {"model": _DECODER_TYPES.get(kind, f"decoder type {kind:02X}")}
    for tag, name in ((0x02, "description"), (0x03, "firmware"), (0x04, "release")):
        if text := _text(frame.fields.get(tag, b"")):
            told[name] = text
    if frame.decoder:
        told["serial"] = frame.decoder
    return told


def _error(frame: Frame) -> dict[str, object]:
    code = frame.number(0x01) or 0
    text = _text(frame.fields.get(0x02, b"")) or _ERRORS.get(code, "unknown")
    return {"code": code, "text": text}


def details(frame: Frame) -> dict[str, object]:
    """Return what else a passing says, for people."""
    told: dict[str, object] = {"record": frames.name_of(frame.kind)}
    if frame.kind != Kind.PASSING:
        return told
    if code := _code(frame):
        told["code"] = code
    for tag, name in _PASSING_EXTRA:
        if (value := frame.number(tag)) is not None:
            told[name] = value
    if UTC_TIME in frame.fields and (shown := frame.number(RTC_TIME)) is not None:
        told["rtc_us"] = shown
    return told


def _code(frame: Frame) -> str:
    """Return the code printed on the transponder, if the decoder knows it."""
    return _text(frame.fields.get(TRAN_CODE, b""))


def _text(value: bytes) -> str:
    return value.decode("latin-1").strip("\0 ")


def passing_fields(
    sighting: Sighting, decoder: bytes, *, code: str = "", utc_offset_us: int | None = None
) -> list[tuple[int, bytes]]:
    """Return the fields of a passing in the order decoders write them.

    `sighting.chip` is a transponder number; `sighting.stamp` is cut to microseconds.
    `utc_offset_us` is what is added to the clock to get UTC, on decoders with GPS.
    """
    us = sighting.stamp // US_NS
    told = [(NUMBER, _le(sighting.seq, 4)), (TRANSPONDER, _le(int(sighting.chip), 4))]
    if code:
        told.append((TRAN_CODE, code.encode("latin-1", "replace").ljust(8, b"\0")[:8]))
    told.append((RTC_TIME, _le(us, 8)))
    if utc_offset_us is not None:
        told.append((UTC_TIME, _le(us + utc_offset_us, 8)))
    if int(sighting.chip) not in GATE_SIGNALS:
        # Strength has no unit; 76 to 178 are captured for what -90 to -30 dBm would be elsewhere.
        strength = min(max(round(250 + 2 * sighting.rssi), 20), 255)
        told += [(STRENGTH, _le(strength, 2)), (HITS, _le(20, 2))]
    return [*told, (FLAGS, _le(0, 2)), (frames.DECODER_ID, decoder)]


def encode(sighting: Sighting) -> bytes:
    """Return the passing an RC decoder sends."""
    return frames.build(Kind.PASSING, passing_fields(sighting, DEFAULT_DECODER))


DEFAULT_DECODER: Final = bytes.fromhex("13180400")


def _le(number: int, length: int) -> bytes:
    return number.to_bytes(length, "little")
