"""Open the store of a race."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import orjson

from bridge.adapters.store.books import MarkPart, NotePart, PostPart
from bridge.adapters.store.core import Core
from bridge.adapters.store.files import StoreFiles, free_numbers
from bridge.adapters.store.jobs import Fault, fault_of, in_words
from bridge.adapters.store.journal import JournalPart, Numbers
from bridge.adapters.store.lock import StoreLock
from bridge.adapters.store.recent import Generation, Recent
from bridge.adapters.store.remote import RemotePart
from bridge.adapters.store.restore import RestorePart
from bridge.adapters.store.roster import RosterPart
from bridge.adapters.store.runs import RUN, chips_of
from bridge.adapters.store.salvage import News
from bridge.adapters.store.schema import FLOOR_NOTE, UUID_NOTE
from bridge.adapters.store.spans import SpanPart
from bridge.adapters.store.writer import Access
from bridge.app.ports import Clock, Kind
from bridge.errors import JournalError

SEGMENT_READS = 16_384
"""Reads whose ids wait in memory (about 1 MB) before they become a sorted segment."""
_OVERLAP_IDS = 1024
_PAGE = 512


class SqliteStore(
    JournalPart, SpanPart, MarkPart, RosterPart, PostPart, RemotePart, NotePart, RestorePart
):
    """`ports.Store`: one race's durable memory. Use from one event loop only."""

    def __init__(self, core: Core, numbers: Numbers, lock: StoreLock, news: News) -> None:
        self._core = core
        self._numbers = numbers
        self._lock = lock
        self._news = news

    @property
    def uuid(self) -> str:
        """What tells this store from every other."""
        return str(orjson.loads(self.get(UUID_NOTE) or '""'))

    @property
    def salvage_progress(self) -> float | None:
        """How far a damaged file has been read through, 0 to 1; None: nothing is to be saved.

        Until it is None `rows`, `reads_of` and `crossings` do not give everything that was kept.
        """
        return self._news.progress

    @property
    def notices(self) -> Sequence[str]:
        """What the operator should know of this store's files, oldest first; grows."""
        return tuple(self._news.notices)

    async def close(self) -> None:
        """Write what is queued, check-point, close.

        Raises:
            JournalError: The disk refused to the last.
        """
        try:
            await self._core.close()
        finally:
            self._lock.release()


@dataclass(frozen=True, slots=True)
class Opened:
    """A store and what its opening found."""

    store: SqliteStore
    notices: list[str]


def store_folder(data_dir: Path, race: str) -> Path:
    """Return the folder of a race's store."""
    name = quote(race, safe="")
    return data_dir / "races" / (name if name.strip(".") else f"_{name}")


def open_store(
    data_dir: Path,
    race: str,
    *,
    clock: Clock,
    linger_s: float = 0.0,
    segment_reads: int = SEGMENT_READS,
) -> Opened:
    """Open (or make) the store of `race` and start its thread.

    Args:
        data_dir: The bridge's folder; the store lies in ``races/<race>/journal.db``.
        race: Identity of the race, any text.
        clock: For laziness and for the names of files put aside.
        linger_s: How long a commit waits for more after the first batch; 0 for SSDs, 0.02 to 0.05
            for SD cards.
        segment_reads: Reads indexed in memory before they are sealed.

    Raises:
        StoreBusy: Another process has it open.
        StoreTooNew: A newer chip-bridge wrote it.
        JournalError: The disk refuses.
    """
    folder = store_folder(data_dir, race)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = StoreLock.take(folder / "journal.lock")
    except OSError as error:
        raise JournalError(
            f"{folder} can not be written to ({error.strerror}): check the card and who owns it"
        ) from error
    try:
        return _open_locked(folder, lock, clock, linger_s, segment_reads)
    except (sqlite3.Error, OSError) as error:
        lock.release(in_order=not lock.was_open)
        raise JournalError(in_words(error, str(folder))) from error
    except BaseException:
        lock.release(in_order=not lock.was_open)
        raise


def _open_locked(
    folder: Path, lock: StoreLock, clock: Clock, linger_s: float, segment_reads: int
) -> Opened:
    files = StoreFiles(folder, clock)
    connection, numbers, salvage = files.open(was_open=lock.was_open)
    recent = Recent(segment_reads)
    try:
        unsealed = _load_tail(connection, recent)
    except sqlite3.Error as error:
        connection.close()
        if fault_of(error) in (Fault.DISK, Fault.NO_ROOM):
            raise
        connection, salvage = files.renew()
        numbers, recent, unsealed = free_numbers(connection), Recent(segment_reads), []
    core = Core(
        connection,
        Access(connect=files.connect, renew=files.renew, folder=str(folder)),
        path=lambda: files.path,
        clock=clock,
        linger_s=linger_s,
        recent=recent,
        background=salvage,
        unsealed=unsealed,
    )
    return Opened(SqliteStore(core, numbers, lock, files.news), list(files.news.notices))


def _load_tail(connection: sqlite3.Connection, recent: Recent) -> list[Generation]:
    """Note the reads behind the last sealed segment; return the generations that are full."""
    (upto,) = connection.execute("SELECT max(upto) FROM segments").fetchone()
    found = connection.execute("SELECT value FROM notes WHERE name = ?", (FLOOR_NOTE,)).fetchone()
    floor = orjson.loads(found[0])[0] - 1 if found else 0
    after = max(floor, (upto or 0) - _OVERLAP_IDS, -1)
    full: list[Generation] = []
    cursor = connection.execute(
        "SELECT * FROM events WHERE id > ? AND kind IN (?, ?) ORDER BY id",
        (after, int(Kind.READ), RUN),
    )
    while page := cursor.fetchmany(_PAGE):
        recent.add_durable(read for values in page for read in chips_of(values))
        generation = recent.take_full()
        if generation is not None:
            full.append(generation)
    return full
