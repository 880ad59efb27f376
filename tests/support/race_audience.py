"""A program that follows a race over MQTT as anybody may: every crossing, without a gap."""

import asyncio
import itertools
from typing import Any

import aiomqtt
import orjson
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

Message = dict[str, Any]


class Audience:
    """Subscribes with a persistent session; what a dead broker took along it asks for by seq."""

    def __init__(self, port: int, base: str, name: str = "audience") -> None:
        self._port = port
        self._base = base
        self._name = name
        self._client: aiomqtt.Client | None = None
        self._numbers = itertools.count(1)
        self.heard: dict[str, dict[int, bytes]] = {}
        """Site -> seq -> payload."""
        self.online: dict[str, bool] = {}
        self.contradictions: list[str] = []
        self.asked_for = 0

    async def listen(self) -> None:
        """Stay connected until cancelled."""
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 3_600
        while True:
            try:
                async with aiomqtt.Client(
                    "127.0.0.1",
                    self._port,
                    protocol=aiomqtt.ProtocolVersion.V5,
                    identifier=self._name,
                    clean_start=False,
                    properties=properties,
                ) as client:
                    for suffix in ("crossing/+", "response/+/crossings", "bridge/+/state"):
                        await client.subscribe(f"{self._base}/{suffix}", qos=1)
                    self._client = client
                    async for message in client.messages:
                        assert isinstance(message.payload, bytes)
                        self._take(message.topic.value, message.payload)
            except aiomqtt.MqttError:
                await asyncio.sleep(0.1)
            finally:
                self._client = None

    def _take(self, topic: str, payload: bytes) -> None:
        parts = topic.removeprefix(f"{self._base}/").split("/")
        if parts[0] == "crossing":
            self._keep(payload)
        elif parts[0] == "bridge":
            self.online[parts[1]] = payload == b"online"
        else:
            for message in orjson.loads(payload).get("result", {}).get("crossings", ()):
                self._keep(orjson.dumps(message))

    def _keep(self, payload: bytes) -> None:
        message = orjson.loads(payload)
        site, seq = message["site"], message["seq"]
        known = self.heard.setdefault(site, {}).setdefault(seq, payload)
        if orjson.loads(known) != message:
            self.contradictions.append(f"{site} {seq}: {known!r}, then {payload!r}")

    def missing(self, site: str, first_seq: int, last_seq: int) -> list[int]:
        heard = self.heard.get(site, {})
        return [seq for seq in range(first_seq, last_seq + 1) if seq not in heard]

    async def ask_for(self, site: str, missing: list[int]) -> None:
        """Ask the site for what is missing, as a display would that came late."""
        if self._client is None:
            return
        self.asked_for += 1
        body = {
            "id": f"{self._name}-{next(self._numbers)}",
            "from_seq": missing[0],
            "to_seq": missing[-1],
        }
        topic = f"{self._base}/request/{site}/crossings"
        await self._client.publish(topic, orjson.dumps(body), qos=1)

    def newest(self, site: str) -> list[Message]:
        """Return every crossing in its newest revision."""
        by_id: dict[str, Message] = {}
        for _, payload in sorted(self.heard.get(site, {}).items()):
            message = orjson.loads(payload)
            by_id[message["id"]] = message
        return [message for message in by_id.values() if message["state"] != "withdrawn"]
