"""The chip index on disk: sealed segments of reads, merged level by level, in slices.

A segment is cut by the hash of the chip into blocks that fill about one page each, so that sealing
and merging handle a few hundred rows, not one for each chip, and a look-up reads one page per
segment. A merge of 16 segments has 16 times the blocks of its inputs: block n of them becomes
blocks 16 n to 16 n + 15. `segments` lists what is valid; other blocks belong to work that was cut
short, or to a merged segment being cleared, and are swept at the next opening.
"""

import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from zlib import crc32

import orjson

from bridge.adapters.store.recent import Generation
from bridge.adapters.store.runs import GarbledRow

FAN_BITS = 4
FAN_OUT = 1 << FAN_BITS
"""Segments of one level that are merged into one of the next."""
CROWD = 24
"""So many are in a level when the oldest of them are merged: a race of a third of a million reads
never gets there, and a chip is looked for in a page of each."""
SEAL_BITS = 9
"""A fresh segment has 512 blocks: some 30 reads in each."""
_BLOCK_BITS = 24
_SLICE = 64
_CHIPS = 1024
Work = Iterator[int]
"""Yields the units of work (about a microsecond each) of each slice done."""
Block = dict[str, list[int]]
"""Chip -> ids, ascending; stored as JSON, which costs what packing them in Python would not."""


def hash_of(chip: str) -> int:
    """Return 32 bits that the first bits of which choose the block. Stored: never change."""
    return crc32(chip.encode("utf-8", "surrogatepass"))


class Upkeep:
    """Seals and merges within the writer's transactions, a bounded piece in each.

    After a commit `committed` must be called, after a roll-back `restart`.
    """

    def __init__(self) -> None:
        self._to_seal: deque[Generation] = deque()
        self._work: Work | None = None
        self._sealing: Generation | None = None
        self._sealed: list[Generation] = []
        self._merges_due = True
        self._swept = False

    def add(self, generation: Generation) -> None:
        """Queue a generation whose rows are durable."""
        self._to_seal.append(generation)

    def slice(self, connection: sqlite3.Connection, units: int) -> None:
        """Do about `units` of what is to do, within the transaction at hand."""
        while units > 0:
            if self._work is None:
                self._work = self._next_work(connection)
                if self._work is None:
                    break
            done = next(self._work, None)
            if done is not None:
                units -= done
                continue
            if self._sealing is not None:
                self._sealed.append(self._sealing)
            self._work = self._sealing = None

    def committed(self) -> list[Generation]:
        """Return the generations that have become segments."""
        sealed, self._sealed = self._sealed, []
        return sealed

    def restart(self) -> None:
        """Begin again what was in hand: its transaction was undone."""
        begun = self._sealed if self._sealing is None else [*self._sealed, self._sealing]
        self._to_seal.extendleft(reversed(begun))
        self._sealed = []
        self._work = self._sealing = None
        self._merges_due = True
        self._swept = False

    def _next_work(self, connection: sqlite3.Connection) -> Work | None:
        if not self._swept:
            self._swept = True
            return _sweep(connection)
        if self._to_seal:
            self._sealing = self._to_seal.popleft()
            self._merges_due = True
            return _seal(connection, self._sealing)
        if self._merges_due:
            level = _crowded_level(connection)
            if level is not None:
                return _merge(connection, level)
            self._merges_due = False
        return None


def seal_at_once(connection: sqlite3.Connection, generation: Generation) -> None:
    """Write a generation as a segment within the transaction at hand."""
    for _units in _seal(connection, generation):
        pass


def _seal(connection: sqlite3.Connection, generation: Generation) -> Work:
    segment = _free_segment(connection)
    blocks: dict[int, Block] = {}
    chips = iter(generation.chips.items())
    while piece := list(islice(chips, _CHIPS)):
        for chip, ids in piece:
            blocks.setdefault(hash_of(chip) >> 32 - SEAL_BITS, {})[chip] = ids.tolist()
        yield len(piece)
    rows = iter(sorted(blocks.items()))
    while some := list(islice(rows, _SLICE)):
        _put(connection, segment, some)
        yield 10 * len(some)
    upto = generation.last_id if generation.tail else None
    connection.execute("INSERT INTO segments VALUES(?, 0, ?, ?)", (segment, SEAL_BITS, upto))


def _merge(connection: sqlite3.Connection, level: int) -> Work:
    inputs = connection.execute(
        "SELECT segment, bits, upto FROM segments WHERE level = ? ORDER BY segment LIMIT ?",
        (level, FAN_OUT),
    ).fetchall()
    numbers = [number for number, _bits, _upto in inputs]
    segment = _free_segment(connection)
    bits = inputs[0][1]
    for part in range(1 << bits):
        together: Block = {}
        for block in _blocks(connection, numbers, part):
            for chip, ids in block.items():
                together.setdefault(chip, []).extend(ids)
        split: dict[int, Block] = {}
        for chip, ids in together.items():
            split.setdefault(hash_of(chip) >> 32 - bits - FAN_BITS, {})[chip] = ids
        _put(connection, segment, sorted(split.items()))
        yield 100 + sum(map(len, together.values()))
    upto = max((upto for *_rest, upto in inputs if upto is not None), default=None)
    connection.executemany(
        "DELETE FROM segments WHERE segment = ?", [(number,) for number in numbers]
    )
    connection.execute(
        "INSERT INTO segments VALUES(?, ?, ?, ?)", (segment, level + 1, bits + FAN_BITS, upto)
    )
    for number in numbers:
        yield from _clear(connection, number)


def _sweep(connection: sqlite3.Connection) -> Work:
    valid = {number for (number,) in connection.execute("SELECT segment FROM segments")}
    after = 0
    while True:
        (block,) = connection.execute(
            "SELECT min(id) FROM blocks WHERE id >= ?", (after,)
        ).fetchone()
        if block is None:
            return
        number = block >> _BLOCK_BITS
        if number not in valid:
            yield from _clear(connection, number)
        after = number + 1 << _BLOCK_BITS


def _clear(connection: sqlite3.Connection, segment: int) -> Work:
    first, behind = segment << _BLOCK_BITS, segment + 1 << _BLOCK_BITS
    while True:
        gone = connection.execute(
            "DELETE FROM blocks WHERE id IN"
            " (SELECT id FROM blocks WHERE id >= ? AND id < ? ORDER BY id LIMIT ?)",
            (first, behind, _SLICE),
        ).rowcount
        if not gone:
            return
        yield 5 * gone


def _put(connection: sqlite3.Connection, segment: int, blocks: Iterable[tuple[int, Block]]) -> None:
    first = segment << _BLOCK_BITS
    connection.executemany(
        "INSERT INTO blocks VALUES(?, ?)",
        [(first + number, _dumped(block)) for number, block in blocks],
    )


def _dumped(block: Block) -> bytes:
    try:
        return orjson.dumps(block)
    except TypeError:  # a text that is not Unicode: its row could not be stored either
        return orjson.dumps({chip: ids for chip, ids in block.items() if _is_unicode(chip)})


def _is_unicode(chip: str) -> bool:
    try:
        chip.encode()
    except UnicodeEncodeError:
        return False
    return True


def _loaded(stored: bytes) -> Block:
    try:
        return dict(orjson.loads(stored))
    except ValueError as error:
        raise GarbledRow(f"the chip index is garbled: {error}") from None


def _blocks(connection: sqlite3.Connection, segments: Iterable[int], part: int) -> Iterator[Block]:
    for number in segments:
        found = connection.execute(
            "SELECT block FROM blocks WHERE id = ?", ((number << _BLOCK_BITS) + part,)
        ).fetchone()
        if found is not None:
            yield _loaded(found[0])


def _free_segment(connection: sqlite3.Connection) -> int:
    (listed,) = connection.execute("SELECT max(segment) FROM segments").fetchone()
    (used,) = connection.execute("SELECT max(id) FROM blocks").fetchone()
    return max(listed or 0, (used or 0) >> _BLOCK_BITS) + 1


def _crowded_level(connection: sqlite3.Connection) -> int | None:
    row = connection.execute(
        "SELECT level FROM segments GROUP BY level HAVING count(*) >= ? ORDER BY level LIMIT 1",
        (CROWD,),
    ).fetchone()
    return None if row is None else int(row[0])


def ids_of(connection: sqlite3.Connection, chip: str) -> Iterator[int]:
    """Yield the sealed ids of a chip, in no order."""
    found = connection.execute(
        "SELECT b.block FROM segments s CROSS JOIN blocks b"
        " ON b.id = (s.segment << ?) + (? >> 32 - s.bits)",
        (_BLOCK_BITS, hash_of(chip)),
    ).fetchall()
    for (block,) in found:
        yield from _loaded(block).get(chip, ())


def chips_in(connection: sqlite3.Connection, unsealed: Iterable[str]) -> Iterator[str]:
    """Yield each chip once, in no order; merging meanwhile changes nothing.

    Goes by the first bits of the hash: a chip stays in its part whichever segment it is in.
    """
    parts: dict[int, set[str]] = {}
    for chip in unsealed:
        parts.setdefault(hash_of(chip) >> 32 - SEAL_BITS, set()).add(chip)
    for part in range(1 << SEAL_BITS):
        found = connection.execute(
            "SELECT b.block FROM segments s CROSS JOIN blocks b"
            " ON b.id >= (s.segment << ?1) + (?2 << s.bits - ?3)"
            " AND b.id < (s.segment << ?1) + (?2 + 1 << s.bits - ?3)",
            (_BLOCK_BITS, part, SEAL_BITS),
        ).fetchall()
        yield from parts.get(part, set()).union(*(_loaded(block) for (block,) in found))
