"""What an operator can ask and say: one implementation for command line, HTTP and MQTT.

Every operation takes and returns JSON-able dicts. What the caller did wrong is a `UsageError` or
`NotFound` whose text says what to do.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from copy import copy
from dataclasses import replace
from zoneinfo import ZoneInfo

from bridge.app.payloads import ms
from bridge.app.ports import Clock, Store
from bridge.app.request_fields import (
    exact_instant,
    flag,
    nothing_more,
    number,
    text,
    wall_time,
)
from bridge.app.standings import Standings
from bridge.app.timing import Emission, Timing
from bridge.app.zones import instant, wall_mistake
from bridge.domain.clocks import utc_text
from bridge.domain.entrants import ChipTable, Entrant, RegistrationId, chip_key
from bridge.domain.marks import Mark, MarkKind
from bridge.domain.reads import NS_PER_MS, UtcNs
from bridge.domain.results import ReadState, Result, Status
from bridge.domain.rules import EventId, EventRules, Rules
from bridge.domain.times import clock_text
from bridge.errors import NotFound, UsageError

Json = dict[str, object]
Tell = Callable[[Emission], Awaitable[None]]

_WORDS = {Status.DNF: "DNF", Status.DNS: "DNS", Status.DQ: "DQ"}


class Operations:
    """The race as an operator handles it."""

    def __init__(
        self,
        *,
        rules: Callable[[], Rules],
        zone: Callable[[], str | None],
        store: Store,
        timing: Timing,
        standings: Standings,
        clock: Clock,
        tell: Tell,
    ) -> None:
        self._rules = rules
        self._zone = zone
        self._store = store
        self._timing = timing
        self._standings = standings
        self._clock = clock
        self._tell = tell
        self.on_gun: Callable[[Mark], Awaitable[None]] = _nobody
        """Told of every gun made or undone here, so that the other boxes learn it."""
        self._entrants: dict[RegistrationId, Entrant] = {}
        self._bibs: dict[int, list[Entrant]] = {}

    def over(self, standings: Standings) -> "Operations":
        """Return the same view of other standings, for a replay."""
        other = copy(self)
        other._standings = standings  # noqa: SLF001 - our own
        return other

    # -- participants ------------------------------------------------------------------------

    @property
    def entrants(self) -> Mapping[RegistrationId, Entrant]:
        """Everybody, as last heard."""
        return self._entrants

    def entrants_by_id(self, registration_id: RegistrationId) -> Entrant | None:
        """Return who is registered under a number, or None."""
        return self._entrants.get(registration_id)

    async def entrants_changed(self) -> None:
        """Read the roster anew and let everything follow."""
        self._entrants = self._store.entrants()
        self._bibs = {}
        for entrant in self._entrants.values():
            if entrant.bib:
                self._bibs.setdefault(entrant.bib, []).append(entrant)
        await self._tell(self._timing.set_entrants(self._entrants))

    def find(self, part: str) -> list[Json]:
        """Return participants whose bib, chip or name matches."""
        wanted = part.strip().casefold()
        return [
            entrant_json(entrant)
            for entrant in sorted(self._entrants.values(), key=lambda e: (e.bib or 0, e.name))
            if wanted == str(entrant.bib)
            or wanted in entrant.name.casefold()
            or wanted in map(chip_key, entrant.chips)
        ]

    def unmatched(self) -> Json:
        """Return the chips read here that nobody owns, and the people without a chip."""
        table = ChipTable(self._entrants.values(), {})
        return {
            "chips": sorted(c for c in self._store.chips_seen() if not table.candidates(c)),
            "participants_without_chip": [
                entrant_json(e) for e in self._entrants.values() if not any(map(chip_key, e.chips))
            ],
        }

    # -- marks -------------------------------------------------------------------------------

    async def gun(self, request: Mapping[str, object], author: str) -> Json:
        """Record T0: ``{event, time?, at_ms?, wave?, undo?}``; without a time: now."""
        event = self.event(request.get("event", request.get("event_id")))
        wave = text(request, "wave")
        if wave is not None:
            self._check_wave(event, wave)
        if flag(request, "undo"):
            nothing_more(request, "undo", "time", "at_ms")
            return await self._undo(
                lambda m: m.kind is MarkKind.GUN and m.event_id == event.id and m.wave == wave,
                f"there is no gun of {event.name} to undo; the configured one is in bridge.toml",
                author,
            )
        at = self._moment(request, event) or UtcNs(self._clock.utc_ns())
        return await self.add_mark(
            self._mark(MarkKind.GUN, author, event_id=event.id, wave=wave, at=at)
        )

    async def mark(self, request: Mapping[str, object], author: str) -> Json:
        """Record a mark: ``{bib, kind, location?, time?, other_bib?, note?, undo?}``."""
        bib = number(request, "bib")
        entrants = self._of_bib(bib)
        kind = self._kind(request.get("kind"))
        if kind is not MarkKind.SWAP:
            nothing_more(request, kind.value, "other_bib")
        if kind not in {MarkKind.CROSSING, MarkKind.IGNORE}:
            nothing_more(request, kind.value, "location")
        if flag(request, "undo"):
            return await self._undo_of(bib, kind, request, author)
        mark = self._mark(kind, author, bib=bib, note=text(request, "note") or "")
        event = self.event(entrants[0].event_id)
        if kind is MarkKind.SWAP:
            return await self.add_mark(replace(mark, other_bib=self._other(bib, request)))
        if kind in {MarkKind.CROSSING, MarkKind.IGNORE}:
            location = text(request, "location") or event.finish
            places = {point.location for point in event.course}
            if location not in places:
                raise UsageError(
                    f"{event.name} has no location {location!r}; there are: {_list(places)}"
                )
            at = self._moment(request, event) or UtcNs(self._clock.utc_ns())
            return await self.add_mark(replace(mark, location=location, at=at))
        return await self.add_mark(replace(mark, at=self._moment(request, event)))

    def _other(self, bib: int, request: Mapping[str, object]) -> int:
        if request.get("other_bib") is None:
            raise UsageError(f"say with whom: the other bib, for example mark {bib} swap 13")
        other = number(request, "other_bib")
        self._of_bib(other)
        if other == bib:
            raise UsageError(f"bib {bib} cannot swap chips with itself; name the other bib")
        return other

    async def _undo_of(
        self, bib: int, kind: MarkKind, request: Mapping[str, object], author: str
    ) -> Json:
        """Take back the last mark of a kind; a location narrows it, either side of a swap fits."""
        nothing_more(request, "undo", "time", "at_ms", "note")
        location = text(request, "location")

        def fits(mark: Mark) -> bool:
            about = bib == mark.bib or (kind is MarkKind.SWAP and bib == mark.other_bib)
            return mark.kind is kind and about and location in {None, mark.location}

        return await self._undo(fits, f"bib {bib} has no {kind.value} mark to undo", author)

    def _mark(self, kind: MarkKind, author: str, **fields: object) -> Mark:
        now = UtcNs(self._clock.utc_ns())
        return Mark(id=0, kind=kind, made_at=now, author=author, **fields)  # type: ignore[arg-type]

    async def add_mark(self, mark: Mark) -> Json:
        """Record a mark and let everything follow."""
        kept = await self._store.add(mark)
        await self._tell(self._timing.set_marks(self._store.marks()))
        if kept.kind is MarkKind.GUN:
            await self.on_gun(kept)
        return {"mark": self.mark_json(kept)}

    async def _undo(self, fits: Callable[[Mark], bool], nothing: str, author: str) -> Json:
        found = [mark for mark in self._store.marks() if not mark.undone and fits(mark)]
        if not found:
            raise NotFound(nothing)
        return await self.undo_mark(found[-1], author)

    async def undo_mark(self, mark: Mark, author: str) -> Json:
        """Take a mark back and let everything follow; it stays on record as undone."""
        await self._store.undo(mark.id, author=author, made_at=UtcNs(self._clock.utc_ns()))
        await self._tell(self._timing.set_marks(self._store.marks()))
        undone = replace(mark, undone=True)
        if mark.kind is MarkKind.GUN:
            await self.on_gun(undone)
        return {"mark": self.mark_json(undone)}

    def marks(self) -> list[Json]:
        """Return every mark, oldest first."""
        return [self.mark_json(mark) for mark in self._store.marks()]

    def mark_json(self, mark: Mark) -> Json:
        """Return a mark for people and programs."""
        out: Json = {
            "id": mark.id,
            "kind": mark.kind.value,
            "author": mark.author,
            "made_at": self.text(mark.made_at),
            "undone": mark.undone,
        }
        optional: Json = {
            "event_id": mark.event_id,
            "event": None if mark.event_id is None else self._name_of(mark.event_id),
            "wave": mark.wave,
            "bib": mark.bib,
            "other_bib": mark.other_bib,
            "location": mark.location,
            "note": mark.note or None,
        }
        out |= {name: value for name, value in optional.items() if value is not None}
        if mark.at is not None:
            out |= {"at": self.text(mark.at), "at_ms": mark.at // NS_PER_MS}
        return out

    def _name_of(self, event_id: EventId) -> str | None:
        return next((e.name for e in self._rules().events if e.id == event_id), None)

    # -- results -----------------------------------------------------------------------------

    def results(self, wanted: object = None) -> list[Json]:
        """Return the results of one event, or of all."""
        events = self._rules().events if wanted is None else (self.event(wanted),)
        return [
            {
                "event_id": event.id,
                "event": event.name,
                "totals": _totals(self._standings, event.id),
                "rows": [self.result_json(r, event) for r in self._standings.results(event.id)],
            }
            for event in events
        ]

    def result_json(self, result: Result, event: EventRules) -> Json:
        """Return a result with raw ms and printed times."""
        entrant = self._entrants.get(result.registration_id)
        word = _WORDS.get(result.status)
        return {
            "event_id": event.id,
            "registration_id": result.registration_id,
            "bib": entrant.bib if entrant else None,
            "name": entrant.name if entrant else "",
            "status": result.status.value,
            "place": result.place,
            "clock_time": word or self._printed(result.clock_ns, event),
            "chip_time": word or self._printed(result.chip_ns, event),
            "clock_ms": ms(result.clock_ns),
            "chip_ms": ms(result.chip_ns),
            "no_start_read": result.no_start_read,
            "splits": [
                {
                    "location": split.location,
                    "split": split.split,
                    "clock_ms": ms(split.clock_ns),
                    "chip_ms": ms(split.chip_ns),
                    "clock_time": self._printed(split.clock_ns, event),
                    "chip_time": self._printed(split.chip_ns, event),
                }
                for split in result.splits
            ],
        }

    def _printed(self, ns: int | None, event: EventRules) -> str | None:
        return None if ns is None else clock_text(ns, event.decimals, event.rounding)

    def books(self) -> Json:
        """Return the number of reads journalled, and of reads in each state."""
        states = self._timing.race.counts()
        return {
            "reads": self._timing.folded,
            "states": {state.value: count for state, count in states.items() if count},
        }

    def why(self, bib: int) -> list[Json]:
        """Return every read of a bib with its state and the rule behind it, per registration."""
        return [
            {
                "participant": entrant_json(entrant),
                "result": self._result_of(entrant),
                "reads": [self._why_row(s) for s in self._timing.explain(entrant.registration_id)],
            }
            for entrant in self._of_bib(bib)
        ]

    def why_chip(self, chip: str) -> list[Json]:
        """Return every read of a chip with its state and the rule behind it."""
        states = self._timing.explain_chip(chip)
        if not states:
            raise NotFound(f"chip {chip!r} was never read here")
        return [{"chip": chip, "reads": [self._why_row(state) for state in states]}]

    def _result_of(self, entrant: Entrant) -> Json | None:
        result = self._standings.result(entrant.registration_id)
        return None if result is None else self.result_json(result, self.event(entrant.event_id))

    def _why_row(self, state: ReadState) -> Json:
        read = state.read
        return {
            "at": self.text(UtcNs(read.at)) if read.at >= 0 else None,
            "location": state.location,
            "reader": read.reader,
            "chip": read.chip,
            "antenna": read.antenna,
            "rssi": read.rssi,
            "state": state.state.value,
            "why": state.why,
            "read_id": read.id,
        }

    # -- words -------------------------------------------------------------------------------

    def text(self, at: int) -> str:
        """Return an instant in the race's zone, or in UTC while nobody knows it."""
        zone = self._zone()
        return utc_text(at, ZoneInfo(zone) if zone else None)

    def event(self, wanted: object) -> EventRules:
        """Return an event by id or name."""
        events = self._rules().events
        for event in events:
            if str(wanted).strip().casefold() in {str(event.id), event.name.casefold()}:
                return event
        if wanted is None and len(events) == 1:
            return events[0]
        names = _list(f"{event.id} ({event.name})" for event in events)
        raise NotFound(f"there is no event {wanted!r}; there are: {names}")

    def _check_wave(self, event: EventRules, wave: str) -> None:
        waves = {e.wave for e in self._entrants.values() if e.event_id == event.id and e.wave}
        waves |= set(event.wave_guns)
        if wave not in waves:
            raise NotFound(f"{event.name} has no wave {wave!r}; there are: {_list(waves)}")

    def _of_bib(self, bib: int) -> list[Entrant]:
        found = self._bibs.get(bib)
        if not found:
            raise NotFound(f"nobody wears bib {bib}; try: chip-bridge participants find NAME")
        return found

    def _kind(self, wanted: object) -> MarkKind:
        kinds = [kind for kind in MarkKind if kind is not MarkKind.GUN]
        for kind in kinds:
            if kind.value == wanted:
                return kind
        raise UsageError(f"there is no mark {wanted!r}; there are: {_list(k.value for k in kinds)}")

    def _moment(self, request: Mapping[str, object], event: EventRules) -> UtcNs | None:
        given = exact_instant(request)
        if given is not None:
            return given
        wanted = text(request, "time")
        return None if wanted is None else self.parse_time(wanted, event)

    def parse_time(self, wanted: str, event: EventRules) -> UtcNs:
        """Return the instant of ISO local time, or of ``HH:MM:SS[.mmm]`` on the race day.

        The race day is the day of the event's gun as it stands, else today.
        """
        zone = self._zone()
        wall = wall_time(wanted, self._race_day(event))
        if wall.tzinfo is None and zone is None:
            raise UsageError(
                "the race's time zone is not known yet; set bridge.timezone, or write the offset "
                "with the time, for example 2026-11-21T08:30:00-07:00"
            )
        mistake = wall_mistake(wall, zone or "UTC")
        if mistake is not None:
            raise UsageError(f"{wanted!r} {mistake}")
        return instant(wall, zone or "UTC")

    def _race_day(self, event: EventRules) -> str:
        at = event.gun if event.gun is not None else self._clock.utc_ns()
        return self.text(at)[:10]


async def _nobody(_: Mark) -> None:
    """Tell no other box: there is no broker."""


def entrant_json(entrant: Entrant) -> Json:
    """Return a participant for people and programs."""
    return {
        "registration_id": entrant.registration_id,
        "event_id": entrant.event_id,
        "bib": entrant.bib,
        "chips": list(entrant.chips),
        "name": entrant.name,
        "wave": entrant.wave,
        "gender": entrant.gender,
        "age": entrant.age,
    }


def _totals(standings: Standings, event_id: EventId) -> Json:
    totals = standings.totals(event_id)
    return {
        "started": totals.started,
        "on_course": totals.on_course,
        "finished": totals.finished,
    }


def _list(words: Iterable[object]) -> str:
    return ", ".join(sorted(str(word) for word in words)) or "none"
