"""Timing rules 3 and 4: reads to passings, passings to crossings, with numbers."""

from random import Random

import pytest

from bridge.domain.crossings import peak_ns
from bridge.domain.results import Crossing
from bridge.domain.rules import Method
from tests.domain.scenes import (
    FINISH,
    START,
    Reads,
    by_time,
    field,
    outcome,
    read_states,
    result,
    rules,
    runner,
    states,
)
from tests.domain.worlds import instant, seconds


def at_finish(
    *reads: tuple[float, float | None], method: Method = Method.FIRST
) -> tuple[Crossing, list[str]]:
    made = Reads()
    for when, rssi in reads:
        made.at(FINISH, 2000 + when, rssi=rssi)
    out = outcome(made, of=rules(method=method))
    (crossing,) = out.crossings.values()
    return crossing, read_states(out)


@pytest.mark.parametrize(
    ("method", "when"),
    [(Method.FIRST, 0.0), (Method.LAST, 0.75), (Method.STRONGEST, 0.25), (Method.PEAK, 0.375)],
)
def test_methods(method: Method, when: float) -> None:
    reads = [(0.0, -70.0), (0.25, -62.0), (0.5, -62.0), (0.75, -70.0)]
    crossing, _ = at_finish(*reads, method=method)
    assert (crossing.at, crossing.method, crossing.reads) == (instant(2000 + when), method, 4)


@pytest.mark.parametrize(
    ("reads", "method"),
    [
        ([(0.0, -70.0), (0.25, -60.0)], Method.STRONGEST),
        ([(0.0, -60.0), (0.25, -70.0), (0.5, -60.0)], Method.STRONGEST),
        ([(0.0, -70.0), (0.25, -65.0), (0.5, -62.0)], Method.STRONGEST),
        ([(0.0, None), (0.25, None), (0.5, None)], Method.FIRST),
    ],
    ids=["two reads", "opens upwards", "apex outside", "no signal"],
)
def test_a_fit_that_fails_falls_back(reads: list[tuple[float, float]], method: Method) -> None:
    assert at_finish(*reads, method=Method.PEAK)[0].method is method


def test_the_fit_finds_the_apex_of_a_parabola_whatever_the_order() -> None:
    apex = 1_234_567
    signals = [(x, -50.0 - ((x - apex) / 1e6) ** 2 * 8) for x in range(0, 3_000_000, 250_000)]
    found = peak_ns(signals)
    assert found is not None
    assert abs(found - apex) < 200
    Random(1).shuffle(signals)
    assert peak_ns(signals) == found
    assert peak_ns([(at + 10**18, rssi) for at, rssi in signals]) == found + 10**18


def test_a_gap_of_exactly_quiet_is_inside() -> None:
    reads = Reads()
    for when in (2000, 2001, 2002.000001):
        reads.at(FINISH, when)
    out = outcome(reads)
    assert [c.reads for c in by_time(out)] == [2, 1]
    assert read_states(out) == ["used", "same_passing", "too_soon"]


def test_a_parked_chip_is_one_crossing_at_its_first_read() -> None:
    reads = Reads()
    for step in range(18):
        reads.at(FINISH, 2000 + step / 2, rssi=-60.0 + step)
    out = outcome(reads, of=rules(method=Method.LAST))
    (crossing,) = out.crossings.values()
    assert (crossing.at, crossing.method) == (instant(2000), Method.FIRST)
    assert read_states(out) == ["used"] + ["stray"] * 17


def test_exactly_stray_long_is_not_yet_parked() -> None:
    reads = Reads()
    for step in range(17):
        reads.at(FINISH, 2000 + step / 2)
    assert "stray" not in read_states(outcome(reads))


def test_the_official_reader_outranks_the_backup_which_has_its_offset() -> None:
    reads = Reads()
    reads.at("backup", 2000.0)  # 1999.5 at the line
    reads.at(FINISH, 2000.0)
    out = outcome(reads)
    assert by_time(out)[0].at == instant(2000)
    assert read_states(out) == ["outranked", "used"]
    only = Reads()
    only.at("backup", 2000.0)
    assert by_time(outcome(only))[0].at == instant(1999.5)


def test_a_stroll_over_the_main_mat_does_not_replace_a_backup_time() -> None:
    reads = Reads()
    reads.at("backup", 2000.5)
    reads.at(FINISH, 2030)
    out = outcome(reads)
    assert states(out) == ["used", "too_soon"]
    assert result(out).clock_ns == seconds(2000)


def test_two_chips_of_one_runner_share_a_passing() -> None:
    reads = Reads()
    reads.at(FINISH, 2000, chip="left")
    reads.at(FINISH, 2000.25, chip="RIGHT")
    out = outcome(reads, who=field(runner(1, chips=("Left", "right"))))
    assert [c.reads for c in out.crossings.values()] == [2]


def test_a_record_seen_twice_is_one_read() -> None:
    reads = Reads()
    first = reads.at(FINISH, 2000, rssi=-60.0)
    reads.made += [first._replace(id=2), first._replace(id=3, reader="backup"), first]
    out = outcome(reads)
    assert read_states(out) == ["used", "duplicate", "outranked"]
    assert by_time(out)[0].reads == 2


def test_records_of_one_read_that_differ_give_the_same_time_in_any_order() -> None:
    ats = set()
    for order in ((0, 1), (1, 0)):
        reads = Reads()
        reads.at(FINISH, 2000, rssi=-60.0)
        seen = reads.at(FINISH, 2000.5, rssi=-70.0)
        louder = seen._replace(rssi=-50.0)
        pair = (seen, louder)
        reads.made[1:] = [pair[i]._replace(id=2 + n) for n, i in enumerate(order)]
        crossing = by_time(outcome(reads, of=rules(method=Method.STRONGEST)))[0]
        ats.add((crossing.at, crossing.id, crossing.rssi))
    assert ats == {(instant(2000.5), "box-1", -50.0)}


def test_unowned_chips_and_bad_clocks() -> None:
    reads = Reads()
    reads.at(FINISH, 2000, chip="nobody's")
    reads.at(FINISH, 2000, chip="two")
    reads.at("turn", 2000, chip="c1")
    reads.made.append(reads.made[0]._replace(id=4, at=-1))
    who = field(runner(1), runner(2, chips=("two",)), runner(3, chips=("TWO",)))
    of = rules()
    of = type(of)(
        site=of.site,
        events=of.events,
        locations=of.locations,
        readers={**of.readers, "turn": type(of.readers[START])(name="turn", location="turn")},
    )
    out = outcome(reads, of=of, who=who)
    expected = ["unknown_chip", "ambiguous_chip", "wrong_event", "bad_clock"]
    assert read_states(out) == expected
    assert sorted(states(out)) == sorted(expected[:3])
    assert all(c.registration_id is None for c in out.crossings.values())
    assert len(out.crossings) == 3
