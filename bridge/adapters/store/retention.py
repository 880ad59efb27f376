"""Make room: old races go as whole folders, the current one never."""

import shutil
from collections.abc import Callable
from pathlib import Path

from bridge.adapters.store.lock import StoreBusy, StoreLock
from bridge.adapters.store.opening import store_folder
from bridge.app.ports import Clock

_DAY_S = 86_400


def retain(
    data_dir: Path,
    current_race: str,
    keep_days: float,
    min_free_bytes: int,
    *,
    clock: Clock,
    free_bytes: Callable[[Path], int] | None = None,
) -> list[str]:
    """Delete other races that are older than `keep_days`, or oldest first while space is short.

    A race's age is that of its newest file; one that some process has open is left alone. Returns
    a sentence for each race deleted, or not deletable.
    """
    free = free_bytes or _free_bytes
    current = store_folder(data_dir, current_race)
    others = [path for path in (data_dir / "races").glob("*") if path.is_dir() and path != current]
    said: list[str] = []
    for written_s, folder in sorted((_newest_s(path), path) for path in others):
        days = (clock.utc_ns() / 1e9 - written_s) / _DAY_S
        short = free(data_dir) < min_free_bytes
        if days <= keep_days and not short:
            break
        why = "space is short" if days <= keep_days else f"it is {days:.0f} days old"
        said.append(_delete(folder, why))
    return said


def _delete(folder: Path, why: str) -> str:
    try:
        lock = StoreLock.take(folder / "journal.lock")
    except StoreBusy:
        return f"race {folder.name} is in use by another process and stays, although {why}"
    except OSError as error:
        return f"race {folder.name} can not be deleted: {error}"
    try:
        shutil.rmtree(folder)
    except OSError as error:
        return f"race {folder.name} can not be deleted: {error}"
    finally:
        lock.release()
    return f"race {folder.name} was deleted: {why}"


def _newest_s(folder: Path) -> float:
    return max((path.lstat().st_mtime for path in folder.rglob("*")), default=0.0)


def _free_bytes(path: Path) -> int:
    return shutil.disk_usage(path).free
