"""The publishing stage against an outlet made by hand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bridge.adapters.system_clock import SystemClock
from bridge.app import feed as feed_module
from bridge.app.broker import Done, Topics
from bridge.app.feed import CURSOR, HELD, Feed
from tests.support.mqtt_race import Alarms, Fresh, Memory, Texts, running, until

TOPICS = Topics("chip-bridge/7", "mat-a")


@dataclass
class Sent:
    topic: str
    payload: bytes
    done: Done
    retain: bool


@dataclass
class FakeOutlet:
    window: int = 60
    idle: bool = True
    sent: list[Sent] = field(default_factory=list)
    dropped: list[tuple[str, bytes]] = field(default_factory=list)

    def send(self, topic: str, payload: bytes, done: Done, *, retain: bool = False) -> None:
        self.sent.append(Sent(topic, payload, done, retain))

    def drop(self, topic: str, payload: bytes) -> None:
        self.dropped.append((topic, payload))

    def acknowledge(self, refused: str | None = None) -> None:
        """Answer everything sent so far, oldest first."""
        sent, self.sent = self.sent, []
        for one in sent:
            one.done(refused)

    @property
    def payloads(self) -> list[bytes]:
        return [one.payload for one in self.sent if not one.retain]

    @property
    def retained(self) -> list[tuple[str, bytes]]:
        return [(one.topic, one.payload) for one in self.sent if one.retain]


class Bench:
    """A feed and all around it; `connected` gives it a connection."""

    def __init__(self, memory: Memory | None = None, **content: bytes) -> None:
        self.memory = memory or Memory()
        self.texts = Texts(**content)
        self.alarms = Alarms()
        self.feed = Feed(
            topics=TOPICS,
            store=self.memory,
            notes=self.memory,
            content=self.texts,
            clock=SystemClock(),
            alarm=self.alarms,
        )

    @asynccontextmanager
    async def connected(self, window: int = 60) -> AsyncIterator[FakeOutlet]:
        outlet = FakeOutlet(window)
        async with running(self.feed.serve(outlet)):
            await asyncio.sleep(0)
            yield outlet


async def all_sent(outlet: FakeOutlet, count: int) -> list[bytes]:
    """Acknowledge until so many crossings have been sent; return them in order."""
    seen: list[bytes] = []
    async with asyncio.timeout(20):
        while len(seen) < count:
            seen += outlet.payloads
            outlet.acknowledge()
            await asyncio.sleep(0)
    return seen


async def test_crossings_leave_in_order_within_the_window() -> None:
    bench = Bench()
    async with bench.connected() as outlet:
        rows = bench.memory.record(200)
        bench.feed.offer(rows)
        await until(lambda: outlet.payloads)

        assert len(outlet.payloads) == feed_module.WINDOW
        assert outlet.sent[0].topic == "chip-bridge/7/crossing/finish"
        assert await all_sent(outlet, 200) == [row.payload for row in rows]
        assert bench.feed.acked_seq == 200


async def test_a_broker_that_allows_little_gets_little() -> None:
    bench = Bench()
    async with bench.connected(window=4) as outlet:
        bench.feed.offer(bench.memory.record(10))
        await until(lambda: outlet.payloads)

        assert len(outlet.payloads) == 3


async def test_the_cursor_waits_for_the_oldest() -> None:
    bench = Bench()
    async with bench.connected() as outlet:
        bench.feed.offer(bench.memory.record(3))
        await until(lambda: len(outlet.payloads) == 3)
        outlet.sent[2].done(None)
        outlet.sent[1].done(None)

        assert bench.feed.acked_seq == 0

        outlet.sent[0].done(None)

        assert bench.feed.acked_seq == 3


async def test_hours_without_a_broker_cost_no_memory_and_lose_nothing() -> None:
    bench = Bench()
    rows = bench.memory.record(3 * HELD)
    for start in range(0, len(rows), 500):
        bench.feed.offer(rows[start : start + 500])

    assert bench.feed.gauge().queued == 3 * HELD
    assert not bench.feed._queue  # noqa: SLF001 - the promise is about memory

    async with bench.connected() as outlet:
        seen = await all_sent(outlet, len(rows))

    assert seen == [row.payload for row in rows]
    assert bench.feed.gauge().queued == 0


async def test_a_flood_overflows_into_the_log_and_keeps_its_order() -> None:
    bench = Bench()
    async with bench.connected() as outlet:
        await until(lambda: bench.feed._outlet is outlet)  # noqa: SLF001
        rows = bench.memory.record(2 * HELD)
        for start in range(0, len(rows), 100):
            bench.feed.offer(rows[start : start + 100])

        assert len(bench.feed._queue) <= HELD  # noqa: SLF001
        assert await all_sent(outlet, len(rows)) == [row.payload for row in rows]


async def test_a_new_connection_begins_behind_the_last_acknowledged() -> None:
    bench = Bench()
    rows = bench.memory.record(10)
    async with bench.connected() as outlet:
        bench.feed.offer(rows)
        await until(lambda: len(outlet.payloads) == 10)
        for sent in outlet.sent[:4]:
            sent.done(None)
        lost = outlet.sent[4:]
    async with bench.connected() as outlet:
        await until(lambda: outlet.payloads)

        assert outlet.payloads == [row.payload for row in rows[4:]]

        lost[0].done(None)  # an answer of the old connection says nothing about this one

        assert bench.feed.acked_seq == 4


async def test_a_restart_continues_at_the_cursor() -> None:
    bench = Bench()
    rows = bench.memory.record(5)
    async with bench.connected() as outlet:
        bench.feed.offer(rows)
        await all_sent(outlet, 5)
    await bench.feed.save()
    rows += bench.memory.record(2)  # durable, and never offered before the power went

    again = Bench(bench.memory)

    assert bench.memory.notes[CURSOR] == "5"
    async with again.connected() as outlet:
        assert await all_sent(outlet, 2) == [row.payload for row in rows[5:]]


async def test_a_cursor_beyond_a_salvaged_log_is_cut_back() -> None:
    memory = Memory()
    memory.notes[CURSOR] = "90"
    bench = Bench(memory)
    async with bench.connected() as outlet:
        rows = memory.record(1)
        bench.feed.offer(rows)

        assert await all_sent(outlet, 1) == [rows[0].payload]


async def test_a_hole_in_the_log_does_not_stop_what_follows() -> None:
    memory = Memory()
    rows = memory.record(600)
    bench = Bench(memory)
    memory.log = []
    bench.feed.offer(rows[-1:])
    memory.log = [row for row in rows if row.seq > 590]
    memory.crossings = (
        lambda first, last: iter(  # type: ignore[method-assign]
            [row for row in rows[590:] if first <= row.seq <= last]
        )
    )
    async with bench.connected() as outlet:
        assert await all_sent(outlet, 10) == [row.payload for row in rows[590:]]
        assert bench.feed.acked_seq == 600


async def test_a_log_that_begins_far_behind_its_numbers_is_published_at_once() -> None:
    memory = Fresh()
    bench = Bench(memory)
    async with bench.connected() as outlet:
        await until(lambda: bench.feed.gauge().queued == 0)
        rows = memory.record(3)
        bench.feed.offer(rows)
        assert await all_sent(outlet, 3) == [row.payload for row in rows]
        assert bench.feed.acked_seq == 2**40 + 2


async def test_a_refused_crossing_is_kept_told_and_tried_again() -> None:
    bench = Bench()
    async with bench.connected() as outlet:
        bench.feed.offer(bench.memory.record(2))
        await until(lambda: len(outlet.payloads) == 2)
        outlet.acknowledge("Not authorized")

        assert "write access" in bench.alarms.on["mqtt_refused"]
        assert "Not authorized" in (bench.feed.gauge().refused or "")
        assert bench.feed.acked_seq == 0

        await until(lambda: len(outlet.payloads) == 2)
        outlet.acknowledge()

        assert bench.feed.acked_seq == 2
        assert not bench.alarms.on
        assert bench.feed.gauge().refused is None


async def test_retained_topics_are_said_on_every_connection() -> None:
    bench = Bench(**{"leaderboard/1": b"A"})
    for _ in range(2):
        async with bench.connected() as outlet:
            await until(lambda: outlet.retained)

            assert outlet.retained == [("chip-bridge/7/leaderboard/1", b"A")]
            outlet.acknowledge()


async def test_what_an_earlier_run_left_is_cleared_once() -> None:
    bench = Bench()
    bench.texts.left_behind = ("result/1/2",)
    async with bench.connected() as outlet:
        await until(lambda: outlet.retained)

        assert outlet.retained == [("chip-bridge/7/result/1/2", b"")]
        outlet.acknowledge()
    bench.texts.content["leaderboard/1"] = b"A"
    async with bench.connected() as outlet:
        await until(lambda: outlet.retained)

        assert outlet.retained == [("chip-bridge/7/leaderboard/1", b"A")]


async def test_many_touches_of_a_leaderboard_become_one_message() -> None:
    bench = Bench()
    async with bench.connected() as outlet:
        for content in (b"1", b"2", b"3"):
            bench.texts.content["leaderboard/1"] = content
            bench.feed.touch("leaderboard/1")
            await asyncio.sleep(0)
        await until(lambda: outlet.retained)

        assert outlet.retained == [("chip-bridge/7/leaderboard/1", b"3")]


async def test_a_result_leaves_at_once_and_once_at_a_time() -> None:
    bench = Bench()
    async with bench.connected() as outlet:
        bench.texts.content["result/1/2"] = b"1"
        bench.feed.touch("result/1/2")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert outlet.retained == [("chip-bridge/7/result/1/2", b"1")]

        for content in (b"2", b"3"):
            bench.texts.content["result/1/2"] = content
            bench.feed.touch("result/1/2")
            await asyncio.sleep(0)
        assert len(outlet.retained) == 1

        outlet.acknowledge()
        await until(lambda: outlet.retained)
        assert outlet.retained == [("chip-bridge/7/result/1/2", b"3")]


async def test_a_result_withdrawn_while_away_is_cleared() -> None:
    bench = Bench()
    bench.feed.touch("result/1/2")
    async with bench.connected() as outlet:
        await until(lambda: outlet.retained)

        assert outlet.retained == [("chip-bridge/7/result/1/2", b"")]
    async with bench.connected() as outlet:  # the connection died before the broker had it
        await until(lambda: outlet.retained)

        assert outlet.retained == [("chip-bridge/7/result/1/2", b"")]


async def test_crossings_go_before_the_retained() -> None:
    bench = Bench(**{f"result/1/{number}": b"x" for number in range(5_000)})
    async with bench.connected() as outlet:
        await until(lambda: outlet.retained)

        assert len(outlet.sent) <= feed_module.RETAINED_WINDOW

        rows = bench.memory.record(1)
        bench.feed.offer(rows)
        await until(lambda: outlet.payloads)

        assert outlet.payloads == [rows[0].payload]


async def test_the_last_crossing_of_a_location_follows() -> None:
    bench = Bench()
    async with bench.connected() as outlet:
        row = bench.memory.record(1)[0]
        bench.feed.offer([row])
        await until(lambda: outlet.retained)

        assert outlet.retained == [("chip-bridge/7/crossing/finish/last", row.payload)]


async def test_reads_wait_for_an_empty_socket_and_the_oldest_give_way() -> None:
    bench = Bench()
    async with bench.connected() as outlet:
        outlet.idle = False
        bench.feed.offer_reads(("finish", b"%d" % n) for n in range(feed_module.READS_HELD + 1))
        await asyncio.sleep(0)
        assert not outlet.dropped

        outlet.idle = True
        bench.feed.offer_reads([("finish", b"newest")])
        await until(lambda: outlet.dropped)

        assert outlet.dropped[0] == ("chip-bridge/7/read/finish", b"2")
        assert len(outlet.dropped) == feed_module.READS_AT_ONCE


async def test_lag_is_the_age_of_the_oldest_unacknowledged() -> None:
    bench = Bench()
    bench.feed.offer(bench.memory.record(1))
    await until(lambda: (bench.feed.gauge().lag_ms or 0) > 150)
    bench.feed.offer(bench.memory.record(1))
    async with bench.connected() as outlet:
        await until(lambda: len(outlet.payloads) == 2)
        before = bench.feed.gauge().lag_ms
        outlet.sent[0].done(None)
        after = bench.feed.gauge().lag_ms

        assert before is not None
        assert before > 150
        assert after is not None
        assert after < 150

        outlet.sent[1].done(None)
        assert bench.feed.gauge().lag_ms is None
