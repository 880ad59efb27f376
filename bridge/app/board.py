"""What the retained topics say right now: results, leaderboards, announcers, last crossings.

`result`, `leaderboard` and `announcer` of an event are told only by the box that serves its
finish. An announcer's location may be a mat of another site: it is told by the box that serves
the finish of the first configured event whose course has that location.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from heapq import nlargest
from itertools import islice
from typing import NamedTuple, Protocol

import orjson

from bridge.app import payloads
from bridge.app.ports import CrossingRow, Notes
from bridge.app.standings import Totals
from bridge.domain.entrants import Entrant, RegistrationId
from bridge.domain.reads import NS_PER_MS
from bridge.domain.results import RemoteCrossing, Result, State, Status
from bridge.domain.rules import EventId, EventRules, Rules

BEST = 50
"""Rows of a leaderboard."""
LATEST = 20
"""Runners of an announcer."""
KEPT = 3 * LATEST
"""Crossings kept per location: some are of one runner, some are withdrawn later. Twice as many are
let in before the older half is dropped."""
RUNS_NOTE = "board.runs"
REVISIONS_PER_RUN = 1_000_000_000


class RaceView(Protocol):
    """The results as they may be told."""

    def result(self, registration_id: RegistrationId) -> Result | None:
        """Return a runner's result, or None before the first counted fact."""
        ...

    def results(self, event_id: EventId) -> Sequence[Result]:
        """Return an event's results: finishers in order of place, then the others."""
        ...

    def totals(self, event_id: EventId) -> Totals:
        """Count who started, who is still out and who is in."""
        ...


Owner = Callable[[str, str], RegistrationId | None]
"""(chip, location) -> whose it is, or None."""
Roster = Callable[[], Mapping[RegistrationId, Entrant]]


class _Seen(NamedTuple):
    at: int
    chip: str
    owner: RegistrationId | None
    payload: bytes | None
    """As published by this site; None for a crossing of another site, whose owner and worth are
    found when it is told."""


class _Told(NamedTuple):
    digest: int
    revision: int


async def next_run(notes: Notes) -> int:
    """Count this start of the bridge; revisions of results grow over restarts by it."""
    run = int(notes.get(RUNS_NOTE) or 0) + 1
    await notes.put(RUNS_NOTE, str(run))
    return run


class Board:
    """Renders the retained topics of this box; implements the feed's `Content`."""

    def __init__(
        self,
        *,
        rules: Rules,
        race: RaceView,
        roster: Roster,
        owner: Owner,
        zone: tzinfo,
        own: Mapping[str, Callable[[], bytes]],
        run: int,
    ) -> None:
        """Begin with nothing seen.

        Args:
            rules: The race as configured.
            race: The results as they may be told.
            roster: The participants as they are now.
            owner: Whose a chip is.
            zone: Zone of texts for people.
            own: Key -> renderer of what this box tells of itself: health, readers.
            run: From `next_run`.
        """
        self._race = race
        self._roster = roster
        self._owner = owner
        self.zone = zone
        """May be set anew once the race's zone becomes known."""
        self._own = own
        self._revision = run * REVISIONS_PER_RUN
        self._told: dict[RegistrationId, _Told] = {}
        self._events = {e.id: e for e in rules.events}
        self._finishes = {e.id: e for e in rules.events if e.finish in rules.served}
        self._announced = _announced(rules, self._finishes)
        self._served = rules.served
        self._seen: dict[str, dict[str, _Seen]] = {}

    def keys(self, *, sweep: bool) -> Iterator[str]:
        """Yield every key there is something to say about.

        With `sweep` every participant's, so that what an earlier run left behind is cleared.
        """
        yield from list(self._own)
        for location in sorted(self._served):
            if self._last(location):
                yield f"crossing/{location}/last"
        for event_id in self._finishes:
            yield leaderboard_key(event_id)
        for location in self._announced:
            yield announcer_key(location)
        for event_id in self._finishes:
            for result in list(self._race.results(event_id)):
                yield result_key(event_id, result.registration_id)
        if sweep:
            for entrant in list(self._roster().values()):
                known = self._race.result(entrant.registration_id)
                if entrant.event_id in self._finishes and known is None:
                    yield result_key(entrant.event_id, entrant.registration_id)

    def heartbeat(self) -> Iterable[str]:
        """Return what this box tells of itself."""
        return self._own

    def render(self, key: str) -> bytes | None:
        """Return the newest content of a topic; b"" clears it, None: not ours to say."""
        own = self._own.get(key)
        if own is not None:
            return own()
        match key.split("/"):
            case ["result", event, registration] if event.isdecimal() and registration.isdecimal():
                return self._result(EventId(int(event)), RegistrationId(int(registration)))
            case ["leaderboard", event] if event.isdecimal():
                return self._leaderboard(EventId(int(event)))
            case ["announcer", location]:
                return self._announcer(location)
            case ["crossing", location, "last"]:
                return self._last(location)
            case _:
                return None

    def observe(self, rows: Sequence[CrossingRow]) -> set[str]:
        """Take own crossings in, in the order published; return the keys they changed."""
        touched: set[str] = set()
        for row in rows:
            message = orjson.loads(row.payload)
            counts = message["reason"] == State.USED.value
            at = message["at_ms"]
            if at is None:
                continue
            seen = _Seen(
                at * NS_PER_MS + message["at_sub_ns"],
                message["chip"],
                message["registration_id"] if counts else None,
                row.payload,
            )
            self._note(row.location, message["id"], seen, message["state"] == "withdrawn")
            touched.add(row.location)
        return {key for location in touched for key in self._keys_of(location)}

    def observe_remote(self, crossings: Iterable[RemoteCrossing]) -> set[str]:
        """Take crossings of other sites in; return the keys they changed."""
        touched: set[str] = set()
        for crossing in crossings:
            if crossing.location in self._announced:
                seen = _Seen(crossing.at, crossing.chip, None, None)
                self._note(crossing.location, crossing.id, seen, crossing.withdrawn)
                touched.add(crossing.location)
        return {announcer_key(location) for location in touched}

    def touched_by(self, results: Iterable[Result]) -> set[str]:
        """Return the keys that changed or withdrawn results concern."""
        keys: set[str] = set()
        for result in results:
            if result.event_id in self._finishes:
                keys.add(result_key(result.event_id, result.registration_id))
                keys.add(leaderboard_key(result.event_id))
                keys.update(
                    announcer_key(point.location)
                    for point in self._finishes[result.event_id].course
                    if point.location in self._announced
                )
        return keys

    def _keys_of(self, location: str) -> Iterator[str]:
        yield f"crossing/{location}/last"
        if location in self._announced:
            yield announcer_key(location)

    def _note(self, location: str, crossing_id: str, seen: _Seen, withdrawn: bool) -> None:  # noqa: FBT001
        kept = self._seen.setdefault(location, {})
        if withdrawn:
            kept.pop(crossing_id, None)
            return
        kept[crossing_id] = seen
        if len(kept) > 2 * KEPT:
            newest = nlargest(KEPT, kept.items(), key=lambda known: known[1].at)
            self._seen[location] = dict(newest)

    def _last(self, location: str) -> bytes | None:
        """Return the message of the latest crossing by time, not of the latest revision."""
        if location not in self._served:
            return None
        own = [seen for seen in self._seen.get(location, {}).values() if seen.payload is not None]
        return max(own, key=lambda seen: seen.at).payload if own else b""

    def _fields(self, result: Result, event: EventRules) -> dict[str, object]:
        """Return a result's fields; the revision grows when anything else in them changes."""
        entrant = self._roster().get(result.registration_id)
        fields = payloads.result_fields(result, entrant, event, 0)
        digest = hash(payloads.result(fields))
        told = self._told.get(result.registration_id)
        if told is None or told.digest != digest:
            self._revision += 1
            told = _Told(digest, self._revision)
            self._told[result.registration_id] = told
        fields["revision"] = told.revision
        return fields

    def _result(self, event_id: EventId, registration_id: RegistrationId) -> bytes | None:
        event = self._finishes.get(event_id)
        if event is None:
            return None
        result = self._race.result(registration_id)
        if result is None or result.event_id != event_id:
            return b""
        return payloads.result(self._fields(result, event))

    def _leaderboard(self, event_id: EventId) -> bytes | None:
        event = self._finishes.get(event_id)
        if event is None:
            return None
        best = islice(self._race.results(event_id), BEST)
        rows = [self._fields(result, event) for result in best]
        return payloads.leaderboard(event, rows, self._race.totals(event_id))

    def _announcer(self, location: str) -> bytes | None:
        if location not in self._announced:
            return None
        newest = sorted(self._seen.get(location, {}).values(), key=lambda s: s.at, reverse=True)
        rows: dict[RegistrationId, payloads.Announced] = {}
        for seen in newest:
            owner = seen.owner if seen.payload else self._owner(seen.chip, location)
            if owner is not None and owner not in rows:
                row = self._announce(location, seen.at, owner)
                if row is not None and (seen.payload or row.clock_ns is not None):
                    rows[owner] = row
            if len(rows) == LATEST:
                break
        return payloads.announcer(location, list(rows.values()), self._events, self.zone)

    def _announce(self, location: str, at: int, owner: RegistrationId) -> payloads.Announced | None:
        entrant = self._roster().get(owner)
        if entrant is None or entrant.event_id not in self._events:
            return None
        result = self._race.result(owner)
        clock_ns, chip_ns = _times(result, location, self._events[entrant.event_id])
        return payloads.Announced(
            registration_id=owner,
            event_id=entrant.event_id,
            bib=entrant.bib,
            name=entrant.name,
            at_ns=at,
            status=result.status.value if result else None,
            clock_ns=clock_ns,
            chip_ns=chip_ns,
            place=result.place if result else None,
        )


def result_key(event_id: int, registration_id: int) -> str:
    """Return the key of a result."""
    return f"result/{event_id}/{registration_id}"


def leaderboard_key(event_id: int) -> str:
    """Return the key of a leaderboard."""
    return f"leaderboard/{event_id}"


def announcer_key(location: str) -> str:
    """Return the key of an announcer."""
    return f"announcer/{location}"


def _announced(rules: Rules, finishes: Mapping[EventId, EventRules]) -> frozenset[str]:
    """Return the locations whose announcer this box tells."""
    first: dict[str, EventId] = {}
    for event in rules.events:
        for point in event.course:
            first.setdefault(point.location, event.id)
    return frozenset(location for location, event_id in first.items() if event_id in finishes)


def _times(
    result: Result | None, location: str, event: EventRules
) -> tuple[int | None, int | None]:
    """Return clock and chip time of a runner at a location: the newest there in a lap race."""
    if result is None:
        return None, None
    if location == event.finish and result.status is Status.FINISHED:
        return result.clock_ns, result.chip_ns
    for split in reversed(result.splits):
        if split.location == location:
            return split.clock_ns, split.chip_ns
    return None, None
