"""The other ways an emulated reader speaks: it connects to us, publishes, or writes a file."""

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from bridge.adapters.emulator_host import EmulatorHost, parse_listen
from bridge.adapters.tcp import reason
from bridge.app.endpoint import MqttEndpoint, TcpEndpoint, endpoint_of
from bridge.driver_api import MAIN, Driver, Out, Sighting
from bridge.errors import UsageError

AGAIN_S = 0.5
"""Between the end of a connection and the next attempt."""
CHUNK = 65_536
_LONGEST = 1_000_000


class Recorder:
    """A reader that only writes down its reads: nobody can speak to a file or a topic."""

    def __init__(self, encode: Callable[[Sighting], bytes]) -> None:
        self.channels: Mapping[str, int] = MappingProxyType({MAIN: 1})
        self.piece: tuple[int, int] | None = None
        self._encode = encode
        self._unheard: list[Out] = []
        self._heard = False

    def connected(
        self,
        client: int,  # noqa: ARG002 - as the protocol has it
        channel: str,  # noqa: ARG002
        now_ns: int,  # noqa: ARG002
    ) -> Sequence[Out]:
        """Write what was seen before the file was open."""
        self._heard = True
        outs, self._unheard = self._unheard, []
        return outs

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Hear nothing."""
        return ()

    def disconnected(self, client: int) -> None:  # noqa: ARG002
        """Keep what is seen from now on."""
        self._heard = False

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """Write the read."""
        out = Out(self._encode(sighting))
        if self._heard:
            return [out]
        self._unheard.append(out)
        return ()

    def marked(self, name: str, stamp: int) -> Sequence[Out]:  # noqa: ARG002
        """Write nothing: only reads have a form that every driver knows."""
        return ()

    def tick(self, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Do nothing."""
        return ()


def target_of(text: str, driver: Driver) -> TcpEndpoint | MqttEndpoint:
    """Return where ``--connect`` leads: HOST:PORT, or a URL.

    Raises:
        UsageError: It leads nowhere an emulator can go.
    """
    if "://" not in text:
        return TcpEndpoint(*parse_listen(text))
    try:
        endpoint = endpoint_of(text)
    except ValueError as error:
        raise UsageError(f"--connect {text!r} {error}") from None
    if isinstance(endpoint, MqttEndpoint) and endpoint.topic and set("+#").isdisjoint(text):
        return endpoint
    if isinstance(endpoint, TcpEndpoint) and not endpoint.tls and endpoint.target in ("", "/"):
        return endpoint
    raise UsageError(
        f"--connect {text!r} must be HOST:PORT, http://HOST:PORT or mqtt://HOST:PORT/TOPIC for a "
        f"{driver.title}; the path of a post is an --option, where it can be chosen"
    )


async def connect_out(host: EmulatorHost, endpoint: TcpEndpoint) -> None:
    """Be a reader that connects to the bridge, again and again."""
    while True:
        try:
            reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
        except OSError:
            pass  # not there yet: readers do not give up either
        else:
            await host.serve(reader, writer, MAIN)
        await asyncio.sleep(AGAIN_S)


async def append_to(host: EmulatorHost, file: Path) -> None:
    """Be a program that writes what the reader says to the end of a file."""
    try:
        with file.open("ab", buffering=0) as out:
            async with asyncio.TaskGroup() as group:
                read, write = await _tap(host, group)
                while data := await read.read(CHUNK):
                    out.write(data)
                write.close()
    except OSError as error:
        raise UsageError(
            f"cannot write {file} ({reason(error)}); choose another --append"
        ) from None


async def publish_to(host: EmulatorHost, endpoint: MqttEndpoint) -> None:
    """Be a reader that publishes each of its lines to a broker."""
    import aiomqtt  # noqa: PLC0415 - heavy

    from bridge.adapters.tls import unverified  # noqa: PLC0415

    line = b""
    async with asyncio.TaskGroup() as group:
        read, write = await _tap(host, group)
        while not write.is_closing():
            try:
                async with aiomqtt.Client(
                    endpoint.host,
                    endpoint.port,
                    tls_context=unverified() if endpoint.tls else None,
                    tls_insecure=endpoint.tls or None,
                ) as client:
                    client._disconnected.add_done_callback(_seen)  # noqa: SLF001
                    while line := line or await read.readline():
                        await client.publish(endpoint.topic, line.rstrip(b"\r\n"), qos=1)
                        line = b""
                    write.close()
            except aiomqtt.MqttError:
                await asyncio.sleep(AGAIN_S)


def _seen(ended: "asyncio.Future[None]") -> None:
    """Look at how a connection ended: the next publish says so, or there is none."""
    if not ended.cancelled():
        ended.exception()


async def _tap(
    host: EmulatorHost, group: asyncio.TaskGroup
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return the other end of a connection to the emulator."""
    ours, its = socket.socketpair()
    read, write = await asyncio.open_connection(sock=its)
    group.create_task(host.serve(read, write, MAIN), name="tap")
    return await asyncio.open_connection(sock=ours, limit=_LONGEST)
