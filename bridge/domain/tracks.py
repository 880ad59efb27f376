"""Which passings exist: reads and other sites' crossings on their way to their owners."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from itertools import count, islice
from typing import Final

from bridge.domain.entrants import Entrant, NoOwner, chip_key
from bridge.domain.judging import Owner, runner_of, unowned
from bridge.domain.live import CLOSED, YOUNG_NS, Live
from bridge.domain.marked import Marked
from bridge.domain.passings import distinct, form, sighting
from bridge.domain.pure import BAD_CLOCK_AT, location_rules
from bridge.domain.results import RemoteCrossing, State, TimedRead
from bridge.domain.roster import Roster
from bridge.domain.rules import Rules
from bridge.domain.track import Books, Change, Lane, Place, Track

History = Callable[[Sequence[str]], Iterable[TimedRead]]
"""Exact chips -> all their reads so far, those being folded included, in any order."""

_ASK_AT_ONCE: Final = 200
"""Owners per question to the history: bounds what is in memory at once."""


class Tracks:
    """Every owner's tracks, and what about them still has to be judged."""

    def __init__(self, rules: Rules, history: History, roster: Roster) -> None:
        self._rules = rules
        self._history = history
        self.roster = roster
        self.books: dict[Owner, Books] = {}
        self._places: dict[str, Place] = {}
        self._lanes = {r.name: Lane(r, self._place(r.location)) for r in rules.readers.values()}
        self._swift = {n: lane for n, lane in self._lanes.items() if lane.past is None}
        self._spellings: dict[str, tuple[str, ...]] = {}
        self._remote: dict[tuple[str, str], RemoteCrossing] = {}
        self._serial = count()
        self._aside = Marked()
        self.unplaced: dict[State, int] = {State.BAD_CLOCK: 0, State.WRONG_EVENT: 0}
        """Reads that enter nothing."""
        self._stale: dict[Books, None] = {}
        self.dirty: dict[Books, None] = {}
        """Owners to be judged again."""
        self.closed: list[Live] = []
        """Passings that became final since somebody looked."""
        self.vanished: list[tuple[Books, Live]] = []
        """Passings that were told of and no longer exist."""

    def _place(self, location: str) -> Place:
        place = self._places.get(location)
        if place is None:
            place = self._places[location] = Place(location_rules(self._rules, location))
        return place

    def fold(self, reads: Sequence[TimedRead]) -> None:
        """Take reads in, in whatever order, known ones too.

        Nearly every live read extends the open passing of its chip and changes no time: that case
        is all this loop does. Everything else goes through `_admit`.
        """
        swift = self._swift
        for read in reads:
            number, at, chip, reader, _, _, identity = read
            lane = swift.get(reader)
            if lane is not None:
                passing = lane.open.get(chip)
                if passing is not None:
                    at -= lane.offset_ns
                    if passing.last_at < at <= passing.until and number > passing.number:
                        known = passing.seen.get(reader)
                        if known is not None and known.setdefault(identity, read) is read:
                            passing.last_at = at
                            passing.until = at + lane.quiet_ns
                            continue
            self._admit(read)
        self.refresh()
        for lane in self._lanes.values():
            self._turn(lane, lane.newest)

    def _admit(self, read: TimedRead) -> None:
        lane = self._lanes.get(read.reader)
        if lane is None or read.at == BAD_CLOCK_AT:
            if self._aside.add(read.id):
                self.unplaced[State.WRONG_EVENT if lane is None else State.BAD_CLOCK] += 1
            return
        track = lane.place.tracks.get(read.chip) or self._route(lane.place, read.chip)
        if track.books in self._stale:
            return
        repeats = lane.may_repeat(read)
        if lane.past is not None:
            self._swift.pop(lane.reader, None)
        change = Change.STALE if repeats else track.admit(read, lane, self._rules.readers)
        match change:
            case Change.STALE:
                self.renew(track.books)
            case Change.CHANGED:
                newest = track.passings[-1]
                self._queue(newest)
                self.touch(track.books, newest.first_at, newest)
            case Change.REPEATED:
                track.repeats += self._aside.add(read.id)
            case Change.NONE:
                pass

    def touch(self, books: Books, since: int = 0, news: Live | None = None) -> None:
        """Have an owner judged again: nothing earlier than `since` is new.

        The last judgement can go on if a single passing, not yet judged, is all that is new.
        """
        alone = books not in self.dirty or books.news is news
        if news is None or news.verdict is not None or not alone:
            books.walk = news = None
        books.news = news
        self.dirty[books] = None
        before = books.changed_from
        books.changed_from = since if before is None else min(before, since)

    def renew(self, books: Books) -> None:
        """Have an owner's passings made anew from the journal."""
        self._stale[books] = None

    def books_of(self, owner: Owner) -> Books:
        """Return an owner's books, opening them if need be."""
        books = self.books.get(owner)
        if books is None:
            runner = None if isinstance(owner, str) else runner_of(self.roster, owner)
            books = self.books[owner] = Books(owner, runner)
        return books

    def _route(self, place: Place, text: str) -> Track:
        """Lead a chip to its owner's track here."""
        owner = self.roster.owner(text, place.name)
        nobody = unowned(owner) if isinstance(owner, NoOwner) else None
        books = self.books_of(text if isinstance(owner, NoOwner) else owner)
        track = books.tracks.get(place.name)
        if track is None:
            track = books.tracks[place.name] = Track(books, place, nobody)
        track.nobody = nobody
        track.texts.append(text)
        place.tracks[text] = track
        for key in _spelling_keys(text):
            known = self._spellings.get(key, ())
            if text not in known:
                self._spellings[key] = (*known, text)
        return track

    def reroute(self, entrants: Iterable[Entrant]) -> None:
        """Lead the chips that these entrants have or had to whom they belong now."""
        keys = {key for entrant in entrants for key in _entrant_keys(entrant)}
        texts = {text: None for key in keys for text in self._spellings.get(key, ())}
        for text in texts:
            for place in self._places.values():
                track = place.tracks.get(text)
                if track is not None:
                    self._lead(track, place, text)

    def _lead(self, track: Track, place: Place, text: str) -> None:
        owner = self.roster.owner(text, place.name)
        nobody = unowned(owner) if isinstance(owner, NoOwner) else None
        key: Owner = text if isinstance(owner, NoOwner) else owner
        if track.books.key == key and track.nobody is nobody:
            return
        track.texts.remove(text)
        del place.tracks[text]
        place.open.pop(text, None)
        self.renew(track.books)
        self.renew(self._route(place, text).books)

    def refresh(self) -> None:
        """Make anew what has to be: one question to the history for many owners."""
        while self._stale:
            part = list(islice(self._stale, _ASK_AT_ONCE))
            for books in part:
                del self._stale[books]
            texts = list({text: None for books in part for text in books.texts})
            reads: dict[Track, dict[int, TimedRead]] = {}
            for read in self._history(texts) if texts else ():
                lane = self._lanes.get(read.reader)
                track = None if lane is None else lane.place.tracks.get(read.chip)
                if track is not None and read.at != BAD_CLOCK_AT:
                    reads.setdefault(track, {})[read.id] = read
            for books in part:
                for track in books.tracks.values():
                    self._remake(track, reads.get(track, {}).values())
                self.touch(books)

    def _remake(self, track: Track, reads: Iterable[TimedRead]) -> None:
        """Form a track's passings from all its reads; keep what was told of them."""
        key = track.books.key
        if not isinstance(key, str):
            runner = runner_of(self.roster, key)
            track.t0 = None if runner is None else runner.t0
        kept, repeats = distinct(sighting(r, self._rules.readers[r.reader]) for r in reads)
        for seen in (*kept, *repeats):
            self._lanes[seen.read.reader].may_repeat(seen.read)
        for seen in repeats:
            self._aside.add(seen.read.id)
        track.repeats = len(repeats)
        fresh = form(track.place.rules, kept, track.remotes(), track.t0, Live)
        self._replace(track, fresh)
        for passing in fresh:
            passing.track = track
        for passing in fresh[:-1]:
            passing.sightings, passing.final = (), True
        if fresh:
            self._resume(track, fresh[-1])

    def _replace(self, track: Track, fresh: list[Live]) -> None:
        old = {passing.number: passing for passing in track.passings if passing.ours}
        for passing in track.passings:
            passing.track, passing.until = None, CLOSED  # a chip may still lead to it
        for passing in fresh:
            was = old.pop(passing.number, None) if passing.ours else None
            if was is not None:
                passing.shown, passing.verdict, passing.final = was.shown, was.verdict, was.final
        told = [(track.books, was) for was in old.values() if was.shown is not None]
        self.vanished += told
        track.passings = fresh
        if track.collapsed is not None:
            track.past, track.collapsed = track.collapsed, None

    def _resume(self, track: Track, newest: Live) -> None:
        """Let the newest passing of a track grow again if it is young."""
        chips = {seen.read.chip for seen in newest.sightings}
        lane = self._lanes.get(newest.reader)
        if lane is None or newest.last_at + YOUNG_NS > lane.newest:
            newest.remember()
            self._queue(newest)
            track.warm(newest)
            track.place.open.update(dict.fromkeys(chips, newest))
        else:
            newest.sightings, newest.final = (), True

    def fold_remote(self, crossings: Iterable[RemoteCrossing]) -> None:
        """Take the newest revision of other sites' crossings in."""
        for crossing in crossings:
            key = (crossing.site, crossing.id)
            old = self._remote.get(key)
            if crossing.site == self._rules.site or old == crossing:
                continue
            if old is not None:
                del self._remote[key]
                place = self._place(old.location)
                del place.remotes[old.chip][key]
                self._renew_track(place.tracks[old.chip])
            if not crossing.withdrawn:
                self._remote[key] = crossing
                self._link(key, crossing)
        self.refresh()

    def _link(self, key: tuple[str, str], crossing: RemoteCrossing) -> None:
        place = self._place(crossing.location)
        place.remotes.setdefault(crossing.chip, {})[key] = crossing
        track = place.tracks.get(crossing.chip) or self._route(place, crossing.chip)
        if track.nobody is not None or track.books in self._stale:
            return
        if track.attach(crossing, self._rules.readers) is Change.STALE:
            self._renew_track(track)
        else:
            self.touch(track.books, crossing.at - track.place.rules.stray_ns)

    def _renew_track(self, track: Track) -> None:
        """Make a track anew, without the journal where no reader of ours ever looked."""
        if track.place.name in self._rules.served:
            self.renew(track.books)
        else:
            self._remake(track, ())
            self.touch(track.books)

    def remotes_of(self, books: Books) -> list[RemoteCrossing]:
        """Return other sites' crossings of an owner."""
        return [crossing for track in books.tracks.values() for crossing in track.remotes()]

    def _queue(self, passing: Live) -> None:
        lane = self._lanes.get(passing.reader)
        if not passing.queued and lane is not None:
            passing.queued = True
            self._push(lane, passing.last_at + lane.quiet_ns, passing)

    def _push(self, lane: Lane, due: int, passing: Live) -> None:
        heappush(lane.closing, (due, next(self._serial), passing))

    def advance(self, now: Mapping[str, int]) -> None:
        """Close passings whose reader's time is past their quiet."""
        late = [(ln, now[ln.reader]) for ln in self._lanes.values() if ln.reader in now]
        # A passing may change to a better reader's heap, so one round is not enough.
        while [turn for turn in late if _due(*turn)]:
            for lane, at in late:
                self._turn(lane, at)

    def next_deadline(self) -> int | None:
        """Return when `advance` may next have something to do, in corrected UTC ns."""
        return min((ln.closing[0][0] for ln in self._lanes.values() if ln.closing), default=None)

    def _turn(self, lane: Lane, now: int) -> None:
        closing, resting = lane.closing, lane.resting
        while closing and closing[0][0] < now:
            passing = heappop(closing)[2]
            if passing.track is not None and passing.young:
                self._close(passing, lane, now)
        while resting and resting[0][0] < now:
            passing = heappop(resting)[2]
            if passing.track is not None and passing.young:
                self._retire(passing, lane, now)

    def _close(self, passing: Live, lane: Lane, now: int) -> None:
        """Finish a passing; later if it grew meanwhile."""
        home = lane if passing.reader == lane.reader else self._lanes.get(passing.reader, lane)
        due = passing.last_at + lane.quiet_ns
        if home is lane and (passing.final or due < now):
            if not passing.final:
                passing.final, passing.until = True, CLOSED
                self.closed.append(passing)
            self._rest(lane, passing)
            return
        self._prune(passing, home)
        self._push(home, due, passing)

    def _rest(self, lane: Lane, passing: Live) -> None:
        heappush(lane.resting, (passing.last_at + YOUNG_NS, next(self._serial), passing))

    def _retire(self, passing: Live, lane: Lane, now: int) -> None:
        """Let a final passing forget its reads; later if it grew meanwhile."""
        if passing.last_at + YOUNG_NS < now:
            passing.retire(self._rules.readers, lane.place.rules.stray_ns)
            return
        self._prune(passing, lane)
        self._rest(lane, passing)

    def _prune(self, passing: Live, lane: Lane) -> None:
        """Let a chip that is parked forget its older reads."""
        parked_ns = passing.last_at - max(passing.first_at, passing.known_from)
        stray = passing.last_at - passing.first_at > lane.place.rules.stray_ns
        if stray and parked_ns > 2 * YOUNG_NS:
            passing.prune(self._rules.readers, passing.last_at - YOUNG_NS)

    def count(self, passing: Live) -> None:
        """Bring a passing's counts up to date."""
        passing.count(self._rules.readers, location_rules(self._rules, passing.location).stray_ns)

    def restart(self) -> dict[int, tuple[Books, Live]]:
        """Forget all reads, for `Race.rebuild`; return what was told, by number."""
        told: dict[int, tuple[Books, Live]] = {}
        for books in self.books.values():
            for track in books.tracks.values():
                told.update({p.number: (books, p) for p in track.passings if p.shown is not None})
                track.past = track.past or track.collapsed
                track.passings, track.collapsed = [], None
        for place in self._places.values():
            place.open.clear()
        for lane in self._lanes.values():
            lane.closing.clear()
            lane.resting.clear()
            lane.newest = -1
            if lane.past is not None:
                lane.past.clear()
        self._aside = Marked()
        self.unplaced = dict.fromkeys(self.unplaced, 0)
        self.closed = []
        for books in self.books.values():
            for track in books.tracks.values():
                self._remake(track, ())
            self.touch(books)
        return told


def _due(lane: Lane, now: int) -> bool:
    return bool(lane.closing) and lane.closing[0][0] < now


def _spelling_keys(text: str) -> Iterator[str]:
    """Yield under what a chip may be meant: as `ChipTable.candidates` looks for it."""
    key = chip_key(text)
    yield key
    base, at, _ = key.partition("@")
    if at:
        yield base
        if base.isdecimal():
            yield _bib_key(int(base))


def _entrant_keys(entrant: Entrant) -> Iterator[str]:
    yield from (chip_key(chip) for chip in entrant.chips)
    if entrant.bib:
        yield _bib_key(entrant.bib)


def _bib_key(bib: int) -> str:
    return f"bib {bib}"
