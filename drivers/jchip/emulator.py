"""A J-Chip sender made of software: it connects to CrossMgr, or to us, and says who it is."""

from collections.abc import Mapping, Sequence
from typing import Final

from bridge.driver_api import MAIN, Out, Shelf, Sighting
from drivers.jchip.records import DECIMALS
from drivers.jchip.sender import Sender, Setup
from drivers.module_emulator import only, switch

PORT: Final = 53135
_KNOWN: Final = ("name", "overlap_s", "decimals", "dated")


class JchipEmulator:
    """One sender with a shelf behind it; a new connection takes the place of the one before.

    Options: `name`, `overlap_s` (what is sent again after a break), `decimals` 2 to 6, `dated`.

    Raises:
        ValueError: An option is unknown or cannot be; the text says what is allowed.
    """

    def __init__(self, options: Mapping[str, object]) -> None:
        self.channels: Mapping[str, int] = {MAIN: PORT}
        self.piece: tuple[int, int] | None = None
        self._shelf = Shelf()
        self._sender = Sender(self._shelf, setup_of(options))
        self._client: int | None = None
        self._now_ns = 0

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Say who we are."""
        self._now_ns = now_ns
        old, self._client = self._client, client
        if old is not None:
            self._sender.end()
        outs = [] if old is None else [Out(client=old, close=True)]
        return [*outs, *self._out(self._sender.begin(now_ns))]

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        """Answer the host."""
        self._now_ns = now_ns
        if client != self._client:
            return []
        return self._out(self._sender.heard(data, now_ns) + self._sender.due(now_ns))

    def disconnected(self, client: int) -> None:
        """Go on storing; the next connection gets what this one may not have got."""
        if client == self._client:
            self._client = None
            self._sender.end()

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """Store the crossing and send it, if the host wants any."""
        self._shelf.add(sighting)
        return self._out(self._sender.due(self._now_ns))

    def marked(self, name: str, stamp: int) -> Sequence[Out]:  # noqa: ARG002
        """Do nothing: the protocol has no guns."""
        return []

    def tick(self, now_ns: int) -> Sequence[Out]:
        """Send what waits; hang up on a host that leaves the handshake hanging."""
        self._now_ns = now_ns
        if self._sender.gives_up(now_ns):
            return [Out(client=self._client, close=True)]
        return self._out(self._sender.due(now_ns))

    def _out(self, data: bytes) -> list[Out]:
        return [Out(data, self._client)] if data and self._client is not None else []


def setup_of(options: Mapping[str, object]) -> Setup:
    """Return the emulator's options as a `Setup`.

    Raises:
        ValueError: Something is unknown or cannot be; the text says what is allowed.
    """
    only(options, _KNOWN)
    name = options.get("name", "JCHIP-TEST12")
    if not isinstance(name, str) or not (name.isascii() and name.isprintable() and name.strip()):
        raise ValueError(f"emulator option 'name' is {name!r}; allowed: printable ASCII text")
    overlap_s = options.get("overlap_s", 60)
    is_number = isinstance(overlap_s, int | float) and not isinstance(overlap_s, bool)
    if not is_number or not 0 <= float(str(overlap_s)) <= 86_400:  # noqa: PLR2004
        raise ValueError(f"emulator option 'overlap_s' is {overlap_s!r}; allowed: 0 to 86400")
    decimals = options.get("decimals", DECIMALS[-1])
    if not isinstance(decimals, int) or isinstance(decimals, bool) or decimals not in DECIMALS:
        raise ValueError(f"emulator option 'decimals' is {decimals!r}; allowed: 2 to 6")
    return Setup(
        name=name,
        overlap_s=float(str(overlap_s)),
        decimals=decimals,
        dated=switch(options, "dated", default=True),
    )
