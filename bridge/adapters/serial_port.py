"""Serial ports to readers, by stable name, surviving unplug and re-plug."""

import asyncio
import contextlib
import errno
import fcntl
import os

import serial

from bridge.adapters.tcp import reason
from bridge.errors import LinkError

CHUNK = 65_536
WRITE_S = 5.0


class SerialTransport:
    """One open port on the event loop, no thread."""

    def __init__(self, port: serial.Serial) -> None:
        self._port = port
        self._fd: int = port.fileno()
        self._buffer = bytearray()
        self._waiting: asyncio.Future[None] | None = None
        self._ended: LinkError | None = None
        self._loop = asyncio.get_running_loop()
        os.set_blocking(self._fd, False)
        self._loop.add_reader(self._fd, self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(_lost(error))
            return
        if data:
            self._buffer += data
        else:
            # On hang-up the descriptor stays readable with nothing in it: let go at once, or the
            # loop spins and the adapter cannot come back under the same name.
            self._end(GONE)
            return
        self._wake()

    def _end(self, why: str) -> None:
        self._ended = LinkError(why)
        self.close()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def read(self) -> bytes:
        """Return everything that has come.

        Raises:
            LinkError: The port is gone.
        """
        while not self._buffer:
            if self._ended is not None:
                raise self._ended
            if self._fd < 0:
                return b""
            self._waiting = self._loop.create_future()
            await self._waiting
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    async def write(self, data: bytes) -> None:
        """Send `data`, waiting while the port is busy, five seconds at most."""
        rest = memoryview(data)
        try:
            async with asyncio.timeout(WRITE_S):
                while rest:
                    if self._fd < 0:
                        raise self._ended or LinkError("the port is closed")
                    rest = rest[self._write_some(rest) :]
                    if rest:
                        await asyncio.sleep(0.01)
        except TimeoutError:
            raise LinkError("the port does not take what is sent to it") from None

    def _write_some(self, data: memoryview) -> int:
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            self._end(_lost(error))
            raise LinkError(_lost(error)) from None

    def close(self) -> None:
        """Let go of the port at once."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            self._fd = -1
            with contextlib.suppress(OSError):  # a port that is gone cannot be closed properly
                self._port.close()
        self._wake()


class SerialPort:
    """Opens one port, as often as it takes."""

    def __init__(self, path: str, *, baud: int, dtr: bool = True) -> None:
        """Name the port; `dtr` False for readers that reset on that line."""
        self._path = path
        self._baud = baud
        self._dtr = dtr

    async def connect(self) -> SerialTransport:
        """Open the port, for us alone.

        Raises:
            LinkError: It does not exist, may not be opened, or somebody else has it.
        """
        try:
            port = serial.Serial(None, self._baud, timeout=0, exclusive=True)
            port.dtr = self._dtr  # said before opening, which would raise the line
            port.port = self._path
            port.open()
        except (OSError, serial.SerialException, ValueError) as error:
            raise LinkError(_why(self._path, error)) from None
        try:
            fcntl.ioctl(port.fileno(), TIOCEXCL)
        except OSError as error:
            port.close()
            raise LinkError(_why(self._path, error)) from None
        return SerialTransport(port)

    async def dial(self, port: int) -> SerialTransport:
        """Refuse: a serial port has no TCP ports."""
        raise LinkError(f"port {port} cannot be dialled: the reader is on {self._path}")

    def close(self) -> None:
        """Do nothing: what was opened is closed by itself."""


TIOCEXCL = 0x540C
GONE = "the port is gone; was the adapter unplugged?"


def _lost(error: OSError) -> str:
    """Say why an open port failed: a driver whose device was pulled out says EIO or ENODEV."""
    gone = error.errno in {errno.EIO, errno.ENXIO, errno.ENODEV, errno.EBADF}
    return GONE if gone else reason(error)


def _why(path: str, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number == errno.ENOENT:
        return f"{path} does not exist; is the adapter plugged in?"
    if number == errno.EACCES:
        return f"{path} may not be opened; add the user to the group dialout"
    if number in {errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK} or "lock" in str(error):
        return f"{path} is in use by another program or by another [[reader]]; close it there"
    return f"{path} cannot be opened: {reason(error)}"
