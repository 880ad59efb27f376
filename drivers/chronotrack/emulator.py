"""SimpleClient and a controller made of software: both connect to a server and speak first."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bridge.driver_api import Emulator
from drivers.chronotrack.controller_emulator import ControllerEmulator
from drivers.chronotrack.scoring_emulator import ScoringEmulator

_KNOWN: Final = ("role", "places", "connection_id", "late_s", "hits", "padded", "power_cycle_after")
_ROLES: Final = ("simpleclient", "controller")
_PLACES: Final = re.compile(r"[^~\s]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What is emulated.

    Attributes:
        role: ``simpleclient``, or ``controller``.
        places: Timing points; antenna n stands at the n-th of them.
        connection_id: What SimpleClient answers to getconnectionid.
        late_s: A controller reports a tag so many seconds after it saw it.
        hits: Records of a controller end with the number of hits; older ones have none.
        padded: Its numbers have leading zeros.
        power_cycle_after: It goes off and on after so many records: numbers begin again.
    """

    role: str = "simpleclient"
    places: tuple[str, ...] = ("FINISH",)
    connection_id: str = "1"
    late_s: float = 5.0
    hits: bool = True
    padded: bool = False
    power_cycle_after: int = 0


def make(options: Mapping[str, object]) -> Emulator:
    """Return the emulator that `options` describe.

    Raises:
        ValueError: An option is unknown or cannot be so; the text says what is allowed.
    """
    setup = _setup_of(options)
    if setup.role == "controller":
        return ControllerEmulator(
            point=setup.places[0],
            late_s=setup.late_s,
            hits=setup.hits,
            padded=setup.padded,
            power_cycle_after=setup.power_cycle_after,
        )
    return ScoringEmulator(setup.places, connection_id=setup.connection_id)


def _setup_of(options: Mapping[str, object]) -> Setup:
    for name in options:
        if name not in _KNOWN:
            raise ValueError(f"unknown option {name!r}; allowed: {', '.join(_KNOWN)}")
    role = options.get("role", "simpleclient")
    if role not in _ROLES:
        raise ValueError(f"option 'role': allowed are {', '.join(_ROLES)}")
    places = tuple(str(options.get("places", "FINISH")).split(","))
    if not all(_PLACES.fullmatch(place) for place in places):
        raise ValueError("option 'places': allowed are names without blanks, START,FINISH")
    late = options.get("late_s", 5.0)
    if isinstance(late, bool) or not isinstance(late, int | float) or not 0 <= late <= 60:  # noqa: PLR2004
        raise ValueError("option 'late_s': allowed are 0 to 60 seconds")
    cycle = options.get("power_cycle_after", 0)
    if isinstance(cycle, bool) or not isinstance(cycle, int) or cycle < 0:
        raise ValueError("option 'power_cycle_after': allowed is a number of records, 0 for never")
    return Setup(
        role=str(role),
        places=places,
        connection_id=str(options.get("connection_id", "1")),
        late_s=float(late),
        hits=_switch(options, "hits", default=True),
        padded=_switch(options, "padded", default=False),
        power_cycle_after=cycle,
    )


def _switch(options: Mapping[str, object], name: str, *, default: bool) -> bool:
    value = options.get(name, default)
    if not isinstance(value, bool):
        raise ValueError(f"option {name!r}: allowed are true, false")  # noqa: TRY004 - one kind
    return value
