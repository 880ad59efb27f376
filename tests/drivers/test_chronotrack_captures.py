"""Files of controllers and socket lines of a real race, decoded."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from bridge.domain.reads import NS_PER_S, Read, StampForm
from bridge.driver_api import ClockStep, Control, Kept, Marker, Opening, Rejected, Status
from drivers.chronotrack import DRIVER, markers, records

VECTORS = Path(__file__).parents[1] / "vectors" / "chronotrack"
# reads, markers, clock steps, status, control
COUNTS = {
    "19K_5072019.csv": (918, 0, 0, 0, 0),
    "19K_5072019.mrk": (0, 0, 1, 12, 19),
    "9K_5071949.csv": (849, 0, 0, 0, 0),
    "9K_5071949.mrk": (0, 0, 1, 12, 19),
    "FINISH1_5071909.mrk": (0, 7, 1, 11, 23),
    "FINISH2_01010000.mrk": (0, 0, 1, 2, 5),
    "FINISH2_01010000_first1500_11fields.csv": (1500, 0, 0, 0, 0),
    "FINISH3_05080711.mrk": (0, 1, 0, 129, 10),
    "FINISH3_05080711_first1500_padded.csv": (1500, 0, 0, 0, 0),
    "FINISH4_mini_05080741.mrk": (0, 0, 3, 24, 20),
    "FINISH4_mini_first1000.csv": (1000, 0, 0, 0, 0),
    "START1_5012018.csv": (677, 0, 0, 0, 0),
    "START1_5012018.mrk": (0, 0, 0, 12, 21),
    "START1_5071909_first2000.csv": (2000, 0, 0, 0, 0),
    "ct01_13_file_lines.txt": (3, 0, 0, 0, 0),
    "ctp01_lines.txt": (2, 0, 0, 0, 1),
}
KINDS = (Read, Marker, ClockStep, Status, Control)


def decoded(name: str, size: int = 1 << 20, tags: tuple[str, ...] = ()) -> list[Kept]:
    wire = (VECTORS / name).read_bytes()
    session = DRIVER.session(Opening(options={"tags": list(tags)}, link="file"))
    events: list[Kept] = []
    for at in range(0, len(wire), size):
        for event in session.feed(wire[at : at + size]):
            assert isinstance(event, Kept)
            events.append(event)
    assert session.pending == b""
    assert b"".join(event.raw for event in events) == wire
    return events


def reads_of(name: str, tags: tuple[str, ...] = ()) -> list[Read]:
    return [event for event in decoded(name, tags=tags) if isinstance(event, Read)]


@pytest.mark.parametrize("size", [61, 1 << 20])
def test_every_file_has_its_counts(size: int) -> None:
    counted = {}
    for path in VECTORS.iterdir():
        kinds = Counter(type(event) for event in decoded(path.name, size))
        counted[path.name] = tuple(kinds.pop(kind, 0) for kind in KINDS)
        assert not kinds
    assert counted == COUNTS


def test_one_observation_in_full() -> None:
    read = reads_of("9K_5071949.csv")[2]
    assert read.raw == b"TO~3~200~160~18~1620461427.22~11FD4E~8~-71~3~P~70\r\n"
    assert (read.chip, read.stamp) == ("200@160/18", 1_620_461_427_220_000_000)
    assert (read.form, read.antenna, read.rssi) == (StampForm.NAIVE, 4, -71.0)
    assert (read.unit, read.seq) == ("11FD4E", 3)
    assert records.details(read.raw) == {
        "tag": 200, "timer": 160, "event": 18, "antenna_bits": 8, "reader_seq": 3,
        "type": "normal", "hits": 70,
    }  # fmt: skip


def test_records_of_old_and_of_padding_controllers() -> None:
    old = reads_of("FINISH2_01010000_first1500_11fields.csv")[0]
    padded = reads_of("FINISH3_05080711_first1500_padded.csv")[0]
    assert "hits" not in records.details(old.raw)
    assert (padded.chip, padded.seq) == ("9573@160/18", 1)


def test_times_go_back_by_less_than_the_crossing_window() -> None:
    reads = reads_of("START1_5071909_first2000.csv")
    steps = [one.stamp - other.stamp for one, other in pairwise(reads)]
    assert sum(step > 0 for step in steps) == 839
    assert 5 * NS_PER_S < max(steps) < 7 * NS_PER_S


def test_two_readers_may_see_one_tag_in_the_same_hundredth() -> None:
    reads = reads_of("START1_5071909_first2000.csv")
    assert len({(read.chip, read.stamp) for read in reads}) == 1995
    assert len({read.key for read in reads}) == 2000
    assert {read.unit for read in reads} == {"12000C", "120044"}


def test_a_file_copied_again_brings_the_same_reads() -> None:
    keys = [read.key for read in reads_of("19K_5072019.csv")]
    wire = (VECTORS / "19K_5072019.csv").read_bytes()
    again = DRIVER.session(Opening(link="file")).feed(wire.replace(b"\r\n", b"\n"))
    assert [event.key for event in again if isinstance(event, Read)] == keys


def test_tags_of_the_race_are_numbers_and_foreign_ones_are_nobodys() -> None:
    chips = [read.chip for read in reads_of("FINISH3_05080711_first1500_padded.csv", ("160/18",))]
    assert sum(chip.isdecimal() for chip in chips) == 1200
    assert {chip.rpartition("/")[0] for chip in chips} == {"", "160/29", "160/32"}


def test_guns_and_clock_changes_of_the_finish() -> None:
    events = decoded("FINISH1_5071909.mrk")
    guns = [event for event in events if isinstance(event, Marker)]
    assert {gun.name for gun in guns} == {"gun"}
    assert [event.note for event in events if isinstance(event, Control)].count("Manual") == 1
    first = guns[0]
    assert (first.name, first.unit) == ("gun", "I11A9D")
    day = 1_620_432_000 * NS_PER_S  # 2021-05-08
    assert first.stamp - day == (8 * 3600 + 55) * NS_PER_S + 160_000_000
    [step] = [event for event in events if isinstance(event, ClockStep)]
    assert step.before is not None
    assert step.after is not None
    assert step.after - step.before == -2_880_000_000
    assert "number 1 " in step.detail


def test_a_clock_change_in_the_middle_of_a_file_says_from_where_on() -> None:
    [step] = [e for e in decoded("19K_5072019.mrk") if isinstance(e, ClockStep)]
    assert step.before is not None
    assert step.after is not None
    assert step.after - step.before == 610_000_000
    assert "number 8 " in step.detail


def test_a_clock_that_began_in_1980_was_set() -> None:
    [step] = [e for e in decoded("FINISH2_01010000.mrk") if isinstance(e, ClockStep)]
    assert step.before is not None
    assert step.after is not None
    assert step.before < 11 * 366 * 86_400 * NS_PER_S < step.after


def test_markers_tell_the_health_of_a_minitrack() -> None:
    fields: dict[str, object] = {}
    for event in decoded("FINISH4_mini_05080741.mrk"):
        if isinstance(event, Status):
            fields |= event.fields
    assert fields["firmware"] == "7.7.2.21W"
    assert (fields["battery_v"], fields["serial"]) == (29.0, "12250")
    assert (fields["point"], fields["event"]) == ("FINISH4", "21ROTM")
    assert (fields["mains"], fields["battery_a"], fields["battery_b"]) == (False, True, True)
    assert fields["antenna_count"] == "12"


def test_the_clock_of_a_reader_inside_is_compared() -> None:
    lags = [
        event.fields["reader1_clock_lag_s"]
        for event in decoded("FINISH3_05080711.mrk")
        if isinstance(event, Status) and "reader1_clock_lag_s" in event.fields
    ]
    assert len(lags) == 125
    assert lags[0] == pytest.approx(1.75)


def test_socket_lines() -> None:
    live, example, place = decoded("ctp01_lines.txt")
    assert isinstance(live, Read)
    assert isinstance(example, Read)
    assert isinstance(place, Control)
    assert (live.chip, live.unit, live.seq, live.antenna) == ("3132", "PHASER", 2000, 1)
    assert (live.stamp, live.form) == (1_748_766_622_040_000_000, StampForm.NAIVE)
    assert (example.form, example.stamp) == (StampForm.TIME_OF_DAY, 50_535_310_000_000)
    assert (place.note, place.extra) == ("newlocation", {"place": "30k"})
    assert records.details(live.raw) == {
        "format": "33", "place": "PHASER", "lap": 1, "reader": "23H016",
    }  # fmt: skip


def test_nothing_of_a_real_file_is_refused_as_a_marker() -> None:
    for path in VECTORS.glob("*.mrk"):
        for line in path.read_bytes().splitlines(keepends=True):
            assert markers.parse(line) is not None
            assert not isinstance(markers.event_of(line), Rejected)
