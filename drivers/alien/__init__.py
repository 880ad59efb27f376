"""Alien readers: ALR-9900, ALR-9680, ALR-9650, ALR-F800 and their older relatives."""

from collections.abc import Mapping
from typing import Final

from bridge.domain.reads import NS_PER_MS
from bridge.driver_api import Chip, Driver, ListenLink, StampForm, TcpLink
from drivers.alien import commands, emulator, formats, options, tags
from drivers.alien.session import AlienSession
from drivers.alien.stream import OPEN


def extra(raw: bytes) -> Mapping[str, object]:
    """Return count, protocol and both times of a tag in one of the known forms."""
    text = raw.decode("latin-1").strip("\0\r\n ")
    if raw.startswith(OPEN):
        fields = tags.element_of(text)
        return tags.details(fields) if fields else {}
    for form in formats.known_formats():
        fields = form.read(text)
        if fields is not None:
            return tags.details(fields)
    return {}


DRIVER: Final = Driver(
    name="alien",
    title="Alien ALR-9900, 9680, 9650, F800",
    # A reader may open a connection for each message, and several readers may share a port.
    links=(ListenLink(port=emulator.STREAM_PORT, many=True), TcpLink(port=commands.PORT)),
    stamp_form=StampForm.UTC,
    resolution_ns=NS_PER_MS,
    can_tell_time=False,  # not on the connections on which tags are delivered
    repairs=False,  # a stream is lost while we are away; notifications and the list of tags wait
    may_be_silent=True,  # a data connection goes one way; the command channel is watched
    session=AlienSession,
    encode=tags.print_usual,
    emulator=emulator.make,
    extra=extra,
    example_chip=lambda number: Chip(f"E200001659190078{number:08X}"),
    check_options=options.complaints,
    source="Alien Reader Interface Guide; esitarski/CrossMgr (CrossMgrAlien); maxbl4/RfidDotNet; "
    "matveynator/chicha",
)
