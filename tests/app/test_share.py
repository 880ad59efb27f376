"""Several boxes of one race: nothing of one is missed by the others."""

import asyncio
import random
from collections.abc import Mapping

import orjson
import pytest

from bridge.app import share as share_module
from bridge.app.foreign import LARGEST_MS, message_of, page_of
from bridge.app.guns import NOTE, Gun, GunBook
from bridge.domain.results import RemoteCrossing
from bridge.errors import UsageError
from tests.support.mqtt_bus import Box, Bus
from tests.support.mqtt_race import AT_MS, Memory, crossing_fields, crossing_row, until

GUN = Gun(3, 54321, "Corral B", 1_763_713_800_123_456_789, 1_763_713_801_000_000_000, "cli", False)  # noqa: FBT003


async def test_live_crossings_reach_store_and_race() -> None:
    bus = Bus()
    async with Box(bus, "mat-a").online() as a, Box(bus, "mat-b").online() as b:
        a.cross(3)
        b.cross(2, "5k")
        await until(lambda: a.has_all_of(b) and b.has_all_of(a))

        assert b.told["mat-a-2"] == RemoteCrossing(
            "mat-a-2", "mat-a", "finish", "C2", (AT_MS + 2) * 1_000_000 + 7, withdrawn=False
        )


async def test_a_site_that_joins_late_gets_everything() -> None:
    bus = Bus()
    async with Box(bus, "mat-a").online() as a:
        a.cross(1_050)
        async with Box(bus, "mat-b").online() as b:
            await until(lambda: b.has_all_of(a))


async def test_live_crossings_while_catching_up_leave_no_gap() -> None:
    bus = Bus()
    async with Box(bus, "mat-a").online() as a:
        a.cross(500)
        async with Box(bus, "mat-b").online() as b:
            for _ in range(5):
                a.cross(10)
                await asyncio.sleep(0)
            await until(lambda: b.has_all_of(a))


async def test_a_missed_range_is_noticed_by_the_next_message() -> None:
    bus = Bus()
    async with Box(bus, "mat-a").online() as a, Box(bus, "mat-b").online() as b:
        a.cross(5)
        await until(lambda: b.has_all_of(a))
        b.cut_off = True
        a.cross(300)
        b.cut_off = False
        a.cross(1)
        await until(lambda: b.has_all_of(a))


async def test_silence_at_the_end_is_noticed_by_asking_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(share_module, "LOOK_AGAIN_S", 0.05)
    bus = Bus()
    async with Box(bus, "mat-a").online() as a, Box(bus, "mat-b").online() as b:
        b.cut_off = True
        a.cross(3)
        b.cut_off = False
        await until(lambda: b.has_all_of(a))


async def test_a_restarted_site_asks_only_for_what_it_lacks() -> None:
    bus = Bus()
    async with Box(bus, "mat-a").online() as a:
        async with Box(bus, "mat-b").online() as b:
            a.cross(400)
            await until(lambda: b.has_all_of(a))
        asked = bus.count("request/mat-a/crossings")
        a.cross(1)
        async with Box(bus, "mat-b", b.memory).online() as again:
            await until(lambda: again.told)

            assert list(again.told) == ["mat-a-401"]
            assert bus.count("request/mat-a/crossings") == asked + 1


async def test_an_older_revision_that_comes_later_is_not_told() -> None:
    bus = Bus()
    async with Box(bus, "mat-a").online() as a:
        old, new = (crossing_fields(seq) | {"id": "mat-a-x"} for seq in (1, 2))
        new["state"] = "withdrawn"
        rows = [
            crossing_row(seq)._replace(payload=orjson.dumps(fields))
            for seq, fields in ((1, old), (2, new))
        ]
        a.memory.log += rows
        async with Box(bus, "mat-b").online() as b:
            a.publish(rows[1:])  # while b is still asking for the first
            await until(lambda: not b.memory.missing("mat-a", 2))
            await until(lambda: b.told and b.told["mat-a-x"].withdrawn)
            a.publish(rows[:1])  # and once more, out of order
            await until(lambda: b.share.state().taken >= 3)

            assert b.told["mat-a-x"].withdrawn


async def test_what_no_crossing_is_does_not_stop_the_catching_up() -> None:
    bus = Bus()
    async with Box(bus, "mat-a").online() as a:
        a.memory.record(450)
        a.memory.log[9] = a.memory.log[9]._replace(payload=b'{"no": "crossing"}')
        async with Box(bus, "mat-b").online() as b:
            await until(lambda: b.memory.missing("mat-a", 450) == [(10, 10)])
            asked = bus.count("request/mat-a/crossings")
            await asyncio.sleep(0.05)

            assert bus.count("request/mat-a/crossings") == asked


async def test_garbage_is_counted_and_survived() -> None:
    rng = random.Random(1)
    bus = Bus()
    good = crossing_fields(1)
    broken = [
        {**good, "site": "../etc"},
        {**good, "site": None},
        {**good, "seq": 0},
        {**good, "seq": True},
        {**good, "seq": 2**60},
        {**good, "id": ""},
        {**good, "id": "x" * 1000},
        {**good, "chip": 5},
        {**good, "at_ms": -1},
        {**good, "at_ms": LARGEST_MS + 1},
        {**good, "state": "nonsense"},
        {**good, "location": "elsewhere"},
        {key: value for key, value in good.items() if key != "at_ms"},
        [],
        None,
    ]
    payloads = [orjson.dumps(one) for one in broken]
    payloads += [rng.randbytes(rng.randrange(40)) for _ in range(200)]
    payloads += [b"[" * 20_000, b'{"a":' * 5_000]
    async with Box(bus, "mat-a").online() as a, Box(bus, "mat-b").online() as b:
        for payload in payloads:
            bus.publish(None, "base/7/crossing/finish", payload)
            bus.publish(None, "base/7/response/mat-a/crossings", payload)
            bus.publish(None, "base/7/bridge/mat-z/state", payload)
            bus.publish(None, "base/7/bridge/%/state", b"online")
        a.cross(1)
        await until(lambda: b.has_all_of(a))

        assert b.share.state().garbage == len(payloads)
        assert set(b.share.state().sites) == {"mat-a"}


async def test_strangers_may_invent_sites_but_not_without_end() -> None:
    bus = Bus()
    async with Box(bus, "mat-b").online() as b:
        for number in range(2 * share_module.SITES):
            row = crossing_row(1, site=f"mat-{number}")
            bus.publish(None, "base/7/crossing/finish", row.payload)
        await until(lambda: b.share.state().garbage)

        assert len(b.share.state().sites) == share_module.SITES
        assert b.share.state().taken == share_module.SITES


async def test_more_than_the_disk_can_take_is_dropped_and_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(share_module, "INBOX", 50)
    monkeypatch.setattr(share_module, "LOOK_AGAIN_S", 0.05)
    bus = Bus()
    async with Box(bus, "mat-a").online() as a, Box(bus, "mat-b").online() as b:
        a.cross(120)
        await until(lambda: b.has_all_of(a))

        assert b.share.state().dropped == 70


async def test_another_box_of_our_name_is_told() -> None:
    bus = Bus()
    async with Box(bus, "mat-a").online() as a:
        a.cross(2)
        a.share.received("base/7/crossing/finish", a.memory.log[1].payload)  # our own, echoed
        bus.publish(None, "base/7/crossing/finish", crossing_row(1, site="mat-b").payload)
        await until(lambda: a.share.state().taken)
        assert not a.alarms.on

        stranger = orjson.dumps(crossing_fields(2) | {"chip": "other"})
        bus.publish(None, "base/7/crossing/finish", stranger)
        await until(lambda: a.alarms.on)

        assert "[bridge] site" in a.alarms.on["site_twice"]


async def test_a_site_with_a_new_journal_is_told() -> None:
    bus = Bus()
    async with Box(bus, "mat-b").online() as b:
        async with Box(bus, "mat-a").online() as a:
            a.cross(5)
            await until(lambda: b.has_all_of(a))
        async with Box(bus, "mat-a").online():
            await until(lambda: b.alarms.on)

            assert "counts its crossings from the beginning" in b.alarms.on["site_restarted_mat-a"]


async def test_a_gun_reaches_the_sites_that_are_and_that_will_be() -> None:
    bus = Bus()
    async with Box(bus, "mat-a").online() as a:
        async with Box(bus, "mat-b").online() as b:
            await a.share.tell_gun(GUN)
            await a.share.tell_gun(GUN._replace(undo=True))
            await until(lambda: len(b.guns) == 2)
            async with Box(bus, "mat-c").online() as c:
                await until(lambda: len(c.guns) == 2)

        told = b.guns[0]
        assert told.pop("id")
        assert told == {
            "event_id": 54321,
            "wave": "Corral B",
            "at_ms": 1_763_713_800_123,
            "at_sub_ns": 456_789,
            "author": "cli",
            "undo": False,
            "origin": "mat-a",
            "mark_id": 3,
            "made_at_ms": 1_763_713_801_000,
        }
        assert b.guns[1]["undo"] is True


async def test_a_gun_is_told_once_over_restarts_of_both() -> None:
    bus = Bus()
    async with Box(bus, "mat-a").online() as a, Box(bus, "mat-b").online() as b:
        await a.share.tell_gun(GUN)
        await until(lambda: b.guns)
        await until(lambda: '"mat-b":1' in a.memory.notes[NOTE])
    assert GunBook(a.memory).untold("mat-b") is None
    assert GunBook(a.memory).untold("mat-c") == GUN


async def test_a_gun_that_got_no_answer_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share_module, "LOOK_AGAIN_S", 0.05)
    monkeypatch.setattr("bridge.app.asking.ANSWER_S", 0.05)
    bus = Bus()
    never = asyncio.Event()

    async def silent() -> Mapping[str, object]:
        await never.wait()
        return {}

    async with Box(bus, "mat-a").online() as a, Box(bus, "mat-b").online() as b:
        b.gun_answer = silent
        await a.share.tell_gun(GUN)
        await until(lambda: bus.count("request/mat-b/gun") >= 2)
        b.gun_answer = b._heard  # noqa: SLF001
        never.set()
        await until(lambda: GunBook(a.memory).untold("mat-b") is None)


async def test_a_gun_a_site_refuses_is_not_repeated_for_ever() -> None:
    bus = Bus()

    async def refuse() -> Mapping[str, object]:
        raise UsageError("There is no event 54321 here.")

    async with Box(bus, "mat-a").online() as a, Box(bus, "mat-b").online() as b:
        b.gun_answer = refuse
        await a.share.tell_gun(GUN)
        await until(lambda: GunBook(a.memory).untold("mat-b") is None)

        assert len(b.guns) == 1


def test_a_crossing_without_a_time_counts_but_is_nothing() -> None:
    fields = crossing_fields(4) | {"at_ms": None, "at_sub_ns": None}

    message = message_of(orjson.dumps(fields))

    assert message is not None
    assert (message.seq, message.crossing.at, message.crossing.withdrawn) == (4, -1, True)


def test_an_older_site_without_the_rest_of_a_ms_is_understood() -> None:
    fields = crossing_fields(4)
    del fields["at_sub_ns"]

    message = message_of(orjson.dumps(fields))

    assert message is not None
    assert message.crossing.at == (AT_MS + 4) * 1_000_000


@pytest.mark.parametrize(
    "result",
    [None, 5, {}, {"to_seq": 1, "last_seq": 1}, {"to_seq": -1, "last_seq": 1, "crossings": []}],
)
def test_a_page_that_is_none(result: object) -> None:
    assert page_of({"ok": True, "result": result}) is None


async def test_the_memory_fake_names_missing_ranges() -> None:
    memory = Memory()
    crossing = RemoteCrossing("x", "s", "finish", "C", 1, withdrawn=False)
    await memory.keep([("s", seq, crossing) for seq in (2, 3, 6)])

    assert memory.missing("s", 8) == [(1, 1), (4, 5), (7, 8)]
