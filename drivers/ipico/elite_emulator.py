"""An Elite made of software: two modules, raw and first/last-seen streams, control, replay."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from bridge.domain.reads import NS_PER_MS, NS_PER_S
from bridge.driver_api import MAIN, Out, Sighting
from drivers.framing import LineBuffer
from drivers.ipico.control import TRIGGER, build, clock_bytes
from drivers.ipico.records import chip_field, record_line

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - the reader's wall clock has no zone
_LAST_AFTER_NS: Final = 700 * NS_PER_MS
"""First to last read of one passage: within the quiet that closes a passing."""
_MODULES: Final = ("ttyS0", "ttyS1")
_MAX_LINE: Final = 512


class _Later(NamedTuple):
    due: int
    channel: str
    line: bytes
    stamp: int
    unit: int


class EliteEmulator:
    """The other side of ports 10000, 10200, 9999 and 10300.

    FS comes from one module and LS, one timeout late and with its own time, from the other.
    """

    def __init__(self, *, timeout_s: float) -> None:
        self.channels: Mapping[str, int] = {
            MAIN: 10_000,
            "fsls": 10_200,
            "control": 9_999,
            "replay": 10_300,
        }
        self.piece: tuple[int, int] | None = None
        self._timeout_ns = int(timeout_s * NS_PER_S)
        self._control: dict[int, LineBuffer] = {}
        self._replay: set[int] = set()
        self._stored: list[tuple[int, int, bytes]] = []
        self._later: list[_Later] = []
        self._replay_lines: list[bytes] | None = None
        self._seen = 0
        self._shift_ns = 0

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Accept in silence."""
        if channel == "control":
            self._control[client] = LineBuffer(_MAX_LINE)
        elif channel == "replay":
            self._replay.add(client)
        return []

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        """Answer control lines; the first LF on the replay port starts the replay."""
        if client in self._replay and b"\n" in data:
            lines, self._replay_lines = self._replay_lines or [], None
            return [Out(b"".join(lines), client=client, channel="replay", close=True)]
        if client not in self._control:
            return []
        out: list[Out] = []
        for line in self._control[client].feed(data):
            reply = self._command(line.decode("ascii", "replace").strip(), now_ns)
            if reply:
                out.append(Out(reply, client=client, channel="control"))
        return out

    def disconnected(self, client: int) -> None:
        """Forget the client, not what is stored."""
        self._control.pop(client, None)
        self._replay.discard(client)

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """Send raw and FS now; the last read and its LS come by `tick`."""
        stamp = sighting.stamp + self._shift_ns
        chip = chip_field(sighting.chip)
        unit = 1 + self._seen % 2
        self._seen += 1
        last, other = stamp + _LAST_AFTER_NS, 3 - unit
        self._later += [
            _Later(last, MAIN, record_line(chip, last, unit=other), last, other),
            _Later(
                last + self._timeout_ns,
                "fsls",
                record_line(chip, last, unit=other, suffix="LS"),
                last,
                other,
            ),
        ]
        raw = record_line(chip, stamp, unit=unit)
        self._stored.append((unit, stamp, raw))
        return [Out(raw), Out(record_line(chip, stamp, unit=unit, suffix="FS"), channel="fsls")]

    def marked(self, name: str, stamp: int) -> Sequence[Out]:  # noqa: ARG002
        """Report the trigger as the manual prints it, reader id 01, on the raw stream."""
        return [Out(_trigger(stamp + self._shift_ns))]

    def tick(self, now_ns: int) -> Sequence[Out]:
        """Send what is due by the reader's clock."""
        clock = now_ns + self._shift_ns
        due = sorted(entry for entry in self._later if entry.due <= clock)
        self._later = [entry for entry in self._later if entry.due > clock]
        for entry in due:
            if entry.channel == MAIN:
                self._stored.append((entry.unit, entry.stamp, entry.line))
        return [Out(entry.line, channel=entry.channel) for entry in due]

    def _command(self, line: str, now_ns: int) -> bytes:
        if line == "getdate":
            clock = _EPOCH + timedelta(seconds=(now_ns + self._shift_ns) // NS_PER_S)
            return f"date.{clock:%a %b} {clock.day:2d} {clock:%H:%M:%S} UTC {clock:%Y}\n".encode()
        if line.startswith("setdate."):
            target = _parse(line.removeprefix("setdate."), "%y%m%d%H:%M:%S")
            if target is not None:
                self._shift_ns = target - now_ns
        elif line.startswith("replay_start "):
            self._replay_lines = self._chosen(line.split()[1:])
        elif line == "clear_history":
            self._stored.clear()
        return b""

    def _chosen(self, words: list[str]) -> list[bytes]:
        fields = dict(word.split(".", 1) for word in words if "." in word)
        module = fields.get("file", "")
        since = _parse(fields.get("datetime", ""), "%y%m%d%H%M%S") or 0
        unit = _MODULES.index(module) + 1 if module in _MODULES else 0
        return [line for at, stamp, line in self._stored if at == unit and stamp >= since]


def _parse(text: str, form: str) -> int | None:
    try:
        moment = datetime.strptime(text, form)  # noqa: DTZ007 - naive wall clock
    except ValueError:
        return None
    return (moment - _EPOCH) // timedelta(seconds=1) * NS_PER_S


def _trigger(stamp: int) -> bytes:
    data = clock_bytes(stamp) + bytes([0xF1, 0x02])
    return build(TRIGGER, data, unit=1)
