"""RFID Timing Ultra (4 and 8 antennas) and Joey."""

from typing import Final

from bridge.domain.reads import Chip, StampForm
from bridge.driver_api import Driver, FileLink, TcpLink
from drivers.saved_logs import with_logs
from drivers.ultra import emulator, options, outlet, records, session


def _example_chip(number: int) -> Chip:
    return Chip(str(11_000 + number))


DRIVER: Final = Driver(
    name="ultra",
    title="RFID Timing Ultra-4, Ultra-8 and Joey",
    links=(TcpLink(23), FileLink()),
    stamp_form=StampForm.NAIVE,
    can_tell_time=True,
    repairs=True,
    session=with_logs(session.UltraSession),
    encode=records.encode,
    emulator=emulator.UltraEmulator,
    extra=records.extra,
    example_chip=_example_chip,
    check_options=options.complaints,
    forward=outlet.FORWARD,
    source=(
        "independent clients: Chronokeep (RFIDUltraInterface), PikaTimer (PikaRFIDDirectReader), "
        "CrossMgr (Ultra), saturnTagReader; a user's guide of the vendor's settings"
    ),
)
