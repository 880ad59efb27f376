r"""Control frames ``ab RR LL II data KK`` CR LF: replies and what a reader says unasked.

RR reader id, LL number of data bytes (``ff``: a query), II instruction, KK the LRC over the hex
characters between ``ab`` and itself. ``LL = 00`` with the same instruction is the ACK of a
command. Layouts of 4b and 4c come from captures only, not from the vendor's specification.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from bridge.domain.reads import NS_PER_MS, NS_PER_S, StampForm
from bridge.driver_api import Clock, ClockStep, Control, Kept, Marker, Reason, Rejected, Status
from drivers.ipico.records import HUNDREDTH_NS, day_ns, lrc, stamp_digits, time_ns

SET_CLOCK: Final = 0x01
GET_CLOCK: Final = 0x02
READ_MODE: Final = 0x09
STATISTICS: Final = 0x0A
LAYOUT: Final = 0x11
INFO: Final = 0x26
TRIGGER: Final = 0x2C
BANNER: Final = 0x37
MEMORY: Final = 0x4B
CLOCK_STEP: Final = 0x4C
INIT: Final = 0xE0
PROBE: Final = 0xE2

ERRORS: Final = MappingProxyType(
    {
        0xF0: "bad length",
        0xF1: "bad LRC",
        0xF2: "unknown instruction",
        0xF4: "unsupported command",
        0xF5: "unsupported sub-command",
    }
)
MODES: Final = ("raw", "trigger", "trigger 2", "event", "event 2", "first/last seen")
RAW_MODE: Final = 0
FACTORY_LAYOUT: Final = bytes.fromhex("7ffc6161aa000d0a")
_TTO_BIT: Final = 0x80
_MEMORY_SIZES: Final = (12, 13)
_FRAME: Final = re.compile(rb"a[abcde](?:[0-9a-f]{2})+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Frame:
    """One control frame whose length and LRC are right."""

    unit: int
    instruction: int
    data: bytes
    is_query: bool = False


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of a Lite as 4b tells it; cursors are counted in records from the first."""

    recording: bool
    playing: bool
    written: int
    """Write cursor: number of stored records."""
    played: int
    """Read cursor: how far the playback is."""
    capacity: int

    @property
    def is_played_out(self) -> bool:
        """Everything stored has been played."""
        return self.played == self.written


def build(instruction: int, data: bytes = b"", *, unit: int = 0, query: bool = False) -> bytes:
    """Return the frame with CR LF, as host or reader sends it."""
    size = 0xFF if query else len(data)
    body = f"{unit:02x}{size:02x}{instruction:02x}{data.hex()}".encode("ascii")
    return b"ab%s%02x\r\n" % (body, lrc(body))


def frame_of(raw: bytes) -> Frame | tuple[Reason, str]:
    """Take a control line apart, or say what is wrong with it.

    Very old firmware (5.1 and before) answers with ``aa`` headers; any ``a`` header is taken.
    """
    body = raw.rstrip(b"\r\n")
    if not _FRAME.fullmatch(body) or len(body) < 10:  # noqa: PLR2004
        return Reason.FRAMING, "not a control frame"
    unit, size, instruction, *rest = bytes.fromhex(body[2:].decode())
    is_query = size == 0xFF and len(rest) == 1  # noqa: PLR2004
    if not is_query and size != len(rest) - 1:
        return Reason.FRAMING, f"says {size} data bytes, has {len(rest) - 1}"
    covered = body[2:-2]
    if rest[-1] not in {lrc(covered), lrc(covered.lower())}:
        return Reason.CHECKSUM, f"LRC {rest[-1]:02x}, computed {lrc(covered):02x}"
    return Frame(unit, instruction, bytes(rest[:-1]), is_query)


def decode_line(raw: bytes) -> Kept:
    """Decode one whole control line."""
    result = frame_of(raw)
    return event_of(raw, result) if isinstance(result, Frame) else Rejected(raw, *result)


def event_of(raw: bytes, frame: Frame) -> Kept:
    """Say what a frame means; `raw` is its own bytes on the wire."""
    code = frame.instruction
    if frame.is_query:
        return Control(raw, f"query {code:02x}")
    if not frame.data:
        if code in ERRORS:
            return Control(raw, f"error {code:02x}: {ERRORS[code]}", {"error": f"{code:02x}"})
        return Control(raw, f"acknowledgement {code:02x}")
    meaning = _MEANINGS.get(code)
    if meaning is None:
        return Rejected(raw, Reason.UNKNOWN, f"instruction {code:02x}")
    return meaning(raw, frame)


def memory_of(frame: Frame) -> Memory | None:
    """Return what a 4b status says, or None: no status.

    Byte 0 bit 0 recording, bit 1 playback; 1 and 2-3 write cursor (block, record); 4 and 5-6 read
    cursor; 8 last block; 9-10 records per block. Inferred from captures: 2 x 1423 + 1270 = 4116
    records came out of a memory whose write cursor was (2, 1270).
    """
    data = frame.data
    if frame.instruction != MEMORY or len(data) not in _MEMORY_SIZES:
        return None
    per_block = int.from_bytes(data[9:11], "big")
    return Memory(
        recording=bool(data[0] & 1),
        playing=bool(data[0] & 2),
        written=data[1] * per_block + int.from_bytes(data[2:4], "big"),
        played=data[4] * per_block + int.from_bytes(data[5:7], "big"),
        capacity=(data[8] + 1) * per_block,
    )


def mode_of(frame: Frame) -> int | None:
    """Return the read mode (0 raw ... 5 first/last seen) of a 09 reply."""
    return frame.data[0] & 7 if frame.instruction == READ_MODE and frame.data else None


def is_factory_layout(frame: Frame) -> bool:
    """Tell whether a layout reply is the factory one, TTO on or off.

    The meaning of the two bytes that readers add to the documented eight is not known; they are
    left out of the judgement.
    """
    head = frame.data[:8]
    return head in {FACTORY_LAYOUT, bytes([FACTORY_LAYOUT[0] | _TTO_BIT]) + FACTORY_LAYOUT[1:]}


def clock_bytes(stamp: int) -> bytes:
    """Return the 8 clock bytes of a naive stamp: BCD date, day of week, BCD time, hundredths."""
    digits = stamp_digits(stamp)
    weekday = (stamp // (86_400 * NS_PER_S) + 4) % 7  # 1970-01-01 was a Thursday; Sunday is 0
    return bytes.fromhex(f"{digits[:6]}{weekday:02x}{digits[6:]}")


def stamp_of(data: bytes) -> int | None:
    """Return the naive stamp of 8 clock bytes, or None if there is no such time.

    The day of week is not looked at: it is whatever somebody set.
    """
    digits = data[:3].hex() + data[4:7].hex()
    if not digits.isdecimal() or data[7] > 99:  # noqa: PLR2004
        return None
    yy, month, day, hour, minute, second = (int(digits[at : at + 2]) for at in range(0, 12, 2))
    whole, time = day_ns(yy, month, day), time_ns(hour, minute, second)
    if whole is None or time is None:
        return None
    return whole + time + data[7] * HUNDREDTH_NS


def _clock(raw: bytes, frame: Frame) -> Kept:
    if len(frame.data) != 9:  # noqa: PLR2004
        return Rejected(raw, Reason.FIELD, "a clock has 9 bytes")
    stamp = stamp_of(frame.data)
    if stamp is None:
        return Rejected(raw, Reason.FIELD, f"no such time: {frame.data.hex()}")
    config = {"config1": f"{frame.data[8]:02x}"}
    return Clock(raw, stamp, StampForm.NAIVE, asked=False, extra=config)


def _trigger(raw: bytes, frame: Frame) -> Kept:
    # Event bytes 82 and 02 were seen; what tells them apart is not known, both are guns.
    if len(frame.data) != 10:  # noqa: PLR2004
        return Rejected(raw, Reason.FIELD, "a trigger has 10 bytes")
    stamp = stamp_of(frame.data)
    if stamp is None:
        return Rejected(raw, Reason.FIELD, f"no such time: {frame.data.hex()}")
    fields = {"event": f"{frame.data[9]:02x}", "reader": f"{frame.unit:02x}"}
    return Marker(raw, "gun", stamp, StampForm.NAIVE, extra=fields)


def _clock_step(raw: bytes, frame: Frame) -> Kept:
    # 01 | mm ss (BCD) | ms | mm ss | ms: old and new time within the hour, all the frame tells.
    data = frame.data
    if len(data) != 9:  # noqa: PLR2004
        return Rejected(raw, Reason.FIELD, "a clock step has 9 bytes")
    old, new = _within_hour(data[1:5]), _within_hour(data[5:9])
    if old is None or new is None:
        return Rejected(raw, Reason.FIELD, f"no such time: {data.hex()}")
    shown = " -> ".join(_shown(part) for part in (data[1:5], data[5:9]))
    return ClockStep(raw, old, new, f"{shown} (minutes and seconds of the hour)")


def _within_hour(data: bytes) -> int | None:
    digits, ms = data[:2].hex(), int.from_bytes(data[2:], "big")
    if not digits.isdecimal() or ms > 999:  # noqa: PLR2004
        return None
    time = time_ns(0, int(digits[:2]), int(digits[2:]))
    return None if time is None else time + ms * NS_PER_MS


def _shown(data: bytes) -> str:
    return f"{data[:1].hex()}:{data[1:2].hex()}.{int.from_bytes(data[2:], 'big'):03d}"


def _memory(raw: bytes, frame: Frame) -> Kept:
    memory = memory_of(frame)
    if memory is None:  # progress of an erase, or the echo of a sub-command
        return Control(raw, f"memory {frame.data.hex()}")
    fields: dict[str, object] = {
        "operating": memory.recording,
        "stored": memory.written,
        "playing": memory.playing,
        "played": memory.played,
        "capacity": memory.capacity,
    }
    return Status(raw, fields)


def _mode(raw: bytes, frame: Frame) -> Kept:
    mode = frame.data[0] & 7
    name = MODES[mode] if mode < len(MODES) else f"mode {mode}"
    fields: dict[str, object] = {"mode": name}
    if len(frame.data) > 1:
        fields["timeout_s"] = frame.data[1]
    return Status(raw, fields)


def _statistics(raw: bytes, frame: Frame) -> Kept:
    # Only the power-up count (byte 4) is placed with certainty; the rest stays hex. Reading
    # clears it, so one client should ask.
    fields: dict[str, object] = {"statistics": frame.data.hex()}
    if len(frame.data) > 4:  # noqa: PLR2004
        fields["power_ups"] = frame.data[4]
    return Status(raw, fields)


def _layout(raw: bytes, frame: Frame) -> Kept:
    note = "record layout: factory" if is_factory_layout(frame) else "record layout: changed"
    fields: Mapping[str, object] = {"layout": frame.data.hex(), "tto": frame.data[0] >= _TTO_BIT}
    return Control(raw, note, fields)


def _noted(note: str) -> Callable[[bytes, Frame], Kept]:
    def decode(raw: bytes, frame: Frame) -> Kept:
        return Control(raw, note, {"data": frame.data.hex()})

    return decode


_MEANINGS: Final[Mapping[int, Callable[[bytes, Frame], Kept]]] = MappingProxyType(
    {
        SET_CLOCK: _noted("clock being set by another program"),
        GET_CLOCK: _clock,
        READ_MODE: _mode,
        STATISTICS: _statistics,
        LAYOUT: _layout,
        INFO: _noted("information 26, meaning unknown"),
        TRIGGER: _trigger,
        BANNER: _noted("banner"),
        MEMORY: _memory,
        CLOCK_STEP: _clock_step,
    }
)
