"""Input lines: the kernel's edges as lines of text, and every way a box may not have them."""

import asyncio
import errno
import importlib
import os
import sys
from collections.abc import Callable, Sequence

import pytest

from bridge.adapters.gpio import MOST_WAITING, Edge, EdgeSource, GpioPort
from bridge.app.endpoint import GpioEndpoint
from bridge.errors import LinkError

LINES = GpioEndpoint("gpiochip0", (17, 27), debounce_ms=5, pull="up")
NO_CHIP = GpioEndpoint("gpiochip-none", (17,))


class Pins:
    """Lines whose edges come through a pipe, as the kernel's do through its descriptor."""

    def __init__(self) -> None:
        self._out, self._in = os.pipe()
        self.released = False
        self.broken = False

    def rise_and_fall(self, line: int, *at_ns: int) -> None:
        text = "".join(f"{line} {number % 2 ^ 1} {at}\n" for number, at in enumerate(at_ns))
        os.write(self._in, text.encode())

    def fileno(self) -> int:
        return self._out

    def edges(self) -> Sequence[Edge]:
        if self.broken:
            raise OSError(errno.ENODEV, "gone")
        lines = os.read(self._out, 65_536).decode().splitlines()
        return [Edge(*map(int, line.split())) for line in lines]

    def close(self) -> None:
        self.released = True
        os.close(self._out)
        os.close(self._in)


def port_of(pins: Pins) -> GpioPort:
    def request(endpoint: GpioEndpoint) -> EdgeSource:
        assert endpoint == LINES
        return pins

    return GpioPort(LINES, request)


async def test_each_edge_is_a_line() -> None:
    pins = Pins()
    transport = await port_of(pins).connect()
    pins.rise_and_fall(17, 1_763_710_000_000_000_001, 1_763_710_000_250_000_002)
    assert await transport.read() == (b"17,1,1763710000000000001\n17,0,1763710000250000002\n")
    with pytest.raises(LinkError, match="input line"):
        await transport.write(b"x")
    transport.close()
    assert pins.released
    assert await transport.read() == b""


async def test_a_chip_that_goes_away_ends_the_link() -> None:
    pins = Pins()
    transport = await port_of(pins).connect()
    pins.broken = True
    pins.rise_and_fall(17, 5)
    with pytest.raises(LinkError, match="cannot be read any more"):
        await transport.read()
    assert pins.released
    transport.close()


async def test_a_line_that_flutters_is_cut_off_with_what_to_do() -> None:
    pins = Pins()
    transport = await port_of(pins).connect()
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(20):
        while not pins.released:
            pins.rise_and_fall(17, *range(10**18, 10**18 + 1_000))
            await loop.run_in_executor(None, bool)
    assert len(await transport.read()) > MOST_WAITING
    with pytest.raises(LinkError, match="debounce_ms"):
        await transport.read()


def refusing(number: int) -> Callable[[GpioEndpoint], EdgeSource]:
    def request(endpoint: GpioEndpoint) -> EdgeSource:
        raise OSError(number, f"no {endpoint.chip}")

    return request


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOENT, "gpiodetect"),
        (errno.EACCES, "group gpio"),
        (errno.EBUSY, "in use by another program"),
        (errno.EINVAL, "gpioinfo"),
        (errno.EIO, "cannot be used"),
    ],
)
async def test_what_the_kernel_refuses_is_said_in_words(number: int, words: str) -> None:
    port = GpioPort(LINES, refusing(number))
    with pytest.raises(LinkError, match=words):
        await port.connect()
    with pytest.raises(LinkError, match="cannot be dialled"):
        await port.dial(1)
    port.close()


async def test_without_the_library_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "gpiod", None)
    with pytest.raises(LinkError, match=r"pip install chip-bridge\[gpio\]"):
        await GpioPort(NO_CHIP).connect()


async def test_with_the_library_a_missing_chip_is_no_crash() -> None:
    assert importlib.import_module("gpiod").__version__.startswith("2.")
    with pytest.raises(LinkError, match="/dev/gpiochip-none is no GPIO chip of this box"):
        await GpioPort(NO_CHIP).connect()
