"""Records as JSON Lines or CSV over TCP, for programs that speak no reader's protocol.

A client may say ``from N`` and a line end, at any time: it gets everything from record N on. One
that says nothing gets what `start` says. Whatever else it says is ignored.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import orjson

from bridge.app.forward_archive import Records
from bridge.app.forward_kinds import STARTS
from bridge.driver_api import Out

COLUMNS: Final = (
    "n", "id", "seq", "state", "site", "location", "reader", "chip", "at", "at_ms", "antenna",
    "rssi", "bib", "name", "reason",
)  # fmt: skip
"""Columns of CSV. A read has no seq, state, bib, name and reason: they are empty."""
PAGE: Final = 200
_LONGEST_LINE: Final = 128
_FROM: Final = re.compile(rb"\s*from\s+(\d{1,15})\s*", re.IGNORECASE)


@dataclass(slots=True)
class _Client:
    next: int
    line: bytearray = field(default_factory=bytearray)
    head: bytes = b""
    """What has to be sent before the first record."""


class LineOutlet:
    """One stream of lines for any number of clients, each at its own place in it."""

    def __init__(
        self, driver: str, archive: Records, options: Mapping[str, object], handed: int
    ) -> None:
        """`handed`: number of the last record that an earlier run handed over."""
        self._archive = archive
        self._start = str(options.get("start", STARTS[0]))
        self._is_csv = driver == "csv"
        self._render = _csv_lines if self._is_csv else _json_lines
        self._clients: dict[int, _Client] = {}
        self._handed = handed

    @property
    def handed(self) -> int:
        """See `Outlet.handed`."""
        return self._handed

    @property
    def acknowledged(self) -> int | None:
        """None: nobody acknowledges anything."""
        return None

    def connected(self, client: int, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Decide where the client begins."""
        first = {"missed": self._handed, "new": len(self._archive), "all": 0}[self._start] + 1
        head = _csv_line(COLUMNS) if self._is_csv else b""
        self._clients[client] = _Client(first, head=head)
        return []

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Go to where the client wants to be."""
        state = self._clients[client]
        for byte in re.split(rb"([\r\n])", data):
            if byte not in {b"\r", b"\n"}:
                state.line += byte[: max(_LONGEST_LINE - len(state.line), 0)]
                continue
            if found := _FROM.fullmatch(state.line):
                state.next = max(int(found[1]), 1)
            state.line.clear()
        return []

    def disconnected(self, client: int) -> None:
        """Forget where it was."""
        self._clients.pop(client, None)

    def due(self, client: int, now_ns: int) -> bytes:  # noqa: ARG002
        """Return the next lines of a client."""
        state = self._clients[client]
        head, state.head = state.head, b""
        found = self._archive.messages(state.next, PAGE)
        state.next += len(found)
        if found:
            self._handed = max(self._handed, state.next - 1)
        return head + self._render(found)

    def tick(self, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Say nothing: the kernel watches over the connection."""
        return []


def _json_lines(found: Sequence[bytes]) -> bytes:
    return b"".join(message + b"\n" for message in found)


def _csv_lines(found: Sequence[bytes]) -> bytes:
    rows = map(orjson.loads, found)
    return b"".join(_csv_line([row.get(column) for column in COLUMNS]) for row in rows)


def _csv_line(values: Sequence[object]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(values)
    return text.getvalue().encode()
