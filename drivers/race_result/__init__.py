"""RACE RESULT decoders 4000 to 5400: text protocol on TCP 3601 or RS-232."""

from collections.abc import Mapping
from typing import Final

from bridge.driver_api import Chip, Driver, FileLink, SerialLink, StampForm, TcpLink
from drivers.race_result import exporter, records
from drivers.race_result.emulator import RaceResultEmulator
from drivers.race_result.outlet import FORWARD
from drivers.race_result.session import RaceResultSession
from drivers.saved_logs import with_logs

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def extra(raw: bytes) -> Mapping[str, object]:
    """Return the protocol fields of a record line or of an exporter's JSON line."""
    if raw.lstrip(b"\0").startswith(b"{"):
        return exporter.details(raw)
    return records.details(raw)


def example_chip(number: int) -> Chip:
    """Return the code of active transponder `number` >= 0: ZCAA000, ZCAA001 ... all different."""
    letters, digits = divmod(number, 1000)
    high, low = divmod(letters, len(_ALPHABET))
    more, high = divmod(high, len(_ALPHABET))
    tail = str(more) if more else ""
    return Chip(f"ZC{_ALPHABET[high]}{_ALPHABET[low]}{digits:03d}{tail}")


DRIVER: Final = Driver(
    name="race-result",
    title="RACE RESULT decoder 4000/5000/5200/5400, TCP 3601 or RS-232",
    links=(TcpLink(port=3601), SerialLink(baud=38_400), FileLink()),
    stamp_form=StampForm.NAIVE,
    can_tell_time=True,
    repairs=True,
    session=with_logs(RaceResultSession),
    encode=records.encode,
    emulator=RaceResultEmulator,
    extra=extra,
    example_chip=example_chip,
    forward=FORWARD,
    source=(
        "decoder communication protocol 2.0 and support articles of the vendor, "
        "independent clients and emulators for 3.x"
    ),
)
