"""Helpers for the tests of sport timers: wire in, events sorted out."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from bridge.domain.reads import NS_PER_S, Read
from bridge.driver_api import (
    Alarm,
    Clock,
    ClockStep,
    Control,
    Driver,
    Event,
    Kept,
    Marker,
    Opening,
    Rejected,
    Remember,
    Send,
    Session,
    Status,
)

VECTORS = Path(__file__).parents[1] / "vectors"
KEPT = (Read, Marker, Clock, ClockStep, Status, Control, Rejected)
S = NS_PER_S
START = 1_780_000_000 * S


def wire_of(family: str, name: str) -> bytes:
    return (VECTORS / family / name).read_bytes()


def open_session(
    driver: Driver,
    *,
    link: str = "tcp",
    memory: str | None = None,
    options: Mapping[str, object] | None = None,
) -> tuple[Session, list[Event]]:
    session = driver.session(Opening(link=link, memory=memory, options=options or {}))
    return session, session.opened(START)


def decoded(
    driver: Driver, wire: bytes, chunk: int = 1 << 20, options: Mapping[str, object] | None = None
) -> list[Kept]:
    """Every byte comes back once: that is checked here."""
    session = driver.session(Opening(options=options or {}))
    events: list[Kept] = []
    for at in range(0, len(wire), chunk):
        events += kept(session.feed(wire[at : at + chunk]))
    assert b"".join(event.raw for event in events) + session.pending == wire
    assert session.pending == b""
    return events


def kept(events: Iterable[Event]) -> list[Kept]:
    return [event for event in events if isinstance(event, KEPT)]


def reads(events: Iterable[Event]) -> list[Read]:
    return [event for event in events if isinstance(event, Read)]


def markers(events: Iterable[Event]) -> list[Marker]:
    return [event for event in events if isinstance(event, Marker)]


def sent(events: Iterable[Event]) -> list[bytes]:
    return [event.data for event in events if isinstance(event, Send)]


def alarms(events: Iterable[Event]) -> dict[str, str | None]:
    """The last word about each alarm: its text, or None where it was taken back."""
    told = [event for event in events if isinstance(event, Alarm)]
    return {alarm.name: alarm.text if alarm.on else None for alarm in told}


def memories(events: Iterable[Event]) -> list[str]:
    return [event.memory for event in events if isinstance(event, Remember)]


def kinds(events: Iterable[Kept]) -> Counter[str]:
    return Counter(type(event).__name__ for event in events)


def notes(events: Iterable[Event]) -> Counter[str]:
    return Counter(event.note for event in events if isinstance(event, Control))


def naive(text: str) -> int:
    """Return ns from 1970 of ISO text taken at its word."""
    moment = datetime.fromisoformat(text)
    return (moment - datetime(1970, 1, 1)) // _US * 1_000  # noqa: DTZ001


_US = datetime(1970, 1, 1, 0, 0, 0, 1) - datetime(1970, 1, 1)  # noqa: DTZ001


def tod(hour: int, minute: int, second: int, ns: int = 0) -> int:
    return (hour * 3600 + minute * 60 + second) * S + ns
