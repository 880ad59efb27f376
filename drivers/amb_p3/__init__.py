"""AMB and MYLAPS decoders: P3 on TCP 5403, and the older ASCII records on serial ports."""

from collections.abc import Mapping
from typing import Final

from bridge.driver_api import Chip, Driver, Rejected, SerialLink, StampForm, TcpLink
from drivers.amb_p3 import emulator, frames, lines, options, records, session


def extra(raw: bytes) -> Mapping[str, object]:
    """Return the protocol fields of a passing."""
    if raw[:1] == b"\x01":
        line = lines.parse(raw)
        return {} if isinstance(line, Rejected) else lines.details(line)
    frame = frames.parse(raw, zero_crc=True)
    return {} if isinstance(frame, frames.Broken) else records.details(frame)


def example_chip(number: int) -> Chip:
    """Return transponder number `number` of a made-up race."""
    return Chip(str(5_000_000 + number))


DRIVER: Final = Driver(
    name="amb-p3",
    title="AMB/MYLAPS decoders: P3 on TCP 5403, AMBrc ASCII on RS-232",
    # No source states the rate of the serial port; 9600 is a guess, `?baud=` sets another.
    links=(TcpLink(5403), SerialLink(9_600)),
    stamp_form=StampForm.NAIVE,
    resolution_ns=records.US_NS,
    can_tell_time=True,
    repairs=True,
    session=session.AmbSession,
    encode=records.encode,
    emulator=emulator.make,
    extra=extra,
    example_chip=example_chip,
    check_options=options.complaints,
    source=(
        "vmindru/ambp3client with the vendor's CRC code, erathe/p3-rust-parser, "
        "skoky/ammc-android; captures of decoders of 2019 and 2025"
    ),
)
