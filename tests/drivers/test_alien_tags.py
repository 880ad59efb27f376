"""Alien: every recorded form of a tag, other people's formats, framing, damage."""

import pytest

from bridge.domain.reads import Read, StampForm
from bridge.driver_api import (
    Chip,
    Clock,
    Control,
    Kept,
    Opening,
    Reason,
    Rejected,
    Sighting,
    Status,
)
from drivers.alien import DRIVER, tags
from drivers.alien.stream import MAX_ELEMENT, MAX_LINE
from tests.support.timers import VECTORS, decoded, kinds, naive, notes, reads, wire_of

fields_of = DRIVER.extra
CAPTURES = {
    "custom_k_msec_lines.txt": {"Read": 1},
    "f800_k_msec1_a_lines.txt": {"Read": 3},
    "f800_xml_fragment.xml": {"Read": 1, "Control": 1},
    "heartbeat_f800.xml": {"Control": 7, "Status": 3},
    "manual_text_lines.txt": {"Read": 2},
    "stream_header_f800.txt": {"Control": 7, "Status": 1},
}
LINE = b"E20000165919007818405C7B;1518784324007;1518784353958;0;-40.3;908\r\n"
ELEMENT = (
    b"<Alien-RFID-Tag><TagID>1000 0802</TagID><LastSeenTime>2021/05/16 12:00:34.730"
    b"</LastSeenTime><Antenna>2</Antenna><RSSI>-51.5</RSSI></Alien-RFID-Tag>"
)


@pytest.mark.parametrize("name", CAPTURES)
@pytest.mark.parametrize("chunk", [1, 7, 4096])
def test_every_recording_is_understood(name: str, chunk: int) -> None:
    events = decoded(DRIVER, wire_of("alien", name), chunk)
    assert kinds(events) == CAPTURES[name]


def test_every_vector_is_looked_at() -> None:
    assert {path.name for path in (VECTORS / "alien").iterdir()} == set(CAPTURES)


def test_the_usual_format() -> None:
    [read] = decoded(DRIVER, wire_of("alien", "custom_k_msec_lines.txt"))
    assert read == Read(
        raw=LINE,
        chip=Chip("E20000165919007818405C7B"),
        stamp=naive("2018-02-16T12:32:33.958"),
        form=StampForm.UTC,
        antenna=1,
        rssi=-40.3,
    )
    assert fields_of(read.raw) == {
        "reads": 908,
        "first_seen": 1_518_784_324_007,
        "last_seen": 1_518_784_353_958,
    }


def test_the_time_of_discovery_is_an_option() -> None:
    [read] = reads(decoded(DRIVER, LINE, options={"time": "first"}))
    assert read.stamp == naive("2018-02-16T12:32:04.007")
    text = wire_of("alien", "manual_text_lines.txt").replace(b"51, Last", b"50, Last")
    assert [
        reads(decoded(DRIVER, text, options={"time": time}))[0].stamp for time in ("first", "last")
    ] == [naive("2003-01-21T09:00:50"), naive("2003-01-21T09:00:51")]


def test_a_brief_format() -> None:
    found = reads(decoded(DRIVER, wire_of("alien", "f800_k_msec1_a_lines.txt")))
    assert [(read.chip[-3:], read.antenna, read.form) for read in found] == [
        ("189", 4, StampForm.UTC),
        ("269", 4, StampForm.UTC),
        ("269", 4, StampForm.UTC),
    ]
    assert found[2].stamp - found[1].stamp == 124 * 10**6
    assert found[0].stamp == 1_622_570_553_397 * 10**6


def test_text_and_terse() -> None:
    text, terse = reads(decoded(DRIVER, wire_of("alien", "manual_text_lines.txt")))
    assert (text.chip, text.stamp, text.form) == (
        "1115F26881C3C012",
        naive("2003-01-21T09:00:51"),
        StampForm.NAIVE,
    )
    assert (terse.chip, terse.stamp, terse.form, terse.antenna) == (
        text.chip,
        0,
        StampForm.ABSENT,
        1,
    )
    assert fields_of(text.raw) == {
        "reads": 4,
        "first_seen": "2003/01/21 09:00:51",
        "last_seen": "2003/01/21 09:00:51",
    }
    assert fields_of(terse.raw) == {"reads": 4}


@pytest.mark.parametrize(
    "line",
    [
        b"Tag:1115 F268 81C3 C012, CRC:AA55, %b, Count:4, Ant:0\r\n"
        % b"Disc:2003/01/21 09:00:51, Last:2003/01/21 09:00:51",
        b"Tag:1115F26881C3C012, %b, Count:4, Ant:0, Proto:2, RSSI:-40.1\r\n"
        % b"Disc:03/01/21 09:00:51, Last:03/01/21 09:00:51.000",
    ],
)
def test_text_of_other_firmwares(line: bytes) -> None:
    [read] = reads(decoded(DRIVER, line))
    assert (read.chip, read.stamp) == ("1115F26881C3C012", naive("2003-01-21T09:00:51"))


def test_a_tag_in_xml() -> None:
    [read, end] = decoded(DRIVER, wire_of("alien", "f800_xml_fragment.xml"))
    assert isinstance(read, Read)
    assert (read.chip, read.antenna, read.rssi) == ("100008020200000100000796", 3, None)
    assert (read.stamp, read.form) == (naive("2021-05-16T12:00:34.730"), StampForm.NAIVE)
    assert fields_of(read.raw)["protocol"] == "2"
    assert isinstance(end, Control)


def test_tags_that_share_a_line() -> None:
    wire = b"<?xml?><Alien-RFID-Tag-List>" + ELEMENT * 2 + b"</Alien-RFID-Tag-List>\r\n\0"
    events = decoded(DRIVER, wire, 5)
    assert kinds(events) == {"Read": 2, "Control": 3}
    assert [(read.antenna, read.rssi) for read in reads(events)] == [(3, -51.5)] * 2


def test_who_sent_it_is_told_in_headers_of_either_kind() -> None:
    first = b"#Alien RFID Reader Auto Notification Message\r\n#ReaderName: Mat 1\r\n"
    second = b"<ReaderName>Mat 2</ReaderName>\r\n"
    third = b"ReaderName = Mat 3\r\n\0"
    events = decoded(DRIVER, LINE + first + LINE + b"\0" + second + LINE + third + LINE)
    assert [read.unit for read in reads(events)] == [None, "Mat 1", "Mat 2", "Mat 3"]


def test_facts_of_a_reader() -> None:
    events = decoded(DRIVER, wire_of("alien", "heartbeat_f800.xml"))
    told: dict[str, object] = {}
    for event in events:
        told |= event.fields if isinstance(event, Status) else {}
    assert told["firmware"] == "17.11.13.00"
    assert told["serial"] == "00:1B:5F:01:08:E4"
    assert str(told["model"]).startswith("Alien RFID Tag Reader")


@pytest.mark.parametrize(
    ("form", "line", "shown"),
    [
        ("%k|${MSEC2}|%A", b"e2000016|1518784353958|1", ("E2000016", "33.958", None)),
        (
            "[%i] %T %D %a %s",
            b"[E200 0016]  12:32:33.958 18/02/16 3 -1.5",
            ("E2000016", "33.958", 4),
        ),
        (
            "${TAGID},%T,%D,%p,%P,%k",
            b"E20A,12:32:33.958,18/02/16,2,GEN2,E20A",
            ("E20A", "33.958", None),
        ),
        ("%d %t %k ${SPEED}", b"2018/02/16 12:32:33.9 E2000016 0", ("E2000016", "33.900", None)),
    ],
)
def test_a_format_of_ones_own(form: str, line: bytes, shown: tuple[str, str, int | None]) -> None:
    [read] = reads(decoded(DRIVER, line + b"\r\n", options={"format": form}))
    assert (read.chip, read.stamp, read.antenna) == (
        shown[0],
        naive(f"2018-02-16T12:32:{shown[1]}"),
        shown[2],
    )
    assert DRIVER.check_options({"format": form, "time": "first", "user": "me"}) == []


@pytest.mark.parametrize(
    "options",
    [
        {"format": "%k;%q"},
        {"format": "%a;%r"},
        {"format": "%k" + "x" * 200},
        {"format": "%k;$"},
        {"format": 5},
        {"time": "middle"},
        {"user": ""},
        {"x": 1},
    ],
)
def test_options_say_what_is_allowed(options: dict[str, object]) -> None:
    [complaint] = DRIVER.check_options(options)
    assert "allowed" in complaint


def reasons(events: list[Kept]) -> list[Reason]:
    return [event.reason for event in events if isinstance(event, Rejected)]


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (LINE.replace(b"7B;", b"7;"), Reason.FIELD),
        (LINE.replace(b";0;", b";16;"), Reason.FIELD),
        (LINE.replace(b"1518784353958", b"99999999999999"), Reason.FIELD),
        (LINE.replace(b"7B;", b"7X;"), Reason.UNKNOWN),
        (LINE.replace(b"7B;", b"\xff;"), Reason.FRAMING),
        (b"x" * MAX_LINE, Reason.OVERLONG),
        (ELEMENT.replace(b"TagID", b"TagNo"), Reason.FIELD),
        (ELEMENT.replace(b"1000 0802", b"1000 080"), Reason.FIELD),
        (ELEMENT.replace(b"1000 0802", b"1000 08xy"), Reason.FIELD),
        (ELEMENT.replace(b"12:00", b"24:00"), Reason.FIELD),
        (ELEMENT.replace(b"2021/05/16", b"2021/15/16"), Reason.FIELD),
        (ELEMENT.replace(b"2021/05/16", b"1921/05/16"), Reason.FIELD),
        (ELEMENT.replace(b"2021/05/16", b"9021/05/16"), Reason.FIELD),
        (ELEMENT.replace(b"34.730", b"3x.730"), Reason.FIELD),
        (ELEMENT.replace(b">2<", b">two<"), Reason.FIELD),
        (ELEMENT[:-20] + ELEMENT, Reason.FRAMING),
        (b"Time = tomorrow\r\n", Reason.FIELD),
    ],
)
def test_damage_costs_no_more_than_itself(wire: bytes, reason: Reason) -> None:
    events = decoded(DRIVER, wire + LINE)
    assert reasons(events) == [reason]
    assert reads(events)[-1].raw == LINE


def test_an_element_without_end_does_not_hold_up_what_follows() -> None:
    events = decoded(DRIVER, ELEMENT[:60] + LINE * (MAX_ELEMENT // len(LINE) + 2))
    assert reasons(events)[0] is Reason.FRAMING
    assert len(reads(events)) >= MAX_ELEMENT // len(LINE)


def test_an_element_that_begins_at_the_end_of_a_long_line() -> None:
    wire = b"x" * (MAX_LINE - 1) + ELEMENT + b"\r\n"
    for chunk in (1, 13, 4096):
        events = decoded(DRIVER, wire, chunk)
        assert [len(event.raw) for event in events] == [MAX_LINE - 1, len(ELEMENT), 2]


def test_a_signal_that_is_no_number_is_left_out() -> None:
    [read] = reads(decoded(DRIVER, ELEMENT.replace(b"-51.5", b"nan")))
    assert read.rssi is None


def test_what_else_a_reader_says() -> None:
    wire = b"(No Tags)\r\n\0Goodbye!\r\n\0Error 1: Command not understood.\r\n\0Alien>\0"
    events = decoded(DRIVER, wire + b"get TagList\r\nAutoMode = ON\r\n#hm\r\n")
    assert notes(events) == {
        "(No Tags)": 1, "Goodbye!": 1, "error": 1, "prompt": 1, "end of message": 3, "echo": 1,
        "header": 1,
    }  # fmt: skip
    [status] = [event for event in events if isinstance(event, Status)]
    assert status.fields == {"operating": True}


def test_the_readers_time() -> None:
    events = decoded(DRIVER, b"Time = 2018/02/16 11:48:21.363\r\nTime = 2018/02/16 11:48:21\r\n")
    fine, coarse = [event for event in events if isinstance(event, Clock)]
    assert (fine.stamp, fine.form) == (naive("2018-02-16T11:48:21.363"), StampForm.NAIVE)
    assert (fine.extra, coarse.extra) == ({}, {"resolution_ms": 1000})


def test_bytes_of_a_channel_nobody_opened() -> None:
    [event] = DRIVER.session(Opening()).feed(b"x", "other")
    assert isinstance(event, Rejected)


@pytest.mark.parametrize("form", tags.PRINTERS)
@pytest.mark.parametrize("chip", ["E2000016", "123", "name", ""])
def test_what_is_written_is_read(form: str, chip: str) -> None:
    stamp = naive("2026-05-01T10:00:00.123456")
    sighting = Sighting(chip=Chip(chip), stamp=stamp, antenna=3, rssi=-51.25)
    wire = tags.PRINTERS[form](sighting, first=stamp - 10**9, count=7)
    [read] = reads(decoded(DRIVER, wire))
    assert read.chip == {"E2000016": "E2000016", "123": "0123", "name": "6E616D65", "": "00"}[chip]
    assert read.stamp == (0 if form == "terse" else naive("2026-05-01T10:00:00.123"))
    assert read.antenna == 3
    assert fields_of(wire)["reads"] == 7


def test_many_days_are_not_all_remembered() -> None:
    days = [Sighting(chip=Chip("12"), stamp=day * 86_400 * 10**9) for day in range(150)]
    wire = b"".join(map(tags.print_text, days))
    assert [read.stamp for read in reads(decoded(DRIVER, wire))] == [one.stamp for one in days]
    assert fields_of(b"noise") == fields_of(b"<Alien-RFID-Tag></Alien-RFID-Tag>") == {}
