"""RunSignup's loose JSON: every odd form that was seen, and then some."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.adapters.runsignup import rows
from bridge.errors import TryLater

ADA = {
    "user": {"first_name": " Ada ", "last_name": "Ash", "gender": "X"},
    "registration_id": 71,
    "event_id": 11,
    "bib_num": 5,
    "chip_num": "058003fc3d2a",
    "age": "34",
    "race_corral_name": "Corral B",
    "last_modified": 1632405277,
}


def page(*people: object, event_id: object = 11) -> rows.ParticipantPage:
    document = [{"event": {"event_id": event_id, "participants": []}, "participants": list(people)}]
    return rows.page_of(list(rows.participants(document)))


def test_a_whole_participant() -> None:
    (ada,) = page(ADA).entrants
    assert (ada.registration_id, ada.event_id, ada.bib, ada.chips) == (71, 11, 5, ("058003fc3d2a",))
    assert (ada.name, ada.wave, ada.gender, ada.age) == ("Ada Ash", "Corral B", "X", 34)
    assert page(ADA).newest == 1632405277


@pytest.mark.parametrize("chip", [None, "", 0, "0", " "])
def test_chips_that_mean_none(chip: object) -> None:
    assert page(ADA | {"chip_num": chip}).entrants[0].chips == ()


def test_a_chip_keeps_its_leading_zeros_and_may_be_a_number() -> None:
    assert page(ADA | {"chip_num": "0050004"}).entrants[0].chips == ("0050004",)
    assert page(ADA | {"chip_num": 50004}).entrants[0].chips == ("50004",)


@pytest.mark.parametrize(
    ("bib", "number", "said"),
    [("12", 12, 0), (None, None, 0), ("", None, 0), (0, None, 0), ("A7", None, 1), (-3, None, 0)],
)
def test_odd_bibs_cost_the_bib_and_not_the_runner(
    bib: object, number: int | None, said: int
) -> None:
    got = page(ADA | {"bib_num": bib})
    assert got.entrants[0].bib == number
    assert len(got.skipped) == said


def test_blocks_are_flattened_and_their_event_is_the_fallback() -> None:
    document = [
        {"event": {"event_id": 11, "participants": []}, "participants": [ADA]},
        {"event": {"event_id": "12", "participants": []}},
        {"event": {"event_id": "12"}, "participants": [{"registration_id": "72", "user": []}]},
    ]
    got = rows.page_of(list(rows.participants(document)))
    assert [(e.registration_id, e.event_id) for e in got.entrants] == [(71, 11), (72, 12)]
    assert got.entrants[1].name == ""


def test_a_bare_object_and_nobody_are_taken() -> None:
    bare = {"event": {"event_id": 11}, "participants": [ADA]}
    assert len(list(rows.participants(bare))) == 1
    assert list(rows.participants([])) == []


@pytest.mark.parametrize("document", [{}, {"foo": 1}, [{}], [1], [{"event": {}}, []]])
def test_what_is_no_list_of_participants_is_not_taken_for_an_empty_race(document: object) -> None:
    with pytest.raises(TryLater):
        list(rows.participants(document))


def test_the_template_is_nobody_and_a_row_without_a_number_is_said() -> None:
    got = page({**ADA, "registration_id": -1}, {**ADA, "registration_id": None}, "row", ADA)
    assert [e.registration_id for e in got.entrants] == [71]
    assert got.skipped[0] == "a participant without a usable registration_id (Ada Ash)"
    assert len(got.skipped) == 2


def test_a_row_without_any_event_is_said() -> None:
    got = page({"registration_id": 5}, event_id=None)
    assert got.skipped == ["registration 5: no event_id"]


@pytest.mark.parametrize(
    ("text", "epoch"),
    [
        ("2021-09-23 09:54:37", 1632405277),
        ("9/7/2021 15:15", 1631042100),
        ("09/07/2021 15:15", 1631042100),
        ("04/17/2026", 1776398400),
        ("1632405277", 1632405277),
        (1632405277, 1632405277),
        ("soon", None),
        (None, None),
        ({}, None),
    ],
)
def test_dates_in_all_their_forms_are_eastern(text: object, epoch: int | None) -> None:
    assert rows.epoch(text) == epoch


def test_removed_rows_stand_inside_the_event() -> None:
    row = {
        "registration_id": "71",
        "removed_reason": "transferred",
        "new_registration_id": "99",
        "last_modified": "2021-09-23 09:54:37",
    }
    document = [{"event": {"event_id": 11, "participants": [row, {"registration_id": "x"}]}}]
    found = [rows.removal_of(event, each) for event, each in rows.removed(document)]
    assert found == [(71, 11, "transferred", 99, 1632405277), None]


def test_splits_go_back_as_they_came_and_new_ones_in_metres() -> None:
    stored = {
        "split_id": "8",
        "split_name": "Half",
        "split_distance": "13.1",
        "split_distance_units": "M",
        "pace_type": "T",
    }
    (half,) = rows.splits({"result_set_splits": [stored]})
    assert half.distance_m == pytest.approx(21082.4, abs=0.1)
    assert rows.split_row(half) == {**stored, "split_id": 8}
    new = rows.SplitDef(id=None, name="5K", distance_m=5000.0)
    assert rows.split_row(new) == {
        "split_id": None,
        "split_name": "5K",
        "split_distance": 5000.0,
        "split_distance_units": "m",
    }


@pytest.mark.parametrize("document", [{}, [], {"result_set_splits": {}}])
def test_a_strange_answer_is_never_an_empty_list_of_splits(document: object) -> None:
    with pytest.raises(TryLater):
        rows.splits(document)


def test_a_split_without_an_id_must_not_be_written_back() -> None:
    with pytest.raises(TryLater):
        rows.splits({"result_set_splits": [{"split_name": "5K"}]})


def test_result_sets_without_an_id_are_passed_over() -> None:
    listed = [
        {"individual_result_set_id": "3", "individual_result_set_name": None},
        {"individual_result_set_name": "x"},
    ]
    assert rows.result_sets({"individual_results_sets": listed}) == [(3, "")]
    with pytest.raises(TryLater):
        rows.result_sets([])


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(ADA)), ANY))
def test_no_value_in_any_field_stops_the_page(odd: dict[str, object]) -> None:
    got = page(ADA | odd, {**ADA, "registration_id": 72})
    assert got.entrants[-1].registration_id == 72
    assert got.entrants[-1].name == "Ada Ash"
