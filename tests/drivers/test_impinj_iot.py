"""Impinj readers in IoT mode: events, the pulled stream, webhooks, and the emulated reader."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from bridge.adapters.emulator_host import EmulatorHost
from bridge.adapters.system_clock import SystemClock
from bridge.app.captures import Piece
from bridge.app.decoding import Decoding
from bridge.domain.reads import NS_PER_S, Read, StampForm
from bridge.driver_api import (
    MAIN,
    Alarm,
    Clock,
    ClockStep,
    Control,
    Dial,
    Event,
    Hangup,
    Marker,
    Opening,
    Reason,
    Rejected,
    Send,
    Session,
    Sighting,
    Status,
)
from drivers.http_wire import basic, request, response
from drivers.impinj_iot import DRIVER
from drivers.impinj_iot.emulator import ImpinjEmulator
from drivers.impinj_iot.events import event_bytes, hex_of_base64, tag_event
from tests.support.http_receiver import receiving
from tests.support.loopback import Loopback

VECTORS = sorted((Path(__file__).parents[1] / "vectors" / "impinj_iot").glob("*.json"))
SECRET = "s3cret"  # noqa: S105 - of this test only
NOW = 1_780_000_000 * NS_PER_S
LOGIN = basic("root", "impinj")


def sighting(number: int) -> Sighting:
    return Sighting(chip=DRIVER.example_chip(number), stamp=NOW + number, antenna=2, rssi=-51.5)


def pulled(**opening: object) -> tuple[Session, list[Event]]:
    session = DRIVER.session(Opening(host="10.0.0.5", **opening))  # type: ignore[arg-type]
    return session, session.opened(NOW)


def alarms(events: list[Event]) -> dict[str, bool]:
    return {event.name: event.on for event in events if isinstance(event, Alarm)}


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
@pytest.mark.parametrize("size", [None, 1, 13])
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


def test_base64_as_the_vendor_writes_it() -> None:
    assert hex_of_base64("ftqQOAUQAnEAAsCu") == "7EDA9038051002710002C0AE"
    assert hex_of_base64("4oARcCAAFM2bWgjs") == "E2801170200014CD9B5A08EC"
    assert hex_of_base64("NAA=") == hex_of_base64("NAA") == "3400"
    assert hex_of_base64("-_8=") == "FBFF"
    assert [hex_of_base64(bad) for bad in ("", "=", "A", 7, None, "\u00fc" * 4)] == [None] * 6


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"epcHex": "7EDA"}, Reason.FIELD),
        ({"epcHex": "no hex", "epc": None}, Reason.FIELD),
        ({"epcHex": None, "epc": "!"}, Reason.FIELD),
        ({"lastSeenTime": "yesterday"}, Reason.FIELD),
        ({"lastSeenTime": "2026-02-30T00:00:00Z"}, Reason.FIELD),
    ],
)
def test_fields_that_cannot_be(change: Mapping[str, object], reason: Reason) -> None:
    tag = {"epc": "ftqQOAUQAnEAAsCu", "lastSeenTime": "2026-11-21T10:00:00Z", **change}
    tag = {name: value for name, value in tag.items() if value is not None}
    frame = event_bytes("tagInventory", tag, "2026-11-21T10:00:01Z")
    [event] = DRIVER.session(Opening()).feed(frame + b"\n")
    assert isinstance(event, Rejected)
    assert event.reason is reason


@pytest.mark.parametrize(
    "line",
    [b'{"tag_reads":[{"epc":"AA","firstSeenTimestamp":1}]}\n', b"[]]\n", b'{"a":"\n', b"hello\n"],
)
def test_what_is_no_event(line: bytes) -> None:
    events = DRIVER.session(Opening()).feed(line)
    assert b"".join(event.raw for event in events if isinstance(event, Rejected | Control)) == line
    assert not [event for event in events if isinstance(event, Read)]


def test_a_read_without_its_own_time_is_an_alarm_until_one_has_it() -> None:
    session = DRIVER.session(Opening())
    events = session.feed(tag_event(sighting(1), last_seen=False) + b"\n")
    assert alarms(events) == {"read_times": True}
    assert session.feed(tag_event(sighting(2), last_seen=False) + b"\n")[0] != events[0]
    assert alarms(session.feed(tag_event(sighting(3)) + b"\n")) == {"read_times": False}


def test_health_and_losses_are_told() -> None:
    session = DRIVER.session(Opening())
    wire = json.loads(VECTORS[1].read_text())["wire"].encode()
    events = session.feed(wire)
    told = alarms(events)
    assert told["overflow"]
    assert told["antenna_3"]
    assert told["not_operating"]
    [overflow] = [e for e in events if isinstance(e, Alarm) and e.name == "overflow"]
    assert "17 events from 2026-11-21T09:00:00Z to 2026-11-21T09:10:00Z" in overflow.text
    back = event_bytes("antennaConnected", {"antennaPort": 3}, "2026-11-21T11:00:00Z")
    assert alarms(session.feed(back + b"\n")) == {"antenna_3": False}


def test_the_gun_may_be_the_other_edge() -> None:
    session = DRIVER.session(Opening(options={"gun_edge": "rise"}))
    up = event_bytes("gpiTransition", {"gpi": 2, "transition": "low-to-high"}, "2026-11-21T10:00Z")
    assert isinstance(session.feed(up + b"\n")[0], Rejected)  # a time without seconds is none
    up = up.replace(b"10:00Z", b"10:00:00.25Z")
    [marker] = session.feed(up + b"\n")
    assert isinstance(marker, Marker)
    assert (marker.name, marker.form) == ("gpi2", StampForm.UTC)
    assert marker.stamp % NS_PER_S == 250_000_000


def test_will_messages_of_the_broker() -> None:
    session = DRIVER.session(Opening(link="mqtt"))
    assert session.opened(NOW) == []
    assert alarms(session.feed(b"connection lost\n")) == {"reader_offline": True}
    assert alarms(session.feed(b"connected\n")) == {"reader_offline": False}
    [read] = session.feed(tag_event(sighting(1)) + b"\n")[-1:]
    assert isinstance(read, Read)


def test_the_stream_is_asked_for_with_a_login_and_the_state_beside_it() -> None:
    _, events = pulled(password=SECRET, options={"user": "race"})
    stream, dial, status = events
    assert isinstance(stream, Send)
    assert stream.channel == MAIN
    assert stream.data.startswith(b"GET /api/v1/data/stream HTTP/1.1\r\nHost: 10.0.0.5\r\n")
    assert f"Authorization: {basic('race', SECRET)}\r\n".encode() in stream.data
    assert dial == Dial("status", 0)
    assert isinstance(status, Send)
    assert status.asks_clock
    assert status.data.startswith(b"GET /api/v1/status HTTP/1.1\r\n")
    _, [other, *_] = pulled(target="/proxy/stream?x=1")
    assert isinstance(other, Send)
    assert other.data.startswith(b"GET /proxy/stream?x=1 HTTP/1.1\r\n")
    assert LOGIN.encode() in other.data


def test_a_check_tells_the_time_and_leaves_the_stream_alone() -> None:
    session, [ask] = pulled(trial=True)
    assert isinstance(ask, Send)
    assert ask.asks_clock
    assert ask.data.startswith(b"GET /api/v1/status HTTP/1.1\r\n")
    body = b'{"status":"idle","time":"2026-11-21T10:00:00.5Z"}'
    told = session.feed(response(200, body, {"Content-Type": "application/json"}))
    told += session.tick(NOW + 5 * NS_PER_S)
    assert [event.asked for event in told if isinstance(event, Clock)] == [True]
    assert not [event for event in told if isinstance(event, Send | Dial)]
    assert alarms(told)["not_operating"]


@pytest.mark.parametrize(
    ("status", "word"), [(401, "login"), (403, "LLRP"), (404, "path"), (500, "500")]
)
def test_a_refused_stream_is_an_alarm_in_words_and_the_end(status: int, word: str) -> None:
    session, _ = pulled()
    events = session.feed(response(status))
    [alarm] = [event for event in events if isinstance(event, Alarm)]
    [hangup] = [event for event in events if isinstance(event, Hangup)]
    assert word in alarm.text
    assert hangup.why == alarm.text


def test_answers_about_the_state_are_clock_and_health() -> None:
    session, _ = pulled()
    body = b'{"status":"idle","time":"2026-11-21T10:00:00Z","serialNumber":"370"}'
    answer = response(200, body, {"Content-Type": "application/json"})
    events = session.feed(answer[:50], "status") + session.feed(answer[50:], "status")
    [clock] = [event for event in events if isinstance(event, Clock)]
    assert clock.asked
    assert clock.raw == answer
    assert clock.extra["resolution_ms"] == 1000
    assert clock.extra["serial"] == "370"
    assert alarms(events) == {"not_operating": True}
    running = response(200, body.replace(b"idle", b"running").replace(b"00Z", b"00.5Z"))
    events = session.feed(running, "status")
    assert alarms(events) == {"not_operating": False}
    [clock] = [event for event in events if isinstance(event, Clock)]
    assert not clock.asked  # nobody asked a second time
    assert session.feed(b"x", "other") == [
        Rejected(b"x", Reason.UNKNOWN, "no channel other was opened")
    ]


def test_a_clock_that_somebody_sets_is_told() -> None:
    session, _ = pulled()

    def answer(second: int, minute: int) -> list[Event]:
        body = b'{"status":"running","time":"2026-11-21T10:%02d:%02d.5Z"}' % (minute, second)
        session.tick(NOW + second * NS_PER_S)
        return session.feed(response(200, body), "status")

    quiet = [answer(second, 0) for second in (0, 4, 8, 12)]
    assert not [e for events in quiet for e in events if isinstance(e, ClockStep)]
    [step] = [event for event in answer(16, 30) if isinstance(event, ClockStep)]
    assert step.raw == b""
    assert step.after is not None
    assert step.before is not None
    assert step.after - step.before == (30 * 60 + 4) * NS_PER_S


def test_a_lost_second_connection_is_made_again() -> None:
    session, _ = pulled()
    session.feed(response(200, None), MAIN)
    session.feed(b"HTTP/1.1 200", "status")
    [cut] = session.closed("status", refused=False)
    assert isinstance(cut, Rejected)
    assert cut.raw == b"HTTP/1.1 200"
    again = session.tick(NOW + 5 * NS_PER_S)
    assert [type(event) for event in again] == [Dial, Send]
    assert session.closed("status", refused=True) == []
    later = [session.tick(NOW + second * NS_PER_S) for second in range(6, 45)]
    assert sum(isinstance(event, Dial) for events in later for event in events) == 1


def test_a_stream_without_keepalives_is_given_up_after_three_intervals() -> None:
    session, _ = pulled(options={"keepalive_s": 5})
    for second in range(1, 15):
        session.feed(response(200, b"{}"), "status")
        assert not [e for e in session.tick(NOW + second * NS_PER_S) if isinstance(e, Hangup)]
    session.feed(response(200, b"{}"), "status")
    [hangup] = session.tick(NOW + 15 * NS_PER_S)
    assert isinstance(hangup, Hangup)
    assert "keepalive" in hangup.why


def test_the_emulator_replays_tells_losses_and_fires_the_gun() -> None:
    pair = Loopback(DRIVER, emulator_options={"buffer": 3, "hostname": "impinj-1"})
    for number in range(5):
        pair.sight(sighting(number))
    pair.plug()
    pair.wait(1)
    assert [read.chip for read in pair.reads] == [sighting(n).chip for n in (2, 3, 4)]
    assert {read.unit for read in pair.reads} == {"impinj-1"}
    [overflow] = [e for e in pair.events if isinstance(e, Alarm) and e.name == "overflow"]
    assert "2 events from 2026-05-28T20:26:40.000000000Z to 2026" in overflow.text
    [status] = [event for event in pair.events if isinstance(event, Status)]
    assert status.fields["serial"] == "370-00-00-0001"
    assert status.fields["operating"] is True
    pair.mark("gun")
    [marker] = [event for event in pair.events if isinstance(event, Marker)]
    assert marker.stamp == pair.now_ns
    pair.wait(60)
    assert pair.up
    clocks = [event for event in pair.events if isinstance(event, Clock)]
    assert len(clocks) >= 10
    assert all(clock.asked for clock in clocks)


def test_the_oldest_of_too_many_streams_gives_way() -> None:
    reader = ImpinjEmulator({})
    get = request("GET", "/api/v1/data/stream", "h", {"Authorization": LOGIN})
    closed = []
    for client in (1, 2, 3):
        reader.connected(client, MAIN, NOW)
        closed += [out.client for out in reader.received(client, get, NOW) if out.close]
    assert closed == [1]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/status", b"200"),
        ("GET", "/api/v1/system", b"200"),
        ("GET", "/api/v1/system/time", b"200"),
        ("GET", "/api/v1/http-stream", b"200"),
        ("POST", "/api/v1/profiles/stop", b"204"),
        ("POST", "/api/v1/profiles/inventory/start", b"204"),
        ("GET", "/nothing", b"404"),
    ],
)
def test_the_emulator_answers_as_the_interface_does(method: str, path: str, status: bytes) -> None:
    reader = ImpinjEmulator({"running": False})
    reader.connected(1, MAIN, NOW)
    [out] = reader.received(1, request(method, path, "h", {"Authorization": LOGIN}), NOW)
    assert out.data.split(b" ")[1] == status
    [out] = reader.received(1, request(method, path, "h"), NOW)
    assert out.data.split(b" ")[1] == b"401"
    [out] = reader.received(1, b"no HTTP\r\n", NOW)
    assert out.close


def test_an_idle_reader_reads_nothing_and_says_so() -> None:
    pair = Loopback(DRIVER, emulator_options={"running": False, "chunked": False})
    pair.plug()
    pair.wait(5)
    pair.sight(sighting(1))
    assert pair.reads == []
    assert alarms(pair.events)["not_operating"]


@pytest.mark.parametrize("bad", [{"mode": "x"}, {"user": 7}, {"keepalive_s": -1}, {"speed": 1}])
def test_unknown_emulator_options(bad: Mapping[str, object]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        ImpinjEmulator(bad)


@pytest.mark.parametrize(
    "bad",
    [{"keepalive_s": 0}, {"keepalive_s": "5"}, {"user": ""}, {"user": "a:b"}, {"gun_edge": "up"}],
)
def test_options_that_cannot_be(bad: Mapping[str, object]) -> None:
    assert len(DRIVER.check_options(bad)) == 1
    assert DRIVER.check_options({"keepalive_s": 5, "user": "race", "gun_edge": "rise"}) == []


@asynccontextmanager
async def reader_on_sockets(**options: object) -> AsyncIterator[tuple[EmulatorHost, str]]:
    host = EmulatorHost(ImpinjEmulator(options), SystemClock())
    port = await host.listen("127.0.0.1", 0)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(host.run())
        yield host, f"http://127.0.0.1:{port}/api/v1"
        running.cancel()


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_third_party_client_streams_from_the_emulator(chunked: bool) -> None:  # noqa: FBT001
    async with (
        reader_on_sockets(chunked=chunked, keepalive_s=1) as (host, url),
        httpx2.AsyncClient(auth=("root", "impinj"), timeout=10) as client,
    ):
        assert (await client.get(f"{url}/status")).json()["status"] == "running"
        assert (await client.get(f"{url}/status", auth=("root", "no"))).status_code == 401
        async with client.stream("GET", f"{url}/data/stream") as answer:
            lines = answer.aiter_lines()
            assert await anext(lines) == ""
            await host.sight(sighting(7))
            line = await anext(lines)
            while not line:
                line = await anext(lines)
            assert json.loads(line)["tagInventoryEvent"]["epcHex"] == sighting(7).chip
            assert await anext(lines) == ""


async def test_a_third_party_client_posts_to_the_session() -> None:
    batch = [json.loads(tag_event(sighting(number))) for number in range(3)]
    async with (
        receiving(DRIVER, target="/hook", password=SECRET, options={"user": "r700"}) as (
            receiver,
            url,
        ),
        httpx2.AsyncClient(auth=("r700", SECRET), timeout=10) as client,
    ):
        for body in (batch, [], batch[0]):
            assert (await client.post(f"{url}/hook", json=body)).status_code == 200
        assert len(receiver.reads) == 4
        assert receiver.taken_when_answered == [3, 3, 4]
        assert (await client.post(f"{url}/hook", content=b"no json")).status_code == 400
        assert (await client.post(f"{url}/other", json=batch)).status_code == 404
        assert (await client.post(f"{url}/hook", json=batch, auth=("r700", "x"))).status_code == 401
        assert (await client.delete(f"{url}/hook")).status_code == 405
        assert len(receiver.reads) == 4
    kept = b"".join(e.raw for e in receiver.events if isinstance(e, Control))
    login = basic("r700", SECRET).encode()
    assert login not in kept
    assert kept.count(b"*" * len(login)) == 6


def test_the_emulated_webhook_posts_again_what_was_refused() -> None:
    reader = ImpinjEmulator({"mode": "webhook", "hostname": "h"})
    reader.sighted(sighting(1))
    [out] = reader.connected(1, MAIN, NOW)
    assert list(reader.sighted(sighting(2))) == []  # one request at a time
    assert list(reader.received(1, response(500), NOW)) == []
    assert list(reader.tick(NOW + NS_PER_S)) == []
    [again] = reader.tick(NOW + 3 * NS_PER_S)
    assert again.data == out.data
    [second] = reader.received(1, response(200), NOW)
    session = DRIVER.session(Opening(link="tcp-listen"))
    session.opened(NOW)
    events = session.feed(out.data + second.data)
    assert [type(event) for event in events] == [Control, Read, Send] * 2
    reader.disconnected(1)
    [third] = reader.connected(2, MAIN, NOW)
    assert third.data == second.data
    assert reader.received(1, response(200), NOW) == []
    assert list(reader.received(2, response(200), NOW)) == []
