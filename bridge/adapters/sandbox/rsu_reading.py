"""What RunSignup's sandbox shows of a race: participants, removals and results, page by page."""

from collections.abc import Iterable, Sequence

from bridge.adapters.sandbox.calls import Call
from bridge.adapters.sandbox.race import Row, SandboxRace, StoredSet

LARGEST_PAGE = 2500
LARGEST_RESULTS_PAGE = 1000
DEFAULT_PAGE = 50
_CORRAL = ("race_corral_id", "race_corral_name")


def participants(race: SandboxRace, events: Sequence[int], call: Call) -> list[Row]:
    """Return blocks per event; the one without rows has no key for them, as in the original."""
    chosen = _page(_since(race.participants.values(), "last_modified", call), events, call)
    rows = [_participant(row, call) for row in chosen]
    if call.given("include_template_participant") == "T":
        rows.append(_template(events[0]))
    blocks: list[Row] = []
    for event_id in events:
        block: Row = {"event": {"event_id": event_id, "participants": []}}
        if mine := [row for row in rows if row["event_id"] == event_id]:
            block["participants"] = mine
        blocks.append(block)
    return blocks


def removed(race: SandboxRace, events: Sequence[int], call: Call) -> list[Row]:
    """Return blocks per event with the rows inside `event`: the opposite of participants."""
    rows = _page(_since(race.removed, "last_modified_ts", call), events, call)
    if call.given("condensed_format") == "T":
        keep = ("registration_id", "event_id", "removed_reason", "new_registration_id")
        rows = [{name: row[name] for name in keep if name in row} for row in rows]
    return [
        {
            "event": {
                "event_id": event_id,
                "participants": [row for row in rows if row["event_id"] == event_id],
            }
        }
        for event_id in events
    ]


def results(race: SandboxRace, stored: StoredSet, call: Call) -> list[Row]:
    """Return one page of a set's rows as shown: zero fractions and leading hours dropped."""
    size = min(call.number("results_per_page", DEFAULT_PAGE) or DEFAULT_PAGE, LARGEST_RESULTS_PAGE)
    begin = (max(call.number("page", 1), 1) - 1) * size
    rows = [_result(race, stored, row) for row in stored.rows.values()]
    for name, shown in (("registration_id", "registration_id"), ("bib_num", "bib")):
        if wanted := call.number(name):
            rows = [row for row in rows if row[shown] == wanted]
    rows.sort(key=lambda row: (row["place"] is None, row["place"] or 0, row["registration_id"]))
    return rows[begin : begin + size]


def _since(rows: Iterable[Row], stamp: str, call: Call) -> list[Row]:
    after = call.number("modified_after_timestamp")
    return [row for row in rows if int(row[stamp]) >= after]


def _page(rows: Iterable[Row], events: Sequence[int], call: Call) -> list[Row]:
    size = min(call.number("results_per_page", DEFAULT_PAGE) or DEFAULT_PAGE, LARGEST_PAGE)
    begin = (max(call.number("page", 1), 1) - 1) * size
    after = call.number("after_registration_id")
    chosen = [r for r in rows if r["event_id"] in events and r["registration_id"] > after]
    return sorted(chosen, key=lambda row: int(row["registration_id"]))[begin : begin + size]


def _participant(row: Row, call: Call) -> Row:
    shown = dict(row)
    if call.given("include_corrals") != "T":
        shown = {name: value for name, value in row.items() if name not in _CORRAL}
    if call.given("supports_nb") != "T" and row["user"].get("gender") == "X":
        shown["user"] = {**row["user"], "gender": None}
    return shown


def _template(event_id: int) -> Row:
    user = {"first_name": "Template", "last_name": "Participant", "gender": None}
    return {"user": user, "registration_id": -1, "event_id": event_id, "bib_num": None}


def _result(race: SandboxRace, stored: StoredSet, row: Row) -> Row:
    person = race.participants.get(row["registration_id"], {})
    user = person.get("user", {})
    shown: Row = {
        "result_id": row["result_id"],
        "registration_id": row["registration_id"],
        "place": row.get("place"),
        "bib": person.get("bib_num"),
        "first_name": user.get("first_name"),
        "last_name": user.get("last_name"),
        "clock_time": _shown(row.get("clock_time")),
        "chip_time": _shown(row.get("chip_time")),
    }
    for split in stored.splits:
        name = f"split-{split['split_id']}"
        shown[name] = _shown(row.get(name))
    return shown


def _shown(posted: object) -> str:
    """Return a time as the service prints it: ``0:15:48.0`` as ``15:48``."""
    text = str(posted or "")
    whole, _, fraction = text.partition(".")
    whole = whole.removeprefix("0:") if whole.count(":") > 1 else whole
    return f"{whole}.{fraction}" if fraction.strip("0") else whole
