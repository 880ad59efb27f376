"""Options of emulated readers, judged by the dataclass that holds them."""

from collections.abc import Mapping
from dataclasses import fields
from typing import TypeVar

T = TypeVar("T")


def setup_from(options: Mapping[str, object], usual: T) -> T:
    """Return a set-up like `usual`, a dataclass instance with the defaults, with these options.

    Raises:
        ValueError: One is unknown, of another type than its default, or a number below 0; the text
            says what is allowed.
    """
    known = [one.name for one in fields(usual)]  # type: ignore[arg-type] # a dataclass, as said
    for name, value in options.items():
        if name not in known:
            raise ValueError(f"unknown emulator option {name!r}; allowed: {', '.join(known)}")
        default = getattr(usual, name)
        if type(value) is not type(default) or (isinstance(value, int) and value < 0):
            raise ValueError(
                f"emulator option {name!r} is {value!r}; allowed: one like {default!r}"
            )
    return type(usual)(**options)
