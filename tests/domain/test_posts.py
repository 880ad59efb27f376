import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.entrants import RegistrationId
from bridge.domain.posts import acknowledged, changes, desired_row, row_of
from bridge.domain.results import Result, Split, Status
from bridge.domain.rules import EventId, EventRules, Point, Rounding, TimeKind

S = 1_000_000_000
EVENT = EventRules(
    id=EventId(1),
    name="10K",
    course=(
        Point(location="start"),
        Point(location="5k", split="5K"),
        Point(location="8k", split="8K"),
        Point(location="finish"),
    ),
)
IDS = {"5K": 11, "8K": 12}
EVERYWHERE = frozenset({"start", "5k", "8k", "finish"})


def result(
    status: Status = Status.FINISHED, splits: tuple[Split, ...] = (), place: int | None = 3
) -> Result:
    finished = status is Status.FINISHED
    return Result(
        registration_id=RegistrationId(7),
        event_id=EVENT.id,
        status=status,
        clock_ns=2_400 * S + 10_000_000 if finished else None,
        chip_ns=2_390 * S + 999_999_999 if finished else None,
        splits=splits,
        place=place if finished else None,
    )


FIVE = Split(1, "5k", "5K", 1_210 * S + 1, 1_200 * S)


def test_a_finisher_with_splits_is_rounded_each_from_its_own_raw_value() -> None:
    assert desired_row(result(splits=(FIVE,)), EVENT, EVERYWHERE, IDS) == {
        "split-11": "0:20:00.0",
        "split-12": None,
        "clock_time": "0:40:00.1",
        "chip_time": "0:39:51.0",
        "place": 3,
    }


def test_rules_of_the_event_decide_decimals_rounding_and_which_time_is_the_split() -> None:
    event = EventRules(
        id=EVENT.id,
        name="10K",
        course=EVENT.course,
        decimals=3,
        rounding=Rounding.DOWN,
        split_time=TimeKind.CLOCK,
    )
    row = desired_row(result(splits=(FIVE,)), event, EVERYWHERE, IDS)
    assert row["split-11"] == "0:20:10.000"
    assert row["chip_time"] == "0:39:50.999"


def test_a_box_names_only_the_fields_of_locations_it_serves() -> None:
    both = result(splits=(FIVE,))
    assert desired_row(both, EVENT, frozenset({"5k"}), IDS) == {"split-11": "0:20:00.0"}
    assert set(desired_row(both, EVENT, frozenset({"finish"}), IDS)) == {
        "clock_time",
        "chip_time",
        "place",
    }
    assert desired_row(both, EVENT, frozenset({"start"}), IDS) == {}


@pytest.mark.parametrize(
    ("status", "word"), [(Status.DNF, "DNF"), (Status.DNS, "DNS"), (Status.DQ, "DQ")]
)
def test_a_status_word_stands_in_both_times_without_a_place(status: Status, word: str) -> None:
    row = desired_row(result(status, (FIVE,)), EVENT, EVERYWHERE, IDS)
    assert (row["clock_time"], row["chip_time"], row["place"]) == (word, word, None)
    assert row["split-11"] == "0:20:00.0"


def test_splits_without_a_finish_are_posted_alone() -> None:
    desired = desired_row(result(Status.ON_COURSE, (FIVE,)), EVENT, EVERYWHERE, IDS)
    assert changes(desired, {}).fields == {"split-11": "0:20:00.0"}


def test_a_split_without_an_id_has_no_field() -> None:
    desired = desired_row(result(splits=(FIVE,)), EVENT, EVERYWHERE, {"8K": 12})
    assert [name for name in desired if name.startswith("split")] == ["split-12"]


def test_only_what_changed_is_sent() -> None:
    desired = {"clock_time": "0:40:00.1", "chip_time": "0:39:51.0", "place": 4}
    posted = {**desired, "place": 3}
    assert changes(desired, posted).fields == {"place": 4}
    assert changes(desired, desired).fields == {}
    assert row_of(7, {"place": 4}) == {"registration_id": 7, "place": 4}


def test_a_withdrawn_split_is_cleared_and_a_withdrawn_finish_flagged() -> None:
    posted = {"split-11": "0:20:00.0", "clock_time": "0:40:00.1", "place": 3, "split-99": "x"}
    desired = desired_row(None, EVENT, EVERYWHERE, IDS)
    change = changes(desired, posted)
    assert change.fields == {"split-11": "X"}
    assert change.stuck == ("clock_time", "place")


def test_a_disqualified_winner_gets_the_word_and_the_place_is_flagged() -> None:
    posted = {"clock_time": "0:40:00.1", "chip_time": "0:39:51.0", "place": 1}
    change = changes(desired_row(result(Status.DQ), EVENT, EVERYWHERE, IDS), posted)
    assert change.fields == {"clock_time": "DQ", "chip_time": "DQ"}
    assert change.stuck == ("place",)


def test_what_was_sent_without_an_answer_is_sent_again_or_cleared() -> None:
    desired = {"split-11": None, "clock_time": "0:40:00.1"}
    change = changes(desired, {"clock_time": "0:40:00.1"}, {"split-11", "clock_time"})
    assert change.fields == {"split-11": "X", "clock_time": "0:40:00.1"}


FIELDS = st.dictionaries(
    st.sampled_from(["split-1", "split-2", "clock_time", "place"]), st.integers(1, 3)
)


@settings(deadline=None)
@given(desired=FIELDS, posted=FIELDS)
def test_once_accepted_nothing_is_left_to_send(
    desired: dict[str, object], posted: dict[str, object]
) -> None:
    wanted = dict.fromkeys(["split-1", "split-2", "clock_time", "place"]) | desired
    after = acknowledged(posted, changes(wanted, posted).fields)
    rest = changes(wanted, after)
    assert rest.fields == {}
    assert all(after.get(name) == value for name, value in desired.items())
    assert set(rest.stuck) == {"clock_time", "place"} & (posted.keys() - desired.keys())
