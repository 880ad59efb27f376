"""The link to the MQTT broker: connected for ever, one new client per connection."""

import asyncio
import secrets
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiomqtt
import structlog

from bridge.adapters.mqtt_wire import GOODBYE_S, Address, Identity, Wire, connection
from bridge.app.broker import Alarm, Interest, Service, Topics
from bridge.app.payloads import OFFLINE, ONLINE
from bridge.app.ports import Clock, Notes
from bridge.app.redact import redact_url
from bridge.app.supervise import Backoff
from bridge.errors import ConfigError

log = structlog.get_logger(__name__)

KEEPALIVE_S = 5
"""A frozen broker is noticed after this, once for the ping to be due and once for its answer."""
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 10.0
SLOW_PAUSE_S = 30.0
"""Between attempts that only a person can make succeed."""
STEADY_S = 45.0
"""Longer than another box of our name takes to throw us out again."""
_PORTS: Final = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}
_BAD_VERSION = {1, 132}
_BAD_LOGIN = {4, 5, 134, 135}
SHORT_LIVED = 4
"""So many connections in a row that did not last: somebody else uses our client id."""
_BOX_NOTE = "mqtt.box"


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """The link in words."""

    state: str
    """``connected``, ``connecting`` or ``waiting``."""
    since_ns: int
    """UTC."""
    protocol: str | None
    """``5`` or ``3.1.1`` while connected."""
    error: str | None
    """Why the last connection ended or failed; kept while connected again."""


def address_of(url: str, ca_file: Path | None = None) -> Address:
    """Read a broker's URL: ``mqtt://``, ``mqtts://``, ``ws://`` or ``wss://``.

    Raises:
        ConfigError: It is none, or the CA file cannot be used.
    """
    parts = urlsplit(url)
    try:
        port = parts.port or _PORTS[parts.scheme]
    except (KeyError, ValueError):
        raise ConfigError(
            f"[mqtt] url {redact_url(url)!r} must be mqtt://HOST:PORT, mqtts://, ws:// or wss://."
        ) from None
    if not parts.hostname:
        raise ConfigError(f"[mqtt] url {redact_url(url)!r} names no host.")
    web = parts.scheme in {"ws", "wss"}
    return Address(
        host=parts.hostname,
        port=port,
        transport="websockets" if web else "tcp",
        path=(parts.path or "/mqtt") if web else "",
        tls=_tls(ca_file) if parts.scheme in {"mqtts", "wss"} else None,
    )


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # an unreadable file, or no certificate in it (SSLError)
        raise ConfigError(f"[mqtt] ca_file {ca_file} cannot be used: {error}.") from None


class MqttLink:
    """Keeps the services connected to the broker."""

    def __init__(
        self,
        address: Address,
        identity: Identity,
        topics: Topics,
        services: Sequence[Service],
        *,
        clock: Clock,
        alarm: Alarm,
        v5: bool = True,
        keepalive_s: int = KEEPALIVE_S,
    ) -> None:
        """Begin unconnected.

        Args:
            address: From `address_of`.
            identity: Client id, user and password.
            topics: Where this box says that it is online.
            services: Who takes part in every connection.
            clock: The host's.
            alarm: Where to say what only a person can mend.
            v5: Whether to speak MQTT 5 first; a broker that refuses is spoken to in 3.1.1.
            keepalive_s: Half the time after which a frozen broker is noticed.
        """
        self._address = address
        self._identity = identity
        self._topics = topics
        self._services = services
        self._clock = clock
        self._alarm = alarm
        self._v5 = v5
        self._keepalive_s = keepalive_s
        self._backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        self._state = "connecting"
        self._since_ns = clock.utc_ns()
        self._error: str | None = None
        self._short = 0
        self._proven = False

    def status(self) -> LinkStatus:
        """Say how the link is."""
        protocol = ("5" if self._v5 else "3.1.1") if self._state == "connected" else None
        return LinkStatus(self._state, self._since_ns, protocol, self._error)

    async def run(self) -> None:
        """Stay connected until cancelled, then say goodbye."""
        while True:
            self._enter("connecting")
            pause = 0.0
            try:
                await self._connect()
            except* aiomqtt.MqttError as group:
                pause = self._ended(_first(group))
            self._enter("waiting")
            await self._clock.sleep(pause)

    async def _connect(self) -> None:
        will = self._topics.state, OFFLINE
        async with connection(
            self._address,
            self._identity,
            will,
            self._receive,
            v5=self._v5,
            keepalive_s=self._keepalive_s,
        ) as wire:
            await self._subscribe(wire)
            wire.send(self._topics.state, ONLINE, self._heard_online, retain=True)
            self._enter("connected")
            self._proven = True
            self._alarm("mqtt_login", None)
            log.info("broker connected", host=self._address.host, port=self._address.port)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(wire.lost(), name="mqtt watch")
                    group.create_task(self._settle(), name="mqtt settle")
                    for service in self._services:
                        group.create_task(service.serve(wire))
            except asyncio.CancelledError:
                await self._say_goodbye(wire)
                raise

    async def _subscribe(self, wire: Wire) -> None:
        wanted: list[Interest] = [one for s in self._services for one in s.interests()]
        refused = await wire.subscribe(wanted, v5=self._v5)
        text = f"The broker does not let this box subscribe to {', '.join(refused)}."
        self._alarm("mqtt_subscribe", text if refused else None)

    def _heard_online(self, refused: str | None) -> None:
        """Tell of missing rights: mosquitto may end the connection of whoever lacks them."""
        text = f"The broker refuses what this box says ({refused}): give it write access to "
        self._alarm("mqtt_rights", f"{text}{self._topics.of('#')}." if refused else None)

    async def _settle(self) -> None:
        """Call the connection a good one once it has lasted."""
        await self._clock.sleep(STEADY_S)
        self._backoff.reset()
        self._short = 0
        self._alarm("mqtt_thrown_out", None)

    async def _say_goodbye(self, wire: Wire) -> None:
        """Say ``offline`` ourselves: a clean end sends no last will."""
        gone = asyncio.Event()
        wire.send(self._topics.state, OFFLINE, lambda _: gone.set(), retain=True)
        try:
            async with asyncio.timeout(GOODBYE_S):
                await gone.wait()
        except TimeoutError:
            log.warning("broker did not take our goodbye")
        else:
            await wire.close()

    def _receive(self, topic: str, payload: bytes) -> None:
        for service in self._services:
            service.received(topic, payload)

    def _enter(self, state: str) -> None:
        self._state = state
        self._since_ns = self._clock.utc_ns()

    def _ended(self, error: aiomqtt.MqttError) -> float:
        """Note why there is no connection; return how long to wait before the next attempt."""
        where = f"{self._address.host}:{self._address.port}"
        code = getattr(error, "rc", None)
        number = getattr(code, "value", code)
        if number in _BAD_LOGIN:
            self._error = f"The broker at {where} refuses our user name or password."
            text = f"{self._error} Set mqtt_username and mqtt_password as the broker knows them."
            self._alarm("mqtt_login", text)
            pause = SLOW_PAUSE_S
        elif number in _BAD_VERSION or self._is_dumb(error):
            self._v5 = not self._v5
            self._error = f"The broker at {where} does not answer to this version of MQTT."
            pause = self._backoff.pause_s()
        else:
            self._error = f"No connection to the broker at {where}: {error}."
            pause = self._backoff.pause_s()
            self._suspect_namesake(where)
        log.warning("broker lost", error=self._error, retry_s=round(pause, 1))
        return pause

    def _is_dumb(self, error: aiomqtt.MqttError) -> bool:
        """Say whether a broker that never answered us may be one that does not know MQTT 5."""
        return not self._proven and str(error) == "Operation timed out"

    def _suspect_namesake(self, where: str) -> None:
        """Notice two boxes throwing each other out. Few brokers say that this is why."""
        self._short += self._state == "connected"
        if self._short >= SHORT_LIVED:
            self._alarm(
                "mqtt_thrown_out",
                f"The broker at {where} ends each connection of this box soon. If this box was "
                "copied from another, give each its own name under [bridge] site; if not, see that "
                f"its user has write access to {self._topics.of('#')}.",
            )


async def client_id(notes: Notes, race: str, site: str) -> str:
    """Return the id under which the broker keeps this box's session, the same at every start.

    It is this box's own, so that two boxes set up with one name do not throw each other out, and
    what they say can be told apart.
    """
    box = notes.get(_BOX_NOTE)
    if box is None:
        box = secrets.token_hex(4)
        await notes.put(_BOX_NOTE, box)
    return f"chip-bridge-{race}-{site}-{box}"


def _first(group: BaseExceptionGroup[aiomqtt.MqttError]) -> aiomqtt.MqttError:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found if isinstance(found, aiomqtt.MqttError) else aiomqtt.MqttError(str(found))
