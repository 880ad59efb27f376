"""Rows are stored as they are, whichever of their columns are empty."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.adapters.store.events import insert_events
from bridge.adapters.store.schema import connect_writer
from bridge.app.ports import EventRow, Kind

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
