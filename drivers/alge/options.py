"""`[[reader]] options` of ALGE timers, and what the emulator takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

CHANNELS: Final = tuple(f"C{number}" for number in range(9))
BACKFILLS: Final = ("missed", "all", "never")
NAMES: Final = ("gun_channels", "checksum", "backfill")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What an operator may say about one timer.

    Attributes:
        gun_channels: Channels whose impulses are guns and not crossings.
        checksum: Have the timer add a checksum to its lines (command ``CHK1``).
        backfill: When the memory is dumped: after a gap (``missed``), on every connection, the
            first one too (``all``), or ``never``.
    """

    gun_channels: frozenset[str] = frozenset({"C0"})
    checksum: bool = False
    backfill: str = "missed"


def parse(options: Mapping[str, object], *, is_serial: bool) -> Options:
    """Return checked options as a value; on a serial port the cable is ours alone."""
    guns = options.get("gun_channels", ["C0"])
    checksum = options.get("checksum", is_serial)
    return Options(
        gun_channels=frozenset(map(str, guns)) if isinstance(guns, list | tuple) else frozenset(),
        checksum=checksum is True,
        backfill=str(options.get("backfill", "missed")),
    )


def complaints(options: Mapping[str, object]) -> list[str]:
    """Return what is wrong with `options`, one sentence per key."""
    found = []
    guns = options.get("gun_channels", [])
    if not isinstance(guns, list | tuple) or any(gun not in CHANNELS for gun in guns):
        found.append(f"option 'gun_channels' is {guns!r}; allowed: a list of {', '.join(CHANNELS)}")
    if not isinstance(options.get("checksum", False), bool):
        found.append(f"option 'checksum' is {options['checksum']!r}; allowed: true, false")
    if options.get("backfill", "missed") not in BACKFILLS:
        allowed = ", ".join(BACKFILLS)
        found.append(f"option 'backfill' is {options['backfill']!r}; allowed: {allowed}")
    return found + [
        f"unknown option {name!r}; allowed: {', '.join(NAMES)}"
        for name in options
        if name not in NAMES
    ]
