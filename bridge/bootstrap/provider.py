"""The results service of the configuration: participants in, results out."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from bridge.adapters.runsignup.client import RunSignup
from bridge.adapters.runsignup.settings import BASE_URL, Credentials, RunSignupSettings
from bridge.app.config import Config, Loaded, Secrets
from bridge.app.health import Json
from bridge.app.ports import Clock, ResultsProvider
from bridge.app.posting import Poster, PostingRules
from bridge.app.registry import Registry
from bridge.app.roster import Roster
from bridge.app.supervise import Backoff
from bridge.bootstrap.core import Core
from bridge.domain.entrants import Entrant, RegistrationId
from bridge.domain.rules import EventId
from bridge.driver_api import Alarm
from bridge.errors import ConfigError, ProviderError

Scheme = Literal["api_key", "api_v2", "super_partner"]
SCHEMES: tuple[Scheme, ...] = ("api_key", "api_v2", "super_partner")


@dataclass(slots=True)
class Services:
    """What runs against the results service."""

    provider: ResultsProvider
    roster: Roster
    poster: Poster


def make_provider(loaded: Loaded, core: Core, environ: Mapping[str, str]) -> ResultsProvider:
    """Return the client of the configured service, as `client_of`."""
    return client_of(loaded, environ, core.clock, core.drivers)


def client_of(
    loaded: Loaded, environ: Mapping[str, str], clock: Clock, drivers: Registry
) -> ResultsProvider:
    """Return the client of the configured service.

    Raises:
        ConfigError: Credentials are missing, or this kind of login is not built in.
    """
    table = loaded.config.provider
    if table is None or table.kind != "runsignup" or table.race_id is None:
        raise ConfigError('[provider] kind = "runsignup" and race_id are needed for this')

    def renew() -> Credentials:
        from bridge.adapters.config_files import load_config  # noqa: PLC0415 - imports pydantic

        fresh = load_config(loaded.path, environ, drivers)
        return _credentials(fresh.config, fresh.secrets)

    settings = RunSignupSettings(
        race_id=table.race_id,
        credentials=_credentials(loaded.config, loaded.secrets),
        base_url=table.base_url or BASE_URL,
    )
    return RunSignup(settings, clock, renew)


def _credentials(config: Config, secrets: Secrets) -> Credentials:
    table = config.provider
    if table is None or table.auth not in SCHEMES:
        raise ConfigError(f"provider.auth must be one of {', '.join(SCHEMES)}")
    key, secret = secrets.provider_api_key, secrets.provider_api_secret
    if key is None or secret is None:
        raise ConfigError(
            "the results service wants provider_api_key and provider_api_secret; put each into a "
            "file of that name in secrets_dir, or into CHIP_BRIDGE_PROVIDER_API_KEY and _SECRET"
        )
    reg_id, reg_secret = (
        secrets.provider_registration_id,
        secrets.provider_registration_secret,
    )
    return Credentials(
        scheme=table.auth,
        key=key.get_secret_value(),
        secret=secret.get_secret_value(),
        registration_id=reg_id.get_secret_value() if reg_id else None,
        registration_secret=reg_secret.get_secret_value() if reg_secret else None,
    )


def make_services(
    provider: ResultsProvider,
    core: Core,
    on_change: Callable[[Mapping[RegistrationId, Entrant]], None],
) -> Services:
    """Return participants sync and posting for this race."""
    config = core.config
    if config.provider is None:
        raise ConfigError("[provider] is needed for this")

    def alarm(event: Alarm) -> None:
        core.health.alarms.set(event.name, event.text if event.on else None)

    roster = Roster(
        [EventId(event.id) for event in config.event],
        every_s=config.provider.participants_every_s,
        provider=provider,
        store=core.store,
        clock=core.clock,
        on_change=on_change,
    )
    poster = Poster(
        PostingRules(
            events=core.timing.rules.events,
            served=core.timing.rules.served,
            result_sets={EventId(event.id): event.result_set for event in config.event},
            send=config.provider.post,
        ),
        provider=provider,
        ledger=core.store,
        notes=core.store,
        results=core.standings,
        entrant=core.operations.entrants_by_id,
        clock=core.clock,
        alarm=alarm,
    )
    return Services(provider, roster, poster)


@dataclass(slots=True)
class RosterLink:
    """Participants sync as `Health` shows it."""

    roster: Roster

    def words(self) -> str:
        """Return its state in one line."""
        status = self.roster.status
        if status.last_error is not None:
            return f"{status.participants} participants; the last try failed: {status.last_error}"
        if status.last_success_at is None:
            return "participants not asked for yet"
        return f"{status.participants} participants, up to date"

    def facts(self) -> Json:
        """Return its state in numbers."""
        return asdict(self.roster.status)


@dataclass(slots=True)
class PosterLink:
    """Posting as `Health` shows it."""

    poster: Poster

    def words(self) -> str:
        """Return its state in one line."""
        status = self.poster.status
        text = f"{status.posted} rows posted, {status.pending} waiting"
        if status.refused:
            text += f", {status.refused} refused"
        if not status.sending:
            text += " (shadow mode: provider.post = false)"
        return f"{text}; {status.last_error}" if status.last_error else text

    def facts(self) -> Json:
        """Return its state in numbers."""
        return asdict(self.poster.status)


async def run_services(
    provider: ResultsProvider, core: Core, made: Callable[[Services], None]
) -> None:
    """Keep participants and posts in step with the results service, for ever."""

    def on_change(_: Mapping[RegistrationId, Entrant]) -> None:
        core.entrants_news.set()

    services = make_services(provider, core, on_change)
    made(services)
    core.herald.poster = services.poster
    core.health.links["participants"] = RosterLink(services.roster)
    core.health.links["results"] = PosterLink(services.poster)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(services.roster.run(), name="participants")
            group.create_task(services.poster.run(), name="posting")
            group.create_task(_take_news(core, services), name="participants news")
            group.create_task(_learn_zone(core, services), name="race zone")
    finally:
        await provider.close()


async def _take_news(core: Core, services: Services) -> None:
    """Let results follow the participants; many changes at once are taken once."""
    while True:
        await core.entrants_news.wait()
        core.entrants_news.clear()
        before = dict(core.operations.entrants)
        await core.operations.entrants_changed()
        after = core.operations.entrants
        changed = [who for who, now in after.items() if before.get(who) != now]
        services.poster.note_changed([*changed, *(who for who in before if who not in after)])


async def _learn_zone(core: Core, services: Services) -> None:
    """Ask once for the race's zone, as long as it takes."""
    backoff = Backoff(2.0, 300.0)
    while core.config.bridge.timezone is None:
        try:
            zone = await services.provider.race_zone()
        except ProviderError:
            await core.clock.sleep(backoff.pause_s())
            continue
        if zone is not None:
            await core.learn_zone(zone)
        return
