"""`[[reader]] options` of Macsha readers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

KINDS: Final = ("one4all", "ocelot")
TIMES: Final = ("last", "first")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What an operator may say about one reader.

    Attributes:
        kind: A ``one4all`` is talked to, an ``ocelot`` is only listened to.
        time: Which of the two times of an Ocelot's record is the time of the read.
    """

    kind: str = "one4all"
    time: str = "last"


def parse(options: Mapping[str, object]) -> Options:
    """Return checked options as a value."""
    return Options(kind=str(options.get("kind", "one4all")), time=str(options.get("time", "last")))


def complaints(options: Mapping[str, object]) -> list[str]:
    """Return what is wrong with `options`, one sentence per key."""
    choices = {"kind": KINDS, "time": TIMES}
    found = [
        f"option {name!r} is {options[name]!r}; allowed: {', '.join(allowed)}"
        for name, allowed in choices.items()
        if name in options and options[name] not in allowed
    ]
    found += [
        f"unknown option {name!r}; allowed: {', '.join(choices)}"
        for name in options
        if name not in choices
    ]
    return found
