"""Guns that do not come from an operator: a reader's trigger, another box of the race.

Each is recorded as a mark once, however often it is heard: its `note` says where it came from. So
a trigger replayed out of a reader's memory, or a gun told twice, changes nothing, and one that an
operator has undone stays undone. Nor does an older one out of that memory, of a test in the
morning, take the place of the gun of the race. Where the moment of a trigger turns out to be
another (the host's or the reader's clock was wrong), a new mark takes the place of the old one,
unless an operator has fired a gun since.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from bridge.app.ports import EventRow, Kind, Store
from bridge.app.timebase import BAD, TimeBase
from bridge.domain.marks import Mark, MarkKind
from bridge.domain.reads import NS_PER_MS, NS_PER_S, UtcNs
from bridge.domain.rules import EventId, Rules
from bridge.errors import UsageError

log = structlog.get_logger(__name__)

Json = dict[str, object]
GUNS = ("gun", "trigger", "gate", "gpi")
"""How the names of markers begin that may set T0 (see `driver_api.Marker`)."""


MEMORY_NS = 60 * NS_PER_S
"""A trigger that comes so late comes out of the reader's memory."""


class MarkDesk(Protocol):
    """Where marks are recorded; implemented by `Operations`."""

    async def add_mark(self, mark: Mark) -> Json:
        """Record a mark and let everything follow."""
        ...

    async def undo_mark(self, mark: Mark, author: str) -> Json:
        """Take a mark back and let everything follow."""
        ...


class MarkerGuns:
    """Turns gun markers of readers that set T0 (`gun_for`) into gun marks.

    Only what fires a race counts (`GUNS`): a manual mark or a beam on the same reader does not.
    """

    def __init__(
        self,
        rules: Callable[[], Rules],
        store: Store,
        timebase: Callable[[], TimeBase],
        waits: Callable[[EventRow], bool],
    ) -> None:
        """`waits`: whether a row cannot be placed yet, since its reader may tell its time soon."""
        self._rules = rules
        self._store = store
        self._timebase = timebase
        self._waits = waits
        self._fresh: list[EventRow] = []

    def noted(self, row: EventRow) -> None:
        """Take a marker that was journalled just now."""
        if _fires(row):
            self._fresh.append(row)

    def recall(self) -> None:
        """Take every marker on record: one may have come right before a power cut.

        To be called whenever times may have changed.
        """
        if any(reader.gun_for for reader in self._rules().readers.values()):
            self._fresh = list(filter(_fires, self._store.rows(kinds=(Kind.MARKER,))))

    async def settle(self, desk: MarkDesk) -> None:
        """Record the marks that are owed."""
        for row in list(self._fresh):
            if self._waits(row):
                continue
            for mark, old in self._owed(row):
                await desk.add_mark(mark)
                log.info("gun by reader", author=mark.author, event_id=mark.event_id)
                if old is not None:
                    await desk.undo_mark(old, mark.author)
            if row in self._fresh:
                self._fresh.remove(row)

    def _owed(self, row: EventRow) -> list[tuple[Mark, Mark | None]]:
        """Return the marks to be made of a marker, each with the one whose place it takes."""
        timebase = self._timebase()
        name, _ = timebase.owner(row.session)
        reader = self._rules().readers.get(name)
        if reader is None or not reader.gun_for:
            return []
        at = _moment(row, timebase, name) - reader.offset_ns
        note = f"marker {name} {row.key or row.stamp}"
        owed: list[tuple[Mark, Mark | None]] = []
        for event_id in reader.gun_for:
            guns = [
                mark
                for mark in self._store.marks()
                if mark.kind is MarkKind.GUN and mark.event_id == event_id and mark.wave is None
            ]
            mine = [mark for mark in guns if mark.note == note]
            if mine and not _moved(mine[-1], [mark for mark in guns if not mark.undone], at):
                continue
            author = f"reader:{name}"
            if not mine and timebase.arrival(row) > at + MEMORY_NS and _is_old(guns, author, at):
                continue
            mark = Mark(
                id=0,
                kind=MarkKind.GUN,
                made_at=UtcNs(row.utc_ns),
                author=author,
                event_id=event_id,
                at=UtcNs(at),
                note=note,
            )
            owed.append((mark, mine[-1] if mine else None))
        return owed


def _fires(row: EventRow) -> bool:
    return (row.note or "").startswith(GUNS)


def _moment(row: EventRow, timebase: TimeBase, name: str) -> int:
    """Return UTC ns of a marker, by its arrival where nothing is known of the reader's clock."""
    arrived = timebase.arrival(row)
    reader = timebase.readers[name]
    at = BAD if reader.clueless else reader.at(row.stamp, row.form, arrived)
    return arrived if at == BAD else at


def _moved(mine: Mark, standing: list[Mark], at: int) -> bool:
    """Say whether the gun in force is this marker's, and at another moment than it should be."""
    in_force = bool(standing) and standing[-1].id == mine.id
    return in_force and mine.at is not None and abs(mine.at - at) > NS_PER_MS


def _is_old(guns: list[Mark], author: str, at: int) -> bool:
    """Say whether the reader has told a later gun, standing or undone."""
    last = {mark.note: mark.at for mark in guns if mark.author == author}
    return any(told is not None and told > at + NS_PER_MS for told in last.values())


async def foreign_gun(request: Mapping[str, object], store: Store, desk: MarkDesk) -> Json:
    """Take a gun that another box passes on (see `bridge.app.payloads`), once."""
    origin, mark_id = request.get("origin"), request.get("mark_id")
    event_id, at_ms = request.get("event_id"), request.get("at_ms")
    sub_ns, made_ms = request.get("at_sub_ns", 0), request.get("made_at_ms", at_ms)
    wave = request.get("wave")
    numbers = (mark_id, event_id, at_ms, sub_ns, made_ms)
    if not isinstance(origin, str) or not all(type(number) is int for number in numbers):
        raise UsageError(
            "a gun of another site has origin, mark_id, event_id, at_ms, at_sub_ns, made_at_ms"
        )
    note = f"site {origin} {mark_id}"
    known = [mark for mark in store.marks() if mark.note == note]
    if request.get("undo"):
        for mark in known:
            if not mark.undone:
                return await desk.undo_mark(mark, f"site:{origin}")
        return {"known": True}
    if known:
        return {"known": True}
    return await desk.add_mark(
        Mark(
            id=0,
            kind=MarkKind.GUN,
            made_at=UtcNs(_int(made_ms) * NS_PER_MS),
            author=f"site:{origin}",
            event_id=EventId(_int(event_id)),
            wave=wave if isinstance(wave, str) else None,
            at=UtcNs(_int(at_ms) * NS_PER_MS + _int(sub_ns)),
            note=note,
        )
    )


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0
