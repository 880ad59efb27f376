"""A store's file read without SQLite, page by page, for when SQLite gives up on it.

Any whole leaf page gives its rows, whatever happened to the pages that lead to it. Source: the
SQLite file format, sections 1.3 (header), 1.5 (b-tree pages), 2.1 (records) and 4 (log).
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from bridge.adapters.store.schema import PAGE_SIZE

Value = int | float | str | bytes | None
Record = tuple[int, list[Value]]
"""Row id and columns; the column that is the row id itself is None."""

MAGIC: Final = b"SQLite format 3\x00"
_LEAF = 13
_LOG_HEADER = 32
_FRAME_HEADER = 24
_MOST_LOCAL = PAGE_SIZE - 35
_LEAST_LOCAL = (PAGE_SIZE - 12) * 32 // 255 - 23
_INTEGER_SIZES: Final = (0, 1, 2, 3, 4, 6, 8)
_MOST_PAYLOAD = 1 << 24


class Log:
    """The committed frames of a write-ahead log."""

    def __init__(self, path: Path) -> None:
        self.pages: dict[int, int] = {}
        """Page number -> offset of its newest committed content in the file."""
        self._file = path.open("rb") if path.exists() else None
        if self._file is not None:
            self._scan(self._file)

    def page(self, number: int) -> bytes | None:
        """Return the newest content of a page, or None if the log has none."""
        offset = self.pages.get(number)
        if offset is None or self._file is None:
            return None
        self._file.seek(offset)
        return self._file.read(PAGE_SIZE)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _scan(self, file: BinaryIO) -> None:
        header = file.read(_LOG_HEADER)
        if len(header) < _LOG_HEADER or struct.unpack(">I", header[8:12])[0] != PAGE_SIZE:
            return
        salts, uncommitted = header[16:24], {}
        offset = _LOG_HEADER
        while len(frame := file.read(_FRAME_HEADER)) == _FRAME_HEADER:
            number, size = struct.unpack(">II", frame[:8])
            if frame[8:16] != salts:
                break
            uncommitted[number] = offset + _FRAME_HEADER
            if size:
                self.pages.update(uncommitted)
                uncommitted = {}
            offset += _FRAME_HEADER + PAGE_SIZE
            file.seek(offset)


def log_is_foreign(path: Path, log_path: Path) -> bool:
    """Tell whether a log carries the first page of another store than the file it lies beside."""
    with path.open("rb") as file:
        own = file.read(100)
    log = Log(log_path)
    try:
        first = log.page(1)
    finally:
        log.close()
    return first is not None and first[68:72] != own[68:72]


def complaint(path: Path) -> str | None:
    """Return what is wrong with the file by its first bytes and its size, or None."""
    with path.open("rb") as file:
        header = file.read(100)
        size = file.seek(0, 2)
    if not header:
        return None
    if len(header) < 100 or not header.startswith(MAGIC):  # noqa: PLR2004
        return "its header is not that of a database"
    if int.from_bytes(header[16:18], "big") != PAGE_SIZE:
        return "its page size is not ours"
    if size < int.from_bytes(header[28:32], "big") * PAGE_SIZE:
        return "its end is missing"
    return None


class PageFile:
    """A database file and its log, as numbered pages."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._log = Log(path.with_name(path.name + "-wal"))
        size = self._file.seek(0, 2)
        self.count = max([size // PAGE_SIZE, *self._log.pages])
        """Number of the last page."""

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        self._log.close()

    def page(self, number: int) -> bytes:
        """Return a page's newest content; b"" if it can not be read."""
        found = self._log.page(number)
        if found is None:
            try:
                self._file.seek((number - 1) * PAGE_SIZE)
                found = self._file.read(PAGE_SIZE)
            except OSError:  # a bad block
                return b""
        return found if len(found) == PAGE_SIZE else b""

    def records(self, number: int) -> Iterator[Record]:
        """Yield the rows of a page, if it is a leaf of a table."""
        page = self.page(number)
        start = 100 if number == 1 else 0
        if not page or page[start] != _LEAF:
            return
        (cells,) = struct.unpack_from(">H", page, start + 3)
        if start + 8 + 2 * cells > PAGE_SIZE:
            return
        for (cell,) in struct.iter_unpack(">H", page[start + 8 : start + 8 + 2 * cells]):
            try:
                yield self._record(page, cell)
            except (IndexError, struct.error, UnicodeDecodeError, ValueError):
                continue  # a cell that makes no sense; its neighbours may

    def _record(self, page: bytes, cell: int) -> Record:
        length, at = _varint(page, cell)
        row_id, at = _varint(page, at)
        if length > _MOST_PAYLOAD:
            raise ValueError("no row is that long")
        if length <= _MOST_LOCAL:
            if at + length > PAGE_SIZE:
                raise ValueError("the row ends behind its page")
            return row_id, _columns(page[at : at + length])
        local = _LEAST_LOCAL + (length - _LEAST_LOCAL) % (PAGE_SIZE - 4)
        local = local if local <= _MOST_LOCAL else _LEAST_LOCAL
        payload = bytearray(page[at : at + local])
        (following,) = struct.unpack_from(">I", page, at + local)
        while following and len(payload) < length:
            overflow = self.page(following)
            (following,) = struct.unpack_from(">I", overflow, 0)
            payload += overflow[4:]
        if len(payload) < length:
            raise ValueError("the rest of the row is missing")
        return row_id, _columns(bytes(payload[:length]))


def _columns(payload: bytes) -> list[Value]:
    end, at = _varint(payload, 0)
    body = end
    columns: list[Value] = []
    while at < end:
        kind = payload[at]
        if kind < 0x80:  # noqa: PLR2004  nearly always one byte
            at += 1
        else:
            kind, at = _varint(payload, at)
        value, body = _value(payload, body, kind)
        columns.append(value)
    if body != len(payload):
        raise ValueError("the columns do not fill the row")
    return columns


def _value(payload: bytes, at: int, kind: int) -> tuple[Value, int]:
    if kind == 0:
        return None, at
    if kind in (8, 9):
        return kind - 8, at
    if kind == 7:  # noqa: PLR2004  serial types are numbered by the format
        return float(struct.unpack_from(">d", payload, at)[0]), at + 8
    if kind < len(_INTEGER_SIZES):
        size = _INTEGER_SIZES[kind]
        return int.from_bytes(payload[at : at + size], "big", signed=True), at + size
    if kind < 12:  # noqa: PLR2004
        raise ValueError("reserved serial type")
    size = (kind - 12) // 2
    data = payload[at : at + size]
    return (data.decode() if kind % 2 else data), at + size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for count in range(8):
        byte = data[at + count]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:  # noqa: PLR2004
            return value, at + count + 1
    value = value << 8 | data[at + 8]
    return value - (1 << 64 if value >> 63 else 0), at + 9
