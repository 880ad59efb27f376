"""`[[reader]] options` of a device that speaks Wiclax' protocol."""

from collections.abc import Mapping
from typing import Final

from drivers import module_options

BACKFILLS: Final = ("missed", "all", "never")
_CHECKS: Final[Mapping[str, module_options.Check]] = {"backfill": module_options.one_of(BACKFILLS)}


def complaints(options: Mapping[str, object]) -> list[str]:
    """Return what is wrong with the options, one sentence per key."""
    return module_options.complaints(options, _CHECKS)


def backfill_of(options: Mapping[str, object]) -> str:
    """Return which reads in the device's memory are asked for."""
    return str(options.get("backfill", BACKFILLS[0]))
