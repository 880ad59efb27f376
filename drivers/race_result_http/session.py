"""One connection of a RACE RESULT decoder that uploads its passing file to us."""

from collections.abc import Iterator, Mapping

from bridge.driver_api import (
    MAIN,
    Control,
    Event,
    Opening,
    PassiveSession,
    Reason,
    Rejected,
)
from drivers.http_body import Began, Broken, Cut, Ended, Item, LineCutter, Shape, Unwrapper
from drivers.http_push import Gate, PushDesk, gate_of, query_of
from drivers.race_result.records import Numbering
from drivers.race_result_http.records import UploadReader

DEFAULT_USER = "race-result"
GOOD_BODY = b"OK"
_MOST_NAME = 64


class UploadSession(PassiveSession):
    """Decodes uploads, and acknowledges each once its reads are durable."""

    def __init__(self, opening: Opening) -> None:
        self._items = Unwrapper(LineCutter())
        self._records = UploadReader()
        gate = gate_of(opening, DEFAULT_USER)
        user = opening.options.get("user")
        if isinstance(user, str):
            gate = Gate(gate.path, gate.login, {"user": user})
        self._desk = PushDesk(gate, GOOD_BODY)
        # In a check nothing is answered: what was is not posted again.
        self._answers = opening.link in ("tcp-listen", "tcp") and not opening.trial
        self._source = Numbering()

    def opened(self, now_ns: int) -> list[Event]:  # noqa: ARG002
        """Say nothing; acknowledge what is uploaded."""
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
                self._source = _source_of(query_of(head.target))
                yield from self._desk.begin(raw, head)
            case Began(raw=raw, head=head):
                yield Control(raw, "http answer", {"status": head.status})
            case Broken(raw=raw):
                yield Rejected(raw, Reason.FRAMING, "began like HTTP and went on otherwise")
            case Ended():
                self._source = Numbering()
                yield from self._desk.end()

    def _line(self, cut: Cut) -> Event:
        if cut.shape is Shape.BLANK:
            return Control(cut.raw, "empty line")
        if self._desk.refusing:
            return Rejected(cut.raw, Reason.UNKNOWN, "in a request that is not welcome")
        if isinstance(cut.value, bytes):
            event = self._records.read(cut.raw, cut.value, self._source)
        else:
            event = Rejected(cut.raw, Reason.OVERLONG, "no line end")
        self._desk.count(event)
        return event


def _source_of(query: Mapping[str, str]) -> Numbering:
    """Return which decoder and file a request is of; names that would spoil a line are none."""
    box, file = query.get("device") or query.get("boxname", ""), query.get("file", "")
    named = box.isascii() and box.isprintable() and ";" not in box and len(box) <= _MOST_NAME
    numbered = file.isascii() and file.isdecimal() and len(file) < 11  # noqa: PLR2004
    return Numbering(box if named else "", file if numbered else "")
