"""An ALGE Timy made of software: it talks by itself and keeps what it said."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from bridge.domain.reads import DAY_NS, NS_PER_S
from bridge.driver_api import MAIN, Out, Sighting
from drivers import start_numbers
from drivers.alge import records
from drivers.timer_lines import TimerLines

_KNOWN: Final = ("checksum", "decimals", "numbers", "version")
_MAX_COMMAND: Final = 64
_RUNNING_NS: Final = NS_PER_S // 10


class AlgeEmulator:
    """One timer with one serial port: every client hears the same.

    `RSM` dumps the memory and the three lines behind it, `CLR` empties it; settings it does not
    have are taken in silence, as a timer takes them.
    """

    piece: tuple[int, int] | None = None

    def __init__(self, *, checksum: bool, decimals: int, numbers: bool, version: str) -> None:
        self.channels: Mapping[str, int] = {MAIN: 7000}
        self._checksum = checksum
        self._decimals = decimals
        self._numbers = numbers
        self._version = version
        self._memory: list[bytes] = []
        self._commands: dict[int, TimerLines] = {}
        self._running = False
        self._next_running_ns = 0

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Say nothing: it has no greeting."""
        self._commands[client] = TimerLines(_MAX_COMMAND, lambda _: False)
        return []

    def disconnected(self, client: int) -> None:
        """Keep the memory."""
        self._commands.pop(client, None)

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        """Obey what ends in CR."""
        lines = self._commands.get(client)
        texts = lines.feed(data) if lines else []
        answers = [line for text in texts for line in self._answer(text.strip(b"\r\n"), now_ns)]
        return self._send(answers)

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """Store and send an impulse; without `numbers` nobody keys in who it was."""
        number = start_numbers.number_of(sighting.chip) if self._numbers else 0
        flag = " " if number else records.UNKNOWN_NUMBER
        channel = f"C{min(max(sighting.antenna, 1), 8)}"
        return self._impulse(records.line_of(number, channel, sighting.stamp, flag, self._decimals))

    def marked(self, name: str, stamp: int) -> Sequence[Out]:
        """Trigger the start channel, or by its key for ``button``, which is coarser."""
        if name == "button":
            return self._impulse(records.line_of(0, "C0M", stamp, decimals=2))
        return self._impulse(records.line_of(0, "C0", stamp, decimals=self._decimals))

    def tick(self, now_ns: int) -> Sequence[Out]:
        """Send the running time ten times a second after ``EMU1``."""
        if not self._running or now_ns < self._next_running_ns:
            return []
        self._next_running_ns = now_ns + _RUNNING_NS
        tenths = now_ns % DAY_NS // _RUNNING_NS
        seconds = tenths // 10
        time = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{tenths % 10}"
        return [Out(time.encode("ascii") + b"\r")]

    def _impulse(self, line: bytes) -> list[Out]:
        self._memory.append(line)
        return self._send([line])

    def _send(self, lines: list[bytes]) -> list[Out]:
        wire = b"".join(self._sealed(line) + b"\r" for line in lines)
        return [Out(wire)] if wire else []

    def _sealed(self, line: bytes) -> bytes:
        timed = records.parse(line) is not None
        return line + records.checksum(line) if self._checksum and timed else line

    def _answer(self, command: bytes, now_ns: int) -> list[bytes]:
        match command:
            case b"RSM":
                day = datetime.fromtimestamp(now_ns // NS_PER_S, tz=UTC)
                version = f"  TIMY V {self._version}".encode()
                dated = f"{day:%y-%m-%d  %H:%M}".encode()
                return [*self._memory, b"  ALGE-TIMING", version, dated]
            case b"CLR":
                self._memory.clear()
                return [b"CLR"]
            case b"NSF?":
                return [f"NSF V {self._version}".encode()]
            case b"PROG?":
                return [b"PROG: BACKUP"]
            case b"CHK0" | b"CHK1":
                self._checksum = command == b"CHK1"
            case b"EMU0" | b"EMU1":
                self._running = command == b"EMU1"
            case b"PRE2" | b"PRE3" | b"PRE4":
                self._decimals = int(command[3:])
            case _:
                pass
        return []


def make(options: Mapping[str, object]) -> AlgeEmulator:
    """Return the emulator.

    Options: `checksum` (true after ``CHK1``), `decimals` 1 to 4, `numbers` (false: impulses come
    without start numbers), `version` text.

    Raises:
        ValueError: An option is unknown or out of range; the text says what is allowed.
    """
    for name in options:
        if name not in _KNOWN:
            raise ValueError(f"unknown emulator option {name!r}; allowed: {', '.join(_KNOWN)}")
    for name in ("checksum", "numbers"):
        if options.get(name, True) not in (True, False):
            raise ValueError(f"emulator option {name!r} is {options[name]!r}; allowed: true, false")
    decimals = options.get("decimals", 4)
    if decimals not in (1, 2, 3, 4):
        raise ValueError(f"emulator option 'decimals' is {decimals!r}; allowed: 1, 2, 3, 4")
    return AlgeEmulator(
        checksum=options.get("checksum", False) is True,
        decimals=int(str(decimals)),
        numbers=options.get("numbers", True) is True,
        version=str(options.get("version", "0974")),
    )
