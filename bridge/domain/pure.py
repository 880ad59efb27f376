"""Results as a pure function of everything known (timing rule 2): the reference for `race`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from bridge.domain.crossings import Sighting
from bridge.domain.entrants import Entrant, NoOwner, RegistrationId
from bridge.domain.explain import bad_clocks, read_states, repeats
from bridge.domain.judging import (
    Owner,
    crossing_of,
    hand_entered,
    judge,
    result_of,
    runner_of,
    unowned,
)
from bridge.domain.marks import Mark
from bridge.domain.passings import Passing, Verdict, distinct, form, sighting
from bridge.domain.places import ranked
from bridge.domain.reads import UtcNs
from bridge.domain.results import Crossing, ReadState, RemoteCrossing, Result, State, TimedRead
from bridge.domain.roster import Roster
from bridge.domain.rules import EventId, LocationRules, Rules

BAD_CLOCK_AT: Final = -1
"""`TimedRead.at` of a read whose clock cannot be believed."""


@dataclass(slots=True)
class Outcome:
    """Everything that follows from the input."""

    crossings: dict[str, Crossing] = field(default_factory=dict)
    results: dict[tuple[EventId, RegistrationId], Result] = field(default_factory=dict)
    read_states: list[ReadState] = field(default_factory=list)
    """Exactly one per read."""


@dataclass(slots=True)
class _Books:
    """What one owner has, by location."""

    sightings: dict[str, list[Sighting]] = field(default_factory=dict)
    remotes: dict[str, list[RemoteCrossing]] = field(default_factory=dict)


def compute(
    rules: Rules,
    reads: Iterable[TimedRead],
    entrants: Mapping[RegistrationId, Entrant],
    marks: Sequence[Mark],
    remote: Iterable[RemoteCrossing],
) -> Outcome:
    """Compute crossings, results with places, and the state of every read.

    The order of `reads` and `remote` cannot matter. A read's `id` stands for one read however
    often it is given; `remote` has the newest revision of each crossing.
    """
    roster = Roster(rules, entrants, marks)
    outcome = Outcome()
    books = _sort_out(rules, roster, reads, remote, outcome)
    for registration in roster.facts:
        books.setdefault(registration, _Books())
    for owner, book in books.items():
        if isinstance(owner, str):
            _settle_unowned(rules, roster, owner, book, outcome)
        else:
            _settle_runner(rules, roster, owner, book, outcome)
    for course in roster.courses.values():
        mine = [r for r in outcome.results.values() if r.event_id == course.event.id]
        for result in ranked(mine, course.event):
            outcome.results[result.event_id, result.registration_id] = result
    return outcome


def explain(
    rules: Rules,
    roster: Roster,
    owner: Owner,
    reads: Iterable[TimedRead],
    remote: Iterable[RemoteCrossing],
) -> list[ReadState]:
    """Return the state of one owner's reads, in order of time, for ``why``.

    `reads` are all reads of the owner's chips; those that belong to somebody else are left out.
    """
    outcome = Outcome()
    book = _sort_out(rules, roster, reads, remote, outcome).get(owner, _Books())
    unplaced, outcome.read_states = outcome.read_states, []
    for state in unplaced:
        whose = roster.owner(state.read.chip, state.location)
        if owner == (state.read.chip if isinstance(whose, NoOwner) else whose):
            outcome.read_states.append(state)
    if isinstance(owner, str):
        _settle_unowned(rules, roster, owner, book, outcome)
    else:
        _settle_runner(rules, roster, owner, book, outcome)
    return sorted(outcome.read_states, key=lambda state: (state.read.at, state.read.id))


def location_rules(rules: Rules, location: str) -> LocationRules:
    """Return a location's rules, the defaults for one that only another site has."""
    return rules.locations.get(location) or LocationRules(name=location)


def _sort_out(
    rules: Rules,
    roster: Roster,
    reads: Iterable[TimedRead],
    remote: Iterable[RemoteCrossing],
    outcome: Outcome,
) -> dict[Owner, _Books]:
    """Give reads and other sites' crossings to their owners; the rest gets its state at once."""
    books: dict[Owner, _Books] = {}
    for read in {read.id: read for read in reads}.values():
        reader = rules.readers.get(read.reader)
        if reader is None:
            reason = f"{read.reader} is not configured"
            outcome.read_states.append(ReadState(read, "", State.WRONG_EVENT, reason))
        elif read.at == BAD_CLOCK_AT:
            outcome.read_states += bad_clocks([read], reader.location)
        else:
            owner = roster.owner(read.chip, reader.location)
            book = books.setdefault(read.chip if isinstance(owner, NoOwner) else owner, _Books())
            book.sightings.setdefault(reader.location, []).append(sighting(read, reader))
    for crossing in {(crossing.site, crossing.id): crossing for crossing in remote}.values():
        owner = roster.owner(crossing.chip, crossing.location)
        if not (crossing.withdrawn or crossing.site == rules.site or isinstance(owner, NoOwner)):
            book = books.setdefault(owner, _Books())
            book.remotes.setdefault(crossing.location, []).append(crossing)
    return books


def _passings(rules: Rules, book: _Books, t0: UtcNs | None, outcome: Outcome) -> Iterator[Passing]:
    for location in sorted({*book.sightings, *book.remotes}):
        kept, again = distinct(book.sightings.get(location, ()))
        outcome.read_states += repeats(again, location)
        here = location_rules(rules, location)
        yield from form(here, kept, book.remotes.get(location, ()), t0, Passing)


def _settle_unowned(
    rules: Rules, roster: Roster, chip: str, book: _Books, outcome: Outcome
) -> None:
    for passing in _passings(rules, book, None, outcome):
        owner = roster.owner(chip, passing.location)
        if isinstance(owner, NoOwner):
            verdict = unowned(owner)
            crossing = crossing_of(rules.site, passing, verdict, None, None)
            _publish(rules, outcome, passing, verdict, crossing)


def _settle_runner(
    rules: Rules, roster: Roster, registration: RegistrationId, book: _Books, outcome: Outcome
) -> None:
    runner = runner_of(roster, registration)
    if runner is None:
        return
    passings = [*_passings(rules, book, runner.t0, outcome)]
    ordered, verdicts, walked = judge([*passings, *hand_entered(runner, Passing)], runner)
    for passing, verdict in zip(ordered, verdicts, strict=True):
        if passing.ours:
            crossing = crossing_of(rules.site, passing, verdict, runner, walked.start)
            _publish(rules, outcome, passing, verdict, crossing)
    result = result_of(runner, walked)
    if result is not None:
        outcome.results[result.event_id, registration] = replace(result, place=None)


def _publish(
    rules: Rules, outcome: Outcome, passing: Passing, verdict: Verdict, crossing: Crossing
) -> None:
    outcome.crossings[crossing.id] = crossing
    outcome.read_states += read_states(passing, verdict, location_rules(rules, passing.location))
