"""RunSignup's JSON into our types; no I/O, and no row stops the others.

The service's JSON is loose: ``[]`` stands for an empty object, numbers come as text, keys are
missing, dates come in three forms. Text dates are US Eastern whatever the race's zone.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from bridge.adapters.runsignup.replies import Json
from bridge.app.ports import ParticipantPage, Removal, ResultSet, SplitDef
from bridge.domain.entrants import Entrant, RegistrationId, chip_key
from bridge.domain.rules import EventId
from bridge.errors import TryLater

EASTERN = "America/New_York"
MAX_ID = 2**53
_DATE_FORMS = (
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d",
)
_METRES = {"K": 1000.0, "M": 1609.344, "y": 0.9144, "m": 1.0}


def participants(document: Json) -> Iterator[tuple[EventId | None, Json]]:
    """Yield (event of the block, row) of a participants reply, all blocks flattened.

    The real rows stand beside `event`; `event.participants` is a relic that is always empty. The
    reference shows a bare object instead of a list of blocks: both are taken.

    Raises:
        TryLater: It is something else.
    """
    for block in _blocks(document):
        event = _object(block.get("event"))
        for row in _list(block.get("participants")):
            yield _event_id(event.get("event_id")), row


def removed(document: Json) -> Iterator[tuple[EventId | None, Json]]:
    """Yield (event of the block, row) of removed participants: here the list is inside `event`.

    Raises:
        TryLater: It is something else.
    """
    for block in _blocks(document):
        event = _object(block.get("event"))
        for row in [*_list(event.get("participants")), *_list(block.get("participants"))]:
            yield _event_id(event.get("event_id")), row


def page_of(rows: list[tuple[EventId | None, Json]]) -> ParticipantPage:
    """Return the rows as entrants; what is odd about them is said, and stops nothing."""
    entrants: list[Entrant] = []
    skipped: list[str] = []
    newest: int | None = None
    for event_id, raw in rows:
        row = _object(raw)
        newest = max(filter(None, (newest, epoch(row.get("last_modified")))), default=None)
        number = registration_id(row)
        if number is None:
            skipped.append(f"a participant without a usable registration_id ({_shown(row)})")
        elif number >= 1:  # -1 is the template, not a person
            entrant = _entrant(RegistrationId(number), event_id, row, skipped)
            if entrant is not None:
                entrants.append(entrant)
    return ParticipantPage(entrants, newest, skipped)


def _entrant(
    number: RegistrationId, event_id: EventId | None, row: dict[str, Json], skipped: list[str]
) -> Entrant | None:
    event = _event_id(row.get("event_id")) or event_id
    if event is None:
        skipped.append(f"registration {number}: no event_id")
        return None
    user = _object(row.get("user"))
    bib = integer(row.get("bib_num"))
    if bib is None and text(row.get("bib_num")):
        skipped.append(f"registration {number}: bib {text(row.get('bib_num'))!r} is not a number")
    chip = text(row.get("chip_num"))
    return Entrant(
        registration_id=number,
        event_id=event,
        bib=bib if bib is not None and bib > 0 else None,
        chips=(chip,) if chip_key(chip) else (),
        first_name=text(user.get("first_name")),
        last_name=text(user.get("last_name")),
        wave=text(row.get("race_corral_name")) or None,
        gender=text(user.get("gender")) or None,
        age=integer(row.get("age")),
    )


def removal_of(event_id: EventId | None, raw: Json) -> Removal | None:
    """Return a removal, or None if the row does not say whose it is."""
    row = _object(raw)
    number = registration_id(row)
    event = _event_id(row.get("event_id")) or event_id
    if number is None or number < 1 or event is None:
        return None
    moved_to = integer(row.get("new_registration_id"))
    return Removal(
        registration_id=RegistrationId(number),
        event_id=event,
        reason=text(row.get("removed_reason")) or "removed",
        moved_to=RegistrationId(moved_to) if moved_to and moved_to > 0 else None,
        modified=epoch(row.get("last_modified_ts")) or epoch(row.get("last_modified")),
    )


def registration_id(raw: Json) -> int | None:
    """Return a row's registration number, or None if it has none that could be one."""
    return integer(_object(raw).get("registration_id"))


def result_sets(document: Json) -> list[ResultSet]:
    """Return the result sets of a reply.

    Raises:
        TryLater: The reply has no such list; an empty answer must not lead to a second set.
    """
    sets = []
    for raw in _expected(document, "individual_results_sets"):
        row = _object(raw)
        number = integer(row.get("individual_result_set_id"))
        if number is not None:
            sets.append(ResultSet(number, text(row.get("individual_result_set_name"))))
    return sets


def splits(document: Json) -> list[SplitDef]:
    """Return split definitions, each with all its fields to be sent back.

    Raises:
        TryLater: The reply has no such list, or a split without an id: writing the list back
            would delete that split and its times.
    """
    found = []
    for raw in _expected(document, "result_set_splits"):
        row = _object(raw)
        number = integer(row.get("split_id"))
        if number is None:
            raise TryLater("RunSignup sent a split without its id")
        distance = decimal(row.get("split_distance"))
        unit = _METRES.get(text(row.get("split_distance_units")))
        found.append(
            SplitDef(
                id=number,
                name=text(row.get("split_name")),
                distance_m=None if distance is None or unit is None else distance * unit,
                extra=row,
            )
        )
    return found


def split_row(split: SplitDef) -> dict[str, object]:
    """Return a split as it is posted: one already there goes back exactly as it came."""
    if split.id is not None:
        return {**split.extra, "split_id": split.id, "split_name": split.name}
    row: dict[str, object] = {"split_id": None, "split_name": split.name}
    if split.distance_m is not None:
        row |= {"split_distance": split.distance_m, "split_distance_units": "m"}
    return row


def epoch(found: Json) -> int | None:
    """Return epoch seconds of a time in any of the service's forms, or None."""
    number = integer(found)
    if number is not None:
        return number if number > 0 else None
    said = text(found)
    for form in _DATE_FORMS:
        try:
            naive = datetime.strptime(said, form)  # noqa: DTZ007 - the zone is put in below
        except ValueError:
            continue
        return int(naive.replace(tzinfo=ZoneInfo(EASTERN)).timestamp())
    return None


def integer(found: Json) -> int | None:
    """Return a whole number that may come as text, or None."""
    if isinstance(found, bool):
        return None
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    said = str(found).strip() if isinstance(found, int | str) else ""
    return int(said) if re.fullmatch(r"-?[0-9]{1,16}", said) and abs(int(said)) < MAX_ID else None


def decimal(found: Json) -> float | None:
    """Return a number that may come as text, or None."""
    said = str(found).strip() if isinstance(found, int | float | str) else ""
    return float(said) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", said) else None


def text(found: Json) -> str:
    """Return trimmed text; numbers as they read, everything else empty."""
    usable = isinstance(found, str | int | float) and not isinstance(found, bool)
    return str(found).strip() if usable else ""


def _event_id(found: Json) -> EventId | None:
    number = integer(found)
    return None if number is None else EventId(number)


def _expected(document: Json, name: str) -> list[Json]:
    rows = document.get(name) if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise TryLater(f"RunSignup's answer has no {name}")
    return rows


def _blocks(document: Json) -> list[dict[str, Json]]:
    """Return the blocks of a reply; one that is none must not pass for "nobody registered"."""
    blocks = [_object(block) for block in (document if isinstance(document, list) else [document])]
    if not all("event" in block or "participants" in block for block in blocks):
        raise TryLater("RunSignup's answer is not a list of participants")
    return blocks


def _object(found: Json) -> dict[str, Json]:
    return found if isinstance(found, dict) else {}


def _list(found: Json) -> list[Json]:
    return found if isinstance(found, list) else []


def _shown(row: dict[str, Json]) -> str:
    user = _object(row.get("user"))
    name = f"{text(user.get('first_name'))} {text(user.get('last_name'))}".strip()
    return name or f"registration_id {row.get('registration_id')!r}"[:60]
