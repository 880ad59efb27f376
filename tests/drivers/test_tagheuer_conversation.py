"""What is asked of a TAG Heuer timer: what is missing, and nothing that changes it."""

import pytest

from bridge.domain.reads import Chip
from bridge.driver_api import Hangup, Opening, Sighting
from drivers.tagheuer import DRIVER
from drivers.tagheuer.emulator import make
from drivers.tagheuer.gaps import Gaps
from drivers.tagheuer.records import sealed
from tests.support.loopback import Loopback
from tests.support.timers import (
    START,
    S,
    alarms,
    markers,
    memories,
    naive,
    open_session,
    reads,
    sent,
)

ODD_MEMORY = '{"newest":{},"per_channel":false,"owed":{"4":[[1]]}}'
NO_CHANNEL = '{"newest":{"x":3},"per_channel":true,"owed":{"y":[[1,2]]}}'
POCKET = {"model": "pocket-pro"}


def run(pair: Loopback, first: int, last: int, antenna: int = 4) -> None:
    for bib in range(first, last + 1):
        pair.wait(0.5)
        pair.sight(Sighting(chip=Chip(str(bib)), stamp=pair.now_ns, antenna=antenna))


def test_unsent_times_are_recalled_by_number() -> None:
    pair = Loopback(DRIVER, emulator_options={"skip_every": 4})
    pair.plug()
    run(pair, 1, 11)
    pair.wait(10)
    assert {read.chip for read in pair.reads} == {f"{bib}@bib" for bib in range(1, 12)}
    assert sent(pair.events).count(sealed(b"#RT 0004 04")) == 1
    assert len({read.key for read in pair.reads}) == len(pair.reads)


@pytest.mark.parametrize("numbering", ["all", "channel"])
def test_the_tail_of_a_gap_is_recalled_on_every_channel_before_any_new_time(numbering: str) -> None:
    pair = Loopback(DRIVER, emulator_options={"numbering": numbering})
    pair.plug()
    run(pair, 1, 4, antenna=4)
    run(pair, 5, 8, antenna=3)
    run(pair, 9, 9, antenna=4)
    pair.wait(30)
    pair.pull()
    run(pair, 10, 11, antenna=4)
    run(pair, 12, 14, antenna=3)
    pair.plug()
    pair.wait(60)
    assert {read.chip for read in pair.reads} == {f"{bib}@bib" for bib in range(1, 15)}
    assert "times_missing" not in alarms(pair.events)


def test_a_gun_missed_is_recalled_too() -> None:
    pair = Loopback(DRIVER)
    pair.plug()
    run(pair, 1, 1)
    pair.mark("gun")
    run(pair, 2, 2)
    pair.pull()
    pair.mark("gun")
    pair.plug()
    pair.wait(20)
    assert [marker.extra["sequence"] for marker in markers(pair.events)] == [2, 4]


def test_what_the_timer_does_not_have_is_told() -> None:
    session, _ = open_session(DRIVER)
    session.feed(sealed(b"TN 0001 0001 04 12:00:01.0000 00001"))
    events = session.feed(sealed(b"TN 0003 0003 04 12:00:03.0000 00001"))
    assert sent(events) == [sealed(b"#RT 0002 04")]
    events = session.feed(sealed(b"AK F"))
    assert "sequence number 2" in (alarms(events)["times_missing"] or "")


def test_a_damaged_newest_time_is_asked_for() -> None:
    session, _ = open_session(DRIVER)
    session.feed(sealed(b"TN 0001 0001 04 12:00:01.0000 00001"))
    events = session.feed(sealed(b"TN 0002 0002 04 12:00:02.0000 00001").replace(b"02.", b"03."))
    assert sent(events) == [sealed(b"#RT 0002 04")]


def test_never_recalls_nothing() -> None:
    session, events = open_session(
        DRIVER, memory='{"newest":{"4":7},"per_channel":false}', options={"backfill": "never"}
    )
    events += session.feed(sealed(b"TN 0003 0023 04 12:00:03.0000 00001"))
    assert sent(events) == [sealed(b"#SN")]


@pytest.mark.parametrize(
    "memory", [None, "x", "[1]", '{"newest":1,"per_channel":0}', ODD_MEMORY, NO_CHANNEL]
)
def test_a_useless_memory_is_an_empty_one(memory: str | None) -> None:
    assert Gaps(memory, is_wanted=True).memory() == '{"newest":{},"per_channel":false}'


def test_a_numbering_that_begins_anew_leaves_no_gap() -> None:
    gaps = Gaps(None, is_wanted=True)
    gaps.came(900, "4")
    gaps.came(1, "4")
    assert gaps.next(0) is None
    gaps.came(3, "4")
    assert gaps.next(0) == (2, "4", False)


def test_numbers_wrap_at_ten_thousand() -> None:
    gaps = Gaps(None, is_wanted=True)
    gaps.came(9999, "4")
    gaps.came(1, "4")
    assert gaps.next(0) == (0, "4", False)


def test_an_unanswered_question_does_not_stop_the_next() -> None:
    gaps = Gaps(None, is_wanted=True)
    gaps.came(1, "4")
    gaps.came(4, "4")
    assert gaps.next(0) == (2, "4", False)
    assert gaps.next(S) is None
    assert gaps.next(2 * S) == (3, "4", False)
    assert gaps.lost == [2]


def test_a_silent_cp540_is_given_up_and_one_that_cannot_hear_is_not() -> None:
    session, _ = open_session(DRIVER)
    session.feed(sealed(b"SN 01162 CP540 VE07"))
    events = [e for second in range(1, 12) for e in session.tick(START + second * S)]
    assert [event for event in events if isinstance(event, Hangup)]
    session, _ = open_session(DRIVER)
    events = [e for second in range(1, 60) for e in session.tick(START + second * S)]
    assert not [event for event in events if isinstance(event, Hangup)]


def test_a_cp520_is_only_listened_to() -> None:
    session, events = open_session(DRIVER, options={"model": "cp520"})
    for second in range(1, 60):
        events += session.tick(START + second * S)
    events += session.feed(b"T           05 12 13 56 780   \r")
    assert not sent(events)


def test_a_correction_is_told_to_a_person() -> None:
    session, _ = open_session(DRIVER)
    events = session.feed(sealed(b"T- 0000 0072 05 12:13:56.7800 12345"))
    assert "5#12135678000" in (alarms(events)["corrected"] or "")


def test_a_pocket_pro_is_switched_on_and_downloaded_after_a_gap() -> None:
    pair = Loopback(DRIVER, options=POCKET, emulator_options=POCKET)
    pair.plug()
    run(pair, 1, 2)
    pair.pull()
    run(pair, 3, 4)
    pair.plug()
    run(pair, 5, 5)
    pair.wait(20)
    assert {read.chip for read in pair.reads} == {f"{bib}@bib" for bib in range(1, 6)}
    assert len({read.key for read in pair.reads}) == 5
    stamps = sorted({read.stamp for read in pair.reads})
    assert stamps[-1] - stamps[0] == 2 * S
    assert set(sent(pair.events)) == {
        b"#SN\r",
        b"#!T\r",
        b"#RP 025\r",
        b"#WC 016 1C\r",
        b"#WC 012\r",
    }
    assert alarms(pair.events)["no_download"] is None


def test_a_pocket_pro_is_not_changed_if_it_must_not_be() -> None:
    _, events = open_session(DRIVER, options={**POCKET, "live_events": False, "backfill": "all"})
    assert sent(events) == [b"#SN\r", b"#!T\r", b"#RP 025\r", b"#WC 012\r"]


def test_a_download_that_does_not_come_is_told() -> None:
    session, events = open_session(DRIVER, options={**POCKET, "backfill": "all"})
    for second in range(1, 60):
        events += session.tick(START + second * S)
        events += session.feed(b"\nAK C\t\r")
    assert sent(events).count(b"#WC 012\r") == 3
    assert "missing" in (alarms(events)["no_download"] or "")


def test_the_emulator_serves_other_clients() -> None:
    timer = make({"numbers": False})
    timer.connected(1, "main", START)
    [out] = timer.received(1, b"#RP 010\t\r\n#WC 008 01\r\n#RT 0001 04\r\n", START)[:1]
    assert out.data.startswith(b"&P 010 02 02 20:26 28/05/26 00\t")
    [gun] = timer.marked("gun", START)
    assert gun.data.startswith(b"TN 0000 0001 01 20:26:40.00000 ")
    outs = timer.received(1, b"#RT 0001 01\r\n#RT 0001 04\r\n#XX\r\n", START)
    assert [out.data[:4] for out in outs] == [b"AN 0", b"AK F", b"AK R"]
    pocket = make({**POCKET, "numbers": False})
    pocket.connected(1, "main", START)
    assert pocket.sighted(Sighting(chip=Chip("1"), stamp=START)) == []
    assert pocket.received(1, b"#WC 099\r", START)[0].data == b"\nAK R\t\r"
    assert pocket.marked("button", START) == []
    [out] = pocket.received(1, b"#WC 012\r", START)
    assert out.data.startswith(b"\nDS 01 002 TIME\t\r\nRR 0001 0000   20:26:40.00000\t\r\n")


@pytest.mark.parametrize(
    "options",
    [{"x": 1}, {"model": "cp520"}, {"numbering": 1}, {"numbers": 3}, {"skip_every": -1}],
)
def test_the_emulator_names_what_it_takes(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        make(options)


def test_what_is_still_owed_is_asked_for_by_the_next_session() -> None:
    session, _ = open_session(DRIVER)
    session.feed(sealed(b"TN 0001 0001 04 12:00:01.0000 00001"))
    events = session.feed(sealed(b"TN 0005 0005 04 12:00:05.0000 00001"))
    assert sent(events) == [sealed(b"#RT 0002 04")]
    session, events = open_session(DRIVER, memory=memories(events)[-1])
    asked = sent(events)
    for number in (2, 3, 4):
        assert sealed(b"#RT %04d 04" % number) in asked
        asked = sent(session.feed(sealed(b"AN 0000 %04d 04 12:00:00.5000 00001" % number)))
    assert asked == [sealed(b"#RT 0006 04")]


def test_a_number_that_comes_round_again_is_missed_again() -> None:
    gaps = Gaps(None, is_wanted=True)
    for number in range(1, 10_001):
        gaps.came(number % 10_000, "4")
    gaps.came(1, "4")
    gaps.came(2, "3")  # it came on another channel a day ago
    assert not gaps.per_channel
    gaps.came(4, "4")
    asked = gaps.next(START)
    assert asked is not None
    assert (asked.sequence, asked.channel) == (3, "4")


def test_stored_times_wait_for_the_moment_of_synchronisation() -> None:
    session, events = open_session(DRIVER, options=POCKET, memory="seen")
    assert b"#WC 012\r" in sent(events)
    stored = b"\nRR 0010 0232   05:27:51.01040\t\r"
    events = session.feed(b"\nDS 01 245 TIME\t\r" + stored + b"\nDE 01\t\r")
    assert reads(events) == []  # they are not of now
    assert sent(events) == [b"#!T\r"]
    assert "synchronised" in (alarms(events)["no_download"] or "")
    assert b"#!T\r" in sent(session.tick(START + 3 * S))
    assert sent(session.feed(b"\n!T 08:14:00 01/03/20\t\r")) == [b"#WC 012\r"]
    events = session.feed(b"\nDS 01 245 TIME\t\r" + stored + b"\nDE 01\t\r")
    assert [read.stamp for read in reads(events)] == [naive("2020-03-01T13:41:51.010400")]
    assert alarms(events)["no_download"] is None


def test_a_check_switches_nothing_on() -> None:
    session = DRIVER.session(Opening(trial=True, options=POCKET))
    assert sent(session.opened(START)) == [b"#SN\r", b"#!T\r", b"#RP 025\r"]
