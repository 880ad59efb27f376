"""`[[reader]] options` of TAG Heuer timers, and what the emulator takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

CP540: Final = "cp540"
CP520: Final = "cp520"
POCKET_PRO: Final = "pocket-pro"
MODELS: Final = (CP540, CP520, POCKET_PRO)
START: Final = "1"
"""Channel of the start in the CP 540's net-time mode; the finish is channel 4."""
_BACKFILLS: Final = ("missed", "all", "never")
_NAMES: Final = ("model", "gun_channels", "backfill", "live_events")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What an operator may say about one timer.

    Attributes:
        model: ``cp540`` (also CP 545), ``cp520`` (also CP 505; only listened to) or
            ``pocket-pro`` (also MS300, HL400). Lines of all of them are understood in any case.
        gun_channels: Channels whose impulses are guns and not crossings.
        backfill: What is recalled from the timer: times ``missed``, also what it holds at the
            first connection (``all``; Pocket Pro alone), or ``never``.
        live_events: Switch a Pocket Pro's live events on: it sends nothing by itself otherwise.
    """

    model: str = CP540
    gun_channels: frozenset[str] = frozenset({START})
    backfill: str = "missed"
    live_events: bool = True


def parse(options: Mapping[str, object]) -> Options:
    """Return checked options as a value."""
    guns = options.get("gun_channels", [START])
    return Options(
        model=str(options.get("model", CP540)),
        gun_channels=frozenset(map(str, guns)) if isinstance(guns, list | tuple) else frozenset(),
        backfill=str(options.get("backfill", "missed")),
        live_events=options.get("live_events", True) is True,
    )


def _is_channel(channel: object) -> bool:
    number = str(channel)
    return type(channel) in (int, str) and number.isdecimal() and number == str(int(number))


def complaints(options: Mapping[str, object]) -> list[str]:
    """Return what is wrong with `options`, one sentence per key."""
    found = [
        f"option {name!r} is {options[name]!r}; allowed: {', '.join(choices)}"
        for name, choices in (("model", MODELS), ("backfill", _BACKFILLS))
        if name in options and options[name] not in choices
    ]
    guns = options.get("gun_channels", [])
    if not isinstance(guns, list | tuple) or not all(map(_is_channel, guns)):
        found.append(f"option 'gun_channels' is {guns!r}; allowed: a list of channel numbers")
    if not isinstance(options.get("live_events", True), bool):
        found.append(f"option 'live_events' is {options['live_events']!r}; allowed: true, false")
    return found + [
        f"unknown option {name!r}; allowed: {', '.join(_NAMES)}"
        for name in options
        if name not in _NAMES
    ]
