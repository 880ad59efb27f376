"""`[[reader]] options` of a MYLAPS exporter."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from drivers.mylaps.frames import is_clean

NAME: Final = "chip-bridge"
_VERSIONS: Final = (2, 1)
_STAMPS: Final = ("utc", "local")
_KNOWN: Final = ("version", "stamps", "name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What an operator may say about one exporter.

    Attributes:
        version: Protocol asked for: 2, or 1 for an old Toolkit that misbehaves when asked for 2.
        stamps: ``utc`` where version 2 tells it; ``local`` if the zone in the decoders is wrong,
            then the wall clock is taken by the reader's `timezone`.
        name: How we call ourselves towards Timing & Scoring.
    """

    version: int = 2
    stamps: str = "utc"
    name: str = NAME


def parse(options: Mapping[str, object]) -> Options:
    """Return checked options as a value."""
    return Options(
        version=1 if options.get("version") == 1 else 2,
        stamps=str(options.get("stamps", "utc")),
        name=str(options.get("name", NAME)),
    )


def complaints(options: Mapping[str, object]) -> list[str]:
    """Return what is wrong with `options`, one sentence per key."""
    found = [
        f"unknown option {name!r}; allowed: {', '.join(_KNOWN)}"
        for name in options
        if name not in _KNOWN
    ]
    version = options.get("version", 2)
    if isinstance(version, bool) or version not in _VERSIONS:
        found.append(f"option 'version' is {version!r}; allowed: 2, 1")
    choice = options.get("stamps", "utc")
    if choice not in _STAMPS:
        found.append(f"option 'stamps' is {choice!r}; allowed: {', '.join(_STAMPS)}")
    name = options.get("name", NAME)
    if not isinstance(name, str) or not is_clean(name):
        found.append(f"option 'name' is {name!r}; allowed: text without @, $, | and line ends")
    return found
