"""Tell everybody who wants to know what has become durable, in one place and one order."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from bridge.app.ports import CrossingRow
from bridge.app.standings import Standings
from bridge.app.timing import Emission
from bridge.domain.entrants import RegistrationId
from bridge.domain.results import Result


class FeedDoor(Protocol):
    """The MQTT feed as seen from here."""

    def offer(self, rows: Sequence[CrossingRow]) -> None:
        """Take durable crossing messages, in seq order."""
        ...

    def touch(self, key: str) -> None:
        """Note that a retained topic changed."""
        ...


class PosterDoor(Protocol):
    """The posting stage as seen from here."""

    def note_changed(self, registration_ids: Iterable[RegistrationId]) -> None:
        """Have these runners compared with what is posted."""
        ...


class Herald:
    """The outlet of the intake: standings first, then broker and results service."""

    def __init__(self, standings: Standings) -> None:
        self._standings = standings
        self.feed: FeedDoor | None = None
        self.touched_by: Callable[[Iterable[Result]], Iterable[str]] = lambda _: ()
        self.poster: PosterDoor | None = None
        self.listeners: list[Callable[[Sequence[CrossingRow]], None]] = []
        """Whoever else wants to know of crossing messages, in seq order."""

    def told(self, emission: Emission) -> None:
        """Take news that rest on durable reads."""
        results = [*emission.results, *emission.withdrawn]
        self._standings.apply(emission.results, emission.withdrawn)
        if self.feed is not None:
            self.feed.offer(emission.crossings)
            for key in self.touched_by(results):
                self.feed.touch(key)
        for listener in self.listeners:
            listener(emission.crossings)
        if self.poster is not None and results:
            self.poster.note_changed(result.registration_id for result in results)
