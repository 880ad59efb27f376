"""This box as a device of Wiclax: the journal is its memory, and the location its device id."""

from collections.abc import Mapping, Sequence
from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Forward, Out, Stand
from drivers.wiclax.box import WiclaxBox
from drivers.wiclax.emulator import PORT

HEARTBEAT_NS: Final = 5 * NS_PER_S


class WiclaxOutlet:
    """Any number of clients, each with live records and rewinds of its own."""

    acknowledged: int | None = None

    def __init__(self, stand: Stand) -> None:
        self._box = WiclaxBox(
            stand.archive, heartbeat_ns=HEARTBEAT_NS, is_steady=True, handed=stand.acknowledged
        )

    @property
    def handed(self) -> int:
        """See `Outlet.handed`."""
        return self._box.handed

    def connected(self, client: int, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Say nothing: the software speaks first."""
        self._box.connected(client)
        return []

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        """Answer a client."""
        return self._box.received(client, data, now_ns)

    def disconnected(self, client: int) -> None:
        """Forget a client."""
        self._box.disconnected(client)

    def due(self, client: int, now_ns: int) -> bytes:  # noqa: ARG002
        """Return what a client is owed: live records, and what it rewinds."""
        return self._box.due(client)

    def tick(self, now_ns: int) -> Sequence[Out]:
        """Give signs of life."""
        return self._box.beat(now_ns)


def _complaints(options: Mapping[str, object]) -> list[str]:
    return [f"unknown option {name!r}; allowed: none" for name in options]


FORWARD: Final = Forward(
    outlet=WiclaxOutlet, port=PORT, names_places=True, check_options=_complaints
)
