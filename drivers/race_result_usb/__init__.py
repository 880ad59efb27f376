"""RACE RESULT USB Timing Box for active transponders, on its own serial port."""

from typing import Final

from bridge.driver_api import Chip, Driver, SerialLink, StampForm
from drivers import module_options
from drivers.race_result_usb.emulator import UsbBox
from drivers.race_result_usb.records import TICK_NS, details, encode
from drivers.race_result_usb.session import UsbBoxSession

DRIVER: Final = Driver(
    name="race-result-usb",
    title="RACE RESULT USB Timing Box (active transponders)",
    links=(SerialLink(19_200, dtr=False),),
    # As the box comes: UTC only after somebody has told it the time since it was switched on.
    stamp_form=StampForm.TIME_OF_DAY,
    resolution_ns=TICK_NS,
    can_tell_time=True,
    repairs=True,
    session=UsbBoxSession,
    encode=encode,
    emulator=UsbBox,
    extra=details,
    example_chip=lambda number: Chip(f"GLB{number:04d}"),
    check_options=lambda options: module_options.complaints(
        options, {"backfill": module_options.one_of(("missed", "all", "never"))}
    ),
    source="raceresult.com support, article 21 (firmware 2.4 and later); public clients",
)
