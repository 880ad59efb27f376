r"""Binary mode (CONFIG1 bit 0 = 0): records of 20 bytes.

``aa``, id, 6 tag bytes, I, Q, 6 BCD date and time bytes, hundredths, LRC, CR LF; the LRC is the
low byte of the sum of bytes 1-16. From the vendor's specification only: no capture of it is
known, nor how control replies look in this mode, so a binary session only listens.
"""

from typing import Final

from bridge.domain.reads import Chip, Read, StampForm
from bridge.driver_api import MAIN, Event, PassiveSession, Reason, Rejected
from drivers.ipico.records import HUNDREDTH_NS, day_ns, time_ns

SIZE: Final = 20
_NOISE_PIECE: Final = 64


class BinarySession(PassiveSession):
    """Listen to a reader in binary mode. Total; every byte comes back once."""

    def __init__(self) -> None:
        self._buffer = b""

    @property
    def pending(self) -> bytes:
        """Bytes of a record, or of noise, that are not complete yet: fewer than 84."""
        return self._buffer

    def feed(self, data: bytes, channel: str = MAIN) -> list[Event]:  # noqa: ARG002
        """Take bytes as they came; return records and, in pieces of up to 64 bytes, noise."""
        buffer = self._buffer + data
        events: list[Event] = []
        start = at = 0
        while len(buffer) - at >= SIZE:
            found = decode(buffer[at : at + SIZE]) if buffer[at] == 0xAA else None  # noqa: PLR2004
            if found is None:
                at += 1
            if at > start and (found is not None or at - start == _NOISE_PIECE):
                events.append(Rejected(buffer[start:at], Reason.FRAMING, "no binary record"))
                start = at
            if found is not None:
                events.append(found)
                start = at = at + SIZE
        self._buffer = buffer[start:]
        return events


def decode(raw: bytes) -> Read | Rejected | None:
    """Decode 20 bytes from ``aa`` on; None: no record begins here."""
    if raw[18:] != b"\r\n" or sum(raw[1:17]) & 0xFF != raw[17]:
        return None
    digits = raw[10:16].hex()
    if digits.isdecimal() and raw[16] < 100:  # noqa: PLR2004
        yy, month, day, hour, minute, second = (int(digits[n : n + 2]) for n in range(0, 12, 2))
        whole, time = day_ns(yy, month, day), time_ns(hour, minute, second)
        if whole is not None and time is not None:
            stamp = whole + time + raw[16] * HUNDREDTH_NS
            chip = Chip(raw[2:8].hex())
            return Read(raw, chip, stamp, StampForm.NAIVE, unit=f"{raw[1]:02x}")
    return Rejected(raw, Reason.FIELD, f"no such time: {digits}")
