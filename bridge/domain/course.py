"""A runner's crossings along the course of the event (timing rules 4 to 6)."""

from collections.abc import Sequence
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


def walk(
    course: Course,
    passings: Sequence[Passing],
    t0: UtcNs | None,
    *,
    status: Mark | None = None,
    ignored: Sequence[Passing] = (),
) -> "tuple[list[Verdict], Walk]":
    """Judge one runner's passings, which come in order of time: one verdict each.

    Without T0 nothing is known of windows and points: everything counts that keeps its dead time.
    """
    walked = Walk(course, passings, t0, status, ignored)
    return [walked.judge(passing) for passing in passings], walked


class Walk:
    """How far a runner came."""

    __slots__ = (
        "_course",
        "_ended",
        "_ignored",
        "_position",
        "_start",
        "_starter",
        "_t0",
        "_until",
        "_used",
        "reached",
        "seen",
    )

    def __init__(
        self,
        course: Course,
        passings: Sequence[Passing],
        t0: UtcNs | None,
        status: Mark | None,
        ignored: Sequence[Passing],
    ) -> None:
        self._course = course
        self._t0 = t0
        self._ignored = ignored
        self._ended = _end(status)
        self._position = course.first - 1
        self._used: dict[str, int] = {}
        self._until = -1
        self.reached: list[tuple[int, int]] = []
        """(point, time) of every point passed behind the start, in order."""
        self.seen = False
        """Whether any crossing counts."""
        self._starter = self._own_start(passings)
        self._start = None if self._starter is None else self._starter.time

    @property
    def start(self) -> UtcNs | None:
        """Own start: crossing or T0; None without T0."""
        return self._t0 if self._start is None else self._start

    @property
    def start_read(self) -> bool:
        """Whether the own start is a crossing."""
        return self._start is not None

    def goes_on(self, passing: Passing) -> bool:
        """Return whether a new passing changes nothing about those judged before it.

        Ask only where no crossing is to be ignored.
        """
        if passing.time <= self._until:
            return False
        if self._t0 is None or passing.location != self._course.start:
            return True
        return passing.time - self._t0 > self._course.start_until

    def _own_start(self, passings: Sequence[Passing]) -> Passing | None:
        if self._t0 is None or self._course.start is None:
            return None
        until = self._t0 + self._course.start_until
        starts = [
            passing
            for passing in passings
            if passing.location == self._course.start
            and self._t0 <= passing.time <= until
            and passing not in self._ignored
            and (self._ended is None or passing.time <= self._ended)
        ]
        return starts[-1] if starts else None

    def judge(self, passing: Passing) -> Verdict:
        """Judge the next passing."""
        verdict = self._judge(passing)
        self._until = passing.time
        if verdict.state is State.USED:
            self.seen = True
        return verdict

    def _judge(self, passing: Passing) -> Verdict:
        if passing in self._ignored:
            return _IGNORED
        if self._ended is not None and passing.time > self._ended:
            return Verdict(State.AFTER_DNF, reasons.after_dnf, (passing.time - self._ended,))
        if self._t0 is None:
            return self._without_gun(passing)
        if passing.time < self._t0:
            return Verdict(State.BEFORE_START, reasons.before_start, (self._t0 - passing.time,))
        in_window = passing.time - self._t0 <= self._course.start_until
        if in_window and passing.location == self._course.start:
            return self._at_start(passing)
        return self._on_course(passing, self._t0)

    def _without_gun(self, passing: Passing) -> Verdict:
        if passing.location == self._course.start:
            return USED
        soon = self._too_soon(passing)
        if soon is None:
            self._used[passing.location] = passing.time
            return USED
        return soon

    def _at_start(self, passing: Passing) -> Verdict:
        if passing is not self._starter:
            return STARTED_BEFORE
        self._used[passing.location] = passing.time
        return STARTED

    def _on_course(self, passing: Passing, t0: int) -> Verdict:
        soon = self._too_soon(passing)
        if soon is not None:
            return soon
        if self.reached and self.reached[-1][0] == self._course.last:
            finish = self.reached[-1][1]
            numbers = (passing.time - finish, finish - t0)
            return Verdict(State.AFTER_FINISH, reasons.after_finish, numbers)
        point = self._course.after(self._position, passing.location)
        if point is None:
            return self._nothing_left(passing, t0)
        wrong = self._out_of_time(passing.time, point, t0)
        if wrong is not None:
            return wrong
        self._position = point
        self._used[passing.location] = passing.time
        self.reached.append((point, passing.time))
        return USED

    def _too_soon(self, passing: Passing) -> Verdict | None:
        """Apply the dead time: a gap of exactly `min_gap` is still inside it."""
        last = self._used.get(passing.location)
        gap = self._course.gaps[passing.location]
        if last is None or passing.time - last > gap:
            return None
        if self._t0 is None:
            numbers = (passing.time - last, gap)
            return Verdict(State.TOO_SOON, reasons.too_soon_without_gun, numbers)
        since = (passing.time - last, last - self._t0, gap)
        return Verdict(State.TOO_SOON, reasons.too_soon, since)

    def _nothing_left(self, passing: Passing, t0: int) -> Verdict:
        if self._course.points.index(passing.location) < self._course.first:
            numbers = (passing.time - t0, self._course.start_until)
            return Verdict(State.TOO_LATE, reasons.start_closed, numbers)
        return Verdict(State.TOO_LATE, reasons.nothing_left, (passing.time - t0,))

    def _out_of_time(self, time: int, point: int, t0: int) -> Verdict | None:
        elapsed = time - t0
        least, most = self._course.minima[point], self._course.maxima[point]
        if elapsed < least:
            return Verdict(State.TOO_EARLY, reasons.too_early, (elapsed, least, point + 1))
        if self._start is not None and time < self._start:
            numbers = (self._start - time, self._start - t0)
            return Verdict(State.TOO_EARLY, reasons.before_own_start, numbers)
        if most is not None and elapsed > most:
            return Verdict(State.TOO_LATE, reasons.too_late, (elapsed, most, point + 1))
        return None


def _end(status: Mark | None) -> int | None:
    """Return the moment from which nothing of a runner counts."""
    if status is None or status.kind not in (MarkKind.DNF, MarkKind.DQ):
        return None
    return status.made_at if status.at is None else status.at
