"""From the configuration to the rules the timing maths works by."""

from typing import Protocol

from bridge.app.config import Config, EventTable, LocationTable, PointTable, ReaderTable
from bridge.app.config_course import DEFAULT_MIN_FINISH_S, fastest_shared_finish_s
from bridge.app.sources import all_places
from bridge.app.zones import instant
from bridge.domain.reads import NS_PER_MS, NS_PER_S, StampForm
from bridge.domain.rules import (
    ClockPolicy,
    EventId,
    EventRules,
    LocationRules,
    Method,
    Point,
    ReaderRules,
    Rounding,
    Rules,
    TimeKind,
)
from bridge.driver_api import Driver


class Drivers(Protocol):
    """Where drivers are found: `bridge.app.registry.Registry`."""

    def find(self, name: str) -> Driver:
        """Return the driver called `name`."""
        ...


def rules_of(config: Config, race_zone: str | None, drivers: Drivers) -> Rules:
    """Return the rules of the race.

    `race_zone` is the race's zone as the provider tells it; `bridge.timezone` goes before it. As
    long as there is neither, local gun times are left out rather than guessed, and naive stamps
    are taken for UTC: both follow once the zone is known and the rules are made again.

    Raises:
        ConfigError: A driver is not there.
    """
    zone = config.bridge.timezone or race_zone
    events = tuple(_event(table, zone) for table in config.event)
    return Rules(
        site=config.bridge.site,
        events=events,
        locations=_locations(config, events),
        readers={table.name: _reader(table, zone, drivers) for table in all_places(config)},
        min_finish_ns=_ns(DEFAULT_MIN_FINISH_S),
    )


def _event(table: EventTable, zone: str | None) -> EventRules:
    window_s = table.start_window_s
    fastest_s = fastest_shared_finish_s(table)
    if fastest_s is not None:
        window_s = min(window_s, fastest_s)
    guns = {wave.name: wave.gun for wave in table.wave if wave.gun is not None}
    if table.gun is not None:
        guns[""] = table.gun
    known = {
        name: instant(gun, zone or "UTC")
        for name, gun in guns.items()
        if zone is not None or gun.tzinfo is not None
    }
    return EventRules(
        id=EventId(table.id),
        name=table.name,
        course=tuple(_point(point) for point in table.course),
        start_window_ns=_ns(window_s),
        gun=known.pop("", None),
        wave_guns=known,
        place_by=TimeKind(table.place_by),
        share_places=table.share_places,
        decimals=table.decimals,
        rounding=Rounding(table.rounding),
        split_time=TimeKind(table.split_time),
    )


def _point(table: PointTable) -> Point:
    return Point(
        location=table.location,
        split=table.split,
        distance_m=table.distance_m,
        min_ns=None if table.min_time_s is None else _ns(table.min_time_s),
        max_ns=None if table.max_time_s is None else _ns(table.max_time_s),
    )


def _locations(config: Config, events: tuple[EventRules, ...]) -> dict[str, LocationRules]:
    """Return the rules of every location named anywhere.

    The last crossing of a start mat is the start, so its reads count from the last too; but a mat
    that is also a split or the finish must not take a finisher's last read for his time.
    """
    starts = {event.start for event in events}
    timed = {
        point.location
        for event in events
        for point in (event.course[1:] if event.start else event.course)
    }
    given = {table.name: table for table in config.location}
    names = [*given, *(point.location for event in events for point in event.course)]
    names += [reader.location for reader in all_places(config)]
    return {
        name: _location(
            given.get(name) or LocationTable(name=name),
            Method.LAST if name in starts - timed else Method.FIRST,
        )
        for name in names
    }


def _location(table: LocationTable, usual: Method) -> LocationRules:
    return LocationRules(
        name=table.name,
        method=usual if table.method is None else Method(table.method),
        quiet_ns=_ns(table.quiet_s),
        stray_ns=_ns(table.stray_s),
        min_gap_ns=_ns(table.min_gap_s),
    )


def _reader(table: ReaderTable, zone: str | None, drivers: Drivers) -> ReaderRules:
    return ReaderRules(
        name=table.name,
        location=table.location,
        priority=table.priority,
        offset_ns=table.offset_ms * NS_PER_MS,
        clock=ClockPolicy(table.clock) if table.clock else _usual_clock(table, drivers),
        zone=table.timezone or zone or "UTC",
        gun_for=tuple(EventId(number) for number in table.gun_for) or None,
    )


def _usual_clock(table: ReaderTable, drivers: Drivers) -> ClockPolicy:
    """Return the policy of rule 8: corrected if it can be asked, arrival if it has no clock.

    A file cannot be asked, whoever wrote it, and its reads are older than their arrival.
    """
    driver = drivers.find(table.driver)
    if driver.can_tell_time and not table.url.startswith("file:"):
        return ClockPolicy.CORRECTED
    return ClockPolicy.ARRIVAL if driver.stamp_form is StampForm.ABSENT else ClockPolicy.READER


def _ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)
