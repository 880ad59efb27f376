"""The checks of `chip-bridge check`, each an answer in words; none changes anything."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from bridge.adapters.participants_file import ParticipantsFile
from bridge.adapters.tcp import reason
from bridge.adapters.web.client import NotRunning, ask
from bridge.app.clock_words import clock_words
from bridge.app.config import Config, Loaded
from bridge.app.config_warnings import warnings_of
from bridge.app.endpoint import listen_of
from bridge.app.people_csv import plan_import, text_of
from bridge.app.ports import Clock, ResultsProvider
from bridge.app.redact import Redactor, redact_url
from bridge.app.registry import Registry
from bridge.app.rulebook import rules_of
from bridge.bootstrap.check_sheet import Line, Verdict
from bridge.bootstrap.checking_readers import try_reader
from bridge.domain.entrants import Entrant, RegistrationId, chip_key
from bridge.domain.reads import NS_PER_MS
from bridge.domain.rules import EventId
from bridge.errors import BridgeError, ConfigError, UsageError

MOST = 10
"""Lines of one kind on the sheet."""
CALLER = (
    "RunSignup will ask for a caller registration from 2027-01-01: register this program and set "
    "provider_registration_id and provider_registration_secret"
)
ANSWER_S = 20.0
"""The results service gets this long to answer everything."""


async def run_checks(
    loaded: Loaded, drivers: Registry, environ: Mapping[str, str], clock: Clock
) -> list[Line]:
    """Return the whole sheet."""
    config = loaded.config
    lines = [Line("configuration", "go", str(loaded.path))]
    lines += [Line("configuration", "warn", text) for text in warnings_of(config)]
    lines += list(_host(config, clock))
    lines += await _service_and_readers(loaded, drivers, clock)
    if not config.reader:
        lines.append(Line("readers", "no", "there is no [[reader]] in the configuration"))
    lines += [line async for line in _broker(loaded)]
    lines += [line async for line in _provider(loaded, environ, drivers, clock)]
    hide = Redactor(loaded.secret_values())
    return [line._replace(text=hide.text(line.text)) for line in lines]


def _host(config: Config, clock: Clock) -> Iterator[Line]:
    error_ns = clock.error_ns()
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


async def _service_and_readers(loaded: Loaded, drivers: Registry, clock: Clock) -> list[Line]:
    """Ask the running service, else the readers themselves: some take one connection only."""
    config = loaded.config
    try:
        status = ask(config.bridge.data_dir, "status", {}, changes=False)
    except NotRunning:
        lines = [
            Line("service", "warn", "not running: start it with systemctl start chip-bridge"),
            *_web(config),
        ]
    except BridgeError as error:
        return [Line("service", "no", str(error))]
    else:
        return [*_running(status), *_readers_of(status)]
    async with asyncio.TaskGroup() as group:
        tries = [
            group.create_task(try_reader(table, loaded, drivers, clock)) for table in config.reader
        ]
    return lines + [line for each in tries for line in each.result()]


def _web(config: Config) -> Iterator[Line]:
    if config.web is None:
        return
    from bridge.adapters.http_server import bind  # noqa: PLC0415 - heavy

    try:
        bind(*listen_of(config.web.listen)).close()
    except UsageError as error:
        yield Line("web page", "no", str(error))
        return
    yield Line("web page", "go", f"http://{config.web.listen}/ is free")


def _running(status: Mapping[str, Any]) -> Iterator[Line]:
    yield Line("service", "go", f"running for {status['uptime_s']} s")
    ours = ("reader ", "this box's clock", "only ")
    for alarm in status["alarms"]:
        if not alarm.startswith(ours):  # those have lines of their own
            yield Line("service", "warn", alarm)


def _readers_of(status: Mapping[str, Any]) -> Iterator[Line]:
    for reader in status["readers"]:
        up = reader["state"] == "connected"
        ahead = reader["clock_ahead_ms"]
        text = f"{reader['state']}; " + (
            "clock not known" if ahead is None else f"its clock is {clock_words(ahead)}"
        )
        if reader["detail"]:
            text += f"; {reader['detail']}"
        yield Line(f"reader {reader['name']}", "go" if up else "no", text)
        for alarm in reader["alarms"]:
            yield Line(f"reader {reader['name']}", "warn", alarm)


async def _broker(loaded: Loaded) -> AsyncIterator[Line]:
    table = loaded.config.mqtt
    if table is None:
        yield Line("broker", "warn", "no [mqtt]: no displays, no other boxes")
        return
    if table.url == "embedded":
        from bridge.adapters.embedded_broker import require_amqtt  # noqa: PLC0415

        try:
            require_amqtt()
        except ConfigError as error:
            yield Line("broker", "no", str(error))
            return
        yield Line("broker", "go", "embedded: comes with the service")
        return
    import aiomqtt  # noqa: PLC0415 - heavy

    from bridge.adapters.mqtt_link import address_of  # noqa: PLC0415

    try:
        address = address_of(table.url, table.ca_file)
    except ConfigError as error:
        yield Line("broker", "no", str(error))
        return
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
        why = error.__cause__ or error
        yield Line(
            "broker",
            "no",
            f"{redact_url(table.url)} cannot be used ({reason(why)}); is it running, and are "
            "address, user and password right?",
        )
        return
    yield Line("broker", "go", redact_url(table.url))


async def _provider(
    loaded: Loaded, environ: Mapping[str, str], drivers: Registry, clock: Clock
) -> AsyncIterator[Line]:
    table = loaded.config.provider
    if table is None or table.kind != "runsignup":
        yield Line("results service", "warn", "none configured: results stay on this box")
        for line in _people_file(loaded.config, drivers):
            yield line
        return
    from bridge.bootstrap.provider import client_of  # noqa: PLC0415 - HTTP is heavy

    try:
        provider = client_of(loaded, environ, clock, drivers)
    except BridgeError as error:
        yield Line("results service", "no", str(error))
        return
    if loaded.secrets.provider_registration_id is None:
        yield Line("results service", "warn", CALLER)
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


def _people_file(config: Config, drivers: Registry) -> Iterator[Line]:
    table = config.provider
    if table is None or table.participants_file is None:
        return
    source = ParticipantsFile(table.participants_file)
    try:
        text = text_of(source.read(), source.name)
        plan = plan_import(text, {}, rules_of(config, config.bridge.timezone, drivers), whole=True)
    except BridgeError as error:
        yield Line("participants", "no", str(error))
        return
    yield from _told("participants", plan.complaints)
    yield from _people({e.registration_id: e for some in plan.newcomers.values() for e in some})


def _told(what: str, complaints: list[str]) -> Iterator[Line]:
    yield from (Line(what, "warn", words) for words in complaints[:MOST])
    if len(complaints) > MOST:
        yield Line(what, "warn", f"and {len(complaints) - MOST} more like these")


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
    skipped: list[str] = []
    events = [EventId(event.id) for event in config.event]
    async for page in provider.participants(events, modified_after=None):
        people |= {entrant.registration_id: entrant for entrant in page.entrants}
        skipped += page.skipped
    for line in _told("participants", skipped):
        yield line
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
    shared = [
        f"chip {chip} is on {_who(owners)}: its reads are held"
        for chip, owners in sorted(chips.items())
        if len(owners) > 1
    ]
    yield from _told("chips", shared)
    double = [
        f"bib {bib} is on {_who(owners)}"
        for (_, bib), owners in sorted(bibs.items())
        if len(owners) > 1
    ]
    yield from _told("bibs", double)


def _who(owners: list[Entrant]) -> str:
    return " and ".join(f"{owner.name} ({owner.registration_id})" for owner in owners)
