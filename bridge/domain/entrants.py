"""Who runs: participants as the maths sees them, and which chip is whose."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NewType

from bridge.domain.reads import UtcNs
from bridge.domain.rules import EventId

RegistrationId = NewType("RegistrationId", int)
"""The provider's key of one registration: the only identity of a runner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """One registration in one event."""

    registration_id: RegistrationId
    event_id: EventId
    bib: int | None = None
    chips: tuple[str, ...] = ()
    """As the provider or the operator wrote them; compare by `chip_key`."""
    first_name: str = ""
    last_name: str = ""
    wave: str | None = None
    """Corral name."""
    start_ns: UtcNs | None = None
    """Runner override of T0; beats wave and event."""
    gender: str | None = None
    age: int | None = None

    @property
    def name(self) -> str:
        """First and last name as people read it."""
        return f"{self.first_name} {self.last_name}".strip()


class NoOwner(Enum):
    """Why a chip leads to nobody."""

    UNKNOWN = "unknown_chip"
    AMBIGUOUS = "ambiguous_chip"
    WRONG_EVENT = "wrong_event"


def chip_key(chip: object) -> str:
    """Return the form in which chips are compared: trimmed, case-folded, leading zeros kept.

    ``None``, ``""`` and ``0`` give ``""``: no chip assigned (RunSignup rule 14).
    """
    text = "" if chip is None else str(chip).strip().casefold()
    return "" if text == "0" else text


class ChipTable:
    """Resolves (chip, location) to a registration, never guessing.

    A chip on several registrations belongs to the one whose event has the location on its course;
    if that leaves more than one it is ambiguous. A disposable RACE RESULT transponder
    ``bib@set`` also answers to its part before the ``@``, as a chip or else as a bib.
    """

    def __init__(
        self, entrants: Iterable[Entrant], courses: Mapping[EventId, frozenset[str]]
    ) -> None:
        self._courses = courses
        self._chips: dict[str, list[Entrant]] = {}
        self._bibs: dict[int, list[Entrant]] = {}
        for entrant in entrants:
            for chip in {chip_key(chip) for chip in entrant.chips} - {""}:
                self._chips.setdefault(chip, []).append(entrant)
            if entrant.bib:
                self._bibs.setdefault(entrant.bib, []).append(entrant)

    def owner(self, chip: str, location: str) -> RegistrationId | NoOwner:
        """Return whose chip this is at this location, or why it is nobody's."""
        candidates = self.candidates(chip)
        if not candidates:
            return NoOwner.UNKNOWN
        here = [e for e in candidates if location in self._courses.get(e.event_id, frozenset())]
        if not here:
            return NoOwner.WRONG_EVENT
        return here[0].registration_id if len(here) == 1 else NoOwner.AMBIGUOUS

    def candidates(self, chip: str) -> list[Entrant]:
        """Return every registration this chip could mean, at whatever location."""
        key = chip_key(chip)
        found = self._chips.get(key)
        if found is None and "@" in key:
            base = key.partition("@")[0]
            found = self._chips.get(base)
            if found is None and base.isdecimal():
                found = self._bibs.get(int(base))
        return found or []

    def by_bib(self, bib: int) -> list[Entrant]:
        """Return the registrations that wear this bib."""
        return self._bibs.get(bib, [])
