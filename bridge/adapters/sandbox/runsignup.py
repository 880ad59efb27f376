"""RunSignup made of software: the calls a timing bridge makes, answered as the real one does."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import orjson

from bridge.adapters.sandbox import uploads
from bridge.adapters.sandbox.calls import Call, Reply
from bridge.adapters.sandbox.race import Row, SandboxRace, StoredSet
from bridge.adapters.sandbox.rsu_reading import participants, removed, results

BASE: Final = "/rest"
_AUTH = {"api_key", "api_secret", "rsu_api_key", "sp_api_key", "rsu_api_reg", "format"}
_PAGING = {"page", "results_per_page", "sort", "after_registration_id", "modified_after_timestamp"}
_SET = {"event_id", "individual_result_set_id"}
_NAME_SETTINGS: Mapping[str, object] = {
    "public_results": "T",
    "preliminary_results": "F",
    "disable_notifications": "F",
    "sort_order": 0,
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of the interface."""

    method: str
    path: str
    params: frozenset[str]
    answer: Callable[["RunSignupSandbox", Call], Reply]
    needs: tuple[str, ...] = ()


def _failed(code: int, text: str, status: int = 200, details: list[Row] | None = None) -> Reply:
    error: Row = {"error_code": code, "error_msg": text}
    if details:
        error["error_details"] = details
    return Reply({"error": error}, status)


class RunSignupSandbox:
    """Answers calls about one race."""

    base = BASE

    def __init__(self, race: SandboxRace, keys: Mapping[str, str]) -> None:
        """Serve `race` to whoever has one of the `keys` (key -> secret)."""
        self.race = race
        self._keys = keys

    def answer(self, call: Call) -> tuple[Reply, tuple[str, ...]]:
        """Return the reply, and what a correct client would not have done."""
        operation, values = _find(call)
        if operation is None:
            return _failed(1, "Unknown method", 404), (f"no call {call.method} {call.path}",)
        call = replace(call, values=values)
        problems = _problems(operation, call)
        reply = self._refusal(operation, call) or operation.answer(self, call)
        return reply, problems

    def _refusal(self, operation: Operation, call: Call) -> Reply | None:
        """Return what is answered before the call itself is looked at."""
        if call.query.get("format") != "json":
            return Reply(b"<?xml version='1.0'?><error>the sandbox speaks format=json only</error>")
        registration = (call.query.get("rsu_api_reg"), call.headers.get("x-rsu-api-reg-secret"))
        if any(registration) and not all(registration):
            return _failed(17, "Invalid API caller credentials", 400)
        if not self._known(call):
            return _failed(6, "Key authentication failed")
        if call.values["race_id"] != self.race.race_id:
            return _failed(201, "Race not found")
        for name in operation.needs:
            if not call.given(name):
                return _failed(3, f"Missing parameter: {name}")
        strangers = [e for e in self._events(call) if e not in self.race.events]
        return _failed(301, f"No event {strangers[0]} in this race") if strangers else None

    def _known(self, call: Call) -> bool:
        pairs = (
            (call.given("api_key"), call.given("api_secret")),
            (call.query.get("rsu_api_key", ""), call.headers.get("x-rsu-api-secret", "")),
            (call.query.get("sp_api_key", ""), call.headers.get("x-rsu-api-secret", "")),
        )
        return any(key and self._keys.get(key) == secret for key, secret in pairs)

    def _events(self, call: Call) -> list[int]:
        return [int(each) for each in re.findall(r"\d+", call.given("event_id"))]

    def race_info(self, _call: Call) -> Reply:
        """Answer `race.get`."""
        race = self.race
        events = [{"event_id": number, "name": name} for number, name in race.events.items()]
        info = {"race_id": race.race_id, "name": race.name, "timezone": race.timezone}
        return Reply({"race": {**info, "events": events}})

    def participants(self, call: Call) -> Reply:
        """Answer `participants.list`."""
        return Reply(participants(self.race, self._events(call), call))

    def removed(self, call: Call) -> Reply:
        """Answer `participants.removed`."""
        return Reply(removed(self.race, self._events(call), call))

    def result_sets(self, call: Call) -> Reply:
        """Answer `result_sets.list`."""
        sets = [_set_row(each) for each in self.race.sets_of(call.number("event_id"))]
        return Reply({"individual_results_sets": sets})

    def new_result_set(self, call: Call) -> Reply:
        """Answer `result_sets.create`."""
        request = _request(call)
        name = request.get("individual_result_set_name") if request else None
        if request is None or not isinstance(name, str) or not name:
            return _failed(11, "Invalid submission: individual_result_set_name")
        settings = {**_NAME_SETTINGS, **request}
        made = StoredSet(
            id=self.race.new_id(), event_id=call.number("event_id"), name=name, settings=settings
        )
        self.race.sets[made.id] = made
        return Reply({"individual_result_set_id": made.id})

    def get_results(self, call: Call) -> Reply:
        """Answer `results.get`."""
        wanted = call.number("individual_result_set_id")
        sets = [
            {**_set_row(each), "results": results(self.race, each, call)}
            for each in self.race.sets_of(call.number("event_id"))
            if wanted in {0, each.id}
        ]
        return Reply({"individual_results_sets": sets})

    def full_results(self, call: Call) -> Reply:
        """Answer `results.post`."""
        into = self._set(call)
        request = _request(call)
        if isinstance(into, Reply):
            return into
        if request is None:
            return _failed(11, "Invalid submission: request is not JSON")
        skip = call.given("skip_invalid_registration_ids") == "T"
        verdict = uploads.apply(self.race, into, request.get("results"), skip_unknown=skip)
        if verdict.errors:
            first = verdict.errors[0]
            return _failed(first["error_code"], "Invalid results", details=verdict.errors)
        return Reply({"results": verdict.results})

    def splits(self, call: Call) -> Reply:
        """Answer `splits.get`."""
        into = self._set(call)
        return into if isinstance(into, Reply) else Reply({"result_set_splits": into.splits})

    def write_splits(self, call: Call) -> Reply:
        """Answer `splits.set`: the list replaces the old; a dropped split loses its times."""
        into = self._set(call)
        request = _request(call)
        if isinstance(into, Reply):
            return into
        posted = request.get("result_set_splits") if request else None
        if not isinstance(posted, list) or not all(
            isinstance(each, dict) and each.get("split_name") for each in posted
        ):
            return _failed(11, "Invalid submission: result_set_splits")
        known = {split["split_id"] for split in into.splits}
        if strangers := [p for p in posted if p.get("split_id") not in {None, *known}]:
            return _failed(15, f"No split {strangers[0].get('split_id')} in this result set")
        into.splits = [{**p, "split_id": p.get("split_id") or self.race.new_id()} for p in posted]
        for gone in known - {split["split_id"] for split in into.splits}:
            for row in into.rows.values():
                row.pop(f"split-{gone}", None)
        return Reply({"result_set_splits": into.splits})

    def _set(self, call: Call) -> StoredSet | Reply:
        """Return the set a call is about; without an id the only one is meant."""
        sets = self.race.sets_of(call.number("event_id"))
        wanted = call.number("individual_result_set_id")
        found = [each for each in sets if each.id == wanted] if wanted else sets
        if len(found) != 1:
            return _failed(15, "Invalid individual_result_set_id")
        return found[0]


def _op(
    method: str,
    path: str,
    params: set[str],
    answer: Callable[[RunSignupSandbox, Call], Reply],
    *needs: str,
) -> Operation:
    body = {"request_format", "request"} if method == "POST" else set()
    return Operation(method, path, frozenset(params | body | _AUTH), answer, needs)


OPERATIONS: Final = (
    _op(
        "GET",
        "/race/{race_id}",
        {"most_recent_events_only", "future_events_only"},
        RunSignupSandbox.race_info,
    ),
    _op(
        "GET",
        "/race/{race_id}/participants",
        {"event_id", "include_corrals", "supports_nb", "include_template_participant"} | _PAGING,
        RunSignupSandbox.participants,
        "event_id",
    ),
    _op(
        "GET",
        "/race/{race_id}/removed-participants",
        {"event_id", "condensed_format", "supports_nb"} | _PAGING,
        RunSignupSandbox.removed,
        "event_id",
    ),
    _op(
        "GET",
        "/race/{race_id}/results/get-result-sets",
        {"event_id"},
        RunSignupSandbox.result_sets,
        "event_id",
    ),
    _op(
        "POST",
        "/race/{race_id}/results/new-result-set",
        {"event_id"},
        RunSignupSandbox.new_result_set,
        "event_id",
        "request",
    ),
    _op(
        "GET",
        "/race/{race_id}/results/get-results",
        {"page", "results_per_page", "registration_id", "bib_num"} | _SET,
        RunSignupSandbox.get_results,
        "event_id",
    ),
    _op(
        "POST",
        "/race/{race_id}/results/full-results",
        {"skip_invalid_registration_ids"} | _SET,
        RunSignupSandbox.full_results,
        "event_id",
        "request",
    ),
    _op(
        "GET",
        "/race/{race_id}/results/result-set-splits",
        _SET,
        RunSignupSandbox.splits,
        "event_id",
    ),
    _op(
        "POST",
        "/race/{race_id}/results/result-set-splits",
        _SET,
        RunSignupSandbox.write_splits,
        "event_id",
        "request",
    ),
)


def _find(call: Call) -> tuple[Operation | None, dict[str, int]]:
    for operation in OPERATIONS:
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[0-9]+)", operation.path)
        found = re.fullmatch(pattern, call.path)
        if found and operation.method == call.method:
            return operation, {name: int(value) for name, value in found.groupdict().items()}
    return None, {}


def _problems(operation: Operation, call: Call) -> tuple[str, ...]:
    given = {*call.query, *call.form}
    found = [f"unknown parameter {name}" for name in sorted(given - operation.params)]
    if call.query.get("format") != "json":
        found.append("format=json is missing")
    if operation.method == "POST" and not call.form:
        found.append("the body is not form-encoded")
    if operation.method == "POST" and call.given("request_format") != "json":
        found.append("request_format=json is missing")
    if operation.method == "POST" and "request" in call.query:
        found.append("request belongs into the form")
    return tuple(found)


def _request(call: Call) -> Row | None:
    """Return the JSON of the `request` field, or None if it is no JSON object."""
    if call.given("request_format") != "json":
        return None
    try:
        found = orjson.loads(call.form.get("request", ""))
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _set_row(stored: StoredSet) -> Row:
    headers = {"place": "Place", "bib": "Bib", "clock_time": "Clock Time", "chip_time": "Chip Time"}
    return {
        "individual_result_set_id": stored.id,
        "individual_result_set_name": stored.name,
        "public_results": stored.settings["public_results"],
        "preliminary_results": stored.settings["preliminary_results"],
        "results_headers": headers,
    }
