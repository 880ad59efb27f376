"""Input lines made of software: each impulse is an edge up and, a moment later, one down."""

from collections.abc import Mapping
from typing import Final

from bridge.driver_api import Sighting
from drivers.gpio.options import MOST_LINE
from drivers.one_way_emulator import OneWayEmulator

BEAM: Final = 27
_LINES: Final[Mapping[str, int]] = {"gun": 17, "button": 22, "beam": BEAM}
_KNOWN: Final = (*_LINES, "pulse_ms", "bounces")
_PORT: Final = 10_003
_PULSE_MS: Final = 50
_BOUNCE_NS: Final = 300_000
_MOST_PULSE_MS: Final = 1_000
_MOST_BOUNCES: Final = 20


def impulse(line: int, stamp: int, pulse_ms: int = _PULSE_MS, bounces: int = 0) -> bytes:
    """Return the edges of one impulse from `stamp` (UTC ns) on, `bounces` before it is steady."""
    at = max(stamp, 0)
    edges = [(1, at)]
    for _ in range(bounces):
        edges += [(0, edges[-1][1] + _BOUNCE_NS), (1, edges[-1][1] + 2 * _BOUNCE_NS)]
    edges.append((0, max(at + pulse_ms * 1_000_000, edges[-1][1] + _BOUNCE_NS)))
    return b"".join(b"%d,%d,%d\n" % (line, level, when) for level, when in edges)


def encode(sighting: Sighting) -> bytes:
    """Return the edges of a crossing; nobody says who it was."""
    return impulse(BEAM, sighting.stamp)


def make(options: Mapping[str, object]) -> OneWayEmulator:
    """Return the emulator.

    Options: `gun`, `button`, `beam` (numbers of the lines), `pulse_ms`, `bounces` (of a contact,
    per impulse).

    Raises:
        ValueError: An option is unknown or out of range; the text says what is allowed.
    """
    for name in options:
        if name not in _KNOWN:
            raise ValueError(f"unknown emulator option {name!r}; allowed: {', '.join(_KNOWN)}")
    lines = {name: _number(options, name, usual, MOST_LINE) for name, usual in _LINES.items()}
    pulse = _number(options, "pulse_ms", _PULSE_MS, _MOST_PULSE_MS)
    bounces = _number(options, "bounces", 0, _MOST_BOUNCES)

    def edges(name: str, stamp: int) -> bytes:
        return impulse(lines[name], stamp, pulse, bounces) if name in lines else b""

    return OneWayEmulator(_PORT, lambda sighting: edges("beam", sighting.stamp), edges)


def _number(options: Mapping[str, object], name: str, usual: int, most: int) -> int:
    value = options.get(name, usual)
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(f"emulator option {name!r} is {value!r}; allowed: 0 to {most}")
    return value
