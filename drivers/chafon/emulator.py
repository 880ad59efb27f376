"""Chafon readers made of software: which one the options ask for."""

from collections.abc import Mapping, Sequence
from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Emulator, Out, Sighting
from drivers.chafon import prime, wire
from drivers.chafon.older_emulator import COMMANDS, OlderEmulator
from drivers.module_emulator import ModuleEmulator, choice, only, switch

PRIME_PORT: Final = 2022
_KINDS: Final = ("uhfreader288", "uhfreader18", "prime")
_SETTINGS: Final = bytes.fromhex("00000180040001 010386 02ee01f431 2101040000 0c00030105")
_ABOUT: Final = b"CF591\0\0UHF Prime Reader\0\0V1.4.2\0"


def make(options: Mapping[str, object]) -> Emulator:
    """Return the emulator.

    Options: `dialect` uhfreader288, uhfreader18 or prime; `realtime` true: it tells of tags by
    itself, as a reader does that was set to real-time or active mode.

    Raises:
        ValueError: An option is unknown or has a wrong value; the text says what is allowed.
    """
    only(options, ("dialect", "realtime"))
    kind = choice(options, "dialect", _KINDS, "uhfreader288")
    is_live = switch(options, "realtime", default=False)
    if kind == "prime":
        return PrimeEmulator(is_live=is_live)
    return OlderEmulator(with_rssi=kind == "uhfreader288", is_live=is_live)


class PrimeEmulator(ModuleEmulator):
    """A newer reader behind its own Ethernet port."""

    def __init__(self, *, is_live: bool) -> None:
        super().__init__(PRIME_PORT, COMMANDS)
        self._is_live = is_live
        self._is_reading = is_live
        self._told_ns: int | None = None

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:
        """Greet with two zeros, as its network module does."""
        return [*super().connected(client, channel, now_ns), Out(b"\0\0", client)]

    def answer(self, command: bytes) -> bytes:
        """Answer to its own address and to all."""
        if not wire.is_prime(command) or command[1] not in (0, wire.ANY):
            return b""
        code, data = prime.code_of(command), command[5:-2]
        if code == prime.INVENTORY and len(data) == len(prime.START):
            self._is_reading = True
            return b"".join(map(prime.encode, self.take()))
        if code == prime.STOP:
            self._is_reading = False
            return prime.answer(code, 0)
        if code == prime.INFO:
            return prime.answer(code, 0, _ABOUT)
        if code == prime.PARAMETERS:
            mode = bytes((1 if self._is_live else prime.ANSWER_MODE,))
            return prime.answer(code, 0, _SETTINGS[:2] + mode + _SETTINGS[3:])
        return prime.answer(code, 0 if code == prime.POWER else 1)

    def stream(self, sighting: Sighting) -> bytes:
        """Tell of a tag at once while it reads."""
        return prime.encode(sighting) if self._is_reading else b""

    def pause(self, now_ns: int) -> bytes:
        """Say once a second that a sweep it was told to make finds nothing."""
        if not self._is_reading or self._is_live:
            return b""
        if self._told_ns is not None and now_ns - self._told_ns < NS_PER_S:
            return b""
        self._told_ns = now_ns
        return prime.answer(prime.INVENTORY, prime.NO_MORE)
