"""Commands over MQTT: ``<base>/request/<site>/<command>`` in, ``.../response/...`` out.

Requests are taken with QoS 0 on purpose: a broker keeps QoS 1 messages for a box that is away,
and a ``gun`` without a time that is carried out an hour late would be wrong. Whoever asks sees
that no answer comes, and asks again.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Protocol

import orjson
import structlog

from bridge.app.broker import Interest, Outlet, Topics
from bridge.app.ports import CrossingRow
from bridge.errors import BridgeError, UsageError

log = structlog.get_logger(__name__)

Handler = Callable[[dict[str, object]], Awaitable[Mapping[str, object]]]
"""Carry out a command: the request's object -> what stands under ``result``."""

WAITING = 200
"""Requests kept per command; what comes above it is dropped unanswered."""
LARGEST = 65_536
"""Bytes of a request."""
PAGE = 200
"""Crossings in one answer to ``crossings``: about 100 KB."""


class Log(Protocol):
    """The crossings of this site on record."""

    def crossings(self, first_seq: int, last_seq: int) -> Iterator[CrossingRow]:
        """Yield messages in seq order, both ends included."""
        ...


class Requests:
    """Carries out what other programs ask of this box: a `Service` of the link.

    Each command has its own queue, so that a box catching up never delays a gun.
    """

    def __init__(self, topics: Topics, handlers: Mapping[str, Handler]) -> None:
        self._topics = topics
        self._handlers = handlers
        self._inboxes: dict[str, deque[bytes]] = {name: deque() for name in handlers}
        self._strange: deque[tuple[str, bytes]] = deque(maxlen=WAITING)
        self._wakes = {name: asyncio.Event() for name in handlers}
        self._wake = asyncio.Event()
        self.dropped = 0

    def interests(self) -> Sequence[Interest]:
        """Ask for the requests to this site."""
        return (Interest(self._topics.of(f"request/{self._topics.site}/+"), 0),)

    def received(self, topic: str, payload: bytes) -> None:
        """Queue a request."""
        match self._topics.parts(topic):
            case ["request", site, command] if site == self._topics.site:
                inbox = self._inboxes.get(command)
                if inbox is None:
                    self._strange.append((command, payload))
                    self._wake.set()
                elif len(inbox) < WAITING:
                    inbox.append(payload)
                    self._wakes[command].set()
                else:
                    self.dropped += 1

    async def serve(self, outlet: Outlet) -> None:
        """Answer on this connection until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._answer_strange(outlet), name="mqtt requests")
            for name in self._handlers:
                group.create_task(self._answer(name, outlet), name=f"mqtt {name}")

    async def _answer(self, command: str, outlet: Outlet) -> None:
        inbox, wake, handler = self._inboxes[command], self._wakes[command], self._handlers[command]
        while True:
            await wake.wait()
            wake.clear()
            while inbox:
                self._respond(outlet, command, await _carry_out(handler, inbox.popleft()))

    async def _answer_strange(self, outlet: Outlet) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._strange:
                command, payload = self._strange.popleft()
                known = ", ".join(sorted(self._handlers))
                text = f"There is no command {command!r}; there are: {known}."
                self._respond(outlet, command, _failed(_id_of(payload), text))

    def _respond(self, outlet: Outlet, command: str, answer: bytes) -> None:
        topic = self._topics.of(f"response/{self._topics.site}/{command}")
        outlet.send(topic, answer, _ignore)


def crossings_handler(store: Log, last_seq: Callable[[], int]) -> Handler:
    """Make the handler of ``crossings``: own messages again, by seq (see `payloads`)."""

    async def handle(request: dict[str, object]) -> Mapping[str, object]:
        first, last = whole(request, "from_seq", 1), whole(request, "to_seq", 1)
        newest = last_seq()
        upto = max(first - 1, min(last, first + PAGE - 1, newest))
        rows = list(store.crossings(first, upto))
        if not rows and first <= upto < newest:
            # A store that follows a damaged one begins far above: say so, or they ask for years.
            following = next(iter(store.crossings(upto + 1, newest)), None)
            upto = newest if following is None else following.seq - 1
        return {
            "from_seq": first,
            "to_seq": upto,
            "last_seq": newest,
            "crossings": [orjson.Fragment(row.payload) for row in rows],
        }

    return handle


def whole(request: Mapping[str, object], key: str, least: int) -> int:
    """Return a whole number of a request.

    Raises:
        UsageError: It is missing, no whole number, or below `least`.
    """
    value = request.get(key)
    if type(value) is not int or value < least:
        raise UsageError(f"{key} must be a whole number from {least} up.")
    return value


async def _carry_out(handler: Handler, payload: bytes) -> bytes:
    request = _object(payload)
    if request is None:
        return _failed(None, f"A request is a JSON object of at most {LARGEST} bytes.")
    try:
        result = await handler(request)
        return orjson.dumps({"id": request.get("id"), "ok": True, "result": result})
    except BridgeError as error:
        return _failed(request.get("id"), str(error))
    except Exception:  # a bulkhead: one odd request must not end the connection
        log.exception("request failed")
        return _failed(request.get("id"), "The bridge failed at this; its log says why.")


def _object(payload: bytes) -> dict[str, object] | None:
    if len(payload) > LARGEST:
        return None
    try:
        request = orjson.loads(payload)
    except ValueError:
        return None
    return request if isinstance(request, dict) else None


def _id_of(payload: bytes) -> object:
    request = _object(payload)
    return request.get("id") if request else None


def _failed(request_id: object, text: str) -> bytes:
    return orjson.dumps({"id": request_id, "ok": False, "error": text})


def _ignore(refused: str | None) -> None:
    """Let a refused answer go: the asker will ask again."""
