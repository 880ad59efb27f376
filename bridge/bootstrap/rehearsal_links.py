"""The emulated readers of a rehearsal at their ends of the links, and the URLs that lead there."""

import asyncio
import socket
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from bridge.adapters.emulator_host import EmulatorHost
from bridge.adapters.emulator_links import Recorder, append_to, connect_out, publish_to
from bridge.app.endpoint import MqttEndpoint, TcpEndpoint
from bridge.app.ports import Clock
from bridge.bootstrap.rehearsal_cast import MatReader, Wire
from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Driver
from bridge.errors import BridgeError, UsageError

HOST = "127.0.0.1"
_PORT_TRIES = 20


@dataclass(slots=True)
class Reader:
    """An emulated reader that runs."""

    part: MatReader
    host: EmulatorHost
    url: str
    """Where the service finds it."""
    last_ns: int = 0
    """When it last saw somebody."""


async def open_reader(
    part: MatReader,
    driver: Driver,
    clock: Clock,
    folder: Path,
    broker_port: int,
    group: asyncio.TaskGroup,
) -> tuple[Reader, list["asyncio.Task[None]"]]:
    """Run a reader's emulator at its end of the link; return it with its tasks.

    Raises:
        BridgeError: There is no free port.
    """
    spoken_to = part.wire not in (Wire.FILE, Wire.MQTT)
    emulator = driver.emulator(part.options) if spoken_to else Recorder(driver.encode)
    host = EmulatorHost(emulator, clock, skew_ns=int(part.ahead_s * NS_PER_S), paced=False)
    url, link = await _end_of(part, host, folder, broker_port)
    tasks = [group.create_task(host.run(), name=part.name)]
    if link is not None:
        tasks.append(group.create_task(link, name=f"{part.name}-link"))
    return Reader(part, host, url), tasks


async def _end_of(
    part: MatReader, host: EmulatorHost, folder: Path, broker_port: int
) -> tuple[str, Coroutine[None, None, None] | None]:
    """Return the URL, and what keeps the link up where the reader is not dialled."""
    match part.wire:
        case Wire.TCP:
            return f"tcp://{HOST}:{await _listen(host)}", None
        case Wire.HTTP:
            return f"http://{HOST}:{await _listen(host)}/", None
        case Wire.CALLS | Wire.POSTS:
            port = _free_port()
            url = f"{part.wire.value}://{HOST}:{port}"
            return url, connect_out(host, TcpEndpoint(HOST, port))
        case Wire.SERIAL:
            tty = folder / f"{part.name}.tty"
            return f"serial://{quote(str(tty))}", host.serve_pty(tty)
        case Wire.FILE:
            file = folder / f"{part.name}.log"
            return f"file://{quote(str(file))}", append_to(host, file)
        case Wire.MQTT:
            topic = f"readers/{part.name}"
            url = f"mqtt://{HOST}:{broker_port}/{topic}"
            return url, publish_to(host, MqttEndpoint(HOST, broker_port, tls=False, topic=topic))


async def _listen(host: EmulatorHost) -> int:
    """Open a reader's ports at a free place: an IPICO has one below and some above its main one."""
    for _ in range(_PORT_TRIES):
        try:
            return await host.listen(HOST, _free_port())
        except UsageError:
            host.close()
    raise BridgeError("no free TCP ports on this machine")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
