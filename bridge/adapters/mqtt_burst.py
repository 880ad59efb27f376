"""A socket that moves bytes in bursts, for a client that reads and writes packet by packet.

Paho asks the kernel four times per acknowledgement and once per message. Measured on the hot path
of 2,000 messages a second, the calls cost more than all of MQTT. Here a burst of messages leaves
in one `send`, at the next turn of the loop, and what has arrived is fetched with one `recv`.
"""

import asyncio
import socket
import ssl

FULL = 262_144
"""Bytes waiting to leave; above it the client waits, as on a full kernel buffer."""
CHUNK = 65_536
RETRY_S = 0.01
"""While the kernel's buffer is full: a slow network, or a broker that froze."""
_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class BurstSocket:
    """Wraps a connected, non-blocking socket (TLS or not); has what paho uses of one."""

    def __init__(self, inner: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        self._inner = inner
        self._loop = loop
        self._arrived = b""
        self._taken = 0
        self._leaving = bytearray()
        self._due: asyncio.Handle | None = None

    def recv(self, size: int) -> bytes:
        """Return up to `size` bytes, b"" at the end; raises `BlockingIOError` if none are here."""
        if self._taken == len(self._arrived):
            self._arrived = self._inner.recv(CHUNK)
            self._taken = 0
        piece = self._arrived[self._taken : self._taken + size]
        self._taken += len(piece)
        return piece

    def pending(self) -> int:
        """Return how many bytes are here already: the loop does not tell of those again."""
        decrypted = self._inner.pending() if isinstance(self._inner, ssl.SSLSocket) else 0
        return len(self._arrived) - self._taken + decrypted

    def send(self, data: bytes | bytearray | memoryview) -> int:
        """Take `data`, all of it or, above `FULL`, with `BlockingIOError` nothing."""
        if len(self._leaving) > FULL:
            raise BlockingIOError
        self._leaving += data
        if self._due is None:
            self._due = self._loop.call_soon(self._flush)
        return len(data)

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._inner.fileno()

    def close(self) -> None:
        """Send what is left, as far as the kernel takes it, and close."""
        self._flush()
        if self._due is not None:
            self._due.cancel()
        self._inner.close()

    def _flush(self) -> None:
        self._due = None
        if not self._leaving or self._inner.fileno() < 0:
            return
        try:
            sent = self._inner.send(self._leaving)
        except _NOT_NOW:
            sent = 0
        except OSError:  # the link is gone: reading says so, and ends the connection
            self._leaving.clear()
            return
        del self._leaving[:sent]
        if self._leaving:
            self._due = self._loop.call_later(RETRY_S, self._flush)
