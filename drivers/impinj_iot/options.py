"""`[[reader]] options` of Impinj readers in IoT mode."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from drivers.json_fields import number, text

DEFAULT_USER: Final = "root"
DEFAULT_PASSWORD: Final = "impinj"  # noqa: S105 - printed in the vendor's manual
EDGES: Final = {"fall": "high-to-low", "rise": "low-to-high"}
_KNOWN: Final = ("user", "keepalive_s", "gun_edge")
_MOST_KEEPALIVE_S: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What an operator may say about one reader.

    Attributes:
        user: Login at the reader (pull), or that the reader must use here (webhook).
        keepalive_s: The reader's `keepAliveIntervalSeconds`; the factory has 30, a race wants 5.
        gun_edge: Which transition of an input is a gun: ``fall`` (a contact closes) or ``rise``.
    """

    user: str = DEFAULT_USER
    keepalive_s: float = 30
    gun_edge: str = "fall"


def parse(options: Mapping[str, object]) -> Options:
    """Return checked options as a value."""
    return Options(
        user=text(options.get("user")) or DEFAULT_USER,
        keepalive_s=number(options.get("keepalive_s")) or 30,
        gun_edge="rise" if options.get("gun_edge") == "rise" else "fall",
    )


def complaints(options: Mapping[str, object]) -> list[str]:
    """Return what is wrong with `options`, one sentence per key."""
    found = [
        f"unknown option {name!r}; allowed: {', '.join(_KNOWN)}"
        for name in options
        if name not in _KNOWN
    ]
    if "user" in options and (not text(options["user"]) or ":" in text(options["user"])):
        found.append(f"option 'user' is {options['user']!r}; allowed: a name without a colon")
    interval = options.get("keepalive_s", 5)
    if isinstance(interval, str) or not 1 <= (number(interval) or 0) <= _MOST_KEEPALIVE_S:
        found.append(f"option 'keepalive_s' is {interval!r}; allowed: 1 to {_MOST_KEEPALIVE_S}")
    if options.get("gun_edge", "fall") not in EDGES:
        found.append(f"option 'gun_edge' is {options['gun_edge']!r}; allowed: {', '.join(EDGES)}")
    return found
