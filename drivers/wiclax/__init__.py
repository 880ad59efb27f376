"""Wiclax' generic acquisition protocol: whatever device can be connected to Wiclax with it."""

from typing import Final

from bridge.driver_api import Chip, Driver, ListenLink, StampForm, TcpLink
from drivers.wiclax import emulator, options, outlet, records, session


def _example_chip(number: int) -> Chip:
    return Chip(f"{number:05d}")


DRIVER: Final = Driver(
    name="wiclax",
    title="Devices that speak Wiclax' generic acquisition protocol",
    links=(TcpLink(emulator.PORT), ListenLink(emulator.PORT)),
    stamp_form=StampForm.NAIVE,
    can_tell_time=True,
    repairs=True,
    session=session.WiclaxSession,
    encode=records.encode,
    emulator=emulator.WiclaxEmulator,
    extra=records.details,
    example_chip=_example_chip,
    check_options=options.complaints,
    forward=outlet.FORWARD,
    source="csutorasa/wiclax4j: its description of the generic acquisition protocol, and its code",
)
