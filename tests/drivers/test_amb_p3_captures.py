"""Every captured byte of AMB and MYLAPS decoders, decoded."""

from collections import Counter
from pathlib import Path

import pytest

from bridge.domain.reads import NS_PER_S, Read, StampForm
from bridge.driver_api import Control, Kept, Marker, Opening, Status
from drivers.amb_p3 import DRIVER, extra
from drivers.amb_p3.frames import Frame, build, parse

VECTORS = Path(__file__).parents[1] / "vectors" / "amb_p3"
HEX = sorted(path.name for path in VECTORS.glob("*.hex"))
# passings, gates, status, other
COUNTS = {
    "forum_frames.hex": (2, 0, 1, 1),
    "ilap_ascii.bin": (1, 0, 0, 1),
    "p98_ascii_spec_response.bin": (0, 0, 0, 1),
    "p98_ascii_vostok.bin": (1, 0, 1, 0),
    "prochip_bmx_20251030.hex": (2, 1, 1, 0),
    "rc_decoder_20190302_first60.bin": (0, 0, 60, 0),
    "rc_decoder_20190302_part1.hex": (57, 0, 824, 0),
}


def wire_of(name: str) -> bytes:
    data = (VECTORS / name).read_bytes()
    return bytes.fromhex(data.decode()) if name.endswith(".hex") else data


def decoded(wire: bytes, size: int = 1 << 20, chip: str = "number") -> list[Kept]:
    session = DRIVER.session(Opening(options={"chip": chip}))
    events: list[Kept] = []
    for at in range(0, len(wire), size):
        for event in session.feed(wire[at : at + size]):
            assert isinstance(event, Kept)
            events.append(event)
    assert session.pending == b""
    assert b"".join(event.raw for event in events) == wire
    return events


def reads_of(name: str, chip: str = "number") -> list[Read]:
    return [event for event in decoded(wire_of(name), chip=chip) if isinstance(event, Read)]


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_every_capture_has_its_counts(size: int) -> None:
    counted = {}
    for path in VECTORS.iterdir():
        kinds = Counter(type(event) for event in decoded(wire_of(path.name), size))
        counted[path.name] = tuple(kinds.pop(kind, 0) for kind in (Read, Marker, Status, Control))
        assert not kinds
    assert counted == COUNTS


@pytest.mark.parametrize("name", HEX)
def test_every_captured_frame_is_built_again_to_the_byte(name: str) -> None:
    for line in (VECTORS / name).read_text().split():
        wire = bytes.fromhex(line)
        frame = parse(wire)
        assert isinstance(frame, Frame)
        request = wire[2:4] == b"\0\0"  # the time request of a program, with length 0
        assert request or build(frame.kind, frame.fields.items()) == wire


def test_passings_of_the_rc_decoder_have_no_hole() -> None:
    reads = reads_of("rc_decoder_20190302_part1.hex")
    first = reads[0]
    assert [read.seq for read in reads] == list(range(157_777, 157_777 + len(reads)))
    assert (first.chip, first.unit, first.rssi, first.antenna) == ("5691251", "13180400", 178, None)
    assert first.form is StampForm.NAIVE
    assert first.stamp == 1_551_542_808_933 * 1_000_000  # 2019-03-02 16:06:48.933
    assert extra(first.raw)["hits"] == 52


def test_riders_and_gate_of_the_bmx_track() -> None:
    rider, gate, second = decoded(wire_of("prochip_bmx_20251030.hex"))[1:]
    assert isinstance(rider, Read)
    assert isinstance(second, Read)
    assert isinstance(gate, Marker)
    assert (rider.chip, rider.unit, rider.rssi) == ("102758186", "D0000C00", 127)
    assert extra(rider.raw)["code"] == "FL-94890"
    assert (gate.name, gate.extra["transponder"], gate.unit) == ("gate", 9992, "D0000C00")
    assert rider.stamp < gate.stamp < second.stamp


def test_the_printed_code_is_the_chip_where_that_is_wanted() -> None:
    assert {read.chip for read in reads_of("prochip_bmx_20251030.hex", chip="code")} == {"FL-94890"}
    assert reads_of("forum_frames.hex", chip="code")[0].chip == "7404583"


def test_health_of_both_models() -> None:
    first = decoded(wire_of("rc_decoder_20190302_part1.hex"))[0]
    prochip = decoded(wire_of("prochip_bmx_20251030.hex"))[0]
    assert isinstance(first, Status)
    assert isinstance(prochip, Status)
    assert first.fields == {
        "noise": 39, "temperature_c": 22, "battery_v": 11.8, "gps": False, "serial": "13180400",
    }  # fmt: skip
    assert prochip.fields == {
        "noise": 53, "temperature_c": 16, "gps": True, "satellites": 0, "serial": "D0000C00",
    }  # fmt: skip


def test_ascii_records() -> None:
    passing, status = decoded(wire_of("p98_ascii_vostok.bin"))
    assert isinstance(passing, Read)
    assert isinstance(status, Status)
    assert (passing.chip, passing.unit, passing.seq, passing.rssi) == ("8110984", "101", 9788, 40)
    assert (passing.stamp, passing.form) == (52_083_691 * NS_PER_S // 1000, StampForm.TIME_OF_DAY)
    assert extra(passing.raw)["hits"] == "127"
    assert status.fields == {"noise": 0, "serial": "101"}


def test_a_clone_without_numbers_and_crc() -> None:
    [read] = reads_of("ilap_ascii.bin")
    assert (read.chip, read.seq, read.key, read.rssi) == ("3456789", None, None, None)
    assert read.stamp == 324_620_000_000
