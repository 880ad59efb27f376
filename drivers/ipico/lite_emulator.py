"""A Lite made of software: silent after connect, one UART behind all its clients."""

from collections.abc import Mapping, Sequence
from typing import Final

from bridge.domain.reads import NS_PER_MS, NS_PER_S
from bridge.driver_api import MAIN, Out, Reason, Sighting
from drivers.framing import LineBuffer
from drivers.ipico import control
from drivers.ipico.control import Frame, build
from drivers.ipico.lite_memory import LiteMemory
from drivers.ipico.records import chip_field, lrc, record_line

RESET_AFTER_NS: Final = 400 * NS_PER_MS
_HALF_NS: Final = NS_PER_S // 2
_MAX_LINE: Final = 2048
_CONFIG1: Final = 0x27
_BANNER: Final = (
    b"\r\nARM9 Controller for DF Dual DSP TTO Actel FPGA (STK Lite) (38.4kB) v1.4 "
    b"Jun  5 2013 14:16:40 (RWXLF)\r\n\r\n"
)
_STATISTICS: Final = bytes.fromhex("f800270001ff31144c2b0003450001")
_CLEARED_ON_READ: Final = (3, 4, 5, 13)
_FIRST_LAST: Final = 5
_WITH_FOLLOW_UP: Final = (3, 4, 5)
_FILTERS: Final = (0x30, 0x31)


class LiteEmulator:
    """The other side of a Lite's port 10000; port 9999 resets after 0.4 s.

    Every client gets identical bytes, replies to the others' commands included.
    """

    def __init__(
        self,
        *,
        mode: int,
        timeout_s: float,
        layout: bytes,
        memory: LiteMemory,
        is_steady: bool = False,
    ) -> None:
        """`is_steady`: mode, layout and clock stay as they are, whoever sets them."""
        self.channels: Mapping[str, int] = {MAIN: 10_000, "control": 9_999}
        self.piece: tuple[int, int] | None = (4, 20)
        self._memory = memory
        self._is_steady = is_steady
        self._mode = mode
        self._timeout_s = timeout_s
        self._layout = layout.ljust(10, b"\0")
        self._statistics = bytearray(_STATISTICS)
        self._commands: dict[int, LineBuffer] = {}
        self._resets: dict[int, int] = {}
        self._follow_ups: list[tuple[int, bytes]] = []
        self._shift_ns = 0
        self._load: tuple[int, int] | None = None
        self._swallows = False

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:
        """Accept in silence."""
        if channel == MAIN:
            self._commands[client] = LineBuffer(_MAX_LINE)
        else:
            self._resets[client] = now_ns + RESET_AFTER_NS
        return []

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        """Answer commands; NULs before one are the vendor program's way to wake the reader."""
        lines = self._commands.get(client)
        if lines is None:
            return []
        out: list[bytes] = []
        for line in lines.feed(data):
            out += self._answer(line.strip(b"\0\r\n"), now_ns)
        return self._to_all(out)

    def disconnected(self, client: int) -> None:
        """Forget the client, not what is stored."""
        self._commands.pop(client, None)
        self._resets.pop(client, None)

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """Send and store the line of a passage; the mode decides what follows."""
        stamp = sighting.stamp + self._shift_ns
        chip = chip_field(sighting.chip)
        first = "060080" if self._layout[0] & 0x80 else ""
        later = (first.replace("80", "60"), first) if self._mode == _FIRST_LAST else (first,)
        if self._mode in _WITH_FOLLOW_UP:
            due = stamp + int(self._timeout_s * NS_PER_S)
            self._follow_ups += [(due, record_line(chip, stamp, q=11, tto=tto)) for tto in later]
        return self._send_tag(record_line(chip, stamp, tto=first))

    def marked(self, name: str, stamp: int) -> Sequence[Out]:  # noqa: ARG002
        """Report the trigger, whatever pressed it."""
        data = control.clock_bytes(stamp + self._shift_ns) + bytes([_CONFIG1, 0x82])
        return self._to_all([build(control.TRIGGER, data)])

    def tick(self, now_ns: int) -> Sequence[Out]:
        """Reset who knocked at 9999; follow-up lines, late clock load, playback."""
        due = [client for client, at in self._resets.items() if now_ns >= at]
        out = [Out(client=client, channel="control", reset=True) for client in due]
        for client in due:
            del self._resets[client]
        out += self._to_all(self._load_clock(now_ns))
        clock = now_ns + self._shift_ns
        ready = [line for at, line in self._follow_ups if at <= clock]
        self._follow_ups = [entry for entry in self._follow_ups if entry[0] > clock]
        for line in ready:
            out += self._send_tag(line)
        return out + self._to_all(self._memory.tick(now_ns))

    def _send_tag(self, line: bytes) -> list[Out]:
        self._memory.sent(line)
        return self._to_all([line])

    def _to_all(self, lines: list[bytes]) -> list[Out]:
        return [Out(b"".join(lines))] if lines else []

    def _answer(self, line: bytes, now_ns: int) -> list[bytes]:
        if not line:
            return []
        if self._swallows:
            self._swallows = False
            return []
        frame = control.frame_of(_with_lrc(line))
        if not isinstance(frame, Frame):
            reason, _ = frame
            return [build(0xF1 if reason is Reason.CHECKSUM else 0xF0)]
        if frame.unit:
            return []  # not ours: 00 is broadcast and our own id
        if frame.instruction == control.INIT:
            self._swallows = True
            return []
        return self._reply(frame, now_ns)

    def _reply(self, frame: Frame, now_ns: int) -> list[bytes]:
        code, data = frame.instruction, frame.data
        match code:
            case control.GET_CLOCK:
                shown = control.clock_bytes(now_ns + self._shift_ns) + bytes([_CONFIG1])
                return [build(code, shown)]
            case control.SET_CLOCK if len(data) == 7 and not self._is_steady:  # noqa: PLR2004
                return self._set_clock(data, now_ns)
            case control.STATISTICS:
                shown = bytes(self._statistics)
                for at in _CLEARED_ON_READ:
                    self._statistics[at] = 0
                return [build(code, shown)]
            case control.BANNER:
                return [_BANNER, build(code)]
            case control.MEMORY if frame.is_query:
                return [self._memory.status(is_query=True)]
            case control.MEMORY if data:
                return self._memory.command(data, now_ns) or [build(0xF5)]
            case _:
                return self._setting(frame)

    def _setting(self, frame: Frame) -> list[bytes]:
        code, data = frame.instruction, frame.data
        match code:
            case control.SET_CLOCK | control.READ_MODE | control.LAYOUT if self._is_set(frame):
                return [build(code)]  # heard, and left as it is
            case control.READ_MODE if frame.is_query:
                return [build(code, bytes([self._mode, int(self._timeout_s)]))]
            case control.READ_MODE if len(data) == 3:  # noqa: PLR2004
                self._mode, self._timeout_s = data[0], max(data[1], 1)
                return [build(code)]
            case control.LAYOUT if frame.is_query:
                return [build(code, self._layout)]
            case control.LAYOUT if len(data) in {8, 9}:
                self._layout = data.ljust(10, b"\0")
                return [build(code)]
            case _ if code in _FILTERS:
                return [build(code)]
            case _:
                return [build(0xF2)]

    def _is_set(self, frame: Frame) -> bool:
        """Tell whether a frame would set what nobody may set here."""
        return self._is_steady and not frame.is_query

    def _set_clock(self, data: bytes, now_ns: int) -> list[bytes]:
        """Go to .500 at once and load the target second at the next boundary, 500 ms later."""
        target = control.stamp_of(data + b"\0")
        if target is None:
            return [build(0xF0)]
        old = now_ns + self._shift_ns
        new = old - old % NS_PER_S + _HALF_NS
        self._shift_ns += new - old
        self._load = (now_ns + _HALF_NS, target)
        return [build(control.SET_CLOCK), _step(old, new)]

    def _load_clock(self, now_ns: int) -> list[bytes]:
        if self._load is None or now_ns < self._load[0]:
            return []
        (at, target), self._load = self._load, None
        natural = at + self._shift_ns
        self._shift_ns = target - at
        if natural == target:
            return []
        return [_step(natural - 10 * NS_PER_MS, target)]


def _with_lrc(line: bytes) -> bytes:
    """Give an ``ac`` command, which has no LRC, the one it would have as ``ab``."""
    if line[:2].lower() != b"ac":
        return line
    return b"ab%s%02x" % (line[2:], lrc(line[2:]))


def _step(old: int, new: int) -> bytes:
    return build(control.CLOCK_STEP, b"\x01" + _within_hour(old) + _within_hour(new))


def _within_hour(stamp: int) -> bytes:
    # Every step is reported here; captured readers left out some of the forward ones.
    minutes, seconds = divmod(stamp // NS_PER_S % 3600, 60)
    ms = stamp % NS_PER_S // (10 * NS_PER_MS) * 10
    return bytes.fromhex(f"{minutes:02d}{seconds:02d}") + ms.to_bytes(2, "big")
