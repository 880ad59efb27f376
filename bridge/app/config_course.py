"""What the keys of one event have to agree on: its course, its windows, its guns."""

from collections.abc import Iterator
from datetime import datetime

from bridge.app.config import EventTable, PointTable
from bridge.app.zones import wall_mistake, zone_mistake
from bridge.domain.rules import EventId, EventRules, Point

DEFAULT_MIN_FINISH_S = 300.0
"""Fastest finish on a mat that is also the start, where the course says nothing (rule 5)."""

Found = tuple[tuple[str | int, ...], str]
"""Path of a key inside the event, and what is wrong with it."""


def fastest_shared_finish_s(event: EventTable) -> float | None:
    """Return seconds from T0 before which a crossing of the start mat is no finish.

    None: start and finish are not one mat.
    """
    course = tuple(Point(location=p.location, split=p.split, distance_m=p.distance_m)
                   for p in event.course)  # fmt: skip
    shape = EventRules(id=EventId(event.id), name=event.name, course=course)
    if len(course) < 2 or shape.start != shape.finish:  # noqa: PLR2004 -- a start and a finish
        return None
    explicit = event.course[-1].min_time_s
    return DEFAULT_MIN_FINISH_S if explicit is None else explicit


def event_mistakes(event: EventTable, *, zone: str | None, zone_will_come: bool) -> Iterator[Found]:
    """Yield what is wrong inside one event.

    Args:
        event: The table.
        zone: `bridge.timezone`.
        zone_will_come: Whether the provider can tell the race's zone instead.
    """
    yield from _course(event.course)
    yield from _start_window(event)
    yield from _waves(event)
    if zone is not None and zone_mistake(zone):
        return
    for loc, gun in _guns(event):
        if zone is not None and (complaint := wall_mistake(gun, zone)):
            yield loc, complaint
        if zone is None and gun.tzinfo is None and not zone_will_come:
            yield loc, "is local time, but of which zone? set bridge.timezone, or add its offset"


def _course(course: tuple[PointTable, ...]) -> Iterator[Found]:
    distance = 0.0
    splits: set[str] = set()
    for position, point in enumerate(course):
        low, high = point.min_time_s, point.max_time_s
        if low is not None and high is not None and low >= high:
            yield ("course", position, "min_time_s"), f"must be below max_time_s = {high:g}"
        if point.distance_m is not None:
            if point.distance_m < distance:
                text = (
                    f"is less than the {distance:g} m of a point before; it counts from the start"
                )
                yield ("course", position, "distance_m"), text
            distance = max(distance, point.distance_m)
        if point.split is not None:
            if point.split.casefold() in splits:
                yield ("course", position, "split"), f"{point.split!r} is on the course twice"
            splits.add(point.split.casefold())


def _start_window(event: EventTable) -> Iterator[Found]:
    fastest_s = fastest_shared_finish_s(event)
    if fastest_s is None or "start_window_s" not in event.given:
        return
    if event.start_window_s >= fastest_s:
        text = (
            f"must be below the fastest finish ({fastest_s:g} s), since start and finish are one "
            "mat; lower it, or raise min_time_s of the finish"
        )
        yield ("start_window_s",), text


def _waves(event: EventTable) -> Iterator[Found]:
    seen: set[str] = set()
    for position, wave in enumerate(event.wave):
        if wave.name.casefold() in seen:
            yield ("wave", position, "name"), f"{wave.name!r} is listed twice"
        seen.add(wave.name.casefold())


def _guns(event: EventTable) -> Iterator[tuple[tuple[str | int, ...], datetime]]:
    if event.gun is not None:
        yield ("gun",), event.gun
    for position, wave in enumerate(event.wave):
        if wave.gun is not None:
            yield ("wave", position, "gun"), wave.gun
