"""What all Chafon readers have on the wire: one CRC, and two kinds of frames told apart by bytes.

Older readers (UHFReader18, 86, 288, CF-RU, CF-MU) begin with the length and end with the CRC low
byte first: there is no head byte at all. Newer ones ("UHF Prime": CF591, CF-H, CF600) begin with
CF and end with it high byte first. Behind CF and an address a newer frame has 00; in an older frame
of that length it would be the answer to an unknown command, and that is five bytes long. So no
reader has to be asked which it is.

Source: wabson/chafon-rfid; maxbl4/RfidDotNet; UHF Reader 288MP and CF-MU804 manuals; UHF RFID
Reader Series manual V2.20; reelyactive/barnowl-chafon; UHF Prime Reader user manual.
"""

import re
from typing import Final

from drivers.binary_frames import crc_mcrf4xx

ANY: Final = 0xFF
"""Address every reader answers to."""
HEAD: Final = 0xCF
HEADER: Final = 5
_AROUND_PRIME: Final = 7
_SHORTEST: Final = 4
REPLY_HEADS: Final = re.compile(
    rb"\xcf.\x00[\x01\x02\x50-\x9f]|"
    rb"[\x05-\xff].[\x00\x01\x18\x21\x25\x2f\x33\x35\x40\x4c\x50\x51\x72-\x78\xee]"
    rb"[\x00-\x04\x26\x28\xf8-\xff]",
    re.DOTALL,
)


def is_prime(frame: bytes) -> bool:
    """Tell a newer frame from an older one."""
    return frame[0] == HEAD and frame[2] == 0


def length(buffer: bytes, at: int) -> int:
    """Return the bytes of the frame that begins here, 0: none can."""
    first = buffer[at]
    if first == HEAD and buffer[at + 2] == 0:
        return buffer[at + 4] + _AROUND_PRIME
    return first + 1 if first >= _SHORTEST else 0


def is_sound(frame: bytes) -> bool:
    """Tell whether the CRC is right."""
    crc = crc_mcrf4xx(frame[:-2])
    high, low = (frame[-2], frame[-1]) if is_prime(frame) else (frame[-1], frame[-2])
    return crc == high << 8 | low


def older(code: int, data: bytes = b"", address: int = ANY) -> bytes:
    """Return an older frame; the data of an answer begins with its status."""
    body = bytes((len(data) + 4, address, code)) + data
    return body + crc_mcrf4xx(body).to_bytes(2, "little")


def newer(code: int, data: bytes = b"", address: int = ANY) -> bytes:
    """Return a newer frame; the data of an answer begins with its status."""
    body = bytes((HEAD, address)) + code.to_bytes(2, "big") + bytes((len(data),)) + data
    return body + crc_mcrf4xx(body).to_bytes(2, "big")
