"""Serial ports on real ptys: unplugged, plugged in again, taken, missing."""

import asyncio
import os
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.adapters.serial_port import SerialPort, SerialTransport
from bridge.errors import LinkError
from tests.support.store import until


class Adapter:
    """A USB adapter: a pty under a stable name."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self.master = -1

    def plug(self) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(os.ttyname(slave))
        os.set_blocking(self.master, False)
        self._slave = slave

    def unplug(self) -> None:
        if self.master >= 0:
            os.close(self._slave)
            os.close(self.master)
            self.master = -1
            self.link.unlink()

    def say(self, data: bytes) -> None:
        os.write(self.master, data)


@pytest.fixture
def adapter(tmp_path: Path) -> Iterator[Adapter]:
    made = Adapter(tmp_path / "usb-reader")
    made.plug()
    yield made
    made.unplug()


def port_of(adapter: Adapter) -> SerialPort:
    return SerialPort(str(adapter.link), baud=9600)


async def got(transport: SerialTransport, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += await transport.read()
    return data


async def test_bytes_go_both_ways(adapter: Adapter) -> None:
    transport = await port_of(adapter).connect()
    adapter.say(b"aa0005\r\n")
    assert await got(transport, 8) == b"aa0005\r\n"
    await transport.write(b"ab00000222\r\n")
    assert os.read(adapter.master, 99) == b"ab00000222\r\n"
    transport.close()


async def test_pulled_out_it_is_let_go_at_once_and_found_again_under_its_name(
    adapter: Adapter,
) -> None:
    port = port_of(adapter)
    transport = await port.connect()
    adapter.say(b"before")
    await until(lambda: bool(transport._buffer))  # noqa: SLF001 - it is here
    adapter.unplug()
    assert await got(transport, 6) == b"before"
    with pytest.raises(LinkError, match="unplugged"):
        await transport.read()
    with pytest.raises(LinkError):
        await transport.write(b"x")
    assert transport._fd < 0, "or the loop would spin"  # noqa: SLF001
    with pytest.raises(LinkError, match="plugged in"):
        await port.connect()
    adapter.plug()
    again = await port.connect()
    adapter.say(b"after")
    assert await got(again, 5) == b"after"
    again.close()


async def test_a_second_program_is_refused_and_told_why(adapter: Adapter) -> None:
    first = await port_of(adapter).connect()
    with pytest.raises(LinkError, match="in use by another program"):
        await port_of(adapter).connect()
    first.close()
    second = await port_of(adapter).connect()
    second.close()


async def test_a_second_reader_under_another_name_is_refused_too(
    adapter: Adapter, tmp_path: Path
) -> None:
    (tmp_path / "by-path").symlink_to(os.ttyname(adapter._slave))  # noqa: SLF001
    first = await port_of(adapter).connect()
    with pytest.raises(LinkError, match=r"or by another \[\[reader\]\]"):
        await SerialPort(str(tmp_path / "by-path"), baud=9600).connect()
    first.close()


async def test_a_reader_that_resets_on_dtr_is_opened_with_the_line_low(adapter: Adapter) -> None:
    transport = await SerialPort(str(adapter.link), baud=9600, dtr=False).connect()
    assert transport._port.dtr is False  # noqa: SLF001 - a pty has no such line to look at
    adapter.say(b"hello")
    assert await got(transport, 5) == b"hello"
    transport.close()


async def test_closing_gives_what_had_come_and_never_waits(adapter: Adapter) -> None:
    transport = await port_of(adapter).connect()
    adapter.say(b"rest")
    await until(lambda: bool(transport._buffer))  # noqa: SLF001 - it is here
    transport.close()
    assert await transport.read() == b"rest"
    assert await transport.read() == b""
    with pytest.raises(LinkError, match="closed"):
        await transport.write(b"x")
    transport.close()


async def test_closing_wakes_who_waits(adapter: Adapter) -> None:
    transport = await port_of(adapter).connect()
    async with asyncio.TaskGroup() as group:
        waits = group.create_task(transport.read())
        await asyncio.sleep(0)
        transport.close()
    assert waits.result() == b""


async def test_a_port_that_takes_nothing_is_given_up(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.adapters.serial_port.WRITE_S", 0.1)
    transport = await port_of(adapter).connect()
    with pytest.raises(LinkError, match="does not take"):
        await transport.write(bytes(10_000_000))
    transport.close()


async def test_what_is_no_port_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="does not exist"):
        await SerialPort(str(tmp_path / "nothing"), baud=9600).connect()
    (tmp_path / "file").write_text("")
    with pytest.raises(LinkError, match="cannot be opened"):
        await SerialPort(str(tmp_path / "file"), baud=9600).connect()


async def test_it_has_no_tcp_ports(adapter: Adapter) -> None:
    with pytest.raises(LinkError, match="cannot be dialled"):
        await port_of(adapter).dial(9999)
