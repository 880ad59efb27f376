"""Boxes on a broker made of a list: every message to every other box, in order."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from bridge.adapters.system_clock import SystemClock
from bridge.app.broker import Done, Topics
from bridge.app.guns import GunBook
from bridge.app.ports import CrossingRow
from bridge.app.requests import Requests, crossings_handler
from bridge.app.share import Share
from bridge.domain.results import RemoteCrossing
from tests.support.mqtt_race import Alarms, Memory, running


class Bus:
    """Delivers; a box that is cut off neither sends nor hears."""

    def __init__(self) -> None:
        self.boxes: list[Box] = []
        self.passed: list[tuple[str, bytes]] = []

    def publish(self, sender: "Box | None", topic: str, payload: bytes) -> None:
        if sender is not None and sender.cut_off:
            return
        self.passed.append((topic, payload))
        for box in self.boxes:
            if box is not sender and not box.cut_off:
                box.share.received(topic, payload)
                box.requests.received(topic, payload)

    def count(self, part: str) -> int:
        return sum(part in topic for topic, _ in self.passed)


class Box:
    """One site with share and requests; implements `Outlet`."""

    window = 60
    idle = True

    def __init__(self, bus: Bus, site: str, memory: Memory | None = None) -> None:
        self.bus = bus
        self.cut_off = False
        self.memory = memory or Memory(site)
        self.topics = Topics("base/7", site)
        self.alarms = Alarms()
        self.told: dict[str, RemoteCrossing] = {}
        self.tellings = 0
        self.guns: list[dict[str, object]] = []
        self.gun_answer: Callable[[], Awaitable[Mapping[str, object]]] = self._heard
        self.share = Share(
            topics=self.topics,
            store=self.memory,
            own=self.memory,
            guns=GunBook(self.memory),
            on_remote=self._on_remote,
            clock=SystemClock(),
            alarm=self.alarms,
        )
        last_seq = lambda: self.memory.next_seq - 1  # noqa: E731
        self.requests = Requests(
            self.topics, {"gun": self._gun, "crossings": crossings_handler(self.memory, last_seq)}
        )

    @asynccontextmanager
    async def online(self) -> AsyncIterator["Box"]:
        """Connect: hear who is online, say that we are."""
        self.bus.boxes.append(self)
        try:
            async with running(self.share.serve(self), self.requests.serve(self)):
                await asyncio.sleep(0)
                for box in self.bus.boxes:
                    if box is not self:
                        self.share.received(box.topics.state, b"online")
                self.send(self.topics.state, b"online", _nothing)
                yield self
        finally:
            self.bus.boxes.remove(self)
            self.bus.publish(None, self.topics.state, b"offline")

    def cross(self, count: int, location: str = "finish") -> None:
        self.publish(self.memory.record(count, location))

    def publish(self, rows: Sequence[CrossingRow]) -> None:
        for row in rows:
            self.send(self.topics.of(f"crossing/{row.location}"), row.payload, _nothing)

    def send(self, topic: str, payload: bytes, done: Done, *, retain: bool = False) -> None:  # noqa: ARG002
        self.bus.publish(self, topic, payload)
        done(None)

    def drop(self, topic: str, payload: bytes) -> None:
        self.bus.publish(self, topic, payload)

    def has_all_of(self, other: "Box") -> bool:
        """Say whether store and race both have everything of another site."""
        mine = {c.id: c.at for c in self.told.values() if c.site == other.memory.site}
        count = other.memory.next_seq - 1
        stored = self.memory.missing(other.memory.site, count) == []
        return stored and len(mine) == count

    def _on_remote(self, crossings: Sequence[RemoteCrossing]) -> None:
        self.tellings += 1
        for crossing in crossings:
            assert crossing in list(self.memory.remote()), "told before it was durable, or outdated"
            self.told[crossing.id] = crossing

    async def _gun(self, request: dict[str, object]) -> Mapping[str, object]:
        self.guns.append(request)
        return await self.gun_answer()

    async def _heard(self) -> Mapping[str, object]:
        return {}


def _nothing(refused: str | None) -> None:
    assert refused is None
