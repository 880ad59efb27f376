"""The sandbox itself: what it keeps, how it fails, its back door. Spoken to over real HTTP."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from bridge.adapters.http_server import bind
from bridge.adapters.sandbox.app import KEY, SECRET, Sandbox
from bridge.adapters.sandbox.faults import Faults
from bridge.adapters.sandbox.race import dump, load, make_race, open_race, standing
from bridge.errors import UsageError
from tests.support.results_service import QuickClock, running

AUTH = {"format": "json", "api_key": KEY, "api_secret": SECRET}
RACE = "/race/12345"
WRONG = "no"


class Caller:
    """A client that does just what a test says."""

    def __init__(self, sandbox: Sandbox, http: httpx2.AsyncClient, url: str) -> None:
        self.sandbox = sandbox
        self.http = http
        self.url = url

    async def get(self, path: str, **params: object) -> object:
        query = {name: str(value) for name, value in params.items()}
        return (await self.http.get(self.url + path, params=AUTH | query)).json()

    async def post(self, path: str, request: object, **params: object) -> dict[str, object]:
        query = {name: str(value) for name, value in params.items()}
        form = {"request_format": "json", "request": json.dumps(request)}
        reply = await self.http.post(self.url + path, params=AUTH | query, data=form)
        found: dict[str, object] = reply.json()
        return found

    async def new_set(self) -> object:
        request = {"individual_result_set_name": "Live"}
        made = await self.post(f"{RACE}/results/new-result-set", request, event_id=1)
        return made["individual_result_set_id"]

    async def results(self, rows: object, **params: object) -> dict[str, object]:
        return await self.post(
            f"{RACE}/results/full-results", {"results": rows}, event_id=1, **params
        )

    @property
    def door(self) -> str:
        return self.url.removesuffix("/rest") + "/_sandbox"


@contextlib.asynccontextmanager
async def calling(sandbox: Sandbox) -> AsyncIterator[Caller]:
    async with running(sandbox) as url, httpx2.AsyncClient(timeout=2.0) as http:
        yield Caller(sandbox, http, url)


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    async with calling(Sandbox(make_race(20), QuickClock())) as made:
        yield made


def code(reply: object) -> object:
    assert isinstance(reply, dict)
    return reply["error"]["error_code"]


async def test_wrong_keys_races_events_and_parameters_have_their_codes(caller: Caller) -> None:
    path = f"{RACE}/results/get-result-sets"
    assert code(await caller.get(path, event_id=1, api_secret=WRONG)) == 6
    assert code(await caller.get("/race/9/results/get-result-sets", event_id=1)) == 201
    assert code(await caller.get(path, event_id=77)) == 301
    assert code(await caller.get(path)) == 3
    assert code(await caller.get("/race/12345/nonsense")) == 1
    half = await caller.http.get(caller.url + path, params=AUTH | {"rsu_api_reg": "1.t"})
    assert (half.status_code, code(half.json())) == (400, 17)


async def test_without_format_json_it_answers_xml_and_notes_the_mistake(caller: Caller) -> None:
    reply = await caller.http.get(caller.url + RACE, params=AUTH | {"format": "xml", "odd": "1"})
    assert reply.content.startswith(b"<?xml")
    (exchange,) = caller.sandbox.log
    assert exchange.problems == ("unknown parameter odd", "format=json is missing")


async def test_a_raw_json_body_is_not_the_protocol(caller: Caller) -> None:
    await caller.new_set()
    path = f"{caller.url}{RACE}/results/full-results"
    reply = await caller.http.post(path, params=AUTH | {"event_id": "1"}, json={"results": []})
    assert code(reply.json()) == 3
    assert "the body is not form-encoded" in caller.sandbox.log[-1].problems


async def test_posted_rows_merge_a_blank_keeps_and_x_clears(caller: Caller) -> None:
    set_id = await caller.new_set()
    splits = await caller.post(
        f"{RACE}/results/result-set-splits",
        {"result_set_splits": [{"split_id": None, "split_name": "5K"}]},
        event_id=1,
        individual_result_set_id=set_id,
    )
    (split,) = splits["result_set_splits"]  # type: ignore[misc]
    name = f"split-{split['split_id']}"
    key = {"registration_id": 700_001}
    first = await caller.results([{**key, name: "0:20:00.1"}])
    second = await caller.results([{**key, "clock_time": "0:40:00.0", "place": 1, name: ""}])
    assert first["results"] == second["results"]
    (row,) = standing(caller.sandbox.race, 1)
    assert (row[name], row["clock_time"], row["place"]) == ("0:20:00.1", "0:40:00.0", 1)
    read = await caller.get(f"{RACE}/results/get-results", event_id=1, bib_num=1)
    shown = read["individual_results_sets"][0]["results"][0]  # type: ignore[index,call-overload]
    assert (shown["clock_time"], shown[name], shown["bib"]) == ("40:00", "20:00.1", 1)
    await caller.results([{**key, name: "X"}])
    assert name not in standing(caller.sandbox.race, 1)[0]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("clock_time", "40 minutes"),
        ("clock_time", "X"),
        ("place", 0),
        ("place", "first"),
        ("split-1", "0:20:00"),
        ("finish", "0:20:00"),
    ],
)
async def test_one_bad_row_spoils_the_upload(caller: Caller, field: str, value: object) -> None:
    await caller.new_set()
    good = {"registration_id": 700_001, "place": 1}
    reply = await caller.results([good, {"registration_id": 700_002, field: value}])
    assert code(reply) == 11
    assert "700002" in json.dumps(reply)
    assert standing(caller.sandbox.race, 1) == []


async def test_an_unknown_registration_spoils_the_upload_unless_told_to_skip(
    caller: Caller,
) -> None:
    await caller.new_set()
    rows = [{"registration_id": 700_001, "place": 1}, {"registration_id": 5, "place": 2}]
    assert code(await caller.results(rows)) == 15
    await caller.results(rows, skip_invalid_registration_ids="T")
    assert [row["registration_id"] for row in standing(caller.sandbox.race, 1)] == [700_001]


async def test_with_several_sets_the_id_is_compulsory(caller: Caller) -> None:
    row = [{"registration_id": 700_001, "place": 1}]
    assert code(await caller.results(row)) == 15
    first, _ = await caller.new_set(), await caller.new_set()
    assert code(await caller.results(row)) == 15
    assert "error" not in await caller.results(row, individual_result_set_id=first)


async def test_a_split_left_out_of_the_list_is_gone_with_its_times(caller: Caller) -> None:
    await caller.new_set()
    path = f"{RACE}/results/result-set-splits"
    made = await caller.post(
        path, {"result_set_splits": [{"split_name": "5K"}, {"split_name": "8K"}]}, event_id=1
    )
    five, eight = (split["split_id"] for split in made["result_set_splits"])  # type: ignore[attr-defined]
    key = {"registration_id": 700_001}
    await caller.results([{**key, f"split-{five}": "20:00", f"split-{eight}": "30:00"}])
    kept = {"split_id": eight, "split_name": "8K"}
    await caller.post(path, {"result_set_splits": [kept]}, event_id=1)
    (row,) = standing(caller.sandbox.race, 1)
    assert f"split-{five}" not in row
    assert row[f"split-{eight}"] == "30:00"
    stranger = {"split_id": 4, "split_name": "x"}
    assert code(await caller.post(path, {"result_set_splits": [stranger]}, event_id=1)) == 15
    assert code(await caller.post(path, {"result_set_splits": "x"}, event_id=1)) == 11


async def test_templates_corrals_and_genders_come_only_when_asked_for(caller: Caller) -> None:
    caller.sandbox.race.participants.clear()
    person = {"race_corral_name": "B", "user": {"gender": "X"}}
    caller.sandbox.race.add({"registration_id": 3, **person}, now_s=1)
    path = f"{RACE}/participants"
    plain = await caller.get(path, event_id=1)
    full = await caller.get(
        path, event_id=1, include_corrals="T", supports_nb="T", include_template_participant="T"
    )
    (row,) = plain[0]["participants"]  # type: ignore[index]
    assert "race_corral_name" not in row
    assert row["user"]["gender"] is None
    rich, template = full[0]["participants"]  # type: ignore[index]
    assert (rich["race_corral_name"], rich["user"]["gender"]) == ("B", "X")
    assert template["registration_id"] == -1
    caller.sandbox.race.remove(3, now_s=2, moved_to=4)
    gone = await caller.get(f"{RACE}/removed-participants", event_id=1, condensed_format="T")
    assert gone[0]["event"]["participants"] == [  # type: ignore[index]
        {
            "registration_id": 3,
            "event_id": 1,
            "removed_reason": "removed",
            "new_registration_id": 4,
        }
    ]


async def test_the_back_door_shows_and_changes_what_no_real_service_lets_us(
    caller: Caller,
) -> None:
    http, door = caller.http, caller.door
    await caller.get(RACE)
    added = await http.post(f"{door}/participants", json={"bib_num": 99, "event_id": 1})
    number = added.json()["registration_id"]
    assert caller.sandbox.race.participants[number]["bib_num"] == 99
    assert (await http.delete(f"{door}/participants/{number}")).status_code == 200
    assert (await http.delete(f"{door}/participants/{number}")).status_code == 404
    assert (await http.post(f"{door}/participants", content=b"[1]")).status_code == 400
    assert (await http.get(f"{door}/results/1")).json() == []
    assert (await http.get(f"{door}/state")).json()["race_id"] == 12345
    (shown,) = (await http.get(f"{door}/requests")).json()
    assert (shown["path"], shown["query"]["api_secret"]) == ("/race/12345", "***")
    assert (await http.put(f"{door}/faults", json={"503": 1.0})).status_code == 200
    assert (await http.get(caller.url + RACE, params=AUTH)).status_code == 503
    assert (await http.put(f"{door}/faults", json={"503": 2})).status_code == 400
    assert (await http.get(caller.url.removesuffix("/rest") + "/other")).status_code == 404


async def test_a_sandbox_that_is_down_cuts_every_connection(caller: Caller) -> None:
    caller.sandbox.go_down(50.0)
    with pytest.raises(httpx2.NetworkError):
        await caller.get(RACE)
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(httpx2.NetworkError):
                assert await caller.get(RACE)
                break


async def test_what_is_posted_survives_in_the_state_file(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    async with calling(Sandbox(make_race(5), QuickClock(), state_file=file)) as first:
        await first.new_set()
        await first.results([{"registration_id": 700_001, "place": 1}])
    race = open_race(file, None, runners=0, seed=1, now_s=1)
    assert standing(race, 1)[0]["place"] == 1
    assert race == first.sandbox.race
    async with calling(Sandbox(race, QuickClock(), state_file=file)) as second:
        await second.results([{"registration_id": 700_002, "place": 2}])
    assert [row["place"] for row in standing(load(file.read_bytes()), 1)] == [1, 2]
    assert not file.with_name("state.json.new").exists()


def test_a_made_up_race_is_the_same_for_a_seed() -> None:
    assert make_race(50, 3) == make_race(50, 3)
    assert make_race(50, 3) != make_race(50, 4)
    race = make_race(50, 3, events={4: "10K", 5: "5K"}, chip=lambda n: f"C{n}")
    assert {row["event_id"] for row in race.participants.values()} == {4, 5}
    assert race.participants[700_007]["chip_num"] == "C7"
    assert load(dump(race)) == race


def test_participants_come_from_csv_or_json(tmp_path: Path) -> None:
    table = tmp_path / "people.csv"
    table.write_text(
        "\ufeffBib,Chip,First,last_name,Event,wave\n12,00A7,Ada,Ash,7,B\n13,,Ben,Birch,8,\n"
    )
    race = open_race(None, table, runners=0, seed=1, now_s=5)
    ada, ben = race.participants.values()
    assert (ada["bib_num"], ada["chip_num"], ada["race_corral_name"]) == (12, "00A7", "B")
    assert (ada["user"]["first_name"], ada["last_modified"]) == ("Ada", 5)
    assert (ben["event_id"], ben["chip_num"]) == (8, None)
    assert set(race.events) == {7, 8}
    listed = tmp_path / "people.json"
    listed.write_text('[{"registration_id": "4", "bib_num": 1}]')
    assert set(open_race(None, listed, runners=0, seed=1, now_s=5).participants) == {4}


@pytest.mark.parametrize(
    ("name", "text"), [("a.csv", "bib\nfirst\n"), ("a.json", "{"), ("a.json", "[1]")]
)
def test_a_file_that_is_neither_says_what_it_should_be(
    tmp_path: Path, name: str, text: str
) -> None:
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(UsageError, match="give CSV with a header"):
        open_race(None, file, runners=0, seed=1, now_s=1)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"sets": {"1": {}}}'])
def test_a_state_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(UsageError):
        load(data)


@pytest.mark.parametrize("spec", ["503", "soon:0.1", "503:x", "reset:1.5", "200:0.1"])
def test_faults_that_are_none_are_refused(spec: str) -> None:
    with pytest.raises(UsageError):
        Faults([spec])


def test_faults_are_the_same_for_a_seed() -> None:
    def drawn(seed: int) -> list[str | None]:
        faults = Faults(["503:0.3", "reset:0.3"], seed)
        return [faults.draw() for _ in range(50)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert set(drawn(1)) == {"503", "reset", None}


def test_a_busy_port_is_said_in_words() -> None:
    taken = bind()
    with pytest.raises(UsageError, match="choose another port"):
        bind("127.0.0.1", taken.getsockname()[1])
    taken.close()
