"""A One4All made of software: session files, commands, and pushes to whoever asked last."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from bridge.domain.reads import DAY_NS, NS_PER_S
from bridge.driver_api import MAIN, Out, Shelf, Sighting
from drivers.framing import LineBuffer
from drivers.macsha import records

_MOST_COMMAND: Final = 256
_PROTOCOLS: Final = "3.1;1.0;2.0"
_SET_TIME: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d);(\d\d):(\d\d):(\d\d)")
_EPOCH_DAY: Final = datetime(1970, 1, 1).toordinal()  # noqa: DTZ001 - the reader's clock has no zone
_LONGEST_BOUNCE_S: Final = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How an emulated One4All is set up."""

    started: bool = True
    mains: bool = True
    battery_pct: int = 90
    skip_push_every: int = 0


class One4AllEmulator:
    """One reader with any number of clients; only the last that asked is pushed to."""

    def __init__(self, setup: Setup, port: int) -> None:
        self.channels: Mapping[str, int] = {MAIN: port}
        self.piece: tuple[int, int] | None = None
        self._setup = setup
        self._started = setup.started
        self._shift_ns = 0
        self._clients: dict[int, LineBuffer] = {}
        self._pushed_to: int | None = None
        self._file = "session-0.csv"
        self._files: dict[str, Shelf] = {self._file: Shelf()}
        self._commands: Mapping[str, Callable[[list[str], int], str]] = {
            "START": self._start,
            "STOP": self._stop,
            "SETBOUNCE": _bounce,
            "SETTIME": self._set_time,
            "GETTIME": lambda _, now_ns: ";".join(records.print_stamp(now_ns + self._shift_ns)),
            "PASSINGS": self._passings,
            "READBATTERY": self._battery,
            "PING": lambda *_: "PONG",
            "LISTFILES": lambda *_: ";".join(self._files),
            "GETFILEINFO": self._file_info,
            "CLEARFILES": self._clear,
            "NEWFILE": self._new_file,
            "GETPROTOCOL": lambda *_: _PROTOCOLS,
            "SETPROTOCOL": lambda fields, _: ";".join(fields),
        }

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Greet; nothing is pushed before it is asked for."""
        self._clients[client] = LineBuffer(_MOST_COMMAND)
        return [Out(b"HELLO;ONE4ALL\r\n", client)]

    def disconnected(self, client: int) -> None:
        """Forget the client, and nothing else."""
        self._clients.pop(client, None)
        if self._pushed_to == client:
            self._pushed_to = None

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        """Answer every complete command line."""
        lines = self._clients.get(client)
        if lines is None:
            return []
        answers = [
            self._answer(client, line.decode("latin-1").strip(), now_ns)
            for line in lines.feed(data)
        ]
        return [Out(b"".join(answers), client)] if answers else []

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """Store the passing in the session file and push it; stopped, it is not seen."""
        if not self._started:
            return []
        stamp = sighting.stamp + self._shift_ns
        stored = self._files[self._file].add(replace(sighting, stamp=stamp))
        skip = self._setup.skip_push_every
        if self._pushed_to is None or (skip and stored.seq % skip == 0):
            return []
        return [Out(records.encode(stored), self._pushed_to)]

    def marked(self, name: str, stamp: int) -> Sequence[Out]:  # noqa: ARG002
        """Do nothing: its rows tell of chips only."""
        return []

    def tick(self, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Do nothing: it sends nothing by itself but passings."""
        return []

    def _answer(self, client: int, command: str, now_ns: int) -> bytes:
        word, *fields = command.split(";")
        if word == "PUSHTAGS" and fields in (["true"], ["false"]):
            if fields == ["true"]:
                self._pushed_to = client
            elif self._pushed_to == client:
                self._pushed_to = None
            return f"{command}\r\n".encode("latin-1")
        if word in {"GETPASSINGS", "GETFILE"}:
            return self._rows(word, fields)
        handler = self._commands.get(word)
        if handler is None:
            return b"" if not word else f"{word};ERR\r\n".encode("latin-1")
        return f"{word};{handler(fields, now_ns)}\r\n".encode("latin-1")

    def _rows(self, word: str, fields: list[str]) -> bytes:
        """Return the rows from one number to another, and an empty line."""
        name = fields.pop(0) if word == "GETFILE" and fields else self._file
        file = self._files.get(name)
        if file is None or len(fields) != 2 or not all(text.isdecimal() for text in fields):  # noqa: PLR2004
            return f"{word};ERR\r\n".encode("latin-1")
        first, last = (int(text) for text in fields)
        rows = file.read(first, last - max(first, 1) + 1)
        return b"".join(map(records.encode, rows)) + b"\r\n"

    def _start(self, fields: list[str], now_ns: int) -> str:
        if self._started:
            return "STARTMODE"
        self._started = True
        return self._new_file(fields, now_ns)

    def _new_file(self, _: list[str], now_ns: int) -> str:
        if not self._started:
            return "ERR"
        day, time = records.print_stamp(now_ns + self._shift_ns)
        self._file = f"{day}-{time.replace(':', '')}-{len(self._files)}.csv"
        self._files[self._file] = Shelf()
        return self._file

    def _stop(self, _: list[str], now_ns: int) -> str:  # noqa: ARG002
        if not self._started:
            return "STOPMODE"
        self._started = False
        return "OK"

    def _clear(self, _: list[str], now_ns: int) -> str:  # noqa: ARG002
        if self._started:
            return "STARTMODE"
        self._files = {self._file: Shelf()}
        return "OK"

    def _set_time(self, fields: list[str], now_ns: int) -> str:
        wanted = _SET_TIME.fullmatch(";".join(fields))
        if self._started:
            return "STARTMODE"
        if wanted is None:
            return "ERR"
        try:
            at = datetime(*(int(part) for part in wanted.groups()))  # type: ignore[arg-type] # noqa: DTZ001
        except ValueError:
            return "ERR"
        second = (at.hour * 60 + at.minute) * 60 + at.second
        stamp = (at.toordinal() - _EPOCH_DAY) * DAY_NS + second * NS_PER_S
        self._shift_ns = stamp - now_ns
        return ";".join(fields)

    def _passings(self, _: list[str], now_ns: int) -> str:  # noqa: ARG002
        file = self._files[self._file]
        newest = file.read(len(file), 1)
        return f"{len(file)};{newest[0].chip if newest else ''};0"

    def _battery(self, _: list[str], now_ns: int) -> str:  # noqa: ARG002
        mains = "true" if self._setup.mains else "false"
        return f"VOLTS;25.5;PERCENT;{self._setup.battery_pct};HASPOWER;{mains}"

    def _file_info(self, fields: list[str], now_ns: int) -> str:  # noqa: ARG002
        file = self._files.get(fields[0]) if fields else None
        if file is None or not len(file):
            return "ERR"
        ends = [file.read(1, 1)[0], file.read(len(file), 1)[0]]
        times = [";".join(records.print_stamp(end.stamp)) for end in ends]
        return f"{times[0]}.000;{times[1]}.000;{len(file)}"


def _bounce(fields: list[str], now_ns: int) -> str:  # noqa: ARG001
    text = fields[0] if fields else ""
    usable = text.isdecimal() and 1 <= int(text) <= _LONGEST_BOUNCE_S
    return text if usable else "ERR"
