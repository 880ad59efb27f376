"""The sending side of pushes, for emulators: what is not acknowledged is sent again.

Sans-I/O: `Poster` is a reader's HTTP client on one connection that its host keeps up.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Out
from drivers import http_wire
from drivers.http_wire import HttpReader, Kind

_MOST_QUEUED: Final = 150_000
_RETRY_NS: Final = 2 * NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """How an emulated reader posts."""

    target: Callable[[Sequence[bytes]], str]
    """Where a batch goes."""
    body: Callable[[Sequence[bytes]], bytes]
    """Makes the body of a batch."""
    fields: Mapping[str, str]
    most: int = 100
    """Records in a batch."""
    keep_alive: bool = True
    chunked: bool = False
    good_body: bytes | None = None
    """What the answer's body must be for the batch to count as taken; None: any."""


class Poster:
    """Queues records, posts them in batches, and forgets them once they are acknowledged."""

    def __init__(self, posting: Posting, host: str = "chip-bridge") -> None:
        self._posting = posting
        self._host = host
        self._queue: deque[bytes] = deque(maxlen=_MOST_QUEUED)
        self._flying = 0
        """Records of the request that is not acknowledged yet."""
        self._request = b""
        """It, as long as it has to be repeated word for word."""
        self._waiting = False
        self._client: int | None = None
        self._answers = HttpReader()
        self._status = 0
        self._body = b""
        self._again_ns = 0

    @property
    def stored(self) -> int:
        """Records not acknowledged."""
        return len(self._queue)

    def connected(self, client: int) -> list[Out]:
        """Begin on a new connection with what was not acknowledged."""
        self._client = client
        self._answers = HttpReader()
        self._waiting, self._again_ns = False, 0
        return self.go_on()

    def disconnected(self, client: int) -> None:
        """Keep what was not acknowledged."""
        if client == self._client:
            self._client = None
            self._waiting = False

    def add(self, record: bytes) -> list[Out]:
        """Queue a record, and post it if nothing is under way."""
        self._queue.append(record)
        return self.go_on()

    def received(self, client: int, data: bytes, now_ns: int) -> list[Out]:
        """Take the receiver's answer."""
        outs: list[Out] = []
        if client != self._client:
            return outs
        for part in self._answers.feed(data):
            if part.head:
                self._status, self._body = part.head.status, b""
            elif part.kind is Kind.BODY:
                self._body = (self._body + part.data)[:100]
            elif part.kind is Kind.END and self._status >= 200 and self._waiting:  # noqa: PLR2004
                outs += self._answered(client, now_ns)
        return outs

    def tick(self, now_ns: int) -> list[Out]:
        """Try again what was refused."""
        if self._again_ns and now_ns >= self._again_ns:
            self._again_ns = 0
            return self.go_on()
        return []

    def go_on(self, *, empty: bool = False) -> list[Out]:
        """Post the next batch if nothing is under way; with `empty` also one of no records."""
        if (
            self._client is None
            or self._waiting
            or self._again_ns
            or not (self._queue or self._request or empty)
        ):
            return []
        self._request = self._request or self._next_request()
        self._waiting = True
        return [Out(self._request, self._client)]

    def _next_request(self) -> bytes:
        posting = self._posting
        self._flying = min(len(self._queue), posting.most)
        batch = [self._queue[n] for n in range(self._flying)]
        target, body = posting.target(batch), posting.body(batch)
        fields = dict(posting.fields)
        if not posting.keep_alive:
            fields["Connection"] = "close"
        if not posting.chunked:
            return http_wire.request("POST", target, self._host, fields, body)
        fields["Transfer-Encoding"] = "chunked"
        head = http_wire.request("POST", target, self._host, fields)
        half = len(body) // 2
        pieces = [piece for piece in (body[:half], body[half:]) if piece]
        return head + b"".join(map(http_wire.chunk, [*pieces, b""]))

    def ask(self, target: str) -> list[Out]:
        """Send a request without records if nothing is under way; its answer is not looked at."""
        if self._client is None or self._waiting or self._again_ns or self._request:
            return []
        self._waiting = True
        fields = {} if self._posting.keep_alive else {"Connection": "close"}
        return [Out(http_wire.request("GET", target, self._host, fields), self._client)]

    def _answered(self, client: int, now_ns: int) -> list[Out]:
        good = self._posting.good_body
        taken = 200 <= self._status < 300 and good in (None, self._body)  # noqa: PLR2004
        self._waiting = False
        if taken:
            for _ in range(self._flying):
                self._queue.popleft()
            self._flying, self._request = 0, b""
        else:
            self._again_ns = now_ns + _RETRY_NS
        if not self._posting.keep_alive:
            return [Out(client=client, close=True)]
        return self.go_on()
