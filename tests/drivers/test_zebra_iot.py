"""Zebra readers with the IoT Connector: events of both schemas, posts, and the emulated reader."""

import json
from collections.abc import Mapping
from pathlib import Path

import httpx2
import pytest

from bridge.app.captures import Piece
from bridge.app.decoding import Decoding
from bridge.domain.reads import NS_PER_S, Read
from bridge.driver_api import (
    MAIN,
    Alarm,
    Control,
    Event,
    Marker,
    Opening,
    Reason,
    Rejected,
    Send,
    Sighting,
)
from drivers.http_wire import response
from drivers.zebra_iot import DRIVER
from drivers.zebra_iot.emulator import ZebraEmulator
from drivers.zebra_iot.events import input_event, tag_event
from tests.support.http_receiver import receiving
from tests.support.loopback import Loopback

VECTORS = sorted((Path(__file__).parents[1] / "vectors" / "zebra_iot").glob("*.json"))
SECRET = "s3cret"  # noqa: S105 - of this test only
NOW = 1_780_000_000 * NS_PER_S


def sighting(number: int, seq: int | None = None) -> Sighting:
    stamp = NOW + number * 10_000_000
    return Sighting(chip=DRIVER.example_chip(number), stamp=stamp, seq=seq or number)


def alarms(events: list[Event]) -> dict[str, bool]:
    return {event.name: event.on for event in events if isinstance(event, Alarm)}


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
@pytest.mark.parametrize("size", [None, 1, 17])
def test_vectors(path: Path, size: int | None) -> None:
    vector = json.loads(path.read_text())
    wire = vector["wire"].encode()
    decoding = Decoding(DRIVER, Opening(), size)
    piece = Piece(container=0, written=len(wire), data=wire)
    shown = [*decoding.feed(piece), *decoding.finish()]
    assert decoding.account.events == len(wire)
    for one in shown:
        del one["raw"]
    assert shown == vector["events"]


@pytest.mark.parametrize("newer", [False, True])
def test_both_schemas_say_the_same(newer: bool) -> None:  # noqa: FBT001
    event = tag_event(sighting(7), newer=newer, hostname="FX9600-1")
    [read] = DRIVER.session(Opening()).feed(event + b"\n")
    assert isinstance(read, Read)
    assert (read.chip, read.stamp, read.antenna) == (sighting(7).chip, sighting(7).stamp, 1)
    assert (read.rssi, read.unit, read.seq) == (-60.0, "FX9600-1", 7)
    assert read.key == f"FX9600-1/7@{read.stamp // 1_000_000}/{read.chip}/1"


def test_tags_of_one_list_are_reads_of_their_own_even_where_they_share_a_number() -> None:
    event = json.loads(tag_event(sighting(7), newer=True))
    [tag] = event["data"]["tagData"]
    event["data"]["tagData"] = [tag, {**tag, "EPC": "AA07"}, {**tag, "antenna": 2}]
    reads = DRIVER.session(Opening()).feed(json.dumps(event).encode() + b"\n")
    assert len({read.key for read in reads if isinstance(read, Read)}) == 3


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"CUSTOM","timestamp":"10 o\'clock","data":{"idHex":"AA"}}\n',
        b'{"type":"CUSTOM","timestamp":"2026-11-21T10:00:00Z","data":{"idHex":"XY"}}\n',
        b'{"type":"CUSTOM","data":{"idHex":"AA"}}\n',
        b'{"timestamp":"2026-11-21T10:00:00Z","data":{"tagData":[7]}}\n',
        b'{"data":{"pin":1,"state":"LOW"}}\n',
    ],
)
def test_fields_that_cannot_be(line: bytes) -> None:
    [event] = DRIVER.session(Opening()).feed(line)
    assert isinstance(event, Rejected)
    assert (event.reason, event.raw) == (Reason.FIELD, line)


@pytest.mark.parametrize(
    ("line", "note"),
    [
        (b'{"command":"set_mode","command_id":"1","response":"success"}\n', "response"),
        (b'{"type":"heartbeat","timestamp":"x","data":{"cpu":3}}\n', "event"),
        (b'{"timestamp":"2026-11-21T10:00:00Z","data":{"tagData":[]}}\n', "no tags"),
        (b'{"type":"gpo","data":{"type":"GPO","pin":1,"state":"LOW"}}\n', "gpi"),
    ],
)
def test_other_events_are_no_reads(line: bytes, note: str) -> None:
    [event] = DRIVER.session(Opening()).feed(line)
    assert isinstance(event, Control)
    assert (event.note, event.raw) == (note, line)


def test_management_errors_are_alarms() -> None:
    line = b'{"type":"ERROR","data":{"message":"antenna 2 is open"}}\n'
    [_, alarm] = DRIVER.session(Opening()).feed(line)
    assert isinstance(alarm, Alarm)
    assert (alarm.name, alarm.text) == ("reader_error", "antenna 2 is open")
    [event] = DRIVER.session(Opening()).feed(b'{"foo":1}\n')
    assert isinstance(event, Rejected)
    assert event.reason is Reason.UNKNOWN


@pytest.mark.parametrize(("edge", "state"), [("fall", "LOW"), ("rise", "HIGH")])
def test_one_edge_of_an_input_is_a_gun(edge: str, state: str) -> None:
    session = DRIVER.session(Opening(options={"gun_edge": edge}))
    events = session.feed(input_event(NOW, 2, "LOW") + input_event(NOW, 2, "HIGH") + b"\n")
    [marker] = [event for event in events if isinstance(event, Marker)]
    assert (marker.name, marker.stamp, marker.extra["state"]) == ("gpi2", NOW, state)


def test_settings_that_spoil_times_are_told() -> None:
    session = DRIVER.session(Opening())
    summed = tag_event(sighting(1)).replace(b'"reads":1', b'"reads":9')
    assert alarms(session.feed(summed + b"\n")) == {"report_filter": True}
    assert alarms(session.feed(tag_event(sighting(2)) + b"\n")) == {"report_filter": False}
    bare = tag_event(sighting(3)).replace(b'"antenna":1,', b"")
    assert alarms(session.feed(bare + b"\n")) == {"tag_metadata": True}


def test_numbers_that_did_not_come_are_told_once_there_was_time() -> None:
    session = DRIVER.session(Opening())

    def come(*numbers: int) -> None:
        for number in numbers:
            session.feed(tag_event(sighting(number)) + b"\n")

    def wait(since: int, until: int) -> dict[str, bool]:
        ticks = [session.tick(NOW + second * NS_PER_S) for second in range(since, until)]
        return alarms([event for events in ticks for event in events])

    come(1, 2, 6, 7)
    assert wait(0, 29) == {}
    come(4)  # a stored one
    assert wait(29, 40) == {"lost_events": True}
    come(3, 5)
    assert wait(40, 42) == {"lost_events": False}
    session.feed(tag_event(sighting(900, seq=1)) + b"\n")  # restarted
    session.feed(tag_event(sighting(901, seq=2)) + b"\n")
    come(7)  # repeated
    assert wait(42, 100) == {}


def test_the_last_of_objects_end_to_end_does_not_wait_for_the_next() -> None:
    session = DRIVER.session(Opening())
    session.opened(NOW)
    assert session.feed(tag_event(sighting(1))) == []
    [read] = session.tick(NOW + NS_PER_S)
    assert isinstance(read, Read)
    assert session.pending == b""


@pytest.mark.parametrize(
    "options",
    [
        {"batch": 5, "chunked": True},
        {"keep_alive": True, "newer": True, "hostname": "z"},
        {"mode": "tcp"},
    ],
)
def test_emulated_readers_of_all_kinds(options: Mapping[str, object]) -> None:
    pair = Loopback(DRIVER, emulator_options=options)
    pair.plug()
    for number in range(1, 8):
        pair.sight(sighting(number))
    pair.mark("gun")
    pair.wait(3)
    assert [read.chip for read in pair.reads] == [sighting(n).chip for n in range(1, 8)]
    assert [read.seq for read in pair.reads] == list(range(1, 8))
    assert sum(isinstance(event, Marker) for event in pair.events) == 1
    assert alarms(pair.events).get("lost_events") is None


def test_a_lost_number_shows() -> None:
    pair = Loopback(DRIVER, emulator_options={"mode": "tcp", "skip_every": 3})
    pair.plug()
    for number in range(1, 8):
        pair.sight(sighting(number))
    pair.wait(40)
    assert len(pair.reads) == 5
    assert alarms(pair.events) == {"lost_events": True}


def test_each_request_may_have_its_own_connection() -> None:
    reader = ZebraEmulator({"keep_alive": False})
    reader.sighted(sighting(1))
    [out] = reader.connected(1, MAIN, NOW)
    session = DRIVER.session(Opening(link="tcp-listen"))
    session.opened(NOW)
    [_, _, answer] = session.feed(out.data)
    assert isinstance(answer, Send)
    assert b"Connection: close\r\n" in answer.data
    [close] = reader.received(1, answer.data, NOW)
    assert close.close
    reader.disconnected(1)
    assert list(reader.connected(2, MAIN, NOW)) == []


def test_a_client_that_wants_leave_to_send_gets_it_at_once() -> None:
    session = DRIVER.session(Opening(link="tcp-listen"))
    session.opened(NOW)
    head = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    assert session.feed(head)[1] == Send(response(100, None))
    last = session.feed(b"[]")[-1]
    assert isinstance(last, Send)
    assert last.data.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_a_third_party_client_posts_to_the_session() -> None:
    events = [tag_event(sighting(number)) for number in range(1, 4)]
    async with (
        receiving(DRIVER, password=SECRET) as (receiver, url),
        httpx2.AsyncClient(auth=("zebra", SECRET), timeout=10) as client,
    ):
        assert (await client.post(url, content=b"".join(events))).status_code == 200
        assert (await client.post(url, content=b"{")).status_code == 400
        assert (await client.post(url, content=events[0], auth=("z", "y"))).status_code == 401
        assert receiver.taken_when_answered == [3, 3, 3]
    assert [read.seq for read in receiver.reads] == [1, 2, 3]


@pytest.mark.parametrize("bad", [{"mode": "mqtt"}, {"batch": "1"}, {"batch": -1}, {"x": 1}])
def test_unknown_emulator_options(bad: Mapping[str, object]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        ZebraEmulator(bad)


def test_options() -> None:
    assert DRIVER.check_options({"user": "z", "gun_edge": "rise"}) == []
    for bad in ({"user": ""}, {"user": "a:b"}, {"gun_edge": "both"}, {"mode": "x"}):
        assert len(DRIVER.check_options(bad)) == 1
