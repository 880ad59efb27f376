"""What the retained topics say, over a real `Standings`."""

from zoneinfo import ZoneInfo

import orjson
import pytest

from bridge.app import payloads
from bridge.app.board import BEST, LATEST, REVISIONS_PER_RUN, Board, next_run
from bridge.app.ports import CrossingRow
from bridge.app.standings import Standings
from bridge.domain.entrants import Entrant, RegistrationId
from bridge.domain.reads import NS_PER_MS, NS_PER_S, UtcNs
from bridge.domain.results import Crossing, RemoteCrossing, Result, Split, State, Status
from bridge.domain.rules import (
    EventId,
    EventRules,
    LocationRules,
    Method,
    Point,
    ReaderRules,
    Rules,
)
from tests.support.mqtt_race import Memory

T0 = 1_763_740_800 * NS_PER_S
ZONE = ZoneInfo("America/Denver")
TEN_K = EventRules(
    id=EventId(10),
    name="10K",
    course=(Point(location="start"), Point(location="5k", split="5K"), Point(location="finish")),
)
FAR = EventRules(
    id=EventId(11),
    name="Far away",
    course=(Point(location="finish"), Point(location="5k"), Point(location="hilltop")),
)


def rules(*served: str) -> Rules:
    return Rules(
        site="finish-a",
        events=(TEN_K, FAR),
        locations={name: LocationRules(name=name) for name in ("start", "5k", "finish", "hilltop")},
        readers={name: ReaderRules(name=name, location=name) for name in served},
    )


def entrant(number: int, event: EventRules = TEN_K) -> Entrant:
    return Entrant(
        registration_id=RegistrationId(number),
        event_id=event.id,
        bib=number,
        chips=(f"C{number}",),
        first_name="Runner",
        last_name=str(number),
    )


def finished(number: int, place: int | None = None) -> Result:
    clock = (2_000 + number) * NS_PER_S
    return Result(
        registration_id=RegistrationId(number),
        event_id=TEN_K.id,
        status=Status.FINISHED,
        clock_ns=clock,
        chip_ns=clock - NS_PER_S,
        splits=(Split(1, "5k", "5K", 1_000 * NS_PER_S, 999 * NS_PER_S),),
        place=place or number,
    )


class Desk:
    """A board and what it looks at."""

    def __init__(self, *served: str, run: int = 1, runners: int = 60) -> None:
        self.standings = Standings()
        self.roster = {RegistrationId(n): entrant(n) for n in range(1, runners + 1)}
        self.board = Board(
            rules=rules(*served),
            race=self.standings,
            roster=lambda: self.roster,
            owner=lambda chip, _: RegistrationId(int(chip[1:])) if chip[1:].isdecimal() else None,
            zone=ZONE,
            own={"bridge/finish-a/health": lambda: b"well"},
            run=run,
        )
        self.seq = 0

    def cross(
        self,
        number: int,
        at_s: float,
        *,
        location: str = "finish",
        phase: str = "final",
        crossing_id: str | None = None,
        state: State = State.USED,
    ) -> set[str]:
        self.seq += 1
        crossing = Crossing(
            id=crossing_id or f"finish-a-{self.seq}",
            location=location,
            chip=f"C{number}",
            at=UtcNs(T0 + int(at_s * 1000) * NS_PER_MS),
            method=Method.FIRST,
            reads=1,
            rssi=None,
            antenna=None,
            reader="finish",
            last_at=UtcNs(T0),
            registration_id=RegistrationId(number),
            event_id=TEN_K.id,
            clock_ns=None,
            chip_ns=None,
            state=state,
            why="",
        )
        payload = payloads.crossing(
            crossing, phase, self.seq, site="finish-a", entrant=None, zone=ZONE
        )
        return self.board.observe([CrossingRow(self.seq, self.seq, location, payload)])

    def says(self, key: str) -> dict[str, object]:
        found: dict[str, object] = orjson.loads(self.board.render(key) or b"{}")
        return found

    def bibs(self, location: str = "finish") -> list[int]:
        rows = self.says(f"announcer/{location}")["rows"]
        assert isinstance(rows, list)
        return [row["bib"] for row in rows]


def test_keys_name_all_there_is_to_say() -> None:
    desk = Desk("finish")
    desk.standings.apply([finished(1)], [])
    desk.cross(1, 1)

    assert sorted(desk.board.keys(sweep=False)) == [
        "announcer/5k",
        "announcer/finish",
        "announcer/start",
        "bridge/finish-a/health",
        "crossing/finish/last",
        "leaderboard/10",
        "result/10/1",
    ]
    assert desk.board.render("bridge/finish-a/health") == b"well"
    assert list(desk.board.heartbeat()) == ["bridge/finish-a/health"]


def test_a_sweep_names_every_participant() -> None:
    desk = Desk("finish", runners=3)
    desk.standings.apply([finished(1)], [])

    swept = set(desk.board.keys(sweep=True)) - set(desk.board.keys(sweep=False))

    assert swept == {"result/10/2", "result/10/3"}
    assert desk.board.render("result/10/2") == b""


def test_only_the_box_at_the_finish_tells_results() -> None:
    desk = Desk("5k")
    desk.standings.apply([finished(1)], [])
    desk.cross(1, 1, location="5k")

    assert desk.board.touched_by([finished(1)]) == set()
    for key in ("result/10/1", "leaderboard/10", "announcer/5k", "result/11/1", "nonsense"):
        assert desk.board.render(key) is None
    assert set(desk.board.keys(sweep=True)) == {"bridge/finish-a/health", "crossing/5k/last"}


def test_a_location_of_two_events_has_one_announcer() -> None:
    assert Desk("hilltop").board.render("announcer/finish") is None
    assert Desk("hilltop").board.render("announcer/hilltop") is not None
    assert Desk("finish").board.render("announcer/finish") is not None


def test_a_changed_result_touches_what_shows_it() -> None:
    assert Desk("finish").board.touched_by([finished(4)]) == {
        *("result/10/4", "leaderboard/10"),
        *("announcer/start", "announcer/5k", "announcer/finish"),
    }


def test_revision_grows_with_every_change_and_with_every_start() -> None:
    desk = Desk("finish", run=3)
    desk.standings.apply([finished(1)], [])
    first = desk.says("result/10/1")["revision"]

    assert first == 3 * REVISIONS_PER_RUN + 1
    assert desk.says("result/10/1")["revision"] == first

    desk.standings.apply([finished(1, place=2)], [])

    assert desk.says("result/10/1")["revision"] == first + 1
    rows = desk.says("leaderboard/10")["rows"]
    assert isinstance(rows, list)
    assert rows[0]["revision"] == first + 1


def test_a_withdrawn_result_is_empty() -> None:
    desk = Desk("finish")
    desk.standings.apply([finished(1)], [])
    desk.standings.apply([], [finished(1)])

    assert desk.board.render("result/10/1") == b""


def test_leaderboard_is_cut_at_fifty_best_first() -> None:
    desk = Desk("finish")
    desk.standings.apply([finished(n) for n in range(60, 0, -1)], [])

    board = desk.says("leaderboard/10")

    assert isinstance(board["rows"], list)
    assert [row["bib"] for row in board["rows"]] == list(range(1, BEST + 1))
    assert board["totals"] == {"started": 60, "on_course": 0, "finished": 60}


def test_announcer_has_the_last_twenty_runners_newest_first() -> None:
    desk = Desk("finish")
    for number in range(1, 31):
        desk.cross(number, number)
    desk.cross(25, 100)

    assert desk.bibs() == [25, 30, 29, 28, 27, 26, *range(24, 10, -1)]
    assert len(desk.bibs()) == LATEST


def test_announcer_gives_times_and_place() -> None:
    desk = Desk("finish", "5k")
    desk.standings.apply([finished(7)], [])
    desk.cross(7, 2_007)
    desk.cross(7, 1_000, location="5k")

    rows = desk.says("announcer/finish")["rows"]
    assert isinstance(rows, list)
    assert rows[0]["clock_time"] == "0:33:27.0"
    assert rows[0]["place"] == 7
    rows = desk.says("announcer/5k")["rows"]
    assert isinstance(rows, list)
    assert (rows[0]["clock_time"], rows[0]["chip_time"]) == ("0:16:40.0", "0:16:39.0")


def test_announcer_leaves_out_what_does_not_count() -> None:
    desk = Desk("finish")
    desk.cross(1, 1, crossing_id="a")
    desk.cross(2, 2, state=State.TOO_SOON)
    desk.cross(99, 3)  # owned by nobody on the roster
    assert desk.bibs() == [1]

    touched = desk.cross(1, 1, crossing_id="a", phase="withdrawn")

    assert desk.bibs() == []
    assert touched == {"crossing/finish/last", "announcer/finish"}


def test_announcer_of_another_sites_mat() -> None:
    desk = Desk("finish")
    desk.standings.apply([finished(7)], [])
    remote = [
        RemoteCrossing("mat-b-1", "mat-b", "5k", "C7", T0 + NS_PER_S, withdrawn=False),
        RemoteCrossing("mat-b-2", "mat-b", "5k", "C8", T0 + NS_PER_S, withdrawn=False),
        RemoteCrossing("mat-b-3", "mat-b", "elsewhere", "C7", T0, withdrawn=False),
    ]

    assert desk.board.observe_remote(remote) == {"announcer/5k"}
    assert desk.bibs("5k") == [7]  # 8 has no split there: it did not count

    desk.board.observe_remote([remote[0]._replace(withdrawn=True)])

    assert desk.bibs("5k") == []


def test_last_is_the_latest_crossing_not_the_latest_revision() -> None:
    desk = Desk("finish")
    desk.cross(1, 1, crossing_id="a", phase="provisional")
    desk.cross(2, 2, crossing_id="b", phase="provisional")
    desk.cross(1, 1, crossing_id="a")

    assert desk.says("crossing/finish/last")["id"] == "b"

    desk.cross(2, 2, crossing_id="b")
    assert desk.says("crossing/finish/last")["state"] == "final"

    desk.cross(2, 2, crossing_id="b", phase="withdrawn")
    assert desk.says("crossing/finish/last")["id"] == "a"

    desk.cross(1, 1, crossing_id="a", phase="withdrawn")
    assert desk.board.render("crossing/finish/last") == b""


def test_memory_is_bounded_per_location() -> None:
    desk = Desk("finish")
    for number in range(1, 300):
        desk.cross(number % 50 + 1, number)

    assert len(desk.board._seen["finish"]) <= 120  # noqa: SLF001 - the promise is about memory


@pytest.mark.parametrize("key", ["result/10/x", "result/x/1", "leaderboard/x", "announcer/x"])
def test_a_key_that_names_nothing_is_not_ours(key: str) -> None:
    assert Desk("finish").board.render(key) is None


async def test_runs_are_counted() -> None:
    memory = Memory()

    assert [await next_run(memory), await next_run(memory)] == [1, 2]
