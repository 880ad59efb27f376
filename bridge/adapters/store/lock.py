"""One service per store: an advisory lock beside the file, released by the kernel with the process.

Its text is the holder's pid while the store is open and empty after an orderly end, so that a file
left by a crash can be told from one that was closed.
"""

import fcntl
import os
from pathlib import Path

from bridge.errors import JournalError


class StoreBusy(JournalError):  # noqa: N818
    """Another process has the store open for writing."""


class StoreLock:
    """Holds a store for this process until `release`."""

    def __init__(self, descriptor: int, *, was_open: bool) -> None:
        self._descriptor: int | None = descriptor
        self.was_open = was_open
        """Whether the holder before us ended without closing the store."""

    @classmethod
    def take(cls, path: Path) -> "StoreLock":
        """Take the lock at `path`.

        Raises:
            StoreBusy: Somebody has it; the text names the pid.
            OSError: The lock file can not be made.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            before = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StoreBusy(
                    f"the store {path.parent} is in use by process {before or 'unknown'}:"
                    " stop that chip-bridge first, or give this one another data_dir"
                ) from None
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor, was_open=bool(before))

    def release(self, *, in_order: bool = True) -> None:
        """Let go; `in_order`: the store was closed, nothing of it is only in the log."""
        if self._descriptor is None:
            return
        if in_order:
            os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)
        self._descriptor = None
