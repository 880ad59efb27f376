"""The one time of a passing, by the location's method (timing rule 4)."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from bridge.domain.reads import UtcNs
from bridge.domain.results import RemoteCrossing, TimedRead
from bridge.domain.rules import Method

_RSSI_SCALE = 1000
"""Signals enter the fit as integer thousandths, so that its sums are exact in any order."""
_FIT_READS = 3
REMOTE_PRIORITY = 1
"""The rank of another site's crossing among our own readers: it is official there."""


class Sighting(NamedTuple):
    """A read in its place: line offset subtracted, ranked by its reader."""

    at: int
    priority: int
    read: TimedRead
    first_id: int
    """Lowest journal id among the records of this same read."""


class Decision(NamedTuple):
    """How a passing's reads gave one time."""

    at: int
    method: Method
    """As really used: a fit that failed fell back."""
    by: Sighting
    """The deciding read; for a fit the strongest."""


def decide(sightings: Sequence[Sighting], method: Method) -> Decision:
    """Return the crossing time of distinct sightings, at least one, in any order.

    Only the best-ranked readers among them decide. Equal claims are settled by time, then by
    journal id, and the id never changes the time.
    """
    best = min(s.priority for s in sightings)
    deciding = [s for s in sightings if s.priority == best]
    match method:
        case Method.FIRST:
            return _first(deciding)
        case Method.LAST:
            by = min(deciding, key=lambda s: (-s.at, s.read.id))
            return Decision(by.at, Method.LAST, by)
        case Method.STRONGEST:
            return _strongest(deciding)
        case Method.PEAK:
            strongest = _strongest(deciding)
            apex = peak_ns([(s.at, s.read.rssi) for s in deciding if s.read.rssi is not None])
            return strongest if apex is None else Decision(apex, Method.PEAK, strongest.by)


def across_sites(own: Decision | None, remotes: Iterable[RemoteCrossing], method: Method) -> UtcNs:
    """Return the time that counts when other sites saw the same passing too.

    Every site contributes the one time it took, so two boxes on one mat come to the same answer:
    the latest under `Method.LAST`, else the earliest. Our own backup readers give way to them.
    """
    times = [remote.at for remote in remotes]
    if own is not None and (not times or own.by.priority <= REMOTE_PRIORITY):
        times.append(own.at)
    return UtcNs(max(times) if method is Method.LAST else min(times))


def peak_ns(signals: Sequence[tuple[int, float]]) -> int | None:
    """Fit a parabola to (ns, RSSI) by least squares and return its apex, rounded to the ns.

    None where there are fewer than three distinct times, where it opens upwards or where the apex
    lies outside the reads. Integers throughout: the order of the reads cannot matter.
    """
    if len(signals) < _FIT_READS:
        return None
    origin = min(at for at, _ in signals)
    span = max(at for at, _ in signals) - origin
    points = [(at - origin, round(rssi * _RSSI_SCALE)) for at, rssi in signals]
    n = len(points)
    s1, s2, s3, s4 = (sum(x**k for x, _ in points) for k in (1, 2, 3, 4))
    y0, y1, y2 = (sum(y * x**k for x, y in points) for k in (0, 1, 2))
    # Cramer's rule on the normal equations of a*x^2 + b*x + c; the common determinant cancels in
    # the apex -b / 2a and is positive unless fewer than three times differ.
    if s4 * (s2 * n - s1 * s1) - s3 * (s3 * n - s1 * s2) + s2 * (s3 * s1 - s2 * s2) <= 0:
        return None
    a = y2 * (s2 * n - s1 * s1) - s3 * (y1 * n - s1 * y0) + s2 * (y1 * s1 - s2 * y0)
    b = s4 * (y1 * n - s1 * y0) - y2 * (s3 * n - s1 * s2) + s2 * (s3 * y0 - y1 * s2)
    if a >= 0:
        return None
    apex = (b - a) // (-2 * a)
    return origin + apex if 0 <= b <= -2 * a * span else None


def _first(deciding: Sequence[Sighting]) -> Decision:
    by = min(deciding, key=lambda s: (s.at, s.read.id))
    return Decision(by.at, Method.FIRST, by)


def _strongest(deciding: Sequence[Sighting]) -> Decision:
    loud = [(-s.read.rssi, s.at, s.read.id, s) for s in deciding if s.read.rssi is not None]
    if not loud:
        return _first(deciding)
    by = min(loud)[3]
    return Decision(by.at, Method.STRONGEST, by)
