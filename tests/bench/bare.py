"""The least that could do in bulk: slice a line, store a row, look the chip up in a dictionary.

No check of anything, no clock, no rules, no message, no late read: what is left when everything
that makes results right is taken out. A machine's speed is in this figure as it is in the
bridge's, so their ratio says more than either.
"""

import sqlite3
import time
from pathlib import Path

LINE = 38
"""Bytes of a plain IPICO record, line end included."""
PIECE = 1_700 * LINE
QUIET = 50
"""Between two passings, of the number that ``yymmddhhmmss`` is: 10 s, also over a full minute."""


def bare(lines: bytes, folder: Path) -> tuple[float, int]:
    """Return the CPU seconds it takes, and how many crossings were found."""
    base = sqlite3.connect(folder / "bare.db", isolation_level=None)
    base.execute("PRAGMA journal_mode = WAL")
    base.execute("PRAGMA synchronous = FULL")
    base.execute("CREATE TABLE reads(id INTEGER PRIMARY KEY, chip TEXT, stamp INTEGER, raw BLOB)")
    newest: dict[bytes, int] = {}
    crossings = 0
    began = time.process_time()
    for at in range(0, len(lines), PIECE):
        rows = []
        for line in lines[at : at + PIECE].splitlines(keepends=True):
            chip, stamp = line[4:16], int(line[20:32])
            rows.append((chip, stamp, line))
            crossings += stamp - newest.get(chip, 0) > QUIET
            newest[chip] = stamp
        base.execute("BEGIN")
        base.executemany("INSERT INTO reads(chip, stamp, raw) VALUES(?, ?, ?)", rows)
        base.execute("COMMIT")
    spent = time.process_time() - began
    base.close()
    return spent, crossings
