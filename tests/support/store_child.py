"""A process that writes to a store until it is killed, and says what it was told is durable.

Run as ``python -m tests.support.store_child DATA_DIR [COMMITS]``; prints an id after each commit.
"""

import asyncio
import os
import sys
from pathlib import Path

from bridge.app.ports import Batch, CrossingRow
from bridge.app.rows import ReadRun
from bridge.domain.marks import Mark, MarkKind
from bridge.domain.reads import UtcNs
from tests.support.store import opened, row

MARK = Mark(id=0, kind=MarkKind.DNS, made_at=UtcNs(1), author="child", bib=1)


async def main(data_dir: Path, commits: int) -> None:
    async with opened(data_dir, segment_reads=50) as store:
        number, seq = store.next_id, store.next_seq
        _say(f"pid {os.getpid()}")
        for _commit in range(commits):
            rows = [row(number + n, f"c{(number + n) % 40}") for n in range(5)]
            crossing = CrossingRow(seq, rows[0].id, "finish", b"{}")
            together = 4 * (seq % 2)  # half of the time most came in together
            runs = [ReadRun.of_rows(rows[:together])] if together else []
            await store.append(
                Batch(
                    rows=rows[together:],
                    runs=runs,
                    crossings=[crossing],
                    memories={"mat": str(rows[-1].id)},
                )
            )
            if seq % 3 == 0:
                await store.add(MARK)
            number, seq = number + 5, seq + 1
            _say(f"{rows[-1].id} {seq - 1}")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else 1 << 60))
