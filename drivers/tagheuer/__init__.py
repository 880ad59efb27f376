"""TAG Heuer timers: CP 540, CP 545, CP 520, Pocket Pro, MS300."""

from typing import Final

from bridge.domain.reads import StampForm
from bridge.driver_api import Driver, SerialLink, TcpLink
from drivers import start_numbers
from drivers.tagheuer import emulator, options, records, session

DRIVER: Final = Driver(
    name="tagheuer",
    title="TAG Heuer CP 540, CP 520 and Pocket Pro",
    # A Pocket Pro wants ?baud=38400. A CP 540 serves TCP on a port that is set on it.
    links=(SerialLink(9_600), TcpLink(7000)),
    stamp_form=StampForm.TIME_OF_DAY,
    resolution_ns=records.TICK_NS,
    can_tell_time=False,
    repairs=True,
    session=session.TagHeuerSession,
    encode=records.encode,
    emulator=emulator.make,
    extra=records.fields_of,
    example_chip=start_numbers.chip_of,
    check_options=options.complaints,
    source=(
        "TAG Heuer THCOM08 text and CP 540 manual; Pocket Pro protocol PDF; "
        "RaceHorology/RaceHorology (TagHeuer.cs); LateralGs/rallyx_timing_scoring"
    ),
)
