"""The bytes of an Ultra: records, health, settings, binary status, and what damage does."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.reads import NS_PER_S, Read, StampForm
from bridge.driver_api import Clock, Control, Event, Marker, Opening, Reason, Rejected, Status
from drivers.ultra import DRIVER
from drivers.ultra.records import extra

VECTORS = Path(__file__).parents[1] / "vectors" / "ultra"
REAL = b"0,11055,1170518701,698,1,-71,0,2,1,0000000000000000,0,29319\n"
AT_NS = 1_486_051_501_698_000_000  # 2017-02-02T16:05:01.698


def decode(stream: bytes, size: int = 1 << 20) -> list[Event]:
    session = DRIVER.session(Opening())
    events: list[Event] = []
    for at in range(0, len(stream), size):
        events += session.feed(stream[at : at + size])
    kept = b"".join(getattr(event, "raw", b"") for event in events)
    assert kept + session.pending == stream
    return events


def one(line: bytes) -> Event:
    [event] = decode(line)
    return event


def test_the_real_line() -> None:
    assert (VECTORS / "real_line.txt").read_bytes() == REAL
    read = one(REAL)
    assert read == Read(
        REAL,
        "11055",
        AT_NS,
        StampForm.NAIVE,
        1,
        -71.0,
        "1",
        29319,
        "1/11055/1170518701.698/1",
    )
    assert extra(REAL) == {
        "rewound": False,
        "reader_no": 2,
        "reader_time": "0" * 16,
        "start_time": 0,
        "log_id": 29319,
    }


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_session_from_greeting_to_heartbeat(size: int) -> None:
    events = decode((VECTORS / "synthetic_session_reader_to_host.bin").read_bytes(), size)
    assert [type(event) for event in events] == [
        Control, Status, Status, Read, Read, Marker, Read, Read, Status,
    ]  # fmt: skip
    reads = [event for event in events if isinstance(event, Read)]
    assert [read.chip for read in reads] == [
        "11055",
        "413A45",
        "000000000000000000000313",
        "11055",
    ]
    assert [read.seq for read in reads] == [501, 502, 504, 501]
    assert reads[0].stamp % NS_PER_S == 4_000_000, "milliseconds are not padded"
    assert reads[0].key == reads[3].key, "rewound, it is the same read"
    [gun] = [event for event in events if isinstance(event, Marker)]
    assert (gun.name, gun.stamp % NS_PER_S, gun.unit) == ("gun", 250_000_000, "1")


def test_line_ends_of_boxes_and_of_bridges() -> None:
    read = one(REAL[:-1] + b"\r\n")
    assert isinstance(read, Read)
    assert read.stamp == AT_NS
    assert [type(event) for event in decode(b"\r\n\n")] == [Control, Control]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"V=24.8100\n", {"battery_v": 24.81}),
        (b"S=100\n", {"operating": True}),
        (b"S=011\n", {"operating": False}),
    ],
)
def test_health(line: bytes, told: dict[str, object]) -> None:
    assert one(line) == Status(line, told)


@pytest.mark.parametrize(
    "line",
    [
        b"9:5:7 4-10-2025\n",
        b"9:5:7 4-10-2025\r\n",
        b"9:5:7 4-10-2025 (1443863107)\n",
        b"9:5:7 4-10-2025\x00\n",
        b"09:05:07 04-10-2025\n",
    ],
)
def test_the_clock_is_not_padded_and_something_may_follow(line: bytes) -> None:
    told = one(line)
    assert isinstance(told, Clock)
    assert told.stamp == 1_759_568_707 * NS_PER_S
    assert told.extra == {"resolution_ms": 1000}
    assert not told.asked


@pytest.mark.parametrize(
    ("line", "last"), [(b"Connected,1170518700\n", 1_170_518_700), (b"1,Connected,5\n", 5)]
)
def test_greetings(line: bytes, last: int) -> None:
    assert one(line) == Control(line, "greeting", {"last_sent": last})


@pytest.mark.parametrize("number", [0x0A, 0x0D, 0x1E, 0x25])
def test_setting_ids_are_raw_bytes_even_a_line_feed(number: int) -> None:
    line = b"U%c5\n" % number
    [setting, read] = decode(line + REAL)
    assert setting == Control(line, "setting", {"id": number})
    assert isinstance(read, Read)
    answer = b"u%c\x02\n" % number
    assert one(answer) == Control(answer, "setting answered", {"id": number})


def status(size: int = 64) -> bytes:
    frame = bytearray(size)
    frame[:2] = 3, size
    frame[10], frame[42], frame[45] = 0x0A, 87, 1
    return bytes(frame)


@pytest.mark.parametrize("size", [61, 64, 255])
@pytest.mark.parametrize("cut", [1, 13, 4096])
def test_the_binary_status_is_read_by_its_length(size: int, cut: int) -> None:
    events = decode(REAL + status(size) + REAL, cut)
    assert [type(event) for event in events] == [Read, Status, Read]
    assert events[1] == Status(status(size), {"battery_pct": 87, "operating": True})


@pytest.mark.parametrize("cut", [1, 13, 4096])
@pytest.mark.parametrize("stray", [b"\x03", b"\x03\x10", b"\x03\xff", b"\x03\xff\x00\x01"])
def test_a_stray_status_byte_costs_no_read(stray: bytes, cut: int) -> None:
    events = decode(stray + REAL * 6, cut)
    assert [event.raw for event in events if isinstance(event, Rejected)] == [stray]
    assert len([event for event in events if isinstance(event, Read)]) == 6


def test_a_status_that_says_more_than_full_is_none() -> None:
    frame = bytearray(status())
    frame[42] = 101
    assert not [event for event in decode(bytes(frame) + REAL) if isinstance(event, Status)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"0,11055,1170518701,698,1\n", Reason.FIELD),
        (REAL.replace(b"698", b"6980"), Reason.FIELD),
        (REAL.replace(b"1170518701", b"9999999999"), Reason.FIELD),
        (REAL.replace(b"-71", b""), Reason.FIELD),
        (REAL[:-1] + b",7\n", Reason.FIELD),
        (REAL.replace(b"29319", b"x"), Reason.FIELD),
        (REAL.replace(b"11055", b" "), Reason.FIELD),
        (b"V=abc\n", Reason.FIELD),
        (b"25:00:00 4-10-2025\n", Reason.FIELD),
        (b"9:5:7 31-2-2025\n", Reason.FIELD),
        (b"9:5:7 4-10-9999\n", Reason.FIELD),
        (b"0,\n", Reason.UNKNOWN),
        (b"hello\n", Reason.UNKNOWN),
        (b"\xfe\xfd\n", Reason.FRAMING),
    ],
)
def test_damage_is_kept_with_its_reason(line: bytes, reason: Reason) -> None:
    event = one(line)
    assert isinstance(event, Rejected)
    assert event.reason is reason
    assert [type(event) for event in decode(line + REAL)] == [Rejected, Read]


def test_a_whole_record_behind_a_cut_one_is_read() -> None:
    cut, read = decode(b"0,1105" + REAL)
    assert cut == Rejected(b"0,1105", Reason.FRAMING, "cut off by the record behind it")
    assert isinstance(read, Read)
    assert read.chip == "11055"


def test_a_record_without_its_line_end_has_no_sure_log_number() -> None:
    cut, read = decode(REAL[:-1] + REAL)
    assert isinstance(cut, Rejected)
    assert isinstance(read, Read)
    assert read.seq == 29319


def test_endless_noise_is_let_go_in_pieces() -> None:
    events = decode(b"x" * 2_000)
    assert [(type(event), len(getattr(event, "raw", b""))) for event in events] == [
        (Rejected, 512)
    ] * 3


@pytest.mark.parametrize(
    ("line", "chip", "stamp", "form", "antenna"),
    [
        (
            (VECTORS / "export_csv_lines.txt").read_bytes().strip() + b"\r\n",
            "11274",
            (11 * 3600 + 22 * 60 + 47) * NS_PER_S + 392_000_000,
            StampForm.TIME_OF_DAY,
            3,
        ),
        (
            b'3,11274,0,"9:02:07.5",1,2\n',
            "11274",
            (9 * 3600 + 2 * 60 + 7) * NS_PER_S + 500_000_000,
            StampForm.TIME_OF_DAY,
            2,
        ),
        (
            b'1,11055,11055,"2017-02-02 16:05:01.698",1,4\n',
            "11055",
            AT_NS,
            StampForm.NAIVE,
            4,
        ),
        (b"11055\t2017-02-02 16:05:01.698\t1\t4\n", "11055", AT_NS, StampForm.NAIVE, 4),
    ],
)
def test_saved_files(line: bytes, chip: str, stamp: int, form: StampForm, antenna: int) -> None:
    assert one(line) == Read(line, chip, stamp, form, antenna)


def test_a_saved_file_of_wide_characters() -> None:
    text = '3,11274,0,"11:22:47.392",1,3\r\n3,11275,0,"11:22:48.000",1,3\r\n'
    events = decode(b"\xff\xfe" + text.encode("utf-16-le") + b"\n")
    assert [event.chip for event in events if isinstance(event, Read)] == ["11274", "11275"]


@pytest.mark.parametrize(
    "line",
    [
        b'3,11274,0,"24:22:47.392",1,3\n',
        b'3,11274,0,"2017-02-30 11:22:47.392",1,3\n',
        b'3,11274,0,"9017-02-03 11:22:47.392",1,3\n',
    ],
)
def test_a_saved_line_with_a_time_that_cannot_be(line: bytes) -> None:
    assert isinstance(one(line), Rejected)


PIECES = st.sampled_from(
    [
        REAL,
        status(),
        status(200),
        b"\x03",
        b"\x03\x40",
        b"U\x0a5\n",
        b"u\x0d\x02\n",
        b"V=25.0\n",
        REAL[:31],
        b"\n",
        b"9:5:7 4-10-2025 (7)\n",
        b"U",
        status()[:50],
    ]
)


@given(pieces=st.lists(PIECES | st.binary(max_size=9), max_size=12), size=st.integers(1, 80))
@settings(max_examples=80, deadline=None)
def test_however_it_is_cut_it_is_the_same(pieces: list[bytes], size: int) -> None:
    stream = b"".join(pieces)
    assert decode(stream, size) == decode(stream)


def test_nothing_more_is_known_of_what_is_no_record() -> None:
    assert extra(b"V=25.0\n") == {}
