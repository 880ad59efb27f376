"""What displays hold on to: every field, to the character."""

from zoneinfo import ZoneInfo

import orjson

from bridge.app import payloads
from bridge.app.standings import Totals
from bridge.domain.entrants import Entrant, RegistrationId
from bridge.domain.reads import NS_PER_MS, NS_PER_S, UtcNs
from bridge.domain.results import Crossing, Result, Split, State, Status
from bridge.domain.rules import EventId, EventRules, Method, Point, Rounding

DENVER = ZoneInfo("America/Denver")
AT = UtcNs(1_763_740_800_123_456_789)  # 2025-11-21T16:00:00.123456789Z
EVENT = EventRules(
    id=EventId(54321),
    name="10K",
    course=(Point(location="start"), Point(location="5k", split="5K"), Point(location="finish")),
)
ANNA = Entrant(
    registration_id=RegistrationId(900),
    event_id=EVENT.id,
    bib=17,
    first_name="Anna",
    last_name="Łukasik",
)


def a_crossing(**changes: object) -> Crossing:
    crossing = Crossing(
        id="finish-a-42",
        location="finish",
        chip="058003700012",
        at=AT,
        method=Method.FIRST,
        reads=5,
        rssi=-61.5,
        antenna=2,
        reader="finish-main",
        last_at=AT,
        registration_id=ANNA.registration_id,
        event_id=EVENT.id,
        clock_ns=2_400_100_999_999,
        chip_ns=2_391_500_000_001,
        state=State.USED,
        why="first of 5 reads",
    )
    return crossing._replace(**changes)


def test_crossing() -> None:
    message = payloads.crossing(
        a_crossing(), "final", 7, site="finish-a", entrant=ANNA, zone=DENVER
    )

    assert orjson.loads(message) == {
        "v": 1,
        "id": "finish-a-42",
        "seq": 7,
        "site": "finish-a",
        "location": "finish",
        "chip": "058003700012",
        "at_ms": 1_763_740_800_123,
        "at_sub_ns": 456_789,
        "at": "2025-11-21T09:00:00.123-07:00",
        "state": "final",
        "method": "first",
        "reads": 5,
        "rssi": -61.5,
        "antenna": 2,
        "reader": "finish-main",
        "registration_id": 900,
        "bib": 17,
        "name": "Anna Łukasik",
        "event_id": 54321,
        "clock_ms": 2_400_100,
        "chip_ms": 2_391_500,
        "reason": "used",
        "why": "first of 5 reads",
    }


def test_crossing_of_an_unknown_chip_without_a_time() -> None:
    crossing = a_crossing(
        at=-1,
        registration_id=None,
        event_id=None,
        clock_ns=None,
        chip_ns=None,
        rssi=None,
        antenna=None,
        state=State.BAD_CLOCK,
    )

    fields = orjson.loads(
        payloads.crossing(crossing, "provisional", 1, site="a", entrant=None, zone=DENVER)
    )

    empty = {name for name, value in fields.items() if value is None}
    assert empty == {
        *("at_ms", "at_sub_ns", "at", "rssi", "antenna", "registration_id", "bib", "name"),
        *("event_id", "clock_ms", "chip_ms"),
    }
    assert fields["reason"] == "bad_clock"


def test_an_instant_is_never_rounded_up() -> None:
    assert payloads.iso(1_999_999_999, DENVER) == "1969-12-31T17:00:01.999-07:00"
    assert payloads.iso(0, ZoneInfo("Asia/Kolkata")) == "1970-01-01T05:30:00.000+05:30"


def result_of(status: Status, clock_ns: int | None, **more: object) -> Result:
    fields = {"chip_ns": clock_ns, "splits": (), "place": None, **more}
    return Result(
        registration_id=ANNA.registration_id,
        event_id=EVENT.id,
        status=status,
        clock_ns=clock_ns,
        **fields,  # type: ignore[arg-type]
    )


def test_result_of_a_finisher_prints_what_the_rounding_says() -> None:
    split = Split(1, "5k", "5K", 1_200_000_000_000, 1_191_499_999_999)
    result = result_of(
        Status.FINISHED,
        2_400_100_999_999,
        chip_ns=2_391_500_000_000,
        splits=(split,),
        place=3,
    )

    assert payloads.result_fields(result, ANNA, EVENT, 12) == {
        "v": 1,
        "event_id": 54321,
        "registration_id": 900,
        "bib": 17,
        "name": "Anna Łukasik",
        "status": "finished",
        "clock_ms": 2_400_100,
        "chip_ms": 2_391_500,
        "clock_time": "0:40:00.2",
        "chip_time": "0:39:51.5",
        "place": 3,
        "splits": [
            {
                "location": "5k",
                "split": "5K",
                "clock_ms": 1_200_000,
                "chip_ms": 1_191_499,
                "clock_time": "0:20:00.0",
                "chip_time": "0:19:51.5",
            }
        ],
        "revision": 12,
    }


def test_result_without_a_time_says_why() -> None:
    fields = payloads.result_fields(result_of(Status.DQ, NS_PER_S), None, EVENT, 1)

    assert (fields["status"], fields["clock_time"], fields["chip_time"]) == ("dq", "DQ", "DQ")
    assert fields["clock_ms"] is None
    assert fields["bib"] is None

    fields = payloads.result_fields(result_of(Status.ON_COURSE, None), ANNA, EVENT, 1)

    assert (fields["status"], fields["clock_time"]) == ("on_course", None)


def test_leaderboard() -> None:
    row = payloads.result_fields(result_of(Status.FINISHED, NS_PER_S), ANNA, EVENT, 1)

    board = orjson.loads(payloads.leaderboard(EVENT, [row], Totals(5, 3, 1)))

    assert board["totals"] == {"started": 5, "on_course": 3, "finished": 1}
    assert board["event_id"] == 54321
    assert board["rows"] == [row]


def test_announcer_prints_by_the_runners_own_event() -> None:
    coarse = EventRules(
        id=EventId(1), name="Fun run", course=EVENT.course, decimals=0, rounding=Rounding.DOWN
    )
    row = payloads.Announced(
        registration_id=RegistrationId(900),
        event_id=EventId(1),
        bib=17,
        name="Anna",
        at_ns=AT,
        status="finished",
        clock_ns=61_900 * NS_PER_MS,
        chip_ns=None,
        place=1,
    )

    told = orjson.loads(payloads.announcer("finish", [row], {EventId(1): coarse}, DENVER))

    assert told == {
        "v": 1,
        "location": "finish",
        "rows": [
            {
                "registration_id": 900,
                "event_id": 1,
                "bib": 17,
                "name": "Anna",
                "status": "finished",
                "at_ms": 1_763_740_800_123,
                "at": "2025-11-21T09:00:00.123-07:00",
                "clock_ms": 61_900,
                "chip_ms": None,
                "clock_time": "0:01:01",
                "chip_time": None,
                "place": 1,
            }
        ],
    }


def test_read() -> None:
    told = orjson.loads(
        payloads.read(
            site="a",
            location="5k",
            reader="main",
            chip="X1",
            at_ns=AT,
            antenna=None,
            rssi=-70.0,
            zone=DENVER,
        )
    )

    assert told == {
        "v": 1,
        "site": "a",
        "location": "5k",
        "reader": "main",
        "chip": "X1",
        "at_ms": 1_763_740_800_123,
        "at": "2025-11-21T09:00:00.123-07:00",
        "antenna": None,
        "rssi": -70.0,
    }
