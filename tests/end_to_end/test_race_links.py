"""Links to readers fail in every way they do in the field, and nothing of a read is lost."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bridge.adapters.emulator_host import Faults
from bridge.driver_api import Emulator, Out, Sighting
from tests.support.race_rig import READERS, MatReader, Rig


class _Wrapped:
    """An emulator whose frames are changed on their way out."""

    def __init__(self, inner: Emulator) -> None:
        self._inner = inner
        self.channels: Mapping[str, int] = inner.channels
        self.piece = inner.piece

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:
        return self._inner.connected(client, channel, now_ns)

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        return self._inner.received(client, data, now_ns)

    def disconnected(self, client: int) -> None:
        self._inner.disconnected(client)

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        return self._inner.sighted(sighting)

    def marked(self, name: str, stamp: int) -> Sequence[Out]:
        return self._inner.marked(name, stamp)

    def tick(self, now_ns: int) -> Sequence[Out]:
        return self._inner.tick(now_ns)


class Twice(_Wrapped):
    """Every read goes out twice."""

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        outs = self._inner.sighted(sighting)
        return [*outs, *outs]


class Noisy(_Wrapped):
    """Between the reads: frames cut off and glued to the next, far too long ones, noise."""

    def __init__(self, inner: Emulator) -> None:
        super().__init__(inner)
        self._chance = random.Random(3)

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        outs = self._inner.sighted(sighting)
        return [replace(out, data=self._dirt(out.data) + out.data) for out in outs]

    def _dirt(self, frame: bytes) -> bytes:
        chance = self._chance
        if chance.random() > 0.2:
            return b""
        cut = frame[: chance.randint(1, len(frame) - 3)]
        long = bytes(chance.choices(b"0123456789abcdef;", k=12_000)) + b"\r\n"
        noise = chance.randbytes(chance.randint(1, 60)) + b"\r\n"
        kinds = [cut, long, noise, b"\r\n\r\n", b"\0\0"]
        if (
            frame[:2] == b"aa"
        ):  # RACE RESULT has no checksum: what is cut before its line end is true
            kinds.append(cut + b"\r\n")
        return chance.choice(kinds)


def _readers(**changes: object) -> tuple[MatReader, ...]:
    return tuple(replace(reader, **changes) for reader in READERS)  # type: ignore[arg-type]


async def test_links_cut_in_mid_line_and_unreachable_for_a_while(tmp_path: Path) -> None:
    readers = _readers(faults=Faults(drop_after=50))
    async with Rig(tmp_path, seconds=10.0, readers=readers).up() as rig:
        await rig.fire()
        async with asyncio.TaskGroup() as group:
            group.create_task(rig.play(), name="race")
            for begin, end, name in (
                (0.07, 0.3, "start-mat"),
                (0.35, 0.55, "half-mat"),
                (0.6, 0.75, "finish-main"),
                (0.7, 0.85, "finish-backup"),
            ):
                await rig.after(begin)
                host = rig.hosts[name]
                host.blocked = True
                host.cut()
                await rig.box.until_alarmed(f"reader {name} is not connected")
                await rig.after(end)
                host.blocked = False
        await rig.agrees(doubled=True)
        status = await rig.box.until_reading()
        rejected = {reader["name"]: reader["rejected_by_reason"] for reader in status["readers"]}
        assert all(rejected.values()), rejected


async def test_reads_up_to_eleven_seconds_out_of_order_and_every_one_twice(tmp_path: Path) -> None:
    readers = _readers(wrap=Twice, faults=Faults(out_of_order=0.4, seed=8))
    async with Rig(tmp_path, seconds=10.0, readers=readers).up() as rig:
        await rig.fire()
        await rig.play()
        await rig.agrees(doubled=True)


async def test_noise_between_the_reads_and_a_stranger_on_a_port(tmp_path: Path) -> None:
    stranger = MatReader(name="stranger", driver="ipico", location="spare", speaks="race-result")
    readers = (*_readers(wrap=Noisy, faults=Faults(garbage=0.2, seed=4)), stranger)
    async with Rig(tmp_path, seconds=10.0, readers=readers).up() as rig:
        await rig.fire()
        await rig.play()
        await rig.box.until_alarmed("reader stranger: The reader answers no commands")
        await rig.agrees(doubled=True)
