"""The sending side of CTP01: what SimpleClient says to scoring software, from any memory.

It keeps no reads: each place has an `Archive`, and each connection a place in it. So the same
protocol serves the emulator and whoever hands reads on to scoring software.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bridge.driver_api import Archive, Out
from drivers.chronotrack.records import DEFAULT_READER, GUN, NEW_PLACE, scored_line
from drivers.chronotrack.stamps import TimeFormat
from drivers.framing import LineBuffer

GREETING: Final = b"SimpleClient~0.6.0~CTP01\r\n"
BATCH: Final = 500
"""Records of one place sent to one connection at once; the rest follows with the next tick."""
_MAX_LINE: Final = 512
_GREETING_FIELDS: Final = 3
_INIT: Final[Mapping[str, tuple[str, ...]]] = {
    "stream-mode": ("push", "pull"),
    "location": ("single", "multi"),
    "time-format": tuple(form.value for form in TimeFormat),
    "guntimes": ("true", "false"),
    "newlocations": ("true", "false"),
    "authentication": ("none",),
    "pushmode-ack": ("true", "false"),
    "connection-id": ("true", "false"),
    "tagevent-format": ("CT01_33",),
}
_DEFAULTS: Final = {"stream-mode": "push", "time-format": "normal"}


@dataclass(slots=True)
class _Client:
    lines: LineBuffer = field(default_factory=lambda: LineBuffer(_MAX_LINE))
    init_left: int | None = None
    """Lines of settings still to come; None: the server has not greeted."""
    settings: dict[str, str] = field(default_factory=lambda: dict(_DEFAULTS))
    cursors: dict[str, int] = field(default_factory=dict)
    """Started places: the number of the next record to send."""

    def has(self, setting: str) -> bool:
        return self.settings.get(setting) == "true"

    @property
    def ready(self) -> bool:
        return self.init_left == 0


class ScoringSender:
    """Speaks CTP01 on any number of connections, all of them made by us."""

    def __init__(self, *, connection_id: str, event: str = "Event") -> None:
        self._connection_id = connection_id
        self._event = event
        self._places: dict[str, Archive] = {}
        self._clients: dict[int, _Client] = {}
        self._handed: dict[str, int] = {}
        self._commands: Mapping[str, Callable[[_Client, list[str]], str]] = {
            "getconnectionid": lambda _, __: f"ack~getconnectionid~{self._connection_id}",
            "geteventinfo": lambda _, __: f"ack~geteventinfo~{self._event}~0~",
            "getlocations": lambda _, __: "~".join(["ack~getlocations", *self._places]),
            "start": self._start,
            "stop": self._stop,
            "ping": lambda _, __: "ack~ping",
            "ack": lambda _, __: "",
        }

    def offer(self, place: str, archive: Archive) -> list[Out]:
        """Add a place; tell those who want to know of new ones. Its guns have the chip `GUN`."""
        self._places[place] = archive
        line = f"CT01_33~1~{place}~{NEW_PLACE}~00:00:00.00~0~0~0\r\n".encode()
        return [
            Out(line, number)
            for number, client in self._clients.items()
            if client.ready and client.has("newlocations")
        ]

    def connected(self, client: int) -> list[Out]:
        """Speak first."""
        self._clients[client] = _Client()
        return [Out(GREETING, client)]

    def disconnected(self, client: int) -> None:
        """Forget the connection; what it did not get it may ask for on the next."""
        self._clients.pop(client, None)

    def received(self, client: int, data: bytes) -> list[Out]:
        """Answer the server's lines; one that miscounts its settings is hung up on."""
        state = self._clients.get(client)
        outs: list[Out] = []
        for raw in state.lines.feed(data) if state else []:
            line = raw.decode("latin-1").strip()
            if state is None or not line:
                continue
            if state.ready:
                outs += self._obey(client, state, line)
            elif not _set_up(state, line):
                text = b"err~~server responded with invalid message\r\n"
                return [*outs, Out(text, client, close=True)]
        return outs

    @property
    def handed(self) -> int:
        """How many records have been sent to anybody, over all places."""
        return sum(self._handed.values())

    def pump(self) -> Sequence[Out]:
        """Send what the archives have and the started connections have not."""
        return [Out(data, number) for number in self._clients if (data := self.due(number))]

    def due(self, number: int) -> bytes:
        """Return the next records of a connection, if it wants them pushed."""
        client = self._clients[number]
        return self._page(client) if client.settings["stream-mode"] == "push" else b""

    def _due(self, number: int, client: _Client) -> list[Out]:
        data = self._page(client)
        return [Out(data, number)] if data else []

    def _page(self, client: _Client) -> bytes:
        form = TimeFormat(client.settings["time-format"])
        data = b""
        for place, first in client.cursors.items():
            archive = self._places[place]
            if first > len(archive):
                continue
            batch = archive.read(first, BATCH)
            client.cursors[place] = first + len(batch)
            self._handed[place] = max(self._handed.get(place, 0), client.cursors[place] - 1)
            data += b"".join(
                scored_line(sighting, place=place, form=form, reader=DEFAULT_READER)
                for sighting in batch
                if sighting.chip != GUN or client.has("guntimes")
            )
        return data

    def _obey(self, number: int, client: _Client, line: str) -> list[Out]:
        command, *values = line.split("~")
        if command == "getdata" and client.settings["stream-mode"] == "pull":
            return self._due(number, client)
        handler = self._commands.get(command)
        reply = handler(client, values) if handler else "err~~unknown command"
        outs = [Out(f"{reply}\r\n".encode("latin-1", "replace"), number)] if reply else []
        pushes = command == "start" and client.settings["stream-mode"] == "push"
        return [*outs, *(self._due(number, client) if pushes else [])]

    def _start(self, client: _Client, values: list[str]) -> str:
        place, first = [*values, "", ""][:2]
        if place and place not in self._places:
            return "err~start~invalid location requested"
        number = int(first) if first.isdecimal() and len(first) < 10 else 1  # noqa: PLR2004
        good = not first or (first.isdecimal() and number >= 1)
        if not good or (place and number > len(self._places[place]) + 1):
            return "err~start~invalid start sequence number requested"
        for name in [place] if place else list(self._places):
            client.cursors[name] = number
        return "ack~start" if client.has("pushmode-ack") else ""

    def _stop(self, client: _Client, values: list[str]) -> str:
        if values and values[0]:
            client.cursors.pop(values[0], None)
        else:
            client.cursors.clear()
        return "ack~stop" if client.has("pushmode-ack") else ""


def _set_up(client: _Client, line: str) -> bool:
    """Take the greeting or a line of settings; return whether it is a possible one."""
    if client.init_left is None:
        fields = line.split("~")
        if len(fields) != _GREETING_FIELDS or not (fields[2].isdecimal() and len(fields[2]) == 1):
            return False
        client.init_left = int(fields[2])
        return True
    name, _, value = line.partition("=")
    if value not in _INIT.get(name, ()):
        return False
    client.settings[name] = value
    client.init_left -= 1
    return True
