"""A runner's crossings along the course of the event (timing rules 4 to 6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bridge.domain import reasons
from bridge.domain.marks import Mark, MarkKind
from bridge.domain.passings import Passing, Verdict
from bridge.domain.reads import UtcNs
from bridge.domain.results import State
from bridge.domain.rules import EventRules, LocationRules, Rules

USED: Final = Verdict(State.USED, reasons.counts)
STARTED: Final = Verdict(State.USED, reasons.started)
_IGNORED: Final = Verdict(State.IGNORED, reasons.ignored)
STARTED_BEFORE: Final = Verdict(State.SAME_PASSING, reasons.started_before)


class Course:
    """An event's course, prepared for walking.

    Times are ns after T0. Point 0 is the start where the start is timed; the points from `first`
    on are passed in order.
    """

    __slots__ = (
        "_min_finish_ns",
        "event",
        "first",
        "gaps",
        "last",
        "locations",
        "maxima",
        "minima",
        "points",
        "start",
        "start_until",
    )

    def __init__(self, event: EventRules, rules: Rules) -> None:
        self.event = event
        self.points: tuple[str, ...] = tuple(point.location for point in event.course)
        self.locations = frozenset(self.points)
        self.start = event.start
        self.first = 0 if self.start is None else 1
        self.last = len(self.points) - 1
        self._min_finish_ns = rules.min_finish_ns
        self.minima = tuple(
            self._minimum(point.location, point.min_ns) if index >= self.first else 0
            for index, point in enumerate(event.course)
        )
        self.maxima = tuple(point.max_ns for point in event.course)
        self.gaps = {
            name: rules.locations.get(name, LocationRules(name=name)).min_gap_ns
            for name in self.locations
        }
        self.start_until = self._start_until()

    def _minimum(self, location: str, min_ns: int | None) -> int:
        if min_ns is not None:
            return min_ns
        return self._min_finish_ns if location == self.start else 0

    def _start_until(self) -> int:
        """Return the last ns after T0 at which the start mat still makes a start."""
        again = [
            self.minima[index]
            for index in range(self.first, len(self.points))
            if self.points[index] == self.start
        ]
        return min([self.event.start_window_ns, *(least - 1 for least in again)])

    def after(self, position: int, location: str) -> int | None:
        """Return the next point at this location behind `position`."""
        try:
            return self.points.index(location, position + 1)
        except ValueError:
            return None


@dataclass(slots=True)
class Walk:
    """How far a runner came, and what became of each passing."""

    verdicts: list[Verdict]
    """One per passing, in the order given."""
    start: UtcNs | None = None
    """Own start: crossing or T0; None without T0."""
    start_read: bool = False
    reached: tuple[tuple[int, int], ...] = ()
    """(point, time) of every point passed behind the start, in order."""

    @property
    def seen(self) -> bool:
        """Whether any crossing counts."""
        return any(verdict.state is State.USED for verdict in self.verdicts)


def walk(
    course: Course,
    passings: Sequence[Passing],
    t0: UtcNs | None,
    *,
    status: Mark | None = None,
    ignored: Sequence[Passing] = (),
) -> Walk:
    """Judge one runner's passings, which come in order of time.

    Without T0 nothing is known of windows and points: everything counts that keeps its dead time.
    """
    walker = _Walker(course, passings, t0, status, ignored)
    verdicts = [walker.judge(passing) for passing in passings]
    own = walker.start
    return Walk(verdicts, t0 if own is None else own, own is not None, tuple(walker.reached))


class _Walker:
    """The state of one walk."""

    __slots__ = (
        "course",
        "ended",
        "ignored",
        "position",
        "reached",
        "start",
        "starter",
        "t0",
        "used",
    )

    def __init__(
        self,
        course: Course,
        passings: Sequence[Passing],
        t0: UtcNs | None,
        status: Mark | None,
        ignored: Sequence[Passing],
    ) -> None:
        self.course = course
        self.t0 = t0
        self.ignored = ignored
        self.ended = _end(status)
        self.position = course.first - 1
        self.used: dict[str, int] = {}
        self.reached: list[tuple[int, int]] = []
        self.starter = self._own_start(passings)
        self.start = None if self.starter is None else self.starter.time

    def _own_start(self, passings: Sequence[Passing]) -> Passing | None:
        if self.t0 is None or self.course.start is None:
            return None
        until = self.t0 + self.course.start_until
        starts = [
            passing
            for passing in passings
            if passing.location == self.course.start
            and self.t0 <= passing.time <= until
            and passing not in self.ignored
            and (self.ended is None or passing.time <= self.ended)
        ]
        return starts[-1] if starts else None

    def judge(self, passing: Passing) -> Verdict:
        if passing in self.ignored:
            return _IGNORED
        if self.ended is not None and passing.time > self.ended:
            return Verdict(State.AFTER_DNF, reasons.after_dnf, (passing.time - self.ended,))
        if self.t0 is None:
            return self._without_gun(passing)
        if passing.time < self.t0:
            return Verdict(State.BEFORE_START, reasons.before_start, (self.t0 - passing.time,))
        in_window = passing.time - self.t0 <= self.course.start_until
        if in_window and passing.location == self.course.start:
            return self._at_start(passing)
        return self._on_course(passing, self.t0)

    def _without_gun(self, passing: Passing) -> Verdict:
        if passing.location == self.course.start:
            return USED
        soon = self._too_soon(passing)
        if soon is None:
            self.used[passing.location] = passing.time
            return USED
        return soon

    def _at_start(self, passing: Passing) -> Verdict:
        if passing is not self.starter:
            return STARTED_BEFORE
        self.used[passing.location] = passing.time
        return STARTED

    def _on_course(self, passing: Passing, t0: int) -> Verdict:
        soon = self._too_soon(passing)
        if soon is not None:
            return soon
        if self.reached and self.reached[-1][0] == self.course.last:
            finish = self.reached[-1][1]
            numbers = (passing.time - finish, finish - t0)
            return Verdict(State.AFTER_FINISH, reasons.after_finish, numbers)
        point = self.course.after(self.position, passing.location)
        if point is None:
            return self._nothing_left(passing, t0)
        wrong = self._out_of_time(passing.time, point, t0)
        if wrong is not None:
            return wrong
        self.position = point
        self.used[passing.location] = passing.time
        self.reached.append((point, passing.time))
        return USED

    def _too_soon(self, passing: Passing) -> Verdict | None:
        """Apply the dead time: a gap of exactly `min_gap` is still inside it."""
        last = self.used.get(passing.location)
        gap = self.course.gaps[passing.location]
        if last is None or passing.time - last > gap:
            return None
        if self.t0 is None:
            numbers = (passing.time - last, gap)
            return Verdict(State.TOO_SOON, reasons.too_soon_without_gun, numbers)
        since = (passing.time - last, last - self.t0, gap)
        return Verdict(State.TOO_SOON, reasons.too_soon, since)

    def _nothing_left(self, passing: Passing, t0: int) -> Verdict:
        if self.course.points.index(passing.location) < self.course.first:
            numbers = (passing.time - t0, self.course.start_until)
            return Verdict(State.TOO_LATE, reasons.start_closed, numbers)
        return Verdict(State.TOO_LATE, reasons.nothing_left, (passing.time - t0,))

    def _out_of_time(self, time: int, point: int, t0: int) -> Verdict | None:
        elapsed = time - t0
        least, most = self.course.minima[point], self.course.maxima[point]
        if elapsed < least:
            return Verdict(State.TOO_EARLY, reasons.too_early, (elapsed, least, point + 1))
        if self.start is not None and time < self.start:
            numbers = (self.start - time, self.start - t0)
            return Verdict(State.TOO_EARLY, reasons.before_own_start, numbers)
        if most is not None and elapsed > most:
            return Verdict(State.TOO_LATE, reasons.too_late, (elapsed, most, point + 1))
        return None


def _end(status: Mark | None) -> int | None:
    """Return the moment from which nothing of a runner counts."""
    if status is None or status.kind not in (MarkKind.DNF, MarkKind.DQ):
        return None
    return status.made_at if status.at is None else status.at
