"""`[[reader]] options` of LLRP readers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

SEARCHES: Final[Mapping[str, int]] = {"dual": 2, "single": 1, "reader": 0}
"""Impinj search modes. TagFocus is not among them: it reads a tag once, maybe at the edge."""
EDGES: Final[Mapping[str, int]] = {"rising": 1, "falling": 0}
MOST_ANTENNAS: Final = 64
_LEAST_DBM, _MOST_DBM = 0.0, 36.0
_SWITCHES: Final = ("configure", "take_over", "phase", "doppler", "tid")
_MOST_U16: Final = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What an operator may say about one reader.

    Attributes:
        configure: Configure the reader and start its inventory; else only listen to what another
            program has set up.
        take_over: Delete ROSpecs of other programs where they are in the way of ours.
        antennas: Ports to read on; empty: all.
        power_dbm: By port; under 0 for all others. Empty: as set on the reader.
        session: Gen2 session.
        mode: RF mode identifier, of those the reader offers.
        search: Impinj search mode.
        population: Tags expected in the field at once, where the reader begins to guess.
        phase: Ask Impinj readers for the RF phase of each read.
        doppler: Ask them for its Doppler shift.
        tid: Ask them for the tag's TID.
        purge_every: Reads after which a Zebra's store is emptied; None: never.
        gun_gpi: The input that is the gun; None: any.
        gun_edge: Level after the edge that is the gun.
    """

    configure: bool = True
    take_over: bool = False
    antennas: tuple[int, ...] = ()
    power_dbm: tuple[tuple[int, float], ...] = ()
    session: int | None = None
    mode: int | None = None
    search: int | None = None
    population: int | None = None
    phase: bool = False
    doppler: bool = False
    tid: bool = False
    purge_every: int | None = None
    gun_gpi: int | None = None
    gun_edge: int = 1


def parse(options: Mapping[str, object]) -> Options:
    """Return checked options as a value."""
    antennas = options.get("antennas", ())
    search = options.get("search")
    return Options(
        configure=options.get("configure", True) is True,
        take_over=options.get("take_over") is True,
        antennas=tuple(antennas) if isinstance(antennas, list | tuple) else (),
        power_dbm=_powers(options.get("power_dbm")),
        session=_whole(options.get("session")),
        mode=_whole(options.get("mode")),
        search=SEARCHES.get(search) if isinstance(search, str) else None,
        population=_whole(options.get("population")),
        phase=options.get("phase") is True,
        doppler=options.get("doppler") is True,
        tid=options.get("tid") is True,
        purge_every=_whole(options.get("purge_every")),
        gun_gpi=_whole(options.get("gun_gpi")),
        gun_edge=EDGES[str(options.get("gun_edge", "rising"))],
    )


def complaints(options: Mapping[str, object]) -> list[str]:
    """Return what is wrong with `options`, one sentence per key."""
    found = []
    for name, value in options.items():
        rule = _RULES.get(name)
        if rule is None:
            found.append(f"unknown option {name!r}; allowed: {', '.join(_RULES)}")
        elif not rule.fits(value):
            found.append(f"option {name!r} is {value!r}; allowed: {rule.allowed}")
    return found


@dataclass(frozen=True, slots=True)
class _Rule:
    allowed: str
    fits: Callable[[object], bool]


def _between(least: int, most: int) -> _Rule:
    return _Rule(
        f"a whole number from {least} to {most}",
        lambda value: type(value) is int and least <= value <= most,
    )


def _among(names: Mapping[str, int]) -> _Rule:
    return _Rule(", ".join(names), lambda value: isinstance(value, str) and value in names)


def _are_ports(value: object) -> bool:
    return isinstance(value, list | tuple) and all(
        type(port) is int and 1 <= port <= MOST_ANTENNAS for port in value
    )


def _is_power(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and _LEAST_DBM <= float(str(value)) <= _MOST_DBM


def _are_powers(value: object) -> bool:
    if isinstance(value, list | tuple):
        return 0 < len(value) <= MOST_ANTENNAS and all(map(_is_power, value))
    return _is_power(value)


def _whole(value: object) -> int | None:
    return value if type(value) is int else None


def _powers(value: object) -> tuple[tuple[int, float], ...]:
    if isinstance(value, list | tuple):
        return tuple((port, float(power)) for port, power in enumerate(value, start=1))
    return ((0, float(value)),) if isinstance(value, int | float) else ()


_RULES: Final[Mapping[str, _Rule]] = {
    **{name: _Rule("true, false", lambda value: isinstance(value, bool)) for name in _SWITCHES},
    "antennas": _Rule(f"a list of ports from 1 to {MOST_ANTENNAS}", _are_ports),
    "power_dbm": _Rule(
        f"dBm from {_LEAST_DBM:g} to {_MOST_DBM:g}, or a list of them by antenna", _are_powers
    ),
    "session": _between(0, 3),
    "mode": _between(0, _MOST_U16),
    "search": _among(SEARCHES),
    "population": _between(1, _MOST_U16),
    "purge_every": _between(10_000, 5_000_000),
    "gun_gpi": _between(1, 64),
    "gun_edge": _among(EDGES),
}
