"""When each runner's race began: T0 (timing rule 5)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bridge.domain.entrants import Entrant
from bridge.domain.marks import Mark, MarkKind, standing
from bridge.domain.reads import UtcNs
from bridge.domain.rules import EventId, Rules


@dataclass(frozen=True, slots=True)
class Guns:
    """Every T0 known, most general first; a more particular one wins."""

    race: UtcNs | None
    events: Mapping[EventId, UtcNs]
    waves: Mapping[tuple[EventId, str], UtcNs]

    def t0(self, entrant: Entrant) -> UtcNs | None:
        """Return the runner's T0: override > wave > event > race; None while nobody knows."""
        if entrant.start_ns is not None:
            return entrant.start_ns
        if entrant.wave is not None:
            wave = self.waves.get((entrant.event_id, entrant.wave))
            if wave is not None:
                return wave
        return self.events.get(entrant.event_id, self.race)


def resolve_guns(rules: Rules, marks: Iterable[Mark]) -> Guns:
    """Take the guns of the configuration, overridden by the marks that hold; the last mark wins.

    A gun mark without an event is the gun of the whole race. One without a time (`at`) was fired
    when it was made.
    """
    race: UtcNs | None = None
    events = {event.id: event.gun for event in rules.events if event.gun is not None}
    waves = {(e.id, name): gun for e in rules.events for name, gun in e.wave_guns.items()}
    for mark in standing(marks):
        if mark.kind is not MarkKind.GUN:
            continue
        gun = mark.made_at if mark.at is None else mark.at
        if mark.event_id is None:
            race = gun
        elif mark.wave is None:
            events[mark.event_id] = gun
        else:
            waves[mark.event_id, mark.wave] = gun
    return Guns(race, events, waves)
