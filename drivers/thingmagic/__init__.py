"""ThingMagic modules: M6e, M6e Nano, M7e; SparkFun's boards with them."""

from typing import Final

from bridge.domain.reads import Chip, StampForm
from bridge.driver_api import Driver, Opening, SerialLink, TcpLink
from drivers.polling import Asking, PolledSession
from drivers.thingmagic import emulator, frames, talk


def _session(opening: Opening) -> PolledSession:
    return PolledSession(
        shape=frames.SHAPE,
        decode=frames.decode,
        talk=Asking(frames.command(frames.VERSION))
        if opening.trial
        else talk.MercuryTalk(opening.options),
        advice=(
            "check power and cable of the module, and its baud rate (115200; also seen: 9600, "
            "921600, 230400, 460800)"
        ),
    )


DRIVER: Final = Driver(
    name="thingmagic",
    title="ThingMagic M6e, M6e Nano and M7e modules",
    links=(SerialLink(115_200), TcpLink(emulator.PORT)),
    stamp_form=StampForm.ABSENT,
    can_tell_time=False,
    session=_session,
    encode=frames.encode,
    emulator=emulator.MercuryEmulator,
    extra=frames.extra,
    example_chip=lambda n: Chip(f"E28011606000{n:012X}"),
    check_options=talk.option_complaints,
    source=(
        "sparkfun/SparkFun_Simultaneous_RFID_Tag_Reader_Library; paulvha/ThingMagic; "
        "Mercury API; M6e user guide"
    ),
)
