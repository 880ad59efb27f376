"""Captured and made-up streams: what is read, in whatever pieces, and that no byte gets lost."""

import json
import random
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.reads import NS_PER_MS, Chip, Read, StampForm
from bridge.driver_api import (
    Clock,
    ClockStep,
    Control,
    Event,
    Kept,
    Marker,
    Opening,
    Reason,
    Rejected,
    Send,
    Sighting,
    Status,
)
from drivers.race_result import DRIVER
from drivers.race_result.session import MAX_FRAME
from tests.support.race_result import NOON, harmless

VECTORS = sorted(Path("tests/vectors/race_result").resolve().glob("*.json"))
KEPT = (Read, Marker, Clock, ClockStep, Status, Control, Rejected)

sightings = st.builds(
    Sighting,
    chip=st.one_of(
        st.from_regex(r"[A-Z]{4}[0-9]{3}", fullmatch=True),
        st.from_regex(r"[1-9][0-9]{0,3}@[1-9][0-9]{0,5}", fullmatch=True),
    ).map(Chip),
    stamp=st.integers(0, 8_000_000_000_000).map(lambda ms: ms * NS_PER_MS),
    antenna=st.integers(1, 8),
    rssi=st.integers(-90, 31).map(float),
    seq=st.integers(1, 10**9),
)
lines = st.sampled_from(
    [
        b"PASSINGS;12;177\r\n",
        b"GETTIME;0000-00-00;00:02:12.942\r\n",
        b"GETTIME;0000-00-00;25:02:12.942\r\n",
        b"GETSTATUS;2026-05-27;12:00:00.000;1;11111111;1;177;1;;1;90\r\n",
        b"SETPUSHPASSINGS;1;0\r\n",
        b"\r\n",
        b"ONLY 3\r\n",
        b"7;33;0000-00-01;00:00:02.773;6692;12;-68;09ca52\n",
        b"7;33\r\n",
        b'{"Time":1.5,"Passing":{"Transponder":"A"}};Race\r\n',
    ]
)
noise = st.binary(max_size=60) | st.sampled_from([b"\n", b"#P;", b"{", b"[" * 3000, b"9" * 5000])
streams = st.lists(lines | noise | sightings.map(DRIVER.encode), max_size=12).map(b"".join)


def events_of(stream: bytes, size: int = 0, *, live: bool = False) -> list[Event]:
    session = DRIVER.session(Opening())
    events = session.opened(0) if live else []
    for at in range(0, len(stream), size or max(len(stream), 1)):
        events += session.feed(stream[at : at + (size or len(stream))])
    return events


def shown(event: Kept) -> dict[str, object]:
    names = event._fields if isinstance(event, Read) else [f.name for f in fields(event)]
    told: dict[str, object] = {"kind": type(event).__name__}
    for name in names:
        value = getattr(event, name)
        match name:
            case "raw":
                value = value.decode("latin-1")
            case "form":
                value = value.name
            case "reason":
                value = value.value
        told[name] = value
    return told


@pytest.mark.parametrize("chunk", [1, 7, 4096])
@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_vector(path: Path, chunk: int) -> None:
    vector = json.loads(path.read_text())
    events = events_of(bytes.fromhex(vector["wire"]), chunk)
    assert [shown(event) for event in events if isinstance(event, KEPT)] == vector["events"]
    assert len(events) == len(vector["events"])


def test_every_capture_has_its_vector() -> None:
    assert {path.stem for path in VECTORS} == {
        "exporter_json",
        "exporter_v1",
        "exporter_v2",
        "getstatus_18_fields",
        "old_file_8_fields",
        "quickstart",
        "third_party_lines",
    }


@given(sightings)
def test_what_is_encoded_is_what_is_read(sighting: Sighting) -> None:
    (read,) = events_of(DRIVER.encode(sighting))
    assert isinstance(read, Read)
    assert (read.chip, read.stamp, read.form) == (sighting.chip, sighting.stamp, StampForm.NAIVE)
    assert (read.antenna, read.rssi, read.seq) == (sighting.antenna, sighting.rssi, sighting.seq)
    assert read.raw == DRIVER.encode(sighting)


@given(stream=streams, size=st.integers(1, 90), live=st.booleans())
def test_chunking_changes_nothing(*, stream: bytes, size: int, live: bool) -> None:
    assert events_of(stream, size, live=live) == events_of(stream, live=live)


@given(stream=streams, live=st.booleans())
def test_every_byte_is_accounted_for(*, stream: bytes, live: bool) -> None:
    session = DRIVER.session(Opening())
    if live:
        session.opened(0)
    kept = [event.raw for event in session.feed(stream) if isinstance(event, KEPT)]
    assert b"".join(kept) + session.pending == stream
    assert len(session.pending) < MAX_FRAME


def noise_in_pieces(seed: int, total: int) -> Iterator[bytes]:
    """Random bytes in which line ends, separators and digits are as common as in the protocol."""
    source = random.Random(seed)
    alphabet = bytes(range(256)) + b";;;;;;\r\n\r\n0123456789#P;:.-" * 8
    while total > 0:
        size = min(total, source.randint(1, 9000))
        yield bytes(source.choices(alphabet, k=size))
        total -= size


@pytest.mark.parametrize("live", [False, True])
def test_a_million_bytes_of_noise(*, live: bool) -> None:
    session = DRIVER.session(Opening())
    events = session.opened(0) if live else []
    fed = kept = 0
    for second, piece in enumerate(noise_in_pieces(7, 1_000_000)):
        events = session.feed(piece)
        fed += len(piece)
        kept += sum(len(event.raw) for event in events if isinstance(event, KEPT))
        assert kept + len(session.pending) == fed
        assert len(session.pending) < MAX_FRAME
        events += session.tick(second * 10**9)
        assert all(harmless(event.data) for event in events if isinstance(event, Send))
    assert fed == 1_000_000


def test_a_never_opened_session_says_nothing() -> None:
    session = DRIVER.session(Opening())
    wire = b"PASSINGS;5;177\r\n#P;9;A;2026-05-27;12:00:00.000\r\n\r\nGETSTATUS;ERROR\r\n"
    events = session.feed(wire) + session.tick(0) + session.tick(10**12)
    assert [type(event) for event in events] == [Status, Read, Control, Control]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"what is this\r\n", Reason.UNKNOWN),
        (b"7;33\r\n", Reason.FIELD),
        (b"7;33;2026-02-30;10:00:00.000\r\n", Reason.FIELD),
        (b"7;33;2026-02-28;24:00:00.000\r\n", Reason.FIELD),
        (b"7;;2026-02-28;23:00:00.000\r\n", Reason.FIELD),
        (b"7;A\x01;2026-02-28;23:00:00.000\r\n", Reason.FIELD),
        (b"GETTIME;2026-02-28\r\n", Reason.FIELD),
        (b"PASSINGS;many\r\n", Reason.FIELD),
        (b"{broken\r\n", Reason.FRAMING),
        (b'{"a":' + b"[" * 4000 + b"\n", Reason.FRAMING),
        (b'{"Time":1}\r\n', Reason.UNKNOWN),
        (b'{"Time":NaN,"Passing":{"Transponder":"A"}}\r\n', Reason.FIELD),
        (b'{"Time":1,"Passing":{"Transponder":"\\ud800"}}\r\n', Reason.FIELD),
        (b"x" * MAX_FRAME, Reason.OVERLONG),
        (b"#P;" + b"x" * (MAX_FRAME - 3), Reason.OVERLONG),
    ],
)
def test_what_cannot_be_is_kept_with_its_reason(line: bytes, reason: Reason) -> None:
    (event,) = events_of(line)
    assert isinstance(event, Rejected)
    assert (event.raw, event.reason) == (line, reason)


def test_a_push_glued_to_one_that_was_cut_off_is_read() -> None:
    whole = DRIVER.encode(Sighting(chip=Chip("17@6692"), stamp=NOON, seq=8))
    for cut in range(1, len(whole) - 2):
        glued, read = DRIVER.session(Opening()).feed(whole[:cut] + whole)
        assert isinstance(glued, Rejected)
        assert glued.raw == whole[:cut]
        assert glued.reason is Reason.FRAMING
        assert isinstance(read, Read)
        assert (read.raw, read.chip, read.stamp) == (whole, "17@6692", NOON)


def test_nul_bytes_before_a_line_are_no_part_of_it() -> None:
    for live in (False, True):
        events = events_of(b"\0\0" + DRIVER.encode(Sighting(chip=Chip("A"), stamp=NOON)), live=live)
        assert [event.chip for event in events if isinstance(event, Read)] == ["A"]


def test_bytes_of_a_channel_nobody_dialled_are_kept() -> None:
    (event,) = DRIVER.session(Opening()).feed(b"x", "control")
    assert isinstance(event, Rejected)
    assert event.raw == b"x"
