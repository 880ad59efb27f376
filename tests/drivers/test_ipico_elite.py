"""An Elite and a bridge in virtual time: date, replay after a reconnect, trouble with ports."""

import json

import pytest

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Clock, Control, Hangup, Opening, Rejected, Send
from drivers.ipico import DRIVER
from drivers.ipico.elite import decode_line
from tests.support.ipico import World, naive


def elite(options: dict[str, object] | None = None, main: str = "main") -> World:
    return World({"kind": "elite"}, options, main=main)


def connected(options: dict[str, object] | None = None, main: str = "main") -> World:
    world = elite(options, main)
    world.connect()
    world.run(3)
    return world


def test_an_elite_is_known_by_its_control_port_and_asked_nothing_on_the_main_one() -> None:
    world = connected()
    world.run(30)
    assert world.sent_lines() == []
    clocks = [event for event in world.events if isinstance(event, Clock)]
    assert clocks[0].asked is False  # dialling is part of its round trip
    assert all(clock.asked for clock in clocks[1:])
    assert clocks[0].extra["resolution_ms"] == 1000
    assert abs(clocks[-1].stamp - world.now) < 5 * NS_PER_S
    assert json.loads(world.memory or "")["kind"] == "elite"
    assert world.alarms == {}


def test_connect_takes_a_burst_of_samples_and_then_polls() -> None:
    world = connected()
    burst = len(world.sent)
    assert 50 <= burst <= 65
    world.run(30)
    assert 8 <= len(world.sent) - burst <= 11


@pytest.mark.parametrize("main", ["main", "fsls"])
def test_missed_reads_are_replayed_from_both_modules(main: str) -> None:
    world = connected(main=main)
    world.cross(4)
    world.run(10)
    world.cut()
    world.cross(6)
    world.run(40)
    world.connect()
    world.run(10)
    assert world.chips == world.all_chips
    starts = [line for line in world.sent_lines("control") if line.startswith(b"replay_start")]
    assert [line.split()[1] for line in starts] == [b"file.ttyS0", b"file.ttyS1"]
    newest = max(read.stamp for read in world.reads[:20] if read.stamp < world.now - 50 * NS_PER_S)
    assert newest
    assert starts[0].split()[2:] == [b"port.10300", starts[1].split()[3]]
    assert json.loads(world.memory or "")["replay_from"] is None


def test_the_replay_begins_thirty_seconds_before_the_last_stamp() -> None:
    session = DRIVER.session(
        Opening(last_stamp=naive("2026-03-06T20:27:47.350"), options={"kind": "elite"})
    )
    session.opened(0)
    session.feed(b"date.Fri Mar  6 20:30:00 CST 2026\n", "control")
    sent = [event.data for event in session.tick(NS_PER_S) if isinstance(event, Send)]
    assert sent == [
        b"replay_start file.ttyS0 port.10300 datetime.260306202717\n",
        b"\n",
    ]


def test_a_link_that_dies_in_mid_replay_owes_it_still() -> None:
    world = connected()
    world.cross(2)
    world.run(5)
    first = max(read.stamp for read in world.reads)
    world.cut()
    world.cross(5)
    world.refused = {10300}
    world.connect()
    world.run(3)
    world.cross(2)  # live reads move the last stamp beyond the hole
    world.run(5)
    assert "refuses the replay port" in world.alarms["missed"]
    world.cut()
    world.refused = set()
    world.connect()
    assert json.loads(world.memory or "")["replay_from"] == first
    world.run(15)
    assert world.chips == world.all_chips


def test_a_refused_replay_is_tried_again_with_growing_pauses() -> None:
    world = connected()
    world.cross(2)
    world.cut()
    world.cross(2)
    world.refused = {10300}
    world.connect()
    world.run(120)
    starts = [line for line in world.sent_lines("control") if line.startswith(b"replay_start")]
    assert 3 <= len(starts) <= 6
    world.refused = set()
    world.run(300)
    assert world.chips == world.all_chips
    assert "missed" not in world.alarms


def test_no_replay_on_the_first_connection_unless_told_to() -> None:
    for backfill, expected in (("missed", 0), ("all", 4), ("never", 0)):
        world = elite({"backfill": backfill})
        world.cross(4)
        world.run(10)
        world.connect()
        world.run(10)
        assert len(world.chips) == expected


def test_backfill_never_does_not_replay() -> None:
    world = connected({"backfill": "never"})
    world.cross(2)
    world.cut()
    world.cross(2)
    world.connect()
    world.run(10)
    assert not [line for line in world.sent_lines("control") if line.startswith(b"replay")]


def test_a_replay_that_is_never_closed_is_ended_after_a_silence() -> None:
    session = DRIVER.session(Opening(last_stamp=naive("2026-03-06"), options={"kind": "elite"}))
    session.opened(0)
    session.feed(b"date.Fri Mar  6 20:30:00 CST 2026\n", "control")
    session.tick(NS_PER_S)
    record = b"aa0005800012860800012603062027472353\r\n"
    assert len(session.feed(record + record[:9], "replay")) == 1
    ended: list[object] = []
    for second in range(2, 35):
        session.feed(b"date.Fri Mar  6 20:30:%02d CST 2026\n" % second, "control")
        ended += [e for e in session.tick(second * NS_PER_S) if isinstance(e, Hangup | Rejected)]
    assert [type(event) for event in ended] == [Hangup, Rejected]
    assert session.closed("replay", refused=False) == []


def test_a_dead_elite_is_hung_up_within_ten_seconds() -> None:
    world = connected()
    world.run(4)
    world.deaf = True
    began = world.now
    while world.session is not None:
        world.run(0.1)
    assert world.now - began <= 10 * NS_PER_S


def test_a_control_port_in_trouble_costs_no_reads() -> None:
    world = connected()
    client = next(c for c, channel in world.clients.items() if channel == "control")
    world.emulator.disconnected(client)  # it no longer answers, the reads go on
    for _ in range(20):
        world.cross(1)
        world.run(0.9)
    assert world.session is not None
    assert "9999" in world.alarms["control"]
    assert world.chips == world.all_chips
    world.run(20)
    assert "control" not in world.alarms


def test_a_refused_control_port_of_a_known_elite_is_dialled_again() -> None:
    world = connected()
    world.cross(2)
    world.cut()
    world.cross(2)
    world.refused = {9999}
    world.connect()
    world.run(30)
    assert set(world.sent_lines()) == {b"ab00ff118e"}  # asked once or twice: a Lite would answer
    assert "9999" in world.alarms["control"]
    world.refused = set()
    world.run(30)
    assert world.chips == world.all_chips
    assert "control" not in world.alarms


def test_a_control_port_that_closes_is_dialled_again() -> None:
    world = connected({"kind": "elite"})
    assert world.session is not None
    world.session.feed(b"half a li", "control")
    events = world.session.closed("control", refused=False)
    assert any(isinstance(event, Rejected) and event.raw == b"half a li" for event in events)
    world.clients = {c: name for c, name in world.clients.items() if name != "control"}
    before = len(world.sent_lines("control"))
    world.run(20)
    assert len(world.sent_lines("control")) > before


def test_a_replay_is_begun_again_when_the_control_port_closes_on_it() -> None:
    session = DRIVER.session(Opening(last_stamp=naive("2026-03-06"), options={"kind": "elite"}))
    date = b"date.Fri Mar  6 20:30:00 CST 2026\n"
    session.opened(0)
    session.feed(date, "control")
    session.tick(NS_PER_S)
    closed = session.closed("control", refused=False)
    assert [e.channel for e in closed if isinstance(e, Hangup)] == ["replay"]
    assert session.closed("replay", refused=False) == []
    sent: list[bytes] = []
    for second in range(2, 30):
        events = session.tick(second * NS_PER_S)
        sent += [e.data for e in events if isinstance(e, Send) and e.data.startswith(b"replay")]
        if any(isinstance(e, Send) and e.data == b"getdate\n" for e in events):
            session.feed(date, "control")
    assert [line.split()[1] for line in sent] == [b"file.ttyS0"]


def test_an_elite_that_accepts_and_never_answers_is_only_listened_to() -> None:
    world = elite({"kind": "elite"})
    world.deaf = True
    world.connect()
    world.run(60)
    assert world.session is not None
    assert "control" in world.alarms


@pytest.mark.parametrize(
    ("line", "stamp"),
    [
        (b"date.Wed Nov 12 15:30:30 CST 2008\n", "2008-11-12T15:30:30"),
        (b"date.Sun Mar  1 05:03:09 2026\r\n", "2026-03-01T05:03:09"),
        (
            b"\xff\xfb\x01\xff\xfd\x03\xff\xfa\x18\x01\xff\xf0date.Sun Mar 1 05:03:09 UTC 2026\n",
            "2026-03-01T05:03:09",
        ),
    ],
)
def test_dates(line: bytes, stamp: str) -> None:
    clock = decode_line(line, asked=True)
    assert isinstance(clock, Clock)
    assert (clock.raw, clock.stamp, clock.asked) == (line, naive(stamp), True)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"date.Wed Foo 12 15:30:30 CST 2008\n", Rejected),
        (b"date.Wed Nov 31 15:30:30 CST 2008\n", Rejected),
        (b"date.Wed Nov 12 25:30:30 CST 2008\n", Rejected),
        (b"x" * 512, Rejected),
        (b"welcome\n", Control),
    ],
)
def test_other_lines_of_the_control_port(line: bytes, kind: type) -> None:
    assert isinstance(decode_line(line, asked=False), kind)
