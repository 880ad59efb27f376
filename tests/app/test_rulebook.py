"""Every key of a race reaches the rules."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.adapters.config_files import config_of
from bridge.app.config import Config
from bridge.app.registry import Registry
from bridge.app.rulebook import rules_of
from bridge.app.zones import instant
from bridge.domain.reads import NS_PER_S
from bridge.domain.rules import (
    ClockPolicy,
    EventRules,
    LocationRules,
    Method,
    Point,
    Rounding,
    Rules,
    TimeKind,
)
from bridge.errors import ConfigError
from drivers import BUILTIN

DRIVERS = Registry(BUILTIN)
HEAD = '[bridge]\nsite = "box"\ntimezone = "America/Denver"\n'
COURSE = 'course = [{ location = "start" }, { location = "finish" }]\n'
EVENT = f'[[event]]\nid = 7\nname = "10K"\n{COURSE}'
READER = '[[reader]]\nname = "r"\ndriver = "ipico"\nlocation = "finish"\nurl = "tcp://h:1"\n'


def config(text: str) -> Config:
    return config_of(text, Path("/bridge.toml"), {}, DRIVERS).config


def rules(text: str, race_zone: str | None = None) -> Rules:
    return rules_of(config(text), race_zone, DRIVERS)


def event(keys: str) -> EventRules:
    return rules(HEAD + EVENT + keys).events[0]


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp()) * NS_PER_S


def test_an_event_with_nothing_said_has_the_defaults() -> None:
    assert event("") == EventRules(
        id=7,
        name="10K",
        course=(Point(location="start"), Point(location="finish")),
        start_window_ns=900 * NS_PER_S,
    )


@pytest.mark.parametrize(
    ("keys", "attribute", "value"),
    [
        ('place_by = "chip"', "place_by", TimeKind.CHIP),
        ("share_places = false", "share_places", False),
        ("decimals = 3", "decimals", 3),
        ('rounding = "nearest"', "rounding", Rounding.NEAREST),
        ('split_time = "clock"', "split_time", TimeKind.CLOCK),
        ("start_window_s = 12.5", "start_window_ns", 12_500_000_000),
        ("gun = 2026-11-21T08:30:00", "gun", utc("2026-11-21T15:30:00+00:00")),
        ("gun = 2026-11-21T08:30:00+01:00", "gun", utc("2026-11-21T07:30:00+00:00")),
        (
            '[[event.wave]]\nname = "B"\ngun = 2026-07-01T08:00:00\n[[event.wave]]\nname = "C"',
            "wave_guns",
            {"B": utc("2026-07-01T14:00:00+00:00")},
        ),
    ],
)
def test_each_key_of_an_event_reaches_its_rules(keys: str, attribute: str, value: object) -> None:
    assert getattr(event(keys), attribute) == value
    assert getattr(event(""), attribute) != value


def test_each_key_of_a_point_reaches_the_course() -> None:
    points = (
        '{ location = "5k", split = "5K", distance_m = 5000, min_time_s = 600.5, max_time_s = 9e3 }'
    )
    text = HEAD + EVENT.replace('{ location = "finish" }', points)
    assert rules(text).events[0].course[1] == Point(
        location="5k",
        split="5K",
        distance_m=5000.0,
        min_ns=600_500_000_000,
        max_ns=9_000 * NS_PER_S,
    )


def test_every_location_named_anywhere_has_rules_with_the_last_read_at_starts_only() -> None:
    spare = READER.replace('"finish"', '"tent"')
    made = rules(HEAD + EVENT + spare)
    assert {name: location.method for name, location in made.locations.items()} == {
        "start": Method.LAST,
        "finish": Method.FIRST,
        "tent": Method.FIRST,
    }
    assert made.served == {"tent"}


def test_a_mat_that_is_start_and_finish_takes_the_first_read() -> None:
    text = HEAD + EVENT.replace('"start"', '"finish"')
    made = rules(text)
    assert made.locations["finish"].method is Method.FIRST
    assert made.events[0].start == made.events[0].finish == "finish"
    assert made.events[0].start_window_ns == made.min_finish_ns == 300 * NS_PER_S


@pytest.mark.parametrize(
    ("key", "attribute", "value"),
    [
        ('method = "strongest"', "method", Method.STRONGEST),
        ("quiet_s = 2.5", "quiet_ns", 2_500_000_000),
        ("stray_s = 20", "stray_ns", 20 * NS_PER_S),
        ("min_gap_s = 0", "min_gap_ns", 0),
    ],
)
def test_each_key_of_a_location_reaches_its_rules(key: str, attribute: str, value: object) -> None:
    made = rules(f'{HEAD}{EVENT}[[location]]\nname = "start"\n{key}\n').locations["start"]
    assert getattr(made, attribute) == value
    assert getattr(LocationRules(name="start", method=Method.LAST), attribute) != value


@pytest.mark.parametrize(
    ("key", "attribute", "value"),
    [
        ("priority = 2", "priority", 2),
        ("offset_ms = -40", "offset_ns", -40_000_000),
        ('clock = "reader"', "clock", ClockPolicy.READER),
        ('clock = "arrival"', "clock", ClockPolicy.ARRIVAL),
        ('timezone = "Europe/Berlin"', "zone", "Europe/Berlin"),
        ("gun_for = [7]", "gun_for", (7,)),
    ],
)
def test_each_key_of_a_reader_reaches_its_rules(key: str, attribute: str, value: object) -> None:
    plain = rules(HEAD + EVENT + READER).readers["r"]
    assert getattr(rules(HEAD + EVENT + READER + key).readers["r"], attribute) == value
    assert getattr(plain, attribute) != value
    assert plain.clock is ClockPolicy.CORRECTED
    assert plain.zone == "America/Denver"


def test_the_clock_of_a_log_cannot_be_asked_so_its_times_are_taken() -> None:
    log = re.sub(r'url = ".*"', 'url = "file:///var/log/reads.log"', READER)
    assert rules(HEAD + EVENT + log).readers["r"].clock is ClockPolicy.READER


def test_the_configured_zone_goes_before_the_races() -> None:
    keys = "gun = 2026-11-21T08:30:00\n"
    text = HEAD + '[provider]\nkind = "runsignup"\nrace_id = 1\n' + EVENT + keys + READER
    without = text.replace('timezone = "America/Denver"\n', "")
    assert rules(text, "Europe/Berlin").readers["r"].zone == "America/Denver"
    told = rules(without, "Europe/Berlin")
    assert told.readers["r"].zone == "Europe/Berlin"
    assert told.events[0].gun == utc("2026-11-21T07:30:00+00:00")


def test_without_any_zone_no_local_gun_is_guessed() -> None:
    keys = "gun = 2026-11-21T08:30:00\n[[event.wave]]\nname = 'B'\ngun = 2026-11-21T08:31:00Z\n"
    text = '[bridge]\nsite = "box"\n[provider]\nkind = "runsignup"\nrace_id = 1\n' + EVENT + keys
    made = rules(text)
    assert made.events[0].gun is None
    assert made.events[0].wave_guns == {"B": utc("2026-11-21T08:31:00+00:00")}


def test_a_time_that_comes_twice_is_its_first_coming_unless_it_says_which() -> None:
    wall = datetime.fromisoformat("2026-11-01T01:30:00")
    assert instant(wall, "America/Denver") == utc("2026-11-01T07:30:00+00:00")
    said = datetime.fromisoformat("2026-11-01T01:30:00-07:00")
    assert instant(said, "America/Denver") == utc("2026-11-01T08:30:00+00:00")


def test_a_time_that_never_comes_is_as_long_after_the_change_as_it_says() -> None:
    wall = datetime.fromisoformat("2026-03-08T02:30:00")
    assert instant(wall, "America/Denver") == utc("2026-03-08T09:30:00+00:00")


def test_instants_keep_the_milliseconds_and_reach_before_1970() -> None:
    wall = datetime.fromisoformat("2026-11-21T08:30:00.123456")
    assert instant(wall, "UTC") % NS_PER_S == 123_456_000
    assert instant(datetime.fromisoformat("1969-12-31T23:59:59.5"), "UTC") == -500_000_000


def test_a_driver_that_is_not_there_is_told() -> None:
    made = config(HEAD + READER)
    with pytest.raises(ConfigError, match="There is no driver 'ipico'"):
        rules_of(made, None, Registry({}))
