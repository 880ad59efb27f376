"""Macsha One4All (generation 5) and Ocelot (generation 4)."""

from typing import Final

from bridge.domain.reads import Chip, StampForm
from bridge.driver_api import Driver, FileLink, TcpLink
from drivers.macsha import emulator, options, records, session


def _example_chip(number: int) -> Chip:
    return Chip(f"MC{number:05d}")


DRIVER: Final = Driver(
    name="macsha",
    title="Macsha One4All, Ocelot and their backup files",
    links=(TcpLink(10_002), FileLink()),
    stamp_form=StampForm.NAIVE,
    can_tell_time=True,
    repairs=True,
    session=session.open_session,
    encode=records.encode,
    emulator=emulator.make,
    extra=records.extra,
    example_chip=_example_chip,
    check_options=options.complaints,
    source=(
        "saurondor/saturnTagReader, which quotes the vendor's protocol documents, and backup "
        "files of both generations in its tests"
    ),
)
