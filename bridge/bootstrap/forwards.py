"""Put forwards together: the journal, a protocol, its sockets, and a cursor that lasts."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog

from bridge.adapters.forward_host import ForwardHost
from bridge.app.config import ForwardTable, Loaded
from bridge.app.endpoint import TcpEndpoint, endpoint_of
from bridge.app.forward_archive import CrossingArchive, ReadArchive, Records
from bridge.app.forward_kinds import MOST_PER_POST, ForwardKind, forward_name, kind_of
from bridge.app.forward_lines import LineOutlet
from bridge.app.forward_time import stamping, wall_ns
from bridge.app.rows import CrossingRow, ReadRun
from bridge.app.sources import all_places
from bridge.bootstrap.core import Core
from bridge.domain.reads import StampForm
from bridge.driver_api import Outlet, Stand
from bridge.errors import JournalError

if TYPE_CHECKING:
    from bridge.adapters.forward_webhook import Webhook

log = structlog.get_logger(__name__)

SAVE_S = 5.0
"""The cursor is written this often, if it moved: after a crash so much is sent twice at most."""
PAUSE_S = 2.0


class Forwarding:
    """One `[[forward]]`: also what `Health` shows of it."""

    def __init__(self, table: ForwardTable, loaded: Loaded, core: Core) -> None:
        self.name = forward_name(table)
        self._table = table
        self._core = core
        self._kind: ForwardKind = kind_of(table.driver, core.drivers)
        secret = loaded.forward_secrets.get(self.name)
        self._secret = secret.get_secret_value() if secret else None
        own = dict.fromkeys(place.location for place in all_places(core.config))
        self._places = (table.location,) if table.location else tuple(own)
        self._note = f"forward.{self.name}.{table.send}"
        self._saved = int(core.store.get(self._note) or 0)
        self._archives: dict[str, ReadArchive | CrossingArchive] = {}
        self._outlet: Outlet | None = None
        self._host: ForwardHost | None = None
        self._webhook: Webhook | None = None
        self._renumbered = asyncio.Event()

    # -- being told ------------------------------------------------------------------------------

    def took_reads(self, run: ReadRun) -> None:
        """Take reads that have become durable."""
        try:
            for archive in self._archives.values():
                if isinstance(archive, ReadArchive):
                    archive.took(run)
        except JournalError:  # nobody else who is told shall suffer; what is on disk is found again
            self._renumbered.set()
        self._news()

    def took_crossings(self, rows: Sequence[CrossingRow]) -> None:
        """Take crossing messages that have become durable."""
        for archive in self._archives.values():
            if isinstance(archive, CrossingArchive):
                archive.took(rows)
        self._news()

    def imported(self) -> None:
        """Learn that reads were stored beside those told of: numbers have to be given anew."""
        self._renumbered.set()

    def _news(self) -> None:
        for sender in (self._host, self._webhook):
            if sender is not None:
                sender.news()

    # -- running ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until cancelled; a journal that cannot be read now is tried again."""
        while True:
            while self._core.store.salvage_progress is not None:
                await self._core.clock.sleep(PAUSE_S)  # numbers would change as more is found
            try:
                await self._run()
            except* JournalError as group:
                self._alarm(str(group.exceptions[0]))
                log.exception("forwarding begins anew", forward=self.name)
                await self._core.clock.sleep(PAUSE_S)

    async def _run(self) -> None:
        """Serve until reads are stored in between those that have a number."""
        self._renumbered.clear()
        self._archives = self._new_archives()
        for archive in self._archives.values():
            await archive.catch_up()
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(self._serve(), name=f"forward {self.name}")
            saving = group.create_task(self._save_lazily(), name="forward cursor")
            await self._renumbered.wait()
            serving.cancel()
            saving.cancel()
        await self.save()

    async def save(self) -> None:
        """Write down how far the other side has come."""
        await self._save(lazy=False)

    async def _save_lazily(self) -> None:
        while True:
            await self._core.clock.sleep(SAVE_S)
            await self._save(lazy=True)

    async def _save(self, *, lazy: bool) -> None:
        number = self._done()
        if number is None:
            return
        mark = self._archive.mark_of(number)
        if mark > 0 and mark != self._saved:
            await self._core.store.put(self._note, str(mark), lazy=lazy)
            self._saved = mark

    def _done(self) -> int | None:
        """Return the number of the last record that is over there, None: nobody counts."""
        if self._webhook is not None:
            return self._webhook.acknowledged
        if self._outlet is None or len(self._archives) > 1:
            return None
        acknowledged = self._outlet.acknowledged
        return self._outlet.handed if acknowledged is None else acknowledged

    async def _serve(self) -> None:
        if self._kind.posts:
            await self._post()
        else:
            await self._stream()

    async def _post(self) -> None:
        from bridge.adapters.forward_webhook import Webhook  # noqa: PLC0415 - heavy

        most = self._table.options.get("most_per_post", MOST_PER_POST)
        self._webhook = Webhook(
            self._table.connect or "",
            self._secret or "",
            self._archive,
            self._core.clock,
            site=self._core.config.bridge.site,
            name=self.name,
            acknowledged=self._archive.number_of(self._saved),
            most_per_post=int(str(most)),
            alarm=self._alarm,
        )
        await self._webhook.run()

    async def _stream(self) -> None:
        self._outlet = outlet = self._new_outlet()
        stamp = stamping(self._form, lambda: self._core.zone.info)
        self._host = host = ForwardHost(
            outlet,
            self._core.clock,
            now=lambda: stamp(self._core.clock.utc_ns()),
            alarm=self._alarm,
            before_turn=self._release,
            one_offset=self._kind.forward is not None and self._kind.forward.one_offset,
        )
        listen, connect = self._table.listen, self._table.connect
        if listen is not None:
            endpoint = endpoint_of(listen)
            assert isinstance(endpoint, TcpEndpoint)  # noqa: S101 - the configuration was judged
            await host.listen(endpoint.host, endpoint.port)
        else:
            endpoint = endpoint_of(connect or "")
            assert isinstance(endpoint, TcpEndpoint)  # noqa: S101 - the configuration was judged
            await host.dial(endpoint)

    # -- parts -----------------------------------------------------------------------------------

    @property
    def _form(self) -> StampForm:
        forward = self._kind.forward
        return forward.stamp_form if forward is not None else StampForm.UTC

    @property
    def _archive(self) -> Records:
        return next(iter(self._archives.values()))

    def _new_archives(self) -> dict[str, ReadArchive | CrossingArchive]:
        forward = self._kind.forward
        if forward is not None and forward.by_place:
            return {place: self._new_archive((place,)) for place in self._places}
        return {"": self._new_archive(self._places)}

    def _new_archive(self, places: tuple[str, ...]) -> ReadArchive | CrossingArchive:
        core = self._core
        stamp = stamping(self._form, lambda: core.zone.info)
        if self._table.send == "crossings":
            return CrossingArchive(core.store, places, stamp, revisions=self._kind.revises)
        return ReadArchive(core.store, core.timing, places, stamp, lambda: core.zone.info)

    def _new_outlet(self) -> Outlet:
        options, forward = self._table.options, self._kind.forward
        done = self._archive.number_of(self._saved)
        if forward is None:
            return LineOutlet(self._table.driver, self._archive, options, done)
        return forward.outlet(
            Stand(
                name=self.name,
                identity=self._core.store.uuid,
                places=self._places,
                archives=self._archives,
                acknowledged=done,
                options=options,
                local=lambda at_ns: wall_ns(at_ns, self._core.zone.info),
                secret=self._secret,
            )
        )

    def _release(self) -> None:
        for archive in self._archives.values():
            archive.release()

    def _alarm(self, text: str | None) -> None:
        told = None if text is None else f"forward {self.name}: {text}"
        self._core.health.alarms.set(f"forward {self.name}", told)

    # -- being looked at -------------------------------------------------------------------------

    def words(self) -> str:
        """Return its state in one line."""
        facts = self.facts()
        if self._webhook is not None:
            head = "posts are taken" if self._webhook.connected else "nothing posted yet"
            head = head if not facts["lag"] or self._webhook.connected else "posts are not taken"
        elif self._table.connect is not None:
            head = "connected" if facts["clients"] else "not connected"
        else:
            head = "1 client" if facts["clients"] == 1 else f"{facts['clients']} clients"
        return f"{head}, {facts['sent']} of {facts['records']} {self._table.send} handed over"

    def facts(self) -> dict[str, object]:
        """Return its state in numbers."""
        records = sum(map(len, self._archives.values()))
        if self._webhook is not None:
            clients, sent = int(self._webhook.connected), self._webhook.acknowledged
        else:
            clients = self._host.clients if self._host else 0
            sent = self._outlet.handed if self._outlet else 0
        return {
            "driver": self._table.driver,
            "clients": clients,
            "records": records,
            "sent": sent,
            "acknowledged": self._done(),
            "lag": records - sent,
        }


class Forwards:
    """All forwards of this box, as one stage of the service."""

    def __init__(self, loaded: Loaded, core: Core) -> None:
        self._core = core
        self._all = [Forwarding(table, loaded, core) for table in core.config.forward]

    async def run(self) -> None:
        """Serve all until cancelled; none of them disturbs another."""
        core = self._core
        for one in self._all:
            core.health.links[f"forward {one.name}"] = one
            core.intake.on_reads.append(one.took_reads)
            core.herald.listeners.append(one.took_crossings)
            core.on_import.append(one.imported)
        async with asyncio.TaskGroup() as group:
            for one in self._all:
                group.create_task(one.run(), name=f"forward {one.name}")

    async def save(self) -> None:
        """Write down how far the others have come."""
        for one in self._all:
            await one.save()
