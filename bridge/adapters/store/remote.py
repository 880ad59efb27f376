"""Crossings that other sites took, and which of their messages have arrived."""

import sqlite3
from collections.abc import Awaitable, Iterator, Sequence

from bridge.adapters.store.core import Core
from bridge.adapters.store.ranges import add_numbers, holes
from bridge.domain.results import RemoteCrossing

_PAGE = 1000
_KEEP = (
    "INSERT INTO remote VALUES(?, ?, ?, ?, ?, ?, ?) ON CONFLICT(site, id) DO UPDATE SET"
    " seq = excluded.seq, location = excluded.location, chip = excluded.chip, at = excluded.at,"
    " withdrawn = excluded.withdrawn WHERE excluded.seq > seq"
)


class RemotePart:
    """`ports.RemoteStore`."""

    _core: Core

    def remote(self) -> Iterator[RemoteCrossing]:
        """Yield the newest revision of every crossing of other sites, by site and id."""
        after = ("", "")
        while page := self._core.fetch(
            "SELECT site, id, location, chip, at, withdrawn FROM remote"
            " WHERE (site, id) > (?, ?) ORDER BY site, id LIMIT ?",
            (*after, _PAGE),
        ):
            for site, number, location, chip, at, withdrawn in page:
                after = (site, number)
                yield RemoteCrossing(number, site, location, chip, at, bool(withdrawn))

    def keep(self, messages: Sequence[tuple[str, int, RemoteCrossing]]) -> Awaitable[None]:
        """Store (site, seq, crossing) messages; a lower seq never replaces a higher one."""
        rows = [
            (site, new.id, seq, new.location, new.chip, new.at, int(new.withdrawn))
            for site, seq, new in messages
        ]
        seqs: dict[str, list[int]] = {}
        for site, seq, _crossing in messages:
            seqs.setdefault(site, []).append(seq)

        def run(connection: sqlite3.Connection) -> None:
            connection.executemany(_KEEP, rows)
            for site, numbers in seqs.items():
                add_numbers(connection, _received(site), numbers)

        return self._core.write(run, rows=len(rows))

    def missing(self, site: str, upto: int) -> list[tuple[int, int]]:
        """Return the ranges (first, last) of seq in 1..upto never received from a site."""
        spans = self._core.fetch(
            "SELECT first, last FROM ranges WHERE name = ? AND first <= ? ORDER BY first",
            (_received(site), upto),
        )
        return holes(((first, last) for first, last in spans), 1, upto)


def _received(site: str) -> str:
    return f"received:{site}"
