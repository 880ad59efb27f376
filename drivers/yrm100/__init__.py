"""M100, QM100, YRM100, JRD-100 modules and R200 boards."""

from typing import Final

from bridge.domain.reads import Chip, StampForm
from bridge.driver_api import Driver, Opening, SerialLink, TcpLink
from drivers.polling import Asking, PolledSession
from drivers.yrm100 import emulator, frames, talk


def _session(opening: Opening) -> PolledSession:
    return PolledSession(
        shape=frames.SHAPE,
        decode=frames.decode,
        talk=Asking(*talk.QUESTIONS) if opening.trial else talk.YrmTalk(opening.options),
        advice="check power and wiring of the module, and that it speaks at 115200 baud",
    )


DRIVER: Final = Driver(
    name="yrm100",
    title="M100, YRM100, JRD-100 and R200 UHF modules",
    links=(SerialLink(115_200), TcpLink(emulator.PORT)),
    stamp_form=StampForm.ABSENT,
    can_tell_time=False,
    session=_session,
    encode=frames.encode,
    emulator=emulator.YrmEmulator,
    extra=frames.extra,
    example_chip=lambda n: Chip(f"E28011700000{n:012X}"),
    check_options=talk.option_complaints,
    source=(
        "M100 protocol manual V2.1; m5stack/M5Unit-UHF-RFID; playfultechnology/arduino-rfid-R200; "
        "anteploon/yrm100lib"
    ),
)
