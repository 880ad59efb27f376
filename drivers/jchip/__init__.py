"""J-Chip senders: bridges and timing boxes that deliver to CrossMgr's port 53135."""

from collections.abc import Mapping
from typing import Final

from bridge.driver_api import Chip, Driver, ListenLink, StampForm, TcpLink
from drivers.jchip.emulator import PORT, JchipEmulator
from drivers.jchip.outlet import FORWARD
from drivers.jchip.records import NS_PER_US, print_crossing
from drivers.jchip.session import JchipSession


def extra(raw: bytes) -> Mapping[str, object]:
    """Return what stands in a crossing that nobody interprets: prefix, and field behind the time.

    In live records the prefix has two letters, and nobody says what the second one means.
    """
    head, *fields = raw.strip(b"\r\n ").decode("latin-1").split()
    told: dict[str, object] = {"prefix": head[: 2 if head.startswith("D") else 1]}
    if len(fields) > 1:
        told["day_field"] = fields[1]
    return told


DRIVER: Final = Driver(
    name="jchip",
    title="J-Chip senders: CrossMgrImpinj, CrossMgrAlien, CrossMgrUbidium, J-Chip boxes",
    # One sender at a time: the offset of a clock belongs to the connection it was measured on.
    links=(ListenLink(port=PORT), TcpLink(port=PORT)),
    stamp_form=StampForm.NAIVE,
    resolution_ns=NS_PER_US,
    can_tell_time=True,
    # Bridges keep crossings while they are not connected and hand them over on the next
    # connection. What was under way when the link broke is lost: nothing is acknowledged.
    repairs=True,
    may_be_silent=True,  # the protocol has no heartbeat, and nothing can be asked after the start
    session=JchipSession,
    encode=print_crossing,
    emulator=JchipEmulator,
    extra=extra,
    forward=FORWARD,
    example_chip=lambda number: Chip(f"{0x413A00 + number:06X}"),
    source="esitarski/CrossMgr: JChip.py, JChipClient.py, JChipImport.py, its Impinj, Alien and "
    "Ubidium bridges",
)
