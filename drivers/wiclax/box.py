"""Being a device to Wiclax and its like: heartbeat, clock, live records, rewinds.

The records are somebody else's (`Archive`): a list behind the emulator, the journal of the bridge
where it stands in for a device. So nothing here stores a read.
"""

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Archive, Out, Sighting
from drivers.wiclax.records import FAR, HEARTBEAT, LineReader, print_second, record_line

PAGE: Final = 500
LOOKED: Final = 3_000
"""Records looked at per turn while a rewind goes through the archive."""
_MOST_WAITING: Final = 20
"""Rewinds of one client that wait for the ones before."""
_MOST_COMMAND: Final = 128
_END: Final = re.compile(rb"[\r\n]")
_WHEN: Final = rb"(\d\d-\d\d-\d{4} \d\d:\d\d:\d\d)"
_SET: Final = re.compile(rb"CLOCK " + _WHEN)
_REWIND: Final = re.compile(rb"REWIND(?: " + _WHEN + rb" " + _WHEN + rb")?")


@dataclass(slots=True)
class _Rewind:
    first: int
    last: int
    next: int = 1


@dataclass(slots=True)
class _Client:
    next: int
    """Number of the next live record."""
    held: bytes = b""
    rewinds: deque[_Rewind] = field(default_factory=deque)


class WiclaxBox:
    """One device with any number of clients; sans-I/O.

    Attributes:
        reading: Whether it takes reads; whoever feeds the archive looks at this.
        shift_ns: What setting the clock added to the clock the box is given.
        handed: Number of the newest record that anybody got live.
    """

    def __init__(
        self, archive: Archive, *, heartbeat_ns: int, is_steady: bool, handed: int = 0
    ) -> None:
        """`is_steady`: it reads for ever, and nobody sets its clock; both are acknowledged."""
        self.reading = True
        self.shift_ns = 0
        self.handed = handed
        self._archive = archive
        self._heartbeat_ns = heartbeat_ns
        self._is_steady = is_steady
        self._clients: dict[int, _Client] = {}
        self._reader = LineReader()
        self._beat_ns = 0

    def connected(self, client: int) -> None:
        """Begin with what comes from now on."""
        self._clients[client] = _Client(len(self._archive) + 1)

    def disconnected(self, client: int) -> None:
        """Forget the client; its rewinds end."""
        self._clients.pop(client, None)

    def received(self, client: int, data: bytes, now_ns: int) -> list[Out]:
        """Answer every complete command."""
        state = self._clients.get(client)
        if state is None:
            return []
        *commands, rest = _END.split(state.held + data)
        state.held = rest[:_MOST_COMMAND]
        answers = b"".join(self._answer(state, command.strip(), now_ns) for command in commands)
        return [Out(answers, client)] if answers else []

    def due(self, client: int) -> bytes:
        """Return the next live records of a client, and a piece of its rewind."""
        state = self._clients[client]
        live = self._archive.read(state.next, PAGE)
        state.next += len(live)
        self.handed = max(self.handed, state.next - 1)
        return b"".join([*map(_line, live), *self._wind(state)])

    def skip(self) -> None:
        """Let every client miss the live records it has not got: they are in the memory."""
        for state in self._clients.values():
            state.next = len(self._archive) + 1

    def beat(self, now_ns: int) -> list[Out]:
        """Return the heartbeats that are due."""
        if now_ns < self._beat_ns:
            return []
        self._beat_ns = now_ns + self._heartbeat_ns
        return [Out(HEARTBEAT, client) for client in self._clients]

    def _answer(self, state: _Client, command: bytes, now_ns: int) -> bytes:
        if command == b"CLOCK":
            return f"CLOCK {print_second(now_ns + self.shift_ns)}\r".encode("ascii")
        if command in {b"STARTREAD", b"STOPREAD"}:
            self.reading = self._is_steady or command == b"STARTREAD"
            return b"READOK\r"
        if found := _SET.fullmatch(command):
            stamp = self._reader.second(found[1])
            if stamp is not None and not self._is_steady:
                self.shift_ns = stamp - now_ns
            return b"CLOCKOK\r"
        if (found := _REWIND.fullmatch(command)) and len(state.rewinds) < _MOST_WAITING:
            first, last = (self._reader.second(part) if part else None for part in found.groups())
            end = FAR if last is None else last
            state.rewinds.append(_Rewind(first or 0, end + NS_PER_S - 1))
        return b""

    def _wind(self, state: _Client) -> list[bytes]:
        """Go on with the first rewind; bounds are whole seconds, both included."""
        lines: list[bytes] = []
        looked = 0
        while state.rewinds and not lines and looked < LOOKED:
            rewind = state.rewinds[0]
            piece: Sequence[Sighting] = self._archive.read(rewind.next, PAGE)
            looked += PAGE
            rewind.next += len(piece)
            lines += [
                _line(one, again=True) for one in piece if rewind.first <= one.stamp <= rewind.last
            ]
            if not piece:
                state.rewinds.popleft()
        return lines


def _line(sighting: Sighting, *, again: bool = False) -> bytes:
    device = sighting.place or str(sighting.antenna)
    return record_line(sighting, device=device, again=again)
