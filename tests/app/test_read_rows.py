"""Reads become rows, and rows times, column by column: as if each had been made by itself."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.app.rows import EventRow, Kind, ReadRun
from bridge.app.timebase import ReaderTime, timed_reads
from bridge.domain.reads import NS_PER_S, Chip, Read, StampForm, identity
from bridge.domain.results import TimedRead
from bridge.domain.rules import ClockPolicy, ReaderRules

NOON = 1_795_262_400 * NS_PER_S

reads = st.lists(
    st.builds(
        Read,
        raw=st.binary(max_size=4),
        chip=st.sampled_from([Chip("0a"), Chip("0b"), Chip("")]),
        stamp=st.integers(NOON, NOON + 60 * NS_PER_S),
        form=st.sampled_from([StampForm.NAIVE, StampForm.UTC]),
        antenna=st.none() | st.integers(1, 8),
        rssi=st.none() | st.floats(-90, -20),
        seq=st.none() | st.integers(1, 99),
        key=st.none() | st.sampled_from(["D-1/1", "D-1/2"]),
    ),
    min_size=1,
    max_size=20,
)


@given(reads)
def test_rows(given: list[Read]) -> None:
    run = ReadRun.of_reads(7, 3, 100, 200, given)
    rows = [
        EventRow(
            id=number,
            session=3,
            kind=int(Kind.READ),
            utc_ns=100,
            boot_ns=200,
            chip=read.chip,
            stamp=read.stamp,
            form=int(read.form),
            antenna=read.antenna,
            rssi=read.rssi,
            seq=read.seq,
            key=read.key,
            raw=read.raw,
            note=None,
        )
        for number, read in enumerate(given, start=7)
    ]
    assert list(run) == rows
    assert [run[at] for at in range(-len(given), len(given))] == rows * 2
    assert run[1:] == rows[1:]
    assert list(ReadRun.of_rows(rows)) == rows


@given(reads)
def test_rows_hold_plain_integers(given: list[Read]) -> None:
    assert {type(row.form) for row in ReadRun.of_reads(1, 1, 1, 1, given)} == {int}


@given(reads, st.sampled_from(["UTC", "America/Denver"]))
def test_times(given: list[Read], zone: str) -> None:
    one_form = [read._replace(form=StampForm.NAIVE) for read in given]
    rules = ReaderRules(name="mat", location="finish", clock=ClockPolicy.READER, zone=zone)
    reader = ReaderTime(rules, can_tell_time=True)
    run = ReadRun.of_reads(1, 1, NOON, 0, one_form)
    assert timed_reads(run, reader, NOON) == [
        TimedRead(
            id=row.id,
            at=reader.at(row.stamp, row.form, NOON),
            chip=row.chip or "",
            reader="mat",
            rssi=row.rssi,
            antenna=row.antenna,
            identity=identity(row.chip or "", row.stamp, row.key),
        )
        for row in run
    ]
