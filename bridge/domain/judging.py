"""One owner's passings become crossings and a result: shared by `pure` and `race`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from bridge.domain import reasons
from bridge.domain.course import Course, Walk, walk
from bridge.domain.entrants import NoOwner, RegistrationId
from bridge.domain.marks import Mark, MarkKind
from bridge.domain.passings import Maker, P, Passing, Verdict, by_hand
from bridge.domain.reads import UtcNs
from bridge.domain.results import Crossing, Result, Split, State, Status
from bridge.domain.roster import NO_FACTS, Facts, Roster
from bridge.domain.rules import EventId

Owner = RegistrationId | str
"""Whose passings: a registration, or a chip (its exact text) where nobody owns it."""

_NOBODY: Final = {
    NoOwner.UNKNOWN: Verdict(State.UNKNOWN_CHIP, reasons.unknown_chip),
    NoOwner.AMBIGUOUS: Verdict(State.AMBIGUOUS_CHIP, reasons.ambiguous_chip),
    NoOwner.WRONG_EVENT: Verdict(State.WRONG_EVENT, reasons.wrong_event),
}
_make_crossing = partial(tuple.__new__, Crossing)
_STATUS: Final = {MarkKind.DNS: Status.DNS, MarkKind.DNF: Status.DNF, MarkKind.DQ: Status.DQ}


def unowned(why_not: NoOwner) -> Verdict:
    """Return the verdict on every passing of a chip that is nobody's."""
    return _NOBODY[why_not]


@dataclass(frozen=True, slots=True)
class Runner:
    """Everything about one runner but the passings."""

    registration_id: RegistrationId
    event_id: EventId
    course: Course
    t0: UtcNs | None
    facts: Facts
    chip: str
    """What stands for the runner in crossings that no chip made."""


def runner_of(roster: Roster, registration: RegistrationId) -> Runner | None:
    """Return a runner as the roster has it; None if it is in no configured event."""
    entrant = roster.entrants.get(registration)
    course = None if entrant is None else roster.courses.get(entrant.event_id)
    if entrant is None or course is None:
        return None
    facts = roster.facts.get(registration, NO_FACTS)
    chip = entrant.chips[0] if entrant.chips else ""
    return Runner(registration, entrant.event_id, course, roster.t0(registration), facts, chip)


def hand_entered(runner: Runner, make: Maker[P]) -> list[P]:
    """Make the passings that the operator entered."""
    return [by_hand(mark, runner.chip, make) for mark in runner.facts.crossings]


def judge(passings: Iterable[P], runner: Runner) -> tuple[list[P], list[Verdict], Walk]:
    """Walk a runner's passings, hand-entered ones included; return them in order of time."""
    ordered = sorted(passings, key=_order)
    facts = runner.facts
    verdicts, walked = walk(
        runner.course,
        ordered,
        runner.t0,
        status=facts.status,
        ignored=[hit for mark in facts.ignores if (hit := _nearest(ordered, mark)) is not None],
    )
    return ordered, verdicts, walked


def _order(passing: Passing) -> tuple[int, str, bool, int]:
    return (passing.time, passing.location, passing.mark is not None, passing.number)


def _nearest(ordered: Sequence[Passing], mark: Mark) -> Passing | None:
    """Return the passing an ignore mark means: the nearest there, the earlier of two as near."""
    at = mark.at
    if at is None:
        return None
    there = [p for p in ordered if mark.location in (None, p.location)]
    return min(there, key=lambda p: abs(p.time - at), default=None)


def result_of(runner: Runner, walked: Walk) -> Result | None:
    """Return the runner's standing without a place; None before the first counted fact."""
    mark = runner.facts.status
    if mark is None and not walked.seen:
        return None
    course, t0, start = runner.course, runner.t0, walked.start
    if t0 is None or start is None:
        status = Status.ON_COURSE if mark is None else _STATUS[mark.kind]
        return Result(runner.registration_id, runner.event_id, status, None, None, ())
    finish = next((time for point, time in walked.reached if point == course.last), None)
    status = Status.ON_COURSE if finish is None else Status.FINISHED
    if mark is not None:
        status, finish = _STATUS[mark.kind], None
    points = course.event.course
    splits = [
        Split(point, points[point].location, points[point].split, time - t0, time - start)
        for point, time in walked.reached
        if point != course.last and status is not Status.DNS
    ]
    return Result(
        registration_id=runner.registration_id,
        event_id=runner.event_id,
        status=status,
        clock_ns=None if finish is None else finish - t0,
        chip_ns=None if finish is None else finish - start,
        splits=tuple(splits),
        start_ns=start,
        no_start_read=course.start is not None and not walked.start_read,
    )


def crossing_of(
    site: str, passing: Passing, verdict: Verdict, runner: Runner | None, start: UtcNs | None
) -> Crossing:
    """Make what is published of a passing of ours. `start` is the runner's own."""
    registration = event = clock_ns = chip_ns = None
    at = passing.at
    if runner is not None:
        registration, event, t0 = runner.registration_id, runner.event_id, runner.t0
        clock_ns = at - t0 if t0 is not None and at >= t0 else None
        chip_ns = at - start if start is not None and at >= start else None
    why = "" if verdict.state is State.USED else verdict.why
    return _make_crossing((
        crossing_id(site, passing.number), passing.location, passing.chip, at, passing.method,
        passing.reads, passing.rssi, passing.antenna, passing.reader, passing.last_at,
        registration, event, clock_ns, chip_ns, verdict.state, why,
    ))  # fmt: skip


def crossing_id(site: str, number: int) -> str:
    """Return the id of a crossing: site and `Passing.number`."""
    return f"{site}-{number}"
