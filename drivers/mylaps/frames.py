r"""The stream between Timing & Scoring and a server, cut into frames, and frames made.

``Source@Function@field@…@$``: ``@`` separates, ``$`` ends, nothing is escaped. Between frames
stand CR LF and sometimes NUL bytes, which are never inside a frame; so a line end is also where
the search goes on after damage.
"""

import re
from collections.abc import Iterable
from typing import Final

END: Final = b"$"
GAP: Final = b"\0\r\n"
"""Bytes that stand between frames only."""
MAX_FRAME: Final = 64_000
"""Bytes. 100 records of version 2 with all we ask for have some 17,000; one server allows this."""
FUNCTION: Final = re.compile(rb"[A-Za-z]{2,24}")
VERSION: Final = "Version2.1"
"""What an ``AckPong`` says to ask for version 2; anything else means version 1."""
LOGIN_NAME: Final = "AckAuth"
LOGIN: Final = LOGIN_NAME.encode()
LOGIN_MARK: Final = b"@%b@" % LOGIN
_STOP: Final = re.compile(rb"[$\n]")
_UNSAFE: Final = re.compile(r"[@$|\x00-\x1f\x7f]")
_MASK: Final = b"*"


class Cutter:
    r"""Cut a stream into pieces: up to a ``$``, up to a ``\n``, or `MAX_FRAME` bytes of neither.

    How the stream was cut into chunks changes nothing; each byte is looked at once.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes as they came; return the complete pieces, in order."""
        buffer = self._buffer
        seen = len(buffer)
        buffer += data
        pieces: list[bytes] = []
        start = 0
        while True:
            stop = _STOP.search(buffer, max(seen, start), start + MAX_FRAME)
            if stop:
                end = stop.end()
            elif len(buffer) - start >= MAX_FRAME:
                end = start + MAX_FRAME
            else:
                break
            pieces.append(bytes(buffer[start:end]))
            start = end
        del buffer[:start]
        return pieces

    @property
    def pending(self) -> bytes:
        """Bytes of a piece that is not complete yet."""
        return bytes(self._buffer)


def hide_login(piece: bytes) -> bytes:
    """Return `piece` with the password of a login in it masked, at the same length.

    Everything behind the user's name is masked: a password may hold an ``@``.
    """
    at = piece.find(LOGIN_MARK)
    if at < 0:
        return piece
    user_end = piece.find(b"@", at + len(LOGIN_MARK))
    return piece if user_end < 0 else mask(piece, user_end + 1)


def mask(piece: bytes, start: int = 0) -> bytes:
    """Return `piece` with all from `start` masked but what ends it or stands between frames."""
    secret = piece[start:]
    tail = secret[len(secret.rstrip(GAP + END)) :]
    return piece[:start] + _MASK * (len(secret) - len(tail)) + tail


def make(source: str, function: str, fields: Iterable[str] = ()) -> bytes:
    """Return a frame, without anything behind its ``$``; the fields must be safe (`clean`)."""
    return "@".join((source, function, *fields, "$")).encode()


def clean(text: str) -> str:
    """Return `text` without what would break a frame: each such character becomes ``_``."""
    return _UNSAFE.sub("_", text)


def is_clean(text: str) -> bool:
    """Tell whether `text` can stand in a frame as it is."""
    return bool(text) and _UNSAFE.search(text) is None


def number_of(field: bytes) -> int | None:
    """Return a message number, or None; blanks round it are forgiven."""
    text = field.strip(b" ")
    return int(text) if text.isdigit() and len(text) <= 10 else None  # noqa: PLR2004
