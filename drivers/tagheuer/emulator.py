"""TAG Heuer timers made of software."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from bridge.domain.reads import DAY_NS, NS_PER_S
from bridge.driver_api import MAIN, Emulator, Out, Sighting
from drivers import start_numbers
from drivers.tagheuer import options as option_book
from drivers.tagheuer import records
from drivers.timer_lines import TimerLines

_KNOWN: Final = ("model", "numbering", "numbers", "skip_every")
_NUMBERINGS: Final = ("all", "channel")
_REFUSED: Final = b"AK R"
"""Not supported; ``AK F``: refused."""
_MAX_COMMAND: Final = 64


class Cp540:
    """A CP 540 or CP 545: it sends each time and keeps it for `#RT`.

    `numbering`: sequence numbers over all channels or per ``channel``; `skip_every` n leaves every
    nth line unsent, as a bad cable would.
    """

    piece: tuple[int, int] | None = None

    def __init__(self, *, numbering: str, numbers: bool, skip_every: int) -> None:
        self.channels: Mapping[str, int] = {MAIN: 7000}
        self._per_channel = numbering == "channel"
        self._numbers = numbers
        self._skip_every = skip_every
        self._count: dict[int, int] = {}
        self._times: dict[tuple[int, int], tuple[int, int]] = {}
        self._made = 0
        self._commands: dict[int, TimerLines] = {}

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Say nothing: it has no greeting."""
        self._commands[client] = TimerLines(_MAX_COMMAND, records.waits)
        return []

    def disconnected(self, client: int) -> None:
        """Keep the times."""
        self._commands.pop(client, None)

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        """Answer commands, with or without a checksum behind them."""
        lines = self._commands.get(client)
        outs = []
        for line in lines.feed(data) if lines else []:
            text = line.strip(b"\r\n").partition(b"\t")[0]
            if text:
                outs.append(Out(self._answer(text, now_ns), client))
        return outs

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """Store and send a time; without `numbers` nobody keys in who it was."""
        number = start_numbers.number_of(sighting.chip) if self._numbers else 0
        return self._add(number, records.channel_of(sighting.antenna), sighting.stamp)

    def marked(self, name: str, stamp: int) -> Sequence[Out]:  # noqa: ARG002
        """Trigger the start channel."""
        return self._add(0, int(option_book.START), stamp)

    def tick(self, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Do nothing."""
        return []

    def _add(self, number: int, channel: int, stamp: int) -> list[Out]:
        counter = channel if self._per_channel else 0
        sequence = self._count[counter] = self._count.get(counter, 0) + 1
        self._times[sequence, channel] = (number, stamp)
        self._made += 1
        if self._skip_every and self._made % self._skip_every == 0:
            return []
        return [Out(records.time_line("TN", number, sequence, channel, stamp))]

    def _answer(self, text: bytes, now_ns: int) -> bytes:
        words = text.decode("latin-1").split()
        match words:
            case ["#SN"]:
                return records.sealed(b"SN 01162 CP540 VE07")
            case ["#RT", sequence, channel] if sequence.isdecimal() and channel.isdecimal():
                found = self._times.get((int(sequence), int(channel)))
                if found is None:
                    return records.sealed(b"AK F")
                number, stamp = found
                return records.time_line("AN", number, int(sequence), int(channel), stamp)
            case ["#RP", "010"]:
                day = datetime.fromtimestamp(now_ns // NS_PER_S, tz=UTC)
                return records.sealed(f"&P 010 02 02 {day:%H:%M %d/%m/%y} 00".encode())
            case _:
                return records.sealed(_REFUSED)


class PocketPro:
    """A Pocket Pro, synchronised at midnight; live events come once they are switched on."""

    piece: tuple[int, int] | None = None

    def __init__(self, *, numbers: bool) -> None:
        self.channels: Mapping[str, int] = {MAIN: 7000}
        self._numbers = numbers
        self._live = False
        self._sync_ns: int | None = None
        self._stored: list[bytes] = []
        self._commands: dict[int, TimerLines] = {}

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Say nothing: it has no greeting."""
        self._synchronise(now_ns)
        self._commands[client] = TimerLines(_MAX_COMMAND, lambda _: False)
        return []

    def disconnected(self, client: int) -> None:
        """Keep the times."""
        self._commands.pop(client, None)

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        """Answer commands."""
        self._synchronise(now_ns)
        lines = self._commands.get(client)
        answers = []
        for line in lines.feed(data) if lines else []:
            answers += self._answer(line.strip(b"\r\n\t"))
        return [Out(b"".join(_framed(answer) for answer in answers), client)] if answers else []

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """Store a time; send it if that is switched on."""
        number = start_numbers.number_of(sighting.chip) if self._numbers else 0
        return self._add(number, sighting.stamp)

    def marked(self, name: str, stamp: int) -> Sequence[Out]:  # noqa: ARG002
        """Store a time without a number: it has one button and no channels."""
        return self._add(0, stamp)

    def tick(self, now_ns: int) -> Sequence[Out]:
        """Note the clock: it is synchronised at the midnight before the first time."""
        self._synchronise(now_ns)
        return []

    def _synchronise(self, now_ns: int) -> int:
        if self._sync_ns is None:
            self._sync_ns = now_ns - now_ns % DAY_NS
        return self._sync_ns

    def _add(self, number: int, stamp: int) -> list[Out]:
        since = records.clock((stamp - self._synchronise(stamp)) % (100 * 3600 * NS_PER_S))
        line = f"RR {len(self._stored) + 1:04d} {number:04d}   {since}".encode("ascii")
        self._stored.append(line)
        return [Out(_framed(line))] if self._live else []

    def _answer(self, text: bytes) -> list[bytes]:
        match text:
            case b"#SN":
                return [b"SN 00232 HL400 V100"]
            case b"#!T":
                day = datetime.fromtimestamp((self._sync_ns or 0) // NS_PER_S, tz=UTC)
                return [f"!T {day:%H:%M:%S %d/%m/%y}".encode()]
            case b"#WC 012":
                head = f"DS 01 {len(self._stored):03d} TIME".encode("ascii")
                return [head, *self._stored, b"DE 01"]
            case b"#WC 016 1C":
                self._live = True
                return [b"AK C"]
            case _:
                return [_REFUSED]


def _framed(text: bytes) -> bytes:
    return b"\n%b\t\r" % text


def make(options: Mapping[str, object]) -> Emulator:
    """Return the emulator.

    Options: `model` cp540 or pocket-pro; `numbers` (false: times come without start numbers); for
    a cp540 `numbering` all or channel, `skip_every` n.

    Raises:
        ValueError: An option is unknown or out of range; the text says what is allowed.
    """
    for name in options:
        if name not in _KNOWN:
            raise ValueError(f"unknown emulator option {name!r}; allowed: {', '.join(_KNOWN)}")
    model = options.get("model", option_book.CP540)
    if model not in (option_book.CP540, option_book.POCKET_PRO):
        raise ValueError(f"emulator option 'model' is {model!r}; allowed: cp540, pocket-pro")
    numbering = options.get("numbering", "all")
    if numbering not in _NUMBERINGS:
        allowed = ", ".join(_NUMBERINGS)
        raise ValueError(f"emulator option 'numbering' is {numbering!r}; allowed: {allowed}")
    if options.get("numbers", True) not in (True, False):
        raise ValueError(
            f"emulator option 'numbers' is {options['numbers']!r}; allowed: true, false"
        )
    skip = str(options.get("skip_every", 0))
    if not skip.isdecimal():
        raise ValueError(f"emulator option 'skip_every' is {skip!r}; allowed: 0, 2, 3 …")
    numbers = options.get("numbers", True) is True
    if model == option_book.POCKET_PRO:
        return PocketPro(numbers=numbers)
    return Cp540(numbering=str(numbering), numbers=numbers, skip_every=int(skip))
