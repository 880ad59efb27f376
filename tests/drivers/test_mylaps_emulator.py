"""Timing & Scoring made of software: what other servers would see of it, and repair with ours."""

from collections.abc import Mapping

import pytest

from bridge.domain.reads import NS_PER_MS, NS_PER_S
from bridge.driver_api import (
    MAIN,
    Control,
    Marker,
    Out,
    Rejected,
    Send,
    Shelf,
    Sighting,
    StampForm,
    Status,
)
from drivers.mylaps import DRIVER
from drivers.mylaps.emulator import MylapsEmulator
from drivers.mylaps.exporter import Exporter, Setup
from tests.support.loopback import Loopback
from tests.support.mylaps import START_NS, markers_of, reads_of, session_of

told_of = DRIVER.extra
V2 = b"S@AckPong@Version2.1@$"
V1 = b"S@AckPong@$"


def sighting(number: int, antenna: int = 1) -> Sighting:
    return Sighting(
        chip=DRIVER.example_chip(number), stamp=START_NS + number * NS_PER_MS, antenna=antenna
    )


class Server:
    """A server written by somebody else, on one connection; time stands still unless it is told."""

    def __init__(self, options: Mapping[str, object] | None = None) -> None:
        self.emulator = MylapsEmulator(options or {})
        self.now_ns = START_NS
        self.client = 0
        self.heard: list[bytes] = []
        """Frames in the order they came, without what stands between them."""
        self.stream = b""

    def connect(self) -> list[bytes]:
        self.client += 1
        return self._take(self.emulator.connected(self.client, MAIN, self.now_ns))

    def cut(self) -> None:
        self.emulator.disconnected(self.client)

    def say(self, data: bytes) -> list[bytes]:
        return self._take(self.emulator.received(self.client, data, self.now_ns))

    def ack(self, function: str, *numbers: int) -> list[bytes]:
        return self.say(b"".join(f"S@Ack{function}@{number}@$".encode() for number in numbers))

    def see(self, *numbers: int, antenna: int = 1) -> list[bytes]:
        came: list[bytes] = []
        for number in numbers:
            came += self._take(self.emulator.sighted(sighting(number, antenna)))
        return came

    def mark(self, name: str) -> list[bytes]:
        return self._take(self.emulator.marked(name, self.now_ns))

    def wait(self, seconds: float) -> list[bytes]:
        came: list[bytes] = []
        for _ in range(round(seconds * 10)):
            self.now_ns += 100 * NS_PER_MS
            came += self._take(self.emulator.tick(self.now_ns))
        return came

    def _take(self, outs: object) -> list[bytes]:
        assert isinstance(outs, list)
        data = b"".join(out.data for out in outs if out.client == self.client)
        self.stream += data
        came = [frame.strip(b"\0\r\n") + b"$" for frame in data.split(b"$")[:-1]]
        self.heard += came
        return came


def numbers_of(came: list[bytes]) -> list[int]:
    return [int(frame.split(b"@")[-2]) for frame in came]


def test_hello_for_one_location_after_another() -> None:
    server = Server({"locations": "Start, 5 K = 3 M,Finish"})
    assert server.connect() == [b"Start@Pong@$"]
    assert server.wait(0.7) == []
    assert server.wait(0.2) == [b"Start@Pong@$", b"5 K = 3 M@Pong@$"]
    assert server.wait(2) == [b"Start@Pong@$", b"5 K = 3 M@Pong@$", b"Finish@Pong@$"]
    assert b"Start@Pong@$\r\n\0\x005 K" in server.stream


def test_nothing_but_hello_before_it_is_answered() -> None:
    server = Server()
    server.connect()
    assert server.see(1, 2) == []
    assert server.wait(60) == []
    assert [read.chip for read in reads_of(b"".join(server.say(V2)))] == [
        DRIVER.example_chip(1),
        DRIVER.example_chip(2),
    ]


def test_it_answers_questions() -> None:
    server = Server({"locations": "A,B", "zone_min": 120})
    server.connect()
    server.wait(2)
    assert server.say(b"S@Ping@$") == [b"A@AckPing@$", b"B@AckPing@$"]
    assert server.say(b"S@GetInfo@$") == [
        b"A@AckGetInfo@BibTag0000@Unknown@Laptop$",
        b"B@AckGetInfo@BibTag0001@Unknown@Laptop$",
    ]
    assert server.say(b"S@GetLocations@$") == []
    assert server.wait(0.9) == []
    assert server.wait(0.2) == [b"Toolkit@GetLocations@ln=A@ln=B@$"]
    server.say(V2)
    assert server.say(b"S@GetInfo@$") == [b"T&S@AckGetInfo@sd=2026-05-30|rn=Rehearsal@$"]
    assert server.say(b"S@GetInfo@B@$") == [
        b"B@AckGetInfo@id=20250550001|n=BibTagDecoder0001|mac=0004B7070001|ant=2@$"
    ]
    server.say(b"S@AckPong@Version2.1@c@tz|gsm@$")
    assert server.say(b"S@GetInfo@A@$") == [b"A@AckGetInfo@tz=120|gsm=n.a.@$"]
    assert server.say(b"S@GetInfo@C@$S@AuthOk@$rubbish$\r\n@$") == []


def test_a_server_that_ends_its_answers_with_line_ends_is_understood() -> None:
    server = Server()
    server.connect()
    server.see(1)
    assert len(server.say(b"S@AckPong@Version2.1@\r\n")) == 1


def test_version_1_goes_step_by_step_with_thirty_records() -> None:
    server = Server()
    server.connect()
    server.see(*range(1, 71))
    [first] = server.say(V1)
    assert len(reads_of(first)) == 30
    assert first.endswith(b"@1@$")
    assert server.wait(10) == []
    [second] = server.ack("Store", 1)
    assert numbers_of([second]) == [2]
    assert server.ack("Store", 2) == []  # not before 0.3 s have passed
    [third] = server.wait(0.3)
    server.ack("Store", 3)
    assert server.wait(60) == []
    seen = reads_of(first + second + third)
    assert [read.chip for read in seen] == [DRIVER.example_chip(n) for n in range(1, 71)]
    assert {read.form for read in seen} == {StampForm.NAIVE}


def test_version_2_has_ten_on_their_way_and_swaps_some() -> None:
    server = Server()
    server.connect()
    server.see(*range(1, 1_201))
    came = server.say(V2)
    assert numbers_of(came) == [2, 1, *range(3, 11)]
    assert {len(reads_of(frame)) for frame in came} == {100}
    assert server.wait(5) == []
    assert server.ack("Passing", 2) == []  # the window begins at the oldest
    assert numbers_of(server.ack("Passing", 1)) == [12, 11]
    chips = {read.chip for read in reads_of(b"".join(server.heard))}
    assert chips == {DRIVER.example_chip(n) for n in range(1, 1_201)}


def test_without_swapping_frames_are_in_order() -> None:
    server = Server({"swap": False})
    server.connect()
    server.see(*range(1, 301))
    assert numbers_of(server.say(V2)) == [1, 2, 3]


def test_the_server_chooses_the_fields() -> None:
    server = Server({"zone_min": 60})
    server.connect()
    server.see(7)
    [frame] = server.say(b"S@AckPong@Version2.1@utc|c|t|nonsense|d@$")
    text = frame.split(b"@")[2].decode()
    assert [pair.split("=")[0] for pair in text.split("|")] == ["utc", "c", "t", "d"]
    [read] = reads_of(frame)
    assert read.stamp == sighting(7).stamp
    assert told_of(frame)["utc_offset_min"] == 60


def test_default_fields_are_those_of_the_manual() -> None:
    server = Server()
    server.connect()
    server.see(7)
    [frame] = server.say(V2)
    keys = [pair.split("=")[0] for pair in frame.split(b"@")[2].decode().split("|")]
    assert keys == ["c", "ct", "t", "d", "l", "dv", "re", "an", "g", "b", "n"]


@pytest.mark.parametrize("hello", [V1, b"S@AckPong@@Version2.1@$", b"S@AckPong@Version3@$"])
def test_only_the_exact_words_give_version_2(hello: bytes) -> None:
    server = Server()
    server.connect()
    server.see(1)
    [frame] = server.say(hello)
    assert b"@Store@" in frame


def test_an_old_toolkit_stays_in_version_1() -> None:
    server = Server({"version": 1})
    server.connect()
    server.see(1)
    [frame] = server.say(V2)
    assert b"@Store@" in frame


def test_a_later_answer_without_version_sets_it_back() -> None:
    server = Server()
    server.connect()
    server.see(1)
    [frame] = server.say(V2)
    [again] = server.say(V1)
    assert (b"@Passing@" in frame, b"@Store@" in again) == (True, True)
    assert numbers_of([frame, again]) == [1, 2]


@pytest.mark.parametrize(("hello", "function"), [(V1, "Store"), (V2, "Passing")])
def test_what_is_not_acknowledged_comes_again_every_twenty_seconds(
    hello: bytes, function: str
) -> None:
    server = Server()
    server.connect()
    server.see(1, 2, 3)
    [frame] = server.say(hello)
    assert server.wait(19.9) == []
    assert server.wait(0.1) == [frame]
    assert server.wait(20) == [frame]
    server.ack(function, 99)
    assert server.wait(20) == [frame]
    server.ack(function, 1)
    assert server.wait(60) == []


def test_after_a_reconnect_numbers_begin_anew_with_all_that_is_owed() -> None:
    server = Server()
    server.connect()
    server.see(1)
    server.say(V2)
    server.see(2)
    server.see(3)
    server.ack("Passing", 2)  # 1 is still owed, and so is everything from there on
    server.cut()
    server.see(4)
    assert server.connect() == [b"Finish@Pong@$"]
    came = server.say(V2)
    assert numbers_of(came) == [1]
    assert [read.chip for read in reads_of(b"".join(came))] == [
        DRIVER.example_chip(n) for n in range(1, 5)
    ]
    server.ack("Passing", 1)
    server.cut()
    server.connect()
    assert server.say(V2) == []


def test_locations_by_antenna_do_not_share_a_frame() -> None:
    server = Server({"locations": "Start,Finish", "swap": False})
    server.connect()
    server.see(1, 2)
    server.see(3, antenna=2)
    server.see(4, antenna=3)
    came = server.say(V2)
    assert [frame.split(b"@")[0] for frame in came] == [b"Start", b"Finish", b"Start"]
    assert [len(reads_of(frame)) for frame in came] == [2, 1, 1]


@pytest.mark.parametrize(("hello", "function"), [(V1, b"@Store@"), (V2, b"@Passing@")])
def test_a_marker_goes_first_and_version_1_waits_for_it(hello: bytes, function: bytes) -> None:
    server = Server({"marker_first": True, "zone_min": 240})
    server.connect()
    server.see(1)
    came = server.say(hello)
    [marker] = markers_of(came[0]) or markers_of(came[1])
    assert (marker.name, marker.unit) == ("gun", "Finish")
    assert marker.stamp == START_NS + 240 * 60 * NS_PER_S
    if hello == V1:
        assert len(came) == 1
        server.ack("Marker", 1)
        came += server.wait(0.3)
    assert sum(function in frame for frame in came) == 1


def test_a_marker_not_acknowledged_is_owed_after_a_reconnect() -> None:
    server = Server()
    server.connect()
    server.say(V2)
    server.mark("button")
    server.mark("gun")
    server.ack("Marker", 1)
    server.cut()
    server.connect()
    [frame] = server.say(V2)
    assert [marker.name for marker in markers_of(frame)] == ["gun"]


def test_login_goes_first() -> None:
    server = Server({"user": "me", "password": "word"})
    assert server.connect() == [b"Toolkit@AckAuth@me@word$", b"Finish@Pong@$"]


def test_a_new_connection_takes_the_place_of_the_old_one() -> None:
    emulator = MylapsEmulator({})
    emulator.connected(1, MAIN, START_NS)
    assert Out(client=1, close=True) in emulator.connected(2, MAIN, START_NS)
    emulator.disconnected(1)
    assert emulator.received(1, b"S@Ping@$", START_NS) == []
    assert emulator.received(2, b"S@Ping@$", START_NS) == [Out(b"Finish@AckPing@$\r\n", 2)]


def test_an_exporter_goes_on_where_another_one_was_acknowledged() -> None:
    shelf = Shelf()
    for number in range(1, 251):
        shelf.add(sighting(number))
    first = Exporter(shelf, Setup(swap=False))
    first.begin(START_NS)
    first.heard(V2, START_NS)
    first.due(START_NS)
    first.heard(b"S@AckPassing@1@$", START_NS)
    assert first.acknowledged == 100
    second = Exporter(shelf, Setup(), acknowledged=first.acknowledged)
    second.begin(START_NS)
    second.heard(V2, START_NS)
    reads = reads_of(second.due(START_NS))
    assert {read.chip for read in reads} == {DRIVER.example_chip(n) for n in range(101, 251)}


@pytest.mark.parametrize(
    ("options", "allowed"),
    [
        ({"kind": "x"}, "locations, version"),
        ({"locations": "a@b"}, "names without"),
        ({"locations": ""}, "names without"),
        ({"version": 3}, "1 to 2"),
        ({"version": True}, "1 to 2"),
        ({"zone_min": 900}, "-840 to 840"),
        ({"user": "a@b"}, "text without"),
        ({"password": "a$b"}, "text without"),
        ({"resend_s": 0}, "a number above 0"),
        ({"resend_s": "x"}, "a number above 0"),
        ({"resend_s": True}, "a number above 0"),
        ({"swap": 1}, "true, false"),
        ({"marker_first": "yes"}, "true, false"),
    ],
)
def test_options_that_cannot_be(options: dict[str, object], allowed: str) -> None:
    with pytest.raises(ValueError, match="allowed: ") as caught:
        MylapsEmulator(options)
    assert allowed in str(caught.value)


# --- with our session


VARIANTS: list[tuple[dict[str, object], dict[str, object]]] = [
    ({}, {}),
    ({"version": 1}, {}),
    ({"marker_first": True, "locations": "Start,5K,Finish"}, {}),
    ({"zone_min": -360}, {"version": 1}),
    ({"zone_min": 120}, {"stamps": "local"}),
]


@pytest.mark.parametrize(("theirs", "ours"), VARIANTS)
def test_a_race_with_cable_cuts_loses_nothing_and_doubles_nothing(
    theirs: dict[str, object], ours: dict[str, object]
) -> None:
    pair = Loopback(DRIVER, options=ours, emulator_options=theirs)
    chips = []
    for number in range(1, 301):
        if number % 60 == 1:
            pair.pull()
        if number % 60 == 20:
            pair.plug()  # a session that knows nothing of the one before
        crossed = Sighting(
            chip=DRIVER.example_chip(number), stamp=pair.now_ns, antenna=number % 3 + 1
        )
        chips.append(crossed.chip)
        pair.sight(crossed)
        pair.wait(0.2, 0.1)
    pair.wait(30)
    assert pair.hung_up is None
    assert not [event for event in pair.events if isinstance(event, Rejected)]
    assert {read.chip for read in pair.reads} == set(chips)
    assert len({read.key for read in pair.reads}) == len(chips)
    shift = int(str(theirs.get("zone_min", 0))) * 60 * NS_PER_S
    starts = {read.chip: read for read in pair.reads}
    for number, chip in enumerate(chips):
        read = starts[chip]
        local = read.form is StampForm.NAIVE
        assert read.stamp == START_NS + number * 200 * NS_PER_MS + (shift if local else 0)


def test_what_was_on_its_way_when_the_cable_was_cut_comes_again_as_the_same_reads() -> None:
    pair = Loopback(DRIVER)
    pair.plug()
    pair.wait(5)
    pair.mute = True  # frames are lost, and so are our answers
    for number in range(1, 6):
        pair.sight(sighting(number))
    pair.pull()
    pair.mute = False
    pair.plug()
    pair.wait(5)
    assert [read.chip for read in pair.reads] == [DRIVER.example_chip(n) for n in range(1, 6)]


def test_a_lost_answer_only_makes_a_duplicate() -> None:
    emulator = MylapsEmulator({})
    session = session_of()
    emulator.connected(1, MAIN, START_NS)
    emulator.received(1, V2, START_NS)
    [out] = emulator.sighted(sighting(1))
    first = session.feed(out.data)  # and nothing goes back
    [again] = emulator.tick(START_NS + 20 * NS_PER_S)
    second = session.feed(again.data)
    assert first == second
    [ack] = [event for event in second if isinstance(event, Send)]
    emulator.received(1, ack.data, START_NS + 20 * NS_PER_S)
    assert emulator.tick(START_NS + 60 * NS_PER_S) == []


def test_health_reaches_the_status() -> None:
    pair = Loopback(DRIVER, emulator_options={"locations": "Start,Finish"})
    pair.plug()
    pair.wait(20)
    fields: dict[str, object] = {}
    for event in pair.events:
        if isinstance(event, Status):
            fields |= event.fields
    assert fields["locations"] == ["Start", "Finish"]
    assert (fields["battery"], fields["mains"], fields["race"]) == (87, True, "Rehearsal")
    assert {"device Start/BibTagDecoder0000", "device Finish/BibTagDecoder0001"} <= set(fields)
    assert [e.extra["locations"] for e in pair.events if isinstance(e, Control)
            and e.note == "locations"] == [["Start", "Finish"]]  # fmt: skip


def test_a_gun_reaches_the_journal_once() -> None:
    pair = Loopback(DRIVER)
    pair.plug()
    pair.wait(5)
    pair.mark("gun")
    pair.wait(50)
    markers = [event for event in pair.events if isinstance(event, Marker)]
    assert [(marker.name, marker.unit) for marker in markers] == [("gun", "Finish")]


def test_reads_name_their_place() -> None:
    pair = Loopback(DRIVER, emulator_options={"locations": "Start,Finish"})
    pair.plug()
    pair.wait(5)
    pair.sight(sighting(1, antenna=1))
    pair.sight(sighting(2, antenna=2))
    pair.wait(5)
    assert [read.unit for read in pair.reads] == ["Start", "Finish"]
