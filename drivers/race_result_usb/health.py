"""What a USB Timing Box says of itself: fields of its status, and what a person must do."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from drivers.race_result_usb.records import signed

_LOW_BATTERY_PCT: Final = 20
_CHECKSUMS: Final = (
    "the box adds check sums of a form nobody has described, so its passings are not understood: "
    "switch them off with the maker's program"
)
MODES: Final[Mapping[int, str]] = MappingProxyType(
    {0x00: "extension", 0x05: "kiosk", 0x06: "timing", 0x07: "store and copy"}
)
LOOPS: Final[Mapping[int, str]] = MappingProxyType(
    {0: "ok", 1: "fault", 2: "limit", 3: "overvoltage"}
)
_FIELDS: Final[Mapping[tuple[str, int], tuple[str, Callable[[int], object]]]] = MappingProxyType(
    {
        ("INFOGET", 0x01): ("serial", str),
        ("INFOGET", 0x02): ("firmware", lambda value: f"{value // 10}.{value % 10}"),
        ("INFOGET", 0x05): ("battery_v", lambda value: value / 10),
        ("INFOGET", 0x08): ("battery_pct", int),
        ("INFOGET", 0x09): ("temperature_c", signed),
        ("INFOGET", 0x0A): ("supply_v", lambda value: value / 10),
        ("INFOGET", 0x0B): ("loop", lambda value: LOOPS.get(value, f"{value:02x}")),
        ("CONFGET", 0x05): ("mode", lambda value: MODES.get(value, f"{value:02x}")),
        ("CONFGET", 0xB1): ("checksums", bool),
    }
)
ONCE: Final = (("INFOGET", 0x01), ("INFOGET", 0x02), ("CONFGET", 0xB1))
AGAIN: Final = (
    ("CONFGET", 0x05), ("INFOGET", 0x05), ("INFOGET", 0x08), ("INFOGET", 0x09), ("INFOGET", 0x0A),
    ("INFOGET", 0x0B),
)  # fmt: skip


def field_of(word: str, number: int, value: int) -> tuple[str, object]:
    """Return name and value of the field that answers one of `ONCE` and `AGAIN`."""
    name, convert = _FIELDS[word, number]
    return name, convert(value)


def conditions(fields: Mapping[str, object]) -> dict[str, str]:
    """Return how it stands with what was told, by alarm; empty text where all is well."""
    told: dict[str, str] = {}
    if "mode" in fields:
        mode = fields["mode"]
        text = f"the box is in mode {mode}: switch it to timing, or nothing is recorded"
        told["mode"] = "" if mode == "timing" else text
    if "loop" in fields:
        text = f"the loop has a problem ({fields['loop']}): check its cable and its power"
        told["loop"] = "" if fields["loop"] == "ok" else text
    left = fields.get("battery_pct")
    if isinstance(left, int):
        text = f"the box's battery is below {_LOW_BATTERY_PCT} %: connect its supply"
        told["battery_low"] = text if left < _LOW_BATTERY_PCT else ""
    if "checksums" in fields:
        told["checksums"] = _CHECKSUMS if fields["checksums"] else ""
    return told
