"""Which bytes of growing files are new, over rotation, truncation, copies and our own restart.

A file is known by what it begins with, for its name and inode may change or be used again. Only
whole lines count: programs write in blocks that end anywhere.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import orjson

HEAD = 1024
"""Bytes a file is known by, as far as they have been read."""
CHUNK = 65_536
"""Bytes read at a time; a line longer than this is given on in pieces."""
AT_ONCE = 4
"""Chunks of one look at all files."""
TAIL_S = 60.0
"""A file that is not the newest and was left alone for so long will not end its last line."""
ROTATION_S = 90.0
"""So long after a rotation the old file is looked at too: programs write on for a while."""
_ROTATED = re.compile(r"[.-]\d[\d._T:-]*")
"""What rotation puts behind a name: ``.1``, ``-20261121``."""


@dataclass(slots=True)
class Followed:
    """One file and how far it was read."""

    name: str
    offset: int = 0
    kept: int = 0
    """As `offset`, as far as the journal has it."""
    head: bytes = b""
    """First bytes of the file, none behind `offset`; empty: only the digest is known."""
    digest: str = ""
    """Of the first `head_size` bytes: what another run of ours has left."""
    head_size: int = 0
    seen: tuple[int, int, int] = (0, -1, 0)
    """(inode, size, mtime in ns) when it was last looked at."""
    since_s: float = 0.0
    """When that changed last, on the caller's clock."""

    def is_start_of(self, first: bytes) -> bool:
        """Say whether a file that begins with `first` (up to `HEAD` bytes) may be this one."""
        if self.head:
            return first.startswith(self.head)
        size = self.head_size
        return bool(size) and len(first) >= size and _digest(first[:size]) == self.digest

    def note(self) -> list[object]:
        """Return name, place and identity, for `Files.note`."""
        head = self.head[: self.kept]
        if head:
            self.digest, self.head_size = _digest(head), len(head)
        return [self.name, self.kept, self.head_size, self.digest]


class Piece(NamedTuple):
    """Whole lines of one file."""

    data: bytes
    file: Followed
    offset: int
    """Behind the last of them."""


class Files:
    """A file with its rotated forerunners, or all files of a folder."""

    def __init__(self, path: Path, *, folder: bool) -> None:
        self._path = path
        self._folder = folder
        self._known: dict[str, Followed] = {}
        """By present name."""
        self._strays: list[Followed] = []
        """Files read in part that are not found under their name any more."""
        self._begun = False
        self._look_back_until_s = 0.0
        self._open = -1
        """Descriptor of the file itself: what was renamed or deleted can be read to its end."""

    def recall(self, note: str, now_s: float) -> None:
        """Go on where another run of ours left off."""
        self._look_back_until_s = now_s + ROTATION_S
        for name, kept, head_size, digest in orjson.loads(note):
            self._strays.append(
                Followed(name, offset=kept, kept=kept, head_size=head_size, digest=digest)
            )
        self._begun = True

    def begin(self, now_s: float) -> None:
        """See for the first time what is there: what was rotated before our time is not read."""
        if not self._folder:
            self._file(now_s, [])
            for path, stat in self._rotated():
                self._know(path, stat, now_s)
        self._begun = True

    def note(self) -> str:
        """Return where the journal has got, for `recall`."""
        files = [*self._known.values(), *self._strays]
        return orjson.dumps([file.note() for file in files if file.kept]).decode()

    def look(self, now_s: float) -> list[Piece]:
        """Return what is new, in the order it was written; `now_s` is any monotonic clock.

        Raises:
            OSError: What is there cannot be read.
        """
        if now_s > self._look_back_until_s and self._rests():
            return []
        pieces: list[Piece] = []
        found = self._found(now_s, pieces)
        newest = max((stat.st_mtime_ns for _, stat in found), default=0)
        for path, stat in found:
            file = self._known.get(path.name)
            if file is None or len(pieces) >= AT_ONCE:
                continue
            over = stat.st_mtime_ns < newest or (not self._folder and path != self._path)
            ended = over and now_s - file.since_s > TAIL_S
            if stat.st_size > file.offset:
                with path.open("rb") as opened:
                    pieces += _lines(opened.fileno(), file, AT_ONCE - len(pieces), ended=ended)
        return pieces

    def _rests(self) -> bool:
        """Say whether the one file is as it was when all of it had been read: the usual case."""
        file = None if self._folder or self._strays else self._known.get(self._path.name)
        if file is None:
            return False
        try:
            stat = os.stat(self._path)  # noqa: PTH116 - twice a second, day and night
        except OSError:
            return False
        seen = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        return seen == file.seen and stat.st_size == file.offset

    def close(self) -> None:
        """Let go of what is open."""
        if self._open >= 0:
            os.close(self._open)
            self._open = -1

    def _found(self, now_s: float, pieces: list[Piece]) -> list[tuple[Path, os.stat_result]]:
        """Return the files to be read, the oldest first, each known under its name."""
        if self._folder:
            found = _stats(self._path, lambda name: not name.startswith("."))
            for path, stat in found:
                self._check(path, stat, now_s)
            self._miss({path.name for path, _ in found}, now_s)
        else:
            found = self._file(now_s, pieces)
        for path, stat in found:
            if path.name not in self._known:
                self._know(path, stat, now_s)
        if now_s > self._look_back_until_s:
            self._strays.clear()
        self._begun = True
        return found

    def _file(self, now_s: float, pieces: list[Piece]) -> list[tuple[Path, os.stat_result]]:
        path = self._path
        try:
            stat = path.stat()
        except FileNotFoundError:
            stat = None
        before = self._known.get(path.name)
        if stat is None or not self._check(path, stat, now_s):
            if before is not None or not self._known:
                self._look_back_until_s = now_s + ROTATION_S
            if before is not None and self._open >= 0:
                pieces += _lines(self._open, before, AT_ONCE, ended=False)
            if before is not None and stat is None and before.name in self._known:
                self._stray(before.name)
            self.close()
        own = [] if stat is None else [(path, stat)]
        if stat is not None and self._open < 0:
            self._open = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        if now_s > self._look_back_until_s:
            return own
        olds = self._rotated()
        for old, old_stat in olds:
            self._check(old, old_stat, now_s)
        self._miss({path.name, *(old.name for old, _ in olds)}, now_s)
        return olds + own

    def _rotated(self) -> list[tuple[Path, os.stat_result]]:
        name, size = self._path.name, len(self._path.name)
        return _stats(
            self._path.parent,
            lambda other: other.startswith(name) and bool(_ROTATED.fullmatch(other[size:])),
        )

    def _check(self, path: Path, stat: os.stat_result, now_s: float) -> bool:
        """Say whether a file is still the one known under its name; else it is a stray now."""
        file = self._known.get(path.name)
        if file is None:
            return False
        seen = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if seen == file.seen:
            return True
        if stat.st_size < file.offset or not (file.offset == 0 or file.is_start_of(_first(path))):
            self._stray(path.name)
            return False
        file.seen, file.since_s = seen, now_s
        return True

    def _stray(self, name: str) -> None:
        file = self._known.pop(name)
        if file.offset:
            self._strays.append(file)

    def _know(self, path: Path, stat: os.stat_result, now_s: float) -> None:
        """Find out which file this is: one that was moved or copied, or a new one."""
        first = _first(path)
        likely = sorted(self._strays, key=lambda file: (file.name != path.name, -file.offset))
        for file in likely:
            if stat.st_size >= file.offset and file.is_start_of(first):
                self._strays.remove(file)
                file.head = first[: file.offset]
                break
        else:
            old = not self._folder and path != self._path
            if old and any(file.is_start_of(first) for file in self._known.values()):
                return  # being copied: whose rest it holds is known once the other is cut off
            file = Followed(path.name)
            if old and not self._begun:  # rotated before our time
                file.offset = file.kept = stat.st_size
                file.head = first
        file.name = path.name
        file.seen = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        file.since_s = now_s
        self._known[path.name] = file

    def _miss(self, there: Iterable[str], now_s: float) -> None:
        """Look for files under other names once theirs are gone."""
        for name in set(self._known).difference(there):
            self._stray(name)
            self._look_back_until_s = now_s + ROTATION_S


def _lines(fd: int, file: Followed, chunks: int, *, ended: bool) -> Iterator[Piece]:
    """Yield the whole lines behind what was read; with `ended` the rest of the file is one."""
    for _ in range(chunks):
        data = os.pread(fd, CHUNK, file.offset)
        if not data:
            return
        whole = data.rfind(b"\n") + 1
        added = b""
        if not whole and len(data) == CHUNK:
            whole = CHUNK
        elif not whole and ended:
            whole, added = len(data), b"\n"
        if not whole:
            return
        if len(file.head) < HEAD:
            file.head = os.pread(fd, min(HEAD, file.offset + whole), 0)
        file.offset += whole
        yield Piece(data[:whole] + added, file, file.offset)


def _stats(folder: Path, wanted: Callable[[str], bool]) -> list[tuple[Path, os.stat_result]]:
    with os.scandir(folder) as entries:
        found = [
            (Path(entry.path), entry.stat())
            for entry in entries
            if wanted(entry.name) and entry.is_file()
        ]
    return sorted(found, key=lambda item: (item[1].st_mtime_ns, item[0].name))


def _first(path: Path) -> bytes:
    with path.open("rb", buffering=0) as file:
        return file.read(HEAD)


def _digest(head: bytes) -> str:
    return hashlib.sha256(head).hexdigest()[:16]
