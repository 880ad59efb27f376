"""A race as a results service keeps it: who runs, result sets, what was posted."""

import csv
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from bridge.errors import UsageError

Row = dict[str, Any]
"""A JSON object of the service, by its own field names."""

_FIRST = "Ada Ben Cleo Dov Edda Finn Gwen Hugo Ines Jan Kaja Lars Mina Noel Olga Per".split()  # noqa: SIM905
_LAST = "Ash Birch Cedar Elm Fir Hazel Larch Maple Oak Pine Rowan Spruce Willow Yew".split()  # noqa: SIM905
_COLUMNS = {
    "registration_id": ("registration_id", "registration", "id"),
    "event_id": ("event_id", "event"),
    "bib_num": ("bib_num", "bib"),
    "chip_num": ("chip_num", "chip"),
    "first_name": ("first_name", "first"),
    "last_name": ("last_name", "last"),
    "gender": ("gender", "sex"),
    "age": ("age",),
    "race_corral_name": ("race_corral_name", "corral", "wave"),
}
_PERSON = ("first_name", "last_name", "gender")


@dataclass(slots=True, kw_only=True)
class StoredSet:
    """One result set with its splits and rows."""

    id: int
    event_id: int
    name: str
    settings: Row = field(default_factory=dict)
    splits: list[Row] = field(default_factory=list)
    rows: dict[int, Row] = field(default_factory=dict)
    """Registration id -> what was posted of it, merged; `result_id` is the service's own."""


@dataclass(slots=True, kw_only=True)
class SandboxRace:
    """Everything the service knows of one race. Text stays as it was posted."""

    race_id: int
    name: str = "Sandbox Race"
    timezone: str = "America/Denver"
    events: dict[int, str] = field(default_factory=lambda: {1: "10K"})
    participants: dict[int, Row] = field(default_factory=dict)
    removed: list[Row] = field(default_factory=list)
    sets: dict[int, StoredSet] = field(default_factory=dict)
    next_id: int = 1000

    def new_id(self) -> int:
        """Return a number never used before in this race."""
        self.next_id += 1
        return self.next_id

    def add(self, row: Mapping[str, object], *, now_s: int) -> int:
        """Take a participant, new or changed; return the registration id."""
        number = int(str(row.get("registration_id") or self.new_id()))
        user = {**_EMPTY_USER, **dict(_object(row.get("user")))}
        self.participants[number] = {
            "bib_num": None,
            "chip_num": None,
            "race_corral_name": None,
            "age": None,
            **row,
            "event_id": int(str(row.get("event_id") or next(iter(self.events)))),
            "registration_id": number,
            "user": user,
            "last_modified": now_s,
        }
        return number

    def remove(
        self,
        registration_id: int,
        *,
        now_s: int,
        reason: str = "removed",
        moved_to: int | None = None,
    ) -> bool:
        """Remove a participant; return whether there was one."""
        row = self.participants.pop(registration_id, None)
        if row is None:
            return False
        gone = {
            "user": row["user"],
            "registration_id": registration_id,
            "event_id": row["event_id"],
            "removed_reason": reason,
            "last_modified_ts": now_s,
        }
        if moved_to is not None:
            gone["new_registration_id"] = moved_to
        self.removed.append(gone)
        return True

    def sets_of(self, event_id: int) -> list[StoredSet]:
        """Return the result sets of an event in order of creation."""
        return [each for each in self.sets.values() if each.event_id == event_id]


_EMPTY_USER: Mapping[str, object] = {"first_name": "", "last_name": "", "gender": ""}


def plain_chip(bib: int) -> str:
    """Return the chip of a made-up runner whose reader is of no kind."""
    return f"{bib:012x}"


def make_race(
    runners: int,
    seed: int = 1,
    *,
    race_id: int = 12345,
    events: Mapping[int, str] | None = None,
    chip: Callable[[int], str] = plain_chip,
    timezone: str = "America/Denver",
    now_s: int = 1_760_000_000,
) -> SandboxRace:
    """Make up a race: bibs from 1, one chip each, spread over the events; the same for a seed."""
    draw = random.Random(seed)  # noqa: S311 - made-up people
    race = SandboxRace(race_id=race_id, timezone=timezone, events=dict(events or {1: "10K"}))
    ids = list(race.events)
    for bib in range(1, runners + 1):
        row = {
            "registration_id": 700_000 + bib,
            "event_id": ids[bib * len(ids) // (runners + 1)],
            "bib_num": bib,
            "chip_num": chip(bib),
            "age": draw.randint(8, 80),
            "user": {
                "first_name": draw.choice(_FIRST),
                "last_name": draw.choice(_LAST),
                "gender": draw.choice("MFX"),
            },
        }
        race.add(row, now_s=now_s)
    return race


def add_from_file(race: SandboxRace, path: Path, *, now_s: int) -> int:
    """Add the participants of a CSV (with a header) or JSON file; return how many.

    Raises:
        UsageError: The file can not be read as either.
    """
    try:
        if path.suffix.lower() == ".json":
            rows = orjson.loads(path.read_bytes())
        else:
            with path.open(newline="", encoding="utf-8-sig") as file:
                rows = [_from_csv(line) for line in csv.DictReader(file)]
        for row in rows:
            race.add(row, now_s=now_s)
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise UsageError(
            f"{path} is not a list of participants: give CSV with a header such as "
            f"bib,chip,first_name,last_name, or a JSON list ({error})"
        ) from None
    return len(rows)


def _from_csv(line: Mapping[str, str | None]) -> Row:
    given = {(name or "").strip().casefold(): (value or "").strip() for name, value in line.items()}
    row: Row = {}
    for field_name, names in _COLUMNS.items():
        if found := next((given[name] for name in names if given.get(name)), None):
            row[field_name] = found
    if bib := row.get("bib_num"):
        row["bib_num"] = int(bib)
    row["user"] = {name: row.pop(name) for name in _PERSON if name in row}
    return row


def open_race(
    state_file: Path | None,
    participants: Path | None,
    *,
    runners: int,
    seed: int,
    now_s: int,
    chip: Callable[[int], str] = plain_chip,
) -> SandboxRace:
    """Return the race a sandbox starts with: as it was left, or from a file, or made up.

    Raises:
        UsageError: A file can not be read.
    """
    if state_file is not None and state_file.exists():
        return load(state_file.read_bytes())
    if participants is None:
        return make_race(runners, seed, chip=chip, now_s=now_s)
    race = make_race(0, seed)
    add_from_file(race, participants, now_s=now_s)
    race.events = {
        row["event_id"]: f"Event {row['event_id']}" for row in race.participants.values()
    }
    return race


def dump(race: SandboxRace) -> bytes:
    """Return the race as JSON."""
    return orjson.dumps(race, option=orjson.OPT_NON_STR_KEYS)


def load(data: bytes) -> SandboxRace:
    """Return the race that `dump` wrote.

    Raises:
        UsageError: It is something else.
    """
    try:
        plain = orjson.loads(data)
        sets = [
            StoredSet(**{**each, "rows": _numbered(each["rows"])})
            for each in plain.pop("sets").values()
        ]
        return SandboxRace(
            **{
                **plain,
                "events": _numbered(plain["events"]),
                "participants": _numbered(plain["participants"]),
                "sets": {each.id: each for each in sets},
            }
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(f"this is not the state of a sandbox: {error}") from None


def _numbered(plain: Mapping[str, Any]) -> dict[int, Any]:
    return {int(key): value for key, value in plain.items()}


def _object(found: object) -> Mapping[str, object]:
    return found if isinstance(found, dict) else {}


def standing(race: SandboxRace, event_id: int) -> Sequence[Row]:
    """Return the rows of an event's result sets as merged, in order of registration."""
    rows = [row for each in race.sets_of(event_id) for row in each.rows.values()]
    return sorted(rows, key=lambda row: int(row["registration_id"]))
