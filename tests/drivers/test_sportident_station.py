"""The conversation with a station: clock, gaps, restarts, silence."""

import pytest

from bridge.domain.reads import Chip, StampForm
from bridge.driver_api import Clock, Control, Hangup, Rejected, Send, Sighting, Status
from drivers.sportident import DRIVER, punches
from drivers.sportident.backup import ASK_POINTER, Backup
from drivers.sportident.emulator import make
from drivers.sportident.frames import build
from drivers.sportident.session import ASK_CLOCK, DIRECT
from tests.support.loopback import Loopback
from tests.support.timers import START, S, alarms, memories, open_session, sent


def punch(pair: Loopback, first: int, last: int) -> None:
    for number in range(first, last + 1):
        pair.wait(0.5)
        pair.sight(Sighting(chip=DRIVER.example_chip(number), stamp=pair.now_ns))


def cards(pair: Loopback) -> set[int]:
    return {int(read.chip) - 8_000_000 for read in pair.reads}


def pointer(free: int) -> bytes:
    high, low = divmod(free, 1 << 16)
    data = bytes((0, 31, 0x1C)) + high.to_bytes(2, "big") + b"\0\0\0" + low.to_bytes(2, "big")
    return build(punches.GET_SYSTEM, data)


def live(number: int, address: int) -> bytes:
    tail = address.to_bytes(3, "big")
    return punches.punch_frame(31, str(8_000_000 + number), START, tail)


def test_it_is_taken_to_direct_mode_and_asked() -> None:
    _, events = open_session(DRIVER)
    assert events == [Send(DIRECT), Send(ASK_CLOCK, asks_clock=True), Send(ASK_POINTER)]
    _, events = open_session(DRIVER, options={"backfill": "never"})
    assert sent(events) == [DIRECT, ASK_CLOCK]


def test_clock_and_mode_are_told() -> None:
    pair = Loopback(DRIVER)
    pair.plug()
    clocks = [event for event in pair.events if isinstance(event, Clock)]
    assert [(clock.stamp, clock.form) for clock in clocks] == [(START, StampForm.NAIVE)]
    assert [e.fields for e in pair.events if isinstance(e, Status)] == [{"mode": "direct"}]
    punch(pair, 1, 1)
    assert (pair.reads[0].form, pair.reads[0].stamp) == (StampForm.NAIVE, pair.now_ns)


def test_what_was_missed_is_read_after_a_restart_of_the_bridge() -> None:
    pair = Loopback(DRIVER)
    pair.plug()
    punch(pair, 1, 3)
    pair.pull()
    punch(pair, 4, 40)
    pair.plug()
    pair.wait(5)
    assert cards(pair) == set(range(1, 41))
    assert len(pair.reads) == 40
    assert not [event for event in pair.events if isinstance(event, Rejected)]
    assert alarms(pair.events) == {}


def test_the_first_connection_leaves_the_past_alone_unless_asked() -> None:
    for policy, wanted in (("missed", set()), ("all", {1, 2})):
        pair = Loopback(DRIVER, options={"backfill": policy})
        punch(pair, 1, 2)
        pair.plug()
        pair.wait(10)
        assert cards(pair) == wanted


def test_never_reads_no_memory() -> None:
    pair = Loopback(DRIVER, options={"backfill": "never"})
    pair.plug()
    punch(pair, 1, 1)
    pair.pull()
    punch(pair, 2, 2)
    pair.plug()
    punch(pair, 3, 3)
    pair.wait(10)
    assert cards(pair) == {1, 3}


def test_a_hole_between_live_punches_is_read_at_once() -> None:
    session, _ = open_session(DRIVER)
    assert memories(session.feed(live(1, 0x100))) == ['{"next":264}']
    events = session.feed(live(4, 0x118))
    wanted = build(punches.GET_BACKUP, bytes((0, 1, 8, 16)), wake=True)
    assert sent(events) == [wanted]
    assert memories(events) == []
    records = b"".join(punches.record_of(str(8_000_000 + n), START) for n in (2, 3))
    answer = build(punches.GET_BACKUP, bytes((0, 31, 0, 1, 8)) + records)
    events = session.feed(answer)
    assert [e.chip for e in events if hasattr(e, "chip")] == ["8000002", "8000003"]
    assert memories(events) == ['{"next":288}']


def test_a_lost_newest_punch_is_noticed_by_the_next_pointer() -> None:
    session, _ = open_session(DRIVER)
    session.feed(live(1, 0x100))
    assert sent(session.feed(pointer(0x108))) == []
    assert sent(session.feed(pointer(0x110))) == [
        build(punches.GET_BACKUP, bytes((0, 1, 8, 8)), wake=True)
    ]


def test_a_punch_that_was_on_its_way_when_the_pointer_was_told_is_no_erasure() -> None:
    session, _ = open_session(DRIVER, memory='{"next":288}')
    session.feed(pointer(0x130))
    events = session.feed(live(1, 0x120) + live(2, 0x128) + live(3, 0x130))
    assert not [command for command in sent(events) if command != b""]


def test_after_an_erasure_the_memory_is_read_from_its_beginning() -> None:
    session, _ = open_session(DRIVER, memory='{"next":4096}')
    events = session.feed(pointer(0x110))
    assert sent(events) == [build(punches.GET_BACKUP, bytes((0, 1, 0, 16)), wake=True)]


def test_a_station_that_does_not_give_its_memory_is_told_of() -> None:
    session, _ = open_session(DRIVER, memory='{"next":256}')
    events = session.feed(pointer(0x110))
    for second in range(1, 8):
        events += session.tick(START + second * S)
        events += session.feed(pointer(0x110))
    asked = [command for command in sent(events) if command[2] == punches.GET_BACKUP]
    assert len(asked) == 3
    assert "punches were missed" in (alarms(events)["punches_missing"] or "")
    events = session.feed(pointer(0x118))  # the next gap is filled, the first one is not
    assert len(sent(events)) == 1
    events = session.feed(build(punches.GET_BACKUP, bytes((0, 31, 0, 1, 0x10)) + bytes(8)))
    assert "punches_missing" not in alarms(events)


def test_a_short_answer_is_completed_and_blanks_are_no_punches() -> None:
    session, _ = open_session(DRIVER, memory='{"next":256}')
    session.feed(pointer(0x110))
    record = punches.record_of("8000001", START)
    events = session.feed(build(punches.GET_BACKUP, bytes((0, 31, 0, 1, 0)) + record))
    assert sent(events) == [build(punches.GET_BACKUP, bytes((0, 1, 8, 8)), wake=True)]
    events = session.feed(build(punches.GET_BACKUP, bytes((0, 31, 0, 1, 8)) + b"\xff" * 8))
    assert [event.note for event in events if isinstance(event, Control)] == [
        "backup memory",
        "empty record",
        "end of backup memory",
    ]
    [event] = session.feed(build(punches.GET_BACKUP, b"\x00\x1f"))
    assert isinstance(event, Rejected)


def test_a_huge_gap_is_bounded() -> None:
    backup = Backup('{"next":256}', "missed")
    backup.came(0x100000)
    commands = 0
    while command := backup.request(0):
        commands += 1
        address, size = command[4:7], command[7]
        backup.answered(bytes(2) + address + bytes(size))
    assert commands == 2048 // 16


@pytest.mark.parametrize("memory", ["x", "[]", "{}", '{"next":null}'])
def test_a_useless_memory_is_none(memory: str) -> None:
    assert Backup(memory, "missed").memory() is None


def test_a_silent_station_is_given_up_and_a_radio_receiver_is_not() -> None:
    session, _ = open_session(DRIVER)
    session.feed(pointer(0x100))
    events = [event for second in range(1, 12) for event in session.tick(START + second * S)]
    assert [event for event in events if isinstance(event, Hangup)]
    pair = Loopback(DRIVER, emulator_options={"radio": True})
    pair.plug()
    punch(pair, 1, 3)
    pair.wait(120)
    assert pair.hung_up is None
    assert cards(pair) == {1, 2, 3}
    assert len(pair.reads) == 6
    assert len({read.key for read in pair.reads}) == 3
    assert {read.form for read in pair.reads} == {StampForm.TIME_OF_DAY}
    lives = [e for e in pair.events if isinstance(e, Control) and e.note.startswith("sign")]
    assert len(lives) == 2


def test_the_emulator_serves_other_clients() -> None:
    station = make({"control": 300})
    station.connected(1, "main", START)
    [out] = station.received(1, build(0x83, b"\x00\x80") + build(0x99), START)
    values = out.data[6:]
    assert (values[0x71], values[0x72], values[0x74]) == (2, 300 & 0xFF, 3)
    assert out.data.endswith(b"\x15")
    new = bytes((26, 1, 2, 5 << 1)) + (60).to_bytes(2, "big") + b"\0"
    [out] = station.received(1, b"\xff" + build(0xF6, new) + build(0xF7), START)
    assert out.data == build(0xF6, b"\x01\x2c" + new) + build(0xF7, b"\x01\x2c" + new)
    assert station.received(1, build(0xF6, b"\xff" * 7), START)[0].data == b"\x15"
    assert station.marked("gun", START) == []
    assert make({"radio": True}).received(1, b"x", START) == []
    chip = Chip("8000001")
    assert len(station.sighted(Sighting(chip=chip, stamp=START))[0].data) == 19


@pytest.mark.parametrize("options", [{"x": 1}, {"control": 0}, {"radio": "x"}])
def test_the_emulator_names_what_it_takes(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        make(options)


@pytest.mark.parametrize("free", [0xFFFFFFFF, 1 << 24])
def test_a_pointer_beyond_the_memory_is_none(free: int) -> None:
    session, _ = open_session(DRIVER)
    session.feed(pointer(0x200))
    assert not memories(session.feed(pointer(free)))
    assert ASK_POINTER in sent(session.tick(START + 4 * S))


@pytest.mark.parametrize("known", ["1e400", "-7", "99999999999", "[]"])
def test_a_memory_that_cannot_be_harms_nothing(known: str) -> None:
    session, _ = open_session(DRIVER, memory=f'{{"next": {known}}}')
    session.feed(pointer(0x200))
    assert sent(session.tick(START + 4 * S))


def test_a_receiver_that_talks_by_itself_may_fall_silent() -> None:
    session, _ = open_session(DRIVER)
    session.feed(build(0xB1, bytes(20)))
    events = [event for second in range(1, 60) for event in session.tick(START + second * S)]
    assert not [event for event in events if isinstance(event, Hangup)]
