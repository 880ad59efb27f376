"""The table of actions, bound to one race."""

from collections.abc import Callable, Iterable, Mapping
from itertools import chain, count, takewhile
from typing import TYPE_CHECKING

from bridge.adapters.store.importing import import_reads
from bridge.adapters.store.lines import is_head
from bridge.app.actions import Action, Actions
from bridge.app.people_csv import Assignment, plan_import
from bridge.app.ports import Store
from bridge.app.posting import WouldPost
from bridge.app.request_fields import flag, number
from bridge.bootstrap.core import Core
from bridge.domain.entrants import Entrant
from bridge.domain.rules import EventId
from bridge.errors import BridgeError, UsageError

if TYPE_CHECKING:  # HTTP is heavy: the readers come first
    from bridge.bootstrap.provider import Services

Json = dict[str, object]


def make_actions(core: Core, services: "Callable[[], Services | None]") -> Actions:
    """Return every action of this race; `services` is None while there is no results service."""
    ops = core.operations
    bound = _Bound(core, services)
    table = [
        Action(
            name="status",
            changes=False,
            summary="What the box is doing.",
            handler=bound.status,
            takes={},
            mqtt=True,
        ),
        Action(
            name="results",
            changes=False,
            summary="Results of one event or of all, finishers first.",
            handler=lambda asked, _: _now(ops.results, asked.get("event")),
            takes={"event": "event id or name; without it all events"},
            mqtt=True,
        ),
        Action(
            name="why",
            changes=False,
            summary="Every read of a bib or chip with its state and the rule behind it.",
            handler=bound.why,
            takes={"bib": "bib number", "chip": "chip, as read"},
        ),
        Action(
            name="books",
            changes=False,
            summary="How many reads there are, and how many ended in each state: the sums agree.",
            handler=lambda _, __: _now(ops.books),
            takes={},
        ),
        Action(
            name="marks",
            changes=False,
            summary="Every mark, oldest first, undone ones included.",
            handler=lambda _, __: _now(ops.marks),
            takes={},
        ),
        Action(
            name="gun",
            changes=True,
            summary="Record T0 of an event or wave; without a time: now.",
            handler=ops.gun,
            takes={
                "event": "event id or name",
                "event_id": "the same",
                "time": "ISO local time, or HH:MM:SS[.mmm] of the race day",
                "at_ms": "instead of time: ms since 1970, UTC",
                "wave": "corral name",
                "undo": "true takes the last gun back",
            },
            mqtt=True,
        ),
        Action(
            name="mark",
            changes=True,
            summary="Record a mark on a bib: dns, dnf, dq, crossing, ignore, swap.",
            handler=ops.mark,
            takes={
                "bib": "bib number",
                "kind": "dns | dnf | dq | crossing | ignore | swap",
                "location": "for crossing and ignore; default: the finish",
                "time": "time of the crossing",
                "at_ms": "instead of time: ms since 1970, UTC",
                "other_bib": "for swap",
                "note": "free text",
                "undo": "true takes the last such mark back",
            },
            mqtt=True,
        ),
        Action(
            name="participants",
            changes=False,
            summary="Participants as last heard; `find` filters by bib, chip or name.",
            handler=lambda asked, _: _now(ops.find, str(asked.get("find", ""))),
            takes={"find": "bib, chip, or part of a name"},
        ),
        Action(
            name="participants/unmatched",
            changes=False,
            summary="Chips read that nobody owns, and participants without a chip.",
            handler=lambda _, __: _now(ops.unmatched),
            takes={},
        ),
        Action(
            name="participants/import",
            changes=True,
            summary="Take bibs, chips or whole participants from CSV text.",
            handler=bound.take_people,
            takes={
                "csv": "the file's text",
                "replace": "true takes away the chips that were worn before",
                "dry_run": "true only says what would happen",
            },
        ),
        Action(
            name="participants/pull",
            changes=True,
            summary="Ask the results service for its participants now, or read their file.",
            handler=bound.pull,
            takes={"whole": "true asks for everybody anew"},
        ),
        Action(
            name="reads/import",
            changes=True,
            summary="Take raw reads in: lines of an export, or with reader, chip and time.",
            handler=bound.take_reads,
            takes={
                "lines": "JSON Lines; each call has the header and session lines its events need",
                "source": "where they come from, for the record",
                "first": "number of the first event line, for complaints",
            },
        ),
        Action(
            name="preview",
            changes=False,
            summary="Rows that differ from what is posted, as they would be posted.",
            handler=bound.preview,
            takes={"event": "event id or name; without it all events"},
        ),
    ]
    return {action.name: action for action in table}


async def _now(function: Callable[..., object], *arguments: object) -> object:
    return function(*arguments)


class _Bound:
    """Actions that need more than the operations."""

    def __init__(self, core: Core, services: "Callable[[], Services | None]") -> None:
        self._core = core
        self._services = services

    async def status(self, _asked: Mapping[str, object], _author: str) -> object:
        return self._core.health.status()

    async def why(self, asked: Mapping[str, object], _author: str) -> object:
        chip, bib = asked.get("chip"), asked.get("bib")
        if isinstance(chip, str) and bib is None:
            return self._core.operations.why_chip(chip)
        if bib is None or not str(bib).isdecimal():
            raise UsageError("say which: bib (a number) or chip")
        return self._core.operations.why(int(str(bib)))

    async def take_people(self, asked: Mapping[str, object], _author: str) -> object:
        text = asked.get("csv")
        if not isinstance(text, str):
            raise UsageError("csv must be the text of a CSV file with a header")
        core = self._core
        dry_run = flag(asked, "dry_run")
        planned = plan_import(
            text, core.operations.entrants, core.timing.rules, replacing=flag(asked, "replace")
        )
        if core.people is not None and planned.newcomers:
            raise UsageError(
                f"participants come from {core.people.name}; change that file, and it is taken "
                "again by itself"
            )
        if not dry_run:
            await apply_import(core.store, planned.assignments, planned.newcomers)
            await core.operations.entrants_changed()
        return planned.report(dry_run=dry_run)

    async def take_reads(self, asked: Mapping[str, object], _author: str) -> object:
        text = asked.get("lines")
        if not isinstance(text, str):
            raise UsageError("lines must be the text of a JSON Lines file")
        lines = text.encode().split(b"\n")
        heads = sum(1 for _ in takewhile(is_head, lines))
        first = number(asked, "first") if "first" in asked else heads + 1
        numbers = chain(range(1, heads + 1), count(first))
        return await import_lines(self._core, lines, str(asked.get("source", "api")), numbers)

    async def pull(self, asked: Mapping[str, object], _author: str) -> object:
        whole = flag(asked, "whole")
        if self._core.people is not None:
            pulled = await self._core.people.pull()
        else:
            pulled = await self._asked_services().roster.pull(whole=whole)
        return {
            "changed": pulled.changed,
            "removed": pulled.removed,
            "skipped": list(pulled.skipped),
            "participants": len(self._core.store.entrants()),
        }

    async def preview(self, asked: Mapping[str, object], _author: str) -> object:
        services = self._asked_services()
        event = asked.get("event")
        wanted = None if event is None else self._core.operations.event(event).id
        return [_would(row) for row in await services.poster.preview(wanted)]

    def _asked_services(self) -> "Services":
        services = self._services()
        if services is not None:
            return services
        provider = self._core.config.provider
        if provider is None or provider.kind == "file":
            raise UsageError(
                "there is no results service in the configuration; [provider] says which"
            )
        missing = self._core.health.alarms.standing.get("provider")
        raise BridgeError(missing or "the service is only just starting; try again in a moment")


def _would(row: WouldPost) -> Json:
    return {
        "event_id": row.event_id,
        "registration_id": row.registration_id,
        "bib": row.bib,
        "name": row.name,
        "fields": dict(row.fields),
        "refused": row.refused,
    }


async def apply_import(
    store: Store, assignments: list[Assignment], newcomers: Mapping[EventId, list[Entrant]]
) -> None:
    """Make an import durable."""
    for event_id, people in newcomers.items():
        await store.merge(event_id, people, (), cursor=None)
    for assignment in assignments:
        await store.assign(assignment.registration_id, bib=assignment.bib, chips=assignment.chips)


async def import_lines(
    core: Core, lines: Iterable[bytes], source: str, line_numbers: Iterable[int] | None = None
) -> Json:
    """Store exported reads; the housekeeper places them at its next turn."""
    report = await import_reads(
        core.store,
        lines,
        numbers=core.intake,
        clock=core.clock,
        source=source,
        line_numbers=line_numbers,
    )
    if report.taken:
        core.timing.imported(core.intake.next_id)
        for listener in core.on_import:
            listener()
    return {
        "taken": report.taken,
        "known": report.known,
        "damaged": report.damaged,
        "complaints": report.complaints,
    }
