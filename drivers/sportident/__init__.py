"""SPORTident stations (BSM7, BSM8, BSF8) and SRR radio receivers."""

from typing import Final

from bridge.domain.reads import Chip, StampForm
from bridge.driver_api import Driver, SerialLink, TcpLink
from drivers.sportident import emulator, punches, session

DRIVER: Final = Driver(
    name="sportident",
    title="SPORTident stations and SRR receivers",
    # Old stations want ?baud=4800. TCP is a serial converter of any port.
    links=(SerialLink(38_400), TcpLink(7000)),
    stamp_form=StampForm.TIME_OF_DAY,
    resolution_ns=punches.TICK_NS,
    can_tell_time=True,
    repairs=True,
    session=session.SportidentSession,
    encode=punches.encode,
    emulator=emulator.make,
    extra=punches.extra,
    example_chip=lambda number: Chip(str(8_000_000 + number)),
    check_options=session.complaints,
    source="sportorg/sireader, Simske/python-sireader, sportorg/pysport (public)",
)
