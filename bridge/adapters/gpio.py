"""Input lines of this box: push button, photocell, gun box on a GPIO pin.

The kernel stamps each edge in its interrupt, so our own delay does not matter. Needs the library
`gpiod` (version 2, the extra ``gpio``), which is imported only when a reader asks for it.
"""

import asyncio
import errno
import importlib
import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from types import ModuleType
from typing import Any, NamedTuple, Protocol

from bridge.adapters.tcp import reason
from bridge.app.endpoint import GpioEndpoint
from bridge.errors import LinkError

MOST_WAITING = 1_000_000
"""Bytes of edges not read by the link: a line that flutters loses edges, and says so."""
CONSUMER = "chip-bridge"


class Edge(NamedTuple):
    """One change of a line."""

    line: int
    level: int
    """1 or 0 behind the change, as at the pin."""
    at_ns: int
    """UTC, by the kernel."""


class EdgeSource(Protocol):
    """Requested lines."""

    def fileno(self) -> int:
        """Return a descriptor that is readable while edges wait."""
        ...

    def edges(self) -> Sequence[Edge]:
        """Return the edges that wait; never blocks once the descriptor is readable."""
        ...

    def close(self) -> None:
        """Release the lines."""
        ...


class GpioTransport:
    """Edges as lines of text: ``LINE,LEVEL,NS``."""

    def __init__(self, source: EdgeSource) -> None:
        self._source = source
        self._fd = source.fileno()
        self._buffer = bytearray()
        self._waiting: asyncio.Future[None] | None = None
        self._ended: LinkError | None = None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._readable)

    def _readable(self) -> None:
        try:
            edges = self._source.edges()
        except OSError as error:
            self._ended = LinkError(f"the lines cannot be read any more: {reason(error)}")
            self.close()
            return
        self._buffer += b"".join(b"%d,%d,%d\n" % edge for edge in edges)
        if len(self._buffer) > MOST_WAITING:
            self._ended = LinkError("a line flutters without end; set ?debounce_ms=10 in its url")
            self.close()
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def read(self) -> bytes:
        """Return the edges that have come."""
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

    async def write(self, data: bytes) -> None:  # noqa: ARG002 - as the protocol has it
        """Refuse: these are inputs."""
        raise LinkError("nothing can be said to an input line")

    def close(self) -> None:
        """Release the lines at once."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            self._fd = -1
            self._source.close()
        self._wake()


class GpioPort:
    """Requests the lines of one reader, as often as it takes."""

    def __init__(
        self,
        endpoint: GpioEndpoint,
        request: "Callable[[GpioEndpoint], EdgeSource] | None" = None,
    ) -> None:
        """`request` opens the lines; None: with `gpiod`."""
        self._endpoint = endpoint
        self._request = request or request_lines

    async def connect(self) -> GpioTransport:
        """Request the lines.

        Raises:
            LinkError: No library, no such chip or line, or another program has it.
        """
        try:
            return GpioTransport(self._request(self._endpoint))
        except OSError as error:
            raise LinkError(_why(self._endpoint, error)) from None

    async def dial(self, port: int) -> GpioTransport:
        """Refuse: a line has no ports."""
        raise LinkError(f"port {port} cannot be dialled: the reader is on {self._endpoint.chip}")

    def close(self) -> None:
        """Do nothing: what was requested is released by itself."""


class _Requested:
    """Lines requested through `gpiod`."""

    def __init__(self, library: ModuleType, request: Any) -> None:  # noqa: ANN401 - untyped here
        self._rising = library.EdgeEvent.Type.RISING_EDGE
        self._request = request

    def fileno(self) -> int:
        descriptor: int = self._request.fd
        return descriptor

    def edges(self) -> list[Edge]:
        return [
            Edge(event.line_offset, int(event.event_type is self._rising), event.timestamp_ns)
            for event in self._request.read_edge_events()
        ]

    def close(self) -> None:
        self._request.release()


def request_lines(endpoint: GpioEndpoint) -> EdgeSource:
    """Ask the kernel for the lines, with both edges stamped in UTC.

    Raises:
        LinkError: The library is missing.
        OSError: The kernel refuses.
    """
    try:
        gpiod = importlib.import_module("gpiod")
        kinds = importlib.import_module("gpiod.line")
        request_from = gpiod.request_lines
    except (ImportError, AttributeError):  # absent, or version 1, which has another face
        raise LinkError(
            "the library for input lines is missing; install it: pip install chip-bridge[gpio]"
        ) from None
    pulls = {
        "as-is": kinds.Bias.AS_IS,
        "up": kinds.Bias.PULL_UP,
        "down": kinds.Bias.PULL_DOWN,
        "off": kinds.Bias.DISABLED,
    }
    settings = gpiod.LineSettings(
        direction=kinds.Direction.INPUT,
        edge_detection=kinds.Edge.BOTH,
        bias=pulls[endpoint.pull],
        debounce_period=timedelta(milliseconds=endpoint.debounce_ms),
        event_clock=kinds.Clock.REALTIME,
    )
    request = request_from(
        os.path.join("/dev", endpoint.chip),  # noqa: PTH118 - the library wants text
        consumer=CONSUMER,
        config={endpoint.lines: settings},
    )
    return _Requested(gpiod, request)


def _why(endpoint: GpioEndpoint, error: OSError) -> str:
    chip = f"/dev/{endpoint.chip}"
    lines = ",".join(map(str, endpoint.lines))
    match error.errno:
        case errno.ENOENT | errno.ENODEV | errno.ENXIO | errno.ENOTTY:
            return f"{chip} is no GPIO chip of this box; see what `gpiodetect` lists"
        case errno.EACCES | errno.EPERM:
            return f"{chip} may not be opened; add the user to the group gpio"
        case errno.EBUSY:
            return f"a line of {lines} on {chip} is in use by another program; close it there"
        case errno.EINVAL:
            return f"{chip} has not all of the lines {lines}; see what `gpioinfo` lists"
        case _:
            return f"{chip} cannot be used: {reason(error)}"
