"""What frames of a SPORTident station say: punches, stored punches, its clock.

Times are wall clock of the station: seconds in the half day, AM or PM, weekday (0 Sunday, 7
unknown, which SIAC beacons send). The date is in the clock and in the backup memory alone, so a
punch gets a date only once the station has told its clock.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final, NamedTuple
from zlib import crc32

from bridge.domain.reads import DAY_NS, NS_PER_S, Chip, Read, StampForm
from bridge.driver_api import Reason, Rejected, Sighting
from drivers.sportident.frames import STX, WAKE, build

PUNCH: Final = 0xD3
GET_BACKUP: Final = 0x81
GET_SYSTEM: Final = 0x83
SET_MODE: Final = 0xF0
GET_CLOCK: Final = 0xF7
KEEPALIVE: Final = 0xA7
CARD_MOVES: Final[Mapping[int, str]] = {
    0xE5: "card inserted",
    0xE6: "card inserted",
    0xE7: "card removed",
    0xE8: "card inserted",
}
TICK_NS: Final = NS_PER_S // 256
HALF_DAY_NS: Final = DAY_NS // 2
RECORD: Final = 8
"""Bytes of a punch in backup memory."""
FIRST_RECORD: Final = 0x100
_PUNCH_BYTES: Final = 13
_CLOCK_BYTES: Final = 9
_SRR: Final = 0x8000
_SI5_BELOW: Final = 500_000
_UNKNOWN_DAY: Final = 7
_WEEK: Final = 7
_MOST_DIGITS: Final = 8
_EPOCH: Final = date(1970, 1, 1)
_THURSDAY: Final = 4
"""Weekday of 1970-01-01, Sunday being 0."""


class Punch(NamedTuple):
    """One punch as a station sends it."""

    control: int
    card: int
    weekday: int | None
    time_ns: int
    """ns since midnight."""
    address: int | None
    """Of the record in backup memory; None by radio (SRR), which has none."""
    by_radio: bool


def card_of(three: bytes) -> int:
    """Return the card number of its low three bytes: SI5 carry a series in the first of them."""
    value = int.from_bytes(three, "big")
    if value >= _SI5_BELOW:
        return value
    series, low = value >> 16, value & 0xFFFF
    return low if series <= 1 else series * 100_000 + low


def card_bytes(card: int) -> bytes:
    """Return the three bytes of a card number, SI5 of series 2 on with their series."""
    if card >= _SI5_BELOW:
        return (card & 0xFFFFFF).to_bytes(3, "big")
    series, low = divmod(card, 100_000)
    return bytes((series,)) + (low & 0xFFFF).to_bytes(2, "big")


def parse(data: bytes) -> Punch | None:
    """Take the data of a punch frame apart; None: its length or time cannot be."""
    if len(data) != _PUNCH_BYTES:
        return None
    control = int.from_bytes(data[:2], "big")
    by_radio = bool(control & _SRR)
    half_ns = int.from_bytes(data[7:9], "big") * NS_PER_S
    if half_ns >= HALF_DAY_NS:
        return None
    # By radio the byte behind the seconds is of another scale, which is not published.
    fraction_ns = 0 if by_radio else data[9] * TICK_NS
    return Punch(
        control=control & ~_SRR,
        card=card_of(data[3:6]),
        weekday=weekday_told(data[6]),
        time_ns=(data[6] & 1) * HALF_DAY_NS + half_ns + fraction_ns,
        address=None if by_radio else int.from_bytes(data[10:13], "big"),
        by_radio=by_radio,
    )


def read_of(raw: bytes, punch: Punch, station_ns: int | None) -> Read:
    """Make the read of a punch; `station_ns`: the station's clock (naive ns), if it has told it."""
    if station_ns is None:
        stamp, form = punch.time_ns, StampForm.TIME_OF_DAY
    else:
        stamp, form = dated(punch.time_ns, punch.weekday, station_ns), StampForm.NAIVE
    return _read(raw, punch.control, punch.card, stamp, form)


def _read(raw: bytes, control: int, card: int, stamp: int, form: StampForm) -> Read:
    unit = str(control)
    key = f"{control}/{card}/{stamp}"
    return Read(raw, Chip(str(card)), stamp, form, None, None, unit, None, key)


def dated(time_ns: int, weekday: int | None, now_ns: int) -> int:
    """Return the naive stamp of a time of day nearest to `now_ns`, on its weekday if known."""
    midnight = now_ns - now_ns % DAY_NS
    days = range(-_WEEK, 2) if weekday is not None else range(-1, 2)
    found = [midnight + day * DAY_NS + time_ns for day in days]
    fitting = [at for at in found if weekday is None or weekday_of(at) == weekday]
    return min(fitting, key=lambda at: abs(at - now_ns))


def weekday_told(flags: int) -> int | None:
    """Return the weekday in a station's byte of flags, 0 for Sunday; None: it does not know."""
    weekday = flags >> 1 & 7
    return None if weekday == _UNKNOWN_DAY else weekday


def weekday_of(stamp: int) -> int:
    """Return the weekday of a naive stamp, 0 for Sunday."""
    return (stamp // DAY_NS + _THURSDAY) % _WEEK


def clock_of(data: bytes) -> int | None:
    """Return the naive ns of a clock answer; None: it is no such answer or no such time."""
    if len(data) != _CLOCK_BYTES:
        return None
    half_ns = int.from_bytes(data[6:8], "big") * NS_PER_S
    day = _day_ns(2000 + data[2], data[3], data[4])
    if day is None or half_ns >= HALF_DAY_NS:
        return None
    return day + (data[5] & 1) * HALF_DAY_NS + half_ns + data[8] * TICK_NS


def _day_ns(year: int, month: int, day: int) -> int | None:
    try:
        return (date(year, month, day) - _EPOCH).days * DAY_NS
    except ValueError:
        return None


def stored(record: bytes, control: int) -> Read | Rejected:
    """Decode one record of backup memory: card, date, seconds of the half day, 1/256 s.

    A station also stores punches that failed, with an error in place of the seconds.
    """
    day = _day_ns(
        2000 + (record[3] >> 2), (record[3] & 3) << 2 | record[4] >> 6, record[4] >> 1 & 31
    )
    half_ns = int.from_bytes(record[5:7], "big") * NS_PER_S
    if day is None or half_ns >= HALF_DAY_NS:
        return Rejected(record, Reason.FIELD, "a stored punch without a time")
    stamp = day + (record[4] & 1) * HALF_DAY_NS + half_ns + record[7] * TICK_NS
    return _read(record, control, card_of(record[:3]), stamp, StampForm.NAIVE)


def extra(raw: bytes) -> Mapping[str, object]:
    """Return control, weekday, radio and backup address of a live punch."""
    frame = raw.lstrip(bytes((WAKE, STX)))
    if frame[:1] != bytes((PUNCH,)):
        return {}
    punch = parse(frame[2:-3])
    if punch is None:
        return {}
    fields: dict[str, object] = {"control": punch.control}
    if punch.weekday is not None:
        fields["weekday"] = punch.weekday
    if punch.by_radio:
        fields["by_radio"] = True
        fields["tail"] = frame[2:-3][9:].hex()
    else:
        fields["address"] = punch.address
    return fields


def card_number(chip: str) -> int:
    """Return a card number for any chip text, so that every chip can be forwarded."""
    if chip.isascii() and chip.isdecimal() and len(chip) <= _MOST_DIGITS:
        number = int(chip)
        if number and card_of(card_bytes(number)) == number:
            return number
    return crc32(chip.encode()) % 1_000_000 + 15_000_000


def half_day(stamp: int) -> tuple[int, bytes]:
    """Return the byte of PM and weekday, and seconds and 1/256 s, of a naive stamp."""
    half, rest = divmod(stamp % DAY_NS, HALF_DAY_NS)
    seconds, ns = divmod(rest, NS_PER_S)
    return half | weekday_of(stamp) << 1, seconds.to_bytes(2, "big") + bytes((ns // TICK_NS,))


def date_bytes(stamp: int) -> tuple[int, int, int]:
    """Return year of the century, month and day of a naive stamp."""
    day = _EPOCH + timedelta(days=stamp // DAY_NS)
    return day.year % 100, day.month, day.day


def record_of(chip: str, stamp: int) -> bytes:
    """Return the eight bytes a station stores."""
    year, month, day = date_bytes(stamp)
    flags, time = half_day(stamp)
    dates = bytes((year << 2 & 0xFF | month >> 2, (month & 3) << 6 | day << 1 | flags & 1))
    return card_bytes(card_number(chip)) + dates + time


def punch_frame(control: int, chip: str, stamp: int, tail: bytes) -> bytes:
    """Return a punch; `tail`: the three bytes behind the time, the address or what radio has."""
    flags, time = half_day(stamp)
    card = b"\0" + card_bytes(card_number(chip))
    return build(PUNCH, control.to_bytes(2, "big") + card + bytes((flags,)) + time + tail)


def encode(sighting: Sighting) -> bytes:
    """Return the punch a station sends, control 30 + antenna."""
    address = (FIRST_RECORD + RECORD * (sighting.seq - 1)) & 0xFFFFFF
    control = 30 + sighting.antenna
    return punch_frame(control, sighting.chip, sighting.stamp, address.to_bytes(3, "big"))
