"""The race as configured: what the timing maths needs to know, and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NewType

from bridge.domain.reads import NS_PER_S, UtcNs

EventId = NewType("EventId", int)
"""The provider's number of an event (race distance, start group) within a race."""


class Method(Enum):
    """How the one time of a crossing is taken from the reads of a passing."""

    FIRST = "first"
    LAST = "last"
    STRONGEST = "strongest"
    PEAK = "peak"


class ClockPolicy(Enum):
    """Which clock says when a read happened (timing rule 8)."""

    READER = "reader"
    CORRECTED = "corrected"
    ARRIVAL = "arrival"


class Rounding(Enum):
    """How a raw duration becomes a printed one."""

    UP = "up"
    DOWN = "down"
    NEAREST = "nearest"


class TimeKind(Enum):
    """Clock (gun) or chip (net)."""

    CLOCK = "clock"
    CHIP = "chip"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationRules:
    """How reads become crossings at one location (durations in ns)."""

    name: str
    method: Method = Method.FIRST
    quiet_ns: int = NS_PER_S
    stray_ns: int = 8 * NS_PER_S
    min_gap_ns: int = 60 * NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One timing point of a course. The same location may stand in a course several times."""

    location: str
    split: str | None = None
    """Name of the split at the provider; None at the start, and at the finish."""
    distance_m: float | None = None
    min_ns: int | None = None
    """Earliest plausible time after T0; None: the default of the point's role."""
    max_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRules:
    """One event: its course in order (start first where it is timed, finish last) and its rules."""

    id: EventId
    name: str
    course: tuple[Point, ...]
    start_window_ns: int = 900 * NS_PER_S
    gun: UtcNs | None = None
    """T0 from the configuration; a mark or gun marker overrides it."""
    wave_guns: Mapping[str, UtcNs] = field(default_factory=dict)
    """T0 by wave (corral) name, from the configuration."""
    place_by: TimeKind = TimeKind.CLOCK
    share_places: bool = True
    """Equal raw times share a place (1-2-2-4); False numbers through."""
    decimals: int = 1
    rounding: Rounding = Rounding.UP
    split_time: TimeKind = TimeKind.CHIP

    @property
    def start(self) -> str | None:
        """Location of the start mat, or None where the gun alone starts.

        The first point is the start if it is called ``start``, or if others follow it and it has
        neither a split nor a distance of its own.
        """
        first = self.course[0]
        plain = len(self.course) > 1 and not first.distance_m and first.split is None
        return first.location if first.location == "start" or plain else None

    @property
    def finish(self) -> str:
        """Location of the last point."""
        return self.course[-1].location


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderRules:
    """How the reads of one reader enter the maths."""

    name: str
    location: str
    priority: int = 1
    """1 is the highest; when several readers saw a passing, the lowest number decides."""
    offset_ns: int = 0
    """Subtracted from the corrected time: a line placed behind the official one."""
    clock: ClockPolicy = ClockPolicy.CORRECTED
    zone: str = "UTC"
    """IANA zone of naive stamps."""
    gun_for: tuple[EventId, ...] | None = None
    """Events whose T0 a gun marker of this reader sets; None: markers are kept, set nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Everything configured that results depend on."""

    site: str
    events: tuple[EventRules, ...]
    locations: Mapping[str, LocationRules]
    """Every location named anywhere, with its defaults filled in (method LAST at starts)."""
    readers: Mapping[str, ReaderRules]
    min_finish_ns: int = 300 * NS_PER_S
    """On a mat that is start and finish, a crossing before this after T0 is a start (rule 5);
    a point's own `min_ns` overrides it."""

    @property
    def served(self) -> frozenset[str]:
        """Locations that readers of this box serve."""
        return frozenset(reader.location for reader in self.readers.values())
