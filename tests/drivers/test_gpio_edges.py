"""Edges of input lines: what is an impulse, what only bounces, and what each is called."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.reads import NS_PER_MS, NS_PER_S, StampForm
from bridge.driver_api import Control, Event, Marker, Opening, Read, Reason, Rejected, Sighting
from drivers.gpio import DRIVER
from tests.support.loopback import Loopback

EDGES = (Path(__file__).parents[1] / "vectors" / "gpio" / "gun_button_beam.txt").read_bytes()
T0 = 1_778_320_800_000_000_000
"""2026-05-09T10:00:00Z."""
RACE: Mapping[str, object] = {
    "guns": [17],
    "buttons": [22],
    "falling": [17],
    "names": {"27": "finish"},
}


def events_of(options: Mapping[str, object], data: bytes) -> list[Event]:
    assert DRIVER.check_options(options) == []
    return DRIVER.session(Opening(options=options, link="gpio")).feed(data)


def edge(line: int, level: int, ms: int) -> bytes:
    return b"%d,%d,%d\n" % (line, level, T0 + ms * NS_PER_MS)


def test_a_race_on_three_lines() -> None:
    events = events_of(RACE, EDGES)
    told = [
        (event.name if isinstance(event, Marker) else str(event.chip), event.stamp - T0, event.unit)
        for event in events
        if isinstance(event, Marker | Read)
    ]
    assert told == [
        ("gun", 123, "17"),
        ("finish#100015123456", 15 * NS_PER_S + 123_456_789, "finish"),
        ("finish#100017200000", 17_200 * NS_PER_MS, "finish"),
        ("button", 20 * NS_PER_S, "22"),
        ("gun", 30 * NS_PER_S, "17"),
    ]
    rest = [event for event in events if not isinstance(event, Marker | Read)]
    assert {event.note for event in rest if isinstance(event, Control)} == {
        "edge to the level at rest",
        "edge within the dead time",
    }
    assert b"".join(event.raw for event in events if hasattr(event, "raw")) == EDGES


def test_an_impulse_is_known_by_line_and_time() -> None:
    [read, _] = events_of({}, edge(4, 1, 0) + edge(4, 0, 1))
    assert isinstance(read, Read)
    assert (read.chip, read.key, read.form) == ("4#100000000000", f"4/{T0}", StampForm.UTC)
    details = DRIVER.extra
    assert details(read.raw) == {"line": 4, "ns": T0}
    assert details(b"noise") == {}
    [gun] = events_of({"guns": [4]}, edge(4, 1, 0))
    assert isinstance(gun, Marker)
    assert (gun.key, gun.form, gun.extra) == (f"4/{T0}", StampForm.UTC, {"line": 4})


@pytest.mark.parametrize(
    ("options", "impulses"),
    [({}, [0, 2_000]), ({"dead_time_ms": 0}, [0, 1_999, 2_000]), ({"dead_time_ms": 2_001}, [0])],
)
def test_the_dead_time_counts_from_the_impulse(
    options: Mapping[str, object], impulses: list[int]
) -> None:
    data = b"".join(edge(4, 1, ms) + edge(4, 0, ms) for ms in (0, 1_999, 2_000))
    reads = [event for event in events_of(options, data) if isinstance(event, Read)]
    assert [(read.stamp - T0) // NS_PER_MS for read in reads] == impulses


def test_each_line_rests_by_itself_and_a_clock_set_back_silences_none() -> None:
    data = edge(4, 1, 5_000) + edge(5, 1, 5_001) + edge(4, 1, 1_000)
    assert all(isinstance(event, Read) for event in events_of({}, data))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"4,2,5\n", Reason.FRAMING),
        (b"1024,1,5\n", Reason.FIELD),
        (b"4,1,9999999999999999999\n", Reason.FIELD),
        (b"4" * 64, Reason.OVERLONG),
    ],
)
def test_what_is_no_edge_says_why(line: bytes, reason: Reason) -> None:
    [event] = events_of({}, line)
    assert isinstance(event, Rejected)
    assert event.reason is reason
    assert isinstance(events_of({}, b"\r\n")[0], Control)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"guns": 17}, "option 'guns' is 17; allowed: a list of lines"),
        ({"falling": [-1]}, "option 'falling'"),
        ({"beams": [True]}, "option 'beams'"),
        ({"guns": [17], "beams": [17]}, "line 17 is named twice"),
        ({"names": {"x": "finish"}}, "option 'names'"),
        ({"names": {"5": " "}}, "option 'names'"),
        ({"names": [5]}, "option 'names'"),
        ({"dead_time_ms": 60_001}, "allowed: 0 to 60000"),
        ({"dead_time_ms": True}, "allowed: 0 to 60000"),
        ({"edge": "rising"}, "unknown option 'edge'; allowed: guns, buttons"),
    ],
)
def test_a_wrong_option_is_refused(options: Mapping[str, object], said: str) -> None:
    [complaint] = DRIVER.check_options(options)
    assert said in complaint


@given(gaps=st.lists(st.integers(2_000, 9_000), min_size=1, max_size=6), bounces=st.integers(0, 9))
@settings(max_examples=30, deadline=None)
def test_an_emulated_contact_bounces_and_counts_once(gaps: list[int], bounces: int) -> None:
    pair = Loopback(DRIVER, emulator_options={"bounces": bounces, "beam": 5}, start_ns=T0)
    pair.plug()
    stamps = [T0 + sum(gaps[:n]) * NS_PER_MS for n in range(1, len(gaps) + 1)]
    for stamp in stamps:
        pair.sight(Sighting(chip=DRIVER.example_chip(1), stamp=stamp))
    assert [read.stamp for read in pair.reads] == stamps
    assert {read.unit for read in pair.reads} == {"5"}
    edges = [event for event in pair.events if isinstance(event, Control)]
    assert len(edges) == len(gaps) * (2 * bounces + 1)


def test_an_emulated_gun_and_button() -> None:
    emulator = DRIVER.emulator({"gun": 6, "pulse_ms": 20})
    pair = Loopback(DRIVER, options={"guns": [6], "buttons": [22]}, emulator=emulator)
    pair.plug()
    pair.mark("gun")
    pair.mark("button")
    pair.mark("photo")
    names = [event.name for event in pair.events if isinstance(event, Marker)]
    assert names == ["gun", "button"]
    told = DRIVER.session(Opening()).feed(
        DRIVER.encode(Sighting(chip=DRIVER.example_chip(2), stamp=T0))
    )
    assert [type(event) for event in told] == [Read, Control]


@pytest.mark.parametrize("options", [{"colour": 1}, {"gun": 1_024}, {"pulse_ms": "x"}])
def test_an_emulator_that_cannot_be_made_says_why(options: Mapping[str, object]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        DRIVER.emulator(options)
