"""Records of reads: ``CT01_33~…`` of SimpleClient, ``TO~…`` of controllers.

Neither has a checksum or an escape: what has not the right number and kind of fields is refused.
Source: racemap/2-racemap-forwarder with the vendor's quick start and example files, rabbimaan/
chronoserv, the vendor's knowledge base on raw CSV files; 65,000 records of a race of 2021.
"""

import re
from collections.abc import Mapping
from typing import Final

from bridge.driver_api import Chip, Control, Marker, Read, Reason, Rejected, Sighting, StampForm
from drivers.chronotrack.stamps import Days, TimeFormat, clock_ns, epoch_ns, print_clock

GUN: Final = Chip("guntime")
"""Stands where a tag would: the record is a gun."""
NEW_PLACE: Final = "newlocation"
DEFAULT_PLACE: Final = "FINISH"
DEFAULT_READER: Final = "11FD4E"
_SCORED: Final = {
    separator: re.compile(
        rb"CT01_(\d\d)S(\d{1,9})S([^S\r\n]*)S([^S\r\n]+)S([^S\r\n]*)"
        rb"S(\d{0,6})S([^S\r\n]*)S(\d{0,3})\r?\n".replace(b"S", separator)
    )
    for separator in (b"~", b",")
}
_OBSERVED: Final = re.compile(
    rb"TO~(\d{1,12})~(\d{1,15})~(\d{1,9})~(\d{1,9})~(\d{1,11})(?:[.,](\d{1,9}))?~([^~\r\n]*)"
    rb"~(\d{1,5})~(-?\d{1,12}(?:[.,]\d{1,9})?)~(\d{1,12})~([^~\r\n]?)(?:~(\d{1,9}))?\r?\n"
)
_TYPES: Final[Mapping[str, str]] = {"P": "normal", "I": "immediate", "K": "keyed by hand"}


def text_of(raw: bytes) -> str:
    """Return a name as text: ASCII by the vendor's advice, UTF-8 or Latin-1 in the field."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def scored(raw: bytes, days: Days) -> Read | Marker | Control | Rejected:
    """Return the event of a record of SimpleClient; its chip is the tag as printed there.

    The place is its `unit`. A replay sends it once more under the same number or another, so place,
    reader, tag and time are its identity.
    """
    found = _SCORED[b"," if raw[7:8] == b"," else b"~"].fullmatch(raw)
    if found is None:
        return Rejected(raw, Reason.FIELD, "not the eight fields of a record")
    _, number, place, tag, time, _, reader, gator = found.groups()
    where, chip = text_of(place), text_of(tag).strip()
    if chip.casefold() == NEW_PLACE:
        return Control(raw, NEW_PLACE, {"place": where})
    told = clock_ns(time, days)
    if told is None or not chip:
        return Rejected(raw, Reason.FIELD, "a time that cannot be" if chip else "no tag")
    stamp, form = told
    key = f"{where}/{text_of(reader)}/{chip}/{stamp}"
    if chip.casefold() == GUN:
        return Marker(raw, "gun", stamp, form, key, {"number": int(number)}, where)
    antenna = int(gator) if gator and gator != b"0" else None
    return Read(raw, Chip(chip), stamp, form, antenna, None, where, int(number), key)


def place_of(raw: bytes) -> bytes:
    """Return the place in a whole record as it stands there."""
    return raw.split(raw[7:8], 3)[2]


def observed(raw: bytes, tags: frozenset[str]) -> Read | Rejected:
    """Return the event of a controller's record.

    A tag is timer code, event code and number. Its chip is ``number@timer/event``, which a race
    also finds as ``number`` alone; where `tags` names the ``timer/event`` pairs of the race, theirs
    is the plain number, and a foreign one ``timer/event/number``, which is nobody's.
    """
    found = _OBSERVED.fullmatch(raw)
    if found is None:
        return Rejected(raw, Reason.FIELD, "not the 11 or 12 fields of an observation")
    seq, tag, timer, event, seconds, part, reader, port, rssi, own, _, _ = found.groups()
    codes = f"{int(timer)}/{int(event)}"
    number = int(tag)
    if not tags:
        chip = f"{number}@{codes}"
    else:
        chip = str(number) if codes in tags else f"{codes}/{number}"
    stamp = epoch_ns(seconds, part)
    unit = reader.decode("latin-1")
    bit = int(port)
    return Read(
        raw,
        Chip(chip),
        stamp,
        StampForm.NAIVE,
        bit.bit_length() if bit and not bit & (bit - 1) else None,
        float(rssi.replace(b",", b".")),
        unit or None,
        int(seq),
        # Numbers begin again at every power-up; what was observed does not change.
        f"{unit}/{int(own)}/{stamp}/{codes}/{number}",
    )


def details(raw: bytes) -> Mapping[str, object]:
    """Return what else a record says, for people."""
    found = _OBSERVED.fullmatch(raw)
    if found is not None:
        _, tag, timer, event, _, _, _, port, _, own, kind, hits = found.groups()
        told: dict[str, object] = {
            "tag": int(tag),
            "timer": int(timer),
            "event": int(event),
            "antenna_bits": int(port),
            "reader_seq": int(own),
            "type": _TYPES.get(kind.decode("latin-1"), kind.decode("latin-1")),
        }
        return told if hits is None else {**told, "hits": int(hits)}
    found = _SCORED[b"," if raw[7:8] == b"," else b"~"].fullmatch(raw)
    if found is None:
        return {}
    return {
        "format": found[1].decode(),
        "place": text_of(found[3]),
        "lap": int(found[6] or b"0"),
        "reader": text_of(found[7]),
    }


def scored_line(
    sighting: Sighting,
    *,
    place: str = DEFAULT_PLACE,
    form: TimeFormat = TimeFormat.ISO,
    lap: int = 1,
    reader: str = DEFAULT_READER,
) -> bytes:
    """Return the record SimpleClient sends of a sighting; with the chip `GUN` that of a gun.

    `sighting.stamp` is NAIVE and cut to 1/100 s; `sighting.seq` counts per place.
    """
    gun = sighting.chip == GUN
    lap, antenna = (0, 0) if gun else (lap, sighting.antenna)
    fields = (
        sighting.seq,
        place,
        sighting.chip,
        print_clock(sighting.stamp, form),
        lap,
        reader,
        antenna,
    )
    return ("~".join(["CT01_33", *map(str, fields)]) + "\r\n").encode()


def encode(sighting: Sighting) -> bytes:
    """Return the record SimpleClient sends, of a place named FINISH."""
    return scored_line(sighting)
