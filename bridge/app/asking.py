"""Ask another box something over the broker and wait for its answer."""

import asyncio
from collections.abc import Mapping

import orjson

from bridge.app.broker import Outlet, Topics
from bridge.app.ports import Clock

ANSWER_S = 10.0
"""An answer that takes longer does not come."""


class Asker:
    """Matches answers to questions by ``id``."""

    outlet: Outlet | None = None
    """The live connection, or None."""

    def __init__(self, topics: Topics, clock: Clock) -> None:
        self._topics = topics
        self._prefix = f"{topics.site}-{clock.utc_ns():x}-{clock.boot_ns():x}"
        self._count = 0
        self._open: dict[str, tuple[str, asyncio.Future[dict[str, object]]]] = {}

    async def ask(
        self, site: str, command: str, body: Mapping[str, object]
    ) -> dict[str, object] | None:
        """Send a request; return the answer's object, or None if none came in time."""
        outlet = self.outlet
        if outlet is None:
            return None
        self._count += 1
        request_id = f"{self._prefix}-{self._count}"
        answer: asyncio.Future[dict[str, object]] = asyncio.get_running_loop().create_future()
        self._open[request_id] = (site, answer)
        try:
            request = orjson.dumps({"id": request_id, **body})
            outlet.send(self._topics.of(f"request/{site}/{command}"), request, _ignore)
            async with asyncio.timeout(ANSWER_S):
                return await answer
        except TimeoutError:
            return None
        finally:
            del self._open[request_id]

    def answered(self, site: str, payload: bytes) -> None:
        """Take an answer of a site; those to questions of others are ignored."""
        if not any(asked == site for asked, _ in self._open.values()):
            return
        try:
            answer = orjson.loads(payload)
        except ValueError:
            return
        request_id = answer.get("id") if isinstance(answer, dict) else None
        if isinstance(request_id, str) and request_id in self._open:
            asked, future = self._open[request_id]
            if asked == site and not future.done():
                future.set_result(answer)


def _ignore(refused: str | None) -> None:
    """Wait for the answer instead: a refused request gets none."""
