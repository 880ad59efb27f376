"""Post records as signed JSON, each at least once, in order, for as long as it takes.

The body is ``{"v": 1, "site", "forward", "records": [...]}``; the header
``X-Chip-Bridge-Signature`` is ``sha256=`` and the hex HMAC-SHA256 of the body with the shared
secret. A post counts as taken once it was answered with 2xx; until then it is sent again, so
receivers know what they have by each record's ``n`` (and crossings by ``id`` and ``seq``).
"""

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Callable

import httpx2
import orjson
import structlog

from bridge.app.forward_archive import Records
from bridge.app.ports import Clock
from bridge.app.supervise import Backoff

log = structlog.get_logger(__name__)

TIMEOUT_S = 30.0
CONNECT_S = 5.0
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 60.0
TURN_S = 1.0
SIGNATURE = "X-Chip-Bridge-Signature"
_OK = range(200, 300)
_LATER = frozenset({408, 425, 429})
_SERVER_ERRORS = 500


class Webhook:
    """Hands the records of one archive to one URL."""

    def __init__(
        self,
        url: str,
        secret: str,
        archive: Records,
        clock: Clock,
        *,
        site: str,
        name: str,
        acknowledged: int,
        most_per_post: int,
        alarm: Callable[[str | None], None],
    ) -> None:
        """Prepare; nothing is sent. `acknowledged`: number of the last record taken before."""
        for logger in ("httpx2", "httpcore2"):  # they log each URL, and a path may be a secret
            logging.getLogger(logger).setLevel(logging.WARNING)
        self._url = url
        self._secret = secret.encode()
        self._archive = archive
        self._clock = clock
        self._head = {"v": 1, "site": site, "forward": name}
        self._most = most_per_post
        self._alarm = alarm
        self._wake = asyncio.Event()
        self.acknowledged = acknowledged
        self.connected = False
        """Whether the last post was taken."""

    def news(self) -> None:
        """Note that there may be something to send. Never waits."""
        self._wake.set()

    async def run(self) -> None:
        """Post until cancelled."""
        timeout = httpx2.Timeout(TIMEOUT_S, connect=CONNECT_S)
        async with httpx2.AsyncClient(timeout=timeout) as client:
            while True:
                await self._turn()
                await self._post_all(client)

    async def _turn(self) -> None:
        """Wait for news, but not for ever: what waited for a clock comes without."""
        try:
            async with asyncio.timeout(TURN_S):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()
        self._archive.release()

    async def _post_all(self, client: httpx2.AsyncClient) -> None:
        backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        while records := self._archive.messages(self.acknowledged + 1, self._most):
            body = orjson.dumps({**self._head, "records": [orjson.Fragment(r) for r in records]})
            why = await self._post(client, body)
            self.connected = why is None
            if why is None:
                self.acknowledged += len(records)
                self._alarm(None)
                backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
            else:
                self._alarm(f"{why}. Everything is kept, and sent again until it is taken")
                await self._clock.sleep(backoff.pause_s())

    async def _post(self, client: httpx2.AsyncClient, body: bytes) -> str | None:
        """Send once; return why it was not taken, or None."""
        signature = hmac.new(self._secret, body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", SIGNATURE: f"sha256={signature}"}
        try:
            answer = await client.post(self._url, content=body, headers=headers)
        except httpx2.TimeoutException:
            return "the receiver did not answer in time"
        except httpx2.HTTPError as error:
            return f"the receiver cannot be reached ({type(error).__name__})"
        code = answer.status_code
        if code in _OK:
            return None
        if code in _LATER or code >= _SERVER_ERRORS:
            return f"the receiver wants no posts now (HTTP {code})"
        return f"the receiver refuses our posts (HTTP {code}): look at its address and its secret"
