"""J-Chip lines: the published samples, what the bridge programs write, and what is no crossing."""

import pytest

from bridge.domain.reads import Read, StampForm
from bridge.driver_api import Chip, Clock, Opening, Reason, Rejected, Sighting, Status
from drivers.jchip import DRIVER
from tests.support.timers import VECTORS, decoded, kinds, naive, notes, reads, wire_of

fields_of = DRIVER.extra
LINE = b"DJ413A74 13:00:50.3510 10  00000      C7 date=20120724\r"


def senders_bytes() -> bytes:
    """What the sender says in the recorded session; its escapes are those of the recording."""
    lines = wire_of("jchip", "synthetic_session.txt").decode().splitlines()
    said = [line.partition(" ")[2] for line in lines if line.startswith("C>H")]
    return b"".join(line.removesuffix(r"\r").encode() + b"\r" for line in said)


@pytest.mark.parametrize("chunk", [1, 7, 4096])
def test_a_session(chunk: int) -> None:
    hello, clock, first, second = decoded(DRIVER, senders_bytes(), chunk)
    assert hello == Status(hello.raw, {"stored": 0, "name": "JCHIP-TEST12"})
    assert isinstance(clock, Clock)
    assert clock.stamp == naive("2012-07-24T13:00:50.320")
    assert first == Read(
        raw=LINE,
        chip=Chip("413A74"),
        stamp=naive("2012-07-24T13:00:50.351"),
        form=StampForm.NAIVE,
        unit="JCHIP-TEST12",
        seq=0,
    )
    assert isinstance(second, Read)
    assert (second.chip, second.seq) == ("413A3B", 1)
    assert fields_of(first.raw) == {"prefix": "DJ", "day_field": "10"}


def test_what_crossmgr_shows_of_that_session() -> None:
    text = wire_of("jchip", "help_session_fields.txt").decode()
    hello, clock, *crossings = decoded(DRIVER, senders_bytes())
    assert isinstance(hello, Status)
    assert f"receiver name: {hello.fields['name']}\n" in text
    payload = clock.raw.decode()[2:].partition(" ")[0]
    assert f"getTime payload: {payload}\n" in text
    assert all(f"tag={read.chip} " in text for read in reads(crossings))


def test_a_line_of_an_import_file() -> None:
    [read, *rest] = decoded(DRIVER, wire_of("jchip", "real_import_line.txt").rstrip(b"\n"))
    assert rest == []
    assert isinstance(read, Read)
    assert (read.chip, read.form, read.seq) == ("413A35", StampForm.TIME_OF_DAY, 0x10000)
    assert read.stamp == ((10 * 60 + 11) * 60 + 16) * 10**9 + 443_300_000
    assert fields_of(read.raw) == {"prefix": "Z", "day_field": "10"}


def test_every_vector_is_looked_at() -> None:
    assert {path.name for path in (VECTORS / "jchip").iterdir()} == {
        "synthetic_session.txt",
        "help_session_fields.txt",
        "real_import_line.txt",
    }


@pytest.mark.parametrize("end", [b"\r", b"\r\n", b"\n"])
def test_any_line_end_is_taken(end: bytes) -> None:
    wire = end.join([b"N0000x", LINE[:-1], b"", LINE[:-1], b""]).removesuffix(b"\n") + end[-1:]
    session = DRIVER.session(Opening())
    assert len(reads(session.feed(wire))) == 2
    assert session.pending in (b"", b"\n")


@pytest.mark.parametrize(
    ("line", "chip", "second"),
    [
        (b"DA00413a74 13:00:50.35 10  00000      C7 date=20120724\r", "413A74", "50.350"),
        (b"DJ0000 13:00:50.351234 10  fffff      C7 date=20120724\r", "0", "50.351234"),
        (b"DJE2801160 13:00:50.351 date=20120724\r", "E2801160", "50.351"),
        (b"DJ7 13:00:50.3 20  00000      C7 date=20120724 more\r", "7", "50.300"),
    ],
)
def test_what_bridges_write(line: bytes, chip: str, second: str) -> None:
    [read] = reads(decoded(DRIVER, line))
    assert read.chip == chip
    assert read.stamp == naive(f"2012-07-24T13:00:{second}")


@pytest.mark.parametrize(
    ("digits", "fraction"), [(b"32", "320"), (b"320", "320"), (b"321456", "321456"), (b"3", "300")]
)
def test_fractions_of_the_senders_time(digits: bytes, fraction: str) -> None:
    [clock] = decoded(DRIVER, b"GT5130050%b date=20120724\r" % digits)
    assert isinstance(clock, Clock)
    assert clock.stamp == naive(f"2012-07-24T13:00:50.{fraction}")
    assert clock.extra == {"days_running": 5}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (LINE.replace(b"13:00", b"24:00"), Reason.FIELD),
        (LINE.replace(b":00:", b":60:"), Reason.FIELD),
        (LINE.replace(b":50.", b":61."), Reason.FIELD),
        (LINE.replace(b"0724", b"1324"), Reason.FIELD),
        (LINE.replace(b"20120724", b"2012072"), Reason.FIELD),
        (LINE.replace(b"2012", b"1912"), Reason.FIELD),
        (LINE.replace(b"2012", b"9012"), Reason.FIELD),
        (b"GT0246050 date=20120724\r", Reason.UNKNOWN),
        (b"GT024605000\r", Reason.FIELD),
        (LINE.replace(b":50.", b":5x."), Reason.FRAMING),
        (LINE.replace(b"413A74 ", b""), Reason.FRAMING),
        (b"DJ41\x003A74 13:00:50.35\r", Reason.FRAMING),
        (b"<<<GarbageTerminateMessage>>>\r", Reason.UNKNOWN),
        (b"S0000\r", Reason.UNKNOWN),
        (b"\xff\xfe\r", Reason.FRAMING),
    ],
)
def test_what_is_no_crossing(line: bytes, reason: Reason) -> None:
    first, second = decoded(DRIVER, line + LINE)
    assert isinstance(first, Rejected)
    assert first.reason is reason
    assert isinstance(second, Read)


def test_an_endless_line_is_cut_and_an_empty_one_is_nothing() -> None:
    events = decoded(DRIVER, b"x" * 256 + b"\r" + LINE)
    assert kinds(events) == {"Rejected": 1, "Control": 1, "Read": 1}
    assert isinstance(events[0], Rejected)
    assert events[0].reason is Reason.OVERLONG
    assert notes(events) == {"empty line": 1}


def test_bytes_of_a_channel_nobody_opened() -> None:
    [event] = DRIVER.session(Opening()).feed(b"x", "other")
    assert isinstance(event, Rejected)


@pytest.mark.parametrize(
    ("chip", "written"),
    [("413A74", b"DJ413A74 "), ("12 @3", b"DJ12@3 "), ("\u00e9", b"DJ0 "), ("", b"DJ0 ")],
)
def test_any_chip_can_be_handed_on(chip: str, written: bytes) -> None:
    line = DRIVER.encode(Sighting(chip=Chip(chip), stamp=naive("2012-07-24T13:00:50.351")))
    assert line == written + b"13:00:50.351000 10  00001      C7 date=20120724\r"


def test_many_dates_are_not_all_remembered() -> None:
    stamps = [day * 86_400 * 10**9 for day in range(1_100)]
    wire = b"".join(DRIVER.encode(Sighting(chip=Chip("7"), stamp=stamp)) for stamp in stamps)
    assert [read.stamp for read in reads(decoded(DRIVER, wire))] == stamps
