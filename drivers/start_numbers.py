"""Start numbers that somebody keyed in on a timer, as chips.

``12@bib``: a chip with a set behind an ``@`` is looked up as a whole, then by the part before it as
a chip, then as a bib. So a start number finds the runner who wears it, and nobody has to be given
their bib as a chip; a plain ``12`` would be the chip with that number, which may be anybody's.
"""

from typing import Final

from bridge.domain.reads import Chip

_SET: Final = "bib"
_MOST: Final = 9_999
"""Timers have four digits."""


def chip_of(number: int) -> Chip:
    """Return the chip that a start number is; it has no leading zeros."""
    return Chip(f"{number}@{_SET}")


def number_of(chip: str) -> int:
    """Return the start number, 1 to 9999, that a chip text tells, with or without its set.

    0: it tells none, which is an impulse of somebody unknown.
    """
    text, at, kind = chip.partition("@")
    is_number = text.isascii() and text.isdecimal() and kind == (_SET if at else "")
    return int(text) if is_number and int(text) <= _MOST else 0
