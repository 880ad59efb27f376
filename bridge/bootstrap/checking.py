"""The checks of `chip-bridge check`, each an answer in words; none changes anything."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from bridge.adapters.system_clock import SystemClock
from bridge.adapters.web.client import ask
from bridge.app.config import Config, Loaded, ReaderTable
from bridge.app.config_warnings import warnings_of
from bridge.app.link import Connection, ReaderState
from bridge.app.ports import ClockSample, ResultsProvider
from bridge.app.redact import redact_url
from bridge.app.registry import Registry
from bridge.app.supervise import Connector
from bridge.bootstrap.core import connector_of
from bridge.domain.entrants import Entrant, RegistrationId, chip_key
from bridge.domain.reads import NS_PER_MS
from bridge.domain.rules import EventId
from bridge.driver_api import Kept, Opening
from bridge.errors import BridgeError, LinkError

Verdict = Literal["go", "warn", "no"]
LISTEN_S = 4.0
"""A reader is listened to and asked for this long."""
ANSWER_S = 20.0


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the sheet."""

    what: str
    verdict: Verdict
    text: str


async def run_checks(loaded: Loaded, drivers: Registry, environ: Mapping[str, str]) -> list[Line]:
    """Return the whole sheet."""
    config = loaded.config
    lines = [Line("configuration", "go", str(loaded.path))]
    lines += [Line("configuration", "warn", text) for text in warnings_of(config)]
    lines += list(_host(config))
    running = _running(config)
    lines.append(
        Line("service", "go", "running")
        if running
        else Line("service", "warn", "not running: start it with systemctl start chip-bridge")
    )
    if running is None:
        for table in config.reader:
            lines.append(await _reader(table, drivers))
    else:
        lines += list(_readers_of(running))
    if not config.reader:
        lines.append(Line("readers", "no", "there is no [[reader]] in the configuration"))
    lines += [line async for line in _broker(loaded)]
    lines += [line async for line in _provider(loaded, environ, drivers)]
    return lines


def _host(config: Config) -> Iterator[Line]:
    error_ns = SystemClock().error_ns()
    if error_ns is None:
        yield Line("host clock", "no", "not synchronised: connect it to the network or a GPS")
    else:
        ms = -(-error_ns // NS_PER_MS)
        verdict: Verdict = "go" if ms <= 100 else "warn"  # noqa: PLR2004 - a tenth is printed
        yield Line("host clock", verdict, f"synchronised to within {ms} ms")
    folder = config.bridge.data_dir
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free = shutil.disk_usage(folder).free // 1_000_000
    enough = free >= config.bridge.min_free_mb
    text = f"{free} MB free at {config.bridge.data_dir}"
    yield Line("disk", "go" if enough else "no", text + ("" if enough else ": make room"))


def _running(config: Config) -> Mapping[str, object] | None:
    try:
        found: Mapping[str, object] = ask(config.bridge.data_dir, "status", {}, changes=False)
    except BridgeError:
        return None
    return found


def _readers_of(status: Mapping[str, object]) -> Iterator[Line]:
    readers = status.get("readers")
    for reader in readers if isinstance(readers, list) else []:
        up = reader["state"] == "connected"
        offset = reader["clock_offset_ms"]
        text = f"{reader['state']}; " + (
            "clock not known" if offset is None else f"clock offset {offset} ms"
        )
        if reader["detail"]:
            text += f"; {reader['detail']}"
        yield Line(f"reader {reader['name']}", "go" if up else "no", text)
        for alarm in reader["alarms"]:
            yield Line(f"reader {reader['name']}", "warn", alarm)


class _Notebook:
    """A desk that journals nothing: it only keeps the clock samples."""

    def __init__(self) -> None:
        self.samples: list[ClockSample] = []

    def take(
        self,
        session: int,  # noqa: ARG002
        kept: list[Kept],  # noqa: ARG002
        utc_ns: int,  # noqa: ARG002
        boot_ns: int,  # noqa: ARG002
        *,
        memory: str | None,  # noqa: ARG002
        samples: list[ClockSample],
    ) -> "asyncio.Future[None]":
        """Note the samples; nothing is stored, so it is done at once."""
        self.samples += samples
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    async def room(self) -> None:
        """There is always room."""


async def _reader(table: ReaderTable, drivers: Registry) -> Line:
    driver = drivers.find(table.driver)
    kind, connector = connector_of(table.url, driver)
    what = f"reader {table.name}"
    if kind == "tcp-listen":
        return Line(what, "warn", f"it connects to us on {table.url}: start the service to see")
    state = ReaderState(table.name, table.location, table.driver, redact_url(table.url))
    notebook = _Notebook()
    try:
        await _listen(table, connector, drivers, notebook, state)
    except LinkError as error:
        return Line(what, "no", str(error))
    if state.alarms:
        return Line(what, "warn", "reachable; " + "; ".join(state.alarms.values()))
    if not notebook.samples:
        if driver.can_tell_time:
            return Line(what, "warn", f"reachable, but it did not tell its time in {LISTEN_S:g} s")
        return Line(what, "go", "reachable; it has no clock that can be asked")
    best = min(notebook.samples, key=lambda sample: sample.rtt_ns)
    ahead_ms = (best.stamp - best.utc_ns) // NS_PER_MS
    return Line(what, "go", f"reachable; its clock says UTC{ahead_ms / 1000:+.2f} s")


async def _listen(
    table: ReaderTable,
    connector: Connector,
    drivers: Registry,
    notebook: _Notebook,
    state: ReaderState,
) -> None:
    """Talk to a reader as the service would, without its memory: no gap is asked for."""
    driver = drivers.find(table.driver)
    transport = await connector.connect()
    connection = Connection(
        session_id=0,
        session=driver.session(Opening(options=table.options)),
        transport=transport,
        dial=connector.dial,
        desk=notebook,
        clock=SystemClock(),
        state=state,
    )
    try:
        async with asyncio.timeout(LISTEN_S):
            await connection.run()
    except TimeoutError:
        return


async def _broker(loaded: Loaded) -> AsyncIterator[Line]:
    table = loaded.config.mqtt
    if table is None:
        yield Line("broker", "warn", "no [mqtt]: no displays, no other boxes")
        return
    if table.url == "embedded":
        from bridge.adapters.embedded_broker import require_amqtt  # noqa: PLC0415

        require_amqtt()
        yield Line("broker", "go", "embedded: comes with the service")
        return
    import aiomqtt  # noqa: PLC0415 - heavy

    from bridge.adapters.mqtt_link import address_of  # noqa: PLC0415

    address = address_of(table.url, table.ca_file)
    user, password = loaded.secrets.mqtt_username, loaded.secrets.mqtt_password
    try:
        async with aiomqtt.Client(
            address.host,
            address.port,
            username=user.get_secret_value() if user else None,
            password=password.get_secret_value() if password else None,
            tls_context=address.tls,
            transport=address.transport,
            websocket_path=address.path or None,
            timeout=5,
        ):
            pass
    except aiomqtt.MqttError as error:
        yield Line("broker", "no", f"{redact_url(table.url)}: {error}")
        return
    yield Line("broker", "go", redact_url(table.url))


async def _provider(
    loaded: Loaded, environ: Mapping[str, str], drivers: Registry
) -> AsyncIterator[Line]:
    if loaded.config.provider is None or loaded.config.provider.kind != "runsignup":
        yield Line("results service", "warn", "none configured: results stay on this box")
        return
    from bridge.bootstrap.provider import client_of  # noqa: PLC0415 - HTTP is heavy

    try:
        provider = client_of(loaded, environ, SystemClock(), drivers)
    except BridgeError as error:
        yield Line("results service", "no", str(error))
        return
    try:
        async with asyncio.timeout(ANSWER_S):
            async for line in _ask_provider(loaded.config, provider):
                yield line
    except TimeoutError:
        yield Line("results service", "no", f"no answer in {ANSWER_S:g} s")
    except BridgeError as error:
        yield Line("results service", "no", str(error))
    finally:
        await provider.close()


async def _ask_provider(config: Config, provider: ResultsProvider) -> AsyncIterator[Line]:
    zone = await provider.race_zone()
    yield Line("results service", "go", f"answers; the race's zone is {zone or 'not told'}")
    if config.bridge.timezone is not None and zone not in {None, config.bridge.timezone}:
        text = f"bridge.timezone is {config.bridge.timezone}, the race's is {zone}"
        yield Line("results service", "warn", text)
    for event in config.event:
        sets = await provider.result_sets(EventId(event.id))
        found = [s for s in sets if event.result_set in {s.id, s.name}]
        if not found:
            text = f"result set {event.result_set!r} will be created with the first post"
            yield Line(f"event {event.name}", "go", text)
            continue
        there = {split.name for split in await provider.splits(EventId(event.id), found[0].id)}
        wanted = {point.split for point in event.course if point.split}
        missing = ", ".join(sorted(wanted - there))
        text = f"splits {missing} will be appended" if missing else "result set and splits there"
        yield Line(f"event {event.name}", "go", text)
    people: dict[RegistrationId, Entrant] = {}
    events = [EventId(event.id) for event in config.event]
    async for page in provider.participants(events, modified_after=None):
        people |= {entrant.registration_id: entrant for entrant in page.entrants}
        for words in page.skipped:
            yield Line("participants", "warn", words)
    for line in _people(people):
        yield line


def _people(people: Mapping[RegistrationId, Entrant]) -> Iterator[Line]:
    chips: dict[str, list[Entrant]] = {}
    bibs: dict[tuple[int, int], list[Entrant]] = {}
    for entrant in people.values():
        for chip in {chip_key(chip) for chip in entrant.chips} - {""}:
            chips.setdefault(chip, []).append(entrant)
        if entrant.bib:
            bibs.setdefault((entrant.event_id, entrant.bib), []).append(entrant)
    without = sum(1 for entrant in people.values() if not any(map(chip_key, entrant.chips)))
    verdict: Verdict = "no" if not people else ("warn" if without else "go")
    yield Line("participants", verdict, f"{len(people)}, {without} without a chip")
    for chip, owners in sorted(chips.items()):
        if len(owners) > 1:
            yield Line("chips", "warn", f"chip {chip} is on {_who(owners)}: its reads are held")
    for (_, bib), owners in sorted(bibs.items()):
        if len(owners) > 1:
            yield Line("bibs", "warn", f"bib {bib} is on {_who(owners)}")


def _who(owners: list[Entrant]) -> str:
    return " and ".join(f"{owner.name} ({owner.registration_id})" for owner in owners)
