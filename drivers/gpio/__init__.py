"""Input lines of this box: gun contact, push button, photocell."""

from typing import Final

from bridge.domain.reads import StampForm
from bridge.driver_api import Driver, GpioLink
from drivers.gpio import emulator, options, session

DRIVER: Final = Driver(
    name="gpio",
    title="GPIO input of this box (gun, button, photocell)",
    links=(GpioLink(),),
    stamp_form=StampForm.UTC,
    resolution_ns=1,
    can_tell_time=False,
    # A line at rest says nothing.
    may_be_silent=True,
    session=session.GpioSession,
    encode=emulator.encode,
    emulator=emulator.make,
    extra=session.extra,
    example_chip=lambda number: session.chip_of(str(emulator.BEAM), number * 1_000_000_000),
    check_options=options.complaints,
    source="kernel's GPIO character device (uAPI v2): edge events with their time",
)
