"""The record of version 2 (``Passing``): ``key=value`` joined by ``|``, in any order.

``t`` and ``d`` are the decoder's wall clock without a zone; ``utc`` is absolute and comes only if
the server asks for it. ``-1`` and ``n.a.`` stand for what a device does not know.

Source: vendor manual of the exporter v1.3 (2021), lines of 2017 from a production server.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from bridge.domain.reads import NS_PER_MS, Chip, Read, StampForm
from bridge.driver_api import Reason, Rejected, Sighting
from drivers.mylaps import stamps
from drivers.mylaps.frames import clean

WANTED: Final = (
    "c", "t", "d", "utc", "l", "dv", "re", "an", "ans", "h", "amd", "ts", "dm", "b", "n",
)  # fmt: skip
"""What we ask for; the keys are the manual's, this very set was not seen elsewhere."""
DEFAULT: Final = ("c", "ct", "t", "d", "l", "dv", "re", "an", "g", "b", "n")
"""What comes if a server does not say."""
_UNKNOWN: Final = frozenset({"-1", "n.a.", ""})
_MASK_LENGTH: Final = 8
_MOST_DIGITS: Final = 10
_NS_PER_MIN: Final = 60 * 1_000 * NS_PER_MS
_NAMES: Final[Mapping[str, str]] = {
    "ct": "chip_type",
    "l": "lap",
    "dv": "device",
    "re": "reader_number",
    "an": "antenna",
    "ans": "strongest_antenna",
    "ana": "average_antenna",
    "h": "hits",
    "am": "amplitude",
    "amd": "amplitude_dbm",
    "g": "group",
    "b": "bib",
    "n": "bib_text",
    "bid": "batch",
    "ts": "time_source",
    "dm": "decoder_mac",
    "t": "local_time",
    "d": "local_date",
    "utc": "utc_ms",
    "ut": "local_ms",
}
_WHOLE: Final = frozenset({"l", "dv", "re", "ans", "h", "am", "g", "b", "utc", "ut"})
_DECIMAL: Final = frozenset({"ana", "amd"})


class KeyValueReader:
    """Decode records; remembers the seconds it has seen."""

    def __init__(self, *, trust_utc: bool) -> None:
        """`trust_utc`: take ``utc`` where it comes, instead of the decoder's wall clock."""
        self._trust_utc = trust_utc
        self._stamps = stamps.StampReader()

    def read(self, record: bytes, raw: bytes, unit: str) -> Read | Rejected:
        """Decode one record of location `unit`; `raw` is its share of the wire."""
        pairs = parse(record.decode("utf-8", "replace"))
        get = pairs.get
        chip = get("c", "").strip(" ")
        if not chip or not chip.isprintable():
            return Rejected(raw, Reason.FIELD, "no chip code (c)")
        day, clock = get("d", "").strip(" "), get("t", "").strip(" ")
        stamp, form = self._stamp(pairs, day, clock)
        if stamp is None:
            return Rejected(raw, Reason.FIELD, f"no time that can be: d={day} t={clock}")
        moment = f"{day} {clock}" if day and clock else stamp
        return Read(
            raw,
            Chip(chip),
            stamp,
            form,
            _antenna(get("ans", ""), get("an", "")),
            _strength(get("amd", ""), get("am", "")),
            unit,
            None,
            f"{unit}/{chip}/{moment}/{get('dv', '')}",
        )

    def _stamp(
        self, pairs: Mapping[str, str], day: str, clock: str
    ) -> tuple[int | None, StampForm]:
        """Return the best time there is: absolute, local with its day, then without."""
        if self._trust_utc and "utc" in pairs:
            utc = stamps.millis_ns(pairs["utc"])
            if utc is not None:
                return utc, StampForm.UTC
        local = self._stamps.read(day, clock)
        if local is None and not (day or clock):
            local = stamps.millis_ns(pairs.get("ut", ""))
        if local is None and clock and not day:
            return stamps.clock_ns(clock), StampForm.TIME_OF_DAY
        return local, StampForm.NAIVE


def parse(text: str) -> dict[str, str]:
    """Return the pairs of a record, device or marker; what is no pair is left out."""
    try:
        return dict([pair.split("=", 1) for pair in text.split("|")])
    except ValueError:
        pairs = (pair.partition("=") for pair in text.split("|"))
        return {key: value for key, equals, value in pairs if equals}


def known(pairs: Mapping[str, str], key: str) -> str:
    """Return a value, empty where it is missing or the device does not know it."""
    value = pairs.get(key, "").strip(" ")
    return "" if value in _UNKNOWN else value


def decimal(text: str) -> float | None:
    """Return a decimal number, point or comma, or None."""
    text = text.strip(" ").replace(",", ".")
    digits = text.removeprefix("-").replace(".", "", 1)
    return float(text) if digits.isdecimal() and len(text) <= _MOST_DIGITS else None


def details(record: bytes) -> Mapping[str, object]:
    """Return the fields of a record by name; unknown keys keep theirs."""
    pairs = parse(record.decode("utf-8", "replace"))
    told: dict[str, object] = {}
    for key in pairs:
        value = known(pairs, key)
        if not value or key == "c":
            continue
        number = decimal(value) if key in _WHOLE | _DECIMAL else None
        if key in _WHOLE and value.removeprefix("-").isdecimal():
            told[_NAMES[key]] = int(value)
        else:
            told[_NAMES.get(key, key)] = value if number is None else number
    shift = _zone_min(pairs)
    return told if shift is None else {**told, "utc_offset_min": shift}


def encode(sighting: Sighting, stamp: int, fields: Sequence[str]) -> str:
    """Return the record of a sighting at the local `stamp` with those of `fields` we know.

    The sighting's own stamp is UTC.
    """
    chip = clean(sighting.chip)
    antenna = str(sighting.antenna)
    values = {
        "c": chip,
        "ct": "UH" if chip.isdecimal() else "CX",
        "t": stamps.print_clock(stamp),
        "d": stamps.print_day(stamp),
        "ut": str(stamp // NS_PER_MS),
        "utc": str(sighting.stamp // NS_PER_MS),
        "l": "1",
        "dv": "1",
        "re": "0",
        "an": antenna,
        "ans": antenna,
        "ana": f"{sighting.antenna:.1f}",
        "h": "1",
        "am": "-1",
        "amd": f"{sighting.rssi:.2f}",
        "g": "-1",
        "b": "-1",
        "n": chip,
        "bid": "-1",
        "ts": "NTP",
        "dm": "no-mac",
    }
    return "|".join(f"{field}={values[field]}" for field in fields if field in values)


def _antenna(strongest: str, heard: str) -> int | None:
    """Return the strongest antenna, else the one of a ChampionChip device.

    A BibTag mask has 8 digits, and which end of it is antenna 1 is not known.
    """
    for text in (strongest, heard):
        if text.isdecimal() and len(text) < _MASK_LENGTH and int(text):
            return int(text)
    return None


def _strength(dbm: str, points: str) -> float | None:
    """Return the amplitude in dBm, else in the device's own points."""
    for text in (dbm, points):
        if text not in _UNKNOWN:
            return decimal(text)
    return None


def _zone_min(pairs: Mapping[str, str]) -> int | None:
    """Return by how much the decoder's wall clock is ahead of its ``utc``, if it tells both."""
    utc = stamps.millis_ns(pairs.get("utc", ""))
    midnight = stamps.day_ns(pairs.get("d", "").strip(" "))
    clock = stamps.clock_ns(pairs.get("t", "").strip(" "))
    if utc is None or midnight is None or clock is None:
        return None
    return round((midnight + clock - utc) / _NS_PER_MIN)
