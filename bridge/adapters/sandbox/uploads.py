"""How posted result rows are checked and merged, as far as RunSignup's ways are known."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bridge.adapters.sandbox.race import Row, SandboxRace, StoredSet

WORDS: Final = ("DQ", "DNS", "DNF", "DNQ")
_TIME = re.compile(r"(?:\d+:[0-5]?\d:[0-5]\d|[0-5]?\d:[0-5]\d)(?:\.\d{1,3})?")
_SPLIT = re.compile(r"split-(\d+)")
_PLAIN = {"clock_time", "chip_time", "place", "registration_id"}
_BLANK = (None, "")
_INVALID = 11
_WRONG_ID = 15


@dataclass(slots=True)
class Verdict:
    """What became of an upload: nothing is applied unless `errors` is empty."""

    errors: list[Row] = field(default_factory=list)
    results: list[Row] = field(default_factory=list)


def apply(race: SandboxRace, into: StoredSet, rows: object, *, skip_unknown: bool) -> Verdict:
    """Check all rows, then merge them; one bad row spoils the upload."""
    verdict = Verdict()
    good: list[tuple[int, Row]] = []
    for row in rows if isinstance(rows, list) else []:
        number = _registrant(race, into, row)
        if number is None:
            if not skip_unknown:
                verdict.errors.append(_error(_WRONG_ID, f"Unknown registration: {row!r}"[:120]))
        elif fault := _fault(into, row):
            verdict.errors.append(_error(_INVALID, f"registration {number}: {fault}"))
        else:
            good.append((number, row))
    if not isinstance(rows, list) or not rows:
        verdict.errors.append(_error(_INVALID, "No results in the request"))
    if not verdict.errors:
        verdict.results = [_merge(race, into, number, row) for number, row in good]
    return verdict


def _registrant(race: SandboxRace, into: StoredSet, row: object) -> int | None:
    number = row.get("registration_id") if isinstance(row, dict) else None
    text = str(number)
    known = race.participants.get(int(text)) if text.isdecimal() else None
    return int(text) if known and known["event_id"] == into.event_id else None


def _fault(into: StoredSet, row: Mapping[str, object]) -> str | None:
    splits = {str(split["split_id"]) for split in into.splits}
    for name, value in row.items():
        split = _SPLIT.fullmatch(name)
        if split is None and name not in _PLAIN:
            return f"unknown field {name}"
        if split is not None and split[1] not in splits:
            return f"no split {split[1]} in this result set"
        if name == "place" and not (value is None or (type(value) is int and value >= 1)):
            return f"place {value!r} is not a number from 1"
        if (split or name.endswith("_time")) and not _is_time(value, clears=split is not None):
            return f"{name} {value!r} is not a time"
    return None


def _is_time(value: object, *, clears: bool) -> bool:
    if value in _BLANK or value in WORDS or (clears and value == "X"):
        return True
    return isinstance(value, str) and _TIME.fullmatch(value) is not None


def _merge(race: SandboxRace, into: StoredSet, number: int, row: Mapping[str, object]) -> Row:
    stored = into.rows.get(number)
    if stored is None:
        stored = into.rows[number] = {"result_id": race.new_id(), "registration_id": number}
    for name, value in row.items():
        if name == "registration_id" or value in _BLANK:
            continue  # a blank keeps what is stored
        if value == "X":
            stored.pop(name, None)
        else:
            stored[name] = value
    return {"result_id": stored["result_id"], "registration_id": number}


def _error(code: int, text: str) -> Row:
    return {"error_code": code, "error_msg": text}
