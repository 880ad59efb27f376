r"""Records of both generations and of their backup files, to reads and back.

- One4All: ``1;MC;02976;2019-12-12;09:02:07.295;3;4;937f6`` CR LF: number within the session file
  from 1, prefix and number of the chip, date, time, antenna, how often it was read, and a suffix
  whose meaning is not known. The same when pushed, fetched and in the file.
- Ocelot: ``MC00001D20150414T120755416T120758010A1R034TV|``: chip, date, first and last time,
  antenna, count; what follows is not known.
- Ocelot's backup file: ``DM00328;2020/03/15;06:02:55.029;06:02:55.311;3;006`` CR LF, the same
  fields, with a header and a footer. Its rows are not in the order of time.

All times are the reader's wall clock without a zone, in ms. There is no checksum. Antenna and
count of a One4All's row are inferred from what 1,460 real rows hold. Identity is (chip, time): the
passing number begins again with every session file, whose name is not in the row.

Source: saurondor/saturnTagReader.
"""

import re
from collections.abc import Mapping
from datetime import date
from typing import Final, NamedTuple

from bridge.domain.reads import DAY_NS, NS_PER_MS, NS_PER_S, Chip, Read, StampForm
from bridge.driver_api import Sighting

NO_TAG: Final = "VOIDTAG"
"""Stands in the place of the chip where something was read that is no tag."""
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 2261
"""Beyond it nanoseconds since 1970 do not fit 64 bits."""
_CACHE_LIMIT: Final = 4096
_SMALL: Final = {str(number): number for number in range(1, 256)}
_NAIVE: Final = StampForm.NAIVE
_new = tuple.__new__
"""Makes a NamedTuple of fields in order at half the price of calling its class."""

ROW: Final = re.compile(
    rb"(\d{1,9});([\x21-\x3a\x3c-\x7b\x7d\x7e]{0,32});([\x21-\x3a\x3c-\x7b\x7d\x7e]{0,32});"
    rb"(\d{4}-\d\d-\d\d);(\d\d:\d\d:\d\d)(?:\.(\d{3}))?;(\d{1,3});(\d{1,6})(?:;([^;|\r\n]{0,64}))*"
    rb"\r?\n"
)
"""One whole row of a One4All with its line end."""
_COLUMNS: Final = (
    rb"([\x21-\x7b\x7d\x7e]{7})D(\d{8})T(\d{9})T(\d{9})A(\d)R(\d{3})([\x20-\x7b\x7d\x7e]{0,64})"
)
_FIXED: Final = re.compile(_COLUMNS + rb"\|?(?:\r?\n)?")
OCELOT_END: Final = re.compile(_COLUMNS + rb"(?:\||\r?\n)\Z")
"""An Ocelot's record at the end of a frame, whatever stands in front of it."""
_BACKUP: Final = re.compile(
    rb"([\x21-\x3a\x3c-\x7e]{1,32});(\d{4})/(\d\d)/(\d\d);(\d\d):(\d\d):(\d\d)\.(\d{3});"
    rb"(\d\d):(\d\d):(\d\d)\.(\d{3});(\d{1,3});(\d{1,6})(?:\r?\n)?"
)
_VOID_ROW: Final = re.compile(rb"VOIDTAG[\x20-\x7e]{0,80}\|?(?:\r?\n)?")


class Row(NamedTuple):
    """A One4All's row and its number within the session file."""

    read: Read
    number: int


class RowReader:
    """Decode rows of a One4All; remembers the days and seconds it has seen."""

    def __init__(self) -> None:
        self._days: dict[bytes, int | None] = {}
        self._seconds: dict[bytes, int | None] = {}

    def read(self, found: re.Match[bytes]) -> Row | None:
        """Return what a match of `ROW` tells, or None: no chip, or a time that cannot be."""
        number, prefix, code, day, second, milli, antenna, _, _ = found.groups()
        midnight = self._days.get(day) or self._day(day)
        seconds = self._seconds.get(second) or self._second(second)
        if midnight is None or seconds is None or not (prefix or code):
            return None
        stamp = midnight + seconds + int(milli or b"0") * NS_PER_MS
        chip = (prefix + code).decode("ascii")
        count = int(number)
        port = _SMALL.get(antenna.decode("ascii"))
        return Row(
            _new(Read, (found[0], chip, stamp, _NAIVE, port, None, None, count, None)), count
        )

    def _day(self, text: bytes) -> int | None:
        if len(self._days) >= _CACHE_LIMIT:
            self._days.clear()
        year, month, day = (int(part) for part in text.split(b"-"))
        midnight = self._days[text] = day_ns(year, month, day)
        return midnight

    def _second(self, text: bytes) -> int | None:
        if len(self._seconds) >= _CACHE_LIMIT:
            self._seconds.clear()
        hour, minute, second = (int(part) for part in text.split(b":"))
        found = self._seconds[text] = time_ns(hour, minute, second)
        return found


def day_ns(year: int, month: int, day: int) -> int | None:
    """Return the ns from 1970 to that day, or None if there is no such day."""
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        return None
    try:
        return (date(year, month, day).toordinal() - _EPOCH_DAY) * DAY_NS
    except ValueError:
        return None


def time_ns(hour: int, minute: int, second: int) -> int | None:
    """Return the ns since midnight, or None if there is no such time."""
    if hour > 23 or minute > 59 or second > 59:  # noqa: PLR2004
        return None
    return ((hour * 60 + minute) * 60 + second) * NS_PER_S


class Ocelot(NamedTuple):
    """The fields of an Ocelot's record, times as naive stamps."""

    chip: str
    first: int
    last: int
    antenna: int
    hits: int
    rest: str


def ocelot(raw: bytes) -> Ocelot | None:
    """Return what an Ocelot's record or backup row tells, or None: it is neither, or cannot be."""
    if fixed := _FIXED.fullmatch(raw):
        chip, day, first, last, antenna, count, rest = (
            part.decode("ascii") for part in fixed.groups()
        )
        days = [day[:4], day[4:6], day[6:]]
        times = [[time[:2], time[2:4], time[4:6], time[6:]] for time in (first, last)]
    elif row := _BACKUP.fullmatch(raw):
        parts = [part.decode("ascii") for part in row.groups()]
        chip, days, times = parts[0], parts[1:4], [parts[4:8], parts[8:12]]
        antenna, count, rest = parts[12], parts[13], ""
    else:
        return None
    midnight = day_ns(*(int(part) for part in days))
    begin, end = (_time(time) for time in times)
    if midnight is None or begin is None or end is None:
        return None
    if end < begin:  # over midnight: one date is given, taken to be that of the first time
        end += DAY_NS
    return Ocelot(chip, midnight + begin, midnight + end, int(antenna), int(count), rest)


def is_void(raw: bytes) -> bool:
    """Tell a record without a tag; its date need not be one."""
    return _VOID_ROW.fullmatch(raw) is not None


def ocelot_read(raw: bytes, record: Ocelot, time: str) -> Read:
    """Make the read of an Ocelot's record; `time` is ``first`` or ``last``."""
    stamp = record.first if time == "first" else record.last
    return Read(raw, Chip(record.chip), stamp, StampForm.NAIVE, record.antenna or None)


def _time(parts: list[str]) -> int | None:
    hour, minute, second, milli = (int(part) for part in parts)
    whole = time_ns(hour, minute, second)
    return None if whole is None else whole + milli * NS_PER_MS


def encode(sighting: Sighting) -> bytes:
    """Return the One4All row of a sighting, its `seq` as passing number; ms, NAIVE stamp.

    Two letters in front are the prefix, the rest is the number. What cannot stand in a field
    becomes ``_``.
    """
    chip = "".join(c if "!" <= c <= "~" and c not in ";|" else "_" for c in sighting.chip.strip())
    prefix, code = (chip[:2], chip[2:34]) if chip[:2].isalpha() else ("", chip[:32] or "_")
    day, time = print_stamp(sighting.stamp)
    milli = sighting.stamp % NS_PER_S // NS_PER_MS
    row = f"{sighting.seq};{prefix};{code};{day};{time}.{milli:03d};{sighting.antenna};1;00000"
    return f"{row}\r\n".encode("ascii")


def encode_ocelot(sighting: Sighting) -> bytes:
    """Return the Ocelot's record of a sighting, first and last time the same; ms, NAIVE stamp."""
    chip = "".join(c if "!" <= c <= "~" and c != "|" else "_" for c in sighting.chip)
    day, time = (text.replace("-", "").replace(":", "") for text in print_stamp(sighting.stamp))
    at = f"{time}{sighting.stamp % NS_PER_S // NS_PER_MS:03d}"
    antenna = sighting.antenna % 10
    return f"{chip[-7:].rjust(7, '0')}D{day}T{at}T{at}A{antenna}R001TV|".encode("ascii")


def print_stamp(stamp: int) -> tuple[str, str]:
    """Return ``yyyy-MM-dd`` and ``HH:mm:ss`` of a naive stamp."""
    day = date.fromordinal(stamp // DAY_NS + _EPOCH_DAY)
    minutes, second = divmod(stamp % DAY_NS // NS_PER_S, 60)
    hour, minute = divmod(minutes, 60)
    return day.isoformat(), f"{hour:02d}:{minute:02d}:{second:02d}"


def extra(raw: bytes) -> Mapping[str, object]:
    """Return the fields of a record that a `Read` does not carry."""
    if found := ROW.fullmatch(raw):
        return {
            "passing_no": int(found[1]),
            "prefix": found[2].decode("ascii"),
            "hits": int(found[8]),
            "suffix": (found[9] or b"").decode("latin-1"),
        }
    record = ocelot(raw)
    if record is None:
        return {}
    told: dict[str, object] = {"hits": record.hits, "first": record.first, "last": record.last}
    if record.rest:
        told["rest"] = record.rest
    return told
