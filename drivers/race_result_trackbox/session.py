"""One connection of a RACE RESULT Track Box, which posts to us."""

import re
from collections.abc import Iterator
from typing import Final

from bridge.driver_api import (
    MAIN,
    Control,
    Event,
    Opening,
    PassiveSession,
    Reason,
    Rejected,
    Status,
)
from drivers.http_body import Began, Broken, Cut, Ended, Item, LineCutter, Shape, Unwrapper
from drivers.http_push import Gate, PushDesk, gate_of, query_of
from drivers.race_result_trackbox import records
from drivers.race_result_trackbox.records import Ping

DEFAULT_USER: Final = "trackbox"
GOOD_BODY: Final = b"OK"
_BARE_HEAD = re.compile(rb"(?:POST|GET) (\S+)[\r\n]*")
"""A request line as the vendor's article prints it, and recordings have it."""


class TrackBoxSession(PassiveSession):
    """Decodes a box's posts, and acknowledges each once its reads are durable."""

    def __init__(self, opening: Opening) -> None:
        self._items = Unwrapper(LineCutter(cr_ends=True))
        gate = gate_of(opening, DEFAULT_USER)
        code = opening.options.get("auth")
        if code is not None:
            gate = Gate(gate.path, gate.login, {"auth": str(code)})
        self._desk = PushDesk(gate, GOOD_BODY)
        # In a check nothing is answered: what was is not posted again.
        self._answers = opening.link in ("tcp-listen", "tcp") and not opening.trial
        self._ping = Ping()
        self._line_number = 0

    def opened(self, now_ns: int) -> list[Event]:  # noqa: ARG002
        """Say nothing; acknowledge what is posted."""
        self._desk.talking = self._answers
        return []

    def feed(self, data: bytes, channel: str = MAIN) -> list[Event]:
        """Take bytes as they came; return what is complete, in wire order."""
        if channel != MAIN:
            return [Rejected(data, Reason.UNKNOWN, f"no channel {channel} was opened")]
        events: list[Event] = []
        for item in self._items.feed(data):
            events += self._item(item)
        return events

    @property
    def pending(self) -> bytes:
        """Bytes that are in no event yet."""
        return self._items.pending

    def _item(self, item: Item) -> Iterator[Event]:
        match item:
            case Cut():
                yield self._line(item)
            case Began(raw=raw, head=head) if head.method:
                first, *more = self._desk.begin(raw, head)
                if isinstance(first, Control) and not self._desk.refusing:
                    first = self._begun(first.raw, head.target)
                yield first
                yield from more
            case Began(raw=raw, head=head):
                yield Control(raw, "http answer", {"status": head.status})
            case Broken(raw=raw):
                yield Rejected(raw, Reason.FRAMING, "began like HTTP and went on otherwise")
            case Ended():
                self._ping = Ping()
                yield from self._desk.end()

    def _begun(self, raw: bytes, target: str) -> Event:
        query = query_of(target)
        self._ping = records.ping_of(query)
        self._line_number = 0
        fields = records.status_of(query)
        return Status(raw, fields) if fields else Control(raw, "http request")

    def _line(self, cut: Cut) -> Event:
        if cut.shape is Shape.BLANK:
            return Control(cut.raw, "empty line")
        if self._desk.refusing:
            return Rejected(cut.raw, Reason.UNKNOWN, "in a request that is not welcome")
        if not isinstance(cut.value, bytes):
            event = Rejected(cut.raw, Reason.OVERLONG, "no line end")
            self._desk.count(event)
            return event
        bare = _BARE_HEAD.fullmatch(cut.value)
        if bare:
            return self._begun(cut.raw, bare[1].decode("latin-1"))
        found = records.read(cut.raw, cut.value, self._ping, self._line_number)
        self._line_number += 1
        self._desk.count(found)
        return found
