"""A Lite and a bridge in virtual time: connect, poll, miss reads, fetch them, never harm."""

import json
from collections.abc import Iterator, Sequence

import pytest

from bridge.domain.reads import NS_PER_S, Read
from bridge.driver_api import Clock, ClockStep, Hangup, Out, Rejected, Remember, Send
from drivers.ipico import control
from drivers.ipico.control import LAYOUT, MEMORY, READ_MODE, SET_CLOCK, STATISTICS, build
from drivers.ipico.download import START, STEPS, STOP
from drivers.ipico.ledger import CALM, PATIENCE, Ledger
from tests.support.ipico import World, naive

LITE = {"playback_rate": 1000}
WORLDS: list[World] = []
ALLOWED = {
    b"ab00000222",  # clock
    b"ab00ff118e",  # layout?
    b"ab00ff0995",  # mode?
    b"ab00ff4bc2",  # memory?
    b"ab00000a51",  # statistics, if opted for
    b"ab00014b02b9",
    b"ab00034b07010586",
    b"ab00024b01011a",
    b"ab00024b010019",
    b"ab00024b07001f",
}


@pytest.fixture(autouse=True)
def _never_sends_anything_forbidden() -> Iterator[None]:
    """No set clock, mode, layout, recording, erase or init in any scenario of this file."""
    WORLDS.clear()
    yield
    sent = {line for world in WORLDS for line in world.sent_lines()}
    assert sent <= ALLOWED
    controls = {line for world in WORLDS for line in world.sent_lines("control")}
    assert controls <= {b"getdate"}


def lite(options: dict[str, object] | None = None, link: str = "tcp", **reader: object) -> World:
    world = World({**LITE, **reader}, options, link=link)
    WORLDS.append(world)
    return world


def connected(options: dict[str, object] | None = None, **reader: object) -> World:
    world = lite(options, **reader)
    world.connect()
    world.run(3)
    return world


def test_the_bytes_of_the_commands_are_those_of_the_captures() -> None:
    assert {command.data.strip() for command in STEPS} < ALLOWED


def test_connect_asks_for_everything_once_the_control_port_was_refused() -> None:
    world = connected()
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
    world = connected({"kind": "lite"})
    assert world.sent_lines("control") == []
    assert world.sent_lines()[0] == b"ab00ff118e"


def test_a_firewall_that_swallows_the_probe_only_costs_five_seconds() -> None:
    world = lite()
    world.resets = False
    world.connect()
    world.run(4)
    assert world.sent_lines() == []
    world.run(3)
    assert Hangup("no answer from the control port", "control") in world.events
    assert world.sent_lines()[0] == b"ab00ff118e"


def test_it_polls_one_command_at_a_time() -> None:
    world = connected()
    before = len(world.sent)
    world.run(30)
    polls = [line for _, line in world.sent[before:]]
    assert 9 <= polls.count(b"ab00000222\r\n") <= 11
    assert 9 <= polls.count(b"ab00ff4bc2\r\n") <= 11


def test_reads_come_through_in_pieces_and_are_counted_in_the_notes() -> None:
    world = connected()
    world.cross(5)
    assert world.chips == world.all_chips
    assert isinstance(world.events[-1], Remember)
    notes = json.loads(world.memory or "")
    assert (notes["kind"], notes["written"] + notes["lines"]) == ("lite", 5)


def test_missed_reads_are_fetched_after_a_reconnect() -> None:
    world = connected()
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
    world = connected()
    world.cut()
    world.cross(3)
    world.connect()
    world.run(20)
    lines = world.sent_lines()
    end = [b"ab00024b010019", b"ab00024b07001f"]
    assert lines[lines.index(end[0]) :][:2] == end


def test_nothing_missed_fetches_nothing() -> None:
    world = connected()
    for _ in range(3):
        world.cross(10)
        world.cut()
        world.run(30)
        world.connect()
        world.run(20)
    assert START.data.strip() not in world.sent_lines()


def test_a_read_cut_by_the_break_is_fetched() -> None:
    world = connected()
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
        world = lite({"backfill": backfill})
        world.cross(4)
        world.connect()
        world.run(20)
        assert len(world.chips) == expected
        world.cut()
        world.connect()
        world.run(20)
        assert world.sent_lines().count(START.data.strip()) == min(expected, 1)


def test_backfill_never_tells_and_does_not_fetch() -> None:
    world = connected({"backfill": "never"})
    world.cut()
    world.cross(3)
    world.connect()
    world.run(20)
    assert world.chips == set()
    assert "3 tag lines" in world.alarms["missed"]
    assert START.data.strip() not in world.sent_lines()


def test_a_link_that_dies_in_mid_download_is_made_up_for() -> None:
    world = connected(playback_rate=10)
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
    world = connected(playback_rate=1)
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
    world = connected()
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
    world = connected()
    for _ in range(360):  # one hour of records that are stored and never sent
        world.deaf = True
        world.cross(1)
        world.deaf = False
        world.run(10)
    assert 3 <= world.sent_lines().count(START.data.strip()) <= 5


def test_damaged_lines_count_as_received() -> None:
    world = connected()
    world.cross(3)
    world.deaf = True
    world.cross(1)
    world.deaf = False
    world.hear(world.reads[0].raw.replace(b"aa00", b"aa0\xff", 1))
    world.run(30)
    assert START.data.strip() not in world.sent_lines()


def test_recording_off_is_told_at_connect_and_taken_back() -> None:
    world = connected(recording=False)
    assert "nothing can be recovered" in world.alarms["recording"]
    world.command(build(MEMORY, b"\0\1"))
    world.run(4)
    assert "recording" not in world.alarms


def test_lines_that_are_not_stored_are_no_reason_to_download() -> None:
    world = connected(recording=False)
    world.cross(10)
    world.run(30)
    world.cut()
    world.cross(3)
    world.connect()
    world.run(30)
    assert START.data.strip() not in world.sent_lines()
    assert "recording" in world.alarms


def test_an_erase_by_somebody_else_settles_the_books() -> None:
    world = connected()
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
    world = connected()
    world.cross(10)
    world.run(4)
    world.cut()
    world.command(build(MEMORY, b"\xd0"))
    world.cross(2)
    world.connect()
    world.run(20)
    assert world.chips == world.all_chips


def test_somebody_elses_playback_is_waited_for() -> None:
    world = connected(playback_rate=20)
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
    world = connected(playback_rate=10)
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
    world = connected(playback_rate=0.0001)
    world.cut()
    world.cross(5)
    world.connect()
    world.run(40)
    assert "stands still" in world.alarms["missed"]
    starts = world.sent_lines().count(START.data.strip())
    world.run(50)
    assert starts < world.sent_lines().count(START.data.strip()) <= starts + 2


def test_a_playback_with_lines_missing_is_given_up_after_three() -> None:
    world = connected(playback_rate=50)
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


def test_a_dead_link_is_hung_up_within_ten_seconds() -> None:
    world = connected()
    world.run(4)
    world.deaf = True
    began = world.now
    while world.session is not None:
        world.run(0.1)
    assert world.now - began <= 10 * NS_PER_S
    assert isinstance(world.events[-1], Hangup)
    assert world.events[-1].channel == "main"


def test_one_lost_reply_is_no_dead_link() -> None:
    world = connected()
    world.command(b"\0" * 1024 + build(control.INIT))
    world.run(20)
    assert not [e for e in world.of(Hangup) if isinstance(e, Hangup) and e.channel == "main"]


def test_a_foreign_error_frame_does_not_refuse_our_command() -> None:
    world = connected()
    for _ in range(20):
        world.hear(b"ab0000f258\r\n")
        world.run(0.5)
    polls = world.sent_lines()[-6:]
    assert b"ab00ff4bc2" in polls
    assert world.alarms == {}


def test_a_clock_step_is_told_and_the_clock_asked_again_at_once() -> None:
    world = connected()
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
    world = connected(layout="7ffc6161aa010d0a0000")
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
    world = connected(layout="fffc6161aa000d0a0000", mode="fsls")
    world.cross(1)
    world.run(6)
    assert [len(read.raw) for read in world.reads] == [44] * 3
    assert len({(read.chip, read.stamp) for read in world.reads}) == 1
    assert "layout" not in world.alarms


@pytest.mark.parametrize(("mode", "lines"), [("event", 2), ("fsls", 3)])
def test_modes_that_can_lose_a_lap_are_advised_against(mode: str, lines: int) -> None:
    world = connected(mode=mode)
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
    world = connected()
    world.run(120)
    assert b"ab00000a51" not in world.sent_lines()
    world = connected({"poll_statistics": True})
    world.run(120)
    assert world.sent_lines().count(build(STATISTICS).strip()) == 3


def test_a_memory_nearly_full_is_told() -> None:
    world = connected()
    data = bytes([1, 0x58, 0, 0, 0, 0, 0, 0, 0x59, 5, 0x8F, 0x59, 0])
    world.hear(build(MEMORY, data))
    assert "Erase it before the race" in world.alarms["memory"]


class TestSerial:
    def test_a_board_that_never_answers_is_only_listened_to(self) -> None:
        world = lite(link="serial")
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
        world = lite({"kind": "serial"}, link="serial")
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
        world = lite(link="serial")
        world.connect()
        world.run(5)
        world.deaf = True
        world.run(60)
        assert world.session is not None
        assert "mute" in world.alarms


def test_a_reader_that_sends_reads_but_answers_nothing_keeps_its_link() -> None:
    world = lite()
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


@pytest.mark.parametrize(
    "memory",
    ["", "{", "[]", "null", '{"kind":7,"written":-1,"lines":"x"}', '{"written":true}', "\x00"],
)
def test_notes_that_cannot_be_read_count_as_none(memory: str) -> None:
    world = lite()
    world.memory = memory
    world.cross(2)
    world.connect()
    world.run(10)
    assert world.reads == []
    assert json.loads(world.memory)["written"] == 2


def test_live_reads_during_a_download_arrive_and_are_settled_with_it() -> None:
    world = connected(playback_rate=20)
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
    world = connected()
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
    world = connected()
    world.cut()
    world.cross(3)
    world.command(build(LAYOUT, bytes.fromhex("7ffc6161aa010d0a")))
    world.connect()
    world.run(20)
    assert START.data.strip() not in world.sent_lines()
    world.command(build(LAYOUT, bytes.fromhex("7ffc6161aa000d0a")))
    world.run(20)
    assert world.chips == world.all_chips


class TestLedger:
    def test_a_line_behind_the_status_reply_is_not_missing(self) -> None:
        ledger = Ledger(0, 0)
        behind = 0
        for poll in range(1, 100):
            ledger.lines += 10 + behind
            behind = 0 if poll % (PATIENCE - 1) == 0 else 1
            ledger.lines -= behind
            assert ledger.observe(poll * 10) == 0

    def test_a_rush_proves_nothing(self) -> None:
        ledger = Ledger(0, 0)
        ledger.observe(0)
        for poll in range(1, 100):  # the reader's queue is never empty at 85 lines per second
            ledger.lines += CALM * 4
            assert ledger.observe(poll * CALM * 4 + 20) == 0
        ledger.lines += 20
        assert ledger.observe(99 * CALM * 4 + 20) == 0
        assert ledger.written == 99 * CALM * 4 + 20

    def test_a_line_before_the_status_reply_hides_no_later_hole(self) -> None:
        ledger = Ledger(100, 1)
        assert ledger.observe(100) == 0  # one line more than records: W was taken before
        assert ledger.observe(101) == 0
        ledger.lines += 2
        assert [ledger.observe(105), ledger.observe(105)] == [0, 2]

    def test_a_shortage_is_proved_by_a_silence_or_by_lasting(self) -> None:
        ledger = Ledger(100, 0)
        assert [ledger.observe(103), ledger.observe(103)] == [0, 3]
        ledger = Ledger(100, 0)
        verdicts = []
        for poll in range(PATIENCE + 1):  # the first has none before it to be calm after
            ledger.lines += 10
            verdicts.append(ledger.observe(112 + 10 * poll + poll % 2))
        assert verdicts == [0] * PATIENCE + [2]


def test_a_playback_left_running_is_ended_when_fetching_was_switched_off() -> None:
    world = connected(playback_rate=10)
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
    world = connected({"backfill": "never"}, playback_rate=20)
    world.cross(100)
    world.run(4)
    world.command(build(MEMORY, b"\2") + build(MEMORY, b"\1\1"))
    world.run(30)
    assert "missed" not in world.alarms
    assert START.data.strip() not in world.sent_lines()


class Board:
    """A reader that refuses, or leaves unanswered, some commands of a download."""

    def __init__(self, deaf_to: set[bytes], refused: set[bytes]) -> None:
        self.world = lite({"kind": "lite"})
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
    world = lite(link="serial", playback_rate=10)
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
