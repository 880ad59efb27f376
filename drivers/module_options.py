"""Checks of options that UHF modules and forwards share; each gives complaints in words."""

from collections.abc import Callable, Collection, Mapping
from typing import Final

Check = Callable[[object], str]
"""Returns what is allowed, or nothing where the value is fine."""


def one_of(words: Collection[str]) -> Check:
    """Allow some words."""
    allowed = ", ".join(words)
    return lambda value: "" if isinstance(value, str) and value in words else allowed


def whole(low: int, high: int) -> Check:
    """Allow whole numbers from `low` to `high`."""
    return lambda value: "" if _is_whole(value, low, high) else f"{low} to {high}"


def antennas(most: int) -> Check:
    """Allow a list of different antenna ports from 1 to `most`."""

    def check(value: object) -> str:
        ports = value if isinstance(value, list | tuple) else ()
        good = [port for port in ports if _is_whole(port, 1, most)]
        is_fine = 0 < len(good) == len(ports) == len(set(good))
        return "" if is_fine else f"a list of different ports from 1 to {most}, such as [1, 2]"

    return check


def true_or_false(value: object) -> str:
    """Allow a switch."""
    return "" if isinstance(value, bool) else "true, false"


def complaints(options: Mapping[str, object], checks: Mapping[str, Check]) -> list[str]:
    """Return what is wrong with `options`, one sentence per key."""
    found = []
    for name, value in options.items():
        check = checks.get(name)
        if check is None:
            found.append(f"unknown option {name!r}; allowed: {', '.join(checks)}")
        elif allowed := check(value):
            found.append(f"option {name!r} is {value!r}; allowed: {allowed}")
    return found


def ports_of(options: Mapping[str, object]) -> tuple[int, ...]:
    """Return the checked option `antennas`; empty where it is not given."""
    value = options.get("antennas")
    if not isinstance(value, list | tuple):
        return ()
    return tuple(port for port in value if isinstance(port, int))


def number_of(options: Mapping[str, object], name: str) -> int | None:
    """Return a checked whole number; None where it is not given."""
    value = options.get(name)
    return value if isinstance(value, int) else None


POWER: Final = "power"
"""Name of the option for the transmit power in dBm, which several families have."""


def _is_whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
