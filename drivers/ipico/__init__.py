"""IPICO Lite, Elite, Super Elite and serial readers."""

from typing import Final

from bridge.domain.reads import Chip, StampForm
from bridge.driver_api import Driver, FileLink, SerialLink, TcpLink
from drivers.ipico import emulator, options, outlet, records, session
from drivers.saved_logs import with_logs


def _example_chip(n: int) -> Chip:
    return Chip(f"058000{n & 0xFFFFFF:06x}")


DRIVER: Final = Driver(
    name="ipico",
    title="IPICO Lite, Elite, Super Elite and serial readers",
    links=(TcpLink(10_000), SerialLink(9_600), FileLink()),
    stamp_form=StampForm.NAIVE,
    resolution_ns=10_000_000,
    can_tell_time=True,
    repairs=True,
    session=with_logs(session.open_session),
    encode=records.encode,
    emulator=emulator.make,
    extra=records.extra,
    example_chip=_example_chip,
    check_options=options.complaints,
    forward=outlet.FORWARD,
    source=(
        "vendor Reader Serial Protocol 1.00 (2007); captures of a Lite; recorded logs of a Lite "
        "and an Elite"
    ),
)
