"""Participants from a CSV file: whole people, or bibs and chips for people already known."""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b

from bridge.domain.entrants import Entrant, RegistrationId, chip_key
from bridge.domain.rules import EventId, EventRules, Rules
from bridge.errors import UsageError

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "bib": ("bib", "bib_num", "bib number", "race number", "no"),
    "chip": ("chip", "chip_num", "tag", "transponder", "chip number"),
    "registration_id": ("registration_id", "registration id", "reg id"),
    "event": ("event", "event_id", "event id", "distance", "race"),
    "first_name": ("first_name", "first name", "first", "firstname", "given name"),
    "last_name": ("last_name", "last name", "last", "lastname", "surname", "family name", "name"),
    "wave": ("wave", "corral", "race_corral_name"),
    "gender": ("gender", "sex"),
    "age": ("age",),
}
"""Our name of a column -> headers it goes by, compared without case."""
FILE_IDS = 2**40
"""Registrations made up for people without one start here: far above any provider's. They end
below `LARGEST_NUMBER`, so that programs in JavaScript can hold them."""
LARGEST_NUMBER = 2**53
LARGEST_FIELD = 10_000
"""Characters: more is a quote that was never closed."""
DELIMITERS = ",;\t"

Json = dict[str, object]
Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Assignment:
    """A bib and chips given on site to somebody known."""

    registration_id: RegistrationId
    bib: int | None
    chips: tuple[str, ...] | None
    """Everything the person wears from now on; None: as before."""


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


def text_of(data: bytes, name: str) -> str:
    """Return the text of a CSV file.

    Raises:
        UsageError: It is no text, or in no encoding that can be told for certain.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UsageError(f"{name} is not UTF-8 text; save it as CSV UTF-8")
    return text


def plan_import(
    text: str,
    known: Mapping[RegistrationId, Entrant],
    rules: Rules,
    *,
    whole: bool | None = None,
    replacing: bool = False,
) -> Import:
    """Read CSV text; several rows of one bib add up their chips.

    A file with names brings whole people (those it knows by registration or bib are updated); one
    without adds bibs or chips to people already here. `whole` says which of both regardless of the
    names. With `replacing`, whoever gets chips loses those worn before. A faulty row is told and
    skipped.

    Raises:
        UsageError: There is no header that could be understood, or the text is no CSV.
    """
    rows, columns = _read(text)
    plan = _Plan(known, rules)
    brings_people = bool(columns & {"first_name", "last_name"}) if whole is None else whole
    for line, row in rows:
        try:
            plan.person(row) if brings_people else plan.known(row)
        except ValueError as error:
            plan.complaints.append(f"line {line}: {error}")
    return Import(
        assignments=plan.assignments(replacing=replacing),
        newcomers=plan.newcomers(),
        complaints=plan.complaints + plan.shared(replacing=replacing),
        rows=len(rows),
    )


class _Plan:
    """Gathers rows by person."""

    def __init__(self, known: Mapping[RegistrationId, Entrant], rules: Rules) -> None:
        self.complaints: list[str] = []
        self._all = known
        self._rules = rules
        self._by_bib: dict[int, list[Entrant]] = {}
        for entrant in known.values():
            if entrant.bib:
                self._by_bib.setdefault(entrant.bib, []).append(entrant)
        self._people: dict[RegistrationId, Entrant] = {}
        self._chips: dict[RegistrationId, dict[str, str]] = {}
        self._bibs: dict[RegistrationId, int] = {}

    def known(self, row: Row) -> None:
        """Take a row about somebody who is here already."""
        who = self._who(row)
        bib = _number("bib", row.get("bib")) if "registration_id" in row else None
        if bib is None and "chip" not in row:
            raise ValueError("gives neither a chip nor a bib to anybody")
        if bib is not None:
            self._bibs[who] = bib
        self._wear(who, row)

    def person(self, row: Row) -> None:
        """Take a row that brings a whole person, or one more chip of hers."""
        bib = _number("bib", row.get("bib"))
        given = _number("registration_id", row.get("registration_id"))
        event = self._event(row.get("event"), given, bib)
        if bib is None and given is None and not {"first_name", "last_name"} & row.keys():
            raise ValueError("says nothing of who it is: no bib, name or registration_id")
        if given is None:
            here = [e for e in self._by_bib.get(bib or -1, []) if e.event_id == event.id]
            given = here[0].registration_id if len(here) == 1 else _made_up(row, event)
        who = RegistrationId(given)
        before = self._all.get(who) or Entrant(registration_id=who, event_id=event.id, bib=None)
        names = {key: row[key] for key in ("first_name", "last_name", "wave", "gender")
                 if key in row}  # fmt: skip
        person = replace(before, event_id=event.id, **names)  # type: ignore[arg-type]
        if bib is not None:
            person = replace(person, bib=bib)
        if "age" in row:
            person = replace(person, age=self._age(row["age"], person, before))
        first = self._people.setdefault(who, person)
        if names and first.name != person.name:
            raise ValueError(f"{_called(first)} is {first.name or 'without a name'} further up, "
                             f"and {person.name} here: this line is not taken")  # fmt: skip
        if bib is not None and who in self._all and self._all[who].bib != bib:
            self._bibs[who] = bib
        self._wear(who, row)

    def _event(self, wanted: str | None, given: int | None, bib: int | None) -> EventRules:
        here = self._all.get(RegistrationId(given)) if given is not None else None
        wearers = self._by_bib.get(bib or -1, [])
        if here is None and given is None and len(wearers) == 1:
            here = wearers[0]
        if wanted is None and here is not None:
            wanted = str(here.event_id)
        return _event(wanted, self._rules)

    def _age(self, text: str, person: Entrant, before: Entrant) -> int | None:
        """An odd age is told, and takes nobody out of the race."""
        try:
            return _number("age", text)
        except ValueError as error:
            self.complaints.append(f"{person.name or _called(person)}: {error}")
            return before.age

    def _wear(self, who: RegistrationId, row: Row) -> None:
        chip = row.get("chip", "")
        if chip_key(chip):
            self._chips.setdefault(who, {}).setdefault(chip_key(chip), chip)

    def _who(self, row: Row) -> RegistrationId:
        if "registration_id" in row:
            wanted = RegistrationId(_number("registration_id", row["registration_id"]) or 0)
            if wanted not in self._all:
                raise ValueError(f"registration {wanted} is not a participant")
            return wanted
        bib = _number("bib", row.get("bib"))
        if bib is None:
            raise ValueError("says nothing of who it is: no bib or registration_id")
        found = self._by_bib.get(bib, [])
        if len(found) != 1:
            problem = "nobody wears" if not found else "more than one participant wears"
            raise ValueError(f"{problem} bib {bib}")
        return found[0].registration_id

    def newcomers(self) -> dict[EventId, list[Entrant]]:
        """Return the people of the file by event, the chips of those known as they were."""
        found: dict[EventId, list[Entrant]] = {}
        for who, person in self._people.items():
            if who not in self._all:
                person = replace(person, chips=tuple(self._chips.get(who, {}).values()))  # noqa: PLW2901
            found.setdefault(person.event_id, []).append(person)
        return found

    def assignments(self, *, replacing: bool) -> list[Assignment]:
        """Return what is given to people known: kept apart, so that no sync takes it away."""
        everybody = [who for who in {**self._bibs, **self._chips} if who in self._all]
        return [
            Assignment(
                who, self._bibs.get(who), self._worn(who, replacing) if who in self._chips else None
            )
            for who in everybody
        ]

    def _worn(self, who: RegistrationId, replacing: bool) -> tuple[str, ...]:  # noqa: FBT001
        before = () if replacing or who not in self._all else self._all[who].chips
        worn = {chip_key(chip): chip for chip in before if chip_key(chip)}
        return tuple((worn | self._chips.get(who, {})).values())

    def shared(self, *, replacing: bool) -> list[str]:
        """Name every chip and bib that would be on more than one person."""
        chips: dict[str, set[RegistrationId]] = {}
        bibs: dict[tuple[EventId, int], set[RegistrationId]] = {}
        for who, person in {**self._all, **self._people}.items():
            worn = self._worn(who, replacing and who in self._chips)
            for chip in worn:
                chips.setdefault(chip_key(chip), set()).add(who)
            if bib := self._bibs.get(who, person.bib):
                bibs.setdefault((person.event_id, bib), set()).add(who)
        ours = self._chips.keys() | self._people.keys() | self._bibs.keys()
        return [
            f"chip {chip} belongs to {len(who)} participants: its reads are held as ambiguous"
            for chip, who in sorted(chips.items())
            if len(who) > 1 and who & ours
        ] + [
            f"bib {bib} is on {len(who)} participants of one event"
            for (_, bib), who in sorted(bibs.items())
            if len(who) > 1 and who & ours
        ]


def _read(text: str) -> tuple[list[tuple[int, Row]], set[str]]:
    sample = text.lstrip("\ufeff")
    first = next((line for line in sample.splitlines() if line.strip()), "")
    delimiter = max(DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(sample), delimiter=delimiter, skipinitialspace=True)
    lines = [(reader.line_num, [value.strip() for value in values]) for values in _lines(reader)]
    filled = [(number, values) for number, values in lines if any(values)]
    names = [_column(title) for title in filled[0][1]] if filled else []
    columns = {name for name in names if name}
    if not columns & {"bib", "registration_id", "last_name"}:
        raise UsageError(
            "the file needs a header with at least bib or registration_id; known columns: "
            + ", ".join(COLUMNS)
        )
    twice = sorted({name for name in columns if names.count(name) > 1})
    if twice:
        raise UsageError(f"the header has more than one column for {', '.join(twice)}")
    rows: list[tuple[int, Row]] = []
    for number, values in filled[1:]:
        row = {name: value for name, value in zip(names, values, strict=False) if name and value}
        if row:
            rows.append((number, row))
    return rows, columns


def _lines(reader: Iterable[list[str]]) -> Iterable[list[str]]:
    try:
        for values in reader:
            if any(len(value) > LARGEST_FIELD for value in values):
                raise UsageError("the file has a quotation mark that is never closed")
            yield values
    except csv.Error as error:
        raise UsageError(f"the file is no CSV: {error}") from None


def _column(title: str) -> str | None:
    wanted = title.casefold()
    return next((name for name, known in COLUMNS.items() if wanted in known), None)


def _called(person: Entrant) -> str:
    return f"bib {person.bib}" if person.bib else f"registration {person.registration_id}"


def _made_up(row: Row, event: EventRules) -> int:
    """Return a number for a person without one: the same whenever the file is read again."""
    bib = _number("bib", row.get("bib"))
    facts = str(bib) if bib else "|".join((row.get("first_name", ""), row.get("last_name", "")))
    made = blake2b(f"{event.id}|{facts}".casefold().encode(), digest_size=6).digest()
    return FILE_IDS + int.from_bytes(made)


def _event(wanted: str | None, rules: Rules) -> EventRules:
    if wanted is None and len(rules.events) == 1:
        return rules.events[0]
    for event in rules.events:
        if wanted is not None and wanted.casefold() in {str(event.id), event.name.casefold()}:
            return event
    names = ", ".join(event.name for event in rules.events) or "none is configured"
    said = "no event is given" if wanted is None else f"there is no event {wanted!r}"
    raise ValueError(f"{said}; there are: {names}")


def _number(what: str, text: str | None) -> int | None:
    """Return a whole number (a table's `12.0` too); none for an empty field.

    Raises:
        ValueError: It is something else.
    """
    if not text:
        return None
    digits = text.removesuffix(".0")
    if not (digits.isascii() and digits.isdecimal()) or int(digits) >= LARGEST_NUMBER:
        raise ValueError(f"{what} {text!r} is not a whole number")
    return int(digits)
