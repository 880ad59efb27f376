"""Sort what one connection says by the places it carries, between the link and the desk."""

from collections.abc import Awaitable, Mapping
from itertools import groupby

from bridge.app.link import ReaderState
from bridge.app.ports import ClockSample
from bridge.app.supervise import FrontDesk
from bridge.driver_api import Kept, Marker, Read


class SourcesDesk:
    """The desk of a reader whose reads belong to several places."""

    def __init__(
        self, desk: FrontDesk, state: ReaderState, places: Mapping[str, ReaderState]
    ) -> None:
        """`places`: unit on the wire -> state of that place."""
        self._desk = desk
        self._state = state
        self._places = places
        self._sessions: dict[str, int] = {}
        """Unit -> its session of the connection that is up."""
        self._own_last_ns: int | None = None

    def open_session(self, reader: str) -> int:
        """Open the session of the reader itself; a place's is opened once there is news of it."""
        self._sessions.clear()
        return self._desk.open_session(reader)

    def opening(self, reader: str) -> tuple[str | None, int | None]:
        """Return the reader's memory, and the newest stamp of all its places."""
        memory, newest = self._desk.opening(reader)
        stamps = [newest, *(self._desk.opening(place.name)[1] for place in self._places.values())]
        return memory, max((stamp for stamp in stamps if stamp is not None), default=None)

    async def room(self) -> None:
        """Wait while too much is not yet durable."""
        await self._desk.room()

    def take(
        self,
        session: int,
        kept: list[Kept],
        utc_ns: int,
        boot_ns: int,
        *,
        memory: str | None,
        samples: list[ClockSample],
    ) -> Awaitable[None]:
        """Hand each stretch of events in under its place, in the order of the wire.

        What is taken later is durable later, so the last that matters speaks for all: the memory,
        else the last read or marker.
        """
        if samples:
            self._share(session, samples, utc_ns, boot_ns)
        last: Awaitable[None] | None = None
        firm = False
        for unit, run in groupby(kept, key=self._unit):
            events = list(run)
            own = session if unit is None else self._session(unit)
            taken = self._desk.take(own, events, utc_ns, boot_ns, memory=None, samples=[])
            matters = any(isinstance(event, Read | Marker) for event in events)
            if matters or not firm:
                last, firm = taken, matters
            self._count(unit, sum(type(event) is Read for event in events), utc_ns)
        if last is None or memory is not None:
            last = self._desk.take(session, [], utc_ns, boot_ns, memory=memory, samples=[])
        return last

    def _share(self, session: int, samples: list[ClockSample], utc_ns: int, boot_ns: int) -> None:
        """Let all places know the clock that stamps their reads."""
        for own in (session, *map(self._session, self._places)):
            told = [sample._replace(session=own) for sample in samples]
            self._desk.take(own, [], utc_ns, boot_ns, memory=None, samples=told)

    def _unit(self, event: Kept) -> str | None:
        unit = event.unit if isinstance(event, Read | Marker) else None
        return unit if unit in self._places else None

    def _session(self, unit: str) -> int:
        if unit not in self._sessions:
            self._sessions[unit] = self._desk.open_session(self._places[unit].name)
        return self._sessions[unit]

    def _count(self, unit: str | None, reads: int, utc_ns: int) -> None:
        """Count reads where they belong; the link has counted them all as the reader's own."""
        if not reads:
            return
        if unit is None:
            self._own_last_ns = utc_ns
        else:
            place = self._places[unit]
            place.reads += reads
            place.last_read_ns = place.last_byte_ns = utc_ns
            self._state.reads -= reads
        self._state.last_read_ns = self._own_last_ns
