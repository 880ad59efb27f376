"""Fields of JSON objects nobody vouches for: the value if it is what it should be, else None."""

import math
from collections.abc import Mapping
from typing import Final

_MOST: Final = 10**15


def whole(value: object) -> int | None:
    """Return a whole number from 0 to 10**15, also one written as text or as ``1.0``."""
    if type(value) is int:
        return value if 0 <= value < _MOST else None
    if isinstance(value, float) and value.is_integer():
        return whole(int(value))
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 16:  # noqa: PLR2004
        return int(value)
    return None


def number(value: object) -> float | None:
    """Return a finite number, also one written as text."""
    if isinstance(value, str) and len(value) < 32:  # noqa: PLR2004
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and abs(value) < _MOST else None


def text(value: object) -> str:
    """Return printable text, or ``""``."""
    return value if isinstance(value, str) and value.isprintable() else ""


def table(value: object) -> dict[str, object]:
    """Return an object, or an empty one."""
    return value if isinstance(value, dict) else {}


def present(told: Mapping[str, object]) -> dict[str, object]:
    """Return `told` without what is None or ``""``."""
    return {name: value for name, value in told.items() if value is not None and value != ""}


def chip_hex(value: object) -> str | None:
    """Return a chip's code in upper-case hex digits without spaces, or None if it is none."""
    if not isinstance(value, str):
        return None
    digits = value.strip().upper()
    if 0 < len(digits) <= _MOST_DIGITS and not digits.strip("0123456789ABCDEF"):
        return digits
    return None


_MOST_DIGITS: Final = 248
"""Of the longest EPC: 62 words."""
