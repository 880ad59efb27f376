"""Foxberry: recorded rows, signs of life, line ends."""

from collections import Counter

import pytest

from bridge.domain.reads import NS_PER_S, Chip, StampForm
from bridge.driver_api import MAIN, Control, Opening, Reason, Rejected, Sighting
from drivers.foxberry import DRIVER, emulator
from tests.support.timers import START, decoded, kinds, reads, wire_of

fields_of = DRIVER.extra


@pytest.mark.parametrize("chunk", [1, 11, 4096])
def test_recorded_rows(chunk: int) -> None:
    wire = wire_of("foxberry", "arranque_1-600.csv")
    events = decoded(DRIVER, wire, chunk)
    assert kinds(events) == {"Read": 600}
    first = reads(events)[0]
    assert (first.chip, first.antenna, first.rssi, first.unit, first.form) == (
        "BF65451ABE0F622D4A180ED3",
        4,
        -63.0,
        "reader_2",
        StampForm.UTC,
    )
    assert first.stamp == 1_467_464_368_979_179_000
    assert set(Counter(read.unit for read in reads(events))) == {"reader_1", "reader_2"}
    assert len({read.key for read in reads(events)}) == len(set(wire.splitlines()))


def test_tid_and_user_data() -> None:
    line = b"r,1,e2003412,1467464368979179,-63.5,E2801160,None\n"
    [read] = reads(decoded(DRIVER, line))
    assert (read.chip, read.rssi) == ("E2003412", -63.5)
    assert fields_of(line) == {"tid": "E2801160"}
    assert fields_of(line.replace(b"None", b"AB01")) == {"tid": "E2801160", "user": "AB01"}
    assert fields_of(b"r,*\n") == {}


def test_rows_without_rssi_or_tail() -> None:
    lines = b"r,1,E2003412,1467464368979179,,,\nr,1,E2003412,1467464368979179,-60\r\n"
    assert [read.rssi for read in reads(decoded(DRIVER, lines))] == [None, -60.0]


def test_on_tcp_a_cr_follows_the_line_feed() -> None:
    session = DRIVER.session(Opening())
    sender = emulator({})
    events = []
    for number in (1, 2):
        [out] = sender.sighted(Sighting(chip=DRIVER.example_chip(number), stamp=START))
        events += session.feed(out.data)
    assert [read.chip for read in reads(events)] == [DRIVER.example_chip(n) for n in (1, 2)]
    assert session.pending == b"\r"


def test_signs_of_life() -> None:
    sender = emulator({})
    assert sender.connected(1, MAIN, START) == []
    assert sender.tick(START) == []
    [out] = sender.tick(START + 10 * NS_PER_S)
    [event] = DRIVER.session(Opening()).feed(out.data)
    assert isinstance(event, Control)
    assert event.note == "sign of life"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"reader_2,4,XYZ,1467464368979179,-63,,\n", Reason.FRAMING),
        (b"reader_2,4,BF65,14674,-63,,,,\n", Reason.FRAMING),
        (b"x" * 1024, Reason.OVERLONG),
    ],
)
def test_damage_is_rejected(line: bytes, reason: Reason) -> None:
    [event] = decoded(DRIVER, line)
    assert isinstance(event, Rejected)
    assert event.reason is reason


def test_empty_lines_are_kept() -> None:
    assert kinds(decoded(DRIVER, b"\r\n\n")) == {"Control": 2}


def test_any_chip_can_be_forwarded() -> None:
    [read] = reads(decoded(DRIVER, DRIVER.encode(Sighting(chip=Chip("A-17"), stamp=START))))
    assert read.chip == "412D3137"


def test_options_are_refused() -> None:
    with pytest.raises(ValueError, match="allowed"):
        emulator({"x": 1})
    assert DRIVER.check_options({"x": 1})


def test_a_time_beyond_what_a_journal_can_hold_is_rejected() -> None:
    last = (2**63 - 1) // 1_000
    [read] = decoded(DRIVER, b"r,4,BF65,%d,-63,,\n" % last)
    assert reads([read])[0].stamp == last * 1_000
    [event] = decoded(DRIVER, b"r,4,BF65,%d,-63,,\n" % (last + 1))
    assert isinstance(event, Rejected)
    assert event.reason is Reason.FIELD
