r"""Timingsense TSCollector: JSON arrays of reads over TCP 10200, and its backup files.

``[{"Chip":2,"Moment":"2016-06-03T02:33:48.937842Z","TimingPoint":"a","Type":1},…]`` and CR LF; an
array may be spread over TCP segments. Type 1 is the first sighting of a passing, 2 the strongest.
Backup rows are ``618;29/03/2021 11:52:30.540;Meta;1;`` (or with commas): chip, local time, point,
type.
"""

import json
import re
from calendar import timegm
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from bridge.domain.reads import NS_PER_S, Chip, Read, StampForm
from bridge.driver_api import (
    MAIN,
    Control,
    Driver,
    Emulator,
    Event,
    FileLink,
    Kept,
    Opening,
    Out,
    PassiveSession,
    Reason,
    Rejected,
    Sighting,
    TcpLink,
)
from drivers.framing import LineBuffer

MAX_LINE: Final = 65_536
"""About 750 reads in one array; a longer one is cut, and what is whole in each part is read."""
FIRST: Final = 1
STRONGEST: Final = 2
_FIRST_YEAR: Final = 1971
_LAST_YEAR: Final = 2261
"""ns since 1970 of later years do not fit 64 bits."""
_MOST_TEXT: Final = 128
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "types": ("both", "first", "strongest"),
    "zone": ("utc", "local"),
}
_WANTED: Final[Mapping[object, tuple[int, ...]]] = {"first": (FIRST,), "strongest": (STRONGEST,)}
_STRING: Final = rb'"(?:[^"\\\r\n]|\\[^\r\n]){0,256}"'
_OTHER: Final = rb'[^{}"\r\n]*'
_OBJECT: Final = re.compile(rb"\{%b(?:%b%b){0,64}\}" % (_OTHER, _STRING, _OTHER))
"""Bounded, and with one way only to match a text, so that none makes the search long."""
_BETWEEN: Final = re.compile(rb"[\s\[\],]*")
_MOMENT: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:?\d\d)?"
)
_ROW: Final = re.compile(
    rb"([^;,\r\n]+)[;,](\d\d)/(\d\d)/(\d{4}) (\d\d):(\d\d):(\d\d)(?:[.](\d{1,9}))?[;,]"
    rb"([^;,\r\n]*)[;,](\d+)[;,]?\r?\n"
)


def _seconds_ns(parts: tuple[int, ...]) -> int | None:
    """Return ns from 1970 to year, month, day, hour, minute, second; None if there is no such."""
    year, month, day, hour, minute, second = parts
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        return None
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return timegm(moment.timetuple()) * NS_PER_S


def _fraction_ns(digits: str | None) -> int:
    return int((digits or "0").ljust(9, "0"))


class TimingsenseSession(PassiveSession):
    """Decodes one connection or backup file; total."""

    def __init__(self, opening: Opening) -> None:
        self._lines = LineBuffer(MAX_LINE)
        self._types = _WANTED.get(opening.options.get("types"), (FIRST, STRONGEST))
        self._form = StampForm.NAIVE if opening.options.get("zone") == "local" else StampForm.UTC

    def feed(self, data: bytes, channel: str = MAIN) -> list[Event]:  # noqa: ARG002
        """Return what is complete, in wire order: an array's reads come when its line is whole."""
        return [event for line in self._lines.feed(data) for event in self._decode(line)]

    @property
    def pending(self) -> bytes:
        """Bytes of an array that has not ended yet."""
        return self._lines.pending

    def _decode(self, line: bytes) -> Iterator[Kept]:
        """Return one event per object; what stands between objects goes with the one before."""
        row = _ROW.fullmatch(line)
        if row:
            yield self._backup(line, row)
            return
        found = list(_OBJECT.finditer(line))
        if not found:
            blank = _BETWEEN.fullmatch(line) is not None and line.endswith(b"\n")
            yield Control(line, "no reads") if blank else Rejected(line, Reason.FRAMING)
            return
        at = 0
        for number, match in enumerate(found):
            gap = line[at : match.start()]
            if not _BETWEEN.fullmatch(gap):
                yield Rejected(gap, Reason.FRAMING, "not between objects")
                gap = b""
            end = _BETWEEN.match(line, match.end())
            stop = end.end() if end is not None and number == len(found) - 1 else match.end()
            yield self._object(gap + line[match.start() : stop], match[0])
            at = stop
        if at < len(line):
            yield Rejected(line[at:], Reason.FRAMING, "not an object")

    def _object(self, raw: bytes, text: bytes) -> Kept:
        fields = _fields(text)
        if fields is None:
            return Rejected(raw, Reason.FIELD, "not an object of JSON")
        chip, moment, kind = fields.get("Chip"), fields.get("Moment"), fields.get("Type")
        if isinstance(chip, bool) or not isinstance(chip, int | str) or not str(chip).strip():
            return Rejected(raw, Reason.UNKNOWN, "no Chip")
        if not _is_text(str(chip).strip()):
            return Rejected(raw, Reason.FIELD, "no such Chip")
        stamp, form = self._moment(moment)
        if stamp is None:
            return Rejected(raw, Reason.FIELD, "no such Moment")
        point = fields.get("TimingPoint")
        return self._read(raw, str(chip).strip(), (stamp, form), point, kind)

    def _moment(self, text: object) -> tuple[int | None, StampForm]:
        match = _MOMENT.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            return None, self._form
        whole = _seconds_ns(tuple(int(part) for part in match.groups()[:6]))
        if whole is None:
            return None, self._form
        stamp, zone = whole + _fraction_ns(match[7]), match[8]
        if zone in (None, "Z"):
            return stamp, StampForm.NAIVE if zone is None else self._form
        digits = zone[1:].replace(":", "")
        ahead = (int(digits[:2]) * 3600 + int(digits[2:]) * 60) * NS_PER_S
        return stamp - (ahead if zone[0] == "+" else -ahead), StampForm.UTC

    def _backup(self, raw: bytes, row: re.Match[bytes]) -> Kept:
        chip, day, month, year, hour, minute, second, fraction, point, kind = row.groups()
        whole = _seconds_ns(tuple(map(int, (year, month, day, hour, minute, second))))
        if whole is None:
            return Rejected(raw, Reason.FIELD, "no such time")
        stamp = whole + _fraction_ns(fraction.decode() if fraction else None)
        name = point.decode("utf-8", "replace")
        text = chip.decode("utf-8", "replace").strip()
        return self._read(raw, text, (stamp, StampForm.NAIVE), name, int(kind))

    def _read(
        self, raw: bytes, chip: str, when: tuple[int, StampForm], point: object, kind: object
    ) -> Kept:
        stamp, form = when
        unit = str(point) if isinstance(point, str | int) and _is_text(str(point)) else None
        if kind in (FIRST, STRONGEST) and kind not in self._types:
            return Control(raw, f"read of type {kind}, not used", {"chip": chip, "type": kind})
        key = f"{unit or ''}/{chip}/{stamp}"
        return Read(raw, Chip(chip), stamp, form, None, None, unit, None, key)


def _is_text(text: str) -> bool:
    """Tell whether a text can be stored and shown: JSON can spell half characters and zeros."""
    return 0 < len(text) <= _MOST_TEXT and text.isprintable()


def _fields(text: bytes) -> dict[str, object] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def extra(raw: bytes) -> Mapping[str, object]:
    """Return the type of a read: 1 first, 2 strongest."""
    row = _ROW.fullmatch(raw)
    if row:
        return {"type": int(row[10])}
    match = _OBJECT.search(raw)
    fields = _fields(match[0]) if match else None
    return {"type": fields["Type"]} if fields and "Type" in fields else {}


def _object(sighting: Sighting, kind: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=sighting.stamp // 1_000)
    chip: object = sighting.chip
    if sighting.chip.isdecimal() and sighting.chip == str(int(sighting.chip)):
        chip = int(sighting.chip)
    point = chr(ord("a") + (sighting.antenna - 1) % 26)
    fields = {
        "Chip": chip,
        "Moment": f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z",
        "TimingPoint": point,
        "Type": kind,
    }
    return json.dumps(fields, separators=(",", ":"))


def encode(sighting: Sighting) -> bytes:
    """Return an array of one read of type 2, to the microsecond."""
    return f"[{_object(sighting, STRONGEST)}]\r\n".encode()


class TimingsenseEmulator:
    """A TSCollector: it talks and never listens. With `both` a passing is told by two reads."""

    piece: tuple[int, int] | None = None

    def __init__(self, *, both: bool) -> None:
        self.channels: Mapping[str, int] = {MAIN: 10_200}
        self._both = both

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Say nothing: it has no greeting."""
        return []

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Ignore it."""
        return []

    def disconnected(self, client: int) -> None:
        """Keep nothing."""

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """Send it to everybody."""
        if not self._both:
            return [Out(encode(sighting))]
        pair = ",".join(_object(sighting, kind) for kind in (FIRST, STRONGEST))
        return [Out(f"[{pair}]\r\n".encode())]

    def marked(self, name: str, stamp: int) -> Sequence[Out]:  # noqa: ARG002
        """Do nothing: it has no button."""
        return []

    def tick(self, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Do nothing."""
        return []


def emulator(options: Mapping[str, object]) -> Emulator:
    """Return a TSCollector made of software; `types`: both, or strongest alone.

    Raises:
        ValueError: An option is unknown or out of range; the text says what is allowed.
    """
    for name in options:
        if name != "types":
            raise ValueError(f"unknown emulator option {name!r}; allowed: types")
    types = options.get("types", "both")
    if types not in ("both", "strongest"):
        raise ValueError(f"emulator option 'types' is {types!r}; allowed: both, strongest")
    return TimingsenseEmulator(both=types == "both")


def complaints(options: Mapping[str, object]) -> list[str]:
    """Return what is wrong with `options`, one sentence per key."""
    found = [
        f"option {name!r} is {options[name]!r}; allowed: {', '.join(choices)}"
        for name, choices in _CHOICES.items()
        if name in options and options[name] not in choices
    ]
    return found + [
        f"unknown option {name!r}; allowed: {', '.join(_CHOICES)}"
        for name in options
        if name not in _CHOICES
    ]


DRIVER: Final = Driver(
    name="timingsense",
    title="Timingsense TSCollector",
    links=(TcpLink(10_200), FileLink()),
    stamp_form=StampForm.UTC,
    resolution_ns=1_000,
    can_tell_time=False,
    # Nothing is known that it could be asked.
    may_be_silent=True,
    session=TimingsenseSession,
    encode=encode,
    emulator=emulator,
    extra=extra,
    example_chip=lambda number: Chip(str(number)),
    check_options=complaints,
    source="saurondor/saturnTagReader (public): timingsense client, race files of 2021",
)
