"""An emulated Ultra is taken as real: by the public clients' own commands and patterns."""

import re
from collections.abc import Mapping

import pytest

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Chip, Shelf, Sighting
from drivers.ultra import DRIVER
from drivers.ultra.box import Manner, UltraBox
from drivers.ultra.commands import CommandReader, Kind
from drivers.ultra.emulator import UltraEmulator
from tests.support.ultra import NOON

CHRONOKEEP_TIME = re.compile(r"^(\d{1,2}:\d{1,2}:\d{1,2} \d{1,2}-\d{1,2}-\d{4}) \(\d*\)")


class Desk:
    """A client by hand."""

    def __init__(self, options: Mapping[str, object] | None = None) -> None:
        self.box = UltraEmulator(options or {})
        self.now = NOON
        self.heard = b"".join(out.data for out in self.box.connected(1, "main", self.now))

    def say(self, data: bytes) -> bytes:
        return b"".join(out.data for out in self.box.received(1, data, self.now))

    def wait(self, seconds: float) -> bytes:
        heard = b""
        for _ in range(round(seconds * 10)):
            self.now += NS_PER_S // 10
            heard += b"".join(out.data for out in self.box.tick(self.now))
        return heard

    def cross(self, count: int) -> bytes:
        heard = b""
        for number in range(1, count + 1):
            sighting = Sighting(chip=DRIVER.example_chip(number), stamp=NOON + number * NS_PER_S)
            heard += b"".join(out.data for out in self.box.sighted(sighting))
        return heard


def logs(heard: bytes) -> list[int]:
    lines = [line for line in heard.split(b"\n") if line.startswith(b"0,")]
    assert all(line.split(b",")[6] == b"1" for line in lines), "rewound"
    return [int(line.split(b",")[11]) for line in lines]


def test_it_greets_beats_and_answers() -> None:
    desk = Desk()
    assert desk.heard == b"Connected,0\n"
    assert desk.wait(4.5).count(b"V=25.0000\n") == 3
    assert desk.say(b"?") == b"S=100\n"
    time = desk.say(b"r").decode()
    assert CHRONOKEEP_TIME.match(time)
    assert time.startswith("12:0:4 29-5-2026 (")
    settings = desk.say(b"U\n")
    assert b"U\x1a255.255.255.255\n" in settings
    assert b"U\x255\n" not in settings
    assert settings.endswith(b"U2\n")
    desk.cross(2)
    again = b"".join(out.data for out in desk.box.connected(2, "main", desk.now))
    assert again == b"Connected,%d\n" % (NOON // NS_PER_S + 2 - 315_532_800)


def test_live_records_go_to_everybody_who_listens() -> None:
    desk = Desk()
    desk.box.connected(2, "main", desk.now)
    assert desk.say(b"s\n") == b""
    outs = desk.box.sighted(Sighting(chip=Chip("7"), stamp=NOON))
    assert [out.client for out in outs] == [2]
    desk.say(b"700\n")
    assert len(desk.box.sighted(Sighting(chip=Chip("7"), stamp=NOON))) == 2


BASE = NOON // NS_PER_S - 315_532_800


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (b"8000\r0\n", list(range(1, 11))),
        (b"800%d\r%d\n" % (BASE + 3, BASE + 5), [3, 4, 5]),
        (b"8\0\0%d\r%d\r" % (BASE + 3, BASE + 5), [3, 4, 5]),
        (b"6004\r7\n", [4, 5, 6, 7]),
        (b"6\0\0" + b"4\r7\r", [4, 5, 6, 7]),
        (b"6000\r0\n", list(range(1, 11))),
        (b"700%d" % (BASE + 9), [9, 10]),
        (b"60011\r12\n", []),
    ],
)
def test_rewinds_of_every_form(command: bytes, expected: list[int]) -> None:
    desk = Desk()
    desk.cross(10)
    desk.say(command)
    assert logs(desk.wait(2)) == expected
    assert logs(desk.wait(2)) == [], "once"


def test_a_rewind_is_paced_and_can_be_stopped() -> None:
    desk = Desk({"rewind_rate": 10})
    desk.cross(100)
    desk.say(b"8000\r0")
    heard = logs(desk.wait(2))
    assert 10 <= len(heard) <= 22
    desk.say(b"9")
    assert logs(desk.wait(5)) == []


@pytest.mark.parametrize(
    ("form", "command", "count"),
    [
        ("digits", b"8000\r0\n", 3),
        ("digits", b"8\0\0000\r0\r", 0),
        ("zeros", b"8000\r0\n", 0),
        ("zeros", b"8\0\0000\r0\r", 3),
    ],
)
def test_a_box_of_one_form_does_not_understand_the_other(
    form: str, command: bytes, count: int
) -> None:
    desk = Desk({"rewind_form": form})
    desk.cross(3)
    desk.say(command)
    assert len(logs(desk.wait(2))) == count


def test_start_stop_and_the_clock_that_cannot_be_set_while_reading() -> None:
    desk = Desk({"start_s": 5})
    assert desk.say(b"t 09:00:00 01-02-2026").startswith(b"12:0:0 29-5-2026")
    assert desk.say(b"SN") == b""
    assert desk.say(b"?") == b"S=000\n"
    assert desk.cross(1) == b""
    assert desk.say(b"t 09:00:00 01-02-2026").startswith(b"9:0:0 1-2-2026")
    assert desk.say(b"t 09:00:00 31-02-2026") == b""
    desk.say(b"R")
    assert desk.wait(4) == b"", "the radio starts"
    assert b"V=" in desk.wait(3)
    assert desk.say(b"?") == b"S=100\n"
    assert desk.say(b"r").startswith(b"9:0:7 1-2-2026")


def test_settings_are_set_with_the_raw_byte_and_as_a_client_writes_it() -> None:
    desk = Desk()
    assert desk.say(b"u\x23-5\xff") == b"u\x23\x02\n"
    assert desk.say(b"u\x1e9?\n") == b"u\x1e\x02\n"
    assert desk.say(b"u\xff\xff") == b"u\xff\x02\n"
    settings = desk.say(b"U\n")
    assert b"U\x23-5\n" in settings
    assert b"U\x1e9\n" in settings


def test_a_bridge_that_imitates_one_only_sends() -> None:
    desk = Desk({"one_way": True})
    assert desk.heard == b""
    assert desk.say(b"?\nr\n") == b""
    assert desk.wait(10) == b""
    assert desk.cross(1).endswith(b",1\r\n")


def test_commands_may_come_in_pieces_and_noise_is_skipped() -> None:
    reader = CommandReader()
    commands = []
    for byte in b"x\n8001\r9\nt 09:00:00 01-02-2026?":
        commands += reader.feed(bytes([byte]))
    assert [command.kind for command in commands] == [Kind.REWIND_TIME, Kind.SET_TIME, Kind.STATUS]
    assert reader.feed(b"t" * 1_000) == []
    assert [command.kind for command in reader.feed(b"x" * 200 + b"R")] == [Kind.START]


def test_it_can_stand_in_for_a_box_with_somebody_elses_records() -> None:
    archive = Shelf()
    box = UltraBox(archive, Manner(box=9))
    box.connected(1)
    for number in range(1, 4):
        told = archive.add(Sighting(chip=Chip(f"c,{number}"), stamp=NOON))
        [out] = box.seen(told)
        assert out.data.startswith(b"0,c_%d," % number)
        assert out.data.split(b",")[8] == b"9"
    box.received(1, b"6002\r3\n", NOON)
    box.tick(NOON)
    outs = box.tick(NOON + NS_PER_S)
    assert logs(b"".join(out.data for out in outs)) == [2, 3]


@pytest.mark.parametrize(
    "options",
    [
        {"speed": 1},
        {"reading": 1},
        {"rewind_form": "both?"},
        {"box": 0},
        {"box": 256},
        {"heartbeat_s": 0},
        {"volts": "25"},
        {"lose_every": -1},
    ],
)
def test_options_of_the_emulator_are_checked(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        DRIVER.emulator(options)


def test_a_rewind_by_time_finds_the_end_of_a_long_log_in_time() -> None:
    archive = Shelf()
    for number in range(50_000):
        archive.add(Sighting(chip=Chip("7"), stamp=NOON + number * NS_PER_S))
    box = UltraBox(archive, Manner())
    box.connected(1)
    box.tick(NOON)
    box.received(1, b"800%d\r%d\n" % (BASE + 49_990, BASE + 60_000), NOON)
    heard = b""
    for tenth in range(1, 20):
        heard += b"".join(out.data for out in box.tick(NOON + tenth * NS_PER_S // 10))
    assert logs(heard) == list(range(49_991, 50_001))
