"""`[[reader]] options` of Chafon readers."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from drivers import module_options
from drivers.module_options import (
    Check,
    antennas,
    number_of,
    one_of,
    ports_of,
    true_or_false,
    whole,
)

DIALECTS: Final = ("auto", "uhfreader288", "uhfreader18", "prime")
_CHECKS: Final[Mapping[str, Check]] = MappingProxyType(
    {
        "dialect": one_of(DIALECTS),
        "antennas": antennas(16),
        "session": whole(0, 3),
        "scan_time": whole(1, 20),
        "sixteen_ports": true_or_false,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What an operator may say about one reader; all but the first is for the 86 and 288 series.

    Attributes:
        dialect: Which kind it is; ``auto``: the bytes and its own word tell.
        antennas: Ports to take inventory on, one after another.
        session: Gen2 session; 0 tells of a tag in every round.
        scan_time: Length of one inventory in tenths of a second, which is how late a read may be.
        has_16_ports: Antennas are told by number and not by mask.
    """

    dialect: str = "auto"
    antennas: tuple[int, ...] = (1,)
    session: int = 0
    scan_time: int = 1
    has_16_ports: bool = False


def parse(options: Mapping[str, object]) -> Options:
    """Return checked options as a value."""
    return Options(
        dialect=str(options.get("dialect", "auto")),
        antennas=ports_of(options) or (1,),
        session=number_of(options, "session") or 0,
        scan_time=number_of(options, "scan_time") or 1,
        has_16_ports=options.get("sixteen_ports") is True,
    )


def complaints(options: Mapping[str, object]) -> list[str]:
    """Return what is wrong with `options`, one sentence per key."""
    found = module_options.complaints(options, _CHECKS)
    dialect = options.get("dialect", "auto")
    needless = [name for name in options if name != "dialect"]
    if not found and dialect in ("prime", "uhfreader18") and needless:
        found.append(
            f"option {needless[0]!r} is for the 86 and 288 series: a reader of dialect {dialect} "
            "is not told so; allowed: dialect"
        )
    return found
