"""The stream of a reader: messages cut out by their length, tag reports taken apart as they come.

A report is not waited for as a whole: each tag in it is taken as soon as it is complete. So a
report of a thousand held reads needs no more memory than one of one read, and a wrong length in a
header costs no more than that message.
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from bridge.domain.reads import Read
from bridge.driver_api import Control, Event, Kept, Reason, Rejected
from drivers.llrp.layouts import MOST_LAYOUTS, Layout, Memory, Segment, walk
from drivers.llrp.wire import HEADER, HEADER_LEN, TLV, TLV_LEN, TYPE_BITS, Msg, Par

MAX_MESSAGE: Final = 65_000
"""Longer than any message but a report; capabilities of a real R420 have 1,658 bytes."""
MAX_UNKNOWN: Final = 8_192
MAX_REPORT: Final = 1 << 20
MAX_NOISE: Final = 4_000
"""Noise comes back in pieces of this many bytes."""
_START: Final = re.compile(rb"[\x04-\x1f]")
"""First byte of a message: no reserved bit, version 1 to 7, the top two bits of the type."""
_CHECKED: Final = HEADER_LEN + TLV_LEN
"""As many bytes tell a message from noise."""
_CONSTANT_HEAD: Final = 6
"""Bytes of a message before its id."""
_MOST_USUAL: Final = 4
"""Shapes tried before a message is looked at in itself; tags of several lengths make several."""
_RESPONSES: Final = frozenset(kind for kind in Msg if kind.name.endswith("_RESPONSE"))
_KNOWN: Final = frozenset(Msg)
_STATUS_LEN: Final = 8


class Message(NamedTuple):
    """A whole message that is not a report."""

    kind: int
    number: int
    raw: bytes

    @property
    def body(self) -> bytes:
        """What follows the header."""
        return self.raw[HEADER_LEN:]


class Decoder:
    """Decode one connection.

    Total; every byte fed comes back once, in an event's `raw` or in `pending`.
    """

    def __init__(self, handle: Callable[[Message], list[Event]]) -> None:
        """Take who makes events of messages; the first of them must carry the message's bytes."""
        self._handle = handle
        self.memory = Memory()
        self._pending = b""
        self._noise = 0
        """Bytes at the front of `_pending` that begin no message."""
        self._left = 0
        """Bytes still to come of the report in hand."""
        self._layouts: dict[tuple[bytes, tuple[Segment, ...]], Layout] = {}
        self._usual: list[Layout] = []
        """Shapes of messages of one tag that came more than once, the newest first."""
        self._inner: Layout | None = None
        """The shape of tags in reports of several, if it came more than once."""

    @property
    def pending(self) -> bytes:
        """Bytes of what is not complete yet."""
        return self._pending

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes as they came; return what is complete, in wire order."""
        buffer = self._pending + data
        events: list[Event] = []
        at = 0
        while True:
            if self._usual and not self._left and not self._noise:
                at = self._run(buffer, at, events)
            done = self._part(buffer, at, events) if self._left else self._begin(buffer, at, events)
            if done < 0:
                break
            at = done
        self._pending = buffer[at:]
        return events

    def _run(self, buffer: bytes, at: int, events: list[Event]) -> int:
        """Take messages of one tag in the usual shapes, as many as there are: the hot path."""
        for layout in self._usual:
            run = layout.runs.match(buffer, at)
            if run:
                events += layout.reads(run[0], self.memory)
                return run.end()
        return at

    # -- between messages --------------------------------------------------------------------------

    def _begin(self, buffer: bytes, at: int, events: list[Event]) -> int:
        """Take what begins at `at`; return where it ends, or -1 if more must come first."""
        found = self._seek(buffer, at)
        noise = self._noise
        if noise >= MAX_NOISE:
            self._noise = noise - MAX_NOISE
            return _reject(buffer, at, at + MAX_NOISE, events)
        start = at + noise
        if not found:
            return -1
        if noise:
            self._noise = 0
            return _reject(buffer, at, start, events)
        kind, length = _head(buffer, at)
        if kind == Msg.RO_ACCESS_REPORT and length > HEADER_LEN:
            return self._first_part(buffer, at, length, events)
        if at + length > len(buffer):
            return -1
        return self._message(buffer[at : at + length], events) + at

    def _seek(self, buffer: bytes, at: int) -> bool:
        """Count noise up to where a message may begin; say whether one does for all we can see."""
        while True:
            start = at + self._noise
            if self._noise >= MAX_NOISE:
                return False
            verdict = _verdict(buffer, start)
            if verdict is None:
                return False
            if verdict:
                return True
            further = _START.search(buffer, start + 1, at + MAX_NOISE)
            self._noise = (further.start() if further else min(len(buffer), at + MAX_NOISE)) - at

    def _message(self, raw: bytes, events: list[Event]) -> int:
        kind, _, number = HEADER.unpack_from(raw)
        kind &= TYPE_BITS
        if kind == Msg.RO_ACCESS_REPORT:
            events.append(Control(raw, "empty report"))
        elif kind in _KNOWN:
            events += self._handle(Message(kind, number, raw))
        else:
            events.append(Rejected(raw, Reason.UNKNOWN, f"message type {kind}"))
        return len(raw)

    # -- inside a report ---------------------------------------------------------------------------

    def _first_part(self, buffer: bytes, at: int, length: int, events: list[Event]) -> int:
        """Take the header of a report with its first parameter."""
        start = at + HEADER_LEN
        if run_end := self._tags(buffer, start, at + length, events, buffer[at:start]):
            self._left = at + length - run_end
            return run_end
        end = start + _tlv_head(buffer, start)[1]
        if end > len(buffer):
            return -1
        alone = end == at + length
        self._take(buffer[at:end], HEADER_LEN, events, alone=alone)
        self._left = at + length - end
        return end

    def _part(self, buffer: bytes, at: int, events: list[Event]) -> int:
        """Take what comes next of the report in hand."""
        if run_end := self._tags(buffer, at, at + self._left, events, b""):
            self._left -= run_end - at
            return run_end
        if len(buffer) < at + min(TLV_LEN, self._left):
            return -1
        kind, size = _tlv_head(buffer, at) if self._left >= TLV_LEN else (0, 0)
        if size < TLV_LEN or size > self._left or kind > TYPE_BITS:
            self._left = 0  # the length in the header was wrong: search from here
            return at
        if at + size > len(buffer):
            return -1
        self._take(buffer[at : at + size], 0, events, alone=False)
        self._left -= size
        return at + size

    def _tags(self, buffer: bytes, at: int, limit: int, events: list[Event], header: bytes) -> int:
        """Take a run of tags in the shape of those before; return where it ends, 0 if none came."""
        run = self._inner.runs.match(buffer, at, limit) if self._inner else None
        if run is None or self._inner is None:
            return 0
        reads = self._inner.reads(run[0], self.memory)
        if header:
            reads[0] = _with_raw(reads[0], header + reads[0].raw)
        events += reads
        return run.end()

    def _take(self, raw: bytes, header: int, events: list[Event], *, alone: bool) -> None:
        """Take one parameter of a report, with the report's header if it is the first."""
        data = raw[header:]
        kind, _ = TLV.unpack_from(data)
        if kind != Par.TAG_REPORT:
            events.append(Control(raw, "not a tag", {"parameter": kind}))
            return
        way = walk(data)
        whole = way.end == len(data)
        if not way.has_epc:
            events.append(Rejected(raw, Reason.FIELD, "a tag report without an EPC"))
        elif header and alone and whole:
            layout = self._layout(way.segments, raw[:_CONSTANT_HEAD])
            if layout.is_repeated and layout not in self._usual:
                self._usual = [layout, *self._usual[: _MOST_USUAL - 1]]
            events += layout.reads(raw, self.memory)
        else:
            layout = self._layout(way.segments, b"")
            self._inner = layout if whole and layout.is_repeated else self._inner
            reads = layout.reads(data[: way.end], self.memory)
            events += [_with_raw(read, raw[: header + way.end]) for read in reads]
        if way.has_epc and not whole:
            reason = Reason.FIELD if way.damaged else Reason.UNKNOWN
            events.append(Rejected(raw[header + way.end :], reason, "rest of a tag report"))

    def _layout(self, segments: tuple[Segment, ...], header: bytes) -> Layout:
        layout = self._layouts.get((header, segments))
        if layout is not None:
            layout.is_repeated = True
            return layout
        if len(self._layouts) >= MOST_LAYOUTS:
            self._layouts.clear()
        layout = self._layouts[header, segments] = Layout(segments, header)
        return layout


def _with_raw(event: Kept, raw: bytes) -> Kept:
    if isinstance(event, Read):
        return event._replace(raw=raw)
    return Rejected(raw, Reason.FIELD, event.detail if isinstance(event, Rejected) else "")


def _reject(buffer: bytes, at: int, end: int, events: list[Event]) -> int:
    events.append(Rejected(buffer[at:end], Reason.FRAMING, "no message begins here"))
    return end


def _head(buffer: bytes, at: int) -> tuple[int, int]:
    """Return type and whole length of a message."""
    kind, length, _ = HEADER.unpack_from(buffer, at)
    return int(kind) & TYPE_BITS, int(length)


def _tlv_head(buffer: bytes, at: int) -> tuple[int, int]:
    """Return type and whole length of a parameter."""
    kind, length = TLV.unpack_from(buffer, at)
    return int(kind), int(length)


def _verdict(buffer: bytes, at: int) -> bool | None:
    """Say whether a message begins at `at`; None while too little of it is there."""
    there = len(buffer) - at
    if there < HEADER_LEN:
        return None if there <= 0 or _START.match(buffer, at) else False
    if not _START.match(buffer, at):
        return False
    kind, length = _head(buffer, at)
    if kind == Msg.KEEPALIVE or length <= HEADER_LEN:
        return length == HEADER_LEN
    most = MAX_REPORT if kind == Msg.RO_ACCESS_REPORT else MAX_MESSAGE
    if length > (most if kind in _KNOWN else MAX_UNKNOWN):
        return False
    if kind not in _FIRST:
        return True
    if length < _CHECKED:
        return False
    return _opens_well(buffer, at, kind, length - HEADER_LEN) if there >= _CHECKED else None


_FIRST: Final = {
    **dict.fromkeys(_RESPONSES, Par.STATUS),
    Msg.ERROR_MESSAGE: Par.STATUS,
    Msg.READER_EVENT_NOTIFICATION: Par.EVENT_DATA,
    Msg.RO_ACCESS_REPORT: None,
}
"""The parameter a message begins with; None: any TLV."""


def _opens_well(buffer: bytes, at: int, kind: int, room: int) -> bool:
    first, size = _tlv_head(buffer, at + HEADER_LEN)
    wanted = _FIRST[Msg(kind)]
    if wanted is None:
        return bool(TLV_LEN <= size <= room and first <= TYPE_BITS)
    least = _STATUS_LEN if wanted is Par.STATUS else TLV_LEN
    return bool(first == wanted and least <= size <= room)
