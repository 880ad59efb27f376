"""A Lite and a bridge in virtual time: connect, poll, listen, never harm."""

import json

import pytest

from bridge.domain.reads import NS_PER_S, Read
from bridge.driver_api import Clock, ClockStep, Hangup, Rejected, Remember, Send
from drivers.ipico import control
from drivers.ipico.control import LAYOUT, MEMORY, READ_MODE, SET_CLOCK, STATISTICS, build
from drivers.ipico.download import START, STEPS
from tests.support.ipico import ALLOWED, connected_lite, lite_world, naive


def test_the_bytes_of_the_commands_are_those_of_the_captures() -> None:
    assert {command.data.strip() for command in STEPS} < ALLOWED


def test_connect_asks_for_everything_once_the_control_port_was_refused() -> None:
    world = connected_lite()
    lines = world.sent_lines()
    assert lines[0] == b"ab00ff118e"
    assert lines[1:6] == [b"ab00000222"] * 5
    assert lines[6:8] == [b"ab00ff0995", b"ab00ff4bc2"]
    clocks = [event for event in world.events if isinstance(event, Clock)]
    assert [clock.asked for clock in clocks[:5]] == [True] * 5
    assert abs(clocks[0].stamp - world.START) < 2 * NS_PER_S
    assert world.session is not None
    assert world.session.closed("control", refused=False) == []
    asks = [event.asks_clock for event in world.of(Send) if isinstance(event, Send)]
    assert asks[2:7] == [True] * 5
    assert world.alarms == {}


def test_a_configured_lite_is_not_probed() -> None:
    world = connected_lite({"kind": "lite"})
    assert world.sent_lines("control") == []
    assert world.sent_lines()[0] == b"ab00ff118e"


def test_a_firewall_that_swallows_the_probe_only_costs_five_seconds() -> None:
    world = lite_world()
    world.resets = False
    world.connect()
    world.run(4)
    assert world.sent_lines() == []
    world.run(3)
    assert Hangup("no answer from the control port", "control") in world.events
    assert world.sent_lines()[0] == b"ab00ff118e"


def test_it_polls_one_command_at_a_time() -> None:
    world = connected_lite()
    before = len(world.sent)
    world.run(30)
    polls = [line for _, line in world.sent[before:]]
    assert 9 <= polls.count(b"ab00000222\r\n") <= 11
    assert 9 <= polls.count(b"ab00ff4bc2\r\n") <= 11


def test_reads_come_through_in_pieces_and_are_counted_in_the_notes_as_time_passes() -> None:
    world = connected_lite()
    before = len(world.events)
    world.cross(5)
    assert world.chips == world.all_chips
    assert not any(isinstance(event, Remember) for event in world.events[before:])
    world.run(1)
    assert any(isinstance(event, Remember) for event in world.events[before:])
    notes = json.loads(world.memory or "")
    assert (notes["kind"], notes["written"] + notes["lines"]) == ("lite", 5)


def test_a_dead_link_is_hung_up_within_ten_seconds() -> None:
    world = connected_lite()
    world.run(4)
    world.deaf = True
    began = world.now
    while world.session is not None:
        world.run(0.1)
    assert world.now - began <= 10 * NS_PER_S
    assert isinstance(world.events[-1], Hangup)
    assert world.events[-1].channel == "main"


def test_one_lost_reply_is_no_dead_link() -> None:
    world = connected_lite()
    world.command(b"\0" * 1024 + build(control.INIT))
    world.run(20)
    assert not [e for e in world.of(Hangup) if isinstance(e, Hangup) and e.channel == "main"]


def test_a_foreign_error_frame_does_not_refuse_our_command() -> None:
    world = connected_lite()
    for _ in range(20):
        world.hear(b"ab0000f258\r\n")
        world.run(0.5)
    polls = world.sent_lines()[-6:]
    assert b"ab00ff4bc2" in polls
    assert world.alarms == {}


def test_a_clock_step_is_told_and_the_clock_asked_again_at_once() -> None:
    world = connected_lite()
    world.run(1)
    before = len(world.sent)
    target = control.clock_bytes(naive("2026-11-21T09:00:00"))[:7]
    world.command(build(SET_CLOCK, target))
    assert [line for _, line in world.sent[before:]] == [b"ab00000222\r\n"] * 3
    world.run(2)
    steps = [event for event in world.events if isinstance(event, ClockStep)]
    assert len(steps) == 2
    assert steps[1].after == 0
    newest = [event for event in world.events if isinstance(event, Clock)][-1]
    assert newest.stamp >= naive("2026-11-21T09:00:00")


def test_a_changed_layout_is_not_guessed_at() -> None:
    world = connected_lite(layout="7ffc6161aa010d0a0000")
    assert "record layout was changed" in world.alarms["layout"]
    world.cross(2)
    assert world.reads == []
    damaged = [event for event in world.events if isinstance(event, Rejected)]
    assert len(damaged) == 2
    factory = bytes.fromhex("7ffc6161aa000d0a")
    world.command(build(LAYOUT, factory))
    world.run(6)
    assert "layout" not in world.alarms
    world.cross(1)
    assert len(world.reads) == 1


def test_the_layout_with_tto_blocks_is_a_factory_one() -> None:
    world = connected_lite(layout="fffc6161aa000d0a0000", mode="fsls")
    world.cross(1)
    world.run(6)
    assert [len(read.raw) for read in world.reads] == [44] * 3
    assert len({(read.chip, read.stamp) for read in world.reads}) == 1
    assert "layout" not in world.alarms


@pytest.mark.parametrize(("mode", "lines"), [("event", 2), ("fsls", 3)])
def test_modes_that_can_lose_a_lap_are_advised_against(mode: str, lines: int) -> None:
    world = connected_lite(mode=mode)
    assert "raw mode" in world.alarms["mode"]
    world.cross(2)
    world.run(10)
    assert len(world.reads) == 2 * lines
    assert len({(read.chip, read.stamp) for read in world.reads}) == 2
    world.run(10)
    assert START.data.strip() not in world.sent_lines()
    world.command(build(READ_MODE, b"\0\5\7"))
    world.run(70)
    assert "mode" not in world.alarms


def test_statistics_are_asked_for_only_when_opted_for() -> None:
    world = connected_lite()
    world.run(120)
    assert b"ab00000a51" not in world.sent_lines()
    world = connected_lite({"poll_statistics": True})
    world.run(120)
    assert world.sent_lines().count(build(STATISTICS).strip()) == 3


def test_a_memory_nearly_full_is_told() -> None:
    world = connected_lite()
    data = bytes([1, 0x58, 0, 0, 0, 0, 0, 0, 0x59, 5, 0x8F, 0x59, 0])
    world.hear(build(MEMORY, data))
    assert "Erase it before the race" in world.alarms["memory"]


class TestSerial:
    def test_a_board_that_never_answers_is_only_listened_to(self) -> None:
        world = lite_world(link="serial")
        world.deaf = True
        world.connect()
        world.run(120)
        assert world.session is not None
        assert world.sent_lines("control") == []
        assert "answers no commands" in world.alarms["mute"]
        assert 4 <= world.sent_lines().count(b"ab00000222") <= 12
        world.hear(b"aa00058000128608000126030620274723" + b"53\r\n")
        assert len(world.reads) == 1
        world.deaf = False
        world.run(40)
        assert "mute" not in world.alarms
        assert b"ab00ff4bc2" in world.sent_lines()

    def test_a_board_without_memory_is_polled_for_its_clock(self) -> None:
        world = lite_world({"kind": "serial"}, link="serial")
        world.deaf = True
        world.connect()
        unknown = b"ab0000f258\r\n"
        for _ in range(60):
            last = world.sent_lines()[-1]
            if last == b"ab00000222":
                world.hear(b"ab000902260306051855443727cf\r\n")
            else:
                world.hear(unknown)
            world.run(1)
        tail = world.sent_lines()[-5:]
        assert set(tail) == {b"ab00000222"}
        assert world.alarms == {}
        assert world.memory is not None

    def test_silence_of_a_board_that_answered_is_no_hangup(self) -> None:
        world = lite_world(link="serial")
        world.connect()
        world.run(5)
        world.deaf = True
        world.run(60)
        assert world.session is not None
        assert "mute" in world.alarms


def test_a_reader_that_sends_reads_but_answers_nothing_keeps_its_link() -> None:
    world = lite_world()
    world.connect()
    world.run(0.5)
    world.deaf = True
    raw = b"aa0005800012860800012603062027472353\r\n"
    for _ in range(60):
        world.hear(raw)
        world.run(1)
    assert world.session is not None
    assert "mute" in world.alarms
    assert len([e for e in world.events if isinstance(e, Read)]) == 60
