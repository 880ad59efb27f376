"""Two boxes on a real mosquitto, and a stranger who publishes garbage on everything."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.app.guns import Gun, GunBook
from tests.support.mosquitto import Mosquitto, mosquitto
from tests.support.mqtt_race import Memory, crossing_row, until
from tests.support.mqtt_site import BASE, Site, onlooker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as running_broker:
        yield running_broker


async def test_two_boxes_share_and_one_joins_late(broker: Mosquitto) -> None:
    async with Site(broker.url, "mat-a").up() as a:
        a.cross(500)
        await a.drained()
        async with Site(broker.url, "mat-b").up() as b:
            await until(lambda: b.has_all_of(a))
            a.cross(50)
            b.cross(70, "5k")
            await until(lambda: a.has_all_of(b) and b.has_all_of(a))

            assert b.told["mat-a-1"].location == "finish"
            assert not a.alarms.on
            assert not b.alarms.on


async def test_a_box_that_was_off_gets_what_it_missed(broker: Mosquitto) -> None:
    async with Site(broker.url, "mat-a").up() as a:
        memory = Memory("mat-b")
        async with Site(broker.url, "mat-b", memory=memory).up() as b:
            a.cross(20)
            await until(lambda: b.has_all_of(a))
        a.cross(300)
        await a.drained()
        async with Site(broker.url, "mat-b", memory=memory).up() as again:
            await until(lambda: not memory.missing("mat-a", 320))
            await until(lambda: len(again.told) == 300)


async def test_what_the_broker_forgot_is_asked_for(broker: Mosquitto) -> None:
    memory = Memory("mat-b")
    async with Site(broker.url, "mat-a").up() as a:
        async with Site(broker.url, "mat-b", memory=memory).up() as b:
            a.cross(10)
            await until(lambda: b.has_all_of(a))
        a.cross(250)
        await a.drained()
        broker.stop()  # and with it the session of mat-b
        broker.start()
        async with Site(broker.url, "mat-b", memory=memory).up():
            await until(lambda: not memory.missing("mat-a", 260))


async def test_boxes_on_both_versions_of_mqtt(broker: Mosquitto) -> None:
    async with Site(broker.url, "mat-a", v5=False).up() as a, Site(broker.url, "mat-b").up() as b:
        a.cross(30)
        b.cross(30)
        await until(lambda: a.has_all_of(b) and b.has_all_of(a))

        assert not a.alarms.on


async def test_a_gun_reaches_a_box_that_comes_later(broker: Mosquitto) -> None:
    gun = Gun(1, 10, None, 1_763_713_800_000_000_000, 1_763_713_800_000_000_000, "cli", undo=False)
    async with Site(broker.url, "mat-a").up() as a:
        await a.share.tell_gun(gun)
        async with onlooker(broker.port, f"{BASE}/request/#") as seen:
            async with Site(broker.url, "mat-b").up():
                # this box has no such command: that is an answer too, so it is asked once
                await until(lambda: GunBook(a.memory).untold("mat-b") is None)

            assert sum(one.topic.endswith("mat-b/gun") for one in seen.heard) == 1


async def test_garbage_on_every_topic_is_survived(broker: Mosquitto) -> None:
    rng = random.Random(7)
    topics = [
        *("crossing/finish", "crossing/finish/last", "bridge/mat-b/state", "bridge/mat-a/state"),
        *("request/mat-a/gun", "request/mat-a/crossings", "request/mat-a/\u00fc", "request/x/y"),
        *("response/mat-b/crossings", "response/mat-b/gun", "result/1/2", "read/finish"),
    ]
    payloads = [b"", b"{", b"[]", b'"online"', b"\x00\xff", b'{"id":{}}', b"9" * 30_000]
    async with Site(broker.url, "mat-a").up() as a, onlooker(broker.port) as stranger:
        for _ in range(3):
            for topic in topics:
                for payload in [*payloads, rng.randbytes(60)]:
                    await stranger.publish(topic, payload, retain=rng.random() < 0.3)
        a.cross(5)
        await a.drained()
        row = crossing_row(1, site="mat-b")
        await stranger.publish("crossing/finish", row.payload)
        await until(lambda: a.told)
        await stranger.publish("request/mat-a/status", b'{"id": "alive"}')
        await until(lambda: stranger.last("response/mat-a/status"))

        assert a.link.status().state == "connected"
        assert a.share.state().garbage >= 3 * len(payloads)
