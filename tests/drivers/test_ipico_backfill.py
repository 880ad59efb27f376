"""Missed reads of a Lite: noticed by the write cursor, fetched by playback, never for ever."""

import json
from collections.abc import Sequence

import pytest

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Out, Rejected
from drivers.ipico.control import LAYOUT, MEMORY, build
from drivers.ipico.download import START, STOP
from tests.support.ipico import connected_lite, lite_world


def test_missed_reads_are_fetched_after_a_reconnect() -> None:
    world = connected_lite()
    world.cross(20)
    world.run(4)
    world.cut()
    world.cross(7)
    world.connect()
    world.run(20)
    assert world.chips == world.all_chips
    assert world.sent_lines().count(START.data.strip()) == 1
    assert world.sent_lines()[-8:].count(b"ab00024b07001f") <= 1
    assert "missed" not in world.alarms
    assert json.loads(world.memory or "")["written"] == 27
    assert json.loads(world.memory or "")["downloading"] is False
    world.run(600)
    assert world.sent_lines().count(START.data.strip()) == 1


def test_the_playback_is_always_ended() -> None:
    world = connected_lite()
    world.cut()
    world.cross(3)
    world.connect()
    world.run(20)
    lines = world.sent_lines()
    end = [b"ab00024b010019", b"ab00024b07001f"]
    assert lines[lines.index(end[0]) :][:2] == end


def test_nothing_missed_fetches_nothing() -> None:
    world = connected_lite()
    for _ in range(3):
        world.cross(10)
        world.cut()
        world.run(30)
        world.connect()
        world.run(20)
    assert START.data.strip() not in world.sent_lines()


def test_a_read_cut_by_the_break_is_fetched() -> None:
    world = connected_lite()
    world.cross(2)
    world.cut()
    world.cross(1)
    world.connect()
    tail = world.reads[0].raw[20:]
    world.hear(tail)  # the rest of a line that began before we came
    world.run(20)
    assert world.chips == world.all_chips
    assert any(isinstance(e, Rejected) and e.raw == tail for e in world.events)


def test_a_first_connection_fetches_nothing_unless_told_to() -> None:
    for backfill, expected in (("missed", 0), ("all", 4)):
        world = lite_world({"backfill": backfill})
        world.cross(4)
        world.connect()
        world.run(20)
        assert len(world.chips) == expected
        world.cut()
        world.connect()
        world.run(20)
        assert world.sent_lines().count(START.data.strip()) == min(expected, 1)


def test_backfill_never_tells_and_does_not_fetch() -> None:
    world = connected_lite({"backfill": "never"})
    world.cut()
    world.cross(3)
    world.connect()
    world.run(20)
    assert world.chips == set()
    assert "3 tag lines" in world.alarms["missed"]
    assert START.data.strip() not in world.sent_lines()


def test_a_link_that_dies_in_mid_download_is_made_up_for() -> None:
    world = connected_lite(playback_rate=10)
    world.cut()
    world.cross(100)
    world.connect()
    world.run(10)
    assert 0 < len(world.chips) < 100
    assert json.loads(world.memory or "")["downloading"] is True
    world.cut()
    world.run(5)
    world.connect()
    world.run(60)
    assert world.chips == world.all_chips
    assert json.loads(world.memory or "")["attempts"] == 0
    assert world.sent_lines().count(START.data.strip()) == 2
    assert STOP.data.strip() in world.sent_lines()


def test_attempts_that_keep_dying_wait_longer_each_time() -> None:
    world = connected_lite(playback_rate=1)
    world.cut()
    world.cross(100)
    waits = []
    for _ in range(4):
        world.connect()
        began = world.now
        starts = world.sent_lines().count(START.data.strip())
        while world.sent_lines().count(START.data.strip()) == starts:
            world.run(1)
        waits.append((world.now - began) // NS_PER_S)
        world.run(5)
        world.cut()
    assert waits[0] < 10 <= waits[1] < 20 <= waits[2] < 40 <= waits[3] < 60


def test_a_hole_while_connected_is_fetched_once_per_growing_while() -> None:
    world = connected_lite()
    world.cross(5)
    for hole in range(3):
        world.deaf = True
        world.cross(2)
        world.deaf = False
        world.run(30)
        assert world.sent_lines().count(START.data.strip()) == (1, 1, 1)[hole]
    world.run(300)
    assert world.sent_lines().count(START.data.strip()) == 2
    assert world.chips == world.all_chips


def test_a_count_that_can_never_match_does_not_download_for_ever() -> None:
    world = connected_lite()
    for _ in range(360):  # one hour of records that are stored and never sent
        world.deaf = True
        world.cross(1)
        world.deaf = False
        world.run(10)
    assert 3 <= world.sent_lines().count(START.data.strip()) <= 5


def test_damaged_lines_count_as_received() -> None:
    world = connected_lite()
    world.cross(3)
    world.deaf = True
    world.cross(1)
    world.deaf = False
    world.hear(world.reads[0].raw.replace(b"aa00", b"aa0\xff", 1))
    world.run(30)
    assert START.data.strip() not in world.sent_lines()


def test_recording_off_is_told_at_connect_and_taken_back() -> None:
    world = connected_lite(recording=False)
    assert "nothing can be recovered" in world.alarms["recording"]
    world.command(build(MEMORY, b"\0\1"))
    world.run(4)
    assert "recording" not in world.alarms


def test_lines_that_are_not_stored_are_no_reason_to_download() -> None:
    world = connected_lite(recording=False)
    world.cross(10)
    world.run(30)
    world.cut()
    world.cross(3)
    world.connect()
    world.run(30)
    assert START.data.strip() not in world.sent_lines()
    assert "recording" in world.alarms


def test_an_erase_by_somebody_else_settles_the_books() -> None:
    world = connected_lite()
    world.cross(10)
    world.run(4)
    world.command(build(MEMORY, b"\xd0"))
    world.run(10)
    world.cross(3)
    world.run(10)
    assert START.data.strip() not in world.sent_lines()
    world.cut()
    world.cross(2)
    world.connect()
    world.run(20)
    assert world.chips == world.all_chips


def test_an_erase_while_away_means_that_all_may_be_new() -> None:
    world = connected_lite()
    world.cross(10)
    world.run(4)
    world.cut()
    world.command(build(MEMORY, b"\xd0"))
    world.cross(2)
    world.connect()
    world.run(20)
    assert world.chips == world.all_chips


def test_somebody_elses_playback_is_waited_for() -> None:
    world = connected_lite(playback_rate=20)
    world.cross(200)
    world.run(4)
    world.command(build(MEMORY, b"\2") + build(MEMORY, b"\1\1"))
    world.run(30)
    assert START.data.strip() not in world.sent_lines()
    assert STOP.data.strip() not in world.sent_lines()
    world.cut()
    world.cross(2)
    world.command(build(MEMORY, b"\2") + build(MEMORY, b"\1\1"))
    world.connect()
    world.run(5)
    assert START.data.strip() not in world.sent_lines()
    world.run(40)
    assert world.chips == world.all_chips


def test_a_playback_that_somebody_stops_is_tried_again() -> None:
    world = connected_lite(playback_rate=10)
    world.cut()
    world.cross(100)
    world.connect()
    world.run(6)
    world.command(build(MEMORY, b"\1\0"))
    world.run(5)
    assert "stopped the playback" in world.alarms["missed"]
    world.run(60)
    assert world.chips == world.all_chips
    assert "missed" not in world.alarms


def test_a_playback_that_stands_still_is_ended_and_tried_again() -> None:
    world = connected_lite(playback_rate=0.0001)
    world.cut()
    world.cross(5)
    world.connect()
    world.run(40)
    assert "stands still" in world.alarms["missed"]
    starts = world.sent_lines().count(START.data.strip())
    world.run(50)
    assert starts < world.sent_lines().count(START.data.strip()) <= starts + 2


def test_a_playback_with_lines_missing_is_given_up_after_three() -> None:
    world = connected_lite(playback_rate=50)
    world.cut()
    world.cross(60)
    world.connect()
    for _ in range(3):
        starts = world.sent_lines().count(START.data.strip())
        while world.sent_lines().count(START.data.strip()) == starts:
            world.run(0.1)
        world.deaf = True
        world.run(0.8)
        world.deaf = False
        world.run(10)
    assert "Not all missed reads" in world.alarms["missed"]
    world.run(900)
    assert world.sent_lines().count(START.data.strip()) == 3


@pytest.mark.parametrize(
    "memory",
    ["", "{", "[]", "null", '{"kind":7,"written":-1,"lines":"x"}', '{"written":true}', "\x00"],
)
def test_notes_that_cannot_be_read_count_as_none(memory: str) -> None:
    world = lite_world()
    world.memory = memory
    world.cross(2)
    world.connect()
    world.run(10)
    assert world.reads == []
    assert json.loads(world.memory)["written"] == 2


def test_live_reads_during_a_download_arrive_and_are_settled_with_it() -> None:
    world = connected_lite(playback_rate=20)
    world.cut()
    world.cross(100)
    world.connect()
    world.run(3)
    world.cross(30)
    assert json.loads(world.memory or "")["downloading"] is True
    world.run(120)
    assert world.chips == world.all_chips
    assert world.sent_lines().count(START.data.strip()) == 1
    assert json.loads(world.memory or "")["written"] == 130


def test_without_a_pause_in_the_traffic_a_hole_is_fetched_all_the_same() -> None:
    world = connected_lite()
    world.cross(600)
    assert START.data.strip() not in world.sent_lines()
    world.cut()
    world.cross(10)
    world.connect()
    world.cross(600)
    assert world.sent_lines().count(START.data.strip()) == 1
    world.run(10)
    assert world.chips == world.all_chips


def test_nothing_is_fetched_that_could_not_be_decoded() -> None:
    world = connected_lite()
    world.cut()
    world.cross(3)
    world.command(build(LAYOUT, bytes.fromhex("7ffc6161aa010d0a")))
    world.connect()
    world.run(20)
    assert START.data.strip() not in world.sent_lines()
    world.command(build(LAYOUT, bytes.fromhex("7ffc6161aa000d0a")))
    world.run(20)
    assert world.chips == world.all_chips


def test_a_playback_left_running_is_ended_when_fetching_was_switched_off() -> None:
    world = connected_lite(playback_rate=10)
    world.cut()
    world.cross(100)
    world.connect()
    world.run(6)
    world.cut()
    world.options = {"backfill": "never"}
    before = len(world.sent_lines())
    world.connect()
    world.run(10)
    assert [line for line in world.sent_lines()[before:] if b"4b0" in line] == [
        b"ab00024b010019",
        b"ab00024b07001f",
    ]
    assert json.loads(world.memory or "")["downloading"] is False


def test_somebody_elses_playback_is_not_counted_where_fetching_is_switched_off() -> None:
    world = connected_lite({"backfill": "never"}, playback_rate=20)
    world.cross(100)
    world.run(4)
    world.command(build(MEMORY, b"\2") + build(MEMORY, b"\1\1"))
    world.run(30)
    assert "missed" not in world.alarms
    assert START.data.strip() not in world.sent_lines()


class Board:
    """A reader that refuses, or leaves unanswered, some commands of a download."""

    def __init__(self, deaf_to: set[bytes], refused: set[bytes]) -> None:
        self.world = lite_world({"kind": "lite"})
        self.deaf_to = deaf_to
        self.emulator = self.world.emulator
        self._received = self.emulator.received
        self._refused = refused
        self.emulator.received = self.received  # type: ignore[method-assign]
        self.world.connect()
        self.world.run(3)
        self.world.cut()
        self.world.cross(5)
        self.world.connect()

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        if data.strip() in self.deaf_to:
            return []
        if data.strip() in self._refused:
            return [Out(b"ab0000f55b\r\n")]
        return self._received(client, data, now_ns)


def test_a_reader_that_refuses_the_start_is_asked_again_with_pauses() -> None:
    board = Board(set(), {START.data.strip()})
    board.world.run(60)
    assert "does not take the command" in board.world.alarms["missed"]
    starts = board.world.sent_lines().count(START.data.strip())
    assert 2 <= starts <= 8
    assert board.world.sent_lines().count(STOP.data.strip()) >= starts // 2
    assert board.world.chips == set()


def test_a_reader_that_refuses_the_side_commands_is_still_downloaded() -> None:
    sides = {b"ab00034b07010586", b"ab00024b010019", b"ab00024b07001f"}
    board = Board(set(), sides)
    board.world.run(60)
    assert board.world.chips == board.world.all_chips
    assert "missed" not in board.world.alarms


def test_a_serial_reader_that_falls_silent_in_mid_download_is_downloaded_later() -> None:
    world = lite_world(link="serial", playback_rate=10)
    world.connect()
    world.run(3)
    world.cut()
    world.cross(100)
    world.connect()
    world.run(6)
    world.deaf = True
    world.run(30)
    assert "mute" in world.alarms
    assert json.loads(world.memory or "")["downloading"] is True
    world.deaf = False
    world.run(90)
    assert world.chips == world.all_chips
    assert world.alarms == {}
