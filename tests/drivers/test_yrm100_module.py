"""M100 and R200: recorded frames, the conversation, the emulator."""

import pytest

from bridge.domain.reads import StampForm
from bridge.driver_api import Control, Opening, Reason, Rejected, SerialLink, Sighting, Status
from drivers.binary_frames import crc_gen2
from drivers.module_emulator import STAY_TICKS
from drivers.yrm100 import DRIVER, frames
from drivers.yrm100.emulator import YrmEmulator
from drivers.yrm100.frames import COMMAND, M100, NOTICE, R200, REPLY, build
from tests.support.loopback import Loopback
from tests.support.modules import NOON, Host, decoded, fields, reads, recorded, rejected

NO_TAG = bytes.fromhex("BB01FF000115167E")
ASK_M100 = build(M100, COMMAND, 0x03, b"\x01")
ASK_R200 = build(R200, COMMAND, 0x03, b"\x01")
MULTI = bytes.fromhex("BB0027000322FFFF4A7E")
VERSION = build(M100, REPLY, 0x03, b"\x01V2.3.5")
DONE = b"\0"


def reply(code: int, parameters: bytes = DONE) -> bytes:
    return build(M100, REPLY, code, parameters)


def settled(options: dict[str, object] | None = None) -> Host:
    """A session whose module has told who it is and was told to read."""
    host = Host(DRIVER, {"dialect": "m100", **(options or {})})
    assert host.open() == [ASK_M100]
    return host


def test_recorded_frames() -> None:
    wire = recorded("yrm100")
    events = decoded(DRIVER, *wire)
    assert [event.raw for event in events] == wire
    assert [(read.chip, read.rssi, read.antenna) for read in reads(events)] == [
        ("30751FEB705C5904E3D50D70", -55, 1),
        ("E200001D7315016521408FC6", -60, 1),
        ("E28011700000020FEBEAD3B5", -41, 1),
        ("E28068900000500E88C6A4A7", -57, 1),
    ]
    assert {(read.stamp, read.form) for read in reads(events)} == {(0, StampForm.ABSENT)}
    assert not rejected(events)
    assert [event.note for event in events if isinstance(event, Control)] == [
        *["command of a host"] * 4,
        "no tag",
    ]
    assert fields(DRIVER, reads(events)[0].raw) == {"pc": "3400", "tag_crc": "3A76"}


def test_commands_are_those_of_the_manual() -> None:
    assert build(M100, COMMAND, frames.SINGLE) == bytes.fromhex("BB00220000227E")
    assert build(M100, COMMAND, frames.STOP) == bytes.fromhex("BB00280000287E")
    assert build(M100, COMMAND, frames.MULTI, b"\x22\xff\xff") == MULTI
    power = (2000).to_bytes(2, "big")
    assert build(M100, COMMAND, frames.SET_POWER, power) == bytes.fromhex("BB00B6000207D08F7E")


def test_what_is_no_tag_has_no_fields() -> None:
    assert fields(DRIVER, NO_TAG) == {}


def test_a_slow_answer_is_waited_for_before_the_next_step() -> None:
    host = settled({"power": 20})
    assert host.tick() == []
    assert host.hear(NO_TAG) == []
    assert host.hear(VERSION) == [bytes.fromhex("BB00B6000207D08F7E")]


def test_heads_and_tails_inside_an_epc_end_nothing() -> None:
    chip = "7EBB02AA7EDD7EBB7EBB7E7E"
    sent = Sighting(chip=frames.chip_of(bytes.fromhex(chip)), stamp=0, rssi=-42)
    for dialect in (M100, R200):
        [read] = reads(decoded(DRIVER, frames.notice(dialect, sent)))
        assert (read.chip, read.rssi) == (chip, -42)


@pytest.mark.parametrize("words", [1, 2, 6, 8, 31])
def test_epcs_of_any_length_are_kept_whole(words: int) -> None:
    chip = "E2" * (2 * words)
    sent = Sighting(chip=frames.chip_of(bytes.fromhex(chip)), stamp=0)
    assert [read.chip for read in reads(decoded(DRIVER, frames.encode(sent)))] == [chip]


def test_a_tag_whose_own_crc_is_wrong_is_not_believed() -> None:
    tag = recorded("yrm100")[5]
    parameters = tag[5:-2]
    wrong = build(M100, NOTICE, 0x22, parameters[:-1] + bytes((parameters[-1] ^ 1,)))
    [event] = decoded(DRIVER, wrong)
    assert isinstance(event, Rejected)
    assert event.reason is Reason.CHECKSUM


def test_odd_frames_are_named_and_kept() -> None:
    no_epc = b"\xc9\x00\x00" + crc_gen2(b"\0\0").to_bytes(2, "big")
    wanted = [
        (build(M100, NOTICE, 0x22, no_epc), Reason.FIELD),
        (build(M100, NOTICE, 0x55, b"abc"), Reason.UNKNOWN),
        (build(M100, REPLY, 0x55, b"abc"), Reason.UNKNOWN),
    ]
    for frame, reason in wanted:
        [event] = decoded(DRIVER, frame)
        assert isinstance(event, Rejected)
        assert (event.raw, event.reason) == (frame, reason)


def test_a_reply_that_carries_a_tag_is_a_read_too() -> None:
    tag = build(M100, REPLY, frames.SINGLE, recorded("yrm100")[6][5:-2])
    assert [read.chip for read in reads(decoded(DRIVER, tag))] == ["E200001D7315016521408FC6"]


def test_what_the_module_tells_of_itself() -> None:
    [power, version, error] = decoded(
        DRIVER, reply(frames.GET_POWER, b"\x07\xd0"), VERSION, reply(frames.ERROR, b"\x20")
    )
    assert isinstance(power, Status)
    assert isinstance(version, Status)
    assert isinstance(error, Control)
    assert power.fields == {"power_dbm": 20.0}
    assert version.fields == {"firmware": "V2.3.5"}
    assert error.extra == {"code": 0x20, "text": "frequency hopping timed out"}


def test_a_wrong_check_in_the_manual_is_not_accepted() -> None:
    wrong = bytearray(VERSION)
    wrong[-2] ^= 0x40
    events = DRIVER.session(Opening()).feed(bytes(wrong) + NO_TAG)
    assert [type(event) for event in events] == [Rejected, Control]


def test_both_dialects_are_asked_until_one_answers() -> None:
    host = Host(DRIVER)
    assert host.open() == [ASK_M100]
    assert host.tick(3) == [ASK_R200, ASK_M100, ASK_R200]
    [asked] = host.hear(build(R200, REPLY, 0x03, b"\x01V1"))
    assert asked == ASK_R200
    assert host.hear(build(R200, REPLY, 0x03, b"\x01V1")) == [
        build(R200, COMMAND, frames.MULTI, b"\x22\xff\xff")
    ]


def test_power_and_region_are_told_one_after_the_other_and_then_reading_begins() -> None:
    host = settled({"power": 20, "region": "eu"})
    assert host.hear(VERSION) == [build(M100, COMMAND, frames.REGION, b"\x03")]
    assert host.hear(reply(frames.REGION)) == [bytes.fromhex("BB00B6000207D08F7E")]
    assert host.hear(reply(frames.SET_POWER)) == [MULTI]
    assert host.alarms == {"setup": ""}


def test_nothing_is_set_that_nobody_told() -> None:
    host = settled()
    assert host.hear(VERSION) == [MULTI]


def test_a_refused_setting_is_told_and_reading_begins_all_the_same() -> None:
    host = settled({"power": 30})
    host.hear(VERSION)
    assert host.hear(reply(frames.ERROR, bytes((frames.COMMAND_ERROR,)))) == [MULTI]
    assert "refuses the power" in host.alarms["setup"]


def test_a_setting_that_is_not_answered_is_passed_over() -> None:
    host = settled({"power": 30})
    host.hear(VERSION)
    assert host.tick(2) == [MULTI]


def test_empty_rounds_keep_the_link_up_and_it_is_told_to_read_again_each_minute() -> None:
    host = settled()
    host.hear(VERSION)
    sent = []
    for _ in range(130):
        assert host.hear(NO_TAG) == []
        sent += host.tick()
    assert sent == [MULTI, MULTI]
    assert not host.hung_up


def test_silence_sets_it_up_again_and_then_ends_the_link() -> None:
    host = settled({"power": 20})
    host.hear(VERSION)
    host.hear(reply(frames.SET_POWER))
    host.hear(NO_TAG)
    sent = host.tick(4)
    assert ASK_M100 in sent
    assert host.hear(VERSION) == [bytes.fromhex("BB00B6000207D08F7E")]
    host.tick(9)
    assert "nothing understood" in host.hung_up


def test_noise_is_no_sign_of_life() -> None:
    host = settled()
    host.hear(VERSION)
    for _ in range(9):
        host.hear(bytes(20))
        host.tick()
    assert host.hung_up


def test_the_next_command_does_not_wait_for_reads_to_be_stored() -> None:
    host = settled()
    events = host.session.feed(recorded("yrm100")[5] + VERSION)
    kinds = [type(event).__name__ for event in events]
    assert kinds == ["Alarm", "Send", "Read", "Status"]


@pytest.mark.parametrize("dialect", ["m100", "r200"])
def test_the_emulator_of_each_dialect_is_found_and_read(dialect: str) -> None:
    pair = Loopback(DRIVER, emulator_options={"dialect": dialect})
    pair.plug()
    pair.wait(5)
    pair.sight(Sighting(chip=DRIVER.example_chip(5), stamp=0))
    pair.wait(20)
    assert [read.chip for read in pair.reads] == [DRIVER.example_chip(5)]
    assert pair.hung_up is None


def test_the_emulator_answers_other_hosts_too() -> None:
    module = YrmEmulator({})
    module.connected(1, "main", NOON)

    def ask(code: int, parameters: bytes = b"") -> bytes:
        sent = build(M100, COMMAND, code, parameters)
        return b"".join(out.data for out in module.received(1, sent, NOON))

    assert ask(frames.SINGLE) == NO_TAG
    module.sighted(Sighting(chip=DRIVER.example_chip(1), stamp=0))
    assert len(reads(decoded(DRIVER, ask(frames.SINGLE)))) == 1
    assert ask(frames.SET_POWER, b"\x0a\x28") == reply(frames.SET_POWER)
    assert ask(frames.GET_POWER) == reply(frames.GET_POWER, b"\x0a\x28")
    assert ask(frames.REGION, b"\x03") == reply(frames.REGION)
    assert ask(0x99) == reply(frames.ERROR, b"\x17")
    assert ask(frames.MULTI, b"\x22\x00\x01") == b""
    assert [out.data for out in module.tick(NOON)] == [NO_TAG]
    assert list(module.tick(NOON)) == []
    assert ask(frames.STOP) == reply(frames.STOP)
    assert list(module.received(1, MULTI[:-2] + b"\0\x7e", NOON)) == []


def test_a_module_made_of_software_goes_on_when_a_host_goes_away() -> None:
    module = YrmEmulator({})
    module.connected(1, "main", NOON)
    module.received(1, MULTI, NOON)
    module.disconnected(1)
    assert list(module.received(1, MULTI, NOON)) == []
    assert list(module.marked("button", NOON)) == []
    module.connected(2, "main", NOON)
    assert [out.data for out in module.tick(NOON)] == [NO_TAG]


def test_a_tag_nobody_asked_for_is_gone() -> None:
    module = YrmEmulator({})
    module.connected(1, "main", NOON)
    module.sighted(Sighting(chip=DRIVER.example_chip(1), stamp=0))
    for _ in range(STAY_TICKS + 1):
        module.tick(NOON)
    single = build(M100, COMMAND, frames.SINGLE)
    assert [out.data for out in module.received(1, single, NOON)] == [NO_TAG]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dialect": "m200"}, "allowed: auto, m100, r200"),
        ({"power": 0}, "allowed: 1 to 30"),
        ({"power": True}, "allowed: 1 to 30"),
        ({"region": "eu3"}, "allowed: cn900, us, eu, cn800, kr"),
        ({"antennas": [1]}, "unknown option 'antennas'; allowed: dialect, power, region"),
    ],
)
def test_options_that_are_not(options: dict[str, object], words: str) -> None:
    [complaint] = DRIVER.check_options(options)
    assert words in complaint


@pytest.mark.parametrize("options", [{"dialect": "x"}, {"power": 3}])
def test_emulator_options_that_are_not(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="allowed: "):
        DRIVER.emulator(options)


def test_the_driver_says_what_it_is() -> None:
    assert DRIVER.links[0] == SerialLink(115_200)
    assert not DRIVER.can_tell_time
    assert not DRIVER.repairs
    assert not DRIVER.may_be_silent
