"""Any reader that sends lines: the configuration says what they mean."""

from typing import Final

from bridge.domain.reads import Chip, StampForm
from bridge.driver_api import Driver, FileLink, MqttLink, SerialLink, TcpLink
from drivers.line import checks, emulator, options, session

DRIVER: Final = Driver(
    name="line",
    title="reader that the options describe",
    links=(TcpLink(emulator.PORT), SerialLink(9_600), MqttLink(""), FileLink()),
    stamp_form=StampForm.UTC,
    resolution_ns=1_000,
    can_tell_time=False,
    # Nothing is known of how it could be asked whether it lives.
    may_be_silent=True,
    session=session.LineSession,
    encode=emulator.encoder(options.parse({})),
    emulator=emulator.make,
    extra=lambda _: {},
    example_chip=lambda number: Chip(f"E2003412{number:016X}"),
    check_options=checks.complaints,
    source="the configuration",
)
