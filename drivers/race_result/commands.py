"""The commands of a decoder, sans-I/O: what each is answered with.

They are all there, also those our own session never sends: an operator at the decoder uses them,
and so do other clients.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from drivers.framing import LineBuffer
from drivers.race_result import stamps
from drivers.race_result.decoder_model import LAST_OLD, ModelDecoder, Setup
from drivers.race_result.replies import Version, parse_version, print_version

_MAX_COMMAND: Final = 256
_PAGE: Final = 200
_LOWEST: Final = "1.0"
_PUSH_SINCE: Final = (1, 5)
_REFUSED: Final = "ERROR"


@dataclass(slots=True)
class Client:
    """What a decoder knows of one connection."""

    version: Version
    lines: LineBuffer = field(default_factory=lambda: LineBuffer(_MAX_COMMAND))
    pushing: bool = False
    pushed: int = 0
    """Passings of the current file that need not be pushed any more."""
    told: int = 0
    """Number of the newest passing it was given as an answer."""


@dataclass(frozen=True, slots=True)
class _Call:
    client: Client
    rest: str
    """What follows the command word."""
    now_ns: int


class Commands:
    """Answers the clients of one decoder."""

    def __init__(self, decoder: ModelDecoder) -> None:
        self._setup: Setup = decoder.setup
        self._decoder = decoder
        self._version = parse_version(decoder.setup.protocol) or LAST_OLD
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

    def new_client(self) -> Client:
        """Return a connection that has said nothing yet."""
        return Client(self._version)

    def answer(self, client: Client, command: str, now_ns: int) -> Iterator[bytes]:
        """Yield the lines that answer a command, page by page where they are many."""
        word, _, rest = command.partition(";")
        if word.replace(":", "", 1).isdecimal():
            yield from self._passings(client, word)
        elif word == "GETFILE":
            yield from self._old_file(client, rest)
        elif handler := self._commands.get(word):
            yield _line(f"{word};{handler(_Call(client, rest, now_ns))}")
        elif word not in ("", "PING"):
            yield _line(f"{word};{_REFUSED}")

    def _passings(self, client: Client, request: str) -> Iterator[bytes]:
        first, colon, count = request.partition(":")
        file = self._decoder.files[self._decoder.file]
        start = int(first or "0") - 1
        if not 0 <= start < len(file):
            yield _line(f"ONLY {len(file)}")
        else:
            end = min(start + (int(count or "0") if colon else 1), len(file))
            yield from self._lines(client, file, start, end)
        yield _line("")

    def _old_file(self, client: Client, number: str) -> Iterator[bytes]:
        file = self._decoder.files.get(int(number)) if number.isdecimal() else None
        if file is None:
            yield _line(f"GETFILE;{_REFUSED}")
            return
        yield _line(f"GETFILE;{number}")
        yield from self._lines(client, file, 0, len(file))
        yield _line("")

    def _lines(
        self, client: Client, file: Sequence[list[str]], start: int, end: int
    ) -> Iterator[bytes]:
        for at in range(start, end, _PAGE):
            for record in file[at : min(at + _PAGE, end)]:
                client.told = max(client.told, int(record[0]))
                yield self._decoder.line(record, client.version)

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
        told = self._decoder.config.get(call.rest)
        return _REFUSED if told is None else f"{call.rest};{told}"

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
        return "OK" if self._decoder.stop() else _REFUSED

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
        file = self._decoder.files[self._decoder.file]
        call.client.pushed = 0 if wanted == ["1", "1"] else len(file)
        return call.rest


def _line(text: str) -> bytes:
    return f"{text}\r\n".encode("latin-1", "replace")
