"""The race as it runs: equal to `pure.compute` after any order of arrival (timing rule 2)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from bridge.domain.collapse import Collapsed
from bridge.domain.course import USED, Walk
from bridge.domain.entrants import Entrant, NoOwner, RegistrationId
from bridge.domain.explain import tally
from bridge.domain.judging import (
    Owner,
    Runner,
    crossing_of,
    hand_entered,
    judge,
    result_of,
    runner_of,
)
from bridge.domain.ledger import Changes, Ledger, Phase
from bridge.domain.live import CLOSED, Live
from bridge.domain.marks import Mark
from bridge.domain.passings import sighting
from bridge.domain.places import Ranking, Totals
from bridge.domain.pure import explain, location_rules
from bridge.domain.results import Crossing, ReadState, RemoteCrossing, Result, State, TimedRead
from bridge.domain.roster import Roster
from bridge.domain.rules import EventId, Rules
from bridge.domain.track import Books, Track
from bridge.domain.tracks import History, Tracks

__all__ = ["Changes", "History", "Phase", "Race"]

_KEPT_UNUSED: Final = 1
"""Closed passings without effect kept per owner and location; older ones become counts."""
_SLICE: Final = 10_000


class Race:
    """Keeps crossings, results and places up to date while facts arrive in any order.

    Facts are only noted by the `fold` and `set` calls; owners they touch are judged when somebody
    asks. A record is known by its `TimedRead.id`; one given again changes nothing. Records of one
    reader with the same identity must have the same `at`, except under the clock policy
    ``arrival`` and for reads without a stamp.
    """

    def __init__(self, rules: Rules, history: History) -> None:
        """`history` is asked where the summaries kept in memory cannot answer exactly."""
        self._rules = rules
        self._history = history
        self._given: Mapping[RegistrationId, Entrant] = {}
        self._marks: Sequence[Mark] = ()
        self._roster = Roster(rules, {}, ())
        self._tracks = Tracks(rules, history, self._roster)
        self._ledger = Ledger(rules.site)
        self._rankings = {event.id: Ranking(event) for event in rules.events}
        self._lost: list[tuple[Collapsed, list[int]]] = []

    # What happened

    def fold(self, reads: Sequence[TimedRead]) -> None:
        """Take reads in."""
        self._tracks.fold(reads)

    def fold_remote(self, crossings: Iterable[RemoteCrossing]) -> None:
        """Take other sites' crossings in: of each the newest revision known."""
        self._tracks.fold_remote(crossings)

    def advance(self, now: Mapping[str, int]) -> None:
        """Let time pass: `now` is the corrected UTC ns of each reader's clock.

        A passing is final once the clock of the reader that decided it is more than `quiet_ns`
        past its newest read.
        """
        self._tracks.advance(now)

    def next_deadline(self) -> int | None:
        """Return the corrected UTC ns at which `advance` may next change something, or None."""
        return self._tracks.next_deadline()

    def set_entrants(self, entrants: Mapping[RegistrationId, Entrant]) -> None:
        """Take the participants as they are now; the mapping must not change afterwards."""
        if entrants != self._given:
            self._given = entrants
            self._apply()

    def set_marks(self, marks: Sequence[Mark]) -> None:
        """Take all marks as they are now, undone ones included."""
        if list(marks) != list(self._marks):
            self._marks = list(marks)
            self._apply()

    def rebuild(self, reads: Iterable[TimedRead]) -> None:
        """Start from all reads anew, for example after their times were revised."""
        told = self._tracks.restart()
        given = iter(reads)
        while part := list(islice(given, _SLICE)):
            self._tracks.fold(part)
        for books in list(self._tracks.books.values()):
            for passing in books.passings():
                owner, was = told.get(passing.number, (None, None))
                if owner is books and was is not None and passing.mark is None:
                    passing.shown, passing.final = was.shown, was.final or passing.final
                    passing.until = CLOSED if passing.final else passing.until
                    del told[passing.number]
            self._tracks.touch(books)
        self._tracks.vanished += told.values()

    def _apply(self) -> None:
        """Take entrants and marks over; touch only owners for whom that makes a difference."""
        old = self._roster
        new = self._roster = Roster(self._rules, self._given, self._marks, old.courses)
        self._tracks.roster = new
        for registration in new.facts:
            self._tracks.books.setdefault(registration, Books(registration, None))
        if old.entrants is not new.entrants:
            self._tracks.reroute(_differing(old.entrants, new.entrants))
        changed: list[tuple[Books, Runner | None]] = []
        for key, books in self._tracks.books.items():
            runner = None if isinstance(key, str) else runner_of(new, key)
            if runner != books.runner:
                changed.append((books, runner))
        for books, runner in changed:
            self._move(books, runner)
        self._tracks.refresh()
        self._withdraw_vanished()
        for books, runner in changed:
            self._take_over(books, runner)

    def _move(self, books: Books, runner: Runner | None) -> None:
        """Make passings anew where T0 now falls elsewhere among them."""
        t0 = None if runner is None else runner.t0
        moved = any(not track.keeps(t0) for track in books.tracks.values() if track.t0 != t0)
        if moved or books.collapsed_until() is not None:
            self._tracks.renew(books)
        self._tracks.touch(books)

    def _take_over(self, books: Books, runner: Runner | None) -> None:
        old = {passing.number: passing for passing in books.hands}
        hands = [] if runner is None else hand_entered(runner, Live)
        for passing in hands:
            was = old.pop(passing.number, None)
            passing.final = True
            passing.shown = None if was is None else was.shown
        self._tracks.vanished += [(books, was) for was in old.values() if was.shown is not None]
        self._withdraw_vanished()
        books.runner, books.hands, books.walk = runner, tuple(hands), None

    # What follows from it

    def take(self) -> Changes:
        """Return everything that changed since the last time."""
        self._settle()
        results: list[Result] = []
        withdrawn: list[Result] = []
        for ranking in self._rankings.values():
            changed, gone = ranking.take()
            results += changed
            withdrawn += gone
        return Changes(self._ledger.take(), results, withdrawn)

    def result(self, registration: RegistrationId) -> Result | None:
        """Return a runner's result with its place, or None before the first counted fact."""
        self._settle()
        entrant = self._roster.entrants.get(registration)
        ranking = None if entrant is None else self._rankings.get(entrant.event_id)
        return None if ranking is None else ranking.get(registration)

    def results(self, event: EventId) -> list[Result]:
        """Return an event's results: finishers by place, then who came furthest."""
        self._settle()
        return self._rankings[event].table()

    def totals(self, event: EventId) -> Totals:
        """Count an event's runners who started, are on the course and have finished."""
        self._settle()
        return self._rankings[event].totals()

    def crossings_of(self, owner: Owner) -> list[Crossing]:
        """Return the crossings of a registration, or of a chip that is nobody's, in time order."""
        self._settle()
        books = self._tracks.books.get(owner)
        if books is None:
            return []
        if books.collapsed_until() is not None:
            self._tracks.renew(books)
            self._ledger.begin()
            self._judge_all()
        passings = sorted((p for p in books.passings() if p.ours), key=lambda p: (p.at, p.number))
        crossings = [self._crossing(books, passing) for passing in passings]
        self._settle()
        self._collapse(books)
        return crossings

    def _crossing(self, books: Books, passing: Live) -> Crossing:
        self._tracks.count(passing)
        verdict = passing.verdict or USED
        return crossing_of(self._rules.site, passing, verdict, books.runner, books.start)

    def chips_of(self, owner: Owner) -> list[str]:
        """Return every chip seen of an owner, as readers and other sites spell it."""
        books = self._tracks.books.get(owner)
        return [] if books is None else books.texts

    def why(self, owner: Owner) -> list[ReadState]:
        """Return the state of every read of an owner, asked from the history."""
        books = self._tracks.books.get(owner)
        if books is None:
            return []
        reads = self._history(books.texts) if books.texts else ()
        remotes = self._tracks.remotes_of(books)
        return explain(self._rules, self._roster, owner, reads, remotes)

    def owner(self, chip: str, location: str) -> RegistrationId | NoOwner:
        """Return whose a chip is at a location, or why it is nobody's."""
        return self._roster.owner(chip, location)

    def counts(self) -> dict[State, int]:
        """Count all reads by state; the sum is the number of reads. Looks at every passing."""
        self._settle()
        counts = dict.fromkeys(State, 0)
        for part in self._counted():
            for state, reads in part.items():
                counts[state] += reads
        return counts

    def _counted(self) -> Iterator[Mapping[State, int]]:
        yield self._tracks.unplaced
        for books in self._tracks.books.values():
            for track in books.tracks.values():
                yield {State.DUPLICATE: track.repeats}
                if track.collapsed is not None:
                    yield dict(track.collapsed.tally)
                for passing in track.passings:
                    self._tracks.count(passing)
                    yield tally(passing, passing.verdict or USED)

    # Judging and telling

    def _settle(self) -> None:
        self._ledger.begin()
        judged = self._judge_all()
        for passing in self._tracks.closed:
            # What was shown in this round was shown as final: its counts stand.
            if passing.track is not None and not self._ledger.was_shown(passing.number):
                self._show(passing.track.books, passing)
        self._tracks.closed = []
        for past, numbers in self._lost:
            self._withdraw_lost(past, numbers)
        self._lost = []
        for books in judged:
            self._collapse(books)

    def _judge_all(self) -> dict[Books, None]:
        judged: dict[Books, None] = {}
        tracks = self._tracks
        tracks.refresh()
        while tracks.dirty:
            self._withdraw_vanished()
            dirty, tracks.dirty = tracks.dirty, {}
            for books in dirty:
                self._judge(books)
            judged.update(dirty)
            tracks.refresh()
        return judged

    def _judge(self, books: Books) -> None:
        since, books.changed_from = books.changed_from, None
        news, books.news = books.news, None
        if books.walk is not None and news is not None and books.walk.goes_on(news):
            self._judge_next(books, books.walk, news)
        elif books.runner is None:
            self._judge_unowned(books, news)
        else:
            self._judge_runner(books, books.runner, since)

    def _judge_next(self, books: Books, walked: Walk, passing: Live) -> None:
        """Judge one more passing where that is all there is to do."""
        passing.verdict = walked.judge(passing)
        if passing.ours:
            self._show(books, passing)
        if passing.verdict.state is State.USED:
            self._tell_result(books, walked)

    def _judge_unowned(self, books: Books, news: Live | None) -> None:
        track = None if news is None else news.track
        if news is not None and track is not None and books.told is None and track.past is None:
            news.verdict = track.nobody or USED
            self._show(books, news)
            return
        for track in books.tracks.values():
            for passing in track.passings:
                if passing.verdict is not track.nobody:
                    passing.verdict, passing.settled = track.nobody or USED, False
        self._tell(books, None)

    def _judge_runner(self, books: Books, runner: Runner, since: int | None) -> None:
        ordered, verdicts, walked = judge(books.passings(), runner)
        until = books.collapsed_until()
        if until is not None and (since is None or since <= until or walked.start != books.start):
            self._tracks.renew(books)
            return
        books.start = walked.start
        # An ignore mark means the nearest crossing, which may be one that is yet to come.
        books.walk = None if runner.facts.ignores else walked
        for passing, verdict in zip(ordered, verdicts, strict=True):
            if passing.verdict != verdict:
                passing.verdict, passing.settled = verdict, False
        self._tell(books, walked)

    def _tell(self, books: Books, walked: Walk | None) -> None:
        for track in books.tracks.values():
            past = track.past
            if past is not None:
                lost = self._ledger.recall(track, books.runner, books.start)
                if lost:
                    self._lost.append((past, lost))
                track.past = None
        frame = (books.runner, books.start)
        moved, books.frame = books.frame != frame, frame
        for passing in books.passings():
            if passing.ours and (moved or not passing.settled):
                self._show(books, passing)
        self._tell_result(books, walked)
        if books.runner is None and not books.texts and not books.hands:
            self._tracks.books.pop(books.key, None)

    def _show(self, books: Books, passing: Live) -> None:
        if passing.verdict is None:
            return
        if passing.final:
            self._tracks.count(passing)
            passing.settled = not passing.young
        self._ledger.show(passing, passing.verdict, books.runner, books.start)

    def _tell_result(self, books: Books, walked: Walk | None) -> None:
        runner = books.runner
        if isinstance(books.key, str):
            return
        made_of = None
        if runner is not None and walked is not None:
            standing = (tuple(walked.reached), walked.start, walked.start_read, walked.seen)
            made_of = (standing, runner.t0, runner.facts.status, runner.event_id)
        if made_of == books.told:
            return
        result = None
        if runner is not None and walked is not None:
            result = result_of(runner, walked)
        event = None if result is None else result.event_id
        if books.event_told is not None and books.event_told != event:
            self._rankings[books.event_told].drop(books.key)
        if result is not None:
            self._rankings[result.event_id].put(result)
        books.told, books.event_told = made_of, event

    def _withdraw_vanished(self) -> None:
        for books, passing in self._tracks.vanished:
            verdict = passing.verdict or USED
            self._ledger.withdraw(passing, verdict, books.runner, books.start)
        self._tracks.vanished = []

    def _withdraw_lost(self, past: Collapsed, numbers: Sequence[int]) -> None:
        """Withdraw collapsed crossings that did not come back, under no other owner either."""
        gone = {number for number in numbers if not self._ledger.was_shown(number)}
        if not gone:
            return
        for read in self._history(list(past.chips)):
            if read.id in gone:
                gone.remove(read.id)
                reader = self._rules.readers[read.reader]
                place = location_rules(self._rules, reader.location)
                self._ledger.withdraw(Live(place, (sighting(read, reader),)), USED, None, None)

    def _collapse(self, books: Books) -> None:
        """Drop old passings that count for nothing and were told as final."""
        for track in books.tracks.values():
            passings = track.passings
            if not passings or len(passings) - passings[-1].young <= _KEPT_UNUSED:
                continue
            idle = [p for p in passings if not p.young and _idle(p)]
            for passing in idle[:-_KEPT_UNUSED]:
                _drop(track, passing)


def _idle(passing: Live) -> bool:
    """Return whether a passing that no longer knows its reads has nothing more to say."""
    told = passing.final and passing.shown is not None
    counts = passing.verdict is None or passing.verdict.state is State.USED
    return told and passing.ours and not passing.remotes and not counts


def _drop(track: Track, passing: Live) -> None:
    collapsed = track.collapsed
    if collapsed is None:
        collapsed = track.collapsed = Collapsed()
    if passing.verdict is not None and passing.shown is not None:
        collapsed.add(passing.number, track.texts, passing.shown, passing.last_at)
        collapsed.enter(tally(passing, passing.verdict))
        track.passings.remove(passing)
        passing.track = None


def _differing(
    old: Mapping[RegistrationId, Entrant], new: Mapping[RegistrationId, Entrant]
) -> Iterator[Entrant]:
    """Yield both forms of every entrant whose chips may lead elsewhere now."""
    for registration in {**old, **new}:
        was, now = old.get(registration), new.get(registration)
        if was is not now and (was is None or now is None or _route(was) != _route(now)):
            yield from (entrant for entrant in (was, now) if entrant is not None)


def _route(entrant: Entrant) -> tuple[EventId, int | None, tuple[str, ...]]:
    return entrant.event_id, entrant.bib, entrant.chips
