"""The session of a reader that posts to us: HTTP around it, its own records inside."""

from collections.abc import Iterable, Iterator

from bridge.driver_api import (
    MAIN,
    Control,
    Event,
    Opening,
    PassiveSession,
    Reason,
    Rejected,
)
from drivers.http_body import Began, Broken, Cut, Ended, Item, Shape, Unwrapper
from drivers.http_push import PushDesk
from drivers.http_wire import Head


class PushSession(PassiveSession):
    """Takes requests apart and answers each once what came in it is durable.

    A family says what a stretch of a body is (`read`) and, if it matters, what a request begins
    and ends with. Bytes without HTTP around them (a broker, a recording) are read just as well.
    """

    def __init__(self, opening: Opening, items: Unwrapper, desk: PushDesk) -> None:
        self._items = items
        self.desk = desk
        # In a check nothing is answered: what was is not posted again.
        self._answers = opening.link in ("tcp-listen", "tcp") and not opening.trial

    def read(self, cut: Cut) -> Iterable[Event]:
        """Return what a stretch of a welcome body tells."""
        raise NotImplementedError

    def begun(self, raw: bytes, head: Head) -> list[Event]:
        """Return what a request's head tells."""
        return self.desk.begin(raw, head)

    def over(self) -> None:
        """Forget what only held for the request that ended."""

    def opened(self, now_ns: int) -> list[Event]:  # noqa: ARG002
        """Say nothing; answer what is posted."""
        self.desk.talking = self._answers
        return []

    def feed(self, data: bytes, channel: str = MAIN) -> list[Event]:
        """Take bytes as they came; return what is complete, in wire order."""
        if channel != MAIN:
            return [Rejected(data, Reason.UNKNOWN, f"no channel {channel} was opened")]
        events: list[Event] = []
        for item in self._items.feed(data):
            events += self._item(item)
        return events

    def flush(self) -> list[Event]:
        """Return what only waited for something to follow it."""
        return [event for cut in self._items.flush() for event in self._item(cut)]

    @property
    def pending(self) -> bytes:
        """Bytes that are in no event yet."""
        return self._items.pending

    def _item(self, item: Item) -> Iterator[Event]:
        match item:
            case Cut(raw=raw, shape=Shape.BLANK):
                yield Control(raw, "empty line")
            case Cut(raw=raw) if self.desk.refusing:
                yield Rejected(raw, Reason.UNKNOWN, "in a request that is not welcome")
            case Cut():
                yield from self.read(item)
            case Began(raw=raw, head=head) if head.method:
                yield from self.begun(raw, head)
            case Began(raw=raw, head=head):
                yield Control(raw, "http answer", {"status": head.status})
            case Broken(raw=raw):
                yield Rejected(raw, Reason.FRAMING, "began like HTTP and went on otherwise")
            case Ended():
                self.over()
                yield from self.desk.end()
