"""What was told of crossings so far, as the journal has it: nothing is told twice."""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

import orjson

from bridge.app.ports import Journal
from bridge.app.rows import CrossingRow

T = TypeVar("T")

SLICE = 250
"""Rows looked at between two turns of the event loop while the journal is read again.

Some 5 ms: so long a reader that connects meanwhile, or its reads, may have to wait.
"""


def anchor_of(crossing_id: str) -> int:
    """Return the journal id in a crossing's id."""
    return int(crossing_id.rpartition("-")[2])


def digest(payload: bytes) -> int:
    """Return what two messages of the same content have in common, whatever their seq."""
    message = orjson.loads(payload)
    message.pop("seq", None)
    return hash(orjson.dumps(message, option=orjson.OPT_SORT_KEYS))


async def told_so_far(
    store: Journal, last_seq: int, breathe: Callable[[], Awaitable[None]]
) -> dict[int, int | None]:
    """Return by anchor what was last told of each crossing; None: that it is withdrawn.

    `breathe` lets the event loop turn; called after each slice.
    """
    told: dict[int, int | None] = {}
    for part in slices(store.crossings(1, last_seq)):
        for row in part:
            withdrawn = b'"state":"withdrawn"' in row.payload
            told[row.anchor] = None if withdrawn else digest(row.payload)
        await breathe()
    return told


async def newest_of(
    anchors: frozenset[int], store: Journal, last_seq: int, breathe: Callable[[], Awaitable[None]]
) -> Iterable[CrossingRow]:
    """Return the newest message about each of these crossings.

    Reads all messages again: withdrawing what was told is rare, and an index for it would cost a
    page of the card with every commit.
    """
    newest: dict[int, CrossingRow] = {}
    for part in slices(store.crossings(1, last_seq) if anchors else iter(())):
        newest.update((row.anchor, row) for row in part if row.anchor in anchors)
        await breathe()
    return newest.values()


def slices(items: Iterator[T]) -> Iterator[list[T]]:
    """Cut what is read from the store into pieces of `SLICE`."""
    while part := list(islice(items, SLICE)):
        yield part
