"""Invelion and Rodinbell: recorded frames, the inventory loop, the emulator."""

import pytest

from bridge.driver_api import Control, Opening, Reason, Rejected, Sighting, Status, TcpLink
from drivers.invelion import DRIVER, frames
from drivers.invelion.emulator import InvelionEmulator
from drivers.invelion.frames import build
from tests.support.loopback import Loopback
from tests.support.modules import NOON, Host, decoded, fields, reads, recorded, rejected

ASK_VERSION = bytes.fromhex("A003FF72EC")
VERSION = bytes.fromhex("A00501720109DE")
TAG = recorded("invelion")[5]
END = bytes.fromhex("A00A018900001100000005B6")
NO_ANTENNA = bytes.fromhex("A004018922B0")
WITH_SESSION = build(frames.WITH_SESSION, b"\x00\x00\x0a")
PLAIN = build(frames.PLAIN, b"\x0a")
ASK_TEMPERATURE = build(frames.TEMPERATURE)


def told(command: int, data: bytes) -> bytes:
    return build(command, data, 1)


def test_recorded_frames() -> None:
    wire = recorded("invelion")
    events = decoded(DRIVER, *wire[:-1])
    assert [event.raw for event in events] == wire[:-1]
    assert [(read.chip, read.rssi, read.antenna) for read in reads(events)] == [
        ("E200301666130121155074EF", -60, 1),
        ("300833B2DDD9014000000001", -74, 1),
        ("E2004074850A0103163070E1", -75, 1),
        ("E2004074850A0103163070E1", -76, 1),
        ("000000000000000000001BFC", -111, 1),
    ]
    assert not rejected(events)
    [end] = [event for event in events if event.raw == END]
    assert isinstance(end, Control)
    assert end.extra == {"antenna": 1, "reads_per_s": 17, "reads": 5}
    assert fields(DRIVER, TAG) == {"frequency_mhz": 865.5, "pc": "3000", "rssi_raw": 69}
    assert fields(DRIVER, wire[6])["frequency_mhz"] == 916.0


def test_a_published_frame_with_a_wrong_check_is_rejected() -> None:
    wrong = recorded("invelion")[-1]
    events = decoded(DRIVER, END, wrong, TAG)
    assert events[1] == Rejected(wrong, Reason.CHECKSUM)
    assert len(reads(events)) == 1


def test_commands_have_the_published_bytes() -> None:
    assert build(frames.VERSION) == ASK_VERSION
    assert build(frames.VERSION, address=1) == bytes.fromhex("A0030172EA")
    assert build(frames.WITH_SESSION, b"\x01\x00\x01") == bytes.fromhex("A006FF8B010001CE")
    assert told(frames.PLAIN, b"\x01") == bytes.fromhex("A004018901D1")
    cycle = bytes.fromhex("0001010102010301000A")
    assert told(frames.CYCLE, cycle) == bytes.fromhex("A00D018A0001010102010301000AB4")
    assert told(frames.WORK_ANTENNA, b"\0") == bytes.fromhex("A004017400E7")


def test_heads_inside_an_epc_begin_nothing() -> None:
    chip = "A0A0A00301A0A00401A0A0A0"
    frame = frames.encode(Sighting(chip=frames.chip_of(bytes.fromhex(chip)), stamp=0))
    events = decoded(DRIVER, frame, frame, END)
    assert [read.chip for read in reads(events)] == [chip, chip]


@pytest.mark.parametrize("words", [1, 2, 6, 31])
def test_epcs_of_any_length_are_kept_whole(words: int) -> None:
    chip = "3008" * words
    frame = frames.encode(Sighting(chip=frames.chip_of(bytes.fromhex(chip)), stamp=0, rssi=-55))
    [read] = reads(decoded(DRIVER, frame))
    assert (read.chip, read.rssi) == (chip, -55)


@pytest.mark.parametrize("port", range(1, 9))
def test_antennas_count_from_one_and_the_high_four_do_not_spoil_the_rssi(port: int) -> None:
    sighting = Sighting(chip=DRIVER.example_chip(1), stamp=0, antenna=port, rssi=-50)
    [read] = reads(decoded(DRIVER, frames.encode(sighting)))
    assert (read.antenna, read.rssi) == (port, -50)


def test_the_same_length_means_two_things() -> None:
    cycle_end = told(frames.CYCLE, (7).to_bytes(3, "big") + (250).to_bytes(4, "big"))
    [event] = decoded(DRIVER, cycle_end)
    assert isinstance(event, Control)
    assert event.extra == {"reads": 7, "took_ms": 250}


def test_a_tag_whose_length_and_pc_word_disagree_is_rejected() -> None:
    data = TAG[4:5] + b"\x28\x00" + TAG[7:-1]
    [event] = decoded(DRIVER, told(frames.PLAIN, data))
    assert isinstance(event, Rejected)
    assert event.reason is Reason.FIELD


def test_what_the_reader_tells_of_itself() -> None:
    [version, temperature, power, missing, strange] = decoded(
        DRIVER,
        VERSION,
        told(frames.TEMPERATURE, b"\x01\x2a"),
        told(frames.POWER_FOR_NOW, bytes((frames.FAIL,))),
        told(frames.CYCLE, b"\x02\x22"),
        told(0x55, b"abc"),
    )
    assert isinstance(version, Status)
    assert isinstance(temperature, Status)
    assert isinstance(power, Control)
    assert isinstance(missing, Control)
    assert isinstance(strange, Rejected)
    assert (version.fields, temperature.fields) == ({"firmware": "1.9"}, {"temperature_c": 42})
    assert power.note == "failed"
    assert (missing.note, missing.extra) == ("antenna missing", {"antenna": 3})
    assert strange.reason is Reason.UNKNOWN


def test_noise_that_looks_like_an_end_of_some_other_length_is_not_believed() -> None:
    lookalike = told(frames.PLAIN, b"\x99")  # right check, but no code anybody knows
    session = DRIVER.session(Opening())
    events = session.feed(b"\x00" + lookalike + TAG)
    assert len(reads(events)) == 1
    assert rejected(events)[0].raw == b"\x00" + lookalike


def started(options: dict[str, object] | None = None) -> tuple[Host, bytes]:
    host = Host(DRIVER, options)
    assert host.open() == [ASK_VERSION]
    [asked] = host.hear(VERSION)
    return host, asked


def test_each_end_of_a_round_begins_the_next() -> None:
    host, asked = started()
    assert asked == WITH_SESSION
    assert host.hear(TAG) == []
    assert host.hear(TAG, END) == [WITH_SESSION]
    assert host.hear(told(frames.WITH_SESSION, bytes((frames.NO_TAG,)))) == [WITH_SESSION]
    assert host.tick() == []


def test_the_next_round_does_not_wait_until_reads_are_stored() -> None:
    host, _ = started()
    kinds = [type(event).__name__ for event in host.session.feed(TAG + END)]
    assert kinds[-3:] == ["Send", "Read", "Control"]


def test_only_the_power_for_now_is_set() -> None:
    host, asked = started({"power": 25, "session": 1})
    assert asked == build(frames.POWER_FOR_NOW, b"\x19")
    assert host.hear(told(frames.POWER_FOR_NOW, bytes((frames.SUCCESS,)))) == [
        build(frames.WITH_SESSION, b"\x01\x00\x0a")
    ]
    assert host.alarms["setup"] == ""


def test_a_refused_power_is_told() -> None:
    host, _ = started({"power": 33})
    assert host.hear(told(frames.POWER_FOR_NOW, bytes((frames.BAD_PARAMETER,)))) == [WITH_SESSION]
    assert "33 dBm" in host.alarms["setup"]


def test_chosen_antennas_are_cycled_through() -> None:
    _, asked = started({"antennas": [1, 4]})
    assert asked == build(frames.CYCLE, bytes.fromhex("00010301FF00FF00000A"))


def test_a_reader_that_does_not_know_sessions_is_read_without() -> None:
    host, _ = started()
    assert host.hear(told(frames.WITH_SESSION, bytes((frames.BAD_PARAMETER,)))) == []
    assert host.tick() == [PLAIN]
    assert host.hear(END) == [PLAIN]
    assert host.alarms["inventory"] == ""


def test_a_reader_that_answers_nothing_to_sessions_is_asked_without() -> None:
    host, _ = started()
    assert ASK_VERSION in host.tick(3)
    assert host.hear(VERSION) == [PLAIN]


def test_a_reader_that_refuses_all_inventories_is_told_of() -> None:
    host, _ = started()
    host.hear(told(frames.WITH_SESSION, bytes((frames.BAD_PARAMETER,))))
    host.tick()
    host.hear(told(frames.PLAIN, bytes((frames.BAD_PARAMETER,))))
    assert "bad parameter" in host.alarms["inventory"]
    host.tick()
    host.hear(END)
    assert host.alarms["inventory"] == ""


def test_a_missing_antenna_is_told_once_a_second_is_enough_and_taken_back() -> None:
    host, _ = started()
    assert host.hear(NO_ANTENNA) == []
    assert "antenna" in host.alarms["antenna"]
    assert host.tick() == [WITH_SESSION]
    host.hear(END)
    assert host.alarms["antenna"] == ""


def test_a_missing_antenna_of_several_is_told_by_port() -> None:
    host, _ = started({"antennas": [1, 2]})
    end = told(frames.CYCLE, bytes(7))
    host.hear(told(frames.CYCLE, b"\x01\x22"), end)
    assert "port 2" in host.alarms["antenna"]
    host.hear(end)
    assert host.alarms["antenna"] == ""


def test_the_temperature_is_asked_once_a_minute_between_rounds() -> None:
    host, _ = started()
    sent = []
    for _ in range(61):
        sent += host.hear(END)
        sent += host.tick()
    assert sent.count(ASK_TEMPERATURE) == 1
    assert host.hear(told(frames.TEMPERATURE, b"\x01\x2a")) == [WITH_SESSION]


def test_silence_begins_anew_and_then_ends_the_link() -> None:
    host, _ = started()
    host.hear(END)
    assert ASK_VERSION in host.tick(3)
    host.tick(6)
    assert "115200 or 38400" in host.hung_up


def test_an_end_that_comes_late_does_not_double_the_rounds() -> None:
    host, _ = started()
    host.hear(END)
    assert host.tick(3) == [ASK_VERSION]
    assert host.hear(END) == []
    assert host.hear(VERSION) == [WITH_SESSION]


def test_a_set_up_that_is_not_answered_is_passed_over() -> None:
    host = Host(DRIVER)
    host.open()
    assert host.tick() == []
    assert host.tick() == [WITH_SESSION]


def test_out_of_step_an_answer_has_to_be_of_a_possible_length() -> None:
    events = DRIVER.session(Opening()).feed(b"\0" + VERSION + END)
    assert [event.raw for event in events if not isinstance(event, Rejected)] == [VERSION, END]
    long = told(frames.VERSION, bytes(20))
    events = DRIVER.session(Opening()).feed(b"\0" + long + END)
    assert rejected(events)[0].raw == b"\0" + long


def test_a_lost_end_does_not_stop_the_loop() -> None:
    host, _ = started()
    host.hear(END)
    assert host.tick(2) == []
    assert host.tick(1) == [ASK_VERSION]
    assert host.hear(VERSION) == [WITH_SESSION]
    assert not host.hung_up


@pytest.mark.parametrize(
    ("options", "emulator"),
    [
        ({}, {}),
        ({"antennas": [2, 3]}, {}),
        ({"session": 2, "power": 20}, {}),
        ({}, {"sessions": False}),
    ],
)
def test_readers_made_of_software_are_read(
    options: dict[str, object], emulator: dict[str, object]
) -> None:
    pair = Loopback(DRIVER, options=options, emulator_options=emulator)
    pair.plug()
    pair.wait(6)
    for number in range(5):
        pair.sight(Sighting(chip=DRIVER.example_chip(number), stamp=0))
        pair.wait(0.5)
    pair.wait(65)
    assert [read.chip for read in pair.reads] == [DRIVER.example_chip(n) for n in range(5)]
    assert pair.hung_up is None
    assert not rejected(pair.events)


@pytest.mark.parametrize("options", [{}, {"antennas": [1, 2]}])
def test_a_reader_without_its_antenna_says_so(options: dict[str, object]) -> None:
    pair = Loopback(DRIVER, options=options, emulator_options={"antenna": "missing"})
    pair.plug()
    pair.wait(20)
    alarms = {getattr(event, "name", ""): getattr(event, "on", None) for event in pair.events}
    assert alarms["antenna"] is True
    assert pair.hung_up is None


def test_the_emulator_answers_other_hosts_too() -> None:
    reader = InvelionEmulator({})
    reader.connected(1, "main", NOON)

    def ask(frame: bytes) -> bytes:
        return b"".join(out.data for out in reader.received(1, frame, NOON))

    assert ask(bytes.fromhex("A0030172EA")) == VERSION
    assert ask(bytes.fromhex("A004017400E7")) == bytes.fromhex("A004017410D7")
    assert ask(told(frames.SET_POWER, b"\x14")) == told(frames.SET_POWER, b"\x10")
    assert ask(told(frames.SET_POWER, b"")) == told(frames.SET_POWER, b"\x41")
    assert ask(told(frames.RESET, b"")) == b""
    assert list(reader.tick(NOON)) == []
    assert ask(build(frames.VERSION, address=2)) == b""
    assert ask(b"\xa0\x03\x01\x72\x00") == b""
    assert ask(told(frames.CYCLE, b"\0")) == told(frames.CYCLE, b"\x41")
    assert ask(told(frames.PLAIN, b"\x01")) == b""
    [tag] = reader.sighted(Sighting(chip=DRIVER.example_chip(1), stamp=0))
    assert len(reads(decoded(DRIVER, tag.data))) == 1
    [end] = reader.tick(NOON)
    [event] = decoded(DRIVER, end.data)
    assert isinstance(event, Control)
    assert event.extra["reads"] == 1
    assert list(reader.tick(NOON)) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"power": 34}, "allowed: 0 to 33"),
        ({"session": 4}, "allowed: 0 to 3"),
        ({"antennas": [5]}, "allowed: a list of different ports from 1 to 4"),
        ({"session": 1, "antennas": [1]}, "cannot be told"),
        ({"address": 1}, "allowed: power, session, antennas"),
    ],
)
def test_options_that_are_not(options: dict[str, object], words: str) -> None:
    [complaint] = DRIVER.check_options(options)
    assert words in complaint


@pytest.mark.parametrize("options", [{"antenna": "x"}, {"sessions": "no"}, {"power": 3}])
def test_emulator_options_that_are_not(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="allowed: "):
        DRIVER.emulator(options)


def test_it_is_reached_by_network_too() -> None:
    assert TcpLink(4001) in DRIVER.links
