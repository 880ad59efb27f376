"""What a decoder answers: one line, its command word first, to typed facts.

Version 2.0 gives GETSTATUS 18 fields and PASSINGS no file number, newer ones 25 and one. Error
wording is not public; a reply of a known word without the facts it should have is a `Refusal`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from bridge.domain.reads import StampForm
from bridge.driver_api import Clock, Control, Kept, Reason, Rejected, Status
from drivers.race_result import records, stamps

_FULL_STATUS: Final = 25
_BOXNAME: Final = ["GENERAL", "BOXNAME"]
_ECHOED: Final = frozenset(
    {
        "CLEARFILES",
        "GETACTIVESTATUS",
        "GETFILE",
        "GETINTERFACES",
        "GETMODE",
        "PING",
        "PONG",
        "SETCONFIG",
        "SETPUSHPREWARNS",
        "SETTIME",
        "STARTOPERATION",
        "STOPOPERATION",
    }
)
"""Further words a reply may begin with, none of which we say ourselves but GETFILE."""
Version = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Protocol:
    """The version in force and, where told, the highest this decoder speaks."""

    current: Version
    bounds: tuple[Version, Version] | None = None
    """Lowest and highest version, in this order."""


@dataclass(frozen=True, slots=True)
class BoxName:
    """Name and device id of the decoder; either may be empty."""

    name: str
    device: str


@dataclass(frozen=True, slots=True)
class Told:
    """The decoder's clock."""

    stamp: int
    form: StampForm


@dataclass(frozen=True, slots=True)
class Count:
    """Passings in the current file, and its number where the firmware tells it."""

    count: int
    file: int | None


@dataclass(frozen=True, slots=True)
class Health:
    """GETSTATUS under the common names of `Status`, and the clock in it."""

    fields: Mapping[str, object]
    clock: Told | None


@dataclass(frozen=True, slots=True)
class Firmware:
    """The firmware's own name for its version."""

    version: str


@dataclass(frozen=True, slots=True)
class Pushing:
    """Whether passings are pushed from now on."""

    on: bool


@dataclass(frozen=True, slots=True)
class Only:
    """A request for records went beyond the last one."""

    count: int | None


@dataclass(frozen=True, slots=True)
class Echo:
    """Any other reply: a command was taken."""

    fields: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reply that says no, or does not have what it should."""

    text: str
    error: bool
    """True: the decoder says so itself."""


Fact = Protocol | BoxName | Told | Count | Health | Firmware | Pushing | Only | Echo | Refusal


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply line."""

    word: str
    fact: Fact


def parse(text: str) -> Reply | None:
    """Return what a line without line end says, or None if its first word is not a reply's."""
    if text.startswith("ERROR"):
        return Reply("ERROR", Refusal(text, error=True))
    if text.startswith("ONLY"):
        return Reply("ONLY", Only(_whole(text[4:].strip(" ;"))))
    word, *fields = text.split(";")
    reader = _READERS.get(word)
    if reader is None and word not in _ECHOED:
        return None
    if fields and fields[0].upper().startswith("ERROR"):
        return Reply(word, Refusal(text, error=True))
    fact = reader(fields) if reader else Echo(fields)
    return Reply(word, fact or Refusal(text, error=False))


def event_of(raw: bytes, reply: Reply, *, asked: bool) -> Kept:
    """Return the event that carries a reply line; `asked`: it answers our GETTIME."""
    match reply.fact:
        case Told(stamp, form):
            return Clock(raw, stamp, form, asked=asked)
        case Health(fields):
            return Status(raw, fields)
        case Count(count, file):
            stored: dict[str, object] = {"stored": count}
            return Status(raw, stored if file is None else stored | {"file": file})
        case BoxName(name, device):
            return Status(raw, {"serial": device or name, "name": name})
        case Refusal(text, error):
            return _refusal(raw, text, error=error)
        case Firmware(version):
            return Status(raw, {"firmware": version})
        case Protocol(current):
            return Control(raw, "protocol", {"version": print_version(current)})
        case _:
            return Control(raw, reply.word)


def _refusal(raw: bytes, text: str, *, error: bool) -> Control | Rejected:
    if error:
        return Control(raw, "error", {"text": text})
    return Rejected(raw, Reason.FIELD, "a reply without what it should tell")


def parse_version(text: str) -> Version | None:
    """Return ``3.10`` as (3, 10): versions compare as integers, never as text."""
    major, dot, minor = text.partition(".")
    high, low = _whole(major), _whole(minor) if dot else 0
    return None if high is None or low is None else (high, low)


def print_version(version: Version) -> str:
    """Return (3, 10) as ``3.10``."""
    return f"{version[0]}.{version[1]}"


def _protocol(fields: list[str]) -> Protocol | None:
    versions = [parse_version(text) for text in fields[:3]]
    if not versions or versions[0] is None:
        return None
    bounds = [version for version in versions[1:] if version is not None]
    return Protocol(versions[0], (min(bounds), max(bounds)) if bounds else None)


def _config(fields: list[str]) -> BoxName | Echo | None:
    if fields[:2] != _BOXNAME:
        return Echo(fields) if fields else None
    name, device = [*fields[2:4], "", ""][:2]
    return BoxName(name, device) if name or device else None


def _time(fields: list[str]) -> Told | None:
    stamp = stamps.parse_stamp(*fields[:2]) if len(fields) >= 2 else None  # noqa: PLR2004
    return Told(*stamp) if stamp else None


def _count(fields: list[str]) -> Count | None:
    count = _whole(fields[0]) if fields else None
    return None if count is None else Count(count, _whole(fields[1]) if len(fields) > 1 else None)


def _firmware(fields: list[str]) -> Firmware | None:
    return Firmware(";".join(fields)) if any(fields) else None


def _pushing(fields: list[str]) -> Pushing | None:
    return Pushing(fields[0] == "1") if fields and fields[0] in ("0", "1") else None


def _health(fields: list[str]) -> Health | None:
    if len(fields) < 5:  # noqa: PLR2004 - without IsInOperation it tells nothing
        return None
    names = _STATUS if len(fields) >= _FULL_STATUS else _STATUS[:_ALWAYS]
    told: dict[str, object] = {}
    for (name, convert), text in zip(names, fields[2:], strict=False):
        value = convert(text)
        if value is not None:
            told[name] = value
    return Health(told, _time(fields))


def _whole(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) <= 10 else None  # noqa: PLR2004


def _flag(text: str) -> bool | None:
    return {"1": True, "0": False}.get(text)


def _text(text: str) -> str | None:
    return text or None


def _flags(text: str) -> int | None:
    if text[:2].lower() == "0x":
        digits = text[2:].lower()
        return int(digits, 16) if digits and set(digits) <= set("0123456789abcdef") else None
    return _whole(text)


_STATUS: Final = (
    ("mains", _flag),
    ("antennas", _text),
    ("operating", _flag),
    ("file", _whole),
    ("gps_fix", _flag),
    ("position", _text),
    ("reader_healthy", _flag),
    ("battery_pct", _whole),  # -1 while the decoder is still estimating: not told
    ("board_temperature_c", records.decimal),
    ("temperature_c", records.decimal),
    ("uhf_frequency", _whole),
    ("active_extension", _flag),
    ("channel", _whole),
    ("loop_id", _whole),
    ("loop_power_pct", _whole),
    ("loop_connected", _flag),
    ("loop_under_power", _flag),
    ("time_running", _flag),
    ("time_source", _whole),
    ("standby_scheduled", _flag),
    ("standby", _flag),
    ("error_flags", _flags),
    ("external_v", records.decimal),
)
"""GETSTATUS from its third field on: name and conversion. What does not convert is not told."""
_ALWAYS: Final = 8
"""So many of them stand in the same place in every version; the rest only if all 25 are there."""

_READERS: Final[Mapping[str, Callable[[list[str]], Fact | None]]] = {
    "GETPROTOCOL": _protocol,
    "SETPROTOCOL": _protocol,
    "GETCONFIG": _config,
    "GETTIME": _time,
    "PASSINGS": _count,
    "SETPUSHPASSINGS": _pushing,
    "GETSTATUS": _health,
    "GETFIRMWAREVERSION": _firmware,
}
