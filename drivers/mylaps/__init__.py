"""MYLAPS Timing & Scoring (Toolkit), TCP/IP exporter: it connects to us on port 3097."""

from collections.abc import Mapping
from typing import Final

from bridge.domain.reads import NS_PER_MS
from bridge.driver_api import Chip, Driver, ListenLink, Sighting, StampForm
from drivers.mylaps import frames, key_values, options, read_lite
from drivers.mylaps.decoder import record_of
from drivers.mylaps.emulator import PORT, MylapsEmulator
from drivers.mylaps.outlet import FORWARD
from drivers.mylaps.session import MylapsSession

EXAMPLE_LOCATION: Final = "Finish"
_LETTERS: Final = "BCDFGHJKLMNPRSTVWXYZ"
_DIGITS: Final = 100_000


def encode(sighting: Sighting) -> bytes:
    """Return the frame of version 2 for one sighting, in the fields we ask for; UTC stamp.

    Without the line end: it stands between frames, not in them.
    """
    record = key_values.encode(sighting, sighting.stamp, key_values.WANTED)
    return frames.make(EXAMPLE_LOCATION, "Passing", [record, str(sighting.seq)])


def extra(raw: bytes) -> Mapping[str, object]:
    """Return the protocol fields of a read's share of a frame, of either version."""
    record = record_of(raw)
    return key_values.details(record) if b"|" in record else read_lite.details(record)


def example_chip(number: int) -> Chip:
    """Return the code of ChampionChip `number` >= 0: BB00000, BB00001 ... BC00000."""
    letters, digits = divmod(number, _DIGITS)
    first, second = divmod(letters, len(_LETTERS))
    return Chip(f"{_LETTERS[first % len(_LETTERS)]}{_LETTERS[second]}{digits:05d}")


DRIVER: Final = Driver(
    name="mylaps",
    title="MYLAPS Timing & Scoring / Toolkit, TCP/IP exporter to port 3097",
    links=(ListenLink(port=PORT),),
    stamp_form=StampForm.UTC,
    resolution_ns=NS_PER_MS,
    can_tell_time=False,
    repairs=True,
    session=MylapsSession,
    encode=encode,
    emulator=MylapsEmulator,
    extra=extra,
    example_chip=example_chip,
    check_options=options.complaints,
    forward=FORWARD,
    source=(
        "vendor's TCP/IP protocol documentation v1.3 (2021) and production logs in "
        "racemap/mylaps-to-racemap-forwarder, independent servers"
    ),
)
