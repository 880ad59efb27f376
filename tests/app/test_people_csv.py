from dataclasses import replace

import pytest

from bridge.app.people_csv import (
    FILE_IDS,
    LARGEST_NUMBER,
    Assignment,
    Import,
    plan_import,
    text_of,
)
from bridge.domain.entrants import Entrant, RegistrationId
from bridge.domain.rules import EventId, EventRules, Point, Rules
from bridge.errors import UsageError

COURSE = (Point(location="finish"),)
ONE = EventRules(id=EventId(1), name="10K", course=COURSE)
TWO = EventRules(id=EventId(2), name="Fun Run", course=COURSE)


def rules(*events: EventRules) -> Rules:
    return Rules(site="a", events=events or (ONE,), locations={}, readers={})


def person(number: int, bib: int | None = None, *chips: str, event: int = 1) -> Entrant:
    return Entrant(
        registration_id=RegistrationId(number),
        event_id=EventId(event),
        bib=bib,
        chips=chips,
        first_name=f"F{number}",
        last_name=f"L{number}",
        wave="A",
        age=30,
    )


KNOWN = {e.registration_id: e for e in (person(101, 1, "AA"), person(102, 2), person(103, 3))}


def given(plan: Import) -> dict[int, tuple[int | None, tuple[str, ...] | None]]:
    return {a.registration_id: (a.bib, a.chips) for a in plan.assignments}


def people(plan: Import) -> list[Entrant]:
    return [one for some in plan.newcomers.values() for one in some]


@pytest.mark.parametrize(
    "text",
    [
        "bib,chip\n1,BB\n1,CC\n2,DD\n",
        "\ufeffbib,chip\r\n1,BB\r\n1,CC\r\n2,DD\r\n",
        "Bib;Chip\n1;BB\n1;CC\n2;DD\n",
        'BIB\tTransponder\n1\tBB\n"1"\tCC\n2\tDD',
        "\n\n bib , chip ,\n\n 1 , BB ,\n1,CC\n\n2.0,DD,,extra\n",
    ],
)
def test_chips_are_added_to_known_bibs_whatever_the_table_looks_like(text: str) -> None:
    plan = plan_import(text, KNOWN, rules())
    assert given(plan) == {101: (None, ("AA", "BB", "CC")), 102: (None, ("DD",))}
    assert (plan.rows, plan.complaints, plan.newcomers) == (3, [], {})


def test_the_same_file_twice_changes_nothing_more() -> None:
    text = "bib,chip\n1,BB\n1,bb\n"
    first = plan_import(text, KNOWN, rules()).assignments
    assert first == [Assignment(RegistrationId(101), None, ("AA", "BB"))]
    worn = {**KNOWN, RegistrationId(101): replace(KNOWN[RegistrationId(101)], chips=("AA", "BB"))}
    assert plan_import(text, worn, rules()).assignments == first


def test_replacing_takes_the_old_chips_away_of_those_who_get_new_ones() -> None:
    plan = plan_import("bib,chip\n1,BB\n", KNOWN, rules(), replacing=True)
    assert given(plan) == {101: (None, ("BB",))}


def test_a_faulty_row_is_told_by_its_line_and_stops_no_other() -> None:
    text = (
        "registration_id,bib,chip\n"
        "999,5,BB\n"  # nobody
        "101,x,BB\n"
        "101,,\n"
        ",2,CC\n"
        ",9,CC\n"
        ",,CC\n"
        "103,33,\n"
    )
    plan = plan_import(text, KNOWN, rules())
    assert given(plan) == {102: (None, ("CC",)), 103: (33, None)}
    assert plan.complaints == [
        "line 2: registration 999 is not a participant",
        "line 3: bib 'x' is not a whole number",
        "line 4: gives neither a chip nor a bib to anybody",
        "line 6: nobody wears bib 9",
        "line 7: says nothing of who it is: no bib or registration_id",
    ]


def test_a_bib_on_two_people_is_nobodys() -> None:
    known = {**KNOWN, RegistrationId(201): person(201, 1, event=2)}
    plan = plan_import("bib,chip\n1,BB\n", known, rules(ONE, TWO))
    assert not plan.assignments
    assert plan.complaints == ["line 2: more than one participant wears bib 1"]


def test_a_shared_chip_and_a_shared_bib_are_told() -> None:
    text = "registration_id,bib,chip\n102,3,AA\n"
    plan = plan_import(text, KNOWN, rules())
    assert plan.complaints == [
        "chip aa belongs to 2 participants: its reads are held as ambiguous",
        "bib 3 is on 2 participants of one event",
    ]


def test_people_come_with_names_and_get_numbers_that_stay() -> None:
    text = "bib,first,last,chip,sex,age,corral\n7,Ann,Lee,BB,F,41,B\n7,Ann,Lee,CC,,,\n8,Bo,,,,,\n"
    ann, bo = people(plan_import(text, KNOWN, rules()))
    assert (ann.name, ann.bib, ann.chips, ann.gender, ann.age, ann.wave) == (
        *("Ann Lee", 7, ("BB", "CC"), "F", 41, "B"),
    )
    assert (bo.name, bo.chips, bo.age) == ("Bo", (), None)
    assert FILE_IDS <= ann.registration_id < LARGEST_NUMBER
    moved = "last,bib,first\nOther,9,Some\nLee,7,Ann\n"
    assert people(plan_import(moved, {}, rules()))[1].registration_id == ann.registration_id


def test_a_field_of_many_thousands_keeps_everybody_apart() -> None:
    text = "bib,last\n" + "".join(f"{bib},Runner\n" for bib in range(1, 30_001))
    assert len({one.registration_id for one in people(plan_import(text, {}, rules()))}) == 30_000


def test_people_known_keep_what_the_file_does_not_say() -> None:
    plan = plan_import("bib,first,last,chip\n1,Anna,Lee,BB\n", KNOWN, rules())
    assert people(plan) == [replace(KNOWN[RegistrationId(101)], first_name="Anna", last_name="Lee")]
    assert given(plan) == {101: (None, ("AA", "BB"))}


def test_a_new_bib_for_somebody_known_is_an_assignment_no_sync_takes_away() -> None:
    plan = plan_import("registration_id,bib,last\n101,11,Lee\n", KNOWN, rules())
    assert given(plan) == {101: (11, None)}


def test_an_odd_age_takes_nobody_out_of_the_race() -> None:
    plan = plan_import("bib,last,age\n9,Lee,M40\n1,L1,old\n", KNOWN, rules())
    assert [one.age for one in people(plan)] == [None, 30]
    assert plan.complaints[0] == "Lee: age 'M40' is not a whole number"


def test_two_names_on_one_bib_are_told_and_the_first_one_stays() -> None:
    plan = plan_import("bib,last\n9,Lee\n9,Ray\n", {}, rules())
    assert [one.name for one in people(plan)] == ["Lee"]
    assert plan.complaints == [
        "line 3: bib 9 is Lee further up, and Ray here: this line is not taken"
    ]


def test_the_event_is_told_by_id_or_name_or_follows_from_the_person() -> None:
    known = {RegistrationId(201): person(201, 4, event=2)}
    text = "bib,last,event\n1,A,1\n2,B,fun run\n3,C,\n4,D,\n5,E,Marathon\n"
    plan = plan_import(text, known, rules(ONE, TWO))
    assert {one.bib: one.event_id for one in people(plan)} == {1: 1, 2: 2, 4: 2}
    assert plan.complaints == [
        "line 4: no event is given; there are: 10K, Fun Run",
        "line 6: there is no event 'Marathon'; there are: 10K, Fun Run",
    ]


def test_whole_people_can_be_made_of_bib_and_chip_alone() -> None:
    plan = plan_import("bib,chip\n9,BB\n9,CC\n,DD\n", {}, rules(), whole=True)
    assert [(one.bib, one.chips) for one in people(plan)] == [(9, ("BB", "CC"))]
    assert plan.complaints == ["line 4: says nothing of who it is: no bib, name or registration_id"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "needs a header"),
        ("12,058000\n", "needs a header"),
        ("name of it,thing\nx,y\n", "needs a header"),
        ("bib,chip,tag\n1,A,B\n", "more than one column for chip"),
        ('bib,chip\n1,"' + "x" * 20_000, "never closed"),
        ('bib,chip\n1,"' + "x" * 200_000, "is no CSV"),
    ],
)
def test_what_is_no_table_of_people_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        plan_import(text, KNOWN, rules())


@pytest.mark.parametrize(
    "data", ["bib,name\n1,Zoë".encode("latin-1"), "bib,name\n1,Zoë".encode("utf-16"), b"\x1f\x8b\0"]
)
def test_what_is_not_utf_8_is_refused_with_the_way_out(data: bytes) -> None:
    with pytest.raises(UsageError, match=r"p\.csv is not UTF-8 text; save it as CSV UTF-8"):
        text_of(data, "p.csv")


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert text_of("\ufeffbib\n1".encode(), "p.csv") == "bib\n1"
