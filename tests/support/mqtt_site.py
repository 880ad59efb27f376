"""A whole MQTT side of one box on a real broker, and a plain client to look at it from outside."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiomqtt
import orjson
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from bridge.adapters.mqtt_link import MqttLink, address_of
from bridge.adapters.mqtt_wire import Identity
from bridge.adapters.system_clock import SystemClock
from bridge.app.broker import Service, Topics
from bridge.app.feed import Feed
from bridge.app.guns import GunBook
from bridge.app.requests import Requests, crossings_handler
from bridge.app.share import Share
from bridge.domain.results import RemoteCrossing
from tests.support.mqtt_race import Alarms, Memory, Texts, running, until

BASE = "chip-bridge/7"


class Site:
    """Feed, share and requests of one box, on one link."""

    def __init__(
        self,
        url: str,
        site: str = "mat-a",
        *,
        memory: Memory | None = None,
        texts: Texts | None = None,
        username: str | None = None,
        password: str | None = None,
        v5: bool = True,
        keepalive_s: int = 5,
        ca_file: Path | None = None,
        client_id: str | None = None,
    ) -> None:
        clock = SystemClock()
        self.memory = memory or Memory(site)
        self.texts = texts or Texts()
        self.alarms = Alarms()
        self.topics = Topics(BASE, site)
        self.told: dict[str, RemoteCrossing] = {}
        self.feed = Feed(
            topics=self.topics,
            store=self.memory,
            notes=self.memory,
            content=self.texts,
            clock=clock,
            alarm=self.alarms,
        )
        self.share = Share(
            topics=self.topics,
            store=self.memory,
            own=self.memory,
            guns=GunBook(self.memory),
            on_remote=self._on_remote,
            clock=clock,
            alarm=self.alarms,
        )
        last_seq = lambda: self.feed.last_seq  # noqa: E731
        self.requests = Requests(
            self.topics,
            {"status": _status, "crossings": crossings_handler(self.memory, last_seq)},
        )
        services: list[Service] = [self.feed, self.share, self.requests]
        self.link = MqttLink(
            address_of(url, ca_file),
            Identity(
                client_id=client_id or f"chip-bridge-7-{site}",
                username=username,
                password=password,
            ),
            self.topics,
            services,
            clock=clock,
            alarm=self.alarms,
            v5=v5,
            keepalive_s=keepalive_s,
        )

    @contextlib.asynccontextmanager
    async def up(self, *, wait: bool = True) -> AsyncIterator["Site"]:
        async with running(self.link.run()):
            if wait:
                await self.connected()
            yield self

    async def connected(self) -> None:
        await until(lambda: self.link.status().state == "connected")

    def cross(self, count: int, location: str = "finish") -> None:
        self.feed.offer(self.memory.record(count, location))

    async def drained(self) -> None:
        await until(lambda: self.feed.acked_seq == self.memory.next_seq - 1, 60)

    def has_all_of(self, other: "Site") -> bool:
        count = other.memory.next_seq - 1
        mine = [one for one in self.told.values() if one.site == other.memory.site]
        return self.memory.missing(other.memory.site, count) == [] and len(mine) == count

    def _on_remote(self, crossings: Sequence[RemoteCrossing]) -> None:
        self.told.update({crossing.id: crossing for crossing in crossings})


async def _status(_: dict[str, object]) -> Mapping[str, object]:
    return {"up": True}


@dataclass(slots=True)
class Heard:
    topic: str
    payload: bytes
    retain: bool


class Onlooker:
    """A subscriber of its own, on aiomqtt as anybody would write it."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self.client = client
        self.heard: list[Heard] = []

    def last(self, suffix: str) -> bytes | None:
        found = [one.payload for one in self.heard if one.topic == f"{BASE}/{suffix}"]
        return found[-1] if found else None

    def seqs(self) -> list[int]:
        return [
            orjson.loads(one.payload)["seq"]
            for one in self.heard
            if one.topic.startswith(f"{BASE}/crossing/") and not one.topic.endswith("/last")
        ]

    async def listen(self) -> None:
        async for message in self.client.messages:
            assert isinstance(message.payload, bytes)
            self.heard.append(Heard(message.topic.value, message.payload, message.retain))

    async def publish(self, suffix: str, payload: bytes, *, retain: bool = False) -> None:
        await self.client.publish(f"{BASE}/{suffix}", payload, qos=1, retain=retain)


@contextlib.asynccontextmanager
async def onlooker(
    port: int, *topics: str, username: str | None = None, client_id: str | None = None
) -> AsyncIterator[Onlooker]:
    """Subscribe; with a `client_id` the broker keeps the session for an hour."""
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = 3_600 if client_id else 0
    async with aiomqtt.Client(
        "127.0.0.1",
        port,
        protocol=aiomqtt.ProtocolVersion.V5,
        identifier=client_id,
        clean_start=client_id is None,
        properties=properties,
        username=username,
        password="secret" if username else None,
        max_inflight_messages=1,
    ) as client:
        looking = Onlooker(client)
        async with running(_ends_with_the_broker(looking.listen)):
            for topic in topics or (f"{BASE}/#",):
                await client.subscribe(topic, qos=1)
            yield looking


async def _ends_with_the_broker(job: Callable[[], Awaitable[None]]) -> None:
    with contextlib.suppress(aiomqtt.MqttError):
        await job()
