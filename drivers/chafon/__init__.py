"""Chafon readers: CF-RU, CF-MU, UHFReader18, 86 and 288 series; newer ones called UHF Prime."""

from collections.abc import Mapping
from typing import Final

from bridge.domain.reads import Chip, StampForm
from bridge.driver_api import Control, Driver, Kept, Opening, SerialLink, TcpLink
from drivers.binary_frames import Piece, Shape
from drivers.chafon import emulator, older, older_talk, options, prime, prime_talk, wire
from drivers.chafon.older import OlderDecoder
from drivers.chafon.talk import ChafonTalk
from drivers.polling import Asking, PolledSession, rejected


def _is_proven(frame: bytes) -> bool:
    return prime.is_proven(frame) if wire.is_prime(frame) else older.is_proven(frame)


_SHAPE: Final = Shape(wire.REPLY_HEADS, wire.HEADER, wire.length, wire.is_sound, _is_proven)


def _noise(piece: Piece) -> Kept:
    # The network module of newer readers greets with two zeros; no frame begins with one.
    return rejected(piece) if piece.raw.strip(b"\0") else Control(piece.raw, "zeros")


def _session(opening: Opening) -> PolledSession:
    wanted = options.parse(opening.options)
    decoder = OlderDecoder(wanted.dialect, has_16_ports=wanted.has_16_ports)

    def decode(frame: bytes) -> list[Kept]:
        return prime.decode(frame) if wire.is_prime(frame) else decoder.decode(frame)

    return PolledSession(
        shape=_SHAPE,
        decode=decode,
        talk=Asking(older_talk.QUESTION, prime_talk.QUESTION)
        if opening.trial
        else ChafonTalk(wanted, decoder),
        advice=(
            "check power and cable of the reader and its baud rate: 57600, for UHF Prime readers "
            "115200"
        ),
        noise=_noise,
    )


def _extra(raw: bytes) -> Mapping[str, object]:
    return prime.fields_of(raw) if wire.is_prime(raw) else older.fields_of(raw)


DRIVER: Final = Driver(
    name="chafon",
    title="Chafon UHF readers: UHFReader18, 86, 288, CF-RU, CF-MU and UHF Prime",
    links=(
        SerialLink(57_600),
        TcpLink(6000),
        TcpLink(27_011),
        SerialLink(115_200),
        TcpLink(emulator.PRIME_PORT),
    ),
    stamp_form=StampForm.ABSENT,
    can_tell_time=False,
    session=_session,
    encode=older.encode,
    emulator=emulator.make,
    extra=_extra,
    example_chip=lambda n: Chip(f"E20000173804{n:012X}"),
    check_options=options.complaints,
    source=(
        "wabson/chafon-rfid; maxbl4/RfidDotNet; reelyactive/barnowl-chafon; UHF Reader 288MP and "
        "UHF RFID Reader Series V2.20 manuals; UHF Prime Reader user manual"
    ),
)
