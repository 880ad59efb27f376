"""ThingMagic: recorded frames, the set-up it needs, its troubles, the emulator."""

import pytest

from bridge.domain.reads import NS_PER_S, StampForm
from bridge.driver_api import Control, Opening, Reason, Rejected, Sighting, Status
from drivers.thingmagic import DRIVER, frames
from drivers.thingmagic.emulator import WRONG_PARAMETER, MercuryEmulator
from drivers.thingmagic.frames import command, reply
from tests.support.loopback import Loopback
from tests.support.modules import NOON, Host, decoded, fields, reads, recorded, rejected

ASK_VERSION, ANTENNA_1, TAG = recorded("thingmagic")
GEN2 = bytes.fromhex("FF029300 05517D")
FILTER_OFF = bytes.fromhex("FF039A010C00A35D")
START = bytes.fromhex("FF102F00000122000005072210001B03E801FFDD2B")
STOP = bytes.fromhex("FF032F0000025E86")
KEEPALIVE = reply(frames.STREAM, status=frames.KEEPALIVE)
VERSION = reply(frames.VERSION, bytes.fromhex("1212000020000001201606060109021300000010"))


def test_the_recorded_tag() -> None:
    [read] = reads(decoded(DRIVER, TAG))
    assert (read.chip, read.rssi, read.antenna) == ("000000000000000000001545", -60, 1)
    assert (read.raw, read.stamp, read.form) == (TAG, 0, StampForm.ABSENT)
    assert fields(DRIVER, TAG) == {
        "receiving_antenna": 1,
        "frequency_khz": 923_200,
        "ms": 295,
        "phase": 0,
        "protocol": 5,
        "pc": "3000",
        "tag_crc": "E94A",
    }


def test_a_recorded_tag_without_an_epc_is_no_runner() -> None:
    [frame] = recorded("thingmagic", "no_epc")
    [event] = decoded(DRIVER, frame)
    assert isinstance(event, Rejected)
    assert (event.reason, event.raw) == (Reason.FIELD, frame)


def test_commands_have_the_published_bytes() -> None:
    assert command(frames.VERSION) == ASK_VERSION == bytes.fromhex("FF00031D0C")
    assert command(frames.ANTENNA, b"\x01\x01") == ANTENNA_1
    assert command(frames.PROTOCOL, b"\x00\x05") == GEN2
    assert command(frames.REGION, b"\x08") == bytes.fromhex("FF0197084BB5")
    assert command(frames.POWER, (2700).to_bytes(2, "big")) == bytes.fromhex("FF02920A8C4BD5")
    assert command(frames.SETTING, b"\x01\x0c\x00") == FILTER_OFF
    assert command(frames.MULTI, bytes.fromhex("000002")) == STOP


def sighting(epc: str, antenna: int = 1) -> Sighting:
    return Sighting(
        chip=frames.chip_of(bytes.fromhex(epc)), stamp=NS_PER_S // 2, antenna=antenna, rssi=-71.4
    )


@pytest.mark.parametrize("words", [1, 4, 6, 8, 31])
def test_epcs_of_any_length_are_kept_whole(words: int) -> None:
    chip = "FF22" * words
    frame = frames.encode(sighting(chip, antenna=4))
    [read] = reads(decoded(DRIVER, frame))
    assert (read.chip, read.antenna, read.rssi) == (chip, 4, -71)
    assert fields(DRIVER, frame)["ms"] == 500


def test_extra_data_of_a_tag_stands_before_its_epc() -> None:
    bits = (12).to_bytes(2, "big")  # a part byte counts as a whole one
    data = TAG[5:24] + bits + b"\xab\xc0" + TAG[26:-2]
    frame = reply(frames.STREAM, data)
    [read] = reads(decoded(DRIVER, frame))
    assert read.chip == "000000000000000000001545"
    assert fields(DRIVER, frame)["data"] == "ABC0"


def test_what_is_no_tag_has_no_fields() -> None:
    assert fields(DRIVER, KEEPALIVE) == {}


def test_contradictions_and_strangers_are_named() -> None:
    tag_crc = reply(frames.STREAM, TAG[5:-3] + b"\0")
    length = reply(frames.STREAM, TAG[5:28] + b"\x70" + TAG[29:-2])
    other = reply(frames.STREAM, TAG[5:8] + b"\x00\x1f" + TAG[10:-2])
    short = reply(frames.STREAM, TAG[5:20])
    events = decoded(DRIVER, tag_crc, length, other, short)
    assert [event.reason for event in rejected(events)] == [
        Reason.CHECKSUM,
        Reason.FIELD,
        Reason.UNKNOWN,
        Reason.FIELD,
    ]


def test_what_the_module_tells_of_itself() -> None:
    told = decoded(
        DRIVER,
        VERSION,
        KEEPALIVE,
        reply(frames.STREAM, bytes(10)),
        reply(frames.STREAM, bytes(8)),
        reply(frames.REGION, status=WRONG_PARAMETER),
        reply(frames.REGION),
    )
    assert isinstance(told[0], Status)
    assert told[0].fields == {"firmware": "01.09.02.13", "hardware": "20.00.00.01"}
    notes = [event.note for event in told if isinstance(event, Control)]
    assert notes == ["keepalive", "temperature report", "report", "refused", "done"]


def test_damage_in_the_middle_costs_one_tag_only() -> None:
    damaged = bytearray(TAG)
    damaged[20] ^= 1
    lost = TAG[:30] + TAG[31:]  # a byte fell out, as with a software serial port
    events = DRIVER.session(Opening()).feed(TAG + bytes(damaged) + TAG + lost + TAG + TAG)
    assert len(reads(events)) == 4
    assert [event.reason for event in rejected(events)] == [Reason.CHECKSUM, Reason.FRAMING]


def set_up(options: dict[str, object] | None = None) -> tuple[Host, list[bytes]]:
    """A silent module is set up; each command is answered with success."""
    host = Host(DRIVER, options)
    assert host.open() == []
    sent = host.tick(2)
    for _ in range(10):
        waiting = sent[-1]
        answer = VERSION if waiting == ASK_VERSION else reply(waiting[2])
        more = host.hear(answer)
        if not more:
            return host, sent
        sent += more
    raise AssertionError("the set-up never ends")


def test_a_silent_module_is_set_up_step_by_step() -> None:
    host, sent = set_up()
    assert sent == [ASK_VERSION, GEN2, ANTENNA_1, FILTER_OFF, START]
    assert host.alarms == {"setup": ""}


def test_region_power_and_antennas_are_told_as_configured() -> None:
    _, sent = set_up({"region": "eu3", "power": 27, "antennas": [1, 3]})
    assert sent == [
        ASK_VERSION,
        bytes.fromhex("FF0197084BB5"),
        GEN2,
        command(frames.ANTENNA, bytes.fromhex("0201010303")),
        bytes.fromhex("FF02920A8C4BD5"),
        FILTER_OFF,
        START,
    ]


def test_a_module_that_reads_already_is_left_alone() -> None:
    host = Host(DRIVER)
    host.open()
    sent = []
    for _ in range(60):
        sent += host.hear(KEEPALIVE, TAG)
        sent += host.tick()
    assert sent == []
    assert not host.hung_up


def test_a_module_that_was_restarted_is_set_up_again_at_once() -> None:
    host, _ = set_up()
    host.hear(KEEPALIVE)
    assert host.hear(VERSION) == [ASK_VERSION]
    host.hear(VERSION)


def test_silence_sets_it_up_again_and_then_ends_the_link() -> None:
    host, _ = set_up()
    host.hear(KEEPALIVE)
    assert ASK_VERSION in host.tick(4)
    host.tick(5)
    assert "115200" in host.hung_up


def test_a_refused_step_is_told_with_what_to_do() -> None:
    host = Host(DRIVER, {"region": "na"})
    host.open()
    host.tick(2)
    host.hear(VERSION)
    host.hear(reply(frames.REGION, status=WRONG_PARAMETER))
    for opcode in (frames.PROTOCOL, frames.ANTENNA, frames.SETTING, frames.MULTI):
        host.hear(reply(opcode))
    assert "refuses region (status 0105)" in host.alarms["setup"]


@pytest.mark.parametrize(
    ("status", "name", "words"),
    [
        (frames.TOO_HOT, "temperature", "too hot"),
        (frames.BAD_MATCH, "antenna", "antenna and cable"),
    ],
)
def test_troubles_are_told_and_taken_back(status: int, name: str, words: str) -> None:
    host, _ = set_up()
    host.hear(reply(frames.STREAM, status=status))
    assert words in host.alarms[name]
    for _ in range(29):
        host.hear(KEEPALIVE)
        host.tick()
    assert host.alarms[name]
    for _ in range(3):
        host.hear(KEEPALIVE)
        host.tick()
    assert host.alarms[name] == ""


def test_a_hot_module_made_of_software_raises_the_alarm() -> None:
    pair = Loopback(DRIVER, emulator_options={"hot": True})
    pair.plug()
    pair.wait(10)
    assert any(getattr(event, "name", "") == "temperature" for event in pair.events)
    assert pair.hung_up is None


def test_the_bridge_comes_back_to_a_module_that_reads() -> None:
    pair = Loopback(DRIVER, emulator_options={"reading": True})
    pair.plug()
    pair.wait(5)
    pair.sight(Sighting(chip=DRIVER.example_chip(7), stamp=0))
    pair.wait(5)
    assert [read.chip for read in pair.reads] == [DRIVER.example_chip(7)]


def test_the_emulator_answers_other_hosts_too() -> None:
    module = MercuryEmulator({})
    module.connected(1, "main", NOON)

    def ask(frame: bytes) -> bytes:
        return b"".join(out.data for out in module.received(1, frame, NOON))

    [version] = decoded(DRIVER, ask(ASK_VERSION))
    assert isinstance(version, Status)
    assert ask(ANTENNA_1) == reply(frames.ANTENNA)
    assert ask(command(frames.REGION, b"")) == reply(frames.REGION, status=WRONG_PARAMETER)
    assert ask(command(0x55)) == reply(0x55, status=0x0101)
    assert ask(command(frames.MULTI, b"\0\0\x07")) == reply(frames.MULTI, status=WRONG_PARAMETER)
    module.sighted(sighting("E2" * 12))
    assert len(reads(decoded(DRIVER, ask(START)))) == 1
    assert ask(ASK_VERSION) == b""
    assert [out.data for out in module.tick(NOON)] == [KEEPALIVE]
    assert list(module.tick(NOON + NS_PER_S // 2)) == []
    assert ask(STOP) == reply(frames.MULTI)
    assert list(module.tick(NOON + 9 * NS_PER_S)) == []
    assert ask(ASK_VERSION[:-1] + b"\0") == b""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"region": "eu"}, "allowed: na, in, jp, prc, eu3"),
        ({"power": 32}, "allowed: 0 to 31"),
        ({"antennas": []}, "allowed: a list of different ports from 1 to 15"),
        ({"antennas": [1, 1]}, "allowed: a list of different ports"),
        ({"dialect": "x"}, "allowed: region, power, antennas"),
    ],
)
def test_options_that_are_not(options: dict[str, object], words: str) -> None:
    [complaint] = DRIVER.check_options(options)
    assert words in complaint


@pytest.mark.parametrize("options", [{"hot": 1}, {"power": 3}])
def test_emulator_options_that_are_not(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="allowed: "):
        DRIVER.emulator(options)
