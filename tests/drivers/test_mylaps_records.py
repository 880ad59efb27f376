"""Records of both versions, field by field, and what they are written as."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.reads import NS_PER_MS, NS_PER_S, Chip, Read
from bridge.driver_api import Kept, Marker, Opening, Reason, Rejected, Sighting, StampForm
from drivers.mylaps import DRIVER, frames, key_values, markers, read_lite, stamps
from tests.support.mylaps import kept_of, lite, markers_of, reads_of

EXAMPLE = b"000122806:15:31.82711 01  1D65725041339"
SECOND = b"KV8658316:13:57.417 3 0F  1000025030870"
told_of = DRIVER.extra


def one(function: bytes, *records: bytes, number: bytes = b"1") -> Kept:
    events, pending = kept_of(b"@".join([b"Finish", function, *records, number, b"$"]))
    assert pending == b""
    [event] = events
    return event


def read_of(function: bytes, record: bytes) -> Read:
    event = one(function, record)
    assert isinstance(event, Read)
    return event


def rejected(function: bytes, record: bytes) -> Rejected:
    event = one(function, record)
    assert isinstance(event, Rejected)
    return event


def test_checksums_of_the_worked_examples() -> None:
    assert sum(EXAMPLE[:37]) == 1849
    assert read_lite.checksum(EXAMPLE[:37]) == 0x39
    assert read_lite.checksum(SECOND[:37]) == 0x70
    assert lite(SECOND[:37]) == SECOND


def test_bibtag_codes_keep_their_zeros_and_others_their_letters() -> None:
    assert read_of(b"Store", EXAMPLE).chip == "0001228"
    assert read_of(b"Store", SECOND).chip == "KV86583"


def test_hundredths_have_a_blank_in_front() -> None:
    read = read_of(b"Store", lite(b"0RK9T6N 13:50:23.30 9323  10000090803"))
    assert read.stamp % (60 * NS_PER_S) == 23 * NS_PER_S + 300 * NS_PER_MS


def test_the_form_of_48_characters() -> None:
    record = b"DK5M6M9 12:15:05.61 1 1FFFFFFFF  1FFFFFF0908033F"
    assert len(record) == 48
    assert lite(record[:-2]) == record
    read = read_of(b"Store", record)
    assert (read.chip, read.seq) == ("DK5M6M9", None)
    assert read.stamp == 1_249_301_705_610_000_000
    assert told_of(read.raw) == {
        "device": 1,
        "reader_number": 1,
        "antenna_or_hits": "FFFFFFFF",
        "lap": 1,
        "sequence": "FFFFFF",
    }


def test_of_another_length_only_the_middle_is_unknown() -> None:
    read = read_of(b"Store", lite(b"KV8658316:13:57.417 3 0new250308"))
    assert (read.chip, read.seq) == ("KV86583", None)
    assert told_of(read.raw)["device"] == 3


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (EXAMPLE[:-1] + b"8", Reason.CHECKSUM),
        (b"1" + EXAMPLE[1:], Reason.CHECKSUM),
        (EXAMPLE[:20], Reason.CHECKSUM),
        (b"x", Reason.CHECKSUM),
        (b"", Reason.CHECKSUM),
        (lite(b"000122827:15:31.82711 01  1D657250413"), Reason.FIELD),
        (lite(b"000122806:15:31.82711 01  1D657251313"), Reason.FIELD),
        (lite(b"000122806-15:31.82711 01  1D657250413"), Reason.FIELD),
        (lite(b"short"), Reason.FIELD),
    ],
)
def test_damaged_records_of_version_1(record: bytes, reason: Reason) -> None:
    assert rejected(b"Store", record).reason is reason


def test_one_damaged_record_costs_only_itself() -> None:
    stream = b"Finish@Store@" + b"@".join([EXAMPLE, b"?" + SECOND[1:], SECOND]) + b"@9@$"
    first, damaged, last = kept_of(stream)[0]
    assert isinstance(first, Read)
    assert isinstance(damaged, Rejected)
    assert isinstance(last, Read)
    assert (damaged.raw, last.raw) == (b"?" + SECOND[1:] + b"@", SECOND + b"@9@$")


def test_the_same_time_of_another_device_place_or_number_is_another_read() -> None:
    keys = {
        read_of(b"Store", record).key
        for record in (EXAMPLE, lite(EXAMPLE[:20] + b"2" + EXAMPLE[21:37]),
                       lite(EXAMPLE[:30] + b"8" + EXAMPLE[31:37]))
    }  # fmt: skip
    [elsewhere] = reads_of(b"Start@Store@" + EXAMPLE + b"@1@$")
    assert len(keys | {elsewhere.key}) == 4


def test_laps_and_hits_counted_anew_make_no_other_read() -> None:
    again = lite(EXAMPLE[:23] + b"F 12" + EXAMPLE[27:37])
    assert read_of(b"Store", again).key == read_of(b"Store", EXAMPLE).key


FULL = (
    b"c=KP66964|ct=CX|t=13:11:30.904|d=120606|utc=1338981090904|l=2|dv=4|re=0|an=3|ans=5"
    b"|h=7|am=15|amd=-66.15|g=-1|b=41|n=F-10145|bid=23-33290|ts=GPS|dm=0030568F2CE|new=x"
)


def test_all_keys_of_version_2() -> None:
    read = read_of(b"Passing", FULL)
    assert read[1:] == (
        "KP66964",
        1_338_981_090_904 * NS_PER_MS,
        StampForm.UTC,
        5,
        -66.15,
        "Finish",
        None,
        "Finish/KP66964/120606 13:11:30.904/4",
    )
    told = told_of(read.raw)
    assert told["bib_text"] == "F-10145"
    assert told["amplitude_dbm"] == -66.15
    assert told["utc_offset_min"] == 120
    assert told["new"] == "x"
    assert "group" not in told


def test_order_of_keys_does_not_matter() -> None:
    turned = b"|".join(reversed(FULL.split(b"|")))
    assert read_of(b"Passing", turned)[1:] == read_of(b"Passing", FULL)[1:]


def test_the_wall_clock_counts_where_utc_is_not_trusted_or_not_told() -> None:
    local = 1_338_988_290_904 * NS_PER_MS
    session = DRIVER.session(Opening(options={"stamps": "local"}))
    [read] = session.feed(b"Finish@Passing@" + FULL + b"@1@$")
    assert isinstance(read, Read)
    assert (read.stamp, read.form) == (local, StampForm.NAIVE)
    for value in (b"-1", b"n.a.", b"0", b""):
        read = read_of(b"Passing", FULL.replace(b"utc=1338981090904", b"utc=" + value))
        assert (read.stamp, read.form) == (local, StampForm.NAIVE)
        assert read.key == "Finish/KP66964/120606 13:11:30.904/4"


@pytest.mark.parametrize(
    ("record", "stamp", "form"),
    [
        (b"c=A|t=13:11:30.904", 47_490_904, StampForm.TIME_OF_DAY),
        (b"c=A|ut=1338988290904", 1_338_988_290_904, StampForm.NAIVE),
        (b"c=A|utc=1338988290904", 1_338_988_290_904, StampForm.UTC),
        (b"c=A|t= 13:11:30.90|d=120606", 1_338_988_290_900, StampForm.NAIVE),
    ],
)
def test_less_than_all_times(record: bytes, stamp: int, form: StampForm) -> None:
    read = read_of(b"Passing", record)
    assert (read.stamp, read.form) == (stamp * NS_PER_MS, form)


@pytest.mark.parametrize(
    "record",
    [
        b"t=13:11:30.904|d=120606",
        b"c=|t=13:11:30.904|d=120606",
        b"c=A\x01|t=13:11:30.904|d=120606",
        b"c=A",
        b"c=A|t=25:11:30.904|d=120606",
        b"c=A|t=13:11:30.904|d=121306",
        b"c=A|d=120606",
        b"no pairs at all",
        b"",
    ],
)
def test_damaged_records_of_version_2(record: bytes) -> None:
    assert rejected(b"Passing", record).reason is Reason.FIELD


def test_what_is_no_pair_is_left_out() -> None:
    assert key_values.parse("c=A|stray|n=x=y") == {"c": "A", "n": "x=y"}


@pytest.mark.parametrize(
    ("strongest", "heard", "antenna"),
    [
        (b"5", b"3", 5),
        (b"-1", b"3", 3),
        (b"", b"00001111", None),
        (b"0", b"0", None),
        (b"x", b"-1", None),
    ],
)
def test_antenna(strongest: bytes, heard: bytes, antenna: int | None) -> None:
    record = b"c=A|t=13:11:30.904|d=120606|ans=" + strongest + b"|an=" + heard
    assert read_of(b"Passing", record).antenna == antenna


@pytest.mark.parametrize(
    ("pairs", "rssi"),
    [
        (b"amd=-66.15|am=15", -66.15),
        (b"am=15", 15),
        (b"amd=-1|am=-1", None),
        (b"amd=n.a.|am=9", 9),
        (b"amd=0|am=9", 0),
        (b"amd=-66,5", -66.5),
    ],
)
def test_strength(pairs: bytes, rssi: float | None) -> None:
    assert read_of(b"Passing", b"c=A|t=13:11:30.904|d=120606|" + pairs).rssi == rssi


@pytest.mark.parametrize(
    ("record", "name", "text"),
    [
        (b"2025-04-13 05:57:56.027|ext-1|Extern 1", "ext-1", "Extern 1"),
        (b"2025-04-13 05:57:56.027|gun", "gun", ""),
        (b"t=2025-04-13 05:57:56.027|mt=Gunshot|n=Gunshot 1", "gun", "Gunshot 1"),
        (b"n=here|mt=loc|t=05:57:56.027", "loc", "here"),
        (b"2025-04-13 05:57:56.027|", "marker", ""),
    ],
)
def test_markers(record: bytes, name: str, text: str) -> None:
    marker = one(b"Marker", record)
    assert isinstance(marker, Marker)
    assert (marker.name, marker.extra["text"], marker.unit) == (name, text, "Finish")


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"x",
        b"2025-04-13 05:57:56.027",
        b"2025-13-13 05:57:56|g",
        b"2025-04-13 25:57:56|g",
        b"05:57|g",
        b"mt=gun|n=x",
    ],
)
def test_damaged_markers(record: bytes) -> None:
    assert rejected(b"Marker", record).reason is Reason.FIELD


def test_several_markers_in_one_frame() -> None:
    stream = b"L@Marker@2025-04-13 05:57:56.027|gun|A@2025-04-13 05:57:57.027|ext-2|B@3@$"
    assert [marker.name for marker in markers_of(stream)] == ["gun", "ext-2"]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("name", ["gun", "button", "a@b|c"])
def test_markers_are_read_as_they_are_written(version: int, name: str) -> None:
    stamp = 1_780_000_000_123 * NS_PER_MS
    text = markers.encode(name, stamp, version)
    [marker] = markers_of(frames.make("Start", "Marker", [text, "1"]))
    assert (marker.name, marker.stamp) == (frames.clean(name), stamp)


chips = st.text("ABCDEFGHJKLMNPRSTVWXYZ0123456789", min_size=7, max_size=7).map(Chip)
sightings = st.builds(
    Sighting,
    chip=chips,
    stamp=st.integers(946_684_800_000, 4_102_444_799_999).map(lambda ms: ms * NS_PER_MS),
    antenna=st.integers(1, 9),
    rssi=st.integers(-9000, -1000).map(lambda centi: centi / 100),
    seq=st.integers(1, 200_000),
)


@given(sightings)
@settings(max_examples=60, deadline=None)
def test_what_version_1_writes_it_reads(sighting: Sighting) -> None:
    record = read_lite.encode(sighting, sighting.stamp).encode()
    assert len(record) == 39
    read = read_of(b"Store", record)
    assert (read.chip, read.stamp, read.form) == (sighting.chip, sighting.stamp, StampForm.NAIVE)
    assert read.seq == sighting.seq % 65_536


@given(sightings)
@settings(max_examples=60, deadline=None)
def test_what_version_2_writes_it_reads(sighting: Sighting) -> None:
    [read] = reads_of(DRIVER.encode(sighting))
    assert (read.chip, read.stamp, read.form) == (sighting.chip, sighting.stamp, StampForm.UTC)
    assert (read.antenna, read.rssi) == (sighting.antenna, sighting.rssi)


@pytest.mark.parametrize(
    ("chip", "field"),
    [
        ("41", "0000041"),
        ("ZC1", "ZC1    "),
        ("058003704b5a", "03704b5a"[-7:]),
        ("33@6692", "33_6692"),
        ("", "0000000"),
    ],
)
def test_chips_of_other_readers_fit_into_version_1(chip: str, field: str) -> None:
    assert read_lite.chip_field(chip) == field
    record = read_lite.encode(Sighting(chip=Chip(chip), stamp=10**18), 10**18)
    assert read_of(b"Store", record.encode()).chip == field.strip()


def test_chips_of_other_readers_break_no_frame_of_version_2() -> None:
    [read] = reads_of(DRIVER.encode(Sighting(chip=Chip("33@66$92|x\r\n"), stamp=10**18)))
    assert read.chip == "33_66_92_x__"


def test_example_chips_differ() -> None:
    numbers = [*range(3_000), 99_999, 100_000, 2_000_000, 2_100_000, 39_999_999]
    assert len({DRIVER.example_chip(number) for number in numbers}) == len(numbers)
    assert all(len(DRIVER.example_chip(number)) == 7 for number in numbers)


@pytest.mark.parametrize("text", ["1969-01-01", "2300-01-01", "2025-02-29", "250229", "25041", ""])
def test_days_that_cannot_be(text: str) -> None:
    assert stamps.day_ns(text) is None


def test_a_stamp_reader_learns_anew_when_it_is_full() -> None:
    reader = stamps.StampReader()
    for second in range(10_000):
        clock = stamps.print_clock(second * NS_PER_S)
        assert reader.read("250413", clock) == 1_744_502_400 * NS_PER_S + second * NS_PER_S


@pytest.mark.parametrize("raw", [b"", b"@", b"junk$", b"L@Store@junk@1@$", b"\xff|\xff"])
def test_of_what_is_no_record_there_is_nothing_to_tell(raw: bytes) -> None:
    assert told_of(raw) == {}
