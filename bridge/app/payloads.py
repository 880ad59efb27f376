"""What stands in MQTT messages: pure rendering to JSON bytes.

Every payload is an object with ``v``, the version (1). Instants are integer ms UTC (``..._at_ms``,
``at_ms``), durations integer ms (``..._ms``); both are the raw nanoseconds floored, so a printed
time is never made from them but from the raw value by the event's rounding. ``at_sub_ns``
(0-999999) is what flooring took from ``at_ms``: other sites put the exact instant together again.
Texts for people stand beside the numbers: ``at`` is ISO 8601 with ms and the offset of the
bridge's zone, ``clock_time`` and ``chip_time`` follow the event's decimals and rounding, or are
the word of a DNF, DNS or DQ.

Requests between boxes (contract: ``<base>/request/<site>/<command>``):

- ``crossings`` ``{id, from_seq, to_seq}`` is answered with ``{from_seq, to_seq, last_seq,
  crossings: [...]}``: the messages as published, at most a page of them; the ``to_seq`` of the
  answer says how far it goes (beyond what was asked for where there is nothing), ``last_seq`` how
  far there is. Ask again from ``to_seq + 1``.
- ``gun`` as a box passes its own on: ``{id, event_id, wave, at_ms, at_sub_ns, author, undo,
  origin, mark_id, made_at_ms}``. (origin, mark_id) identifies the mark, so that a repeated
  request changes nothing; ``undo`` true takes that mark back. A gun that has an ``origin`` is
  never passed on again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import lru_cache

import orjson

from bridge.app.standings import Totals
from bridge.domain.entrants import Entrant, RegistrationId
from bridge.domain.reads import NS_PER_MS, NS_PER_S
from bridge.domain.results import Crossing, Result, Status
from bridge.domain.rules import EventId, EventRules
from bridge.domain.times import clock_text

VERSION = 1
ONLINE = b"online"
OFFLINE = b"offline"
_WORDS = {Status.DNF: "DNF", Status.DNS: "DNS", Status.DQ: "DQ"}


def ms(ns: int | None) -> int | None:
    """Return whole ms, floored."""
    return None if ns is None else ns // NS_PER_MS


def iso(ns: int, zone: tzinfo) -> str:
    """Return an instant as people read it: ISO 8601, ms (floored), offset of `zone`."""
    seconds, rest = divmod(ns, NS_PER_S)
    minute, second = divmod(seconds, 60)
    head, tail = _minute(minute, zone)
    return f"{head}{second:02d}.{rest // NS_PER_MS:03d}{tail}"


@lru_cache(maxsize=64)
def _minute(minute: int, zone: tzinfo) -> tuple[str, str]:
    """Return what stands before and after the seconds of every instant in a minute.

    Offsets of zones in use are whole minutes; the few of the 19th century that were not are told
    as they were at the minute's start.
    """
    text = datetime.fromtimestamp(minute * 60, UTC).astimezone(zone).isoformat()
    return text[:17], text[19:]


def crossing(
    found: Crossing, state: str, seq: int, *, site: str, entrant: Entrant | None, zone: tzinfo
) -> bytes:
    """Render one message of the tree ``crossing``.

    Args:
        found: The crossing as it stands now.
        state: ``provisional``, ``final`` or ``withdrawn``.
        seq: Running number of the message within this site, from 1.
        site: This box.
        entrant: Whose crossing it is, or None for a chip nobody owns.
        zone: Zone of ``at``.
    """
    at_ms = at_sub_ns = at = None
    if found.at >= 0:
        at_ms, at_sub_ns = divmod(found.at, NS_PER_MS)
        at = iso(found.at, zone)
    return orjson.dumps(
        {
            "v": VERSION,
            "id": found.id,
            "seq": seq,
            "site": site,
            "location": found.location,
            "chip": found.chip,
            "at_ms": at_ms,
            "at_sub_ns": at_sub_ns,
            "at": at,
            "state": state,
            "method": found.method._value_,
            "reads": found.reads,
            "rssi": found.rssi,
            "antenna": found.antenna,
            "reader": found.reader,
            "registration_id": found.registration_id,
            "bib": entrant.bib if entrant else None,
            "name": entrant.name if entrant else None,
            "event_id": found.event_id,
            "clock_ms": ms(found.clock_ns),
            "chip_ms": ms(found.chip_ns),
            "reason": found.state._value_,
            "why": found.why,
        }
    )


def read(
    *,
    site: str,
    location: str,
    reader: str,
    chip: str,
    at_ns: int,
    antenna: int | None,
    rssi: float | None,
    zone: tzinfo,
) -> bytes:
    """Render one read of the tree ``read``; `at_ns` is the corrected time, -1 without one."""
    return orjson.dumps(
        {
            "v": VERSION,
            "site": site,
            "location": location,
            "reader": reader,
            "chip": chip,
            "at_ms": at_ns // NS_PER_MS if at_ns >= 0 else None,
            "at": iso(at_ns, zone) if at_ns >= 0 else None,
            "antenna": antenna,
            "rssi": rssi,
        }
    )


def result_fields(
    result: Result, entrant: Entrant | None, event: EventRules, revision: int
) -> dict[str, object]:
    """Return a result as it stands in its own topic and in the rows of a leaderboard."""
    word = _WORDS.get(result.status)
    finished = result.status is Status.FINISHED
    return {
        "v": VERSION,
        "event_id": result.event_id,
        "registration_id": result.registration_id,
        "bib": entrant.bib if entrant else None,
        "name": entrant.name if entrant else None,
        "status": result.status.value,
        "clock_ms": ms(result.clock_ns) if finished else None,
        "chip_ms": ms(result.chip_ns) if finished else None,
        "clock_time": word or time_text(result.clock_ns, event),
        "chip_time": word or time_text(result.chip_ns, event),
        "place": result.place,
        "splits": [
            {
                "location": split.location,
                "split": split.split,
                "clock_ms": ms(split.clock_ns),
                "chip_ms": ms(split.chip_ns),
                "clock_time": time_text(split.clock_ns, event),
                "chip_time": time_text(split.chip_ns, event),
            }
            for split in result.splits
        ],
        "revision": revision,
    }


def result(fields: Mapping[str, object]) -> bytes:
    """Render one message of the tree ``result`` from `result_fields`."""
    return orjson.dumps(fields)


def leaderboard(event: EventRules, rows: Iterable[Mapping[str, object]], totals: Totals) -> bytes:
    """Render a leaderboard from `result_fields`, best first."""
    return orjson.dumps(
        {
            "v": VERSION,
            "event_id": event.id,
            "event": event.name,
            "rows": list(rows),
            "totals": {
                "started": totals.started,
                "on_course": totals.on_course,
                "finished": totals.finished,
            },
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """One runner as the announcer reads it out: at this location, at that time."""

    registration_id: RegistrationId
    event_id: EventId
    bib: int | None
    name: str | None
    at_ns: int
    status: str | None
    clock_ns: int | None
    chip_ns: int | None
    place: int | None


def announcer(
    location: str,
    rows: Sequence[Announced],
    events: Mapping[EventId, EventRules],
    zone: tzinfo,
) -> bytes:
    """Render the last runners of a location, newest first."""
    return orjson.dumps(
        {
            "v": VERSION,
            "location": location,
            "rows": [
                {
                    "registration_id": row.registration_id,
                    "event_id": row.event_id,
                    "bib": row.bib,
                    "name": row.name,
                    "status": row.status,
                    "at_ms": row.at_ns // NS_PER_MS,
                    "at": iso(row.at_ns, zone),
                    "clock_ms": ms(row.clock_ns),
                    "chip_ms": ms(row.chip_ns),
                    "clock_time": time_text(row.clock_ns, events[row.event_id]),
                    "chip_time": time_text(row.chip_ns, events[row.event_id]),
                    "place": row.place,
                }
                for row in rows
            ],
        }
    )


def time_text(ns: int | None, event: EventRules) -> str | None:
    """Return a duration as the event prints it, or None where there is none."""
    return None if ns is None else clock_text(ns, event.decimals, event.rounding)
