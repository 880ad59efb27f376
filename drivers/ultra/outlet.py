"""This box as an Ultra towards scoring software: its log is the journal."""

from collections.abc import Mapping, Sequence
from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Forward, Out, Stand
from drivers import module_options
from drivers.ultra.box import Manner, UltraBox
from drivers.ultra.emulator import PORT

_RULES: Final = {"box": module_options.whole(1, 255)}


class UltraOutlet:
    """Any number of clients, each with live records and a rewind of its own.

    Its radio is on: start, stop and setting the clock change nothing.
    """

    acknowledged: int | None = None

    def __init__(self, stand: Stand) -> None:
        number = int(str(stand.options.get("box", 1)))
        manner = Manner(box=number, is_steady=True, heartbeat_ns=2 * NS_PER_S)
        self._box = UltraBox(stand.archive, manner)
        self._box.handed = stand.acknowledged

    @property
    def handed(self) -> int:
        """See `Outlet.handed`."""
        return self._box.handed

    def connected(self, client: int, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Greet the client."""
        return self._box.connected(client)

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
        """Tell the volts, by which clients know that the box lives."""
        return self._box.beat(now_ns)


def _complaints(options: Mapping[str, object]) -> list[str]:
    return module_options.complaints(options, _RULES)


FORWARD: Final = Forward(outlet=UltraOutlet, port=PORT, check_options=_complaints)
