"""Macsha readers made of software: which one the options ask for."""

from collections.abc import Mapping, Sequence
from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import MAIN, Emulator, Out, Sighting
from drivers.framing import LineBuffer
from drivers.macsha import records
from drivers.macsha.one4all import One4AllEmulator, Setup

PORT: Final = 10_002
_SWITCHES: Final = ("started", "mains")
_KNOWN: Final = ("kind", *_SWITCHES, "battery_pct", "skip_push_every")


def make(options: Mapping[str, object]) -> Emulator:
    """Return the emulator.

    Options: `kind` one4all or ocelot, `started` true or false; for a One4All `mains`,
    `battery_pct` (0 to 100) and `skip_push_every` (every so many-th passing is stored but not
    pushed; 0: none).

    Raises:
        ValueError: An option is unknown or out of range; the text says what is allowed.
    """
    for name, value in options.items():
        if name not in _KNOWN:
            raise ValueError(f"unknown emulator option {name!r}; allowed: {', '.join(_KNOWN)}")
        if name in _SWITCHES and not isinstance(value, bool):
            raise ValueError(f"emulator option {name!r} is {value!r}; allowed: true, false")
    kind = options.get("kind", "one4all")
    started = options.get("started", True) is True
    if kind == "ocelot":
        surplus = [name for name in options if name not in {"kind", "started"}]
        if surplus:
            raise ValueError(f"emulator option {surplus[0]!r} is for kind one4all only")
        return OcelotEmulator(started=started)
    if kind != "one4all":
        raise ValueError(f"emulator option 'kind' is {kind!r}; allowed: one4all, ocelot")
    setup = Setup(
        started=started,
        mains=options.get("mains", True) is True,
        battery_pct=_whole(options, "battery_pct", 90, 100),
        skip_push_every=_whole(options, "skip_push_every", 0, 2**31),
    )
    return One4AllEmulator(setup, PORT)


def _whole(options: Mapping[str, object], name: str, default: int, most: int) -> int:
    value = options.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        allowed = f"a whole number from 0 to {most}"
        raise ValueError(f"emulator option {name!r} is {value!r}; allowed: {allowed}")
    return value


class OcelotEmulator:
    """An Ocelot: records and heartbeats to everybody, ``Start:`` and ``Stop:``; no memory."""

    HEARTBEAT_NS = 10 * NS_PER_S

    def __init__(self, *, started: bool) -> None:
        self.channels: Mapping[str, int] = {MAIN: PORT}
        self.piece: tuple[int, int] | None = None
        self._started = started
        self._clients: dict[int, LineBuffer] = {}
        self._beat_ns = 0

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Say nothing before the next heartbeat."""
        self._clients[client] = LineBuffer(256)
        return []

    def disconnected(self, client: int) -> None:
        """Forget the client."""
        self._clients.pop(client, None)

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Answer ``Start:`` and ``Stop:``; answers end in nothing, as the heartbeat does."""
        answers: list[bytes] = []
        lines = self._clients.get(client)
        for line in lines.feed(data) if lines is not None else []:
            match line.strip():
                case b"Start:":
                    answers.append(b"OPERATION-MODE-STARTED_1" if self._started else b"START-OK_1")
                    self._started = True
                case b"Stop:":
                    answers.append(b"STOP-OK_1")
                    self._started = False
                case _:
                    pass  # it knows no other command
        return [Out(b"".join(answers), client)] if answers else []

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """Send the record, if reading."""
        return [Out(records.encode_ocelot(sighting))] if self._started else []

    def marked(self, name: str, stamp: int) -> Sequence[Out]:  # noqa: ARG002
        """Do nothing: its records tell of chips only."""
        return []

    def tick(self, now_ns: int) -> Sequence[Out]:
        """Send the heartbeat."""
        if now_ns < self._beat_ns or not self._clients:
            return []
        self._beat_ns = now_ns + self.HEARTBEAT_NS
        return [Out(b"CONECTADO_1")]
