"""Bytes of real readers and of other people's readers made of software, as others decode them."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bridge.domain.reads import Read, StampForm
from bridge.driver_api import Clock, Control, Kept, Marker, Opening, Rejected, Status
from drivers.llrp import DRIVER, facts
from drivers.llrp.notices import notice
from drivers.llrp.wire import HEADER_LEN

VECTORS = Path(__file__).parents[1] / "vectors" / "llrp"
FRAMES: list[dict[str, Any]] = json.loads((VECTORS / "frames.json").read_text())
FROM_READER = [frame for frame in FRAMES if frame["direction"] == "reader>client"]
BY_ID = {frame["id"]: frame for frame in FRAMES}
DETAILS = DRIVER.extra
KEPT = (Read, Marker, Clock, Status, Control, Rejected)
named = pytest.mark.parametrize("frame", FROM_READER, ids=lambda frame: frame["id"])


def decoded(data: bytes, size: int = 1 << 20) -> tuple[list[Kept], bytes]:
    session = DRIVER.session(Opening())
    found = []
    for at in range(0, len(data), size):
        found += session.feed(data[at : at + size])
    kept = [event for event in found if isinstance(event, KEPT)]
    assert len(kept) == len(found), "it must not talk when nobody is there"
    return kept, session.pending


@named
def test_every_byte_of_a_frame_is_accounted_for(frame: dict[str, Any]) -> None:
    wire = bytes.fromhex(frame["wire"])
    for size in (1, 7, 4096):
        kept, pending = decoded(wire, size)
        assert b"".join(event.raw for event in kept) == wire
        assert pending == b""
        assert not [event for event in kept if isinstance(event, Rejected)]


@pytest.mark.parametrize(
    "frame", [f for f in FROM_READER if "tags" in f.get("told", {})], ids=lambda frame: frame["id"]
)
def test_tags_are_what_other_decoders_make_of_them(frame: dict[str, Any]) -> None:
    reads = [e for e in decoded(bytes.fromhex(frame["wire"]))[0] if isinstance(e, Read)]
    wanted = frame["told"]["tags"]
    assert [read.chip for read in reads] == [tag["epc"].upper() for tag in wanted]
    for read, tag in zip(reads, wanted, strict=True):
        more = DETAILS(read.raw)
        stamp_us = tag["first_utc"] or tag["last_utc"]
        assert read.antenna == tag["antenna"]
        assert read.rssi == tag["rssi"]
        assert (read.stamp, read.form is StampForm.UTC) == ((stamp_us or 0) * 1000, bool(stamp_us))
        assert more.get("first_utc_us") == tag["first_utc"]
        assert more.get("last_utc_us") == tag["last_utc"]
        assert more.get("count") == tag["count"]
        assert more.get("channel") == tag["channel"]
        assert more["epc_bits"] == tag["epc_bits"]


@pytest.mark.parametrize("part", [1, 3])
def test_a_stream_may_be_cut_anywhere(part: int) -> None:
    stream = (VECTORS / f"stream_speedway_part{part}.bin").read_bytes()
    whole, _ = decoded(stream)
    assert [type(event) for event in whole] == [Read] * 15
    for cut in range(1, len(stream)):
        session = DRIVER.session(Opening())
        assert [*session.feed(stream[:cut]), *session.feed(stream[cut:])] == whole


def test_everything_glued_together_loses_nothing() -> None:
    wires = [bytes.fromhex(frame["wire"]) for frame in FROM_READER]
    whole, pending = decoded(b"".join(wires))
    assert pending == b""
    assert b"".join(event.raw for event in whole) == b"".join(wires)
    alone = Counter(type(event).__name__ for wire in wires for event in decoded(wire)[0])
    together = Counter(type(event).__name__ for event in whole)
    assert together.keys() == alone.keys()
    assert together["Read"] == alone["Read"]
    assert decoded(b"".join(wires), 33) == (whole, b"")


def test_events_are_what_other_decoders_make_of_them() -> None:
    seen = 0
    for frame in FROM_READER:
        told = frame.get("told", {}).get("event")
        if told is None:
            continue
        seen += 1
        said = notice(bytes.fromhex(frame["wire"])[HEADER_LEN:])
        form = {"UTCTimestamp": StampForm.UTC, "Uptime": StampForm.NAIVE}.get(
            told.get("timestamp_kind"), StampForm.ABSENT
        )
        assert (said.form, said.stamp) == (form, told["timestamp_us"] * 1000)
        assert said.attempt == told.get("connection_attempt_status")
        assert said.closes is told.get("connection_close", False)
        if "gpi" in told:
            assert said.gpi == (told["gpi"]["port"], int(told["gpi"]["high"]))
    assert seen >= 8


@pytest.mark.parametrize(
    "name",
    [
        "edgex-caps-r420",
        "llrprs-get-reader-capabilities-response",
        "emu-llrpkit-r2c-11-1",
    ],
)
def test_capabilities_are_what_other_decoders_make_of_them(name: str) -> None:
    told = BY_ID[name]["told"]["caps"]
    reader = facts.capabilities(bytes.fromhex(BY_ID[name]["wire"])[HEADER_LEN:])
    assert reader.vendor == told["manufacturer"]
    assert reader.model == told["model"]
    assert reader.firmware == told["firmware"]
    assert reader.antennas == told["antennas"]
    assert reader.gpis == told["gpis"]
    assert reader.has_utc is told["has_utc_clock"]
    assert reader.can_hold is told["holding"]
    assert reader.most_rospecs == told["max_rospecs"]
    assert reader.powers[1] == told["power_first_cdbm"]
    index, power = told["power_last"]
    assert reader.powers[index] == power == max(reader.powers.values())
    assert list(reader.modes) == told["modes"]
    assert reader.power_index(power / 100) == index
    assert reader.power_index(10.2) == 1
    assert reader.power_index(9.9) is None


def test_the_configuration_of_a_real_reader() -> None:
    frame = BY_ID["sllurp-config-r220"]
    told = frame["told"]["config"]
    config = facts.configuration(bytes.fromhex(frame["wire"])[HEADER_LEN:])
    assert config.identity == told["reader_id"].upper()
    assert {str(port): there for port, there in config.antennas.items()} == told[
        "antennas_connected"
    ]
    assert config.state_value == told["state_value"]
    assert config.holds is told["hold"]
    assert config.keepalive_ms == told["keepalive"][1]
    assert {str(port): level for port, level in config.gpis.items()} == {
        port: level for port, (_, level) in told["gpi"].items()
    }
    assert config.fields["temperature_c"] == 27
    assert config.fields["antennas"] == "10"


def test_a_whole_session_of_others() -> None:
    lines = (VECTORS / "session_sllurp_llrpkit.jsonl").read_text().splitlines()
    session = [json.loads(line) for line in lines]
    stream = b"".join(bytes.fromhex(line["wire"]) for line in session if line["dir"] == "R>C")
    kept, pending = decoded(stream, 11)
    assert pending == b""
    assert b"".join(event.raw for event in kept) == stream
    assert Counter(type(event).__name__ for event in kept) == {
        "Read": 16,
        "Clock": 1,
        "Marker": 1,
        "Status": 3,
        "Control": 12,
    }
    [gun] = [event for event in kept if isinstance(event, Marker)]
    assert (gun.name, gun.extra) == ("gun", {"port": 1, "level": 1})


def test_what_a_client_says_is_no_noise_either() -> None:
    for frame in FRAMES:
        if frame["direction"] == "client>reader":
            wire = bytes.fromhex(frame["wire"])
            kept, pending = decoded(wire, 5)
            assert [event.raw for event in kept] == [wire]
            assert isinstance(kept[0], Control)
            assert pending == b""
