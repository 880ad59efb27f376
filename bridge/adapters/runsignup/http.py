"""Calls to RunSignup over HTTP: what every call has in common."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import httpx2
import orjson

from bridge.adapters.runsignup import replies
from bridge.adapters.runsignup.replies import Json
from bridge.adapters.runsignup.settings import Credentials, RunSignupSettings
from bridge.app.ports import Clock
from bridge.domain.reads import NS_PER_S
from bridge.errors import ConfigError, LoginFailed, ProviderError, TryLater

CALLS_AT_ONCE = 2
"""What RunSignup's developer contract allows one account."""

NOTHING: Final[Mapping[str, object]] = MappingProxyType({})


class RunSignupHttp:
    """Makes calls, two at a time, with credentials on and never visible."""

    def __init__(
        self,
        settings: RunSignupSettings,
        clock: Clock,
        renew: Callable[[], Credentials] | None = None,
    ) -> None:
        """Prepare; nothing is sent. `renew` fetches the credentials anew, as from their files."""
        # The library logs each URL, and one of the schemes has the secret in the query.
        for name in ("httpx2", "httpcore2"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._settings = settings
        self._credentials = settings.credentials
        self._renew = renew
        self._clock = clock
        self._slots = asyncio.Semaphore(CALLS_AT_ONCE)
        self._client = httpx2.AsyncClient(
            base_url=settings.base_url.rstrip("/") + "/",
            timeout=httpx2.Timeout(settings.timeout_s, connect=settings.connect_timeout_s),
            limits=httpx2.Limits(max_connections=CALLS_AT_ONCE, keepalive_expiry=15.0),
        )

    async def get(self, path: str, query: Mapping[str, object] = NOTHING) -> Json:
        """Ask for something under the race.

        Raises:
            ProviderError: See `replies.payload`.
        """
        return await self._call("GET", path, query, None)

    async def post(self, path: str, query: Mapping[str, object], request: object) -> Json:
        """Send `request` as JSON text in the form field of that name.

        Raises:
            ProviderError: See `replies.payload`. After `TryLater` it may have been applied.
        """
        form = {"request_format": "json", "request": orjson.dumps(request).decode()}
        return await self._call("POST", path, query, form)

    async def close(self) -> None:
        """Close connections."""
        await self._client.aclose()

    async def _call(
        self, verb: str, path: str, query: Mapping[str, object], form: Mapping[str, str] | None
    ) -> Json:
        used = self._credentials
        try:
            return await self._once(verb, path, query, form)
        except LoginFailed:
            if not self._renewed(used):
                raise
        return await self._once(verb, path, query, form)

    def _renewed(self, used: Credentials) -> bool:
        """Fetch credentials again; return whether others are there now than those refused."""
        if self._renew is not None and self._credentials == used:
            try:
                self._credentials = self._renew()
            except ConfigError:
                return False  # half replaced files: what the service said is the better message
        return self._credentials != used

    async def _once(
        self, verb: str, path: str, query: Mapping[str, object], form: Mapping[str, str] | None
    ) -> Json:
        credentials = self._credentials
        params = {name: str(value) for name, value in query.items() if value is not None}
        try:
            async with self._slots:
                response = await self._client.request(
                    verb,
                    f"race/{self._settings.race_id}{path}",
                    params={"format": "json", **params, **credentials.query()},
                    data=form,
                    headers=credentials.headers(),
                )
            return replies.payload(
                response.status_code,
                response.headers,
                response.content,
                now_s=self._clock.utc_ns() / NS_PER_S,
            )
        except httpx2.TimeoutException as error:
            raise TryLater(f"RunSignup did not answer in time ({type(error).__name__})") from None
        except httpx2.HTTPError as error:
            told = credentials.scrub(str(error)) or type(error).__name__
            raise TryLater(f"RunSignup cannot be reached: {told}") from None
        except ProviderError as error:
            # A service may repeat in its error what it was sent.
            error.args = (credentials.scrub(str(error)),)
            raise
