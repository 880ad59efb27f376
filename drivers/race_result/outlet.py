"""This box as a RACE RESULT decoder: its passing file is the journal."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import Final, overload
from zlib import crc32

from bridge.driver_api import Archive, Forward, Out, Stand
from drivers import module_options
from drivers.race_result.commands import Client, Commands
from drivers.race_result.decoder_model import ModelDecoder, Setup

PORT: Final = 3601
PAGE: Final = 200
MOST_WAITING: Final = 100
"""Commands of one client that wait for the answer to those before them."""
_BOX: Final = "D-9001"
_FILES: Final = 900
_FIRST_FILE: Final = 100


def _name(value: object) -> str:
    is_good = isinstance(value, str) and value.isascii() and value.replace("-", "").isalnum()
    return "" if is_good else "a device id of letters, digits and -, such as D-9001"


_CHECKS: Final[Mapping[str, module_options.Check]] = {
    "box": _name,
    "file": module_options.whole(1, 9_999),
}


class _File(Sequence[list[str]]):
    """A passing file that is an archive."""

    def __init__(self, archive: Archive, decoder: ModelDecoder) -> None:
        self._archive = archive
        self._decoder = decoder

    def __len__(self) -> int:
        return len(self._archive)

    @overload
    def __getitem__(self, place: int) -> list[str]: ...
    @overload
    def __getitem__(self, place: slice) -> list[list[str]]: ...
    def __getitem__(self, place: int | slice) -> list[str] | list[list[str]]:
        if isinstance(place, slice):
            start, stop, _ = place.indices(len(self))
            found = self._archive.read(start + 1, stop - start)
            return [self._decoder.record_of(sighting) for sighting in found]
        return self[place : place + 1][0]


class _Decoder(ModelDecoder):
    """Times for ever by a clock that nobody sets; it knows neither where it is nor a radio."""

    position = "0;"
    config: Mapping[str, str] = MappingProxyType({})

    def __init__(self, setup: Setup, archive: Archive) -> None:
        super().__init__(setup)
        self.files = {setup.file: _File(archive, self)}

    def start(self) -> None:
        """Go on: it has been timing all along."""

    def stop(self) -> bool:
        """Refuse."""
        return False

    def set_clock(self, stamp: int, now_ns: int) -> None:
        """Change nothing; while timing the command is refused anyway."""


@dataclass(slots=True)
class _Line:
    client: Client
    answers: deque[Iterator[bytes]] = field(default_factory=deque)
    """Answers owed, in order; each is made as far as there is room for it."""


class RaceResultOutlet:
    """Any number of clients; who asked for pushes gets the passings behind that moment."""

    acknowledged: int | None = None

    def __init__(self, stand: Stand) -> None:
        # The identity of a passing is box, file and number: another journal is another file.
        file = _FIRST_FILE + crc32(stand.identity.encode()) % _FILES
        setup = Setup(
            box=str(stand.options.get("box", _BOX)), file=int(str(stand.options.get("file", file)))
        )
        self._decoder = _Decoder(setup, stand.archive)
        self._file = self._decoder.files[setup.file]
        self._commands = Commands(self._decoder)
        self._lines: dict[int, _Line] = {}
        self.handed = stand.acknowledged

    def connected(self, client: int, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Say nothing: the host speaks first."""
        self._lines[client] = _Line(self._commands.new_client())
        return []

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        """Take commands; hang up on who asks on and on without reading the answers."""
        line = self._lines[client]
        for raw in line.client.lines.feed(data):
            command = raw.decode("latin-1").strip()
            line.answers.append(self._commands.answer(line.client, command, now_ns))
        if len(line.answers) > MOST_WAITING:
            return [Out(client=client, reset=True)]
        return []

    def disconnected(self, client: int) -> None:
        """Forget the client."""
        self._lines.pop(client, None)

    def due(self, client: int, now_ns: int) -> bytes:  # noqa: ARG002
        """Return the next piece of an answer, or of what is pushed, never one inside the other."""
        line = self._lines[client]
        while line.answers:
            if piece := list(islice(line.answers[0], PAGE)):
                self.handed = max(self.handed, line.client.told)
                return b"".join(piece)
            line.answers.popleft()
        return self._pushes(line.client) if line.client.pushing else b""

    def tick(self, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Say nothing: clients ask."""
        return []

    def _pushes(self, client: Client) -> bytes:
        found = self._file[client.pushed : client.pushed + PAGE]
        client.pushed += len(found)
        self.handed = max(self.handed, client.pushed)
        return b"".join(self._decoder.line(one, client.version, pushed=True) for one in found)


def _complaints(options: Mapping[str, object]) -> list[str]:
    return module_options.complaints(options, _CHECKS)


FORWARD: Final = Forward(outlet=RaceResultOutlet, port=PORT, check_options=_complaints)
