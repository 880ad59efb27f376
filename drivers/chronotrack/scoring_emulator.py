"""SimpleClient made of software: it connects to scoring software and speaks first."""

from collections.abc import Mapping, Sequence

from bridge.driver_api import MAIN, Out, Shelf, Sighting
from drivers.chronotrack.records import GUN
from drivers.chronotrack.scoring_sender import ScoringSender


class ScoringEmulator:
    """One SimpleClient with its places; a place but the first appears with its first tag."""

    def __init__(self, places: Sequence[str], *, connection_id: str) -> None:
        self.channels: Mapping[str, int] = {MAIN: 61_611}
        self.piece: tuple[int, int] | None = None
        self._names = tuple(places)
        self._shelves = {self._names[0]: Shelf()}
        self._sender = ScoringSender(connection_id=connection_id)
        self._sender.offer(self._names[0], self._shelves[self._names[0]])

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Speak first, as the one that connects does."""
        return self._sender.connected(client)

    def disconnected(self, client: int) -> None:
        """Forget the connection, and no record."""
        self._sender.disconnected(client)

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Answer the server."""
        return self._sender.received(client, data)

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """Keep a sighting at its place, and send it where that is started."""
        place = self._names[min(max(sighting.antenna, 1), len(self._names)) - 1]
        return self._kept(place, sighting)

    def marked(self, name: str, stamp: int) -> Sequence[Out]:  # noqa: ARG002
        """Keep and send a gun of the first place, whatever it was that fired."""
        return self._kept(self._names[0], Sighting(chip=GUN, stamp=stamp))

    def tick(self, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Go on with long replays."""
        return self._sender.pump()

    def _kept(self, place: str, sighting: Sighting) -> Sequence[Out]:
        outs: list[Out] = []
        if place not in self._shelves:
            self._shelves[place] = Shelf()
            outs += self._sender.offer(place, self._shelves[place])
        self._shelves[place].add(sighting)
        return [*outs, *self._sender.pump()]
