"""Rows are stored as they are, whichever of their columns are empty."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.adapters.store.events import insert_events
from bridge.adapters.store.runs import RUN, GarbledRow, folded, rows_with, unfolded
from bridge.adapters.store.schema import connect_writer
from bridge.app.rows import EventRow, Kind, ReadRun

OPTIONAL = ("chip", "antenna", "rssi", "seq", "key", "note")


def row(number: int, **given: object) -> EventRow:
    told = dict.fromkeys(OPTIONAL) | given
    return EventRow(
        id=number,
        session=1,
        kind=int(Kind.READ),
        utc_ns=10,
        boot_ns=20,
        stamp=30 + number,
        form=1,
        raw=b"line %d" % number,
        **told,  # type: ignore[arg-type]
    )


values = st.fixed_dictionaries(
    {
        "chip": st.none() | st.text("0123456789abcdef", max_size=12),
        "antenna": st.none() | st.integers(0, 9),
        "rssi": st.none() | st.floats(-90, -20),
        "seq": st.none() | st.integers(0, 99),
        "key": st.none() | st.text(max_size=3),
        "note": st.none() | st.text(max_size=3),
    }
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("events") / "journal.db"


@given(given=st.lists(values, max_size=30), kept=st.sets(st.sampled_from(OPTIONAL)))
def test_what_goes_in_comes_out(base: Path, given: list[dict[str, object]], kept: set[str]) -> None:
    rows = [row(number, **{name: said[name] for name in kept}) for number, said in enumerate(given)]
    connection = connect_writer(base)
    try:
        connection.execute("BEGIN")
        insert_events(connection, rows)
        found = connection.execute("SELECT * FROM events ORDER BY id").fetchall()
        connection.execute("ROLLBACK")
    finally:
        connection.close()
    assert found == rows


def test_a_column_empty_but_for_one_row_keeps_that_row(base: Path) -> None:
    rows = [row(number) for number in range(20)]
    rows[19] = row(19, seq=7, key="D-1/7")
    connection = connect_writer(base)
    try:
        connection.execute("BEGIN")
        insert_events(connection, rows)
        (found,) = connection.execute("SELECT seq, key FROM events WHERE id = 19").fetchall()
        connection.execute("ROLLBACK")
    finally:
        connection.close()
    assert found == (7, "D-1/7")


@given(
    given=st.lists(values, min_size=1, max_size=80),
    kept=st.sets(st.sampled_from(OPTIONAL[:-1])),
    same=st.booleans(),
)
def test_a_run_is_stored_in_few_rows_and_comes_out_read_by_read(
    base: Path,
    given: list[dict[str, object]],
    kept: set[str],
    same: bool,  # noqa: FBT001
) -> None:
    said = [given[0]] * len(given) if same else given
    rows = [
        row(number, **{name: one[name] for name in kept}) for number, one in enumerate(said, 500)
    ]
    before, after = row(3, note="alone"), row(700, key="later")
    run = ReadRun.of_rows(rows)
    connection = connect_writer(base)
    try:
        connection.execute("BEGIN")
        insert_events(connection, list(folded([before, after], [run])))
        found = connection.execute("SELECT * FROM events ORDER BY id").fetchall()
        some = rows_with(connection, [3, 4, 500, 499 + len(rows), 500 + len(rows), 700, 701])
        connection.execute("ROLLBACK")
    finally:
        connection.close()
    assert list(unfolded(found)) == [before, *rows, after]
    assert len(found) <= 2 + max(2, -(-len(rows) // 32))
    assert some == {one.id: one for one in (before, rows[0], rows[-1], after)}


def test_signals_json_has_no_word_for_are_stored_one_by_one() -> None:
    rows = [row(number, rssi=float("inf")) for number in range(5)]
    assert list(folded([], [ReadRun.of_rows(rows)])) == rows


@pytest.mark.parametrize("at", [0, 2, 20, 90, -1])
def test_a_garbled_run_is_found_out(at: int) -> None:
    rows = [row(number, chip=f"c{number}", antenna=number) for number in range(5)]
    [stored] = folded([], [ReadRun.of_rows(rows)])
    assert stored[2] == RUN
    pack = bytearray(stored[12])
    del pack[at]
    with pytest.raises(GarbledRow):
        list(unfolded([(*stored[:12], bytes(pack), None)]))
