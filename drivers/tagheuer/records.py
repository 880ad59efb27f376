r"""Lines of TAG Heuer timers, three dialects told apart by their looks.

CP 540, CP 545 (protocol THCOM08): text, TAB, four hex digits of the sum of the text's characters
without a leading ``#``, CR LF. ``TN 0016 0072 05 12:13:56.7800 12345`` is a new time: start number,
sequence number, channel (``M5``: by hand on 5), time of day, day code; ``AN`` is one recalled.

Pocket Pro, MS300 (HL400): LF, text, TAB, CR. ``RR 0010 0232   05:27:51.01040`` has position, number
and the time since the synchronisation, which ``!T 08:14:00 01/03/20`` tells (day, month, year).

CP 520, CP 505: 30 characters and CR, ``T `` with the channel in columns 12-13 and hours, minutes,
seconds and ms in 15-26. Where its start number stands is not published: nobody is named.

Sources: public THCOM08 text; Pocket Pro protocol PDF and RaceHorology; rallyx. One published
command (``#RT 0072 05`` with ``0292``) does not add up by the rule that all other lines keep.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from bridge.domain.reads import DAY_NS, NS_PER_S, Chip, Read, StampForm
from bridge.driver_api import Control, Kept, Marker, Reason, Rejected, Sighting, Status
from drivers import start_numbers

MAX_LINE: Final = 128
TICK_NS: Final = 10_000
"""A hundred-thousandth of a second: five decimals."""
FINISH: Final = 4
_EPOCH: Final = date(1970, 1, 1)

_SUMMED: Final = re.compile(rb"\n*([^\t]*)\t([0-9A-Fa-f]{4})")
_TIME: Final = rb"([0-9 ][0-9]):([0-5][0-9]):([0-5][0-9])(?:[.,]([0-9]{0,5}))?"
_IMPULSE: Final = re.compile(
    rb"([A-Z][A-Z*+=-]) ([0-9 ]{4}) ([0-9 ]{4}) ([0-9 M][0-9]) " + _TIME + rb"(?: +([0-9]{1,5}))? *"
)
_STORED: Final = re.compile(rb"RR ([0-9 ]{4}) ([0-9 ]{4}) +" + _TIME + rb" *")
_SYNC: Final = re.compile(rb"!T ([0-2][0-9]):([0-5][0-9]):([0-5][0-9]) (..)/(..)/(..) *")
_OLD: Final = re.compile(
    rb"T .{9,10}([0-9M][0-9])[^0-9]([0-2][0-9])[^0-9]([0-5][0-9])[^0-9]([0-5][0-9])[^0-9]"
    rb"([0-9]{3}).{0,8}"
)
_NAME: Final = re.compile(rb"SN +([^ ]+)(?: +([^ ]+) +([^ ]+))? *")
_TEXT: Final = re.compile(rb"[\x20-\x7e]*")
_LIKE_TIME: Final = re.compile(rb"(?:TN|AN|RR|T ).*[0-9]")


@dataclass(slots=True)
class Sync:
    """When a Pocket Pro was synchronised: naive ns since 1970, None until it tells."""

    moment: int | None = None


def checksum(text: bytes) -> bytes:
    """Return the four digits behind the TAB."""
    return b"%04X" % (sum(text.removeprefix(b"#")) & 0xFFFF)


def sealed(text: bytes) -> bytes:
    """Return a line of a CP 540, or a command to it, complete."""
    return b"%b\t%b\r\n" % (text, checksum(text))


def waits(text: bytes) -> bool:
    """Say whether LF follows the CR of this text: a CP 540 ends its lines so."""
    return _SUMMED.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Impulse:
    """The time of a CP 540 line, taken apart."""

    kind: str
    number: str
    """Start number without leading zeros, empty if none was given."""
    sequence: int | None
    channel: str
    """Channel number without leading zero."""
    by_hand: bool
    stamp: int
    digits: str
    """Time as digits, ``HHMMSS`` and five decimals."""
    day: str

    @property
    def chip(self) -> Chip:
        """Start number; without one, a name that no other impulse has."""
        if self.number:
            return start_numbers.chip_of(int(self.number))
        return Chip(f"{self.channel}#{self.digits}")

    @property
    def key(self) -> str:
        """Identity: sequence number, channel and time, the same new and recalled."""
        return f"{'' if self.sequence is None else self.sequence}/{self.channel}/{self.digits}"


def _time(hour: bytes, minute: bytes, second: bytes, fraction: bytes | None) -> tuple[int, str]:
    """Return ns and digits of a time; hours may be padded by a blank."""
    hours = hour.replace(b" ", b"0").decode()
    digits = f"{hours}{minute.decode()}{second.decode()}{(fraction or b'').decode().ljust(5, '0')}"
    seconds = int(hours) * 3600 + int(minute) * 60 + int(second)
    return seconds * NS_PER_S + int(digits[6:]) * TICK_NS, digits


def _number(field: bytes) -> str:
    text = field.decode().strip().lstrip("0")
    return "" if " " in text else text


def parse(text: bytes) -> Impulse | None:
    """Take a CP 540 line without checksum apart, if it is one with a time."""
    line = _IMPULSE.fullmatch(text)
    if line is None:
        return None
    kind, number, sequence, channel, hour, minute, second, fraction, day = line.groups()
    stamp, digits = _time(hour, minute, second, fraction)
    numbered = sequence.strip()
    return Impulse(
        kind=kind.decode(),
        number=_number(number),
        sequence=int(numbered) if numbered.isdigit() else None,
        channel=channel.decode().strip().lstrip("M0") or "0",
        by_hand=channel.startswith(b"M"),
        stamp=stamp,
        digits=digits,
        day=(day or b"").decode(),
    )


def decode(raw: bytes, guns: frozenset[str], sync: Sync) -> Kept:
    """Decode one line with its end; impulses of the channels `guns` are markers.

    `sync` takes what a line tells of the synchronisation, and gives it to the lines behind.
    """
    if not raw.endswith((b"\r", b"\n")):
        return Rejected(raw, Reason.OVERLONG)
    body = raw.strip(b"\r\n")
    line = _SUMMED.fullmatch(body)
    text = line[1] if line else body.rstrip(b"\t")
    if not text.strip():
        return Control(raw, "empty line")
    if line and checksum(text) != line[2].upper():
        return Rejected(raw, Reason.CHECKSUM, f"computed {checksum(text).decode()}")
    impulse = parse(text)
    if impulse is not None:
        return _event(raw, impulse, guns)
    return _stored(raw, text, sync) or _old(raw, text, guns) or _other(raw, text, sync)


def _event(raw: bytes, impulse: Impulse, guns: frozenset[str]) -> Kept:
    fields = _fields(impulse)
    if impulse.kind not in ("TN", "AN"):
        return Control(raw, CORRECTION, {"record": impulse.kind, **fields, "cancels": impulse.key})
    if impulse.stamp >= DAY_NS:
        return Rejected(raw, Reason.FIELD, "no such time of day")
    stamp, form, channel = impulse.stamp, StampForm.TIME_OF_DAY, impulse.channel
    if channel in guns:
        return Marker(raw, "gun", stamp, form, impulse.key, fields, channel)
    seq = impulse.sequence
    return Read(raw, impulse.chip, stamp, form, int(channel), None, channel, seq, impulse.key)


CORRECTION: Final = "correction"


def _fields(impulse: Impulse) -> dict[str, object]:
    fields: dict[str, object] = {"channel": impulse.channel}
    if impulse.number:
        fields["number"] = impulse.number
    if impulse.sequence is not None:
        fields["sequence"] = impulse.sequence
    if impulse.by_hand:
        fields["by_hand"] = True
    if impulse.day:
        fields["day"] = impulse.day
    return fields


def _stored(raw: bytes, text: bytes, sync: Sync) -> Kept | None:
    line = _STORED.fullmatch(text)
    if line is None:
        return None
    position, number, *parts = line.groups()
    since, digits = _time(*parts)
    place = _number(position) or "0"
    worn = _number(number)
    chip = start_numbers.chip_of(int(worn)) if worn else Chip(f"{place}#{digits}")
    key = f"{place}/{worn}/{digits}"
    if sync.moment is None:
        # Without the moment of synchronisation the arrival is all there is.
        return Read(raw, chip, 0, StampForm.ABSENT, key=f"unsynchronised/{key}")
    stamp = sync.moment + since
    return Read(raw, chip, stamp, StampForm.NAIVE, key=f"{sync.moment // NS_PER_S}/{key}")


def _old(raw: bytes, text: bytes, guns: frozenset[str]) -> Kept | None:
    line = _OLD.fullmatch(text)
    if line is None:
        return None
    channel = line[1].decode().lstrip("M0") or "0"
    stamp, digits = _time(line[2], line[3], line[4], line[5])
    if stamp >= DAY_NS:
        return Rejected(raw, Reason.FIELD, "no such time of day")
    key, form = f"/{channel}/{digits}", StampForm.TIME_OF_DAY
    if channel in guns:
        return Marker(raw, "gun", stamp, form, key, {"channel": channel}, channel)
    chip = Chip(f"{channel}#{digits}")
    return Read(raw, chip, stamp, form, int(channel), None, channel, None, key)


def _other(raw: bytes, text: bytes, sync: Sync) -> Kept:
    told = _SYNC.fullmatch(text)
    if told:
        moment = _moment(told)
        if moment is None:
            return Rejected(raw, Reason.FIELD, "no such day")
        sync.moment = moment
        return Control(raw, SYNCHRONISED, {"text": text[3:].decode()})
    name = _NAME.fullmatch(text)
    if name:
        named = zip(("serial", "model", "firmware"), name.groups(), strict=True)
        return Status(raw, {key: value.decode("latin-1") for key, value in named if value})
    if _LIKE_TIME.match(text) or not _TEXT.fullmatch(text):
        return Rejected(raw, Reason.FRAMING, "not in the columns of a time")
    note = {b"AK": "acknowledgement", b"DS": DOWNLOAD, b"DE": DOWNLOAD_ENDED}
    return Control(raw, note.get(text[:2], "text"), {"text": text.decode().strip()})


SYNCHRONISED: Final = "synchronised"
DOWNLOAD: Final = "download"
DOWNLOAD_ENDED: Final = "end of download"


def _moment(told: re.Match[bytes]) -> int | None:
    hour, minute, second, day, month, year = told.groups()
    try:
        days = (date(2000 + int(year), int(month), int(day)) - _EPOCH).days
    except ValueError:
        return None
    return days * DAY_NS + _time(hour, minute, second, None)[0]


def fields_of(raw: bytes) -> Mapping[str, object]:
    """Return number, sequence number, channel and day code of a CP 540 time."""
    line = _SUMMED.fullmatch(raw.strip(b"\r\n"))
    impulse = parse(line[1] if line else raw.strip(b"\r\n\t"))
    return _fields(impulse) if impulse else {}


def clock(ns: int) -> str:
    """Return ``HH:MM:SS.ddddd`` of ns since midnight, cut off."""
    seconds, rest = divmod(ns, NS_PER_S)
    time = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{time}.{rest // TICK_NS:05d}"


def time_line(kind: str, number: int, sequence: int, channel: int, stamp: int) -> bytes:
    """Return a whole line of a CP 540; the day code is the day number since 1970."""
    day = stamp // DAY_NS % 100_000
    time = clock(stamp % DAY_NS)
    text = f"{kind} {number:04d} {sequence % 10_000:04d} {channel:02d} {time} {day:05d}"
    return sealed(text.encode("ascii"))


def channel_of(antenna: int) -> int:
    """Return the channel an antenna of a made-up race is: the first is the finish."""
    return FINISH if antenna <= 1 else antenna % 100


def encode(sighting: Sighting) -> bytes:
    """Return the line a CP 540 sends of an impulse."""
    number, channel = start_numbers.number_of(sighting.chip), channel_of(sighting.antenna)
    return time_line("TN", number, sighting.seq, channel, sighting.stamp)
