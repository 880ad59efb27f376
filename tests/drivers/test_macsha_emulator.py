"""Emulated Macsha readers answer as the vendor's documents say, to any client."""

from collections.abc import Mapping

import pytest

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Chip, Control, Hangup, Opening, Sighting
from drivers.macsha import DRIVER
from tests.support.loopback import Loopback
from tests.support.macsha import NOON


class Desk:
    """A client by hand, number 1."""

    def __init__(self, options: Mapping[str, object] | None = None) -> None:
        self.reader = DRIVER.emulator(options or {})
        self.heard = b"".join(out.data for out in self.reader.connected(1, "main", NOON))

    def say(self, text: str, client: int = 1) -> str:
        outs = self.reader.received(client, text.encode() + b"\r\n", NOON)
        return b"".join(out.data for out in outs).decode()

    def cross(self, number: int) -> list[int | None]:
        chip = Chip(f"MC{number:05d}")
        return [out.client for out in self.reader.sighted(Sighting(chip=chip, stamp=NOON))]


def test_a_one4all_greets_and_pushes_to_the_last_that_asked() -> None:
    desk = Desk()
    desk.reader.connected(2, "main", NOON)
    assert desk.heard.startswith(b"HELLO")
    assert desk.cross(1) == []
    assert desk.say("PUSHTAGS;true") == "PUSHTAGS;true\r\n"
    assert desk.cross(2) == [1]
    desk.say("PUSHTAGS;true", client=2)
    assert desk.cross(3) == [2]
    assert desk.say("PUSHTAGS;false") == "PUSHTAGS;false\r\n"
    assert desk.cross(4) == [2], "it was not pushed to"
    desk.reader.disconnected(2)
    assert desk.cross(5) == []
    assert desk.say("PASSINGS") == "PASSINGS;5;MC00005;0\r\n"


def test_a_one4all_gives_rows_and_an_empty_line() -> None:
    desk = Desk()
    for number in range(1, 4):
        desk.cross(number)
    rows = desk.say("GETPASSINGS;2;3").split("\r\n")
    assert [row[:11] for row in rows] == ["2;MC;00002;", "3;MC;00003;", "", ""]
    assert desk.say("GETPASSINGS;9;9") == "\r\n"
    assert desk.say("GETPASSINGS;x") == "GETPASSINGS;ERR\r\n"
    name = desk.say("LISTFILES").strip().split(";")[1]
    assert desk.say(f"GETFILE;{name};1;1").startswith("1;MC;00001;")
    assert desk.say("GETFILE;other.csv;1;1") == "GETFILE;ERR\r\n"
    assert desk.say(f"GETFILEINFO;{name}") == (
        "GETFILEINFO;2026-05-29;12:00:00.000;2026-05-29;12:00:00.000;3\r\n"
    )
    assert desk.say("GETFILEINFO;other.csv") == "GETFILEINFO;ERR\r\n"


def test_what_a_one4all_refuses_while_it_reads_and_while_it_does_not() -> None:
    desk = Desk()
    assert desk.say("START") == "START;STARTMODE\r\n"
    assert desk.say("CLEARFILES") == "CLEARFILES;STARTMODE\r\n"
    assert desk.say("SETTIME;2026-05-29;15:00:00") == "SETTIME;STARTMODE\r\n"
    assert desk.say("STOP") == "STOP;OK\r\n"
    assert desk.say("STOP") == "STOP;STOPMODE\r\n"
    assert desk.cross(1) == []
    assert desk.say("PASSINGS") == "PASSINGS;0;;0\r\n"
    assert desk.say("NEWFILE") == "NEWFILE;ERR\r\n"
    assert desk.say("SETTIME;2026-02-30;15:00:00") == "SETTIME;ERR\r\n"
    assert desk.say("SETTIME;now") == "SETTIME;ERR\r\n"
    assert desk.say("SETTIME;2026-05-29;15:00:00") == "SETTIME;2026-05-29;15:00:00\r\n"
    assert desk.say("GETTIME") == "GETTIME;2026-05-29;15:00:00\r\n"
    assert desk.say("CLEARFILES") == "CLEARFILES;OK\r\n"
    assert desk.say("START").startswith("START;2026-05-29-150000")
    assert desk.say("LISTFILES").count(".csv") == 2


def test_small_answers_of_a_one4all() -> None:
    desk = Desk({"battery_pct": 42, "mains": False})
    assert desk.say("PING") == "PING;PONG\r\n"
    assert desk.say("GETPROTOCOL") == "GETPROTOCOL;3.1;1.0;2.0\r\n"
    assert desk.say("SETPROTOCOL;3.0") == "SETPROTOCOL;3.0\r\n"
    assert desk.say("SETBOUNCE;5") == "SETBOUNCE;5\r\n"
    assert desk.say("SETBOUNCE;0") == "SETBOUNCE;ERR\r\n"
    assert desk.say("READBATTERY") == "READBATTERY;VOLTS;25.5;PERCENT;42;HASPOWER;false\r\n"
    assert desk.say("JUMP") == "JUMP;ERR\r\n"
    assert desk.say("") == ""
    assert desk.say("PING", client=5) == "", "nobody of that number"


def test_an_ocelot_starts_stops_and_glues_its_heartbeat() -> None:
    desk = Desk({"kind": "ocelot", "started": False})
    assert desk.heard == b""
    assert desk.cross(1) == []
    assert desk.say("Start:") == "START-OK_1"
    assert desk.say("Start:") == "OPERATION-MODE-STARTED_1"
    assert desk.cross(1) == [None]
    assert desk.say("Jump:") == ""
    assert desk.say("Stop:") == "STOP-OK_1"
    beats = [desk.reader.tick(NOON + second * NS_PER_S) for second in range(21)]
    assert sum(len(outs) for outs in beats) == 3


def test_an_ocelot_is_listened_to_and_given_up_when_its_heartbeat_stops() -> None:
    options = {"kind": "ocelot"}
    pair = Loopback(DRIVER, options=options, emulator_options=options)
    pair.plug()
    for number in range(1, 6):
        pair.wait(15)
        pair.sight(Sighting(chip=DRIVER.example_chip(number), stamp=pair.now_ns))
    pair.mark("gun")
    assert [read.chip for read in pair.reads] == [f"MC{number:05d}" for number in range(1, 6)]
    assert {event.note for event in pair.events if isinstance(event, Control)} == {"heartbeat"}
    pair.mute = True
    pair.wait(32)
    assert pair.hung_up == "no heartbeat for 30 s"


def test_an_ocelot_never_opened_and_after_its_end() -> None:
    session = DRIVER.session(Opening(options={"kind": "ocelot"}))
    assert session.tick(90 * NS_PER_S) == []
    assert session.opened(0) == []
    session.tick(NS_PER_S)
    [end] = session.tick(90 * NS_PER_S)
    assert isinstance(end, Hangup)
    assert session.tick(99 * NS_PER_S) == []


@pytest.mark.parametrize("link", ["tcp", "file"])
def test_a_channel_nobody_opened(link: str) -> None:
    [event] = DRIVER.session(Opening(link=link)).feed(b"x", "other")
    assert getattr(event, "raw", b"") == b"x"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, []),
        ({"kind": "ocelot", "time": "first"}, []),
        ({"kind": "lynx"}, ["allowed: one4all, ocelot"]),
        ({"time": "middle"}, ["allowed: last, first"]),
        ({"speed": 3}, ["allowed: kind, time"]),
    ],
)
def test_options_are_checked(options: dict[str, object], words: list[str]) -> None:
    complaints = DRIVER.check_options(options)
    assert len(complaints) == len(words)
    assert all(word in told for word, told in zip(words, complaints, strict=True))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"speed": 1}, "allowed: kind, started"),
        ({"started": 1}, "allowed: true, false"),
        ({"kind": "lynx"}, "allowed: one4all, ocelot"),
        ({"kind": "ocelot", "mains": True}, "kind one4all only"),
        ({"battery_pct": 101}, "allowed: a whole number from 0 to 100"),
        ({"skip_push_every": -1}, "allowed: a whole number"),
    ],
)
def test_options_of_the_emulator_are_checked(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        DRIVER.emulator(options)
