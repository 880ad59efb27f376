"""SimpleClient on 61611: the exact greeting, places, recovery by number, replays."""

import pytest

from bridge.domain.reads import NS_PER_S, Chip, Read
from bridge.driver_api import (
    MAIN,
    Alarm,
    Control,
    Event,
    Hangup,
    Marker,
    Opening,
    Out,
    Rejected,
    Remember,
    Send,
    Session,
    Shelf,
    Sighting,
    Status,
)
from drivers.chronotrack import DRIVER
from drivers.chronotrack.records import GUN, scored_line
from drivers.chronotrack.scoring_sender import ScoringSender
from tests.support.loopback import Loopback

NOON = 1_780_056_000 * NS_PER_S
GREETING = b"SimpleClient~0.6.0~CTP01\r\n"


def live(memory: str | None = None) -> Session:
    session = DRIVER.session(Opening(memory=memory, link="tcp-listen"))
    session.opened(NOON)
    return session


def said(events: list[Event]) -> list[str]:
    data = b"".join(event.data for event in events if isinstance(event, Send))
    return data.decode().split("\r\n")[:-1]


def record(number: int, place: str = "30k", tag: str = "7") -> bytes:
    sighting = Sighting(chip=Chip(tag), stamp=NOON + number * NS_PER_S, seq=number)
    return scored_line(sighting, place=place)


def ticked(session: Session, *seconds: int) -> list[Event]:
    return [event for s in seconds for event in session.tick(NOON + s * NS_PER_S)]


def met(memory: str | None = None, connection: str = "9", places: str = "30k") -> Session:
    """Return a session that has greeted, up to the list of places."""
    session = live(memory)
    session.feed(GREETING)
    session.feed(f"ack~getconnectionid~{connection}\r\nack~geteventinfo~R~0~\r\n".encode())
    assert said(session.feed(f"ack~getlocations~{places}\r\n".encode()))[:1] != []
    return session


def remembered(session: Session, second: int = 1) -> str:
    return [e for e in ticked(session, second) if isinstance(e, Remember)][-1].memory


def after_records(*numbers: int) -> str:
    session = met()
    session.feed(b"ack~start\r\n" + b"".join(map(record, numbers)))
    return remembered(session)


def test_the_greeting_counts_its_lines_exactly() -> None:
    lines = said(live().feed(GREETING))
    name, version, count = lines[0].split("~")
    assert (name, version) == ("chip-bridge", "1.0")
    settings = lines[1 : 1 + int(count)]
    assert all("=" in line for line in settings)
    assert {"stream-mode=push", "time-format=iso", "guntimes=true"} <= set(settings)
    assert lines[1 + int(count) :] == ["getconnectionid"]


@pytest.mark.parametrize("name", [b"StreamManager~2.1~CTP01", b"Fusion~~CTP02"])
def test_its_kin_are_greeted_alike(name: bytes) -> None:
    assert said(live().feed(name + b"\r\n"))[-1] == "getconnectionid"


def test_one_question_after_the_other() -> None:
    session = live()
    session.feed(GREETING)
    assert said(session.feed(b"ack~getconnectionid~9\r\n")) == ["geteventinfo"]
    events = session.feed(b"ack~geteventinfo~City Run~0~x\r\n")
    assert said(events) == ["getlocations"]
    assert [e.fields for e in events if isinstance(e, Status)] == [{"event": "City Run"}]
    assert said(session.feed(b"ack~getlocations~30k~finish\r\n")) == ["start~30k"]
    assert said(session.feed(b"ack~start\r\n")) == ["start~finish"]
    assert said(session.feed(b"ack~start\r\n")) == []


def test_the_same_session_goes_on_behind_what_came() -> None:
    session = live(after_records(2000, 2001, 2002))
    session.feed(GREETING + b"ack~getconnectionid~9\r\nack~geteventinfo~R~0~\r\n")
    assert said(session.feed(b"ack~getlocations~30k~new\r\n")) == ["start~30k~2003"]
    assert said(session.feed(b"ack~start\r\n")) == ["start~new"]


def test_another_session_is_read_from_its_beginning() -> None:
    session = live(after_records(1, 2, 3))
    session.feed(GREETING + b"ack~getconnectionid~10\r\nack~geteventinfo~R~0~\r\n")
    assert said(session.feed(b"ack~getlocations~30k\r\n")) == ["start~30k"]


def test_a_number_that_is_refused_is_asked_for_from_the_beginning() -> None:
    session = met(after_records(1, 2, 3))
    refusal = b"err~start~invalid start sequence number requested\r\n"
    assert said(session.feed(refusal)) == ["start~30k"]
    assert said(session.feed(refusal)) == []
    session.feed(b"ack~ping\r\n")
    assert "getlocations" in said(ticked(session, 30))
    assert said(session.feed(b"ack~getlocations~30k\r\n")) == ["start~30k"]


def test_a_new_place_is_started() -> None:
    session = met()
    session.feed(b"ack~start\r\n")
    events = session.feed(b"CT01_33~2038~40k~newlocation~00:00:00.00~0~0~0\r\n")
    assert said(events) == ["getlocations"]
    assert said(session.feed(b"ack~getlocations~30k~40k\r\n")) == ["start~40k"]


def test_no_place_yet_is_asked_about_again() -> None:
    session = live()
    session.feed(GREETING + b"ack~getconnectionid~9\r\nack~geteventinfo~R~0~\r\n")
    session.feed(b"ack~getlocations\r\n")
    for second in range(1, 30):
        session.feed(b"ack~ping\r\n")
        assert "getlocations" not in said(ticked(session, second))
    session.feed(b"ack~ping\r\n")
    assert "getlocations" in said(ticked(session, 30))
    assert said(session.feed(b"ack~getlocations~30k\r\n")) == ["start~30k"]


def test_a_sender_that_answers_nothing_is_started_all_the_same() -> None:
    session = live()
    session.feed(GREETING)
    lines = []
    for second in range(1, 31):
        session.feed(b"\r\n")
        lines += said(ticked(session, second))
    assert lines == [
        "getconnectionid", "getconnectionid", "geteventinfo", "geteventinfo", "geteventinfo",
        "getlocations", "getlocations", "getlocations", "start",
    ]  # fmt: skip


def test_unknown_questions_are_done_without() -> None:
    session = live()
    session.feed(GREETING)
    assert said(session.feed(b"err~~unknown command\r\n")) == ["geteventinfo"]
    assert said(session.feed(b"err~geteventinfo~no\r\n")) == ["getlocations"]
    assert said(session.feed(b"err~getlocations~no\r\n")) == ["start"]


def test_a_hole_is_asked_for_once() -> None:
    session = met()
    session.feed(b"ack~start\r\n" + record(1) + b"CT01_33~2~30k~torn\r\n" + record(3))
    assert said(ticked(session, 1)) == []
    assert said(ticked(session, 4)) == ["start~30k~2"]
    session.feed(b"ack~start\r\n" + record(3))
    later = ticked(session, *range(5, 9))
    assert "start~30k~2" not in said(later)
    assert not [event for event in later if isinstance(event, Alarm)]
    assert '"30k":3' in [e for e in later if isinstance(e, Remember)][-1].memory


def test_many_holes_are_asked_for_together() -> None:
    session = met()
    odd = range(1, 400, 2)
    session.feed(b"ack~start\r\n" + b"".join(map(record, odd)))
    asked = said(ticked(session, 1, 2, 3, 4))
    assert [line for line in asked if line.startswith("start")] == ["start~30k~2"]
    session.feed(b"ack~start\r\n")
    for at in range(4):  # the replay takes its time
        session.feed(b"".join(map(record, odd[50 * at : 50 * at + 50])))
        assert said(ticked(session, 5 + at)) == []
    later = ticked(session, *range(9, 13))
    assert not [line for line in said(later) if line.startswith("start")]
    assert '"30k":399' in [e for e in later if isinstance(e, Remember)][-1].memory


def test_a_sender_that_leaves_numbers_out_is_not_asked_for_ever() -> None:
    session = met()
    session.feed(b"ack~start\r\n" + record(1))
    asked = []
    for second in range(1, 200):
        session.feed(record(2 * second + 1))
        asked += [line for line in said(ticked(session, second)) if line.startswith("start")]
        session.feed(b"ack~start\r\n" * bool(asked))
    assert 1 <= len(asked) <= 4


def test_places_beyond_all_reason_are_read_but_not_kept_in_mind() -> None:
    session = met()
    names = "~".join(f"p{number}" for number in range(400))
    session.feed(f"ack~getlocations~{names}\r\n".encode())
    [read] = [e for e in session.feed(record(1, place="q")) if isinstance(e, Read)]
    assert read.unit == "q"
    assert '"q"' not in remembered(session)


def test_a_gun_does_not_count_as_a_record() -> None:
    session = met()
    session.feed(b"ack~start\r\n" + record(1))
    [gun] = session.feed(b"CT01_33~9~30k~guntime~2026-05-29T12:00:00.00~0~DF239A~0\r\n")
    assert isinstance(gun, Marker)
    assert said(ticked(session, *range(1, 4))) == []
    assert said(session.feed(record(2))) == []


def test_guns_that_count_with_the_records_leave_no_hole() -> None:
    session = met()
    gun = b"CT01_33~%d~30k~guntime~2026-05-29T12:00:00.00~0~DF239A~0\r\n"
    session.feed(b"ack~start\r\n" + record(1) + gun % 2 + record(3) + gun % 4 + gun % 5 + record(6))
    events = ticked(session, *range(1, 9))
    assert "start~30k~2" not in said(events)
    assert '"30k":6' in [e for e in events if isinstance(e, Remember)][-1].memory


def test_a_replay_brings_the_same_reads() -> None:
    events = live().feed(record(5) + record(6, tag="8") + record(5))
    keys = [event.key for event in events if isinstance(event, Read)]
    assert keys[0] == keys[2] != keys[1]


def test_pings_go_both_ways_and_silence_ends_the_link() -> None:
    session = met()
    session.feed(b"ack~start\r\n")
    assert said(session.feed(b"ping\r\n")) == ["ack~ping"]
    assert said(ticked(session, 1, 4)) == []
    assert said(ticked(session, 5)) == ["ping"]
    hangups = [event for event in ticked(session, 8, 9, 10) if isinstance(event, Hangup)]
    assert len(hangups) == 1
    assert "9 s" in hangups[0].why


@pytest.mark.parametrize("places", ["FINISH", "START,FINISH"])
def test_reads_of_every_place_come_back(places: str) -> None:
    names = places.split(",")
    pair = Loopback(DRIVER, emulator_options={"places": places})
    wanted = set()

    def cross(first: int, last: int) -> None:
        for number in range(first, last + 1):
            pair.wait(0.5)
            antenna = number % len(names) + 1
            wanted.add((str(number), names[antenna - 1]))
            pair.sight(Sighting(chip=Chip(str(number)), stamp=pair.now_ns, antenna=antenna))

    pair.plug()
    pair.wait(5)
    cross(1, 10)
    pair.wait(5)
    pair.pull()
    cross(11, 30)
    pair.plug()
    pair.wait(5)
    cross(31, 35)
    pair.wait(20)
    assert [(read.chip, read.unit or "") for read in pair.reads] != []
    assert {(read.chip, read.unit or "") for read in pair.reads} == wanted
    assert len(pair.reads) == len(wanted)
    assert not [event for event in pair.events if isinstance(event, Rejected | Alarm)]


def test_a_dead_sender_is_noticed_within_ten_seconds() -> None:
    pair = Loopback(DRIVER)
    pair.plug()
    pair.wait(30)
    assert pair.up
    pair.mute = True
    pair.wait(11)
    assert pair.hung_up is not None


def test_guns_are_told_and_replayed() -> None:
    pair = Loopback(DRIVER)
    pair.plug()
    pair.wait(5)
    pair.pull()
    pair.mark("gun")
    gun_ns = pair.now_ns
    pair.plug()
    pair.wait(5)
    [gun] = [event for event in pair.events if isinstance(event, Marker)]
    assert (gun.stamp, gun.unit) == (gun_ns, "FINISH")


# -- the sender, as other scoring software meets it ------------------------------------------


def sender_with(count: int) -> ScoringSender:
    shelf = Shelf()
    for number in range(1, count + 1):
        shelf.add(Sighting(chip=Chip(str(number)), stamp=NOON + number * NS_PER_S))
    shelf.add(Sighting(chip=GUN, stamp=NOON))
    sender = ScoringSender(connection_id="9", event="City Run")
    sender.offer("30k", shelf)
    assert sender.connected(1) == [Out(GREETING, 1)]
    return sender


def text_of(outs: list[Out]) -> list[str]:
    return b"".join(out.data for out in outs).decode().split("\r\n")[:-1]


def greeted(*settings: str, count: int = 3) -> ScoringSender:
    sender = sender_with(count)
    lines = [f"Other~1.0~{len(settings)}", *settings, ""]
    assert sender.received(1, "\r\n".join(lines).encode()) == []
    return sender


def test_a_server_that_miscounts_is_left() -> None:
    sender = sender_with(1)
    outs = sender.received(1, b"Other~1.0~2\r\nstream-mode=push\r\ngetconnectionid\r\n")
    assert outs[-1].close
    assert text_of(outs) == ["err~~server responded with invalid message"]
    assert sender_with(1).received(1, b"getlocations\r\n")[-1].close


def test_commands_are_answered() -> None:
    sender = greeted("pushmode-ack=true")
    asked = b"getconnectionid\r\ngeteventinfo\r\ngetlocations\r\nping\r\nnonsense\r\nstop~30k\r\n"
    assert text_of(sender.received(1, asked)) == [
        "ack~getconnectionid~9", "ack~geteventinfo~City Run~0~", "ack~getlocations~30k",
        "ack~ping", "err~~unknown command", "ack~stop",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        (b"start~40k", "err~start~invalid location requested"),
        (b"start~30k~6", "err~start~invalid start sequence number requested"),
        (b"start~30k~0", "err~start~invalid start sequence number requested"),
        (b"start~30k~x", "err~start~invalid start sequence number requested"),
    ],
)
def test_a_start_that_cannot_be_is_refused(command: bytes, reply: str) -> None:
    assert text_of(greeted().received(1, command + b"\r\n")) == [reply]


@pytest.mark.parametrize(
    ("form", "time"),
    [
        ("normal", "12:00:03.00"),
        ("iso", "2026-05-29T12:00:03.00"),
        ("unix", "1780056003.00"),
        ("msecs", "43203000"),
    ],
)
def test_records_come_from_a_number_on_in_the_wanted_format(form: str, time: str) -> None:
    sender = greeted(f"time-format={form}")
    lines = text_of(sender.received(1, b"start~30k~3\r\n"))
    assert lines == [f"CT01_33~3~30k~3~{time}~1~11FD4E~1"]


def test_guns_and_new_places_come_where_they_are_wanted() -> None:
    sender = greeted("guntimes=true", "newlocations=true", "time-format=iso")
    assert text_of(sender.received(1, b"start\r\n"))[-1] == (
        "CT01_33~4~30k~guntime~2026-05-29T12:00:00.00~0~11FD4E~0"
    )
    [line] = text_of(sender.offer("40k", Shelf()))
    assert line.split("~")[2:4] == ["40k", "newlocation"]
    assert greeted().offer("40k", Shelf()) == []


def test_a_puller_gets_records_when_it_asks() -> None:
    sender = greeted("stream-mode=pull", "time-format=iso")
    assert text_of(sender.received(1, b"start~30k\r\n")) == []
    assert list(sender.pump()) == []
    assert len(text_of(sender.received(1, b"getdata\r\n"))) == 3
    assert text_of(sender.received(1, b"getdata\r\n")) == []


def test_everything_is_stopped_at_once_and_empty_lines_mean_nothing() -> None:
    sender = greeted()
    sender.received(1, b"start~30k~4\r\n")
    assert sender.received(1, b"\r\nstop\r\nstart~30k~2\r\nstop\r\n") != []
    sender.offer("40k", Shelf())
    assert list(sender.pump()) == []


def test_a_long_replay_comes_in_pieces() -> None:
    sender = greeted(count=1200)
    counts = [len(text_of(sender.received(1, b"start~30k\r\n")))]
    while outs := list(sender.pump()):
        counts.append(len(text_of(outs)))
    assert counts == [500, 500, 200]
    sender.disconnected(1)
    assert sender.received(1, b"ping\r\n") == []


@pytest.mark.parametrize(
    "options",
    [
        {"speed": 1},
        {"role": "reader"},
        {"places": "A B"},
        {"late_s": -1},
        {"hits": 1},
        {"power_cycle_after": -1},
    ],
)
def test_wrong_emulator_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        DRIVER.emulator(options)


def test_an_emulated_client_greets_first() -> None:
    emulator = DRIVER.emulator({"connection_id": "77"})
    [out] = emulator.connected(1, MAIN, NOON)
    assert out.data == GREETING
    [greeting] = DRIVER.session(Opening()).feed(out.data)
    assert isinstance(greeting, Control)
