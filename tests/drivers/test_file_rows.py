"""Files of other software: headers, separators, times and JSON Lines, without being told."""

from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest

from bridge.domain.reads import NS_PER_MS, NS_PER_S, StampForm
from bridge.driver_api import (
    Alarm,
    Control,
    Event,
    Opening,
    Read,
    Reason,
    Rejected,
    Remember,
    Sighting,
)
from drivers import rows
from drivers.file import DRIVER
from tests.support.loopback import Loopback

VECTORS = Path(__file__).parents[1] / "vectors"
TEN = 1_778_320_800_000_000_000
"""2026-05-09T10:00:00Z."""


def events_of(
    data: bytes, options: Mapping[str, object] | None = None, memory: str | None = None
) -> list[Event]:
    assert DRIVER.check_options(options or {}) == []
    opening = Opening(options=options or {}, memory=memory, link="file")
    return DRIVER.session(opening).feed(data)


def reads_in(name: str) -> tuple[list[Read], list[Event]]:
    data = (VECTORS / "file" / name).read_bytes()
    events = events_of(data)
    kept = b"".join(event.raw for event in events if not isinstance(event, Remember | Alarm))
    assert kept == data
    return [event for event in events if isinstance(event, Read)], events


def test_a_german_export_with_semicolons_and_a_mark_in_front() -> None:
    reads, events = reads_in("semicolon_header_bom.csv")
    assert [(read.chip, read.stamp - TEN, read.antenna, read.unit) for read in reads] == [
        ("HGMF-4411", 1_250 * NS_PER_MS, 1, "Start"),
        ("HGMF-4412", 2_000 * NS_PER_MS, 2, "Start"),
        ("HGMF-4413", 2_125 * NS_PER_MS, 2, "Ziel"),
        ("104@bib", 3_000 * NS_PER_MS, 1, "Ziel"),
    ]
    assert {read.form for read in reads} == {StampForm.NAIVE}
    [rejected] = [event for event in events if isinstance(event, Rejected)]
    assert rejected.reason is Reason.FIELD
    notes = [event.note for event in events if isinstance(event, Control)]
    assert notes == ["header", "empty line"]


def test_tabs_with_date_and_time_apart() -> None:
    reads, _ = reads_in("tabs_date_time.tsv")
    assert [(read.chip[-3:], read.stamp - TEN, read.antenna) for read in reads] == [
        ("001", 1_500 * NS_PER_MS, 3),
        ("002", 2_000 * NS_PER_MS, 4),
    ]


def test_quotes_and_epochs_of_two_units() -> None:
    reads, _ = reads_in("quoted_epoch.csv")
    assert [(read.stamp - TEN, read.form) for read in reads] == [
        (1_250 * NS_PER_MS, StampForm.UTC),
        (2_000 * NS_PER_MS, StampForm.UTC),
    ]


def test_json_lines_by_the_names_in_them() -> None:
    reads, events = reads_in("reads.jsonl")
    assert [(read.stamp - TEN, read.antenna, read.rssi) for read in reads] == [
        (1_250 * NS_PER_MS, 2, -61.5),
        (2_000 * NS_PER_MS, 2, -70.0),
    ]
    rejected = [event.reason for event in events if isinstance(event, Rejected)]
    assert rejected == [Reason.FRAMING, Reason.FIELD]
    details = DRIVER.extra
    assert details(reads[0].raw) == {"phase": "12"}
    assert details(b"Chip,Time\n") == {}


def test_the_header_is_remembered_and_a_new_one_counts() -> None:
    first = events_of(b"time;epc\n2026-05-09T10:00:00Z;A1\n")
    assert isinstance(first[1], Read)
    assert isinstance(first[2], Remember)
    [again] = events_of(b"2026-05-09T10:00:01Z;A2\n", memory=first[2].memory)
    assert isinstance(again, Read)
    assert again.chip == "A2"
    rotated = events_of(b"time;epc\n2026-05-09T10:00:01Z;A3\n", memory=first[2].memory)
    assert [type(event) for event in rotated] == [Control, Read]
    other = events_of(b"EPC,Port,Time\nA4,2,2026-05-09T10:00:01Z\n", memory=first[2].memory)
    assert isinstance(other[1], Read)
    assert (other[1].chip, other[1].antenna) == ("A4", 2)


@pytest.mark.parametrize("memory", ["no json", "[]", '{"header": 5, "separator": ";"}'])
def test_a_memory_of_something_else_does_no_harm(memory: str) -> None:
    [read] = events_of(b"A1,2026-05-09T10:00:00Z\n", memory=memory)
    assert isinstance(read, Read)


def test_rows_without_a_header_are_chip_and_time() -> None:
    read, short, words = events_of(b"A1;2026-05-09T10:00:00Z;4;-60\nA1\nHello, world\n")
    assert isinstance(read, Read)
    assert (read.chip, read.antenna, read.rssi) == ("A1", 4, -60.0)
    assert isinstance(short, Rejected)
    assert short.reason is Reason.FRAMING
    assert isinstance(words, Rejected)


def test_configured_columns_go_before_the_header() -> None:
    options = {"columns": {"chip": 2, "time": 3}, "separator": ";", "zone": "utc"}
    header, read = events_of(b"Time;Chip;Zeit2\n09;7;09.05.2026 10:00:00\n", options)
    assert isinstance(header, Rejected)
    assert isinstance(read, Read)
    assert (read.chip, read.stamp, read.form) == ("7", TEN, StampForm.UTC)


def test_configured_names_wait_for_their_header() -> None:
    options = {"columns": {"chip": "Nr", "time": "At"}, "chip": ["no_zeros"]}
    early, header, read, *_ = events_of(b"007,10:00\nNr,At\n007,2026-05-09T10:00:00Z\n", options)
    assert isinstance(early, Rejected)
    assert early.reason is Reason.UNKNOWN
    assert isinstance(header, Control)
    assert isinstance(read, Read)
    assert read.chip == "7"
    [named] = events_of(b'{"AT": "2026-05-09T10:00:00Z", "NR": 12, "time": "x"}\n', options)
    assert isinstance(named, Read)
    assert named.chip == "12"


def test_one_format_alone() -> None:
    guid = b"{A-1},2026-05-09T10:00:00Z\n"
    [read] = events_of(guid, {"format": "rows"})
    assert isinstance(read, Read)
    [rejected] = events_of(guid, {"format": "json"})
    assert isinstance(rejected, Rejected)
    object_row = b'{"chip":"A1","time":"2026-05-09T10:00:00Z"}\n'
    assert isinstance(events_of(object_row, {"format": "rows"})[0], Rejected)


def test_a_file_without_times() -> None:
    _, read, _ = events_of(b"Chip,Reader\nA1,gate\n", {"time": "none"})
    assert isinstance(read, Read)
    assert (read.form, read.unit) == (StampForm.ABSENT, "gate")


def test_one_column_for_both_is_often_called_date() -> None:
    _, read, _ = events_of(b"Date|Tag\n2026-05-09 10:00:00|A1\n")
    assert isinstance(read, Read)
    assert (read.chip, read.stamp) == ("A1", TEN)


def test_quotes_that_are_none_are_text() -> None:
    assert rows.split('a\rb,"c"', ",") == ["a\rb", '"c"']
    assert rows.split('"a;b" ; c', ";") == ["a;b", "c"]
    assert rows.join(["a;b", 'c"', "d"], ";") == '"a;b";"c""";d'


def test_objects_of_many_kinds_are_read_each_by_its_own_names() -> None:
    lines = b"".join(
        b'{"x%d": 1, "chip": "A%d", "time": "2026-05-09T10:00:00Z"}\n' % (n, n) for n in range(200)
    )
    events = events_of(lines)
    chips = [event.chip for event in events if isinstance(event, Read)]
    assert chips == [f"A{n}" for n in range(200)]


def test_a_line_without_end_is_given_up() -> None:
    [event] = events_of(b"x" * 4_096)
    assert isinstance(event, Rejected)
    assert event.reason is Reason.OVERLONG


@pytest.mark.parametrize(
    ("log", "driver"),
    [
        ("ipico/lite_usb_TAGDATA_1-2200.txt", "ipico"),
        ("ipico/elite_port10200_fsls_a.log", "ipico"),
        ("chronotrack/9K_5071949.csv", "chronotrack"),
        ("chronotrack/ct01_13_file_lines.txt", "chronotrack"),
        ("chronotrack/FINISH1_5071909.mrk", "chronotrack"),
        ("foxberry/arranque_1-600.csv", "foxberry"),
        ("macsha/one4all_passings_20191212_1-980.csv", "macsha"),
        ("macsha/ocelot_backup_azul_20200315.csv", "macsha"),
        ("timingsense/backup_ts2_semicolon_1-20.csv", "timingsense"),
        ("ultra/real_line.txt", "ultra"),
    ],
)
def test_a_readers_own_log_is_no_read_and_its_driver_is_named(log: str, driver: str) -> None:
    events = events_of((VECTORS / log).read_bytes())
    assert not [event for event in events if isinstance(event, Read)]
    [alarm] = [event for event in events if isinstance(event, Alarm)]
    assert f"driver = '{driver}'" in alarm.text


def test_a_push_of_race_result_is_no_comment() -> None:
    line = orjson.loads((VECTORS / "race_result" / "third_party_lines.json").read_bytes())
    events = events_of(bytes.fromhex(line["wire"]))
    assert any(isinstance(event, Alarm) and "race-result" in event.text for event in events)
    assert isinstance(events_of(b"# a comment\n")[0], Control)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"format": "xml"}, "allowed: auto, rows, json"),
        ({"separator": "json"}, "allowed: one character"),
        ({"columns": {"chip": 1}}, "needs a field 'time'"),
        ({"columns": 5}, "allowed: a table of chip"),
        ({"columns": {"chip": 1, "date": 2, "time": 3}, "time": "epoch_s"}, "date, blank, time"),
        ({"columns": {"chip": 1, "time": 2}, "format": "json"}, "allowed: names"),
        ({"separator": ";", "format": "json"}, "has no meaning"),
        ({"time": "never"}, "allowed: auto, iso"),
        ({"zone": 2}, "option 'zone'"),
        ({"chip": "upper"}, "allowed: a list of"),
        ({"encoding": "ebcdic"}, "allowed: utf-8"),
        ({"pattern": "x"}, "unknown option 'pattern'; allowed: format, columns"),
    ],
)
def test_a_wrong_option_is_refused(options: Mapping[str, object], said: str) -> None:
    complaints = DRIVER.check_options(options)
    assert any(said in complaint for complaint in complaints), complaints


@pytest.mark.parametrize("options", [{}, {"format": "rows"}, {"format": "rows", "separator": "\t"}])
def test_the_emulator_writes_what_is_read(options: Mapping[str, object]) -> None:
    pair = Loopback(DRIVER, emulator_options=options)
    pair.plug()
    sighting = Sighting(chip=DRIVER.example_chip(9), stamp=TEN + NS_PER_S, antenna=3, rssi=-61.5)
    pair.sight(sighting)
    pair.mark("gun")
    [read] = pair.reads
    assert read[1:6] == (sighting.chip, sighting.stamp, StampForm.UTC, 3, -61.5)
    assert read.seq == 1


@pytest.mark.parametrize("options", [{"colour": 1}, {"format": "xml"}, {"separator": "x"}])
def test_an_emulator_that_cannot_be_made_says_why(options: Mapping[str, object]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        DRIVER.emulator(options)
