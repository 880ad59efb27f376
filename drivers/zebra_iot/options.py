"""`[[reader]] options` of Zebra readers with the IoT Connector."""

from collections.abc import Mapping
from typing import Final

from drivers.json_fields import text

DEFAULT_USER: Final = "zebra"
GUN_STATES: Final = {"fall": "LOW", "rise": "HIGH"}
_KNOWN: Final = ("user", "gun_edge")


def complaints(options: Mapping[str, object]) -> list[str]:
    """Return what is wrong with `options`, one sentence per key."""
    found = [
        f"unknown option {name!r}; allowed: {', '.join(_KNOWN)}"
        for name in options
        if name not in _KNOWN
    ]
    if "user" in options and (not text(options["user"]) or ":" in text(options["user"])):
        found.append(f"option 'user' is {options['user']!r}; allowed: a name without a colon")
    if options.get("gun_edge", "fall") not in GUN_STATES:
        states = ", ".join(GUN_STATES)
        found.append(f"option 'gun_edge' is {options['gun_edge']!r}; allowed: {states}")
    return found


def gun_state(options: Mapping[str, object]) -> str:
    """Return the state of an input that is a gun."""
    return GUN_STATES["rise" if options.get("gun_edge") == "rise" else "fall"]
