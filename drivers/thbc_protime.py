r"""TAG Heuer by Chronelec, Protime and Elite decoders of active transponders.

``<STA 023066 80:27'53"016 01 01 3 1569>`` and CR LF: source (STA, BOX, MAN, CEL, B01…),
transponder, time, level, count, flag, and the decimal sum of the 32 characters behind the ``<``.
The decoder repeats a record until it is acknowledged by ESC 11. Commands are ESC and one byte;
never sent are 07 (start), 13 5C (stop), 48 (set time) and those that configure.

A status, ``[`` with the decoder's time and four levels, answers ESC 05. Its exact columns are not
published: the time is taken from it where it looks like one.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final
from zlib import adler32

from bridge.domain.reads import DAY_NS, NS_PER_MS, NS_PER_S, Chip, Read, StampForm
from bridge.driver_api import (
    MAIN,
    Alarm,
    Clock,
    Control,
    Driver,
    Event,
    Hangup,
    Kept,
    Marker,
    Opening,
    Out,
    Reason,
    Rejected,
    Send,
    SerialLink,
    Sighting,
    Status,
    TcpLink,
)
from drivers.framing import LineBuffer, is_line
from drivers.watch import Verdict, Watch

ACK: Final = b"\x1b\x11"
STATUS: Final = b"\x1b\x05"
MAX_LINE: Final = 256
_MANUAL: Final = "000000"
_CELL: Final = "000255"
_LOW_BATTERY: Final = b"3"
_ASK_NS: Final = 5 * NS_PER_S
_PATIENCE: Final = 4
"""A record that comes broken so often is broken in the decoder: acknowledged, or none follows."""
_REPEAT_NS: Final = NS_PER_S
_ACK_AGAIN_NS: Final = 3 * NS_PER_S
"""A repetition that comes sooner was under way while the acknowledgement waited for the disk. As an
acknowledgement names no record, another one would tick off the next record, unseen."""

_PASSING: Final = re.compile(
    rb"\0*<(([A-Z0-9]{3}) ([0-9]{6}) ([0-9]{2,3}):([0-5][0-9])'([0-5][0-9])\"([0-9]{3})"
    rb" ([0-9 ]{2}) ([0-9 ]{2}) (.) )([0-9]{4})>\r?\n"
)
_STATUS: Final = re.compile(rb"\0*\[([\x20-\x7e]*)\r?\n")
_TIME: Final = re.compile(rb" *([0-9]{1,3}):([0-5][0-9])[:']([0-5][0-9])(?:[\"'.]([0-9]{1,3})?)?")
_TEXT: Final = re.compile(rb"[\x20-\x7e]*\r?\n")


def _time_ns(hours: bytes, minutes: bytes, seconds: bytes, ms: bytes | None = None) -> int:
    whole = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
    return whole * NS_PER_S + int(ms or 0) * NS_PER_MS


class ProtimeSession:
    """Listen to one decoder, acknowledge what is durable, ask for its time."""

    def __init__(self, opening: Opening) -> None:
        self._lines = LineBuffer(MAX_LINE)
        self._acknowledges = not opening.trial
        """In a check nothing is: a record that was is gone from the decoder."""
        self._watch = Watch()
        self._is_open = False
        self._broken = 0
        self._now_ns = self._acked_ns = 0
        self._acked: str | None = None
        """Key of the record that was acknowledged last."""

    @property
    def pending(self) -> bytes:
        """Bytes of a line that has not ended yet."""
        return self._lines.pending

    def opened(self, now_ns: int) -> list[Event]:
        """Ask for the time; that it never answers before is no fault: it may be one-way."""
        self._is_open = True
        self._now_ns = now_ns
        self._watch.begin(now_ns)
        return [Send(STATUS, asks_clock=True)]

    def feed(self, data: bytes, channel: str = MAIN) -> list[Event]:  # noqa: ARG002
        """Return what is complete, in wire order, each record with its acknowledgement."""
        if data:
            self._watch.heard(answer=False)
        events: list[Event] = []
        for line in self._lines.feed(data):
            event = _decode(line)
            events.append(event)
            events += self._follow(event)
        return events

    def tick(self, now_ns: int) -> list[Event]:
        """Ask for the time every few seconds; give up a decoder that answered and fell silent."""
        self._now_ns = now_ns
        match self._watch.tick(now_ns, every_ns=_ASK_NS if self._watch.answers else None):
            case Verdict.DEAD:
                return [Hangup("the decoder fell silent: no status for nine seconds")]
            case Verdict.POLL:
                return [Send(STATUS, asks_clock=True)]
            case Verdict.FINE:
                return []

    def closed(self, channel: str, *, refused: bool) -> list[Event]:  # noqa: ARG002
        """Do nothing: no channel was dialled."""
        return []

    def _follow(self, event: Kept) -> list[Event]:
        """Return what a line calls for."""
        if not self._is_open:
            return []
        match event:
            case Read(key=key) | Marker(key=key):
                lower = [Alarm("broken_record", "", on=False)] if self._broken else []
                self._broken = 0
                return [*self._acknowledge(key), *lower]
            case Rejected(raw) if b"<" in raw:
                return self._spoiled()
            case Clock() | Status():
                self._watch.heard(answer=True)
                return []
            case _:
                return []

    def _acknowledge(self, key: str | None) -> list[Event]:
        """Acknowledge a new record, and an old one if the decoder did not get the first word."""
        waited_ns = self._now_ns - self._acked_ns
        if not self._acknowledges or (key == self._acked and waited_ns < _ACK_AGAIN_NS):
            return []
        self._acked, self._acked_ns = key, self._now_ns
        return [Send(ACK)]

    def _spoiled(self) -> list[Event]:
        """Wait for the repetition; after several go on, as nothing else would ever come."""
        self._broken += 1
        if self._broken % _PATIENCE or not self._acknowledges:
            return []
        text = (
            "the decoder sends a broken record again and again; it was acknowledged so that others "
            "can follow. Look for it in the decoder's own list"
        )
        return [Send(ACK), Alarm("broken_record", text)]


def _decode(raw: bytes) -> Kept:
    passing = _PASSING.fullmatch(raw)
    if passing:
        return _passing(raw, passing)
    status = _STATUS.fullmatch(raw)
    if status:
        return _status(raw, status[1])
    if not is_line(raw):
        return Rejected(raw, Reason.OVERLONG)
    if b"<" not in raw and _TEXT.fullmatch(raw):
        return Control(raw, "text" if raw.strip() else "empty line")
    return Rejected(raw, Reason.FRAMING, "not a passing")


def _passing(raw: bytes, passing: re.Match[bytes]) -> Kept:
    covered, source, number, hours, minutes, seconds, ms, _, _, _, check = passing.groups()
    if adler32(covered, 0) & 0xFFFF != int(check):
        return Rejected(raw, Reason.CHECKSUM, f"sum {adler32(covered, 0) & 0xFFFF:04d}")
    stamp = _time_ns(hours, minutes, seconds, ms)
    chip, unit = number.decode(), source.decode()
    if chip in (_MANUAL, _CELL):
        name = "button" if chip == _MANUAL else "beam"
        key = f"{unit}/{chip}/{stamp}"
        return Marker(raw, name, stamp, StampForm.TIME_OF_DAY, key, extra(raw), unit)
    key = f"{unit}/{chip}/{stamp}"
    return Read(raw, Chip(chip), stamp, StampForm.TIME_OF_DAY, None, None, unit, None, key)


def _status(raw: bytes, text: bytes) -> Kept:
    fields = {"status": text.decode("ascii").strip()}
    time = _TIME.match(text)
    if time is None:
        return Status(raw, fields)
    stamp = _time_ns(*time.groups())
    return Clock(raw, stamp, StampForm.TIME_OF_DAY, extra={**fields, "resolution_ms": 1000})


def extra(raw: bytes) -> Mapping[str, object]:
    """Return level, count and flag of a passing; flag 3 tells a transponder's battery is low."""
    passing = _PASSING.fullmatch(raw)
    if passing is None:
        return {}
    fields: dict[str, object] = {
        "level": passing[8].decode(),
        "count": passing[9].decode(),
        "flag": passing[10].decode("latin-1"),
    }
    if passing[10] == _LOW_BATTERY:
        fields["transponder_battery"] = "low"
    return fields


def _number_of(chip: str) -> str:
    """Return six digits for any chip text; none of the two that mean something else."""
    if re.fullmatch("[0-9]{1,6}", chip):
        number = int(chip)
    else:
        number = adler32(chip.encode()) % 900_000 + 100_000
    return f"{number:06d}"


def line_of(source: str, number: str, stamp: int) -> bytes:
    """Return a record; `stamp` in ns, cut to ms and to 99 hours."""
    seconds, rest = divmod(stamp, NS_PER_S)
    hours, seconds = divmod(seconds, 3600)
    time = f"{hours % 100:02d}:{seconds // 60:02d}'{seconds % 60:02d}\"{rest // NS_PER_MS:03d}"
    covered = f"{source} {number} {time} 01 01 1 ".encode("ascii")
    return b"<%b%04d>\r\n" % (covered, sum(covered))


def encode(sighting: Sighting) -> bytes:
    """Return the record of a passing, by the station loop or, for antenna n > 1, box n - 1."""
    source = "STA" if sighting.antenna == 1 else f"B{sighting.antenna - 1:02d}"[:3]
    return line_of(source, _number_of(sighting.chip), sighting.stamp % DAY_NS)


class ProtimeEmulator:
    """A decoder that repeats its oldest record every second until somebody acknowledges it."""

    piece: tuple[int, int] | None = None

    def __init__(self) -> None:
        self.channels: Mapping[str, int] = {MAIN: 2008}
        self._queue: list[bytes] = []
        self._sent_ns: int | None = None
        self._now_ns = 0
        self._clients: dict[int, bytes] = {}

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Say nothing by itself; a record that waits comes with its next repetition."""
        self._clients[client] = b""
        self._now_ns = now_ns
        return []

    def disconnected(self, client: int) -> None:
        """Keep what was not acknowledged."""
        self._clients.pop(client, None)

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        """Obey ESC commands; others are ignored."""
        self._now_ns = now_ns
        commands = self._clients.get(client, b"") + data
        outs: list[Out] = []
        while (at := commands.find(b"\x1b")) >= 0 and len(commands) > at + 1:
            outs += self._obey(commands[at : at + 2])
            commands = commands[at + 2 :]
        self._clients[client] = commands[-1:] if commands.endswith(b"\x1b") else b""
        return outs

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """Queue the record; send it if none waits before it."""
        return self._add(encode(sighting))

    def marked(self, name: str, stamp: int) -> Sequence[Out]:
        """Queue a contact: the photocell's for ``beam``, else the manual key's."""
        if name == "beam":
            return self._add(line_of("CEL", _CELL, stamp % DAY_NS))
        return self._add(line_of("MAN", _MANUAL, stamp % DAY_NS))

    def tick(self, now_ns: int) -> Sequence[Out]:
        """Repeat what nobody acknowledged."""
        self._now_ns = now_ns
        due = self._sent_ns is None or now_ns >= self._sent_ns + _REPEAT_NS
        return self._first() if due and self._queue else []

    def _add(self, line: bytes) -> list[Out]:
        self._queue.append(line)
        return self._first() if len(self._queue) == 1 else []

    def _first(self) -> list[Out]:
        self._sent_ns = self._now_ns
        return [Out(self._queue[0])] if self._queue else []

    def _obey(self, command: bytes) -> list[Out]:
        if command == ACK:
            del self._queue[:1]
            return self._first()
        if command == b"\x1b\x12":
            return self._first()
        if command == STATUS:
            seconds = self._now_ns % DAY_NS // NS_PER_S
            time = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}'{seconds % 60:02d}\""
            return [Out(f"[{time} 01 01 10 10]\r\n".encode("ascii"))]
        return []


def emulator(options: Mapping[str, object]) -> ProtimeEmulator:
    """Return a decoder made of software; it has no options.

    Raises:
        ValueError: An option was given.
    """
    if options:
        raise ValueError(f"unknown emulator option {next(iter(options))!r}; allowed: none")
    return ProtimeEmulator()


DRIVER: Final = Driver(
    name="thbc-protime",
    title="TAG Heuer by Chronelec Protime and Elite",
    # TCP through a serial converter. The decoder's own network port speaks UDP.
    links=(SerialLink(19_200), TcpLink(2008)),
    stamp_form=StampForm.TIME_OF_DAY,
    can_tell_time=True,
    repairs=True,
    session=ProtimeSession,
    encode=encode,
    emulator=emulator,
    extra=extra,
    example_chip=lambda number: Chip(f"{20_000 + number:06d}"),
    source="ndf-zz/metarace and metarace-v1 (public): decoder/thbc.py, protocol notes",
)
