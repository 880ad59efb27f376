"""Zebra FX7500, FX9600, ATR7000 and FXR90 with the IoT Connector: JSON by HTTP, MQTT or TCP.

Left out: WebSocket (its login is not documented publicly) and the clouds' own MQTT dialects.
"""

from typing import Final

from bridge.domain.reads import Chip
from bridge.driver_api import Driver, ListenLink, MqttLink, TcpLink
from drivers.zebra_iot import emulator, events, options, session


def _example_chip(number: int) -> Chip:
    return Chip(f"E28011700000{number:012X}")


DRIVER: Final = Driver(
    name="zebra-iot",
    title="Zebra FX7500/FX9600/ATR7000/FXR90, IoT Connector",
    # Topic and TCP port are whatever the operator of the reader chose.
    links=(ListenLink(emulator.PORT, many=True), MqttLink(""), TcpLink(8092)),
    stamp_form=events.STAMP_FORM,
    can_tell_time=False,
    repairs=True,
    # It cannot be asked on these endpoints, and without tags it says nothing.
    may_be_silent=True,
    session=session.ZebraSession,
    encode=events.encode,
    emulator=emulator.ZebraEmulator,
    extra=events.details,
    example_chip=_example_chip,
    check_options=options.complaints,
    source=(
        "vendor's documentation and examples of the IoT Connector, generated clients and public "
        "integrations; no capture of a reader"
    ),
)
