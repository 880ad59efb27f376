"""Setting a reader up for timing: what is sent, in which order, and what is left alone."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Event, Remember, Send, Sighting, Status
from drivers.llrp import DRIVER, facts, orders
from drivers.llrp.options import complaints, parse
from drivers.llrp.orders import ROSPEC_ID
from drivers.llrp.wire import HEADER_LEN, Msg, Par, message, status, tlv, u16, u32
from tests.support.llrp import START_NS, Line, Talk, asked, greeting, kinds, rospecs

VECTORS = Path(__file__).parents[1] / "vectors" / "llrp"
FRAMES: dict[str, dict[str, Any]] = {
    frame["id"]: frame for frame in json.loads((VECTORS / "frames.json").read_text())
}
R420 = bytes.fromhex(FRAMES["edgex-caps-r420"]["wire"])[HEADER_LEN:]
CHANGES = {
    Msg.SET_READER_CONFIG,
    Msg.ADD_ROSPEC,
    Msg.DELETE_ROSPEC,
    Msg.ENABLE_ROSPEC,
    Msg.START_ROSPEC,
    Msg.STOP_ROSPEC,
    Msg.DISABLE_ROSPEC,
}
GOLDEN_CONFIG = (
    "040300000070000000650000f4002700f5000700018000f5000700028000f5000700038000f5000700048000f500"
    "0700088000dc000901000007d000e100080001800200e100080002800200e100080003800200e100080004800200"
    "e200058003ff00100000651a0000002600010003"
)
GOLDEN_IMPINJ = (
    "0414000000a60000006600b1009c00003746000000b2001200b300050000b60009000000000000b7005400040001"
    "00020003000400b80009000000000000ba003d00010100de0036000000e0000a000100000051014a002600014f00"
    "0803e800000150000b8000200000000003ff000e0000651a00000017000200ed002c02000100ee000b1780015c00"
    "050003ff001a0000651a0000003203ff000e0000651a000000350001"
)
GOLDEN_PLAIN = (
    "0414000000500000006600b1004600003746000000b2001200b300050000b60009000000000000b7001800010000"
    "00b80009000000000000ba000700010100ed001202000100ee000b1780015c000500"
)


def state(value: int) -> bytes:
    return tlv(Par.STATE_VALUE, u32(value))


def capable(talk: Talk, caps: bytes = R420) -> None:
    """Greet, and tell what the reader can do."""
    talk.says(greeting())
    talk.says(message(Msg.GET_READER_CAPABILITIES_RESPONSE, talk.last_id(), caps))


def up_to_rospecs(talk: Talk, value: int = 7) -> None:
    """Let an Impinj reader answer until it is asked for its ROSpecs."""
    capable(talk)
    extended = u32(25_882) + b"\x16" + status()
    talk.says(message(Msg.CUSTOM_MESSAGE, talk.last_id(), extended))
    talk.answers(Msg.GET_READER_CONFIG_RESPONSE, state(value))


def set_up(talk: Talk, *, value: int = 8) -> None:
    """Let the rest of the setup succeed, from the drain on."""
    if asked(talk.events)[-1] is Msg.GET_REPORT:
        talk.waits(3)
    talk.answers(Msg.SET_READER_CONFIG_RESPONSE)
    if asked(talk.events)[-1] is Msg.DELETE_ROSPEC:
        talk.answers(Msg.DELETE_ROSPEC_RESPONSE)
    for kind in (Msg.ADD_ROSPEC_RESPONSE, Msg.ENABLE_ROSPEC_RESPONSE, Msg.START_ROSPEC_RESPONSE):
        talk.answers(kind)
    talk.answers(Msg.GET_READER_CONFIG_RESPONSE, state(value))


# -- orders as bytes -------------------------------------------------------------------------------


def test_the_orders_are_those_that_other_readers_accepted() -> None:
    r420 = facts.capabilities(R420)
    assert orders.set_config(101, r420).hex() == GOLDEN_CONFIG
    impinj = orders.plan(parse({"antennas": [1, 2, 3, 4], "power_dbm": 30}), r420)
    assert orders.add_rospec(102, impinj.rospec).hex() == GOLDEN_IMPINJ
    plain = orders.plan(parse({}), facts.Capabilities())
    assert orders.add_rospec(102, plain.rospec).hex() == GOLDEN_PLAIN
    assert impinj.complaints == plain.complaints == ()


def test_each_antenna_may_have_a_power_of_its_own() -> None:
    r420 = facts.capabilities(R420)
    spec = orders.plan(parse({"power_dbm": [30, 27.6, 10]}), r420).rospec
    wanted = [(1, 81), (2, 71), (3, 1)]
    for port, index in wanted:
        power = tlv(Par.RF_TRANSMITTER, u16(1), u16(0), u16(index))
        assert u16(port) + power in spec
    assert spec.count(tlv(Par.RF_TRANSMITTER, b"")[:2]) >= 3
    assert spec.count(u16(Par.INVENTORY_COMMAND) + u16(38)) == 4, "antenna 4 keeps its own power"


def test_options_change_how_tags_are_called() -> None:
    r420 = facts.capabilities(R420)
    chosen = {"session": 1, "mode": 1003, "search": "single", "population": 256}
    spec = orders.plan(parse(chosen), r420).rospec
    assert tlv(Par.RF_CONTROL, u16(1003), u16(0)) in spec
    assert tlv(Par.SINGULATION, b"\x40", u16(256), u32(0)) in spec
    assert spec.endswith(bytes.fromhex("03ff001a0000651a0000003203ff000e0000651a000000350001"))
    more = orders.plan(parse({"phase": True, "doppler": True, "tid": True}), r420).rospec
    for subtype in (51, 52, 53, 67):
        assert u32(25_882) + u32(subtype) + u16(1) in more


def test_wishes_a_reader_cannot_fulfil_are_told() -> None:
    r420 = facts.capabilities(R420)
    plan = orders.plan(parse({"mode": 77, "power_dbm": 5}), r420)
    assert [text.split(";")[0].split(":")[0] for text in plan.complaints] == [
        "RF mode 77 is not offered here",
        "5 dBm cannot be set on this reader",
    ]
    other = facts.Capabilities(vendor=161)
    plan = orders.plan(parse({"search": "dual", "phase": True, "power_dbm": 30}), other)
    assert len(plan.complaints) == 3
    assert plan.rospec == orders.plan(parse({}), other).rospec


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "fast"},
        {"session": 4},
        {"power_dbm": [30, "x"]},
        {"power_dbm": True},
        {"antennas": [0]},
        {"search": "tagfocus"},
        {"gun_edge": "up"},
        {"phase": 1},
        {"take-over": True},
        {"population": 0},
        {"configure": "no"},
    ],
)
def test_options_are_checked(options: dict[str, object]) -> None:
    [complaint] = complaints(options)
    assert "allowed" in complaint


def test_good_options_are_taken() -> None:
    good = {
        "mode": 1002, "session": 0, "power_dbm": [30, 27.5], "antennas": [1, 2], "search": "dual",
        "gun_gpi": 2, "gun_edge": "falling", "phase": True, "population": 64, "configure": False,
    }  # fmt: skip
    assert complaints(good) == []


# -- the dialogue ----------------------------------------------------------------------------------


def test_nothing_is_said_before_the_reader_has_spoken() -> None:
    talk = Talk()
    assert talk.events == []
    talk.waits(3)
    assert asked(talk.events) == []
    talk.says(greeting())
    assert asked(talk.events) == [Msg.GET_READER_CAPABILITIES]


def test_a_whole_setup_in_its_order() -> None:
    talk = Talk()
    up_to_rospecs(talk)
    talk.answers(Msg.GET_ROSPECS_RESPONSE)
    set_up(talk)
    assert asked(talk.events) == [
        Msg.GET_READER_CAPABILITIES,
        Msg.CUSTOM_MESSAGE,
        Msg.GET_READER_CONFIG,
        Msg.GET_ROSPECS,
        Msg.ENABLE_EVENTS_AND_REPORTS,
        Msg.GET_REPORT,
        Msg.SET_READER_CONFIG,
        Msg.ADD_ROSPEC,
        Msg.ENABLE_ROSPEC,
        Msg.START_ROSPEC,
        Msg.ENABLE_EVENTS_AND_REPORTS,
        Msg.GET_READER_CONFIG,
    ]
    assert talk.memory() is not None
    assert talk.alarms() == {}
    health = {}
    for event in talk.events:
        health |= event.fields if isinstance(event, Status) else {}
    assert (health["maker"], health["firmware"]) == ("Impinj", "5.14.0.240")
    assert health["operating"] is True
    [config] = bodies(talk.events, Msg.SET_READER_CONFIG)
    assert config[0] == 0, "never reset to factory settings"


def bodies(events: list[Event], kind: Msg) -> list[bytes]:
    sends = [event.data for event in events if isinstance(event, Send)]
    return [data[HEADER_LEN:] for data in sends if kinds(data) == [kind]]


def test_a_setup_that_is_intact_is_only_told_to_go_on() -> None:
    first = Talk()
    up_to_rospecs(first)
    first.answers(Msg.GET_ROSPECS_RESPONSE)
    set_up(first, value=8)
    again = Talk(memory=first.memory())
    up_to_rospecs(again, value=8)
    again.answers(Msg.GET_ROSPECS_RESPONSE, rospecs((ROSPEC_ID, 2)))
    again.waits(2)
    assert asked(again.events)[-1] is Msg.ENABLE_EVENTS_AND_REPORTS
    assert not CHANGES & set(asked(again.events))


@pytest.mark.parametrize("changed", ["state", "options", "stopped", "memory"])
def test_anything_else_is_set_up_after_the_kept_reads_have_come(changed: str) -> None:
    first = Talk()
    up_to_rospecs(first)
    first.answers(Msg.GET_ROSPECS_RESPONSE)
    set_up(first, value=8)
    memory = "{" if changed == "memory" else first.memory()
    again = Talk({"session": 1} if changed == "options" else {}, memory=memory)
    up_to_rospecs(again, value=9 if changed == "state" else 8)
    state_now = 1 if changed == "stopped" else 2
    again.answers(Msg.GET_ROSPECS_RESPONSE, rospecs((ROSPEC_ID, state_now)))
    assert not CHANGES & set(asked(again.events))
    for number in range(4):  # kept reads keep coming: not yet
        again.says(DRIVER.encode(kept_back(number)))
        again.waits(1)
        assert not CHANGES & set(asked(again.events))
    again.waits(2)
    assert asked(again.events)[-1] is Msg.SET_READER_CONFIG


def test_kept_reads_are_seen_to_come_whatever_stands_behind_them() -> None:
    talk = Talk()
    up_to_rospecs(talk)
    talk.answers(Msg.GET_ROSPECS_RESPONSE, rospecs((ROSPEC_ID, 2)))
    for number in range(4):
        talk.says(DRIVER.encode(kept_back(number)), message(Msg.KEEPALIVE, number))
        talk.waits(1)
        assert not CHANGES & set(asked(talk.events))
    talk.waits(2)
    assert asked(talk.events)[-1] is Msg.SET_READER_CONFIG


def kept_back(number: int) -> Sighting:
    return Sighting(chip=DRIVER.example_chip(number), stamp=START_NS - 60 * NS_PER_S + number)


def test_a_reader_that_forgot_everything_is_set_up_at_once() -> None:
    talk = Talk(memory='{"state": 7, "setup": 1}')
    up_to_rospecs(talk)
    talk.answers(Msg.GET_ROSPECS_RESPONSE)
    assert asked(talk.events)[-1] is Msg.SET_READER_CONFIG


def test_a_reader_that_never_stops_reporting_is_set_up_all_the_same() -> None:
    talk = Talk()
    up_to_rospecs(talk)
    talk.answers(Msg.GET_ROSPECS_RESPONSE, rospecs((1, 2)))
    for number in range(12):
        talk.says(DRIVER.encode(kept_back(number)))
        talk.waits(1)
    assert asked(talk.events)[-1] is Msg.SET_READER_CONFIG


def test_rospecs_of_others_are_left_alone_and_told() -> None:
    talk = Talk()
    up_to_rospecs(talk)
    talk.answers(Msg.GET_ROSPECS_RESPONSE, rospecs((1, 1)))
    talk.waits(3)
    talk.answers(Msg.SET_READER_CONFIG_RESPONSE)
    refused = "only one ROSpec"
    talk.answers(Msg.ADD_ROSPEC_RESPONSE, code=105, why=refused)
    talk.answers(Msg.ADD_ROSPEC_RESPONSE, code=105, why=refused)
    assert Msg.DELETE_ROSPEC not in asked(talk.events)
    assert "ROSpec 1 of another program" in talk.alarms()["not_recording"]
    assert refused in talk.alarms()["not_recording"]
    for _ in range(11):
        talk.says(message(Msg.KEEPALIVE, 1))
        talk.waits(3)
    assert asked(talk.events).count(Msg.GET_ROSPECS) == 2, "the person may have deleted it by now"
    for _ in range(3):
        talk.says(message(Msg.KEEPALIVE, 1))
        talk.waits(3)
    assert asked(talk.events)[-2:] == [Msg.SET_READER_CONFIG, Msg.KEEPALIVE_ACK]
    talk.says(message(Msg.SET_READER_CONFIG_RESPONSE, 0, status()))
    talk.says(message(Msg.DELETE_ROSPEC_RESPONSE, 0, status(101)))
    for kind in (Msg.ADD_ROSPEC_RESPONSE, Msg.ENABLE_ROSPEC_RESPONSE, Msg.START_ROSPEC_RESPONSE):
        talk.says(message(kind, 0, status()))
    talk.answers(Msg.GET_READER_CONFIG_RESPONSE, state(1))
    assert talk.alarms() == {}


def test_rospecs_of_others_go_where_we_are_told_to_take_over() -> None:
    talk = Talk({"take_over": True})
    up_to_rospecs(talk)
    talk.answers(Msg.GET_ROSPECS_RESPONSE, rospecs((1, 1), (2, 0)))
    talk.waits(3)
    talk.answers(Msg.SET_READER_CONFIG_RESPONSE)
    talk.answers(Msg.DELETE_ROSPEC_RESPONSE)
    talk.answers(Msg.DELETE_ROSPEC_RESPONSE)
    assert bodies(talk.events, Msg.DELETE_ROSPEC) == [u32(1), u32(2)]
    assert asked(talk.events)[-1] is Msg.ADD_ROSPEC


def test_refused_radio_settings_leave_the_reader_its_own() -> None:
    talk = Talk({"power_dbm": 20})
    up_to_rospecs(talk)
    talk.answers(Msg.GET_ROSPECS_RESPONSE)
    talk.waits(3)
    talk.answers(Msg.SET_READER_CONFIG_RESPONSE, code=101, why="GPI")
    talk.answers(Msg.SET_READER_CONFIG_RESPONSE)
    talk.answers(Msg.ADD_ROSPEC_RESPONSE, code=100, why="RFTransmitter.ChannelIndex")
    plain = orders.add_rospec(talk.last_id(), orders.plan(parse({}), facts.Capabilities()).rospec)
    assert isinstance(talk.events[-1], Send)
    assert talk.events[-1].data == plain
    for kind in (Msg.ADD_ROSPEC_RESPONSE, Msg.ENABLE_ROSPEC_RESPONSE, Msg.START_ROSPEC_RESPONSE):
        talk.answers(kind)
    talk.answers(Msg.GET_READER_CONFIG_RESPONSE, state(1))
    assert "RFTransmitter.ChannelIndex" in talk.alarms()["settings"]
    assert "not_recording" not in talk.alarms()


@pytest.mark.parametrize("failing", [Msg.ADD_ROSPEC, Msg.ENABLE_ROSPEC, Msg.START_ROSPEC])
def test_a_reader_that_does_not_answer_is_given_up_where_it_must(failing: Msg) -> None:
    talk = Talk()
    up_to_rospecs(talk)
    talk.answers(Msg.GET_ROSPECS_RESPONSE)
    talk.waits(3)
    talk.answers(Msg.SET_READER_CONFIG_RESPONSE)
    for kind in (Msg.ADD_ROSPEC, Msg.ENABLE_ROSPEC, Msg.START_ROSPEC):
        if kind is failing:
            break
        talk.answers(Msg(kind + 10))
    for _ in range(7):
        talk.says(message(Msg.KEEPALIVE, 1))
        talk.waits(1)
    assert talk.hangups()


def test_what_a_reader_does_not_know_is_done_without() -> None:
    talk = Talk()
    talk.says(greeting())
    for _ in range(4):  # capabilities, configuration, ROSpecs: an error, a silence, an error
        talk.says(message(Msg.ERROR_MESSAGE, talk.last_id(), status(109, "unsupported")))
        talk.says(message(Msg.KEEPALIVE, 1))
        talk.waits(2)
    assert Msg.SET_READER_CONFIG in asked(talk.events)
    assert talk.hangups() == []


def test_a_silence_of_four_seconds_is_an_answer_too() -> None:
    talk = Talk()
    talk.says(greeting())
    for _ in range(6):
        talk.says(message(Msg.KEEPALIVE, 1))
        talk.waits(1)
    assert asked(talk.events)[-1] is Msg.KEEPALIVE_ACK
    assert Msg.GET_READER_CONFIG in asked(talk.events)


def test_responses_with_ids_of_their_own_are_understood() -> None:
    line = Line(emulator_options={"wrong_ids": True})
    line.plug()
    line.wait(10)
    assert line.hung_up is None
    assert line.reader.reader.rospecs[ROSPEC_ID].is_active


def test_where_nothing_is_to_be_configured_nothing_is() -> None:
    talk = Talk({"configure": False})
    up_to_rospecs(talk)
    for _ in range(30):
        talk.says(message(Msg.KEEPALIVE, 1))
        talk.waits(2)
    assert not CHANGES & set(asked(talk.events))
    assert Msg.ENABLE_EVENTS_AND_REPORTS in asked(talk.events)


def test_a_check_looks_and_touches_nothing() -> None:
    talk = Talk({"mode": 77}, trial=True)
    up_to_rospecs(talk)
    for _ in range(5):
        talk.says(message(Msg.KEEPALIVE, 1))
        talk.waits(1)
    assert set(asked(talk.events)) == {
        Msg.GET_READER_CAPABILITIES,
        Msg.CUSTOM_MESSAGE,
        Msg.GET_READER_CONFIG,
        Msg.KEEPALIVE_ACK,
    }, "what is held back stays in the reader, and nothing is set"
    assert "RF mode 77" in talk.alarms()["settings"]


ZEBRA = {"vendor": "zebra"}


@pytest.mark.parametrize(
    ("options", "emulator_options", "purges"),
    [({"purge_every": 10_000}, ZEBRA, 2), ({}, ZEBRA, 0), ({"purge_every": 10_000}, {}, 0)],
)
def test_a_zebra_is_purged_where_told_to_and_in_a_pause(
    options: dict[str, object], emulator_options: dict[str, object], purges: int
) -> None:
    line = Line(options=options, emulator_options=emulator_options)
    line.plug()
    line.wait(10)
    before = len(line.events)
    for second in range(26):
        for number in range(1_000):
            chip, stamp = DRIVER.example_chip(number), line.now_ns + number
            line.sight(Sighting(chip=chip, stamp=stamp, seq=number))
        line.wait(2 if second in (10, 21) else 1, step_s=1)
        if second == 5:
            assert Msg.CUSTOM_MESSAGE not in line.sent(before)
    assert line.sent(before).count(Msg.CUSTOM_MESSAGE) == purges
    assert len(line.reads) == 26_000
    for event, order in pairwise(line.events[before:]):
        if isinstance(order, Send) and kinds(order.data) == [Msg.CUSTOM_MESSAGE]:
            assert event == Remember(line.memory or ""), "what it waits for, so that reads are safe"


def test_a_zebras_tag_filter_is_switched_off() -> None:
    config = orders.set_config(1, facts.Capabilities(vendor=161))
    assert config.endswith(bytes.fromhex("03ff0010000000a1000000ff00000000"))


# -- the link --------------------------------------------------------------------------------------


@pytest.mark.parametrize("attempt", [1, 2, 3])
def test_a_reader_that_is_taken_is_left(attempt: int) -> None:
    talk = Talk()
    talk.says(greeting(attempt))
    assert talk.hangups()[0].startswith("reader busy")
    assert asked(talk.events) == []


def test_the_holder_hears_of_others_and_stays() -> None:
    talk = Talk()
    talk.says(greeting(), greeting(4))
    assert talk.hangups() == []
    assert "other_client" in talk.alarms()
    for _ in range(160):
        talk.says(message(Msg.KEEPALIVE, 1))
        talk.waits(2)
    assert "other_client" not in talk.alarms()


def test_what_does_not_greet_is_no_llrp_reader() -> None:
    talk = Talk()
    talk.waits(6)
    assert "no LLRP greeting" in talk.hangups()[0]


def test_keepalives_are_answered_with_their_id() -> None:
    talk = Talk()
    [_, send] = talk.says(message(Msg.KEEPALIVE, 4711))
    assert isinstance(send, Send)
    assert send.data == message(Msg.KEEPALIVE_ACK, 4711)


def test_a_quiet_reader_is_asked_and_a_silent_one_is_left() -> None:
    line = Line()
    line.plug()
    line.wait(10)
    line.mute = True
    before = len(line.events)
    line.wait(5)
    assert Msg.GET_READER_CONFIG in line.sent(before)
    assert line.hung_up is None
    line.wait(4)
    assert line.hung_up is not None


def test_a_reader_that_says_goodbye_is_left() -> None:
    talk = Talk()
    talk.says(greeting())
    talk.says(bytes.fromhex(FRAMES["edgex-event-close"]["wire"]))
    assert talk.hangups() == ["the reader closes the connection"]


def test_an_inventory_that_ends_is_begun_again() -> None:
    line = Line()
    line.plug()
    line.wait(10)
    model = line.reader.reader.rospecs[ROSPEC_ID]
    model.lasts_ms = 1
    line.wait(1)
    assert "not_recording" in line.alarms()
    assert not model.is_active
    line.wait(45)
    assert line.reader.reader.rospecs[ROSPEC_ID].is_active
    assert "not_recording" not in line.alarms()


def test_health_is_asked_for_once_a_minute() -> None:
    line = Line()
    line.plug()
    line.wait(10)
    before = len(line.events)
    line.wait(180)
    assert line.sent(before).count(Msg.GET_READER_CONFIG) == 3
    told = [event for event in line.events[before:] if isinstance(event, Status)]
    assert told[-1].fields["temperature_c"] == 41
    assert told[-1].fields["antennas"] == "1111"
