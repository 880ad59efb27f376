"""`[[reader]] options` of an Ultra or Joey."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

BACKFILLS: Final = ("missed", "all", "never")
_SWITCHES: Final = ("on_request", "extended_status", "one_way")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What an operator may say about one box.

    Attributes:
        backfill: Which logged reads are rewound: those ``missed`` while the link was down,
            ``all`` in the log on the first connection ever as well, or ``never``.
        on_request: The box is set to send reads only when asked (setting 0x24 is 1); without
            the request it would send none.
        extended_status: Ask for the binary status too, the only one with the battery in per
            cent. One public client knows it, so it is not asked for by itself.
        one_way: It is no box but a bridge that imitates one, sends records and never answers: it
            is only listened to, and its silence is no sign of a dead link.
    """

    backfill: str = "missed"
    on_request: bool = False
    extended_status: bool = False
    one_way: bool = False


def parse(options: Mapping[str, object]) -> Options:
    """Return checked options as a value."""
    return Options(
        backfill=str(options.get("backfill", "missed")),
        on_request=options.get("on_request") is True,
        extended_status=options.get("extended_status") is True,
        one_way=options.get("one_way") is True,
    )


def complaints(options: Mapping[str, object]) -> list[str]:
    """Return what is wrong with `options`, one sentence per key."""
    found = []
    if options.get("backfill", "missed") not in BACKFILLS:
        found.append(
            f"option 'backfill' is {options['backfill']!r}; allowed: {', '.join(BACKFILLS)}"
        )
    found += [
        f"option {name!r} is {options[name]!r}; allowed: true, false"
        for name in _SWITCHES
        if name in options and not isinstance(options[name], bool)
    ]
    known = ("backfill", *_SWITCHES)
    found += [
        f"unknown option {name!r}; allowed: {', '.join(known)}"
        for name in options
        if name not in known
    ]
    return found
