"""Who could be on the course: entrants with the operator's marks applied to them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from bridge.domain.course import Course
from bridge.domain.entrants import ChipTable, Entrant, NoOwner, RegistrationId, chip_key
from bridge.domain.guns import resolve_guns
from bridge.domain.marks import Mark, MarkKind, standing
from bridge.domain.reads import UtcNs
from bridge.domain.rules import EventId, Rules

_STATUS: Final = frozenset({MarkKind.DNS, MarkKind.DNF, MarkKind.DQ})


class Facts(NamedTuple):
    """The operator's facts about one runner."""

    status: Mark | None = None
    """The last DNS, DNF or DQ."""
    crossings: tuple[Mark, ...] = ()
    ignores: tuple[Mark, ...] = ()


NO_FACTS: Final = Facts()


class Roster:
    """Resolves chips, T0 and facts of runners: everything about them but their reads."""

    def __init__(
        self,
        rules: Rules,
        entrants: Mapping[RegistrationId, Entrant],
        marks: Sequence[Mark],
        courses: Mapping[EventId, Course] | None = None,
    ) -> None:
        """`courses`: those of an earlier roster of the same rules, else they are made."""
        self.courses = courses or {e.id: Course(e, rules) for e in rules.events}
        holding = standing(marks)
        places = {event: course.locations for event, course in self.courses.items()}
        self.entrants = swapped(entrants, holding)
        self._table = ChipTable(self.entrants.values(), places)
        self._guns = resolve_guns(rules, holding)
        self.facts = self._facts(holding)

    def owner(self, chip: str, location: str) -> RegistrationId | NoOwner:
        """Return whose chip this is at this location, swaps applied, or why nobody's."""
        return self._table.owner(chip, location)

    def t0(self, registration: RegistrationId) -> UtcNs | None:
        """Return a runner's T0, None while nobody knows it."""
        return self._guns.t0(self.entrants[registration])

    def of_mark(self, mark: Mark) -> Entrant | None:
        """Return the one runner a mark can mean, or None: nothing is guessed.

        A bib on several registrations is told apart by the mark's event, else by its location.
        """
        meant = [] if mark.bib is None else self._table.by_bib(mark.bib)
        meant = [e for e in meant if e.event_id in self.courses]
        if mark.event_id is not None:
            meant = [e for e in meant if e.event_id == mark.event_id]
        if mark.location is not None:
            meant = [e for e in meant if mark.location in self.courses[e.event_id].locations]
        return meant[0] if len(meant) == 1 else None

    def _facts(self, holding: Iterable[Mark]) -> dict[RegistrationId, Facts]:
        facts: dict[RegistrationId, Facts] = {}
        for mark in holding:
            entrant = self.of_mark(mark)
            if entrant is None:
                continue
            old = facts.get(entrant.registration_id, NO_FACTS)
            facts[entrant.registration_id] = _with(old, mark)
        return facts


def _with(facts: Facts, mark: Mark) -> Facts:
    if mark.kind in _STATUS:
        return facts._replace(status=mark)
    if mark.kind is MarkKind.CROSSING and mark.location is not None:
        return facts._replace(crossings=(*facts.crossings, mark))
    if mark.kind is MarkKind.IGNORE and mark.at is not None:
        return facts._replace(ignores=(*facts.ignores, mark))
    return facts


def swapped(
    entrants: Mapping[RegistrationId, Entrant], marks: Iterable[Mark]
) -> Mapping[RegistrationId, Entrant]:
    """Return the entrants as the chips were worn: each swap exchanges those of two bibs.

    A disposable transponder that answers to the bib it was printed with is exchanged too. A swap
    of a bib that nobody or several runners of the event wear has no effect.
    """
    swaps = [mark for mark in marks if mark.kind is MarkKind.SWAP]
    if not swaps:
        return entrants
    wears: dict[RegistrationId, Entrant] = {}
    for mark in swaps:
        pair = [_sole(entrants, bib, mark.event_id) for bib in (mark.bib, mark.other_bib)]
        one, other = pair
        if one is not None and other is not None and one is not other:
            a, b = one.registration_id, other.registration_id
            wears[a], wears[b] = wears.get(b, other), wears.get(a, one)
    taken = {chip_key(chip) for entrant in entrants.values() for chip in entrant.chips}
    out = dict(entrants)
    for registration, donor in wears.items():
        chips = donor.chips
        if donor.registration_id != registration and str(donor.bib) not in taken:
            chips = (*chips, str(donor.bib))
        out[registration] = replace(entrants[registration], chips=chips)
    return out


def _sole(
    entrants: Mapping[RegistrationId, Entrant], bib: int | None, event: EventId | None
) -> Entrant | None:
    if bib is None:
        return None
    found = [e for e in entrants.values() if e.bib == bib and event in (None, e.event_id)]
    return found[0] if len(found) == 1 else None
