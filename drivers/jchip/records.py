r"""Lines of the J-Chip protocol: greeting, time of the sender, crossings.

A line of text ends in CR. There is no check sum, no antenna and no zone: times are the sender's
wall clock, and the only proof of a crossing is its regular form. Read as CrossMgr reads them
(esitarski/CrossMgr, ``JChip.py``): by the first colon and by ``date=``, whatever stands between.
"""

import re
from datetime import UTC, datetime
from typing import Final, NamedTuple

from bridge.domain.reads import DAY_NS, NS_PER_S, Chip
from bridge.driver_api import Sighting

END: Final = b"\r"
"""Of every line either side sends. Never CR LF: CrossMgr takes up what it has received only if
the last byte of it is CR."""
GET_TIME: Final = b"GT" + END
START: Final = b"S0000" + END
DECIMALS: Final = range(2, 7)
"""Of a second, as seen in crossings."""
NS_PER_US: Final = 1_000
_DATE_MARK: Final = b"date="
_DATE_LENGTH: Final = len("YYYYMMDD")
_LAST_YEAR: Final = 2261
"""Beyond it nanoseconds since 1970 do not fit 64 bits."""
_LAST_INDEX: Final = 0xFFFFFFFF
_CACHE_LIMIT: Final = 512
_MICROSECONDS: Final = 6
_HUNDREDTHS: Final = 2
_CROSSING: Final = re.compile(
    # Live: D and a letter nobody interprets. In files: one letter alone.
    rb"(?:D[!-~]|[A-CE-Z])([!-~]{1,64}) +"
    rb"([0-9]{2}):([0-9]{2}):([0-9]{2})\.([0-9]{1,9})[0-9]*"
    rb"(?: +[!-~]{1,8}(?: +([0-9A-Fa-f]{1,8})(?= |$))?)?(?: [ -~]*)?"
)
_GREETING: Final = re.compile(rb"N([0-9]{4})([ -~]*)")
_TIME: Final = re.compile(rb"GT([0-9])([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{1,9})(?: [ -~]*)?")


class Crossing(NamedTuple):
    """One crossing as told."""

    chip: Chip
    time_ns: int
    """Since midnight of the sender's clock."""
    midnight: int | None
    """Of its date in ns since 1970; None: no date was told."""
    seq: int | None
    """The sender's running number."""


class Greeting(NamedTuple):
    """What a sender says first."""

    stored: int
    """Records in the memory of the box; the bridge programs always say 0."""
    name: str


class SenderTime(NamedTuple):
    """What a sender's clock shows: `midnight` as in a `Crossing`."""

    time_ns: int
    midnight: int | None
    days: int
    """How many days the box has been running, modulo ten."""


class Dates:
    """Reads ``date=YYYYMMDD`` behind a time; remembers the days it has seen."""

    def __init__(self) -> None:
        self._midnights: dict[bytes, int] = {}

    def read(self, text: bytes, after: int) -> int | None:
        """Return its midnight in ns since 1970; None where there is no date.

        Raises:
            ValueError: There is one that cannot be.
        """
        at = text.find(_DATE_MARK, after)
        if at < 0:
            return None
        at += len(_DATE_MARK)
        digits = text[at : at + _DATE_LENGTH]
        midnight = self._midnights.get(digits)
        if midnight is None:
            if len(digits) != _DATE_LENGTH or not digits.isdigit():
                raise ValueError("no such date")
            day = datetime.strptime(digits.decode(), "%Y%m%d").replace(tzinfo=UTC)
            midnight = int(day.timestamp()) * NS_PER_S
            if midnight < 0 or day.year > _LAST_YEAR:
                raise ValueError("no such date")
            if len(self._midnights) >= _CACHE_LIMIT:
                self._midnights.clear()
            self._midnights[digits] = midnight
        return midnight


def crossing_of(text: bytes, dates: Dates) -> Crossing | None:
    """Return the crossing in a line without its end; None if it has not the form of one.

    Raises:
        ValueError: It has a time or a date that cannot be.
    """
    found = _CROSSING.fullmatch(text)
    if found is None:
        return None
    tag, hour, minute, second, fraction, index = found.groups()
    time_ns = _time_ns(hour, minute, second) + int(fraction.ljust(9, b"0"))
    midnight = dates.read(text, found.end(5))
    seq = int(index, 16) if index else None
    return Crossing(chip_of(tag.decode("ascii")), time_ns, midnight, seq)


def greeting_of(text: bytes) -> Greeting | None:
    """Return the greeting in a line without its end; None if it is none."""
    found = _GREETING.fullmatch(text)
    return Greeting(int(found[1]), found[2].decode("ascii").rstrip()) if found else None


def sender_time_of(text: bytes, dates: Dates) -> SenderTime | None:
    """Return what answers ``GT``; None if the line is no such answer.

    Two digits of fraction are hundredths, six are microseconds (Ubidium's bridge); of any other
    number CrossMgr looks at the first two.

    Raises:
        ValueError: It has a time or a date that cannot be.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    days, hour, minute, second, fraction = found.groups()
    digits = fraction if len(fraction) == _MICROSECONDS else fraction[:_HUNDREDTHS]
    time_ns = _time_ns(hour, minute, second) + int(digits.ljust(9, b"0"))
    return SenderTime(time_ns, dates.read(text, found.end(5)), int(days))


def chip_of(tag: str) -> Chip:
    """Return the identity of a tag: upper case without leading zeros, as CrossMgr compares."""
    return Chip(tag.upper().lstrip("0") or "0")


def print_greeting(name: str) -> bytes:
    """Return the line a sender begins with; only what is printable ASCII is left of the name."""
    return f"N0000{''.join(letter for letter in name if ' ' <= letter <= '~')}".encode() + END


def print_time(now_ns: int, days: int = 0, *, dated: bool = True) -> bytes:
    """Return the answer to ``GT`` for a wall clock (ns since 1970 read as if it had no zone)."""
    moment, fraction = _moment(now_ns)
    date = moment.strftime(" date=%Y%m%d") if dated else ""
    text = f"GT{days % 10}{moment:%H%M%S}{fraction // 10**7:02d}{date}"
    return text.encode() + END


def print_crossing(sighting: Sighting, *, decimals: int = 6, dated: bool = True) -> bytes:
    """Return the line of a crossing, its stamp cut to `decimals`.

    Blanks and what is not ASCII is left out of the chip, which ends at the first blank.
    """
    moment, fraction = _moment(sighting.stamp)
    tag = "".join(letter for letter in sighting.chip if "!" <= letter <= "~") or "0"
    date = moment.strftime(" date=%Y%m%d") if dated else ""
    time = f"{moment:%H:%M:%S}.{fraction:09d}"[: decimals - 9]
    text = f"DJ{tag} {time} 10  {sighting.seq & _LAST_INDEX:05X}      C7{date}"
    return text.encode() + END


def _moment(stamp: int) -> tuple[datetime, int]:
    seconds, fraction = divmod(stamp, NS_PER_S)
    return datetime.fromtimestamp(seconds, UTC), fraction


def _time_ns(hour: bytes, minute: bytes, second: bytes) -> int:
    seconds = (int(hour) * 60 + int(minute)) * 60 + int(second)
    if int(minute) > 59 or int(second) > 59 or seconds * NS_PER_S >= DAY_NS:  # noqa: PLR2004
        raise ValueError("no such time")
    return seconds * NS_PER_S
