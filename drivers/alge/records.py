r"""Lines of ALGE timers: 26 characters and CR, ``' 0001 C0  10:04:55.6513 00'``.

Column 0 flag, 1-4 number, 5 course of a parallel slalom, 6-8 channel and modifier, 10-22 time with
up to four decimals, left-aligned, 24-25 group, 26-30 rank (in result lists alone). After the
command ``CHK1`` two more characters follow: ``0`` plus each half of the low byte of the sum.

Sources: manuals of Timy, Timy3 W and TdC 8001; RaceHorology; metarace. The meaning of the flags
d, p, b, m, t and C is not published: such lines are kept and not used.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bridge.domain.reads import DAY_NS, NS_PER_S, Chip, Read, StampForm
from bridge.driver_api import Control, Kept, Marker, Reason, Rejected, Sighting, Status
from drivers import start_numbers

MAX_LINE: Final = 128
TICK_NS: Final = 100_000
"""A ten-thousandth of a second, the finest a timer tells."""
UNKNOWN_NUMBER: Final = "?"
CLEARED: Final = "c"
INSERTED: Final = "i"
_VALID: Final = (" ", UNKNOWN_NUMBER, INSERTED)
_PLAIN: Final = 26
_GROUPED: Final = 31
_CHECK: Final = 2
_LAST_HOUR: Final = 23

_LINE: Final = re.compile(
    rb"([ ?a-zA-Z])([0-9]{4})([ rb])(C[0-9]|RT|TT|MT|DT|SQ|SZ)([ MRT]) ([0-9:., ]{8,13}?)"
    rb"(?:(?<=[0-9:., ]{13}) ([0-9]{2})( [0-9]{4})?)?",
    re.IGNORECASE,
)
_TIME: Final = re.compile(rb"([0-9]{2}):([0-5][0-9]):([0-5][0-9])(?:[.,]([0-9]{0,4}))? *")
_CHOSEN: Final = re.compile(rb"([ns])([0-9]{4})[rb]?")
_RUNNING: Final = re.compile(rb" *[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]?)? *")
_DATED: Final = re.compile(rb"[0-9]{2}-[0-9]{2}-[0-9]{2} +[0-9]{2}:[0-9]{2} *")
_LIKE_IMPULSE: Final = re.compile(rb"[0-9]:[0-9]|^.[0-9]{4}.C[0-9]", re.DOTALL)
_PRINTABLE: Final = re.compile(rb"[\x20-\x7e\x80-\xff]*")
_CHECKED: Final = re.compile(rb"[0-?]{2}")
_REPLIES: Final[tuple[tuple[bytes, str], ...]] = (
    (b"HW_SN", "serial"),
    (b"NSF", "firmware"),
    (b"PROG:", "mode"),
)
_ENDS_DUMP: Final = (b"ALGE-TIMING", b"ALGE TIMING")


@dataclass(frozen=True, slots=True)
class Impulse:
    """One line with a time, taken apart."""

    flag: str
    number: str
    """Four digits."""
    course: str
    channel: str
    """``C0`` … ``C8``, or ``RT`` and the like in results."""
    modifier: str
    """``M``: by key or manual trigger, to the hundredth alone."""
    stamp: int
    """ns since midnight."""
    digits: str
    """Time as digits, ``HHMMSSzhtq``."""
    group: str
    rank: str

    @property
    def is_numbered(self) -> bool:
        """Whether the timer says who it was."""
        return self.flag != UNKNOWN_NUMBER and self.number != "0000"

    @property
    def chip(self) -> Chip:
        """Start number; without one, a name that no other impulse has."""
        if self.is_numbered:
            return start_numbers.chip_of(int(self.number))
        return Chip(f"{self.channel}#{self.digits}")

    @property
    def key(self) -> str:
        """Identity: number, channel, time. It is the same live and out of the memory."""
        return f"{self.number}/{self.channel}/{self.digits}"


def checksum(text: bytes) -> bytes:
    """Return the two characters that ``CHK1`` adds."""
    low = sum(text) & 0xFF
    return bytes((0x30 + (low >> 4), 0x30 + (low & 0xF)))


def unchecked(body: bytes) -> tuple[bytes, bool | None]:
    """Return a line without its checksum, and whether that was right; None: it has none."""
    text, check = body[:-_CHECK], body[-_CHECK:]
    has_room = len(text) in (_PLAIN, _GROUPED) or _CHOSEN.fullmatch(text) is not None
    if not has_room or not _CHECKED.fullmatch(check):
        return body, None
    return text, checksum(text) == check


def parse(text: bytes) -> Impulse | None:
    """Take a line without checksum apart; None: its columns are not those of a time."""
    line = _LINE.fullmatch(text)
    time = _TIME.fullmatch(line[6]) if line else None
    if line is None or time is None:
        return None
    hour, minute, second, fraction = (part.decode() if part else "" for part in time.groups())
    digits = f"{hour}{minute}{second}{fraction.ljust(4, '0')}"
    seconds = int(hour) * 3600 + int(minute) * 60 + int(second)
    flag, number, course, channel, modifier = (line[n].decode() for n in range(1, 6))
    return Impulse(
        flag=flag,
        number=number,
        course=course.strip(),
        channel=channel.upper(),
        modifier=modifier.strip().upper(),
        stamp=seconds * NS_PER_S + int(digits[6:]) * TICK_NS,
        digits=digits,
        group=(line[7] or b"").decode(),
        rank=(line[8] or b"").decode().strip(),
    )


def decode(raw: bytes, guns: frozenset[str]) -> Kept:
    """Decode one line with its end; impulses of the channels `guns` are markers."""
    body = raw.strip(b"\r\n")
    if not body.strip():
        return Control(raw, "empty line")
    if not raw.endswith((b"\r", b"\n")):
        return Rejected(raw, Reason.OVERLONG)
    text, is_right = unchecked(body)
    if is_right is False:
        return Rejected(raw, Reason.CHECKSUM, f"computed {checksum(text).decode()}")
    impulse = parse(text)
    if impulse is None:
        return _other(raw, text)
    if impulse.stamp >= DAY_NS:
        return Rejected(raw, Reason.FIELD, "no such time of day")
    return _event(raw, impulse, guns)


def impulse_of(raw: bytes) -> Impulse | None:
    """Return the impulse of a line that was decoded, if it is one."""
    return parse(unchecked(raw.strip(b"\r\n"))[0])


def _event(raw: bytes, impulse: Impulse, guns: frozenset[str]) -> Kept:
    fields = _fields(impulse)
    if impulse.rank or not impulse.channel.startswith("C"):
        return Control(raw, "result", fields)
    if impulse.flag == CLEARED:
        return Control(raw, "cleared time", {**fields, "cancels": impulse.key})
    if impulse.flag not in _VALID:
        return Control(raw, f"flag {impulse.flag}, not used", fields)
    stamp, form, channel = impulse.stamp, StampForm.TIME_OF_DAY, impulse.channel
    if channel in guns:
        return Marker(raw, "gun", stamp, form, impulse.key, fields, channel)
    antenna = int(channel[1])
    return Read(raw, impulse.chip, stamp, form, antenna, None, channel, None, impulse.key)


def _fields(impulse: Impulse) -> dict[str, object]:
    named = {
        "number": impulse.number,
        "channel": impulse.channel,
        "flag": impulse.flag.strip(),
        "course": impulse.course,
        "modifier": impulse.modifier,
        "group": impulse.group,
        "rank": impulse.rank,
    }
    return {name: value for name, value in named.items() if value}


def _other(raw: bytes, text: bytes) -> Kept:
    """Decode a line that has no time in the columns of one."""
    chosen = _CHOSEN.fullmatch(text)
    if chosen:
        where = "finish" if chosen[1] == b"n" else "start"
        return Control(raw, f"number chosen for {where}", {"number": chosen[2].decode()})
    if _RUNNING.fullmatch(text):
        return Control(raw, "running time")
    if _DATED.fullmatch(text):
        return Control(raw, "date", {"text": text.decode().strip()})
    for head, name in _REPLIES:
        if text.lstrip().startswith(head):
            return Status(raw, {name: text.strip()[len(head) :].decode("cp437").strip(" :")})
    if text.strip().startswith(_ENDS_DUMP):
        return Control(raw, DUMP_ENDED)
    if _LIKE_IMPULSE.search(text) or not _PRINTABLE.fullmatch(text):
        return Rejected(raw, Reason.FRAMING, "not in the columns of a time")
    return Control(raw, "text", {"text": text.decode("cp437").strip()})


DUMP_ENDED: Final = "end of a list"


def extra(raw: bytes) -> Mapping[str, object]:
    """Return number, flag, course, modifier (M: by hand) and group of an impulse."""
    impulse = impulse_of(raw)
    return _fields(impulse) if impulse else {}


def line_of(number: int, channel: str, stamp: int, flag: str = " ", decimals: int = 4) -> bytes:
    """Return a line of 26 characters without its CR; `stamp` is cut to the decimals, by the day."""
    seconds, rest = divmod(stamp % DAY_NS, NS_PER_S)
    fraction = f".{rest // TICK_NS:04d}"[: decimals + 1]
    time = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{fraction}"
    return f"{flag}{number % 10_000:04d} {channel:<3} {time:<13} 00".encode("ascii")


def encode(sighting: Sighting) -> bytes:
    """Return the line of an impulse: antenna n is channel Cn, C1 being the finish."""
    number = start_numbers.number_of(sighting.chip)
    flag = " " if number else UNKNOWN_NUMBER
    channel = f"C{min(max(sighting.antenna, 1), 8)}"
    return line_of(number, channel, sighting.stamp, flag) + b"\r"
