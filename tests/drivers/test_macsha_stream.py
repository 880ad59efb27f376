"""The bytes of Macsha readers: rows, records, backup files, answers, heartbeats, damage."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.reads import DAY_NS, NS_PER_MS, NS_PER_S, Read, StampForm
from bridge.driver_api import (
    Chip,
    Clock,
    Control,
    Event,
    Opening,
    Reason,
    Rejected,
    Sighting,
    Status,
)
from drivers.macsha import DRIVER
from drivers.macsha.records import encode_ocelot, extra

VECTORS = Path(__file__).parents[1] / "vectors" / "macsha"
ROW = b"1;MC;02976;2019-12-12;09:02:07.295;3;4;937f6\r\n"
ROW_NS = 1_576_141_327_295_000_000
RECORD = (VECTORS / "doc_record_ocelot_v3.txt").read_bytes()


def decode(stream: bytes, size: int = 1 << 20, opening: Opening | None = None) -> list[Event]:
    session = DRIVER.session(opening or Opening())
    events: list[Event] = []
    for at in range(0, len(stream), size):
        events += session.feed(stream[at : at + size])
    kept = b"".join(getattr(event, "raw", b"") for event in events)
    assert kept + session.pending == stream
    return events


def one(line: bytes) -> Event:
    [event] = decode(line)
    return event


def reads_of(events: list[Event]) -> list[Read]:
    return [event for event in events if isinstance(event, Read)]


@pytest.mark.parametrize("size", [1, 33, 4096])
def test_a_real_session_file(size: int) -> None:
    stream = (VECTORS / "one4all_passings_20191212_1-980.csv").read_bytes()
    reads = decode(stream, size, Opening(link="file"))
    assert len(reads) == 980
    assert reads[0] == Read(
        stream[: stream.index(b"\n") + 1], "MC02976", ROW_NS, StampForm.NAIVE, 3, None, None, 1
    )
    only = reads_of(reads)
    assert [read.seq for read in only] == list(range(1, 981))
    assert {read.antenna for read in only} == set(range(1, 9))
    assert {read.chip[:2] for read in only} >= {"MC", "LY"}
    back = sum(after.stamp < before.stamp for before, after in pairwise(only))
    assert back == 1


def test_the_fields_of_a_row() -> None:
    told = {"passing_no": 1, "prefix": "MC", "hits": 4, "suffix": "937f6"}
    assert extra(ROW) == told
    assert extra(b"noise") == {}


@pytest.mark.parametrize("size", [1, 33, 4096])
def test_a_real_backup_file_of_an_ocelot(size: int) -> None:
    stream = (VECTORS / "ocelot_backup_azul_20200315.csv").read_bytes()
    events = decode(stream, size, Opening(link="file"))
    rows = stream.split(b"\r\n")
    notes = Counter(event.note for event in events if isinstance(event, Control))
    voids = sum(row.startswith(b"VOIDTAG") for row in rows)
    assert voids > 10
    assert notes == {"file header": 1, "no tag": voids, "file end": 1}
    reads = reads_of(events)
    assert len(reads) == len(rows) - 1 - voids - 2
    assert not [event for event in events if isinstance(event, Rejected)]
    first = reads[0]
    assert (first.chip, first.antenna, first.key) == ("DM00328", 3, None)
    assert first.stamp == 1_584_252_175_311 * NS_PER_MS
    assert extra(first.raw) == {
        "hits": 6,
        "first": 1_584_252_175_029 * NS_PER_MS,
        "last": 1_584_252_175_311 * NS_PER_MS,
    }
    assert {read.antenna for read in reads} == {1, 2, 3, 4}


def test_the_record_of_the_document() -> None:
    last = 1_429_013_278_010 * NS_PER_MS
    assert one(RECORD) == Read(RECORD, "MC00001", last, StampForm.NAIVE, 1)
    assert extra(RECORD) == {
        "hits": 34,
        "first": last - 2_594 * NS_PER_MS,
        "last": last,
        "rest": "TV",
    }
    by_first = Opening(options={"kind": "ocelot", "time": "first"})
    [read] = reads_of(decode(RECORD, opening=by_first))
    assert read.stamp == last - 2_594 * NS_PER_MS


def test_a_passing_over_midnight_has_one_date() -> None:
    row = b"DM00328;2020/03/15;23:59:59.500;00:00:00.250;3;006\r\n"
    read = one(row)
    assert isinstance(read, Read)
    assert read.stamp == 1_584_230_400 * NS_PER_S + DAY_NS + 250 * NS_PER_MS


def test_the_session_of_the_document() -> None:
    script = (VECTORS / "doc_session_one4all.txt").read_bytes().splitlines(keepends=True)
    told = decode(b"".join(line[2:] for line in script if line.startswith(b">")))
    assert [type(event) for event in told] == [
        Control, Control, Clock, Status, Status, Control, Control, Control, Read,
    ]  # fmt: skip
    assert isinstance(told[2], Clock)
    assert told[2].stamp == 1_514_043_055 * NS_PER_S
    assert told[2].extra == {"resolution_ms": 1000}
    assert isinstance(told[3], Status)
    assert told[3].fields == {"stored": 190}
    assert isinstance(told[4], Status)
    assert told[4].fields == {"battery_v": 25.5, "battery_pct": 90, "mains": False}
    assert isinstance(told[8], Read)
    assert (told[8].chip, told[8].seq) == ("MC00001", 15)


@pytest.mark.parametrize("size", [1, 5, 4096])
def test_heartbeats_glued_in_front_of_records(size: int) -> None:
    stream = b"CONECTADO_3CONECTADO_3" + RECORD + b"CONECTADO_3" + RECORD + b"START-OK_3"
    stream += b"OPERATION-MODE-STARTED_12MODO-REMOTE-OFF_3STOP-OK_3\r\n"
    events = decode(stream, size)
    assert [getattr(event, "note", "read") for event in events] == [
        "heartbeat",
        "heartbeat",
        "read",
        "heartbeat",
        "read",
        "reading started",
        "already reading",
        "not in operation mode",
        "reading stopped",
        "empty line",
    ]


def test_a_heartbeat_waits_for_what_follows_its_digits() -> None:
    session = DRIVER.session(Opening())
    assert session.feed(b"CONECTADO_3") == []
    assert session.pending == b"CONECTADO_3"
    [beat] = session.feed(b"C")
    assert isinstance(beat, Control)
    assert beat.extra == {"id": 3}


def test_no_tag_needs_no_date() -> None:
    for row in (
        b"VOIDTAG;0000/00/00;00:00:00.000;00:00:00.000;0;000\r\n",
        b"VOIDTAGD00000000T000000000T000000000A0R000TV|",
    ):
        assert one(row) == Control(row, "no tag")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"1;MC;02976;2019-12-12\r\n", Reason.FIELD),
        (ROW.replace(b"12-12", b"13-12"), Reason.FIELD),
        (ROW.replace(b"09:02", b"29:02"), Reason.FIELD),
        (ROW.replace(b"2019", b"2999"), Reason.FIELD),
        (ROW.replace(b"MC;02976", b";"), Reason.FIELD),
        (RECORD.replace(b"0414", b"0431"), Reason.UNKNOWN),
        (b"PASSINGS;many\r\n", Reason.FIELD),
        (b"GETTIME;STARTMODE\r\n", Reason.FIELD),
        (b"GETTIME;2017-12-33;15:30:55\r\n", Reason.FIELD),
        (b"hello\r\n", Reason.UNKNOWN),
        (b"\xfe\xfd\r\n", Reason.FRAMING),
    ],
)
def test_damage_is_kept_with_its_reason(line: bytes, reason: Reason) -> None:
    event = one(line)
    assert isinstance(event, Rejected)
    assert event.reason is reason
    assert [type(event) for event in decode(line + ROW)] == [Rejected, Read]


def test_a_whole_row_behind_a_cut_one_is_read_but_its_number_is_not_sure() -> None:
    cut, read = decode(b"12;MC;029" + ROW)
    assert isinstance(cut, Rejected)
    assert isinstance(read, Read)
    assert (read.chip, read.stamp, read.seq) == ("MC02976", ROW_NS, None)


def test_a_whole_record_behind_a_cut_one_is_read() -> None:
    cut, read = decode(RECORD[:20] + RECORD)
    assert cut == Rejected(RECORD[:20], Reason.FRAMING, "cut off by the record behind it")
    assert isinstance(read, Read)
    assert read.chip == "MC00001"


def test_endless_noise_is_let_go_in_pieces() -> None:
    events = decode(b"x" * 2_000)
    assert [len(getattr(event, "raw", b"")) for event in events] == [512] * 3


@given(
    chip=st.from_regex(r"[A-Z]{2}[0-9]{5}", fullmatch=True),
    ms=st.integers(0, 2_000_000_000_000),
    antenna=st.integers(1, 8),
)
@settings(max_examples=40, deadline=None)
def test_what_either_generation_writes_is_read(chip: str, ms: int, antenna: int) -> None:
    sighting = Sighting(chip=Chip(chip), stamp=ms * NS_PER_MS, antenna=antenna, seq=7)
    for written in (DRIVER.encode(sighting), encode_ocelot(sighting)):
        read = one(written)
        assert isinstance(read, Read)
        assert (read.chip, read.stamp, read.antenna) == (chip, ms * NS_PER_MS, antenna)


@pytest.mark.parametrize("chip", ["7", "MC", "a;b|c", "é", "0102030405060708090a0b0c0d0e0f10"])
def test_any_chip_can_be_written(chip: str) -> None:
    read = one(DRIVER.encode(Sighting(chip=Chip(chip), stamp=ROW_NS)))
    assert isinstance(read, Read)
    assert read.chip == "".join(c if c.isascii() and c not in ";|" else "_" for c in chip)


def test_somebody_started_a_session_file() -> None:
    line = b"START;2026-05-29-080000.csv\r\n"
    assert one(line) == Status(line, {"file": "2026-05-29-080000.csv"})
    refused = b"START;ERRANTENNAS\r\n"
    assert one(refused) == Control(refused, "start", {"fields": ["ERRANTENNAS"]})


def test_more_days_and_seconds_than_are_kept_in_mind() -> None:
    sightings = [
        Sighting(chip=Chip("MC00001"), stamp=n * (DAY_NS + 7 * NS_PER_S)) for n in range(9_000)
    ]
    reads = reads_of(decode(b"".join(map(DRIVER.encode, sightings))))
    assert [read.stamp for read in reads] == [sighting.stamp for sighting in sightings]


PIECES = st.sampled_from(
    [
        ROW,
        RECORD,
        b"CONECTADO_3",
        b"STOP-OK_12",
        b"\r\n",
        b"|",
        b"VOIDTAG;0\r\n",
        b"PING;PONG\r\n",
        ROW[:17],
        RECORD[:30],
        b"7",
        b"GETTIME;2017-12-23;15:30:55\r\n",
    ]
)


@given(pieces=st.lists(PIECES | st.binary(max_size=9), max_size=12), size=st.integers(1, 60))
@settings(max_examples=80, deadline=None)
def test_however_it_is_cut_it_is_the_same(pieces: list[bytes], size: int) -> None:
    stream = b"".join(pieces)
    assert decode(stream, size) == decode(stream)
