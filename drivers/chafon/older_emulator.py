"""An older Chafon reader made of software."""

import re
from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Sighting
from drivers.binary_frames import Shape
from drivers.chafon import older, wire
from drivers.module_emulator import ModuleEmulator

PORT: Final = 6000
COMMANDS: Final = Shape(
    re.compile(rb"\xcf.\x00|[\x04-\x40]", re.DOTALL),
    wire.HEADER,
    wire.length,
    wire.is_sound,
    lambda _: True,
)
"""What an emulated reader listens for."""
_SETTINGS: Final = (0x25, 0x2F, 0x33, 0x35, 0x40, 0x75)
_INFO: Final = bytes.fromhex("0301 10 02 31 80 1a 03 01 00 00 00")
_INFO_18: Final = bytes.fromhex("0305 09 03 31 80 1a 0a")
_SERIAL: Final = bytes.fromhex("17439015")
_MOST_IN_FRAME: Final = 15
_PORTS: Final = 4
_STEP_NS: Final = 30 * NS_PER_S
_NOT_FOUND: Final = 0xFE


class OlderEmulator(ModuleEmulator):
    """A reader with four ports and address 0: UHFReader18 (no RSSI) or of the 86 series."""

    def __init__(self, *, with_rssi: bool, is_live: bool) -> None:
        super().__init__(PORT, COMMANDS)
        self._with_rssi = with_rssi
        self._is_live = is_live
        self._port = 1
        self._is_scanning = False
        self._beat_ns = 0
        self._beats = 0
        self._told_ns: int | None = None
        self._told = 0
        self._buffer: list[Sighting] = []

    def answer(self, command: bytes) -> bytes:
        """Answer; at work, to another address and to the other kind of frame it is silent."""
        if self._is_scanning or wire.is_prime(command) or command[1] not in (0, wire.ANY):
            return b""
        code, data = command[2], command[3:-2]
        if code == older.INFO:
            return older.answer(code, 0, _INFO if self._with_rssi else _INFO_18)
        if code == older.MODE and len(data) == 1:
            self._is_live = data != b"\0"
            return older.answer(code, 0)
        if self._is_live:
            return b""
        if code == older.INVENTORY:
            return self._scan(data)
        if code == older.SERIAL:
            return older.answer(code, 0, _SERIAL)
        if code == older.HEARTBEAT and len(data) == 1 and data[0] & 0x80:
            self._beat_ns = (data[0] & 0x7F) * _STEP_NS
            return older.answer(code, 0)
        return self._buffered(code) if self._with_rssi else self._setting(code)

    def stream(self, sighting: Sighting) -> bytes:
        """Tell of a tag at once in real-time mode."""
        return self._report(sighting) if self._is_live else b""

    def pause(self, now_ns: int) -> bytes:
        """End the scan that runs, or beat."""
        if self._is_live:
            return self._beat(now_ns)
        if not self._is_scanning:
            return b""
        self._is_scanning = False
        found = self.take()
        self._told += len(found)
        return self._tags(found) if self._with_rssi else self._tags_18(found)

    def _scan(self, data: bytes) -> bytes:
        if len(data) not in (0, 2, 5):
            return older.answer(older.INVENTORY, 0xFF)
        if len(data) == 5:  # noqa: PLR2004 - Q, session, target, antenna, time
            self._port = (data[3] & 0x0F) + 1
        self._is_scanning = True
        return b""

    def _tags(self, found: list[Sighting]) -> bytes:
        last = bytes((older.antenna_mask(self._port), 0))
        told = b"".join(map(older.encode, found))
        return told + older.answer(older.INVENTORY, older.DONE, last)

    def _tags_18(self, found: list[Sighting]) -> bytes:
        if not found:
            return older.answer(older.INVENTORY, older.NO_TAG)
        told = b""
        for first in range(0, len(found), _MOST_IN_FRAME):
            some = found[first : first + _MOST_IN_FRAME]
            blocks = b"".join(older.block(one, with_rssi=False) for one in some)
            status = older.MORE if first + _MOST_IN_FRAME < len(found) else older.DONE
            told += older.answer(older.INVENTORY, status, bytes((len(some),)) + blocks)
        return told

    def _report(self, sighting: Sighting) -> bytes:
        self._told += 1
        self._told_ns = None
        antenna = bytes((older.antenna_mask(sighting.antenna),))
        return older.answer(older.LIVE, 0, antenna + older.block(sighting, with_rssi=True))

    def _beat(self, now_ns: int) -> bytes:
        if self._told_ns is None:
            self._told_ns = now_ns
        if not self._beat_ns or now_ns - self._told_ns < self._beat_ns:
            return b""
        self._told_ns = now_ns
        self._beats += 1
        ports = bytes((1,) + (0,) * (_PORTS - 1))
        counts = self._beats.to_bytes(4, "big"), self._told.to_bytes(4, "big")
        return older.answer(older.LIVE, older.BEAT, counts[0] + ports + counts[1])

    def _buffered(self, code: int) -> bytes:
        if code == older.TO_BUFFER:
            found = self.take()
            self._buffer += found
            counts = len(self._buffer).to_bytes(2, "big") + len(found).to_bytes(2, "big")
            return older.answer(code, 0, counts)
        if code == older.READ_BUFFER:
            some = self._buffer[:_MOST_IN_FRAME]
            blocks = b"".join(
                bytes((older.antenna_mask(one.antenna),))
                + older.block(one, with_rssi=True)
                + b"\x01"
                for one in some
            )
            return older.answer(code, older.DONE, bytes((len(some),)) + blocks)
        if code == older.CLEAR_BUFFER:
            self._buffer.clear()
            return older.answer(code, 0)
        if code == older.COUNT_BUFFER:
            return older.answer(code, 0, len(self._buffer).to_bytes(2, "big"))
        return self._setting(code)

    def _setting(self, code: int) -> bytes:
        return older.answer(code, 0 if code in _SETTINGS else _NOT_FOUND)
