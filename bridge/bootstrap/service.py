"""The running service: readers first, then everything that tells the world."""

import asyncio
import signal
from collections.abc import Callable, Mapping
from functools import partial
from socket import socket
from typing import TYPE_CHECKING

import structlog

from bridge.adapters.systemd import Notifier
from bridge.app.config import Loaded
from bridge.app.endpoint import listen_of
from bridge.app.people_file import PeopleFile
from bridge.app.serving import Job, serve
from bridge.app.sources_desk import SourcesDesk
from bridge.app.supervise import Backoff, FrontDesk, Reader, supervise
from bridge.bootstrap.actions import make_actions
from bridge.bootstrap.core import Core
from bridge.bootstrap.housekeeping import Housekeeper, after_readers, make_room
from bridge.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from bridge.app.actions import Actions
    from bridge.bootstrap.broker import Broker
    from bridge.bootstrap.forwards import Forwards
    from bridge.bootstrap.provider import Services

log = structlog.get_logger(__name__)

DRAIN_S = 5.0


class Bridge:
    """One running service. Parts that need heavy libraries come to life after the readers."""

    def __init__(self, loaded: Loaded, core: Core, environ: Mapping[str, str]) -> None:
        self._loaded = loaded
        self._core = core
        self._environ = environ
        self._notifier = Notifier(environ)
        self._services: Services | None = None
        self._broker: Broker | None = None
        self._forwards: Forwards | None = None
        self._actions = make_actions(core, lambda: self._services)
        self._keeper = Housekeeper(core, self._notifier, self._reader_changed)

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop`; nothing that is taken in by then is lost."""
        core = self._core
        stages: list[Job] = [self._keeper.run, self._room, self._web]
        if core.config.mqtt is not None:
            stages.append(self._mqtt)
        if core.config.forward:
            stages.append(self._forward)
        if core.config.provider is not None and core.config.provider.kind == "runsignup":
            stages.append(self._results)
        if core.people is not None:
            stages.append(partial(self._participants, core.people))
        for notice in core.notices:
            log.warning("store", notice=notice)
        self._notifier.ready()
        self._notifier.status(f"{len(core.readers)} readers")
        try:
            await serve([self._link(reader) for reader in core.readers], stages, stop, self._drain)
        finally:
            await core.store.close()
            log.info("stopped; everything taken in is durable")

    def _link(self, reader: Reader) -> Job:
        core = self._core
        state = core.states[reader.name]
        desk: FrontDesk = core.intake
        if reader.sources:
            desk = SourcesDesk(desk, state, dict(zip(reader.sources, state.places, strict=True)))
        return partial(supervise, reader, desk, core.clock, state)

    def _reader_changed(self, name: str) -> None:
        if self._broker is not None:
            self._broker.feed.touch(self._broker.topics.reader(name))

    async def _room(self) -> None:
        await make_room(self._core)

    async def _web(self) -> None:
        await after_readers(self._core)
        await run_web(self._loaded, self._core, self._actions)

    async def _mqtt(self) -> None:
        await after_readers(self._core)
        from bridge.bootstrap.broker import make_broker, run_broker  # noqa: PLC0415 - heavy

        self._broker = await make_broker(self._loaded, self._core, self._actions)
        await run_broker(self._broker, self._core)

    async def _forward(self) -> None:
        await after_readers(self._core)
        from bridge.bootstrap.forwards import Forwards  # noqa: PLC0415 - after the readers

        self._forwards = Forwards(self._loaded, self._core)
        await self._forwards.run()

    async def _results(self) -> None:
        await after_readers(self._core)
        from bridge.bootstrap.provider import make_provider, run_services  # noqa: PLC0415 - heavy

        try:
            provider = make_provider(self._loaded, self._core, self._environ)
        except ConfigError as error:
            # A mat without credentials still reads; say what is missing and time on.
            self._core.health.alarms.set("provider", str(error))
            log.warning("no results service", reason=str(error))
            return
        await run_services(provider, self._core, self._take_services)

    async def _participants(self, people: PeopleFile) -> None:
        await after_readers(self._core)
        self._core.health.links["participants"] = people
        await people.run()

    def _take_services(self, services: "Services") -> None:
        self._services = services

    async def _drain(self) -> None:
        """Store what follows from the last reads; a disk that refuses does not keep us here."""
        self._notifier.stopping()
        try:
            async with asyncio.timeout(DRAIN_S):
                await self._core.intake.tell(self._core.timing.advance())
                if self._broker is not None:
                    await self._broker.feed.save()
                if self._forwards is not None:
                    await self._forwards.save()
        except TimeoutError:
            log.warning("the disk did not take the last reads in time", within_s=DRAIN_S)


async def run_bridge(loaded: Loaded, core: Core, environ: Mapping[str, str]) -> None:
    """Run until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await Bridge(loaded, core, environ).run(stop)


async def run_web(loaded: Loaded, core: Core, actions: "Actions") -> None:
    """Serve the Unix socket for the command line, and HTTP where it is configured."""
    from bridge.adapters.http_server import bind  # noqa: PLC0415 - heavy: after the readers
    from bridge.adapters.web.api import make_app  # noqa: PLC0415
    from bridge.adapters.web.server import bind_unix  # noqa: PLC0415

    async with asyncio.TaskGroup() as group:
        local = make_app(actions, core.health, token=None, local=True)
        folder = core.config.bridge.data_dir
        group.create_task(_serve(core, "control", local, lambda: bind_unix(folder)))
        if core.config.web is not None:
            secret = loaded.secrets.web_token
            token = secret.get_secret_value() if secret else None
            app = make_app(actions, core.health, token=token, local=False)
            address = listen_of(core.config.web.listen)
            group.create_task(_serve(core, "web", app, lambda: bind(*address)))


async def _serve(core: Core, name: str, app: "Starlette", bound: Callable[[], socket]) -> None:
    """Serve as soon as the address is free: a mat without its page still times."""
    from bridge.adapters.http_server import serve as serve_app  # noqa: PLC0415 - heavy

    backoff = Backoff(1.0, 30.0)
    while True:
        try:
            sock = bound()
        except (UsageError, OSError) as error:
            core.health.alarms.set(name, f"{name} page: {error}")
            await core.clock.sleep(backoff.pause_s())
            continue
        core.health.alarms.set(name, None)
        await serve_app(app, sock)
        return
