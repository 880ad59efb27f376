"""Readers whose program writes a file, or a folder of files: followed like a connection."""

import asyncio
from collections import deque
from pathlib import Path

from bridge.adapters.followed_files import Files, Followed
from bridge.adapters.tcp import reason
from bridge.errors import LinkError

POLL_S = 0.5
"""Between two looks at a file; one look costs a few system calls."""
POLL_FOLDER_S = 1.0
GONE_S = 60.0
"""A file may be missing this long while it is rotated."""


class FileTransport:
    """What is written, as the byte stream of one reader."""

    def __init__(self, path: Path, *, folder: bool) -> None:
        self._path = path
        self._pause_s = POLL_FOLDER_S if folder else POLL_S
        self._files = Files(path, folder=folder)
        self._given = 0
        self._places: deque[tuple[int, Followed, int]] = deque()
        """(bytes of the stream up to its end, file, place in the file) of what was given."""
        self._closed = asyncio.Event()
        self._missing_since_s: float | None = None

    def resume(self, place: str | None) -> None:
        """Go on behind what is in the journal.

        Raises:
            LinkError: What is there cannot be read.
        """
        now_s = asyncio.get_running_loop().time()
        if place is not None:
            self._files.recall(place, now_s)
            return
        try:
            self._files.begin(now_s)
        except OSError as error:
            raise LinkError(_why(self._path, error)) from None

    def place(self, taken: int) -> str | None:
        """Return where the files stand behind the first `taken` bytes of the stream."""
        self.settled(taken)
        return self._files.note()

    def settled(self, taken: int) -> None:
        """Let the next place that is kept be behind these, be there reads in them or not."""
        while self._places and self._places[0][0] <= taken:
            _, file, offset = self._places.popleft()
            file.kept = offset

    async def read(self) -> bytes:
        """Return new lines as soon as there are any; b"" once closed.

        Raises:
            LinkError: What is there cannot be read, or nothing is there any more.
        """
        while not self._closed.is_set():
            try:
                data = self._look()
            except OSError as error:
                raise LinkError(_why(self._path, error)) from None
            if data:
                await asyncio.sleep(0)  # a long file must not keep the others waiting
                return data
            await self._pause()
        return b""

    def _look(self) -> bytes:
        now_s = asyncio.get_running_loop().time()
        pieces = self._files.look(now_s)
        for piece in pieces:
            self._given += len(piece.data)
            self._places.append((self._given, piece.file, piece.offset))
        if not pieces:
            self._miss(now_s)
        return b"".join(piece.data for piece in pieces)

    def _miss(self, now_s: float) -> None:
        if self._path.exists():
            self._missing_since_s = None
            return
        if self._missing_since_s is None:
            self._missing_since_s = now_s
        if now_s - self._missing_since_s > GONE_S:
            raise FileNotFoundError(2, "gone")

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._pause_s):
                await self._closed.wait()
        except TimeoutError:
            return

    async def write(self, data: bytes) -> None:  # noqa: ARG002 - as the protocol has it
        """Refuse: a file does not listen."""
        raise LinkError(f"nothing can be said to a reader that writes {self._path}")

    def close(self) -> None:
        """Let go at once."""
        self._closed.set()
        self._files.close()


class FileFollower:
    """Opens one file or folder, as often as it takes."""

    def __init__(self, path: str, *, folder: bool) -> None:
        """With `folder` all files in it are followed; a folder is seen as one anyway."""
        self._path = Path(path)
        self._folder = folder

    async def connect(self) -> FileTransport:
        """Begin to follow.

        Raises:
            LinkError: It is not there yet, or may not be read.
        """
        try:
            folder = self._path.is_dir()
            if self._folder and not folder:
                raise FileNotFoundError(2, "no folder")
            if not folder:
                self._path.open("rb").close()
            else:
                next(self._path.iterdir(), None)
        except OSError as error:
            raise LinkError(_why(self._path, error)) from None
        return FileTransport(self._path, folder=folder)

    async def dial(self, port: int) -> FileTransport:
        """Refuse: a file has no ports."""
        raise LinkError(f"port {port} cannot be dialled: the reader writes {self._path}")

    def close(self) -> None:
        """Do nothing: what was opened is closed by itself."""


def _why(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{path} is not there; is the program running that writes it?"
    if isinstance(error, PermissionError):
        return f"{path} may not be read; give the user chip-bridge the right to read it"
    return f"{path} cannot be read: {reason(error)}"
