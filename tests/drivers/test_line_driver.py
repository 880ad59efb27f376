"""A reader described by options: captures of real readers, every option, and its emulator."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.reads import NS_PER_MS, NS_PER_S, Chip, StampForm
from bridge.driver_api import (
    Control,
    Event,
    Marker,
    Opening,
    Read,
    Reason,
    Rejected,
    Remember,
    Sighting,
)
from drivers.line import DRIVER
from tests.support.loopback import Loopback

VECTORS = Path(__file__).parents[1] / "vectors" / "line"
NOON = 1_778_320_800_000_000_000
"""2026-05-09T10:00:00Z."""
Options = Mapping[str, object]
WICLAX: Options = {
    "separator": ";",
    "columns": {"chip": 1, "time": 2, "unit": 3},
    "time": "%d-%m-%Y %H:%M:%S.%f",
    "line_end": "cr",
    "ignore": r"\*",
    "gun": r"RACESTART (?P<time>[0-9:., -]+)",
    "sample": ["01539;22-09-2011 02:41:30.620;0A;559;;0", "RACESTART 22-09-2011 02:40:00,000"],
}


def events_of(options: Options, data: bytes, memory: str | None = None) -> list[Event]:
    assert DRIVER.check_options(options) == []
    return DRIVER.session(Opening(options=options, memory=memory)).feed(data)


def one(options: Options, line: str) -> Event:
    [event] = events_of(options, line.encode() + b"\n")
    return event


def read_of(options: Options, line: str) -> Read:
    event = one(options, line)
    assert isinstance(event, Read), event
    return event


def capture(name: str) -> bytes:
    return (VECTORS / name).read_bytes()


def test_without_options_it_is_simple_csv() -> None:
    read = read_of({}, "E2003412,2026-05-09T10:00:00.5Z,3,-61.5,more")
    assert read[1:6] == ("E2003412", NOON + NS_PER_S // 2, StampForm.UTC, 3, -61.5)
    assert read_of({}, "E2,2026-05-09 10:00:00")[2:4] == (NOON, StampForm.NAIVE)
    sighting = Sighting(chip=Chip("E2"), stamp=NOON + 1_234_999, antenna=2)
    assert DRIVER.encode(sighting) == b"E2,2026-05-09T10:00:00.001234Z,2,-60\n"


def test_foxberry_lines_by_an_expression() -> None:
    expression = r"(?P<unit>[^,]*),(?P<antenna>\d+),(?P<chip>[0-9A-F]+),"
    expression += r"(?P<time>\d+),(?P<rssi>-?\d+),.*"
    options = {"pattern": expression, "time": "epoch_us"}
    reads = events_of(options, capture("foxberry_lines.csv"))
    assert len(reads) == 40
    assert all(isinstance(read, Read) for read in reads)
    first = reads[0]
    assert isinstance(first, Read)
    assert first.raw.startswith(b"reader_2,4,BF65451A")
    assert first[1:6] == (
        "BF65451ABE0F622D4A180ED3", 1_467_464_368_979_179_000, StampForm.UTC, 4, -63.0,
    )  # fmt: skip
    assert first.unit == "reader_2"


def test_alien_lines_by_columns_and_by_an_expression() -> None:
    f800: Options = {"columns": {"chip": 1, "time": 2, "antenna": 3}, "time": "epoch_ms"}
    reads = events_of(f800, capture("alien_f800_lines.txt"))
    assert [read.stamp for read in reads if isinstance(read, Read)] == [
        1_622_570_553_397 * NS_PER_MS,
        1_622_570_553_478 * NS_PER_MS,
        1_622_570_553_602 * NS_PER_MS,
    ]
    assert {read.antenna for read in reads if isinstance(read, Read)} == {3}
    custom = {
        "separator": ";",
        "columns": {"chip": 1, "time": 3, "antenna": 4, "rssi": 5, "seq": 6},
        "time": "epoch_ms",
    }
    [read] = events_of(custom, capture("alien_custom_lines.txt"))
    assert isinstance(read, Read)
    assert read.stamp == 1_518_784_353_958 * NS_PER_MS
    assert (read.antenna, read.rssi, read.seq) == (0, -40.3, 908)
    manual = {
        "pattern": r"Tag:(?P<chip>[0-9A-F ]+), Disc:[^,]+, Last:(?P<time>[^,]+), "
        r"Count:\d+, Ant:(?P<antenna>\d)",
        "time": "%Y/%m/%d %H:%M:%S",
        "chip": ["no_spaces"],
    }
    told, short = events_of(manual, capture("alien_manual_lines.txt"))
    assert isinstance(told, Read)
    assert told[1:5] == ("1115F26881C3C012", 1_043_139_651 * NS_PER_S, StampForm.NAIVE, 0)
    assert isinstance(short, Rejected)
    assert short.reason is Reason.FRAMING


def test_an_ocelots_backup_by_date_and_time_apart() -> None:
    options = {
        "separator": ";",
        "columns": {"chip": 1, "date": 2, "time": 4, "antenna": 5},
        "time": "%Y/%m/%d %H:%M:%S.%f",
        "ignore": "ID2-",
    }
    events = events_of(options, capture("ocelot_backup_lines.csv"))
    assert isinstance(events[0], Control)
    assert isinstance(events[1], Read)
    assert events[1][1:5] == ("DM00328", 1_584_252_175_311 * NS_PER_MS, StampForm.NAIVE, 3)
    assert not [event for event in events if isinstance(event, Rejected)]


def test_wiclax_with_cr_gun_and_heartbeat() -> None:
    data = b"01539;22-09-2011 02:41:30.620;0A;559;;0\r*\rRACESTART 22-09-2011 02:40:00,000\r\n"
    read, beat, gun = events_of(WICLAX, data)
    assert isinstance(read, Read)
    assert (read.chip, read.unit, read.form) == ("01539", "0A", StampForm.NAIVE)
    assert isinstance(beat, Control)
    assert isinstance(gun, Marker)
    assert (gun.name, read.stamp - gun.stamp) == ("gun", 90_620 * NS_PER_MS)
    session = DRIVER.session(Opening(options=WICLAX))
    session.feed(data)
    assert session.pending == b"\n"


def test_guns_without_a_time_are_told_apart_over_restarts() -> None:
    options = {"gun": "BANG"}
    first, second, memory = events_of(options, b"BANG\nBANG\n")
    assert isinstance(first, Marker)
    assert isinstance(second, Marker)
    assert (first.form, first.key, second.key) == (StampForm.ABSENT, "#1", "#2")
    assert isinstance(memory, Remember)
    [third, _] = events_of(options, b"BANG\n", memory.memory)
    assert isinstance(third, Marker)
    assert third.key == "#3"
    damaged = events_of({"gun": "BANG (?P<time>.+)"}, b"BANG tomorrow\n")
    assert isinstance(damaged[0], Rejected)


def test_columns_by_name_wait_for_the_header_and_remember_it() -> None:
    options = {"columns": {"chip": "EPC", "time": "Time Stamp"}}
    row = b"x,2026-05-09T10:00:00Z,E2\n"
    before, header, read, memory = events_of(options, row + b"Note,time stamp,epc\n" + row)
    assert isinstance(before, Rejected)
    assert before.reason is Reason.UNKNOWN
    assert isinstance(header, Control)
    assert isinstance(read, Read)
    assert read.chip == "E2"
    assert isinstance(memory, Remember)
    [again] = events_of(options, row, memory.memory)
    assert isinstance(again, Read)
    assert isinstance(events_of(options, row, "no json")[0], Rejected)


def test_json_objects_by_their_names() -> None:
    options = {"separator": "json", "columns": {"chip": "id", "time": "ts"}, "time": "epoch_s"}
    read = read_of(options, '{"id": "A1", "ts": 1778320800.25, "more": [1]}')
    assert (read.chip, read.stamp) == ("A1", NOON + NS_PER_S // 4)
    bad = one(options, '["A1"]')
    assert isinstance(bad, Rejected)
    assert bad.reason is Reason.FRAMING
    assert isinstance(one({"separator": "json", "time": "none"}, '{"chip": "A1"}'), Read)


@pytest.mark.parametrize(
    ("steps", "text", "chip"),
    [
        ([], " ab 1 ", "ab 1"),
        (["upper"], "ab1", "AB1"),
        (["lower"], "AB1", "ab1"),
        (["no_spaces"], "11 15 F2", "1115F2"),
        (["no_zeros"], "00010", "10"),
        (["no_zeros"], "000", "0"),
        (["hex_to_decimal"], "00FF", "255"),
        (["hex_to_decimal"], "XYZ", "XYZ"),
        (["decimal_to_hex"], "255", "FF"),
        (["decimal_to_hex"], "ff", "ff"),
        (["no_spaces", "hex_to_decimal"], "F F", "255"),
    ],
)
def test_what_is_done_to_a_chip(steps: list[str], text: str, chip: str) -> None:
    assert read_of({"chip": steps}, f"{text},2026-05-09T10:00:00Z").chip == chip


def test_a_bib_stands_in_for_a_chip_and_a_key_makes_a_read_unique() -> None:
    options = {"columns": {"chip": 1, "bib": 2, "time": 3, "key": 4}}
    assert read_of(options, ",0104,2026-05-09T10:00:00Z,a7").chip == "104@bib"
    assert read_of(options, ",A104,2026-05-09T10:00:00Z,a7").chip == "A104"
    both = read_of(options, "E2,104,2026-05-09T10:00:00Z,a7")
    assert (both.chip, both.key) == ("E2", "a7")


def test_what_is_no_number_is_left_out_and_the_read_counts() -> None:
    read = read_of({}, "E2,2026-05-09T10:00:00Z,left,loud")
    assert (read.antenna, read.rssi) == (None, None)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"E2\n", Reason.FRAMING),
        (b",2026-05-09T10:00:00Z\n", Reason.FIELD),
        (b"E2,2026-13-09T10:00:00Z\n", Reason.FIELD),
        (b"x" * 129 + b",2026-05-09T10:00:00Z\n", Reason.FIELD),
        (b"x" * 1_000, Reason.OVERLONG),
    ],
)
def test_what_is_no_read_says_why(line: bytes, reason: Reason) -> None:
    [event] = events_of({}, line)
    assert isinstance(event, Rejected)
    assert event.reason is reason


def test_comments_and_empty_lines_are_kept() -> None:
    comment, empty = events_of({}, b"# hello\n \r\n")
    assert isinstance(comment, Control)
    assert comment.note == "ignored"
    assert isinstance(empty, Control)


def test_bytes_are_text_as_configured() -> None:
    row = "Zoë,2026-05-09T10:00:00Z\0".encode("latin-1")
    [read] = events_of({"encoding": "latin-1", "line_end": "nul"}, row)
    assert isinstance(read, Read)
    assert read.chip == "Zoë"


def test_a_reader_without_a_clock() -> None:
    read = read_of({"columns": {"chip": 1}, "time": "none"}, "E2")
    assert (read.stamp, read.form) == (0, StampForm.ABSENT)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pattern": "(?P<chip>a(b"}, "position 10"),
        ({"pattern": r"(?P<chip>\w+);(?P<tiem>\d+)"}, "unknown field tiem (position 18)"),
        ({"pattern": r"(?P<time>\d+)"}, "needs a field 'chip'"),
        ({"pattern": r"(?P<chip>\w+)"}, "needs a field 'time'"),
        ({"pattern": 7}, "1 to 1000 characters"),
        ({"pattern": r"(?P<chip>(\w+ )+)(?P<time>.+)"}, "position 15"),
        ({"pattern": r"(?P<chip>\w+) (?P<time>.+)", "columns": {"chip": 1}}, "beside 'pattern'"),
        ({"pattern": r"(?P<chip>.) (?P<date>.) (?P<time>.+)", "time": "epoch_s"}, "date, blank"),
        ({"columns": {"chip": 0, "time": 2}}, "column 0 of 'chip' is out of range"),
        ({"columns": {"chip": 1, "time": "Time"}}, "mixes numbers and names"),
        ({"columns": {"chip": "", "time": "Time"}}, "a number from 1, or a name"),
        ({"columns": []}, "allowed: a table of chip"),
        ({"columns": {"chip": 1, "time": 2}, "separator": "json"}, "allowed: names"),
        ({"separator": ", "}, "allowed: one character or 'json'"),
        ({"time": "sundial"}, "allowed: auto, iso, epoch_s"),
        ({"time": 5}, "allowed: text"),
        ({"time": "%H:%M:%Q"}, "%Q at position 6 is unknown"),
        ({"zone": "CET"}, "allowed: naive, utc, +02:00"),
        ({"time": "time_of_day", "zone": "utc"}, "has no meaning"),
        ({"chip": ["bigger"]}, "allowed: a list of upper"),
        ({"gun": "START (?P<chip>.)"}, "unknown field 'chip' at position 10; allowed: time"),
        ({"gun": "START (?P<time>.)", "time": "none", "columns": {"chip": 1}}, "remove one"),
        ({"gun": "("}, "option 'gun'"),
        ({"ignore": "*"}, "option 'ignore': nothing to repeat at position 0"),
        ({"line_end": "dot"}, "allowed: lf, cr, nul"),
        ({"encoding": "ebcdic"}, "allowed: utf-8"),
        ({"sample": [1]}, "allowed: a line of text"),
        ({"sample": 5}, "allowed: a line of text"),
        ({"colour": "red"}, "unknown option 'colour'; allowed: pattern"),
        (
            {"sample": "E2,2026-05-09T10:00:00Z,1"},
            "columns out of range (rssi = 4): it has 3 with the separator ','",
        ),
        ({"sample": "E2,10 o'clock,1,1"}, 'no such time: "10 o\'clock"'),
        ({"sample": "E2,2026-05-09T10:00:00Z,left,-60"}, "antenna 'left' is no number"),
        ({"sample": "E2,2026-05-09T10:00:00Z,1,loud"}, "rssi 'loud' is no number"),
        ({"sample": "# nothing"}, "no line of 'sample' is a read"),
        (
            {"pattern": r"(?P<chip>\w+) (?P<time>.+)", "sample": "E2;10"},
            "not as the pattern has it",
        ),
        (
            {
                "columns": {"chip": "c", "time": "t", "seq": "n"},
                "separator": "json",
                "sample": '{"c": "E2", "t": "2026-05-09T10:00:00Z", "n": "x"}',
            },
            "seq 'x' is no number",
        ),
    ],
)
def test_a_wrong_configuration_is_refused_with_its_place(options: Options, said: str) -> None:
    complaints = DRIVER.check_options(options)
    assert any(said in complaint for complaint in complaints), complaints


CONFIGURED: list[Options] = [
    {},
    WICLAX,
    {"columns": {"chip": 2, "time": 4, "antenna": 1}, "separator": "\t", "time": "epoch_ms"},
    {"columns": {"chip": "EPC", "time": "When", "rssi": "dB"}, "zone": "+02:00"},
    {
        "columns": {"chip": "EPC", "date": "Day", "time": "When"},
        "separator": ";",
        "sample": ["Day;Note;When;EPC", "2026-05-09;;10:00:00Z;E2"],
    },
    {"separator": "json", "columns": {"chip": "id", "time": "ts"}, "time": "%Y%m%d%H%M%S.%f"},
    {
        "pattern": r"<(?P<chip>\w+)@(?P<time>[\d.]+)/(?P<antenna>\d)>",
        "time": "epoch_us",
        "sample": "<E2@1778320800000000/1>",
    },
]


@pytest.mark.parametrize("options", CONFIGURED)
@given(ms=st.lists(st.integers(0, 10**11), min_size=1, max_size=4))
@settings(max_examples=15, deadline=None)
def test_the_emulator_speaks_as_configured(options: Options, ms: list[int]) -> None:
    pair = Loopback(DRIVER, options=options, emulator_options=options)
    pair.plug()
    sent = [
        Sighting(chip=DRIVER.example_chip(n), stamp=NOON + offset * NS_PER_MS, antenna=2)
        for n, offset in enumerate(ms)
    ]
    for sighting in sent:
        pair.sight(sighting)
    assert [read.chip for read in pair.reads] == [sighting.chip for sighting in sent]
    assert [read.stamp for read in pair.reads] == [sighting.stamp for sighting in sent]
    assert not [event for event in pair.events if isinstance(event, Rejected)]


def test_the_emulator_fires_the_gun_of_a_sample() -> None:
    pair = Loopback(DRIVER, options=WICLAX, emulator_options=WICLAX, start_ns=NOON)
    pair.plug()
    pair.mark("button")
    pair.mark("gun")
    [gun] = [event for event in pair.events if isinstance(event, Marker)]
    assert (gun.name, gun.stamp) == ("gun", NOON)
    assert pair.emulator.received(1, b"CLOCK\r", NOON) == []
    assert DRIVER.emulator({"gun": "BANG"}).marked("gun", NOON) == []


@pytest.mark.parametrize("options", [{"colour": "red"}, {"pattern": "(?P<chip>.),(?P<time>.+)"}])
def test_an_emulator_that_cannot_be_made_says_why(options: Options) -> None:
    with pytest.raises(ValueError, match=r"allowed|needs a 'sample'"):
        DRIVER.emulator(options)


def test_steps_of_a_wrong_kind_are_a_complaint() -> None:
    [complaint] = DRIVER.check_options({"chip": [["upper"]]})
    assert "allowed: a list of upper" in complaint


@pytest.mark.parametrize("zone", ["utc", "+00:00", "-00:00", "+0000"])
def test_greenwich_has_many_names(zone: str) -> None:
    read = read_of({"zone": zone}, "E2,2026-05-09T10:00:00")
    assert read.form is StampForm.UTC
    assert read.stamp == read_of({}, "E2,2026-05-09T10:00:00Z").stamp
    assert DRIVER.check_options({"zone": "+15:00"})
