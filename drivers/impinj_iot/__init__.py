"""Impinj R700 and R720 in IoT mode: JSON over an HTTP stream, webhooks or MQTT."""

from typing import Final

from bridge.domain.reads import Chip
from bridge.driver_api import Driver, ListenLink, MqttLink, TcpLink
from drivers.impinj_iot import events, options
from drivers.impinj_iot.emulator import ImpinjEmulator
from drivers.impinj_iot.session import ImpinjSession


def _example_chip(number: int) -> Chip:
    return Chip(f"E28011700000{number:012X}")


DRIVER: Final = Driver(
    name="impinj-iot",
    title="Impinj R700/R720, IoT Device Interface",
    links=(
        TcpLink(443, tls=True),
        TcpLink(80),
        ListenLink(8090, many=True),
        MqttLink("impinj/#"),
    ),
    stamp_form=events.STAMP_FORM,
    resolution_ns=1,
    can_tell_time=True,
    repairs=True,
    session=ImpinjSession,
    encode=events.encode,
    emulator=ImpinjEmulator,
    extra=events.details,
    example_chip=_example_chip,
    check_options=options.complaints,
    source=(
        "vendor's reader API 1.0 to 1.7 (IoT Device Interface), generated clients and public "
        "integrations; no capture of a reader"
    ),
)
