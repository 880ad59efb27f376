"""Participants that come from a file: read at start, and again whenever the file changes."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Protocol

import structlog

from bridge.app.people_csv import Import, plan_import, text_of
from bridge.app.ports import Clock, RosterStore
from bridge.app.roster import Pulled
from bridge.domain.entrants import Entrant, RegistrationId
from bridge.domain.rules import EventId, Rules
from bridge.errors import BridgeError, UsageError

log = structlog.get_logger(__name__)

ALARM = "participants file"
SETTLE_S = 1.0
"""A file that changed is looked at once more after this: it may still be being written."""
TOLD = 3
"""Lines not taken that are named in the alarm."""

Json = dict[str, object]


class PeopleSource(Protocol):
    """The file, wherever it lies."""

    @property
    def name(self) -> str:
        """Its name for people."""
        ...

    def mark(self) -> Hashable:
        """Return something that differs once the content does.

        Raises:
            BridgeError: It cannot be seen; the text says why.
        """
        ...

    def read(self) -> bytes:
        """Return the content.

        Raises:
            BridgeError: It cannot be read; the text says why.
        """
        ...


class PeopleFile:
    """Keeps the participants on this box as the file has them.

    The file is the whole truth: who is no longer in it is no participant any more. Bibs and chips
    given on site stay. While the file is missing or faulty everybody stays as before, and an alarm
    says so.
    """

    def __init__(
        self,
        source: PeopleSource,
        *,
        every_s: float,
        rules: Callable[[], Rules],
        store: RosterStore,
        clock: Clock,
        on_change: Callable[[], Awaitable[None]],
        alarm: Callable[[str, str | None], None],
    ) -> None:
        """Set up; nothing is read before `run` or `pull`."""
        self._source = source
        self._every_s = every_s
        self._rules = rules
        self._store = store
        self._clock = clock
        self._on_change = on_change
        self._alarm = alarm
        self._turn = asyncio.Lock()
        self._taken: Hashable = None
        self._people = 0
        self._wrong: str | None = None

    @property
    def name(self) -> str:
        """The file's name for people."""
        return self._source.name

    async def run(self) -> None:
        """Look at the file for ever; returns only by cancellation."""
        while True:
            try:
                await self._look()
            except BridgeError as error:
                self._complain(str(error))
            await self._clock.sleep(self._every_s)

    async def pull(self) -> Pulled:
        """Take the file as it is now.

        Raises:
            BridgeError: It is missing or faulty; what was known before stays.
        """
        async with self._turn:
            try:
                return await self._take(self._source.mark())
            except BridgeError as error:
                self._complain(str(error))
                raise

    def words(self) -> str:
        """Return the state in one line, for `Health`."""
        if self._wrong is not None:
            return self._wrong
        return f"{self._people} participants from {self._source.name}"

    def facts(self) -> Json:
        """Return the state in numbers, for `Health`."""
        return {"participants": self._people, "faulty": int(self._wrong is not None)}

    async def _look(self) -> None:
        mark = self._source.mark()
        if mark == self._taken:
            return
        while self._taken is not None:  # it changed under us: wait until it keeps still
            await self._clock.sleep(SETTLE_S)
            before, mark = mark, self._source.mark()
            if mark == before:
                break
        async with self._turn:
            await self._take(mark)

    async def _take(self, mark: Hashable) -> Pulled:
        events = [event.id for event in self._rules().events]
        text = text_of(self._source.read(), self._source.name)
        try:
            plan = plan_import(text, {}, self._rules(), whole=True)
        except UsageError as error:
            raise UsageError(f"{self._source.name}: {error}") from None
        before = self._store.entrants()
        after = _by_number(plan)
        gone = {number for number, one in before.items() if one.event_id in events} - after.keys()
        if gone and not after:
            raise BridgeError(
                f"{self._source.name} holds no participant that can be used; the {len(gone)} known "
                "before stay"
            )
        news = await self._merge(events, plan, before)
        self._taken = mark
        self._people = len(after)
        self._complain(_told(self._source.name, plan.complaints))
        if news or gone:
            log.info("participants changed", changed=len(news), removed=len(gone))
            await self._on_change()
        return Pulled(len(news), len(gone), tuple(plan.complaints))

    async def _merge(
        self, events: list[EventId], plan: Import, before: dict[RegistrationId, Entrant]
    ) -> set[RegistrationId]:
        for event in events:
            people = plan.newcomers.get(event, [])
            await self._store.merge(event, people, (), cursor=None, whole=True)
        after = self._store.entrants()
        return {number for number, one in after.items() if before.get(number) != one}

    def _complain(self, text: str | None) -> None:
        if text != self._wrong:
            self._alarm(ALARM, text)
            if text is not None:
                log.warning("participants file", reason=text)
        self._wrong = text


def _by_number(plan: Import) -> dict[RegistrationId, Entrant]:
    return {one.registration_id: one for people in plan.newcomers.values() for one in people}


def _told(name: str, complaints: list[str]) -> str | None:
    if not complaints:
        return None
    more = f" and {len(complaints) - TOLD} more" if len(complaints) > TOLD else ""
    return f"{name}: {'; '.join(complaints[:TOLD])}{more}"
