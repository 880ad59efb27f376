"""The race on one box: store, timing, intake and operations put together."""

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson

from bridge.adapters.participants_file import ParticipantsFile
from bridge.adapters.store.opening import SqliteStore, open_store
from bridge.app.config import Config, Loaded
from bridge.app.health import Health
from bridge.app.intake import Intake
from bridge.app.link import ReaderState
from bridge.app.marker_guns import MarkerGuns
from bridge.app.operations import Operations
from bridge.app.payloads import crossing as crossing_payload
from bridge.app.people_file import PeopleFile
from bridge.app.ports import Clock
from bridge.app.redact import redact_url
from bridge.app.registry import Registry
from bridge.app.rulebook import rules_of
from bridge.app.sources import all_places, place_name
from bridge.app.standings import Standings
from bridge.app.supervise import Reader
from bridge.app.timing import Timing
from bridge.app.told import Herald
from bridge.app.zones import zone_mistake
from bridge.bootstrap.links import lasting_user, reader_of
from bridge.domain.ledger import Phase
from bridge.domain.results import Crossing
from bridge.domain.rules import ClockPolicy, ReaderRules, Rules

ZONE_NOTE = "race.zone"
BASES_NOTE = "host.bases"


@dataclass(frozen=True, slots=True)
class DataDisk:
    """Space in the data folder."""

    folder: Path

    def free_bytes(self) -> int:
        """Return the free space, 0 if it cannot be told."""
        try:
            return shutil.disk_usage(self.folder).free
        except OSError:
            return 0


@dataclass(slots=True)
class RaceZone:
    """The race's IANA zone as far as it is known."""

    name: str | None

    @property
    def info(self) -> ZoneInfo:
        """The zone texts for people are in: UTC while nobody knows better."""
        return ZoneInfo(self.name or "UTC")


@dataclass(slots=True)
class Core:
    """The race on this box: everything between the journal and the results, and no network."""

    config: Config
    clock: Clock
    store: SqliteStore
    drivers: Registry
    zone: RaceZone
    timing: Timing
    standings: Standings
    herald: Herald
    intake: Intake
    operations: Operations
    marker_guns: MarkerGuns
    health: Health
    readers: list[Reader]
    states: dict[str, ReaderState]
    notices: list[str]
    people: PeopleFile | None
    """Where participants come from, if it is a file."""
    on_zone: Callable[[ZoneInfo], None] = lambda _: None
    """Told when the race's zone becomes known."""
    on_import: list[Callable[[], None]] = field(default_factory=list)
    """Told when reads were taken in from an export."""
    entrants_news: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the participants on disk changed."""

    async def recall(self) -> None:
        """Bring the results up to the journal: at start, and whenever earlier times change."""
        await self.operations.entrants_changed()
        await self.intake.tell(self.timing.set_marks(self.store.marks()))
        emission = await self.timing.rebuild(self.standings)
        await self.intake.tell(emission)
        self.marker_guns.recall()
        if self.store.salvage_progress is None:  # else posted results might seem to be gone
            self.standings.complete()

    async def learn_zone(self, zone: str) -> None:
        """Take the race's zone from the provider; what was placed without it is placed anew."""
        if self.config.bridge.timezone is not None or zone == self.zone.name:
            return
        if (complaint := zone_mistake(zone)) is not None:
            text = (
                f"the results service names a zone we do not know: {complaint}; set bridge.timezone"
            )
            self.health.alarms.set("zone", text)
            return
        await self.store.put(ZONE_NOTE, orjson.dumps(zone).decode())
        self.zone.name = zone
        rules = rules_of(self.config, zone, self.drivers)
        self.timing.set_rules(rules, askable(rules, self.drivers, self.config))
        self.on_zone(self.zone.info)


def race_key(config: Config) -> str:
    """Return the name of the race's folder and of its topic level."""
    provider = config.provider
    if provider is None or provider.race_id is None:
        return "local"
    return str(provider.race_id)


def open_core(loaded: Loaded, drivers: Registry, clock: Clock) -> Core:
    """Open the race of a configuration.

    Raises:
        ConfigError: The configuration cannot work here.
        JournalError: The store cannot be opened.
    """
    config = loaded.config
    opened = open_store(
        config.bridge.data_dir,
        race_key(config),
        clock=clock,
        linger_s=config.bridge.commit_linger_ms / 1000,
    )
    store = opened.store
    zone = RaceZone(config.bridge.timezone or orjson.loads(store.get(ZONE_NOTE) or "null"))
    rules = rules_of(config, zone.name, drivers)
    standings = Standings()
    herald = Herald(standings)
    operations: Operations

    def render(found_crossing: Crossing, phase: Phase, seq: int) -> bytes:
        owner = found_crossing.registration_id
        entrant = operations.entrants.get(owner) if owner is not None else None
        return crossing_payload(
            found_crossing, phase._value_, seq, site=rules.site, entrant=entrant, zone=zone.info
        )

    timing = Timing(
        rules=rules,
        readers=askable(rules, drivers, config),
        store=store,
        clock=clock,
        render=render,
        bases=orjson.loads(store.get(BASES_NOTE) or "{}"),
    )
    marker_guns = MarkerGuns(lambda: timing.rules, store, lambda: timing.timebase, timing.waits)
    intake = Intake(
        store=store,
        timing=timing,
        clock=clock,
        places={t.name: (t.driver, t.location, redact_url(t.url)) for t in all_places(config)},
        outlet=herald,
        on_marker=lambda _reader, _marker, row: marker_guns.noted(row),
    )
    operations = Operations(
        rules=lambda: timing.rules,
        zone=lambda: zone.name,
        store=store,
        timing=timing,
        standings=standings,
        clock=clock,
        tell=intake.tell,
    )
    states = states_of(config)
    broker_user = lasting_user(loaded, store, race_key(config))
    health = Health(
        rules=lambda: timing.rules,
        clock=clock,
        store=store,
        timing=timing,
        standings=standings,
        readers=states,
        disk=DataDisk(config.bridge.data_dir),
        min_free_bytes=config.bridge.min_free_mb * 1_000_000,
    )
    return Core(
        config=config,
        clock=clock,
        store=store,
        drivers=drivers,
        zone=zone,
        timing=timing,
        standings=standings,
        herald=herald,
        intake=intake,
        operations=operations,
        marker_guns=marker_guns,
        health=health,
        readers=[
            reader_of(
                table,
                drivers.find(table.driver),
                loaded,
                broker_user,
                coalesce=rules.readers[table.name].clock is not ClockPolicy.ARRIVAL,
                paced=len(config.reader) > 1,
            )
            for table in config.reader
        ],
        states=states,
        notices=opened.notices,
        people=_people(config, timing, store, clock, operations, health),
    )


def _people(
    config: Config,
    timing: Timing,
    store: SqliteStore,
    clock: Clock,
    operations: Operations,
    health: Health,
) -> PeopleFile | None:
    provider = config.provider
    if provider is None or provider.kind != "file" or provider.participants_file is None:
        return None
    return PeopleFile(
        ParticipantsFile(provider.participants_file),
        every_s=provider.participants_every_s,
        rules=lambda: timing.rules,
        store=store,
        clock=clock,
        on_change=operations.entrants_changed,
        alarm=health.alarms.set,
    )


def askable(rules: Rules, drivers: Registry, config: Config) -> list[tuple[ReaderRules, bool]]:
    """Return each reader's rules and whether its clock can be asked."""
    return [
        (rules.readers[table.name], drivers.find(table.driver).can_tell_time)
        for table in all_places(config)
    ]


def states_of(config: Config) -> dict[str, ReaderState]:
    """Return the state of every reader, and of every place that one carries."""
    states = {
        table.name: ReaderState(table.name, table.location, table.driver, redact_url(table.url))
        for table in all_places(config)
    }
    for table in config.reader:
        places = tuple(states[place_name(table.name, unit)] for unit in table.sources)
        states[table.name].places = places
        for place in places:
            place.part = True
    return states
