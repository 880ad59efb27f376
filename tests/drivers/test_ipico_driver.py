"""The driver value, its options, and the emulators by themselves."""

import pytest

from bridge.domain.reads import NS_PER_MS, NS_PER_S, StampForm
from bridge.driver_api import MAIN, FileLink, Out, SerialLink, Sighting, TcpLink
from drivers.ipico import DRIVER
from drivers.ipico.control import Frame, Memory, build, frame_of, memory_of, stamp_of
from drivers.ipico.decoder import Decoder
from tests.support.ipico import naive

NOW = naive("2026-11-21T08:00:00.200")


def test_the_driver_says_what_it_is() -> None:
    assert (DRIVER.name, DRIVER.stamp_form, DRIVER.can_tell_time) == (
        "ipico",
        StampForm.NAIVE,
        True,
    )
    assert DRIVER.links == (TcpLink(10_000), SerialLink(9_600), FileLink())
    assert DRIVER.example_chip(255) == "0580000000ff"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"kind": "lite", "backfill": "all", "poll_statistics": True},
        {"kind": "serial", "binary": True},
        {"kind": "elite", "backfill": "never"},
    ],
)
def test_options_that_are_fine(options: dict[str, object]) -> None:
    assert DRIVER.check_options(options) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "super"}, "allowed: auto, lite, elite, serial"),
        ({"kind": 7}, "allowed: auto"),
        ({"backfill": True}, "allowed: missed, all, never"),
        ({"binary": "yes"}, "allowed: true, false"),
        ({"poll_statistics": 1}, "allowed: true, false"),
        ({"fsls": True}, "unknown option 'fsls'"),
        ({"binary": True, "kind": "elite"}, "goes with kind auto or serial"),
    ],
)
def test_options_that_are_not(options: dict[str, object], words: str) -> None:
    (complaint,) = DRIVER.check_options(options)
    assert words in complaint


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "x"}, "allowed: lite, elite"),
        ({"mode": "x"}, "allowed: raw, event, fsls"),
        ({"mode": ["raw"]}, "allowed: raw, event, fsls"),
        ({"recording": 1}, "allowed: true, false"),
        ({"timeout_s": 0}, "above 0"),
        ({"playback_rate": "fast"}, "above 0"),
        ({"layout": "xx"}, "hex digits"),
        ({"speed": 1}, "unknown emulator option 'speed'"),
        ({"kind": "elite", "mode": "raw"}, "is for kind lite"),
    ],
)
def test_emulator_options_that_are_not_fine(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        DRIVER.emulator(options)


class Lite:
    """A Lite with one client, spoken to directly."""

    def __init__(self, **options: object) -> None:
        self.emulator = DRIVER.emulator(options)
        self.now = NOW
        assert self.emulator.connected(1, MAIN, NOW) == []

    def ask(self, data: bytes) -> list[bytes]:
        return lines_of(self.emulator.received(1, data, self.now))

    def wait(self, ms: int) -> list[bytes]:
        self.now += ms * NS_PER_MS
        return lines_of(self.emulator.tick(self.now))

    def memory(self) -> Memory:
        frame = frame_of(self.ask(build(0x4B, query=True))[0])
        assert isinstance(frame, Frame)
        memory = memory_of(frame)
        assert memory is not None
        return memory

    def clock(self) -> int:
        frame = frame_of(self.ask(build(0x02))[0])
        assert isinstance(frame, Frame)
        stamp = stamp_of(frame.data)
        assert stamp is not None
        return stamp


def lines_of(outs: object) -> list[bytes]:
    data = b"".join(out.data for out in outs)  # type: ignore[attr-defined]
    return data.splitlines(keepends=True)


def crossing(n: int = 1, stamp: int = NOW) -> Sighting:
    return Sighting(chip=DRIVER.example_chip(n), stamp=stamp)


def test_lite_answers_as_captured() -> None:
    lite = Lite(mode="event")
    assert lite.emulator.piece == (4, 20)
    assert lite.ask(b"ab00ff0995\r\n") == [b"ab0002090305f3\r\n"]
    assert lite.ask(b"ab00ff118e\r\n") == [b"ab000a117ffc6161aa000d0a00008e\r\n"]
    assert lite.ask(b"ab0001e206be\r\n") == [b"ab0000f258\r\n"]
    assert lite.ask(b"ac000037\r\n")[0] == b"\r\n"
    banner = lite.ask(b"ab0000372a\r\n")
    assert (banner[0], banner[2:]) == (b"\r\n", [b"\r\n", b"ab0000372a\r\n"])
    assert lite.ask(b"ab000830058000000000000038\r\n") == [b"ab00003023\r\n"]
    assert lite.ask(b"ab00014b02b9\r\n") == [b"ab000c4b010000000000000059058f015c\r\n"]
    assert lite.ask(b"ab00000223\r\n") == [build(0xF1)]
    assert lite.ask(b"ab0007\r\n") == [build(0xF0)]
    assert lite.ask(build(0x4B, b"\x99")) == [build(0xF5)]
    assert lite.ask(build(0x02, unit=7)) == []
    assert lite.ask(b"\r\n") == []


def test_lite_statistics_clear_on_read() -> None:
    lite = Lite()
    first, second = lite.ask(build(0x0A))[0], lite.ask(build(0x0A))[0]
    assert len(first) == len(second) == 42
    assert first != second


def test_lite_swallows_the_command_after_init() -> None:
    lite = Lite()
    assert lite.ask(b"\0" * 1024 + b"ab0000e055\r\n" + b"ab00000a51\r\n") == []
    assert len(lite.ask(b"ab00000a51\r\n")) == 1


def test_lite_resets_the_control_port_after_a_while() -> None:
    lite = Lite()
    assert lite.emulator.connected(2, "control", NOW) == []
    assert lite.wait(300) == []
    assert lite.emulator.received(2, b"getdate\n", lite.now) == []
    lite.now += 100 * NS_PER_MS
    assert lite.emulator.tick(lite.now) == [Out(client=2, channel="control", reset=True)]
    lite.emulator.connected(3, "control", lite.now)
    lite.emulator.disconnected(3)
    assert lite.wait(500) == []


def test_every_client_hears_everything() -> None:
    lite = Lite()
    lite.emulator.connected(2, MAIN, NOW)
    replies = lite.emulator.received(2, b"ab00000222\r\n", NOW)
    assert [out.client for out in replies] == [None]
    assert [out.client for out in lite.emulator.sighted(crossing())] == [None]


def test_setting_the_clock_goes_to_half_a_second_and_loads_late() -> None:
    lite = Lite()
    target = bytes.fromhex("26112106090000")
    ack, step = lite.ask(build(0x01, target))
    assert ack == b"ab00000121\r\n"
    assert step == build(0x4C, bytes.fromhex("01000000c8000001f4"))
    assert lite.clock() == naive("2026-11-21T08:00:00.500")
    (late,) = lite.wait(500)
    assert late == build(0x4C, bytes.fromhex("01000003de00000000"))
    assert lite.clock() == naive("2026-11-21T09:00:00")
    (line,) = lines_of(lite.emulator.sighted(crossing(stamp=lite.now)))
    assert Decoder().feed(line)[0].stamp == naive("2026-11-21T09:00:00")  # type: ignore[union-attr]
    assert lite.ask(build(0x01, bytes.fromhex("26132106090000"))) == [build(0xF0)]


def test_setting_the_next_second_needs_no_second_step() -> None:
    lite = Lite()
    lite.ask(build(0x01, bytes.fromhex("26112106080001")))
    assert lite.wait(500) == []


def test_lines_are_stored_while_nobody_listens_and_played_back_as_they_were() -> None:
    lite = Lite(playback_rate=100)
    lite.emulator.disconnected(1)
    sent = [lines_of(lite.emulator.sighted(crossing(n, NOW + n)))[0] for n in range(1500)]
    lite.emulator.connected(1, MAIN, NOW)
    assert lite.memory() == Memory(
        recording=True, playing=False, written=1500, played=0, capacity=128_070
    )
    for command in (b"\2", b"\7\1\5", b"\1\1"):
        lite.ask(build(0x4B, command))
    played = [line for _ in range(170) for line in lite.wait(100)]
    progress = [line for line in played if line.startswith(b"ab")]
    assert [line for line in played if line.startswith(b"aa")] == sent
    assert len(progress) == 3
    assert lite.memory().is_played_out
    assert lite.memory().playing
    lite.ask(build(0x4B, b"\1\0"))
    assert not lite.memory().playing
    lite.ask(build(0x4B, b"\7\0"))
    assert lite.wait(20_000) == []


def test_recording_off_stores_nothing_and_an_erase_everything() -> None:
    lite = Lite(recording=False)
    lite.emulator.sighted(crossing())
    assert lite.memory().written == 0
    lite.ask(build(0x4B, b"\0\1"))
    lite.emulator.sighted(crossing())
    assert lite.memory().written == 1
    assert len(lite.ask(build(0x4B, b"\xd0"))) == 90
    assert lite.memory().written == 0


def test_event_mode_repeats_the_stamp_after_the_timeout() -> None:
    lite = Lite(mode="event", timeout_s=2)
    (entry,) = lines_of(lite.emulator.sighted(crossing()))
    assert lite.wait(1900) == []
    (again,) = lite.wait(200)
    fields_of = DRIVER.extra
    assert (fields_of(entry)["q"], fields_of(again)["q"]) == (1, 11)
    assert entry[20:34] == again[20:34]


def test_the_gun_is_a_trigger_frame() -> None:
    (line,) = lines_of(Lite().emulator.marked("gun", naive("2026-03-06T20:04:15.270")))
    assert line == b"ab000a2c260306052004151b2782ae\r\n"
    (elite,) = lines_of(DRIVER.emulator({"kind": "elite"}).marked("gun", NOW))
    assert elite.startswith(b"ab010a2c")


def test_elite_pairs_first_and_last_seen_from_two_modules() -> None:
    elite = DRIVER.emulator({"kind": "elite", "timeout_s": 3})
    outs = [
        *elite.sighted(crossing()),
        *elite.tick(NOW + NS_PER_S),
        *elite.tick(NOW + 4 * NS_PER_S),
    ]
    raw = [out.data for out in outs if out.channel == MAIN]
    first, last = (out.data for out in outs if out.channel == "fsls")
    assert [line[2:4] for line in raw] == [b"01", b"02"]
    assert (first[2:4], first[36:38], last[2:4], last[36:38]) == (b"01", b"FS", b"02", b"LS")
    assert last[20:34] > first[20:34]


def test_elite_control_port() -> None:
    elite = DRIVER.emulator({"kind": "elite"})
    elite.connected(5, "control", NOW)
    elite.connected(6, "replay", NOW)
    (date,) = elite.received(5, b"\ngetdate\n", NOW)
    assert date.data == b"date.Sat Nov 21 08:00:00 UTC 2026\n"
    elite.received(5, b"setdate.26112210:00:00\nsetdate.nonsense\n", NOW)
    (date,) = elite.received(5, b"getdate\n", NOW)
    assert date.data == b"date.Sun Nov 22 10:00:00 UTC 2026\n"
    elite.sighted(crossing(1))
    elite.received(5, b"replay_start file.ttyS0 port.10300 datetime.260101000000\n", NOW)
    (replay,) = elite.received(6, b"\n", NOW)
    assert (replay.data.count(b"\r\n"), replay.close) == (1, True)
    elite.received(5, b"clear_history\nreplay_start file.ttyS0 port.10300\n", NOW)
    (replay,) = elite.received(6, b"\n", NOW)
    assert replay.data == b""
    elite.disconnected(6)
    assert elite.received(6, b"\n", NOW) == []
