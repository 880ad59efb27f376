"""One thing the operator has to change in the configuration."""

from typing import NamedTuple

Loc = tuple[str | int, ...]
"""Path of a key, as pydantic gives it: table, position, key."""


class Mistake(NamedTuple):
    """One thing the operator has to change."""

    loc: Loc
    text: str
    """Says of the key what is wrong and what is allowed."""
