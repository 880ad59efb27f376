"""A decoder made of software, sans-I/O: it stores and numbers passings whoever is listening.

The protocol's commands are all there, also those our own session never sends: an operator at the
decoder uses them, and so do other clients.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bridge.driver_api import MAIN, Chip, Out, Sighting
from drivers.framing import LineBuffer
from drivers.race_result import records, stamps
from drivers.race_result.decoder_model import LAST_OLD, ModelDecoder, setup_of
from drivers.race_result.replies import Version, parse_version, print_version

_MAX_COMMAND: Final = 256
_LOWEST: Final = "1.0"
_PUSH_SINCE: Final = (1, 5)
_REFUSED: Final = "ERROR"
_CONFIG: Final[Mapping[str, str]] = {
    "GENERAL;TIMEZONE": "Europe/Berlin",
    "UPLOAD;CUSTNO": "0",
    "UPLOAD;CONNECTION": "0",
    "DETECTION;DEADTIME": "0",
    "DETECTION;REACTIONTIME": "500",
    "DETECTION;NOTIFICATION": "0",
    "ACTIVE;LOOPID": "1",
    "ACTIVE;POWER": "100",
}


@dataclass(slots=True)
class _Client:
    version: Version
    lines: LineBuffer = field(default_factory=lambda: LineBuffer(_MAX_COMMAND))
    pushing: bool = False
    held_back: list[bytes] = field(default_factory=list)
    """Pushes that wait for an answer to sit in."""


@dataclass(frozen=True, slots=True)
class _Call:
    client: _Client
    rest: str
    """What follows the command word."""
    now_ns: int


class RaceResultEmulator:
    """One decoder with any number of clients; its options are those of `Setup`.

    Raises:
        ValueError: An option is unknown or of the wrong type.
    """

    def __init__(self, options: Mapping[str, object]) -> None:
        setup = setup_of(options)
        self.channels: Mapping[str, int] = {MAIN: 3601}
        self.piece: tuple[int, int] | None = None
        self._setup = setup
        self._decoder = ModelDecoder(setup)
        self._version = parse_version(setup.protocol) or LAST_OLD
        self._clients: dict[int, _Client] = {}
        self._commands: Mapping[str, Callable[[_Call], str]] = {
            "SETPROTOCOL": self._set_protocol,
            "GETPROTOCOL": self._protocols,
            "GETCONFIG": self._config,
            "GETSTATUS": lambda call: self._decoder.status(call.client.version, call.now_ns),
            "GETTIME": lambda call: ";".join(self._decoder.clock(call.now_ns)),
            "SETTIME": self._set_time,
            "STARTOPERATION": self._start,
            "STOPOPERATION": self._stop,
            "PASSINGS": self._count,
            "SETPUSHPASSINGS": self._set_push,
            "SETPUSHPREWARNS": lambda call: call.rest,
            "GETFIRMWAREVERSION": lambda _: "1.0",
            "GETACTIVESTATUS": lambda _: "1;1;1;100",
            "GETMODE": lambda _: "OPERATION" if self._decoder.operating else "TEST",
        }

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Say nothing: the host speaks first."""
        self._clients[client] = _Client(self._version)
        return []

    def disconnected(self, client: int) -> None:
        """Forget the client, and nothing else."""
        self._clients.pop(client, None)

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        """Answer every complete command line."""
        state = self._clients.get(client)
        if state is None:
            return []
        answers: list[bytes] = []
        for line in state.lines.feed(data):
            pushes, state.held_back = state.held_back, []
            reply = self._answer(state, line.decode("latin-1").strip(), now_ns)
            middle = len(reply) // 2
            answers += [*reply[:middle], *pushes, *reply[middle:]]
        return [Out(b"".join(answers), client)] if answers else []

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """Store the passing in the current file and push it to whoever wants that."""
        record = self._decoder.passed(sighting)
        skip = self._setup.skip_push_every
        if skip and int(record[0]) % skip == 0:
            return []
        outs = []
        for client, state in self._clients.items():
            if state.pushing:
                line = self._decoder.line(record, state.version, pushed=True)
                if self._setup.push_inside_reply:
                    state.held_back.append(line)
                else:
                    outs.append(Out(line, client))
        return outs

    def marked(self, name: str, stamp: int) -> Sequence[Out]:  # noqa: ARG002
        """Store and push a trigger, whatever fired it."""
        return self.sighted(Sighting(chip=Chip(records.TRIGGER_CODE), stamp=stamp))

    def tick(self, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Let go of pushes that found no answer to sit in."""
        outs = []
        for client, state in self._clients.items():
            if state.held_back:
                outs.append(Out(b"".join(state.held_back), client))
                state.held_back.clear()
        return outs

    def _answer(self, client: _Client, command: str, now_ns: int) -> list[bytes]:
        word, _, rest = command.partition(";")
        if word.replace(":", "", 1).isdecimal():
            return self._passings(client, word)
        if word == "GETFILE":
            return self._old_file(client, rest)
        handler = self._commands.get(word)
        if handler is None:
            return [] if word in ("", "PING") else [_line(f"{word};{_REFUSED}")]
        return [_line(f"{word};{handler(_Call(client, rest, now_ns))}")]

    def _passings(self, client: _Client, request: str) -> list[bytes]:
        first, colon, count = request.partition(":")
        file = self._decoder.files[self._decoder.file]
        start = int(first or "0") - 1
        if not 0 <= start < len(file):
            return [_line(f"ONLY {len(file)}"), _line("")]
        wanted = file[start : start + (int(count or "0") if colon else 1)]
        return [*(self._decoder.line(record, client.version) for record in wanted), _line("")]

    def _old_file(self, client: _Client, number: str) -> list[bytes]:
        file = self._decoder.files.get(int(number)) if number.isdecimal() else None
        if file is None:
            return [_line(f"GETFILE;{_REFUSED}")]
        body = [self._decoder.line(record, client.version) for record in file]
        return [_line(f"GETFILE;{number}"), *body, _line("")]

    def _set_protocol(self, call: _Call) -> str:
        best = parse_version(call.rest.removeprefix("<="))
        if best is None or (best > self._version and not call.rest.startswith("<=")):
            return _REFUSED
        call.client.version = min(best, self._version)
        return print_version(call.client.version)

    def _protocols(self, call: _Call) -> str:
        return f"{print_version(call.client.version)};{_LOWEST};{print_version(self._version)}"

    def _config(self, call: _Call) -> str:
        if call.rest == "GENERAL;BOXNAME":
            return f"{call.rest};{self._setup.box};{self._setup.box}"
        return f"{call.rest};{_CONFIG[call.rest]}" if call.rest in _CONFIG else _REFUSED

    def _set_time(self, call: _Call) -> str:
        wanted = stamps.parse_stamp(*call.rest.split(";", 1)) if ";" in call.rest else None
        if wanted is None or self._decoder.operating:
            return _REFUSED
        self._decoder.set_clock(wanted[0], call.now_ns)
        return call.rest

    def _start(self, call: _Call) -> str:
        self._decoder.start()
        return f"OK;{';'.join(self._decoder.clock(call.now_ns))}"

    def _stop(self, call: _Call) -> str:  # noqa: ARG002
        self._decoder.stop()
        return "OK"

    def _count(self, call: _Call) -> str:
        file = self._decoder.file
        count = len(self._decoder.files[file])
        return f"{count}" if call.client.version <= LAST_OLD else f"{count};{file}"

    def _set_push(self, call: _Call) -> str:
        wanted = call.rest.split(";")
        known = len(wanted) == 2 and set(wanted) <= {"0", "1"}  # noqa: PLR2004
        if not known or call.client.version < _PUSH_SINCE:
            return _REFUSED
        call.client.pushing = wanted[0] == "1"
        if wanted == ["1", "1"]:
            file = self._decoder.files[self._decoder.file]
            line = self._decoder.line
            call.client.held_back += [line(r, call.client.version, pushed=True) for r in file]
        return call.rest


def _line(text: str) -> bytes:
    return f"{text}\r\n".encode("latin-1", "replace")
