"""Participants from a CSV file: whole people, or bibs and chips for people already known."""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from zlib import crc32

from bridge.domain.entrants import Entrant, RegistrationId, chip_key
from bridge.domain.rules import EventId, EventRules, Rules
from bridge.errors import UsageError

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "bib": ("bib", "bib_num", "bib number", "race number", "no"),
    "chip": ("chip", "chip_num", "tag", "transponder", "chip number"),
    "registration_id": ("registration_id", "registration id", "reg id"),
    "event": ("event", "event_id", "event id", "distance", "race"),
    "first_name": ("first_name", "first name", "first", "firstname", "given name"),
    "last_name": ("last_name", "last name", "last", "lastname", "surname", "family name"),
    "wave": ("wave", "corral", "race_corral_name"),
    "gender": ("gender", "sex"),
    "age": ("age",),
}
"""Our name of a column -> headers it goes by, compared without case."""
FILE_IDS = 2**40
"""Registrations made up for people without one start here: far above any provider's."""

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Assignment:
    """A bib and chips given on site to somebody known."""

    registration_id: RegistrationId
    bib: int | None
    chips: tuple[str, ...] | None


@dataclass(slots=True)
class Import:
    """What a file would do."""

    assignments: list[Assignment] = field(default_factory=list)
    newcomers: dict[EventId, list[Entrant]] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    rows: int = 0

    def report(self, *, dry_run: bool) -> Json:
        """Return what was (or would be) done, for people and programs."""
        return {
            "rows": self.rows,
            "chips_assigned": len(self.assignments),
            "participants": sum(len(people) for people in self.newcomers.values()),
            "complaints": self.complaints,
            "dry_run": dry_run,
        }


def plan_import(text: str, known: Mapping[RegistrationId, Entrant], rules: Rules) -> Import:
    """Read CSV text; several rows of one bib add up their chips.

    A file with names brings whole people (those it knows by registration or bib are updated); one
    without adds bibs or chips to people already here. A faulty row is told and skipped.

    Raises:
        UsageError: There is no header that could be understood.
    """
    rows, columns = _read(text)
    out = Import(rows=len(rows))
    whole = "last_name" in columns or "first_name" in columns
    people: dict[RegistrationId, Entrant] = {}
    chips: dict[RegistrationId, list[str]] = {}
    bibs: dict[RegistrationId, int | None] = {}
    by_bib = _bibs(known.values())
    for line, row in rows:
        try:
            if whole:
                person = _person(row, by_bib, rules)
                people[person.registration_id] = person
                registration_id = person.registration_id
            else:
                registration_id = _known(row, known, by_bib)
        except ValueError as error:
            out.complaints.append(f"line {line}: {error}")
            continue
        if row.get("chip"):
            chips.setdefault(registration_id, []).append(row["chip"])
        bibs[registration_id] = _number(row.get("bib", "")) if "registration_id" in row else None
    for registration_id, person in people.items():
        owned = tuple(dict.fromkeys(chips.get(registration_id, ())))
        out.newcomers.setdefault(person.event_id, []).append(replace(person, chips=owned))
    if not whole:
        out.assignments = [
            Assignment(who, bib, tuple(dict.fromkeys(chips[who])) if who in chips else None)
            for who, bib in bibs.items()
        ]
    out.complaints += _shared(people, chips, known)
    return out


def _read(text: str) -> tuple[list[tuple[int, dict[str, str]]], set[str]]:
    sample = text.lstrip("\ufeff")
    try:
        dialect = csv.Sniffer().sniff(sample[:4096], delimiters=",;\t")
    except csv.Error:
        dialect = csv.excel
    reader = csv.reader(io.StringIO(sample), dialect)
    header = next(reader, [])
    names = [_column(title) for title in header]
    columns = {name for name in names if name}
    if not columns & {"bib", "registration_id"}:
        raise UsageError(
            "the file needs a header with at least bib or registration_id; known columns: "
            + ", ".join(COLUMNS)
        )
    rows = []
    for values in reader:
        pairs = zip(names, values, strict=False)
        row = {name: value.strip() for name, value in pairs if name and value.strip()}
        if row:
            rows.append((reader.line_num, row))
    return rows, columns


def _column(title: str) -> str | None:
    wanted = title.strip().casefold()
    return next((name for name, known in COLUMNS.items() if wanted in known), None)


def _bibs(entrants: Iterable[Entrant]) -> dict[int, list[Entrant]]:
    found: dict[int, list[Entrant]] = {}
    for entrant in entrants:
        if entrant.bib:
            found.setdefault(entrant.bib, []).append(entrant)
    return found


def _known(
    row: Mapping[str, str],
    known: Mapping[RegistrationId, Entrant],
    by_bib: Mapping[int, list[Entrant]],
) -> RegistrationId:
    if "registration_id" in row:
        wanted = RegistrationId(_number(row["registration_id"]) or 0)
        if wanted not in known:
            raise ValueError(f"registration {row['registration_id']} is not a participant")
        return wanted
    bib = _number(row.get("bib", ""))
    found = by_bib.get(bib, []) if bib is not None else []
    if len(found) != 1:
        problem = "nobody wears" if not found else "more than one participant wears"
        raise ValueError(f"{problem} bib {row.get('bib', '')!r}")
    return found[0].registration_id


def _person(row: Mapping[str, str], by_bib: Mapping[int, list[Entrant]], rules: Rules) -> Entrant:
    event = _event(row.get("event"), rules)
    bib = _number(row.get("bib", ""))
    registration = _number(row.get("registration_id", ""))
    if registration is None:
        here = [e for e in by_bib.get(bib or -1, []) if e.event_id == event.id]
        registration = here[0].registration_id if len(here) == 1 else _made_up(row, event)
    age = _number(row.get("age", ""))
    return Entrant(
        registration_id=RegistrationId(registration),
        event_id=event.id,
        bib=bib,
        first_name=row.get("first_name", ""),
        last_name=row.get("last_name", ""),
        wave=row.get("wave"),
        gender=row.get("gender"),
        age=age,
    )


def _made_up(row: Mapping[str, str], event: EventRules) -> int:
    """Return a number for a person without one: the same whenever the file is read again."""
    facts = row.get("bib") or "|".join((row.get("first_name", ""), row.get("last_name", "")))
    return FILE_IDS + crc32(f"{event.id}|{facts}".encode())


def _event(wanted: str | None, rules: Rules) -> EventRules:
    if wanted is None and len(rules.events) == 1:
        return rules.events[0]
    for event in rules.events:
        if wanted is not None and wanted.casefold() in {str(event.id), event.name.casefold()}:
            return event
    names = ", ".join(event.name for event in rules.events)
    raise ValueError(f"event {wanted or '(none given)'!r} is none of: {names}")


def _number(text: str) -> int | None:
    """Return a whole number; none for an empty field.

    Raises:
        ValueError: It is something else.
    """
    if not text:
        return None
    if not text.isdecimal() or int(text) >= FILE_IDS:
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


def _shared(
    people: Mapping[RegistrationId, Entrant],
    chips: Mapping[RegistrationId, list[str]],
    known: Mapping[RegistrationId, Entrant],
) -> list[str]:
    """Name every chip that would belong to more than one person."""
    owners: dict[str, set[RegistrationId]] = {}
    for who, own in chips.items():
        for chip in own:
            owners.setdefault(chip_key(chip), set()).add(who)
    for entrant in known.values():
        for chip in entrant.chips:
            if chip_key(chip) in owners and entrant.registration_id not in people:
                owners[chip_key(chip)].add(entrant.registration_id)
    return [
        f"chip {chip} belongs to {len(who)} participants: its reads are held as ambiguous"
        for chip, who in sorted(owners.items())
        if len(who) > 1
    ]
