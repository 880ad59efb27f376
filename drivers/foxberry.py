r"""Foxberry, a Raspberry Pi reader bridge: one CSV line per read, over TCP or in a file.

``reader_2,4,BF65451ABE0F622D4A180ED3,1467464368979179,-63,,`` and LF: reader name, antenna, EPC,
Unix microseconds (UTC), RSSI in dBm, TID and user data, which may be empty or ``None``. On TCP a CR
follows the LF, and a line whose second field is ``*`` is a sign of life.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from bridge.domain.reads import Chip, Read, StampForm
from bridge.driver_api import (
    MAIN,
    Control,
    Driver,
    Emulator,
    Event,
    FileLink,
    Kept,
    Opening,
    Out,
    PassiveSession,
    Reason,
    Rejected,
    Sighting,
    TcpLink,
)
from drivers.framing import LineBuffer, is_line

MAX_LINE: Final = 1024
"""An EPC of 496 bits, a TID and a user bank of 64 bytes leave half of it free."""
_US_NS: Final = 1_000
_LAST_US: Final = ((1 << 63) - 1) // _US_NS
"""Beyond it ns do not fit 64 bits."""
_KEEPALIVE_NS: Final = 10_000_000_000
_LINE: Final = re.compile(
    rb"\r?([^,\r\n]*),([0-9]{1,4}),([0-9A-Fa-f]{2,124}),([0-9]{1,18}),(-?[0-9]{1,4}(?:\.[0-9]+)?)?"
    rb"(?:,([^,\r\n]*)(?:,([^,\r\n]*))?)?,?\r?\n"
)
_KEEPALIVE: Final = re.compile(rb"\r?[^,\r\n]*,\*(?:,[^\r\n]*)?\r?\n")


class FoxberrySession(PassiveSession):
    """Decodes one connection or file; total."""

    def __init__(self, opening: Opening) -> None:  # noqa: ARG002 - the API's signature
        self._lines = LineBuffer(MAX_LINE)

    def feed(self, data: bytes, channel: str = MAIN) -> list[Event]:  # noqa: ARG002
        """Return what is complete, in wire order."""
        return [_decode(line) for line in self._lines.feed(data)]

    @property
    def pending(self) -> bytes:
        """Bytes of a line that has not ended yet; a lone CR after a line on TCP."""
        return self._lines.pending


def _decode(raw: bytes) -> Kept:
    line = _LINE.fullmatch(raw)
    if line is None:
        return _other(raw)
    unit, antenna, epc, us, rssi, _, _ = line.groups()
    if int(us) > _LAST_US:
        return Rejected(raw, Reason.FIELD, "no such time")
    return Read(
        raw,
        Chip(epc.decode().upper()),
        int(us) * _US_NS,
        StampForm.UTC,
        int(antenna),
        None if rssi is None else float(rssi),
        unit.decode("utf-8", "replace") or None,
        None,
        # The same chip at the same microsecond on two antennas is two reads.
        f"{unit.decode('utf-8', 'replace')}/{int(antenna)}/{epc.decode().upper()}/{us.decode()}",
    )


def _other(raw: bytes) -> Kept:
    if not is_line(raw):
        return Rejected(raw, Reason.OVERLONG)
    if _KEEPALIVE.fullmatch(raw):
        return Control(raw, "sign of life")
    if not raw.strip(b"\r\n"):
        return Control(raw, "empty line")
    return Rejected(raw, Reason.FRAMING, "not reader,antenna,EPC,microseconds,RSSI,TID,user")


def extra(raw: bytes) -> Mapping[str, object]:
    """Return TID and user data where a read has them."""
    line = _LINE.fullmatch(raw)
    if line is None:
        return {}
    named = {"tid": line[6], "user": line[7]}
    return {
        name: value.decode("utf-8", "replace")
        for name, value in named.items()
        if value and value != b"None"
    }


def _chip_field(chip: str) -> str:
    """Return an EPC for any chip text: what is not hex becomes the hex of its characters."""
    whole = re.fullmatch(r"(?:[0-9A-Fa-f]{2}){1,62}", chip)
    return chip.upper() if whole else chip.encode().hex().upper()[:124] or "00"


def encode(sighting: Sighting) -> bytes:
    """Return the line of a read, to the microsecond."""
    us = max(sighting.stamp, 0) // _US_NS
    rssi = round(sighting.rssi)
    chip = _chip_field(sighting.chip)
    return f"reader_1,{sighting.antenna},{chip},{us},{rssi},,\n".encode("ascii")


class FoxberryEmulator:
    """The data port: it talks and never listens, and keeps nothing for who comes late."""

    channels: Mapping[str, int]
    piece: tuple[int, int] | None = None

    def __init__(self) -> None:
        self.channels = {MAIN: 10_000}
        self._next_keepalive_ns: int | None = None

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Say nothing: it has no greeting."""
        return []

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Ignore it: the port is for reading only."""
        return []

    def disconnected(self, client: int) -> None:
        """Keep nothing."""

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """Send it to everybody, with the CR that follows on TCP."""
        return [Out(encode(sighting) + b"\r")]

    def marked(self, name: str, stamp: int) -> Sequence[Out]:  # noqa: ARG002
        """Do nothing: it has no button."""
        return []

    def tick(self, now_ns: int) -> Sequence[Out]:
        """Give a sign of life every ten seconds; the real pause is not published."""
        due = self._next_keepalive_ns
        if due is not None and now_ns < due:
            return []
        self._next_keepalive_ns = now_ns + _KEEPALIVE_NS
        return [Out(b"reader_1,*,,,,,\n\r")] if due is not None else []


def emulator(options: Mapping[str, object]) -> Emulator:
    """Return a Foxberry made of software; it has no options.

    Raises:
        ValueError: An option was given.
    """
    if options:
        raise ValueError(f"unknown emulator option {next(iter(options))!r}; allowed: none")
    return FoxberryEmulator()


DRIVER: Final = Driver(
    name="foxberry",
    title="Foxberry",
    # No port is published: it is set on the box. Files are its backups, one line per read too.
    links=(TcpLink(10_000), FileLink()),
    stamp_form=StampForm.UTC,
    resolution_ns=_US_NS,
    can_tell_time=False,
    # It cannot be asked, and how often it gives a sign of life is not published.
    may_be_silent=True,
    session=FoxberrySession,
    encode=encode,
    emulator=emulator,
    extra=extra,
    example_chip=lambda number: Chip(f"E2003412{number:016X}"),
    source="saurondor/saturnTagReader (public): CSV client, race files of 2016",
)
