"""ALGE timers: Timy, Timy2, Timy3, TdC 8001, PC-Timer."""

from typing import Final

from bridge.domain.reads import StampForm
from bridge.driver_api import Driver, SerialLink, TcpLink
from drivers import start_numbers
from drivers.alge import emulator, options, records, session

DRIVER: Final = Driver(
    name="alge",
    title="ALGE Timy, TdC 8001 and PC-Timer",
    # A first-generation Timy and the TdC want ?baud=9600. TCP is a serial converter of any port.
    links=(SerialLink(38_400), TcpLink(7000)),
    stamp_form=StampForm.TIME_OF_DAY,
    resolution_ns=records.TICK_NS,
    can_tell_time=False,
    repairs=True,
    session=session.AlgeSession,
    encode=records.encode,
    emulator=emulator.make,
    extra=records.extra,
    example_chip=start_numbers.chip_of,
    check_options=options.complaints,
    source=(
        "ALGE manuals of Timy, Timy3 W, TdC 8001; RaceHorology/RaceHorology (code, recordings); "
        "ndf-zz/metarace (timy.py)"
    ),
)
