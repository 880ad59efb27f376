"""An M100 module or R200 board made of software."""

from collections.abc import Mapping
from typing import Final

from bridge.driver_api import Sighting
from drivers.module_emulator import ModuleEmulator, choice, only
from drivers.yrm100 import frames
from drivers.yrm100.frames import COMMANDS, DIALECTS, M100, R200, REPLY

PORT: Final = 4001
"""These modules have a serial port only; 4001 is the first port of common serial servers."""
_INFOS: Final = (b"M100 26dBm V1.0", b"V2.3.5", b"MagicRF")
_MULTI_PARAMETERS: Final = 3


class YrmEmulator(ModuleEmulator):
    """One module; its option is `dialect`, m100 or r200.

    Raises:
        ValueError: An option is unknown or has a wrong value.
    """

    def __init__(self, options: Mapping[str, object]) -> None:
        only(options, ("dialect",))
        name = choice(options, "dialect", [one.name for one in DIALECTS], M100.name)
        super().__init__(PORT, COMMANDS)
        self._dialect = M100 if name == M100.name else R200
        self._rounds = 0
        self._power = b"\x07\xd0"

    def answer(self, command: bytes) -> bytes:
        """Answer; a host that speaks the other dialect is not heard."""
        if command[0] != self._dialect.head or command[1] != frames.COMMAND:
            return b""
        code, parameters = command[2], command[5:-2]
        if code == frames.INFO and len(parameters) == 1 and parameters[0] < len(_INFOS):
            return self._reply(code, parameters + _INFOS[parameters[0]])
        if code == frames.SINGLE and not parameters:
            found = self.take()
            return b"".join(map(self._notice, found)) if found else self._error(frames.NO_TAG)
        if code == frames.MULTI and len(parameters) == _MULTI_PARAMETERS:
            self._rounds = int.from_bytes(parameters[1:], "big")
            return b"".join(map(self._notice, self.take()))
        if code == frames.STOP:
            self._rounds = 0
            return self._reply(code, b"\0")
        return self._setting(code, parameters)

    def stream(self, sighting: Sighting) -> bytes:
        """Tell of a tag at once while a multi poll runs."""
        return self._notice(sighting) if self._rounds else b""

    def pause(self, now_ns: int) -> bytes:  # noqa: ARG002
        """End a round of a multi poll without a tag."""
        if not self._rounds:
            return b""
        self._rounds -= 1
        return self._error(frames.NO_TAG)

    def _setting(self, code: int, parameters: bytes) -> bytes:
        if code == frames.SET_POWER and len(parameters) == len(self._power):
            self._power = parameters
            return self._reply(code, b"\0")
        if code == frames.GET_POWER:
            return self._reply(code, self._power)
        if code == frames.REGION and len(parameters) == 1:
            return self._reply(code, b"\0")
        return self._error(frames.COMMAND_ERROR)

    def _notice(self, sighting: Sighting) -> bytes:
        return frames.notice(self._dialect, sighting)

    def _reply(self, code: int, parameters: bytes) -> bytes:
        return frames.build(self._dialect, REPLY, code, parameters)

    def _error(self, code: int) -> bytes:
        return self._reply(frames.ERROR, bytes((code,)))
