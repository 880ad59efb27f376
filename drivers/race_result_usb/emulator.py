"""A USB Timing Box made of software: it says nothing unless it is asked, but on its start."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import MAIN, Chip, Out, Sighting
from drivers.framing import LineBuffer
from drivers.module_emulator import choice, only, switch
from drivers.race_result_usb.health import LOOPS, MODES
from drivers.race_result_usb.position import MOST_PER_REPLY
from drivers.race_result_usb.records import MARKER_CODE, PUSH, TICK_NS, record_of

BANNER: Final = b"AUTOBOOT\nrrActive\n\n"
_KNOWN: Final = ("reference", "capacity", "mode", "loop", "power_cycle_after")
_FIRST_TICKS: Final = 0x0151_BCF5
"""A day after it was switched on."""
_LAST: Final = 0xFFFFFFFF
_MAX_LINE: Final = 64
_OK, _UNKNOWN, _TOO_LOW, _WRONG_MODE = 0x00, 0x01, 0x10, 0x11
_MODE, _PUSHES, _TIMING = 0x05, 0xB2, 0x06
_CONFIG: Final[Mapping[int, int]] = MappingProxyType(
    {_MODE: _TIMING, 0x06: 0, 0x07: 0, 0x08: 0x64, 0x09: 0, 0x0A: 1, 0x0B: 1, 0xB1: 0, _PUSHES: 0}
)
_INFO: Final[Mapping[int, int]] = MappingProxyType(
    {1: 1042, 2: 26, 3: 1, 4: 0x0A, 5: 39, 7: 0, 8: 87, 9: 0x1A, 0x0A: 50}
)
_Answer = tuple[int, Sequence[bytes]]
"""Error code and lines."""


class UsbBox:
    """One box; its counter runs by the reader's clock, from the first moment it is told of.

    Options: `reference` (somebody has told it the time), `capacity` (passings it keeps), `mode`
    (extension, kiosk, timing, store and copy), `loop` (ok, fault, limit, overvoltage),
    `power_cycle_after` (so many passings, once).

    Raises:
        ValueError: An option is unknown or cannot be; the text says what is allowed.
    """

    piece: tuple[int, int] | None = None

    def __init__(self, options: Mapping[str, object]) -> None:
        only(options, _KNOWN)
        self.channels: Mapping[str, int] = {MAIN: 7000}
        mode = choice(options, "mode", list(MODES.values()), "timing")
        loop = choice(options, "loop", list(LOOPS.values()), "ok")
        self._config = {**_CONFIG, _MODE: _code(MODES, mode)}
        self._info = {**_INFO, 0x0B: _code(LOOPS, loop)}
        self._capacity = _count(options, "capacity", 10_000)
        self._cycles_at = _count(options, "power_cycle_after", 0)
        self._wants_reference = switch(options, "reference", default=False)
        self._seen = 0
        self._zero_ns: int | None = None
        """Moment of tick 0."""
        self._reference = (0, 0)
        self._lines: dict[int, LineBuffer] = {}
        self._talks = False
        """It is in text mode."""
        self._first = 0
        self._passings: deque[tuple[int, bytes]] = deque()
        self._commands: Mapping[str, Callable[[int, list[int]], _Answer]] = {
            "EPOCHREFSET": self._set_reference,
            "EPOCHREFGET": lambda _, __: (_OK, [_pair(*self._reference)]),
            "EPOCHREFADJ1D": self._adjust,
            "TIMESTAMPGET": lambda now_ns, _: (_OK, [b"%08x" % self._ticks(now_ns)]),
            "PASSINGGET": self._get,
            "PASSINGINFOGET": self._extent,
            "INFOGET": lambda _, given: _value(self._info, given),
            "CONFGET": lambda _, given: _value(self._config, given),
            "CONFSET": self._configure,
        }

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Say nothing: the host speaks first."""
        self._lines[client] = LineBuffer(_MAX_LINE)
        self._ticks(now_ns)
        return []

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        """Answer commands; nothing before the text mode is asked for."""
        lines = self._lines.get(client)
        told = b"".join(self._obey(line, now_ns) for line in lines.feed(data)) if lines else b""
        return [Out(told, client)] if told else []

    def disconnected(self, client: int) -> None:
        """Keep the memory."""
        self._lines.pop(client, None)

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """Store the passing; push it, where that is switched on."""
        self._seen += 1
        outs = self._store(sighting)
        if self._seen == self._cycles_at:
            self._restart(sighting.stamp)
            return [*outs, Out(BANNER)]
        return outs

    def marked(self, name: str, stamp: int) -> Sequence[Out]:  # noqa: ARG002
        """Store the button's tag, whatever it was that fired."""
        return self._store(Sighting(chip=Chip(MARKER_CODE), stamp=stamp))

    def tick(self, now_ns: int) -> Sequence[Out]:
        """Let the counter begin."""
        self._ticks(now_ns)
        return []

    def _store(self, sighting: Sighting) -> list[Out]:
        ticks = self._ticks(sighting.stamp)
        line = record_of(sighting, ticks)
        self._passings.append((ticks, line))
        if len(self._passings) > self._capacity:
            self._passings.popleft()
            self._first += 1
        return [Out(PUSH + line)] if self._talks and self._config[_PUSHES] else []

    def _restart(self, now_ns: int) -> None:
        self._zero_ns, self._reference, self._talks = now_ns, (0, 0), False
        self._passings.clear()
        self._first = 0

    def _ticks(self, now_ns: int) -> int:
        if self._zero_ns is None:
            self._zero_ns = now_ns - _FIRST_TICKS * TICK_NS
            if self._wants_reference:
                epoch_s = now_ns // NS_PER_S
                zero = self._zero_ns
                self._reference = (epoch_s, (epoch_s * NS_PER_S - zero) // TICK_NS)
        return max((now_ns - self._zero_ns) // TICK_NS, 0) & _LAST

    def _obey(self, line: bytes, now_ns: int) -> bytes:
        word, *given = line.decode("latin-1").strip().split(";")
        if word == "ASCII":
            self._talks = True
            return b"ASCII;00\n\n"
        if not self._talks or not word:
            return b""
        command = self._commands.get(word)
        numbers = _numbers(given)
        answer: _Answer = (_UNKNOWN, [])
        if command is not None and numbers is not None:
            answer = command(now_ns, [*numbers, 0])
        error, lines = answer
        head = f"{word};{error:02x}".encode("latin-1")
        return b"\n".join([head, *(one.rstrip(b"\n") for one in lines), b"", b""])

    def _set_reference(self, now_ns: int, given: list[int]) -> _Answer:
        """Take the time at once: the pulse on DTR is not seen here."""
        self._reference = (given[0], self._ticks(now_ns))
        return _OK, [_pair(*self._reference)]

    def _adjust(self, now_ns: int, given: list[int]) -> _Answer:  # noqa: ARG002
        epoch_s, ticks = self._reference
        if epoch_s:
            self._reference = (epoch_s + 86_400, ticks + 86_400 * 256)
        return _OK, [_pair(*self._reference)]

    def _get(self, now_ns: int, given: list[int]) -> _Answer:  # noqa: ARG002
        start = given[0]
        if self._config[_MODE] != _TIMING:
            return _WRONG_MODE, []
        if start < self._first:
            return _TOO_LOW, [_pair(start, self._first)]
        at = start - self._first
        found = [line for _, line in list(self._passings)[at : at + MOST_PER_REPLY]]
        return _OK, [b"%08x;%02x" % (start, len(found)), *found]

    def _extent(self, now_ns: int, given: list[int]) -> _Answer:  # noqa: ARG002
        count = len(self._passings)
        if not count:
            return _OK, [b"00000000;00000000;00000000;00000000;00000000"]
        ends = (self._first, self._passings[0][0], self._first + count - 1, self._passings[-1][0])
        return _OK, [b";".join(b"%08x" % number for number in (count, *ends))]

    def _configure(self, now_ns: int, given: list[int]) -> _Answer:  # noqa: ARG002
        number, value = given[:2]
        if number not in self._config:
            return _UNKNOWN, []
        self._config[number] = value
        return _value(self._config, given)


def _numbers(given: list[str]) -> list[int] | None:
    try:
        return [int(digits, 16) for digits in given]
    except ValueError:
        return None


def _pair(first: int, second: int) -> bytes:
    return b"%08x;%08x" % (first, second)


def _value(table: Mapping[int, int], given: list[int]) -> _Answer:
    value = table.get(given[0])
    return (_UNKNOWN, []) if value is None else (_OK, [b"%02x" % value])


def _code(words: Mapping[int, str], word: str) -> int:
    return next(code for code, name in words.items() if name == word)


def _count(options: Mapping[str, object], name: str, default: int) -> int:
    value = options.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"emulator option {name!r} is {value!r}; allowed: 0 and more")
    return value
