"""What UHF modules made of software have in common: commands in, frames out, no memory."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from bridge.driver_api import MAIN, Out, Sighting
from drivers.binary_frames import FrameBuffer, Shape

MOST_TAGS: Final = 200
"""Tags in front of the antenna at once; more cannot be told apart by such a module."""

STAY_TICKS: Final = 5
"""How long a tag is on the mat: half a second at a brisk run."""


class ModuleEmulator(ABC):
    """One module on one port; any number of clients hear it.

    A tag that is sighted stays in the field for a moment: a module that is not asked meanwhile
    never knew it. `answer`, `stream` and `pause` make a kind of module of it.
    """

    piece: tuple[int, int] | None = None

    def __init__(self, port: int, commands: Shape) -> None:
        self.channels: Mapping[str, int] = {MAIN: port}
        self._commands = commands
        self._clients: dict[int, FrameBuffer] = {}
        self.field: list[Sighting] = []
        self._ticks = 0
        self._since: list[int] = []
        """In which tick each tag in the field came."""

    @abstractmethod
    def answer(self, command: bytes) -> bytes:
        """Return the reply to a whole command whose check is right; empty: silence."""

    @abstractmethod
    def stream(self, sighting: Sighting) -> bytes:
        """Return what is sent at once for a tag; empty: it is found by a later command or not."""

    @abstractmethod
    def pause(self, now_ns: int) -> bytes:
        """Return what is sent to everybody as time passes: ends of rounds, heartbeats."""

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Say nothing: the host speaks first."""
        self._clients[client] = FrameBuffer(self._commands)
        return []

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Answer whole commands; what has a wrong check is met with silence."""
        frames = self._clients.get(client)
        if frames is None:
            return []
        heard = [piece.raw for piece in frames.feed(data) if piece.damage is None]
        told = b"".join(self.answer(command) for command in heard)
        return [Out(told, client)] if told else []

    def disconnected(self, client: int) -> None:
        """Forget the client; a module goes on with what it was told."""
        self._clients.pop(client, None)

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """Let a tag come into the field."""
        told = self.stream(sighting)
        if told:
            return [Out(told)]
        self.field = [*self.field, sighting][-MOST_TAGS:]
        self._since = [*self._since, self._ticks][-MOST_TAGS:]
        return []

    def marked(self, name: str, stamp: int) -> Sequence[Out]:  # noqa: ARG002
        """Do nothing: such a module has no button."""
        return []

    def tick(self, now_ns: int) -> Sequence[Out]:
        """Let time pass; tags go away that nobody asked for."""
        told = self.pause(now_ns)
        self._ticks += 1
        gone = sum(self._ticks - since > STAY_TICKS for since in self._since)
        self.field, self._since = self.field[gone:], self._since[gone:]
        return [Out(told)] if told else []

    def take(self) -> list[Sighting]:
        """Return the tags in the field; they have been found now."""
        found, self.field, self._since = self.field, [], []
        return found


def choice(options: Mapping[str, object], name: str, allowed: Collection[str], default: str) -> str:
    """Return an emulator option that is one of some words.

    Raises:
        ValueError: It is none of them; the text says what is allowed.
    """
    value = options.get(name, default)
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"emulator option {name!r} is {value!r}; allowed: {', '.join(allowed)}")
    return value


def switch(options: Mapping[str, object], name: str, *, default: bool) -> bool:
    """Return an emulator option that is true or false.

    Raises:
        ValueError: It is neither.
    """
    value = options.get(name, default)
    if value is not True and value is not False:
        raise ValueError(f"emulator option {name!r} is {value!r}; allowed: true, false")
    return value


def only(options: Mapping[str, object], known: Collection[str]) -> None:
    """Refuse emulator options that nobody knows.

    Raises:
        ValueError: There is one; the text says which are allowed.
    """
    for name in options:
        if name not in known:
            raise ValueError(f"unknown emulator option {name!r}; allowed: {', '.join(known)}")
