"""LLRP readers: Impinj Speedway and R700, Zebra FX7500 and FX9600, and others."""

from typing import Final

from bridge.domain.reads import Chip, StampForm
from bridge.driver_api import Driver, TcpLink
from drivers.llrp import emulator, options, tags
from drivers.llrp.session import LlrpSession


def _example_chip(n: int) -> Chip:
    return Chip(f"E28011606000{n & 0xFFFFFFFFFFFF:012X}")


DRIVER: Final = Driver(
    name="llrp",
    title="Impinj, Zebra and other UHF readers, LLRP",
    links=(TcpLink(5084), TcpLink(5085, tls=True)),
    stamp_form=StampForm.UTC,
    resolution_ns=1_000,
    # It cannot be asked, but it tells: with every event, and with reads as they are made.
    can_tell_time=True,
    repairs=True,
    session=LlrpSession,
    encode=tags.encode,
    emulator=emulator.make,
    extra=tags.extra,
    example_chip=_example_chip,
    check_options=options.complaints,
    source="GS1 LLRP 1.0.1 and 1.1; Impinj Octane LLRP definitions 1.18; captures of real readers",
)
