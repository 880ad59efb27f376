"""Invelion, Rodinbell and YR readers (Impinj R2000 and E710 modules behind head A0)."""

from typing import Final

from bridge.domain.reads import Chip, StampForm
from bridge.driver_api import Driver, Opening, SerialLink, TcpLink
from drivers.invelion import emulator, frames, talk
from drivers.polling import Asking, PolledSession


def _session(opening: Opening) -> PolledSession:
    return PolledSession(
        shape=frames.SHAPE,
        decode=frames.decode,
        talk=Asking(frames.build(frames.VERSION))
        if opening.trial
        else talk.InvelionTalk(opening.options),
        advice="check power and cable of the reader, and its baud rate (115200 or 38400)",
    )


DRIVER: Final = Driver(
    name="invelion",
    title="Invelion, Rodinbell and YR UHF readers",
    links=(SerialLink(115_200), TcpLink(emulator.PORT)),
    stamp_form=StampForm.ABSENT,
    can_tell_time=False,
    session=_session,
    encode=frames.encode,
    emulator=emulator.InvelionEmulator,
    extra=frames.extra,
    example_chip=lambda n: Chip(f"E20030166613{n:012X}"),
    check_options=talk.option_complaints,
    source=(
        "hex-in/pyImpinj; russss/rust-invelion; vayutech/InvelionPython; the vendor's serial "
        "protocol documents quoted there"
    ),
)
