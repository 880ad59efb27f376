"""Where an event's rows go at the results service: its result set and the ids of its splits."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import orjson
import structlog

from bridge.app.ports import Clock, Notes, ResultSet, ResultsProvider, SplitDef
from bridge.domain.reads import NS_PER_S
from bridge.domain.rules import EventRules
from bridge.errors import Refused

log = structlog.get_logger(__name__)

LOOK_AGAIN_S = 600.0
"""A set known to be there is looked at again after this long: people edit at the service too."""
LOOK_SOON_S = 20.0
"""After writing to a set: another box may have written at the same moment."""


@dataclass(frozen=True, slots=True)
class Target:
    """A result set and the ids of the splits in it, by the names the course has for them."""

    set_id: int
    splits: Mapping[str, int | str]


def wanted_splits(event: EventRules) -> dict[str, float | None]:
    """Return the names of the splits of the course in its order, with their distance in metres."""
    return {point.split: point.distance_m for point in event.course if point.split is not None}


def provisional(event: EventRules) -> Target:
    """Return a target for showing what would be posted before there is a set: names for ids."""
    return Target(0, {name: name for name in wanted_splits(event)})


class TargetFinder:
    """Finds, or else creates, the result set of one event, and remembers it."""

    def __init__(
        self,
        event: EventRules,
        result_set: str | int,
        *,
        provider: ResultsProvider,
        notes: Notes,
        clock: Clock,
    ) -> None:
        self._event = event
        self._result_set = result_set
        self._provider = provider
        self._notes = notes
        self._clock = clock
        self._look_ns = 0
        self._settling = False

    @property
    def settling(self) -> bool:
        """Whether something was written so lately that it should be looked at once more."""
        return self._settling

    def remembered(self) -> Target | None:
        """Return what an earlier look found, unless the configuration asks for another set."""
        text = self._notes.get(self._note)
        if text is None:
            return None
        note = orjson.loads(text)
        if note["wanted"] != self._result_set or wanted_splits(self._event).keys() - note["splits"]:
            return None
        return Target(note["set_id"], note["splits"])

    def doubt(self) -> None:
        """Make the next `find` look at the service: a post was refused, the set may be gone."""
        self._look_ns = 0

    async def find(self) -> Target:
        """Return the set, created if missing, with all splits of the course.

        Cheap in the ordinary case: nothing is asked while the last look is fresh.

        Raises:
            ProviderError: The service did not answer, or there is no such set.
        """
        target = self.remembered()
        if target is not None and self._clock.boot_ns() < self._look_ns:
            return target
        set_id, created = await self._set()
        splits, appended = await self._splits(set_id)
        self._settling = created or appended
        await self._remember(found := Target(set_id, splits), known=target)
        again_s = LOOK_SOON_S if self._settling else LOOK_AGAIN_S
        self._look_ns = self._clock.boot_ns() + int(again_s * NS_PER_S)
        return found

    async def _set(self) -> tuple[int, bool]:
        """Return the id of the set and whether it was created just now."""
        event, wanted = self._event, self._result_set
        sets = await self._provider.result_sets(event.id)
        found = _matching(sets, wanted)
        if found is not None:
            return found, False
        if isinstance(wanted, int):
            there = ", ".join(f"{each.id} {each.name!r}" for each in sets) or "none"
            raise Refused(
                f"event {event.name!r} has no result set {wanted}: correct result_set in "
                f"the configuration; there is: {there}",
                whole=True,
            )
        made = await self._provider.create_result_set(event.id, wanted)
        log.info("result set created", race_event=event.name, result_set=wanted, id=made)
        # Two boxes may have created it at the same moment: both take the one with the lowest id.
        again = _matching(await self._provider.result_sets(event.id), wanted)
        return (made if again is None else again), True

    async def _splits(self, set_id: int) -> tuple[dict[str, int], bool]:
        """Return split name -> id, and whether splits had to be appended."""
        wanted = wanted_splits(self._event)
        if not wanted:
            return {}, False
        there = await self._provider.splits(self._event.id, set_id)
        ids = _ids(there, wanted)
        missing = [name for name in wanted if name not in ids]
        if not missing:
            return ids, False
        new = [SplitDef(id=None, name=name, distance_m=wanted[name]) for name in missing]
        log.info("splits appended", race_event=self._event.name, splits=missing, kept=len(there))
        await self._provider.write_splits(self._event.id, set_id, [*there, *new])
        # What counts is what stands now, not what the reply to the writing said: another box may
        # have written in between, and then its ids are the ones.
        ids = _ids(await self._provider.splits(self._event.id, set_id), wanted)
        if lacking := [name for name in wanted if name not in ids]:
            raise Refused(
                f"the service did not take the splits {', '.join(lacking)} of event "
                f"{self._event.name!r}: create them in result set {set_id} by hand",
                whole=True,
            )
        return ids, True

    async def _remember(self, target: Target, *, known: Target | None) -> None:
        if target == known:
            return
        note = {"wanted": self._result_set, "set_id": target.set_id, "splits": target.splits}
        await self._notes.put(self._note, orjson.dumps(note).decode())

    @property
    def _note(self) -> str:
        return f"result_set.{self._event.id}"


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


def _matching(sets: Iterable[ResultSet], wanted: str | int) -> int | None:
    if isinstance(wanted, int):
        return next((each.id for each in sets if each.id == wanted), None)
    return min((each.id for each in sets if _folded(each.name) == _folded(wanted)), default=None)


def _ids(there: Iterable[SplitDef], wanted: Iterable[str]) -> dict[str, int]:
    by_name: dict[str, int] = {}
    for split in there:
        if split.id is not None:
            by_name.setdefault(_folded(split.name), split.id)
    return {name: by_name[_folded(name)] for name in wanted if _folded(name) in by_name}
