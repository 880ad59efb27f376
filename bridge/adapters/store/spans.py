"""READ rows by session, for whoever numbers the reads of some locations: forwarding."""

import json
from collections.abc import Iterator, Sequence

from bridge.adapters.store.core import Core
from bridge.adapters.store.runs import LONGEST, RUN, unfolded
from bridge.app.rows import EventRow, Kind

_PAGE = 1000
_RUNS = 100
_KINDS = (int(Kind.READ), RUN)


class SpanPart:
    """The part of `ports.Journal` that looks at reads without making their rows."""

    _core: Core

    def read_spans(self, first_id: int = 0) -> Iterator[tuple[int, int, int]]:
        """See `ports.Journal.read_spans`."""
        behind = first_id - LONGEST
        while page := self._core.fetch(
            "SELECT id, session, iif(kind = ?, seq, 1) FROM events"
            " WHERE id > ? AND kind IN (?, ?) ORDER BY id LIMIT ?",
            (RUN, behind, *_KINDS, _PAGE),
        ):
            for first, session, count in page:
                begin = max(first, first_id)
                if first + count > begin:
                    yield begin, session, first + count - begin
            behind = page[-1][0]

    def reads_in(self, first_id: int, sessions: Sequence[int]) -> Iterator[EventRow]:
        """See `ports.Journal.reads_in`."""
        behind, wanted = first_id - LONGEST, json.dumps(list(sessions))
        while page := self._core.fetch(
            "SELECT * FROM events WHERE id > ? AND kind IN (?, ?)"
            " AND session IN (SELECT value FROM json_each(?)) ORDER BY id LIMIT ?",
            (behind, *_KINDS, wanted, _RUNS),
        ):
            with self._core.reading():
                yield from (row for row in unfolded(page) if row.id >= first_id)
            behind = page[-1][0]
