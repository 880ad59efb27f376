"""What the tests of the store share: rows, a clock, an open store."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bridge.adapters.store.opening import SqliteStore, open_store
from bridge.app.ports import EventRow, Kind, SessionRow
from bridge.domain.reads import UtcNs

T0 = 1_763_710_000_000_000_000


class HostClock:
    """The machine's own clocks, with an offset a test may change."""

    def __init__(self) -> None:
        self.ahead_ns = 0

    def utc_ns(self) -> UtcNs:
        return UtcNs(time.time_ns() + self.ahead_ns)

    def boot_ns(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) + self.ahead_ns

    @property
    def boot_id(self) -> str:
        return "boot"

    def error_ns(self) -> int | None:
        return 0

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def row(number: int, chip: str | None = None, **changes: Any) -> EventRow:  # noqa: ANN401  any column
    """An IPICO-like read."""
    made = EventRow(
        id=number,
        session=1,
        kind=int(Kind.READ),
        utc_ns=T0 + number % 10**9 * 10_000_000,
        boot_ns=5_000_000_000_000 + number % 10**9 * 10_000_000,
        chip=f"058003{number % 27_000:06d}" if chip is None else chip,
        stamp=T0 + number % 10**9 * 10_000_000,
        form=1,
        antenna=1,
        rssi=None,
        seq=None,
        key=None,
        raw=b"aa000580035f1d2a00010a2b3c4d5e6f7081e\r\n",
        note=None,
    )
    return made._replace(**changes)


def session(number: int = 1, reader: str = "mat", **changes: Any) -> SessionRow:  # noqa: ANN401  any column
    values: dict[str, Any] = {
        "id": number,
        "reader": reader,
        "driver": "ipico",
        "location": "finish",
        "link": "tcp://10.0.0.51:10000",
        "boot_id": "boot",
        "opened_ns": UtcNs(T0),
        "synchronised": True,
    }
    return SessionRow(**{**values, **changes})


@asynccontextmanager
async def opened(
    data_dir: Path,
    race: str = "race",
    **options: Any,  # noqa: ANN401  of open_store
) -> AsyncIterator[SqliteStore]:
    """An open store that is closed at the end."""
    store = open_store(data_dir, race, clock=options.pop("clock", HostClock()), **options).store
    try:
        yield store
    finally:
        await store.close()


async def until(holds: Callable[[], bool], within_s: float = 30.0) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110  the store tells nobody
            await asyncio.sleep(0.005)


def journal_path(data_dir: Path, race: str = "race") -> Path:
    return data_dir / "races" / race / "journal.db"
