"""Track Boxes: the vendor's example, who may post, and the emulated box."""

from collections.abc import Mapping
from pathlib import Path

import httpx2
import pytest

from bridge.app.captures import Piece
from bridge.app.decoding import Decoding
from bridge.domain.reads import NS_PER_S, Read, StampForm
from bridge.driver_api import MAIN, Control, Opening, Reason, Rejected, Sighting, Status
from drivers.http_wire import request, response
from drivers.race_result_trackbox import DRIVER
from drivers.race_result_trackbox.emulator import TrackBoxEmulator
from drivers.race_result_trackbox.records import parse_time, print_time, target_of
from tests.support.http_receiver import receiving
from tests.support.loopback import Loopback

EXAMPLE = Path(__file__).parents[1] / "vectors/race_result_trackbox/trackbox_trackping_post_a.txt"
NOW = 1_780_000_000 * NS_PER_S
TARGET = target_of(NOW)


def sighting(number: int) -> Sighting:
    return Sighting(chip=DRIVER.example_chip(number), stamp=NOW + number * NS_PER_S, seq=number)


@pytest.mark.parametrize("size", [None, 1, 17])
def test_the_vendors_example(size: int | None) -> None:
    wire = EXAMPLE.read_bytes()
    decoding = Decoding(DRIVER, Opening(), size)
    shown = [*decoding.feed(Piece(container=0, written=len(wire), data=wire)), *decoding.finish()]
    assert decoding.account.events == len(wire)
    assert decoding.account.kinds == {"status": 1, "read": 6}
    reads = [one for one in shown if one["kind"] == "read"]
    tags = ["ZCTAA66", "ZCTAA55", "ZCTAA53", "ZCTAA62", "ZBAAA48", "ZCTAA66"]
    assert [read["chip"] for read in reads] == tags
    assert {read["time"] for read in reads} == {"2021-08-27T11:00:03.000Z"}
    assert {read["reader"] for read in reads} == {"T-20034"}
    assert [read["rssi"] for read in reads] == [-40.0, -42.0, -53.0, -42.0, -71.0, -50.0]
    keys = [read["extra"]["key"] for read in reads if isinstance(read["extra"], dict)]
    chips = [read["chip"] for read in reads]
    assert keys == [f"T-20034/210827T110003Z/1/{n}/{chip}" for n, chip in enumerate(chips)]


def test_requests_of_one_second_without_numbers_do_not_swallow_each_other() -> None:
    session = DRIVER.session(Opening())
    target = "/trackping?boxId=T-1&boxTime=210827T110003Z"
    keys = []
    for tag in (b"AA1", b"AA2"):
        events = session.feed(request("POST", target, "x", {}, tag + b";1;2\r\n"))
        keys += [event.key for event in events if isinstance(event, Read)]
    assert len(set(keys)) == len(keys) == 2


@pytest.mark.parametrize("end", [b"\r", b"\r\n", b"\n"])
def test_lines_may_end_in_any_way(end: bytes) -> None:
    body = end.join([b"ZCTAA66;22;-40;15;92832;;;;20;-90;", b"ZCTAA55;22;-42;19;;;;;18;-80;", b""])
    session = DRIVER.session(Opening(link="tcp-listen"))
    session.opened(NOW)
    events = session.feed(request("POST", TARGET, "h", {}, body))
    assert [type(event).__name__ for event in events] == ["Status", "Read", "Read", "Send"]


def test_health_comes_in_the_query() -> None:
    target = f"{TARGET}&boxTemp=21.5&readerStatus=on&boxNoise=-90&boxBatt=87"
    [status] = DRIVER.session(Opening()).feed(request("GET", target, "h"))
    assert isinstance(status, Status)
    assert status.fields["temperature_c"] == 21.5
    assert status.fields["reader_status"] == "on"
    assert status.fields["battery"] == 87


def test_a_line_without_its_request_has_no_time() -> None:
    session = DRIVER.session(Opening())
    [read] = session.feed(b"ZCTAA66;22;-40\r\nx")
    assert isinstance(read, Read)
    assert (read.stamp, read.form, read.key, read.unit) == (0, StampForm.ABSENT, None, None)
    [bad] = session.feed(b"yz\n;1;2\n")[1:]
    assert isinstance(bad, Rejected)
    assert bad.reason is Reason.FIELD


@pytest.mark.parametrize(
    "text", ["", "210827T110003", "211327T110003Z", "210827T250003Z", "2108\u0662\u0667T110003Z"]
)
def test_times_that_cannot_be(text: str) -> None:
    assert parse_time(text) is None
    assert print_time(NOW) == "260528T202640Z"
    assert parse_time("260528T202640Z") == NOW


async def test_a_third_party_client_posts() -> None:
    body = b"ZCTAA66;22;-40;15;92832;;;;20;-90;\rZCTAA55;22;-42;19;157302;;;;18;-80;\r"
    async with (
        receiving(DRIVER, options={"auth": "13953"}) as (receiver, url),
        httpx2.AsyncClient(timeout=10) as client,
    ):
        for _ in range(2):
            answer = await client.post(f"{url}{TARGET}", content=body)
            assert (answer.status_code, answer.content) == (200, b"OK")
        assert receiver.taken_when_answered == [2, 4]
        wrong = await client.post(f"{url}/trackping?auth=1", content=body)
        assert wrong.status_code == 403
    assert len({read.key for read in receiver.reads}) == 2
    assert [e.note for e in receiver.events if isinstance(e, Control)] == ["http request"]


@pytest.mark.parametrize("options", [{"cr_only": True}, {"batch": 3, "box": "T-1"}])
def test_the_emulated_box(options: Mapping[str, object]) -> None:
    pair = Loopback(DRIVER, emulator_options=options)
    for number in range(1, 8):
        pair.sight(sighting(number))
    pair.plug()
    pair.wait(70)
    assert [read.chip for read in pair.reads] == [sighting(n).chip for n in range(1, 8)]
    assert {read.unit for read in pair.reads} == {str(options.get("box", "T-20034"))}
    health = [e for e in pair.events if isinstance(e, Status) and "battery" in e.fields]
    assert len(health) >= 1


def test_the_emulated_box_repeats_a_request_word_for_word() -> None:
    box = TrackBoxEmulator({})
    box.sighted(sighting(1))
    [out] = box.connected(1, MAIN, NOW)
    assert box.received(1, response(503), NOW) == []
    assert [again.data for again in box.tick(NOW + 3 * NS_PER_S)] == [out.data]
    box.disconnected(1)
    assert [again.data for again in box.connected(2, MAIN, NOW)] == [out.data]
    assert list(box.received(2, response(200, b"OK"), NOW)) == []


@pytest.mark.parametrize("bad", [{"box": 1}, {"batch": -1}, {"x": 1}])
def test_unknown_emulator_options(bad: Mapping[str, object]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        TrackBoxEmulator(bad)


def test_options() -> None:
    assert DRIVER.check_options({"auth": "13953"}) == []
    for bad in ({"auth": 13953}, {"auth": "x"}, {"kind": "x"}):
        assert len(DRIVER.check_options(bad)) == 1
