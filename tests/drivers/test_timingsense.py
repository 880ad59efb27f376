"""Timingsense: arrays over TCP, backup rows, damage inside an array."""

import pytest

from bridge.domain.reads import Chip, StampForm
from bridge.driver_api import Control, Reason, Rejected, Sighting
from drivers.timingsense import DRIVER, MAX_LINE, emulator
from tests.support.timers import START, decoded, kinds, naive, reads, wire_of

fields_of = DRIVER.extra
OBJECT = b'{"Chip":%d,"Moment":"2016-06-03T02:33:48.937842Z","TimingPoint":"a","Type":%d}'


@pytest.mark.parametrize("chunk", [1, 7, 4096])
def test_a_recorded_array(chunk: int) -> None:
    events = decoded(DRIVER, wire_of("timingsense", "stream_payload.json.txt"), chunk)
    assert kinds(events) == {"Read": 2}
    first, second = reads(events)
    assert (first.chip, first.unit, first.form) == ("2", "a", StampForm.UTC)
    assert first.stamp == naive("2016-06-03T02:33:48.937842")
    assert first.key == second.key
    assert fields_of(first.raw) == fields_of(second.raw) == {"type": 1}


@pytest.mark.parametrize("chunk", [1, 7, 4096])
def test_a_recorded_backup(chunk: int) -> None:
    events = decoded(DRIVER, wire_of("timingsense", "backup_ts2_semicolon_1-20.csv"), chunk)
    assert kinds(events) == {"Read": 20}
    first, second = reads(events)[:2]
    assert (first.chip, first.unit, first.form) == ("618", "Meta", StampForm.NAIVE)
    assert first.stamp == naive("2021-03-29T11:52:30.540")
    assert [fields_of(read.raw)["type"] for read in (first, second)] == [1, 2]


def test_backup_rows_with_commas() -> None:
    [read] = reads(decoded(DRIVER, b"618,29/03/2021 11:52:30.540,Meta,1,\r\n"))
    assert read.stamp == naive("2021-03-29T11:52:30.540")
    [event] = decoded(DRIVER, b"618;31/02/2021 11:52:30.540;Meta;1;\r\n")
    assert isinstance(event, Rejected)
    assert event.reason is Reason.FIELD


def test_types_are_an_option_and_nothing_is_dropped() -> None:
    wire = b"[%b,%b]\r\n" % (OBJECT % (5, 1), OBJECT % (5, 2))
    assert kinds(decoded(DRIVER, wire)) == {"Read": 2}
    first, strongest = decoded(DRIVER, wire, options={"types": "strongest"})
    assert isinstance(first, Control)
    assert reads([strongest])[0].chip == "5"
    assert kinds(decoded(DRIVER, wire, options={"types": "first"})) == {"Read": 1, "Control": 1}


def test_a_false_z_is_an_option() -> None:
    [read] = reads(decoded(DRIVER, b"[%b]\r\n" % (OBJECT % (5, 1)), options={"zone": "local"}))
    assert (read.form, read.stamp) == (StampForm.NAIVE, naive("2016-06-03T02:33:48.937842"))


@pytest.mark.parametrize(
    ("zone", "form", "moment"),
    [
        (b"", StampForm.NAIVE, "2016-06-03T02:33:48.937842"),
        (b"-05:00", StampForm.UTC, "2016-06-03T07:33:48.937842"),
        (b"+0200", StampForm.UTC, "2016-06-03T00:33:48.937842"),
    ],
)
def test_other_zones(zone: bytes, form: StampForm, moment: str) -> None:
    [read] = reads(decoded(DRIVER, (OBJECT % (5, 1)).replace(b"Z", zone) + b"\r\n"))
    assert (read.form, read.stamp) == (form, naive(moment))


def test_damage_in_an_array_costs_one_object() -> None:
    good = OBJECT % (5, 1)
    bad = good.replace(b":33:", b":93:")
    text = b"[%b,%b, oops %b,{5},%b]\r\n"
    events = decoded(DRIVER, text % (good, bad, good, OBJECT % (6, 2)))
    assert [read.chip for read in reads(events)] == ["5", "5", "6"]
    assert [e.reason for e in events if isinstance(e, Rejected)] == [
        Reason.FIELD,
        Reason.FRAMING,
        Reason.FIELD,
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"Moment":"2016-06-03T02:33:48Z"}', Reason.UNKNOWN),
        (b'{"Chip":true,"Moment":"2016-06-03T02:33:48Z"}', Reason.UNKNOWN),
        (b'{"Chip":1,"Moment":7}', Reason.FIELD),
        (b'{"Chip":1,"Moment":"2016-13-03T02:33:48Z"}', Reason.FIELD),
        (b"hello", Reason.FRAMING),
        (b"[" * 3000 + b'{"a', Reason.FRAMING),
    ],
)
def test_what_is_no_read_is_rejected(text: bytes, reason: Reason) -> None:
    [event] = decoded(DRIVER, text + b"\r\n")
    assert isinstance(event, Rejected)
    assert event.reason is reason


def test_empty_arrays_are_no_reads() -> None:
    assert kinds(decoded(DRIVER, b"[]\r\n\r\n")) == {"Control": 2}


def test_an_endless_array_is_read_as_far_as_it_is_whole() -> None:
    wire = b"[" + b",".join(OBJECT % (n, 1) for n in range(1000)) + b"]\r\n"
    assert len(wire) > MAX_LINE
    assert len(reads(decoded(DRIVER, wire))) == 999


def test_chips_may_be_text() -> None:
    sighting = Sighting(chip=Chip("007"), stamp=START, antenna=2)
    [read] = reads(decoded(DRIVER, DRIVER.encode(sighting)))
    assert (read.chip, read.unit, read.stamp) == ("007", "b", START)


def test_the_emulator_tells_a_passing_by_two_reads() -> None:
    sighting = Sighting(chip=Chip("7"), stamp=START)
    [out] = emulator({}).sighted(sighting)
    assert [fields_of(read.raw)["type"] for read in reads(decoded(DRIVER, out.data))] == [1, 2]
    assert emulator({"types": "strongest"}).sighted(sighting)[0].data == DRIVER.encode(sighting)


@pytest.mark.parametrize("options", [{"types": "x"}, {"zone": "mars"}, {"type": "both"}])
def test_wrong_options_are_named(options: dict[str, object]) -> None:
    [complaint] = DRIVER.check_options(options)
    assert "allowed" in complaint
    assert not DRIVER.check_options({"types": "both", "zone": "utc"})


@pytest.mark.parametrize("options", [{"types": "first"}, {"zone": "utc"}])
def test_the_emulator_names_what_it_takes(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        emulator(options)


@pytest.mark.parametrize(
    ("change", "by"),
    [
        (b'"Chip":7', b'"Chip":"\\ud800"'),
        (b'"Chip":7', b'"Chip":"a\\u0000"'),
        (b'"Chip":7', b'"Chip":"%s"' % (b"7" * 200)),
        (b"2016-", b"0001-"),
        (b"2016-", b"9999-"),
    ],
)
def test_what_no_journal_can_hold_is_no_read(change: bytes, by: bytes) -> None:
    [event] = decoded(DRIVER, b"[" + (OBJECT % (7, 1)).replace(change, by) + b"]\r\n")
    assert isinstance(event, Rejected)
    assert event.reason is Reason.FIELD


def test_a_point_whose_name_cannot_be_stored_is_left_out() -> None:
    line = (OBJECT % (7, 1)).replace(b'"a"', b'"\\ud800"')
    [read] = reads(decoded(DRIVER, b"[" + line + b"]\r\n"))
    assert (read.chip, read.unit) == ("7", None)
