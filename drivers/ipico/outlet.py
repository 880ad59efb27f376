"""This box as an IPICO Lite: its memory is the journal, and each client has it to itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bridge.driver_api import MAIN, Archive, Forward, Out, Sighting, Stand
from drivers.ipico.emulator import FACTORY_LAYOUT
from drivers.ipico.lite_emulator import LiteEmulator
from drivers.ipico.lite_memory import LiteMemory
from drivers.ipico.records import chip_field, record_line

PORT: Final = 10_000
PAGE: Final = 500
PLAYBACK_RATE: Final = 2_000.0
"""Lines per second; a real Lite's serial port lets 76 through."""
_LAST_BLOCK: Final = 0xFE
"""Memory for 362,865 lines, which is all that its cursors can count to."""


class _Lines:
    """The stored lines of a Lite, made of an archive."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def __len__(self) -> int:
        return len(self._archive)

    def read(self, first: int, count: int) -> Sequence[bytes]:
        """See `Lines.read`."""
        return list(map(_line, self._archive.read(first + 1, count)))


@dataclass(slots=True)
class _Client:
    reader: LiteEmulator
    memory: LiteMemory
    next: int


class IpicoOutlet:
    """Any number of clients. Each has its own playback, and erases only its own view."""

    acknowledged: int | None = None

    def __init__(self, stand: Stand) -> None:
        self._archive = stand.archive
        self._clients: dict[int, _Client] = {}
        self.handed = stand.acknowledged

    def connected(self, client: int, now_ns: int) -> Sequence[Out]:
        """Accept in silence."""
        memory = LiteMemory(
            recording=True,
            playback_rate=PLAYBACK_RATE,
            lines=_Lines(self._archive),
            last_block=_LAST_BLOCK,
        )
        reader = LiteEmulator(
            mode=0,
            timeout_s=5,
            layout=bytes.fromhex(FACTORY_LAYOUT),
            memory=memory,
            is_steady=True,
        )
        reader.connected(client, MAIN, now_ns)
        self._clients[client] = _Client(reader, memory, len(self._archive) + 1)
        return []

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        """Answer commands."""
        answers = self._clients[client].reader.received(client, data, now_ns)
        return [Out(out.data, client) for out in answers]

    def disconnected(self, client: int) -> None:
        """Forget the client."""
        self._clients.pop(client, None)

    def due(self, client: int, now_ns: int) -> bytes:
        """Return the next live lines of a client, then what it plays back."""
        state = self._clients[client]
        found = self._archive.read(state.next, PAGE)
        state.next += len(found)
        self.handed = max(self.handed, state.next - 1)
        return b"".join([*map(_line, found), *state.memory.tick(now_ns)])

    def tick(self, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Say nothing: a Lite has no heartbeat."""
        return []


def _line(sighting: Sighting) -> bytes:
    return record_line(chip_field(sighting.chip), sighting.stamp)


def _complaints(options: Mapping[str, object]) -> list[str]:
    return [f"unknown option {name!r}; allowed: none" for name in options]


FORWARD: Final = Forward(outlet=IpicoOutlet, port=PORT, check_options=_complaints)
