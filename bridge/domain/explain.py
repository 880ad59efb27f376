"""Why each read and crossing ended as it did, in words (timing rule 7)."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from bridge.domain.crossings import Sighting
from bridge.domain.passings import Passing, Verdict
from bridge.domain.results import ReadState, State, TimedRead
from bridge.domain.rules import LocationRules
from bridge.domain.times import seconds_text

WHOLE_PASSING: Final = frozenset(
    {
        State.BEFORE_START,
        State.IGNORED,
        State.UNKNOWN_CHIP,
        State.AMBIGUOUS_CHIP,
        State.WRONG_EVENT,
    }
)
"""Verdicts that hold for every read of a passing, not only for the deciding one."""


def read_states(passing: Passing, verdict: Verdict, rules: LocationRules) -> Iterator[ReadState]:
    """Return the state of every distinct read of a passing whose sightings are known."""
    for seen in passing.sightings:
        state, reason = _state(seen, passing, verdict, rules)
        yield ReadState(seen.read, passing.location, state, reason)


def _state(
    seen: Sighting, passing: Passing, verdict: Verdict, rules: LocationRules
) -> tuple[State, str]:
    if verdict.state in WHOLE_PASSING:
        return verdict.state, verdict.why
    if seen.read.id == passing.by_id:
        return verdict.state, verdict.why
    if passing.stray:
        stay = seconds_text(passing.last_at - passing.first_at)
        limit = seconds_text(rules.stray_ns)
        return State.STRAY, f"a chip that stayed {stay}, more than {limit}: one crossing is enough"
    if seen.priority != passing.priority:
        rank = f"{seen.read.reader} has priority {seen.priority}"
        return State.OUTRANKED, f"{rank}; {passing.reader} with {passing.priority} saw the passing"
    gap = seconds_text(seen.at - passing.at)
    return State.SAME_PASSING, f"{gap} from the crossing ({passing.method.value})"


def repeats(sightings: Sequence[Sighting], location: str) -> Iterator[ReadState]:
    """Return the state of records that only repeat a read."""
    for seen in sightings:
        reason = f"{seen.read.reader} reported this same read more than once"
        yield ReadState(seen.read, location, State.DUPLICATE, reason)


def bad_clocks(reads: Iterable[TimedRead], location: str) -> Iterator[ReadState]:
    """Return the state of reads whose reader's clock cannot be believed."""
    for read in reads:
        reason = f"the clock of {read.reader} cannot be believed here"
        yield ReadState(read, location, State.BAD_CLOCK, reason)


def tally(passing: Passing, verdict: Verdict) -> dict[State, int]:
    """Count the distinct reads of a passing by state: what `read_states` would give."""
    if not passing.reads:
        return {}
    if verdict.state in WHOLE_PASSING:
        return {verdict.state: passing.reads}
    counts = {verdict.state: 1}
    rest = passing.reads - 1
    if passing.stray:
        parts = {State.STRAY: rest}
    else:
        parts = {
            State.OUTRANKED: passing.outranked,
            State.SAME_PASSING: rest - passing.outranked,
        }
    for state, count in parts.items():
        if count:
            counts[state] = counts.get(state, 0) + count
    return counts
