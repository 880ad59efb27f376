"""Record layouts, stamps and replies, field by field."""

import pytest

from bridge.domain.reads import DAY_NS, NS_PER_S, Chip, Read, StampForm
from bridge.driver_api import Marker, Rejected, Sighting
from drivers.race_result import DRIVER, exporter, replies, stamps
from drivers.race_result.records import Numbering, Record, RecordReader

TWENTY = b"5;33;2026-05-27;12:00:00.250;6692;72;-68;;0;;;;;;;;Start;177;3;D-1\r\n"
NOWHERE = Numbering()
told = DRIVER.extra
CLOCK = ((12 * 60) * 60) * NS_PER_S + 250_000_000


def decoded(line: bytes, numbering: Numbering = NOWHERE) -> Record:
    return RecordReader().read(line, numbering)


def read_of(line: bytes, numbering: Numbering = NOWHERE) -> Read:
    event = decoded(line, numbering).event
    assert isinstance(event, Read)
    return event


def test_twenty_fields() -> None:
    read = read_of(TWENTY)
    assert read.chip == "33@6692"
    assert read.stamp % DAY_NS == CLOCK
    assert (read.antenna, read.rssi, read.unit, read.seq) == (3, -68, "D-1", 5)
    assert read.key == "D-1/177/5"
    assert read_of(b"#P;" + TWENTY)[1:] == read[1:]
    assert read_of(TWENTY.replace(b"\r", b""))[1:] == read[1:]
    assert read_of(TWENTY.replace(b"\r\n", b";new;newer\r\n"))[1:] == read[1:]


def test_a_record_that_names_no_file_has_no_key_but_a_place() -> None:
    short = b"5;33;2026-05-27;12:00:00.250;6692;12;-68;09ca52\r\n"
    record = decoded(short, Numbering("D-9", "12"))
    assert (record.file, record.number) == ("12", 5)
    read = read_of(short, Numbering("D-9", "12"))
    assert (read.key, read.unit) == (None, "D-9")
    assert decoded(TWENTY, Numbering("D-9", "12")).file == "177"


def test_a_record_that_names_no_box_takes_that_of_the_connection() -> None:
    boxless = TWENTY.replace(b";D-1", b";")
    assert read_of(boxless).key is None
    assert read_of(boxless, Numbering("D-9", "12")).key == "D-9/177/5"
    assert read_of(TWENTY, Numbering("D-9", "12")).key == "D-1/177/5"


def test_one_reader_keeps_boxes_files_and_epochs_apart() -> None:
    reader = RecordReader()
    other = TWENTY.replace(b";177;", b";178;")
    keys = []
    for line, numbering in ((TWENTY, NOWHERE), (other, NOWHERE), (other, Numbering(epoch=1))):
        event = reader.read(line, numbering).event
        keys.append(event.key if isinstance(event, Read) else None)
    assert keys == ["D-1/177/5", "D-1/178/5", "D-1/178+1/5"]


@pytest.mark.parametrize(
    ("order", "chip"), [(b"", "33"), (b"0", "33"), (b"000", "33"), (b"1", "33@1")]
)
def test_identity_is_the_code_with_its_set(order: bytes, chip: str) -> None:
    assert read_of(TWENTY.replace(b"6692", order)).chip == chip


@pytest.mark.parametrize(
    ("port", "active", "channel", "antenna"),
    [
        (b"8", b"0", b"", 8),
        (b"", b"0", b"4", None),
        (b"0", b"1", b"4", 4),
        (b"", b"1", b"", None),
        (b"12", b"0", b"", 12),
        (b"x", b"1", b"x", None),
    ],
)
def test_antenna_is_that_of_the_best_signal_or_the_channel(
    port: bytes, active: bytes, channel: bytes, antenna: int | None
) -> None:
    line = b";".join(
        [
            b"5;33;2026-05-27;12:00:00.250;0;1;-68;",
            active,
            channel,
            b";;;;;;Box;177",
            port,
            b"D-1\n",
        ]
    )
    assert read_of(line).antenna == antenna


@pytest.mark.parametrize(
    ("text", "rssi"), [(b"-75,5", -75.5), (b"7f", None), (b"", None), (b"-", None), (b"127", 127.0)]
)
def test_rssi_is_a_number_or_nothing(text: bytes, rssi: float | None) -> None:
    assert read_of(TWENTY.replace(b"-68", text)).rssi == rssi


def test_eleven_fields_have_seconds_and_other_places() -> None:
    line = b"9;33;2026-05-27;43200.250;6692;12;-68;x;y;09ca52;1\n"
    assert read_of(line).stamp == read_of(TWENTY).stamp
    extra = told(line)
    assert (extra["internal_data"], extra["is_active"]) == ("09ca52", 1)


@pytest.mark.parametrize("count", [9, 16, 17])
def test_other_layouts_give_their_first_nine(count: int) -> None:
    line = b";".join([b"5;33;2026-05-27;12:00:00.250;0;1;-68;;1", *[b"7"] * (count - 9)])
    assert read_of(line + b"\n").antenna is None
    assert told(line)["is_active"] == 1
    assert "channel" not in told(line)


def test_a_number_that_is_none_costs_only_itself() -> None:
    record = decoded(TWENTY.replace(b"5;33", b"?;33"))
    assert record.number is None
    assert isinstance(record.event, Read)
    assert (record.event.seq, record.event.key) == (None, None)


def test_a_malformed_record_tells_its_number() -> None:
    record = decoded(b"12;33;2026-05-27;12:60:00.250\r\n")
    assert isinstance(record.event, Rejected)
    assert record.number == 12
    assert "record 12" in record.event.detail


def test_the_marker_code_is_a_trigger() -> None:
    marker = decoded(TWENTY.replace(b";33;", b";99999;")).event
    assert isinstance(marker, Marker)
    assert (marker.name, marker.key, marker.extra["hits"]) == ("trigger", "D-1/177/5", 72)


def test_active_bytes_are_told_apart() -> None:
    line = b"7;ZC;;10:50:00.477;0;72;8;;1;1;1;;16731;2,9;17;64;D;;0;D\n"
    extra = told(line)
    assert (extra["signal_dbm"], extra["loop_strength"]) == (-90, 9)
    assert (extra["stored"], extra["battery_v"], extra["max_rssi"]) == (True, 2.9, "8")
    strong = told(line.replace(b";8;", b";127;").replace(b";64;", b";0;"))
    assert (strong["signal_dbm"], strong["loop_strength"], strong["stored"]) == (-62, 16, False)


@pytest.mark.parametrize(
    ("day", "clock", "expected"),
    [
        ("0000-00-00", "00:00:02.773", (2_773_000_000, StampForm.TIME_OF_DAY)),
        ("0000-00-01", "00:00:02.773", (DAY_NS + 2_773_000_000, StampForm.TIME_OF_DAY)),
        ("", "10:00:00", (36_000 * NS_PER_S, StampForm.TIME_OF_DAY)),
        ("", "90000.5", (90_000 * NS_PER_S + 500_000_000, StampForm.TIME_OF_DAY)),
        ("1970-01-02", "00:00:00,001", (DAY_NS + 1_000_000, StampForm.NAIVE)),
        ("1970-01-02", "9:00:00.1", (DAY_NS + 32_400_100_000_000, StampForm.NAIVE)),
        ("1970-01-02", "90000.5", None),
        ("0000-01-00", "00:00:00", None),
        ("1969-12-31", "00:00:00", None),
        ("2262-01-01", "00:00:00", None),
        ("27.05.2026", "00:00:00", None),
        ("2026-05-27", "", None),
        ("2026-05-27", "10:00", None),
        ("2026-05-27", "10:00:60.000", None),
        ("2026-05-27", "12345", None),
        ("2026-05-27", "10:00:00.", None),
    ],
)
def test_stamps(day: str, clock: str, expected: tuple[int, StampForm] | None) -> None:
    assert stamps.parse_stamp(day, clock) == expected
    remembering = stamps.StampReader()
    assert [remembering.read(day, clock) for _ in range(3)] == [expected] * 3


def test_remembered_stamps_are_those_of_parsing() -> None:
    remembering = stamps.StampReader()
    for second in range(0, 86_400 * 3, 17):
        day, clock = f"0000-00-{second // 86_400:02d}", stamps.print_clock(second * NS_PER_S)
        assert remembering.read(day, clock) == (second * NS_PER_S, StampForm.TIME_OF_DAY)


@pytest.mark.parametrize(
    ("time", "utc", "stamp", "form"),
    [
        ("32795.944", "2024-01-12T09:06:35.944Z", 19734 * DAY_NS + 32_795_944_000_000, "NAIVE"),
        ("86399", "2024-01-13T00:00:01Z", 19735 * DAY_NS - NS_PER_S, "NAIVE"),
        ("90000", "2024-01-13T01:00:00-06:00", 19735 * DAY_NS + 3600 * NS_PER_S, "NAIVE"),
        ("10.5", "", 10_500_000_000, "TIME_OF_DAY"),
        ("10.5", "0000-00-00T00:00:00Z", 10_500_000_000, "TIME_OF_DAY"),
    ],
)
def test_exporter_time_is_local(time: str, utc: str, stamp: int, form: str) -> None:
    line = f'{{"Time":{time},"Passing":{{"Transponder":"7","OrderID":9,"UTCTime":"{utc}"}}}};Race\n'
    read = exporter.decode(line.encode())
    assert isinstance(read, Read)
    assert (read.chip, read.stamp, read.form.name, read.key) == ("7@9", stamp, form, None)
    assert told(line.encode())["order_id"] == 9


def test_exporter_marker() -> None:
    marker = exporter.decode(b'{"Time":1,"Passing":{"Transponder":"A","IsMarker":true}}\n')
    assert isinstance(marker, Marker)


def test_encoding_keeps_the_line_whole() -> None:
    line = DRIVER.encode(Sighting(chip=Chip("A;B\n\u20ac"), stamp=0))
    assert line.count(b";") == 20
    assert line.startswith(b"#P;1;A_B_?;1970-01-01;00:00:00.000;0;1;-60;")


def test_example_chips_are_all_different() -> None:
    made = {DRIVER.example_chip(number) for number in range(700_000)}
    assert len(made) == 700_000
    assert min(made) == "ZCAA000"


@pytest.mark.parametrize(
    ("text", "version"),
    [("3.10", (3, 10)), ("2", (2, 0)), ("<=3.4", None), ("3.", None), ("", None), ("a.b", None)],
)
def test_versions_compare_as_integers(text: str, version: tuple[int, int] | None) -> None:
    assert replies.parse_version(text) == version


def test_error_flags_in_either_notation() -> None:
    line = "GETSTATUS;;00:00:00;1;0;1;1" + ";" * 18 + "{};"
    for text, flags in (("0x10", 16), ("16", 16), ("0xg", None), ("", None)):
        reply = replies.parse(line.format(text))
        assert reply is not None
        assert isinstance(reply.fact, replies.Health)
        assert reply.fact.fields.get("error_flags") == flags


def test_options_of_a_reader_are_refused_by_name() -> None:
    assert DRIVER.check_options({}) == []
    assert "speed" in DRIVER.check_options({"speed": 1})[0]
