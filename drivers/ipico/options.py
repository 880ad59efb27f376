"""`[[reader]] options` of IPICO readers, and what the emulator takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

KINDS: Final = ("auto", "lite", "elite", "serial")
BACKFILLS: Final = ("missed", "all", "never")
_CHOICES: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("kind", KINDS),
    ("backfill", BACKFILLS),
)
_SWITCHES: Final = ("binary", "poll_statistics")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What an operator may say about one reader.

    Attributes:
        kind: What it is; ``auto`` finds out by port 9999, which a Lite refuses.
        backfill: Which stored reads are fetched: those ``missed`` while the link was down,
            ``all`` the reader has stored on the first connection ever as well, or ``never``.
        binary: The reader is switched to binary mode; it is only listened to.
        poll_statistics: Ask for statistics too. Reading clears them, so one program only should.
    """

    kind: str = "auto"
    backfill: str = "missed"
    binary: bool = False
    poll_statistics: bool = False


def parse(options: Mapping[str, object]) -> Options:
    """Return checked options as a value."""
    return Options(
        kind=str(options.get("kind", "auto")),
        backfill=str(options.get("backfill", "missed")),
        binary=options.get("binary") is True,
        poll_statistics=options.get("poll_statistics") is True,
    )


def complaints(options: Mapping[str, object]) -> list[str]:
    """Return what is wrong with `options`, one sentence per key."""
    found = [
        f"option {name!r} is {options[name]!r}; allowed: {', '.join(choices)}"
        for name, choices in _CHOICES
        if name in options and options[name] not in choices
    ]
    found += [
        f"option {name!r} is {options[name]!r}; allowed: true, false"
        for name in _SWITCHES
        if name in options and not isinstance(options[name], bool)
    ]
    known = [name for name, _ in _CHOICES] + list(_SWITCHES)
    found += [
        f"unknown option {name!r}; allowed: {', '.join(known)}"
        for name in options
        if name not in known
    ]
    if options.get("binary") is True and options.get("kind", "auto") not in {"auto", "serial"}:
        found.append("option 'binary' goes with kind auto or serial only: nothing can be asked")
    return found
