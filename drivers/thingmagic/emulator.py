"""A ThingMagic module made of software."""

from collections.abc import Mapping
from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Sighting
from drivers.module_emulator import ModuleEmulator, only, switch
from drivers.thingmagic import frames
from drivers.thingmagic.frames import COMMANDS, encode, reply

PORT: Final = 4001
"""The modules have a serial port only; 4001 is the first port of common serial servers."""
INVALID_OPCODE: Final = 0x0101
WRONG_PARAMETER: Final = 0x0105
_VERSION: Final = bytes.fromhex("12120000 20000001 20160606 01090213 00000010")
_SIZES: Final[Mapping[int, int]] = {
    frames.REGION: 1,
    frames.PROTOCOL: 2,
    frames.POWER: 2,
    frames.SETTING: 3,
}
_START: Final = 1
_STOP: Final = 2


class MercuryEmulator(ModuleEmulator):
    """One module.

    Options: `reading` true: it reads already when somebody connects; `hot` true: it tells of
    heat instead of its keepalives.

    Raises:
        ValueError: An option is unknown or has a wrong value.
    """

    def __init__(self, options: Mapping[str, object]) -> None:
        only(options, ("reading", "hot"))
        super().__init__(PORT, COMMANDS)
        self._is_reading = switch(options, "reading", default=False)
        self._is_hot = switch(options, "hot", default=False)
        self._told_ns: int | None = None

    def answer(self, command: bytes) -> bytes:
        """Answer; while it reads it obeys nothing but a stop."""
        opcode, data = command[2], command[3:-2]
        if opcode == frames.MULTI:
            return self._multi(data)
        if self._is_reading:
            return b""
        if opcode == frames.VERSION:
            return reply(opcode, _VERSION)
        if opcode == frames.ANTENNA:
            is_fine = len(data) == 2 or (data[:1] == b"\x02" and len(data) % 2 == 1)  # noqa: PLR2004
            return reply(opcode, status=0 if is_fine else WRONG_PARAMETER)
        if opcode in _SIZES:
            is_fine = len(data) == _SIZES[opcode]
            return reply(opcode, status=0 if is_fine else WRONG_PARAMETER)
        return reply(opcode, status=INVALID_OPCODE)

    def stream(self, sighting: Sighting) -> bytes:
        """Tell of a tag at once while it reads."""
        return encode(sighting) if self._is_reading else b""

    def pause(self, now_ns: int) -> bytes:
        """Send a keepalive each second while it reads."""
        if not self._is_reading:
            return b""
        if self._told_ns is not None and now_ns - self._told_ns < NS_PER_S:
            return b""
        self._told_ns = now_ns
        return reply(frames.STREAM, status=frames.TOO_HOT if self._is_hot else frames.KEEPALIVE)

    def _multi(self, data: bytes) -> bytes:
        option = data[2] if len(data) > 2 else 0  # noqa: PLR2004 - behind the time-out
        if option not in (_START, _STOP):
            return reply(frames.MULTI, status=WRONG_PARAMETER)
        self._is_reading = option == _START
        found = b"".join(map(encode, self.take())) if self._is_reading else b""
        return reply(frames.MULTI) + found
