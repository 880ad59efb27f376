"""The books of a rehearsal tell what does not add up, and nothing else."""

from typing import Any

import pytest

from bridge.adapters.emulator_host import EmulatorHost
from bridge.adapters.emulator_links import Recorder
from bridge.adapters.system_clock import SystemClock
from bridge.app.simulation import Expected, Mat, Plan
from bridge.bootstrap.rehearsal_books import Told, balance, by_reader
from bridge.bootstrap.rehearsal_cast import Cast, Clock, MatReader
from bridge.bootstrap.rehearsal_links import Reader
from bridge.domain.reads import NS_PER_S

RIGHT = {"clock_time": "0:30.0", "chip_time": "0:28.0", "2.5K": "0:14.0"}
STATUS = {"reads": 3, "rejected": 0, "clock_ahead_ms": 1_990, "clock_error_ms": 20}


def reader(*, repeats: bool = False, clock: Clock = Clock.EXACT) -> Reader:
    part = MatReader("mat", "ipico", "finish", 2.0, clock=clock, repeats=repeats)
    host = EmulatorHost(Recorder(lambda _: b""), SystemClock())
    host.sighted = 3
    return Reader(part, host, "tcp://127.0.0.1:10000")


def faults(
    one: Reader,
    *,
    states: dict[str, int] | None = None,
    row: dict[str, object] | None = None,
    **status: object,
) -> list[str]:
    """What the books of one runner and one reader say; all is well unless said otherwise."""
    cast = Cast((Mat("2.5k", 0.5), Mat("finish", 1.0)), (one.part,), checked=("2.5k",))
    splits = {"2.5k": 14 * NS_PER_S}
    expected = Expected(bib=7, clock_ns=30 * NS_PER_S, chip_ns=28 * NS_PER_S, splits=splits)
    states = {"used": 1, "same_passing": 2} if states is None else states
    told = Told(
        reads=int(str({**STATUS, **status}["reads"])),
        states=states,
        readers={"mat": {**STATUS, **status}},
        by_reader={"mat": states},
    )
    books = balance(
        cast, Plan((), (), {7: expected}), {"mat": one}, told, {7: {**RIGHT, **(row or {})}}
    )
    return books.faults


def test_what_adds_up_is_no_fault() -> None:
    assert faults(reader()) == []


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"reads": 2, "states": {"used": 2}}, "mat: 3 reads sent, 2 in the journal"),
        ({"states": {"used": 1}}, "mat: 3 reads, 1 reasons"),
        ({"rejected": 4}, "mat: 4 pieces of what it sent were not understood"),
        ({"states": {"unknown_chip": 3}}, "mat: it saw chips that nobody wears"),
        ({"clock_ahead_ms": 1_500}, "mat: its clock was found +1.500 s ahead, not +2.0"),
        ({"row": {"clock_time": "0:30.3"}}, "bib 7: clock_time is 0:30.3, wrong by +0.300 s"),
        ({"row": {"chip_time": ""}}, "bib 7: chip_time is missing"),
        ({"row": {"2.5K": "0:15.0"}}, "bib 7: split 2.5K is 0:15.0, wrong by +1.000 s"),
    ],
)
def test_what_does_not_add_up_is_named(changes: dict[str, Any], wanted: str) -> None:
    assert wanted in faults(reader(), **changes)


def test_a_read_said_again_is_one_only_where_the_reader_does_so() -> None:
    states = {"used": 1, "same_passing": 2, "duplicate": 1}
    assert faults(reader(repeats=True), states=states, reads=4) == []
    assert "mat: 3 reads sent, 4 in the journal" in faults(reader(), states=states, reads=4)


def test_impulses_are_nobodys() -> None:
    beam = reader(clock=Clock.OF_NOBODY)
    assert faults(beam, states={"unknown_chip": 3}) == []
    assert faults(beam) == ["mat: 3 of its impulses are somebody's"]


def test_reads_are_counted_by_reader_and_state() -> None:
    rows = [{"reader": "a", "state": "used"}, {"reader": "b", "state": "used"}] * 2
    assert by_reader(rows) == {"a": {"used": 2}, "b": {"used": 2}}
