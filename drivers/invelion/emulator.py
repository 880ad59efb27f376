"""An Invelion reader made of software."""

from collections.abc import Mapping
from typing import Final

from bridge.driver_api import Sighting
from drivers.invelion import frames
from drivers.module_emulator import ModuleEmulator, choice, only, switch

PORT: Final = 4001
ADDRESS: Final = 1
_TEMPERATURE_C: Final = 41
_SIZES: Final[Mapping[int, tuple[int, ...]]] = {
    frames.WORK_ANTENNA: (1,),
    frames.SET_POWER: (1, 4),
    frames.POWER_FOR_NOW: (1, 4),
}
_INVENTORY_SIZES: Final[Mapping[int, int]] = {
    frames.PLAIN: 1,
    frames.WITH_SESSION: 3,
    frames.CYCLE: 10,
}


class InvelionEmulator(ModuleEmulator):
    """One reader with four ports and address 1.

    Options: `antenna` ``connected`` or ``missing``; `sessions` false: an old reader that does not
    know the inventory with a session.

    Raises:
        ValueError: An option is unknown or has a wrong value.
    """

    def __init__(self, options: Mapping[str, object]) -> None:
        only(options, ("antenna", "sessions"))
        super().__init__(PORT, frames.COMMANDS)
        self._is_missing = choice(options, "antenna", ("connected", "missing"), "connected") == (
            "missing"
        )
        self._knows_sessions = switch(options, "sessions", default=True)
        self._inventory: int | None = None
        self._work_antenna = 0
        self._reads = 0

    def answer(self, command: bytes) -> bytes:
        """Answer; another address is met with silence."""
        if command[2] not in (ADDRESS, frames.ANY):
            return b""
        code, data = command[3], command[4:-1]
        if code in _INVENTORY_SIZES:
            return self._take_inventory(code, data)
        if code == frames.VERSION:
            return _build(code, b"\x01\x09")
        if code == frames.TEMPERATURE:
            return _build(code, bytes((1, _TEMPERATURE_C)))
        if code == frames.RESET:
            self._inventory, self._work_antenna = None, 0
            return b""
        if code == frames.WORK_ANTENNA and len(data) == 1 and data[0] < 4:  # noqa: PLR2004
            self._work_antenna = data[0]
        is_fine = len(data) in _SIZES.get(code, ())
        return _build(code, bytes((frames.SUCCESS if is_fine else frames.BAD_PARAMETER,)))

    def stream(self, sighting: Sighting) -> bytes:
        """Tell of a tag at once while an inventory runs."""
        if self._inventory is None:
            return b""
        self._reads += 1
        return frames.tag(sighting, self._inventory, ADDRESS)

    def pause(self, now_ns: int) -> bytes:  # noqa: ARG002
        """End the inventory that runs."""
        code, self._inventory = self._inventory, None
        if code is None:
            return b""
        reads, self._reads = self._reads, 0
        if code == frames.CYCLE:
            return _build(code, reads.to_bytes(3, "big") + (100).to_bytes(4, "big"))
        rate = bytes((self._work_antenna,)) + (17).to_bytes(2, "big")
        return _build(code, rate + reads.to_bytes(4, "big"))

    def _take_inventory(self, code: int, data: bytes) -> bytes:
        is_known = code != frames.WITH_SESSION or self._knows_sessions
        if len(data) != _INVENTORY_SIZES[code] or not is_known:
            return _build(code, bytes((frames.BAD_PARAMETER,)))
        if self._is_missing and code == frames.CYCLE:
            self._inventory = code
            missing = [bytes((port, frames.NO_ANTENNA)) for port in data[:8:2] if port < 4]  # noqa: PLR2004
            return b"".join(_build(code, one) for one in missing)
        if self._is_missing:
            return _build(code, bytes((frames.NO_ANTENNA,)))
        self._inventory = code
        return b"".join(map(self.stream, self.take()))


def _build(code: int, data: bytes) -> bytes:
    return frames.build(code, data, ADDRESS)
