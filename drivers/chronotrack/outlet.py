"""This box as SimpleClient: it connects to scoring software, each location a place of its own."""

from collections.abc import Mapping, Sequence
from typing import Final

from bridge.driver_api import Forward, Out, Stand
from drivers.chronotrack.scoring_sender import ScoringSender

PORT: Final = 61_611


class ChronoTrackOutlet:
    """Records numbered per place; the server starts each where it wants."""

    acknowledged: int | None = None

    def __init__(self, stand: Stand) -> None:
        # The same journal is the same connection id: servers go on where they were.
        self._sender = ScoringSender(connection_id=stand.identity or "1")
        for place, archive in stand.archives.items():
            self._sender.offer(place, archive)

    @property
    def handed(self) -> int:
        """See `Outlet.handed`."""
        return self._sender.handed

    def connected(self, client: int, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Speak first."""
        return self._sender.connected(client)

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Answer the server."""
        return self._sender.received(client, data)

    def disconnected(self, client: int) -> None:
        """Forget the connection."""
        self._sender.disconnected(client)

    def due(self, client: int, now_ns: int) -> bytes:  # noqa: ARG002
        """Return the next records of the places that are started."""
        return self._sender.due(client)

    def tick(self, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Say nothing: the server asks whether we live."""
        return []


def _complaints(options: Mapping[str, object]) -> list[str]:
    return [f"unknown option {name!r}; allowed: none" for name in options]


FORWARD: Final = Forward(
    outlet=ChronoTrackOutlet,
    port=PORT,
    dials=True,
    names_places=True,
    by_place=True,
    check_options=_complaints,
)
