"""This box as a J-Chip sender: it connects to CrossMgr and hands the journal's reads over."""

from collections.abc import Mapping, Sequence
from typing import Final

from bridge.driver_api import Forward, Out, Stand
from drivers import module_options
from drivers.jchip.emulator import PORT
from drivers.jchip.sender import Sender, Setup

_MOST_NAME: Final = 64


def _is_name(value: object) -> str:
    is_good = isinstance(value, str) and value.isascii() and value.isprintable()
    is_short = isinstance(value, str) and 0 < len(value.strip()) <= _MOST_NAME
    return "" if is_good and is_short else f"1 to {_MOST_NAME} letters, digits and signs"


_CHECKS: Final[Mapping[str, module_options.Check]] = {
    "name": _is_name,
    "overlap_s": module_options.whole(0, 86_400),
}


class JchipOutlet:
    """One host at a time; what was handed over shortly before a break is sent again after it."""

    def __init__(self, stand: Stand) -> None:
        # A host closes the older of two connections of one name: other boxes need other names.
        own = f"{stand.name}-{stand.identity[:6]}".rstrip("-")
        setup = Setup(
            name=str(stand.options.get("name", own)),
            overlap_s=float(str(stand.options.get("overlap_s", 60))),
        )
        self._sender = Sender(stand.archive, setup, settled=stand.acknowledged)
        self._client: int | None = None

    @property
    def handed(self) -> int:
        """See `Outlet.handed`."""
        return self._sender.sent

    @property
    def acknowledged(self) -> int | None:
        """Number of the record that need not be sent again: the protocol acknowledges nothing."""
        return self._sender.settled

    def connected(self, client: int, now_ns: int) -> Sequence[Out]:
        """Say who we are."""
        old, self._client = self._client, client
        if old is not None:
            self._sender.end()
        outs = [] if old is None else [Out(client=old, close=True)]
        return [*outs, Out(self._sender.begin(now_ns), client)]

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        """Answer the host."""
        if client != self._client:
            return []
        answers = self._sender.heard(data, now_ns)
        return [Out(answers, client)] if answers else []

    def disconnected(self, client: int) -> None:
        """Keep what this one may not have got for the next connection."""
        if client == self._client:
            self._client = None
            self._sender.end()

    def due(self, client: int, now_ns: int) -> bytes:
        """Return the next crossings, once the host wants any."""
        return self._sender.due(now_ns) if client == self._client else b""

    def tick(self, now_ns: int) -> Sequence[Out]:
        """Hang up on a host that leaves the handshake hanging."""
        if self._client is None or not self._sender.gives_up(now_ns):
            return []
        return [Out(client=self._client, close=True)]


def _complaints(options: Mapping[str, object]) -> list[str]:
    return module_options.complaints(options, _CHECKS)


FORWARD: Final = Forward(
    outlet=JchipOutlet, port=PORT, dials=True, one_offset=True, check_options=_complaints
)
