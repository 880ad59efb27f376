"""One MQTT connection through aiomqtt, made cheap enough for every crossing of a race.

aiomqtt's own `publish` costs an event, a timer and a task switch per message, and hides the
broker's refusals; its iterator costs a task per message. So aiomqtt opens, watches and closes the
connection, and what happens per message in the paho client inside it is ours. All use of what the
two keep private is in this module and in `mqtt_inbox`; their tests hold it against a real broker.
"""

import asyncio
import contextlib
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import aiomqtt
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY, MQTTMessage
from paho.mqtt.client import Client as Paho
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from bridge.adapters.mqtt_burst import RETRY_S, BurstSocket
from bridge.app.broker import Done, Interest

WINDOW = 60
"""Our own bound of unacknowledged messages; brokers may allow fewer (mosquitto: 20)."""
CONNECT_S = 5.0
GOODBYE_S = 2.0
SESSION_EXPIRY_S = 86_400
_FAILURE = 0x80
"""Reason codes from here up are refusals (MQTT 5, 2.4)."""
_WITHOUT_REASON = 2
"""Bytes of a PUBACK that says no more than which message it is for."""
_NO_DELAY: Final = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the broker is and how to speak to it."""

    host: str
    port: int
    transport: Literal["tcp", "websockets"] = "tcp"
    path: str = ""
    tls: ssl.SSLContext | None = None
    pinned: bool = False
    """The context compares fingerprints itself; the name in the certificate means nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who connects."""

    client_id: str
    username: str | None = None
    password: str | None = None
    persistent: bool = True
    """Whether the broker keeps subscriptions and messages while the link is down."""


Received = Callable[[str, bytes], None]


class Wire:
    """The live connection; implements the application's `Outlet`."""

    def __init__(self, client: aiomqtt.Client, received: Received) -> None:
        self._client = client
        self._paho: Paho = client._client  # noqa: SLF001 - see the module's first lines
        self._received = received
        self._open: dict[int, Done] = {}
        self._held: deque[tuple[str, bytes, Done, bool]] = deque()
        self._told_connected = self._paho.on_connect
        self.window = WINDOW
        self._paho.on_connect = self._connected
        self._paho.on_publish = None
        paho: Any = self._paho
        paho._handle_pubackcomp = self._acknowledged  # noqa: SLF001
        self._paho.on_message = self._message

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be written to the socket."""
        return not self._paho.want_write()

    def send(self, topic: str, payload: bytes, done: Done, *, retain: bool = False) -> None:
        """Publish with QoS 1; above the broker's receive maximum it waits here.

        Paho puts the packet in a list and asks to be called when the socket is writable:
        everything sent in one turn of the loop leaves in one burst. On a lost connection nothing
        happens, and the end of the connection is what tells.
        """
        if len(self._open) >= self.window:
            self._held.append((topic, payload, done, retain))
            return
        info = self._paho.publish(topic, payload, 1, retain)
        self._open[info.mid] = done

    def drop(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 0."""
        self._paho.publish(topic, payload, 0)

    def hasten(self) -> None:
        """Move bytes in bursts from now on; a WebSocket keeps its own framing.

        A burst socket can always be written to, so nobody need watch for it: registering with the
        loop and taking it back cost as much as sending the burst.
        """
        inner = self._paho.socket()
        self._paho.disable_logger()
        if isinstance(inner, socket.socket):
            loop = asyncio.get_running_loop()
            burst: Any = BurstSocket(inner, loop)
            self._paho._sock = burst  # noqa: SLF001

            def soon(*_: object) -> None:
                loop.call_soon(self._write, loop)

            loop.remove_writer(inner)
            self._paho.on_socket_register_write = soon
            self._paho.on_socket_unregister_write = None
            self._write(loop)  # what was sent meanwhile

    def _write(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let paho write what it has; again soon, if the network does not take it."""
        self._paho.loop_write()
        if self._paho.want_write() and self._paho.socket() is not None:
            loop.call_later(RETRY_S, self._write, loop)

    async def subscribe(self, interests: Sequence[Interest], *, v5: bool) -> list[str]:
        """Subscribe to everything at once; return the topics the broker refuses."""
        if not interests:
            return []
        wanted: Any = [
            (one.topic, SubscribeOptions(qos=one.qos, noLocal=True) if v5 else one.qos)
            for one in interests
        ]
        granted = await self._client.subscribe(wanted)
        codes = [code.value if isinstance(code, ReasonCode) else code for code in granted]
        return [one.topic for one, code in zip(interests, codes, strict=True) if code >= _FAILURE]

    async def lost(self) -> None:
        """Wait for the end of the connection.

        Raises:
            MqttError: Always; the text says why it ended.
        """
        try:
            async for _ in self._client.messages:  # our own callback takes them: none comes here
                pass
        except aiomqtt.MqttError as error:
            if isinstance(error.__cause__, aiomqtt.MqttError):
                raise error.__cause__ from None
            raise

    async def close(self) -> None:
        """Leave politely: the broker sends no last will."""
        self._paho.disconnect()
        with contextlib.suppress(TimeoutError, aiomqtt.MqttError):
            async with asyncio.timeout(GOODBYE_S):
                await self.lost()

    def _connected(self, *told: object) -> None:
        """Take the broker's limit from the CONNACK's properties, which come last."""
        self.window = min(WINDOW, getattr(told[-1], "ReceiveMaximum", WINDOW))
        tell: Any = self._told_connected
        tell(*told)

    def _acknowledged(self, _command: str) -> MQTTErrorCode:
        """Take the PUBACK just read, in place of paho's own handler.

        Paho builds a `Properties` and a `ReasonCode` for each, walks its queue and locks four
        times: half the cost of a message. All there is to know are two bytes of message id and,
        in MQTT 5 and only if it is not success, one byte of reason.
        """
        packet = self._paho._in_packet["packet"]  # noqa: SLF001
        mid = packet[0] << 8 | packet[1]
        code = packet[2] if len(packet) > _WITHOUT_REASON else 0
        self._paho._out_messages.pop(mid, None)  # noqa: SLF001
        done = self._open.pop(mid, None)
        if self._held and len(self._open) < self.window:
            topic, payload, next_done, retain = self._held.popleft()
            self.send(topic, payload, next_done, retain=retain)
        if done is not None:
            done(None if code < _FAILURE else _reason(code))
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _message(self, _client: Paho, _userdata: object, message: MQTTMessage) -> None:
        self._received(message.topic, bytes(message.payload))


@contextlib.asynccontextmanager
async def connection(
    address: Address,
    identity: Identity,
    will: tuple[str, bytes],
    received: Received,
    *,
    v5: bool,
    keepalive_s: int,
) -> AsyncIterator[Wire]:
    """Open a connection and close it again, whatever state the broker is in by then.

    A new client each time: one used again replays what was in flight, out of order.

    Raises:
        MqttError: No connection, or not as this user.
    """
    client = client_of(address, identity, will, v5=v5, keepalive_s=keepalive_s)
    wire = Wire(client, received)
    try:
        await enter(client)
        wire.hasten()
        yield wire
    finally:
        client._client._sock_close()  # noqa: SLF001 - else a frozen broker keeps socket and reader


def client_of(
    address: Address,
    identity: Identity,
    will: tuple[str, bytes] | None,
    *,
    v5: bool,
    keepalive_s: int,
) -> aiomqtt.Client:
    """Return a client that is not connected yet, for one connection."""
    persistent = identity.persistent
    expiry = None
    if v5 and persistent:
        expiry = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        expiry.SessionExpiryInterval = SESSION_EXPIRY_S
    client = aiomqtt.Client(
        address.host,
        address.port,
        username=identity.username,
        password=identity.password,
        identifier=identity.client_id,
        protocol=aiomqtt.ProtocolVersion.V5 if v5 else aiomqtt.ProtocolVersion.V311,
        will=None if will is None else aiomqtt.Will(will[0], will[1], qos=1, retain=True),
        clean_session=None if v5 else not persistent,
        clean_start=not persistent if v5 else MQTT_CLEAN_START_FIRST_ONLY,
        properties=expiry,
        transport=address.transport,
        websocket_path=address.path or None,
        tls_context=address.tls,
        tls_insecure=address.pinned or None,
        timeout=CONNECT_S,
        keepalive=keepalive_s,
        max_inflight_messages=0,  # the window is ours; paho's would walk all messages per ack
        socket_options=_NO_DELAY,
    )
    client._client.connect_timeout = CONNECT_S  # noqa: SLF001
    return client


async def enter(client: aiomqtt.Client) -> None:
    """Connect. A cancelled connect is waited for: its thread would open a socket afterwards."""

    async def attempt() -> aiomqtt.MqttError | None:
        try:
            await client.__aenter__()
        except aiomqtt.MqttError as error:
            return error
        return None

    async with asyncio.TaskGroup() as group:
        entering = group.create_task(attempt(), name="mqtt connect")
        try:
            error = await asyncio.shield(entering)
        except asyncio.CancelledError:
            await asyncio.wait({entering}, timeout=CONNECT_S)
            raise
    if error is not None:
        raise error


def _reason(code: int) -> str:
    try:
        return str(ReasonCode(PacketTypes.PUBACK, identifier=code))
    except KeyError:
        return f"reason code {code}"
