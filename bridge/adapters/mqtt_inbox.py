"""Readers that speak through an MQTT broker: subscribed with QoS 1, acknowledged once durable.

The session at the broker is persistent: what a reader publishes while we are away waits there, and
what was not acknowledged before a power cut comes again. Like `mqtt_wire` this reaches into what
aiomqtt and paho keep private; its tests hold it against a real broker.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable

import aiomqtt
from paho.mqtt.client import Client as Paho
from paho.mqtt.client import MQTTMessage

from bridge.adapters.mqtt_wire import Address, Identity, client_of, enter
from bridge.adapters.tcp import TcpDialler
from bridge.errors import LinkError

KEEPALIVE_S = 5
MOST_WAITING = 16_000_000
"""Bytes not read by the link; a broker with a bound of its own never sends as much."""
_QOS = 1
_FAILURE = 0x80
_BAD_LOGIN = {4, 5, 134, 135}


class MqttTransport:
    """One connection to the broker, as the byte stream of one reader: a line for each message."""

    def __init__(self, client: aiomqtt.Client) -> None:
        """Take what comes from now on, also what the broker kept for us."""
        self._client = client
        self._paho: Paho = client._client  # noqa: SLF001 - see the module's first lines
        self._paho.manual_ack_set(on=True)
        self._paho.on_message = self._message
        self._pieces: list[bytes] = []
        self._waiting_bytes = 0
        self._received = 0
        self._owed: deque[tuple[int, int]] = deque()
        """(bytes of the stream up to its end, message id) of what is not acknowledged."""
        self._waiting: asyncio.Future[None] | None = None
        self._ended: LinkError | None = None
        self._closed = False

    def watch(self) -> None:
        """Notice the end of the connection that has just been made."""
        self._client._disconnected.add_done_callback(self._lost)  # noqa: SLF001

    def _message(self, _client: Paho, _userdata: object, message: MQTTMessage) -> None:
        if self._closed:
            return
        if not message.retain:  # a retained message is old news at every connection
            data = bytes(message.payload) + b"\n"
            self._pieces.append(data)
            self._waiting_bytes += len(data)
            self._received += len(data)
        if message.qos:
            self._owed.append((self._received, message.mid))
        if self._waiting_bytes > MOST_WAITING:
            self._end("the broker sends faster than the disk takes it")
        self._wake()

    def _lost(self, done: "asyncio.Future[None]") -> None:
        error = None if done.cancelled() else done.exception()
        self._end(f"the broker ended the connection ({error or 'without a word'})")

    def _end(self, why: str) -> None:
        if self._ended is None and not self._closed:
            self._ended = LinkError(why)
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def read(self) -> bytes:
        """Return the messages that have come, each with a line feed behind it."""
        while not self._pieces:
            if self._ended is not None:
                raise self._ended
            if self._closed:
                return b""
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._waiting_bytes = 0
        return data

    async def write(self, data: bytes) -> None:  # noqa: ARG002 - as the protocol has it
        """Refuse: there is nobody at the other end of a topic."""
        raise LinkError("nothing can be said to a reader that speaks through a broker")

    def resume(self, place: str | None) -> None:
        """Do nothing: the broker knows what was not acknowledged."""

    def place(self, taken: int) -> str | None:  # noqa: ARG002 - as the protocol has it
        """Return None: the broker keeps count."""
        return None

    def settled(self, taken: int) -> None:
        """Acknowledge the messages in the first `taken` bytes of the stream."""
        while self._owed and self._owed[0][0] <= taken:
            _, mid = self._owed.popleft()
            if not self._closed:
                self._paho.ack(mid, _QOS)

    def close(self) -> None:
        """Let go at once; what is not acknowledged comes again."""
        if not self._closed:
            self._closed = True
            self._paho._sock_close()  # noqa: SLF001 - at once, whatever state the broker is in
        self._wake()


class MqttInbox:
    """Subscribes to one reader's topic, as often as it takes."""

    def __init__(
        self,
        address: Address,
        topic: str,
        identity: Callable[[], Awaitable[Identity]],
        *,
        fingerprint: str | None = None,
    ) -> None:
        """`identity` names a session of our own at the broker, the same at every start."""
        self._address = address
        self._topic = topic
        self._identity = identity
        self._fingerprint = fingerprint

    async def connect(self) -> MqttTransport:
        """Connect and subscribe.

        Raises:
            LinkError: No broker, no rights, or no trust; the text says which.
        """
        client = client_of(
            self._address, await self._identity(), None, v5=False, keepalive_s=KEEPALIVE_S
        )
        transport = MqttTransport(client)
        try:
            await enter(client)
            transport.watch()
            await self._subscribe(client)
        except aiomqtt.MqttError as error:
            transport.close()
            await self._distrust(error)
            raise self._failure(error) from None
        except BaseException:
            transport.close()
            raise
        return transport

    async def _subscribe(self, client: aiomqtt.Client) -> None:
        granted = await client.subscribe(self._topic, qos=_QOS)
        codes = [getattr(code, "value", code) for code in granted]
        if any(isinstance(code, int) and code >= _FAILURE for code in codes):
            raise LinkError(f"the broker does not let this box subscribe to {self._topic}")

    async def _distrust(self, error: aiomqtt.MqttError) -> None:
        """Where it was the certificate, say so, with its fingerprint."""
        if not isinstance(error.__context__, ssl.SSLCertVerificationError):
            return
        dialler = TcpDialler(
            self._address.host, self._address.port, tls=True, fingerprint=self._fingerprint
        )
        (await dialler.connect()).close()

    def _failure(self, error: aiomqtt.MqttError) -> LinkError:
        where = f"{self._address.host}:{self._address.port}"
        code = getattr(error, "rc", None)
        if getattr(code, "value", code) in _BAD_LOGIN:
            return LinkError(
                f"the broker at {where} refuses our user name or password; set mqtt_username and "
                "mqtt_password, or the reader's own password, as the broker knows them"
            )
        return LinkError(f"no connection to the broker at {where}: {error}")

    async def dial(self, port: int) -> MqttTransport:
        """Refuse: a topic has no ports."""
        raise LinkError(f"port {port} cannot be dialled: this reader speaks through a broker")

    def close(self) -> None:
        """Do nothing: the session at the broker goes on, and keeps what comes."""
