"""A disk that is full for a while, a store that is damaged: the mat stays up, nothing is lost."""

import asyncio
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.race_rig import Rig
from tests.support.small_disk import Mounted, SmallDisk

LITTLE_MB = 12


class _Held(SmallDisk):
    """A service whose files may not grow: for machines where nothing may be mounted."""

    pid = 0

    def fill(self) -> None:
        largest = max(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (largest, -1))

    def empty(self) -> None:
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (-1, -1))


@contextmanager
def _little_disk(folder: Path) -> Iterator[SmallDisk]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={LITTLE_MB}m", "none", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        yield _Held(folder)
        return
    try:
        yield Mounted(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def test_a_disk_that_is_full_during_the_race(tmp_path: Path) -> None:
    with _little_disk(tmp_path / "card") as disk:
        async with Rig(tmp_path, data_dir=disk.folder).up() as rig:
            if isinstance(disk, _Held):
                disk.pid = rig.box.pid
            await rig.fire()
            async with asyncio.TaskGroup() as group:
                group.create_task(rig.play(), name="race")
                await rig.after(0.4)
                disk.fill()
                status = await rig.box.until(lambda status: status["disk"]["trouble"])
                assert status["disk"]["trouble"] in status["alarms"]
                assert not status["ready"]
                await rig.after(0.8)
                status = await rig.box.until(lambda status: status["disk"]["trouble"])
                assert status["queues"]["not_yet_durable"] > 0
                disk.empty()
            await rig.agrees()
            status = await rig.box.until(lambda status: status["ready"])
            assert status["disk"]["trouble"] is None


async def test_a_damaged_store_is_put_aside_and_the_mat_reads_on(tmp_path: Path) -> None:
    async with Rig(tmp_path, seconds=10.0).up() as rig:
        await rig.fire()
        await rig.box.until(lambda status: status["link_facts"]["participants"]["participants"])
        await rig.box.stop()
        (store,) = rig.box.data_dir.glob("races/*/journal.db")
        store.write_bytes(b"power cut" * (store.stat().st_size // 9))
        rig.box.start()
        await rig.box.until_reading()
        status = await rig.box.until_alarmed("damaged and has been put aside")
        assert any(".damaged-" in path.name for path in store.parent.iterdir())
        rig.first_seq = status["queues"]["crossings"] + 1
        await rig.fire()  # the first gun went with the store
        await rig.play()
        await rig.agrees()
