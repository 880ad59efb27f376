"""A broker of our own for `[mqtt] url = "embedded"`: amqtt, from the extra ``embedded``.

It runs as a child process, so that its work for many displays never delays a read, and speaks MQTT
3.1.1. The child ends with its standard input: however the bridge dies, the port is free again.
Good for one tent (1,700 messages a second); nothing in it survives a restart, which the bridge
does not need: it publishes everything retained again on each connection.
"""

import asyncio
import importlib
import importlib.util
import os
import sys
import warnings
from typing import Any

import structlog

from bridge.app.ports import Clock
from bridge.app.supervise import Backoff
from bridge.errors import ConfigError, LinkError

log = structlog.get_logger(__name__)

START_S = 20.0
"""amqtt's import takes seconds on a small Pi."""
STOP_S = 3.0
READY = b"ready\n"
_MODULE = "bridge.adapters.embedded_broker"
_PLUGIN = "amqtt.plugins.authentication.AnonymousAuthPlugin"


def require_amqtt() -> None:
    """Check that the extra is installed.

    Raises:
        ConfigError: It is not; the text says how to install it.
    """
    if importlib.util.find_spec("amqtt") is None:
        raise ConfigError(
            '[mqtt] url = "embedded" needs a package that is not installed: '
            "pip install 'chip-bridge[embedded]', or name a broker such as mosquitto instead."
        )


class EmbeddedBroker:
    """Keeps the child process running."""

    def __init__(self, listen: str, clock: Clock) -> None:
        """Check the extra and the address.

        Args:
            listen: ``HOST:PORT``, both given.
            clock: The host's.

        Raises:
            ConfigError: amqtt is not installed, or `listen` is no address.
        """
        require_amqtt()
        host, _, port = listen.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
            raise ConfigError(f"[mqtt] listen {listen!r} must be HOST:PORT.")
        self._listen = listen
        self._clock = clock
        self.up = asyncio.Event()
        """Set while the broker answers."""
        self.trouble: str | None = None
        """Why it does not run, in words, or None."""

    @property
    def url(self) -> str:
        """Where a client on this machine finds it."""
        host, _, port = self._listen.rpartition(":")
        local = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - a comparison, no bind
        return f"mqtt://{local.get(host, host)}:{port}"

    async def run(self) -> None:
        """Keep it running until cancelled."""
        backoff = Backoff()
        while True:
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", _MODULE, self._listen),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for us: the broker must hear our goodbye
            )
            try:
                await self._attend(child)
            except LinkError as error:
                self.trouble = str(error)
                log.warning("embedded broker ended", error=self.trouble)
            finally:
                self.up.clear()
                await _stop(child)
            await self._clock.sleep(backoff.pause_s())

    async def _attend(self, child: asyncio.subprocess.Process) -> None:
        """Wait for its end; raises `LinkError` with its last words."""
        assert child.stdout is not None  # noqa: S101 - asked for above
        assert child.stderr is not None  # noqa: S101
        async with asyncio.TaskGroup() as group:
            last = group.create_task(_last_line(child.stderr), name="embedded broker words")
            try:
                async with asyncio.timeout(START_S):
                    ready = await child.stdout.readline() == READY
            except TimeoutError:
                ready = False
                child.kill()
            if ready:
                self.trouble = None
                self.up.set()
                log.info("embedded broker up", listen=self._listen)
                await child.wait()
        raise LinkError(
            f"The embedded broker on {self._listen} ended: {last.result() or 'no reason given'}."
        )


async def _last_line(stream: asyncio.StreamReader) -> str:
    """Read to the end, so that the child never blocks on it, and return the last line."""
    kept = b""
    while piece := await stream.read(4096):
        kept = (kept + piece)[-4096:]
    lines = kept.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


async def _stop(child: asyncio.subprocess.Process) -> None:
    if child.stdin is not None:
        child.stdin.close()
    try:
        async with asyncio.timeout(STOP_S):
            await child.wait()
    except TimeoutError:
        child.kill()
        await child.wait()


async def _serve(listen: str) -> None:
    """Be the child: serve until standard input ends."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # amqtt's own imports
        broker_module: Any = importlib.import_module("amqtt.broker")
    broker = broker_module.Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": listen}},
            "plugins": {_PLUGIN: {"allow_anonymous": True}},
        }
    )
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(0, lambda: None if os.read(0, 4096) else ended.set())
    await broker.start()
    os.write(1, READY)
    await ended.wait()
    os._exit(0)  # nothing here is worth keeping, and amqtt's own end takes seconds and is loud


def main(arguments: list[str]) -> int:
    """Run the child."""
    try:
        asyncio.run(_serve(arguments[0]))
    except Exception as error:  # noqa: BLE001 - the parent reports the last line
        os.write(2, f"\n{str(error).strip().rstrip('.')}\n".encode())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
