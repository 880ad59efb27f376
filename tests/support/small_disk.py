"""A disk that is full on demand, by whatever this machine allows."""

import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class SmallDisk:
    """A folder to write into; `fill` leaves no room, `empty` makes some again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        raise NotImplementedError

    def empty(self) -> None:
        raise NotImplementedError


class Mounted(SmallDisk):
    """A file system of two megabytes, filled by a file."""

    def fill(self) -> None:
        with (self.folder / "ballast").open("wb", buffering=0) as file:
            size = 65_536
            while size:
                try:
                    file.write(bytes(size))
                except OSError:
                    size //= 2

    def empty(self) -> None:
        (self.folder / "ballast").unlink()


class Limited(SmallDisk):
    """A process that may not let a file grow: the kernel says EFBIG where a disk says ENOSPC."""

    def fill(self) -> None:
        largest = max(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())
        _hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, _hard))

    def empty(self) -> None:
        _hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (_hard, _hard))


@contextmanager
def small_disk(folder: Path, *, limited: bool = False) -> Iterator[SmallDisk]:
    """A small disk at `folder`: a mount where we may, else (or with `limited`) a process limit."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(folder)]
    if not limited and subprocess.run(mount, check=False, capture_output=True).returncode == 0:
        try:
            yield Mounted(folder)
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        return
    disk = Limited(folder)
    try:
        yield disk
    finally:
        disk.empty()
