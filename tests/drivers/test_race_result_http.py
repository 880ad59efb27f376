"""Uploads of RACE RESULT decoders: lines, who may upload, and the emulated decoder."""

import json
from collections.abc import Mapping
from pathlib import Path

import httpx2
import pytest

from bridge.app.captures import Piece
from bridge.app.decoding import Decoding
from bridge.domain.reads import NS_PER_S, Read
from bridge.driver_api import MAIN, Marker, Opening, Reason, Rejected, Sighting
from drivers.http_wire import request, response
from drivers.race_result import DRIVER as DECODER
from drivers.race_result_http import DRIVER
from drivers.race_result_http.emulator import UploadEmulator
from drivers.race_result_http.records import details
from tests.support.http_receiver import receiving
from tests.support.loopback import Loopback

VECTORS = sorted((Path(__file__).parents[1] / "vectors" / "race_result_http").glob("*.json"))
NOW = 1_780_000_000 * NS_PER_S
TARGET = "/?user=12345&device=D-5662&file=177&boxname=Finish"


def sighting(number: int) -> Sighting:
    return Sighting(chip=DRIVER.example_chip(number), stamp=NOW + number * NS_PER_S, seq=number)


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
@pytest.mark.parametrize("size", [None, 1, 17])
def test_vectors(path: Path, size: int | None) -> None:
    vector = json.loads(path.read_text())
    wire = vector["wire"].encode()
    decoding = Decoding(DRIVER, Opening(), size)
    shown = [*decoding.feed(Piece(container=0, written=len(wire), data=wire)), *decoding.finish()]
    assert decoding.account.events == len(wire)
    for one in shown:
        del one["raw"]
    assert shown == vector["events"]


def test_a_read_is_the_same_as_over_the_decoders_own_port() -> None:
    line = b"7;33;2026-11-21;10:00:00.477;6692;12;-68;;0;;;;;;;;D-5662;177;2;D-5662\r\n"
    [direct] = DECODER.session(Opening()).feed(b"#P;" + line)
    upload = b"7;33;2026-11-21;10:00:00.477;6692;12;-68;;;;0;;;;;;;;\r\n"
    session = DRIVER.session(Opening())
    [_, read] = session.feed(request("POST", TARGET, "h", {}, upload))
    assert isinstance(direct, Read)
    assert isinstance(read, Read)
    assert (read.chip, read.stamp) == (direct.chip, direct.stamp)
    assert read.key == f"{direct.key}@{read.stamp // 1_000_000}"
    [_, whole] = session.feed(request("POST", TARGET, "h", {}, line))
    assert isinstance(whole, Read)
    assert (whole.key, whole.antenna) == (read.key, 2)


def test_numbers_given_again_in_a_file_that_was_cleared_are_other_reads() -> None:
    session = DRIVER.session(Opening())
    reads = []
    for chip, time in (("33", "10:00:00.477"), ("34", "11:00:00.477"), ("33", "10:00:00.477")):
        line = f"7;{chip};2026-11-21;{time};6692;12;-68;;;;0;;;;;;;;\r\n".encode()
        events = session.feed(request("POST", TARGET, "h", {}, line))
        reads += [event for event in events if isinstance(event, Read)]
    first, other, again = (read.key for read in reads)
    assert first == again != other


def test_lines_of_other_layouts_and_none() -> None:
    session = DRIVER.session(Opening())
    [read] = session.feed(b"1;33;0000-00-00;00:00:02.773;6692;12;-68;09ca52\r\n")
    assert isinstance(read, Read)
    assert (read.chip, read.key) == ("33@6692", None)
    [bad] = session.feed(b"1;33;0000-00-00;25:00:02.773;6692;12;-68;09ca52\r\n")
    assert isinstance(bad, Rejected)
    assert bad.reason is Reason.FIELD
    assert bad.raw.startswith(b"1;33;")


def test_the_last_line_of_an_upload_may_lack_its_end() -> None:
    lines = DRIVER.encode(sighting(1)) + DRIVER.encode(sighting(2)).rstrip()
    session = DRIVER.session(Opening(link="tcp-listen"))
    session.opened(NOW)
    events = session.feed(request("POST", TARGET, "h", {}, lines))
    assert [type(event).__name__ for event in events] == ["Control", "Read", "Read", "Send"]


@pytest.mark.parametrize("query", ["device=a%3Bb&file=1", "device=D-1&file=x", "", "%ff=%00;"])
def test_names_that_would_spoil_a_line_are_none(query: str) -> None:
    session = DRIVER.session(Opening())
    [_, read] = session.feed(request("POST", f"/?{query}", "h", {}, DRIVER.encode(sighting(1))))
    assert isinstance(read, Read)
    assert read.key is None
    assert read.chip == sighting(1).chip


async def test_a_third_party_client_uploads() -> None:
    lines = DRIVER.encode(sighting(1)) + DRIVER.encode(sighting(2))
    async with (
        receiving(DRIVER, options={"user": "12345"}, target="/up") as (receiver, url),
        httpx2.AsyncClient(timeout=10) as client,
    ):
        answer = await client.post(f"{url}/up{TARGET[1:]}", content=lines)
        assert (answer.status_code, answer.content) == (200, b"OK")
        assert receiver.taken_when_answered == [2]
        other = await client.post(f"{url}/up?user=9", content=lines)
        assert (other.status_code, other.content) == (403, b"")
        assert (await client.post(f"{url}/", content=lines)).status_code == 404
        assert (await client.get(f"{url}/up{TARGET[1:]}")).content == b"OK"
    keys = [str(read.key).partition("@")[0] for read in receiver.reads]
    assert keys == ["D-5662/177/1", "D-5662/177/2"]


def test_the_emulator_repeats_what_was_not_acknowledged_with_ok() -> None:
    decoder = UploadEmulator({"active": True})
    decoder.sighted(sighting(1))
    [out] = decoder.connected(1, MAIN, NOW)
    assert decoder.received(1, response(200, b"busy"), NOW) == []
    [again] = decoder.tick(NOW + 3 * NS_PER_S)
    assert again.data == out.data
    assert list(decoder.received(1, response(200, b"OK"), NOW)) == []
    assert list(decoder.tick(NOW + 9 * NS_PER_S)) == []
    events = DRIVER.session(Opening()).feed(out.data)
    assert isinstance(events[1], Read)
    assert details(events[1].raw)["is_active"] == 1


def test_a_marker_is_the_triggers_passing() -> None:
    pair = Loopback(DRIVER, emulator_options={"keep_alive": True, "device": "D-7"})
    pair.plug()
    pair.mark("gun")
    [marker] = [event for event in pair.events if isinstance(event, Marker)]
    assert (marker.name, marker.stamp) == ("trigger", pair.now_ns)
    assert marker.key == f"D-7/177/1@{pair.now_ns // 1_000_000}"


@pytest.mark.parametrize("bad", [{"file": -1}, {"path": 7}, {"x": 1}])
def test_unknown_emulator_options(bad: Mapping[str, object]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        UploadEmulator(bad)


def test_options() -> None:
    assert DRIVER.check_options({"user": "12345"}) == []
    for bad in ({"user": ""}, {"user": 12345}, {"kind": "x"}):
        assert len(DRIVER.check_options(bad)) == 1
