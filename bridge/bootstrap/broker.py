"""The MQTT side of the configuration: feed, sharing, requests, and the embedded broker."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import orjson

from bridge.adapters.embedded_broker import EmbeddedBroker
from bridge.adapters.mqtt_link import MqttLink, address_of, client_id
from bridge.adapters.mqtt_wire import Identity
from bridge.app.actions import Actions
from bridge.app.board import Board, next_run
from bridge.app.broker import Service, Topics
from bridge.app.config import Loaded, MqttTable
from bridge.app.feed import Feed
from bridge.app.guns import Gun, GunBook
from bridge.app.health import Json
from bridge.app.marker_guns import foreign_gun
from bridge.app.payloads import read as read_payload
from bridge.app.ports import EventRow
from bridge.app.requests import Handler, Requests, crossings_handler
from bridge.app.share import Share
from bridge.bootstrap.core import Core, race_key
from bridge.domain.marks import Mark
from bridge.domain.results import RemoteCrossing


@dataclass(slots=True)
class Broker:
    """Everything that talks to the broker; `run` is the stage."""

    topics: Topics
    board: Board
    feed: Feed
    share: Share | None
    services: Sequence[Service]
    table: MqttTable
    loaded: Loaded


async def make_broker(loaded: Loaded, core: Core, actions: Actions) -> Broker:
    """Return the MQTT side of this box, not yet connected."""
    table = loaded.config.mqtt
    if table is None:
        raise ValueError("no [mqtt]")
    rules = core.timing.rules
    topics = Topics(f"{table.base_topic}/{race_key(core.config)}", rules.site)
    own = {topics.health: partial(_health, core)}
    for name in core.states:
        own[topics.reader(name)] = partial(_reader, core, name)
    board = Board(
        rules=rules,
        race=core.standings,
        roster=lambda: core.operations.entrants,
        owner=core.timing.owner,
        zone=core.zone.info,
        own=own,
        run=await next_run(core.store),
    )
    core.on_zone = partial(setattr, board, "zone")
    alarm = core.health.alarms.set
    feed = Feed(
        topics=topics,
        store=core.store,
        notes=core.store,
        content=board,
        clock=core.clock,
        alarm=alarm,
    )
    requests = Requests(topics, _handlers(core, actions, feed))
    services: list[Service] = [feed, requests]
    share: Share | None = None
    if table.share_crossings:
        share = _share(core, topics, board, feed)
        services.append(share)
        core.operations.on_gun = partial(_tell_gun, share)
    if table.publish_reads:
        core.intake.on_reads.append(partial(_publish_reads, core, feed))
    core.herald.feed = feed
    for reader in core.readers:
        if reader.pace is not None:
            reader.pace.crowded = lambda: feed.crowded
    core.herald.touched_by = board.touched_by
    board.observe_remote(core.store.remote())
    return Broker(topics, board, feed, share, services, table, loaded)


def _share(core: Core, topics: Topics, board: Board, feed: Feed) -> Share:
    def on_remote(crossings: Sequence[RemoteCrossing]) -> None:
        core.intake.tell(core.timing.remote(crossings))
        for key in board.observe_remote(crossings):
            feed.touch(key)

    return Share(
        topics=topics,
        store=core.store,
        own=core.store,
        guns=GunBook(core.store),
        on_remote=on_remote,
        clock=core.clock,
        alarm=core.health.alarms.set,
    )


def _publish_reads(core: Core, feed: Feed, rows: Sequence[EventRow]) -> None:
    site, readers, zone = core.timing.rules.site, core.timing.rules.readers, core.zone.info
    feed.offer_reads(
        (
            readers[read.reader].location,
            read_payload(
                site=site,
                location=readers[read.reader].location,
                reader=read.reader,
                chip=read.chip,
                at_ns=read.at,
                antenna=read.antenna,
                rssi=read.rssi,
                zone=zone,
            ),
        )
        for read in core.timing.timebase.timed(rows)
    )


def _handlers(core: Core, actions: Actions, feed: Feed) -> Mapping[str, Handler]:
    handlers: dict[str, Handler] = {}
    for action in actions.values():
        if action.mqtt:
            handlers[action.name] = partial(_act, core, action.name, actions)
    handlers["crossings"] = crossings_handler(core.store, lambda: feed.last_seq)
    return handlers


async def _act(
    core: Core, name: str, actions: Actions, request: dict[str, object]
) -> Mapping[str, object]:
    if name == "gun" and "origin" in request:
        return await foreign_gun(request, core.store, core.operations)
    body = {key: value for key, value in request.items() if key not in {"id", "author"}}
    author = f"mqtt:{request.get('author', 'unknown')}"
    result = await actions[name].handler(body, author)
    return result if isinstance(result, dict) else {"rows": result}


async def _tell_gun(share: Share, mark: Mark) -> None:
    if mark.event_id is None or mark.author.startswith("site:"):
        return
    await share.tell_gun(
        Gun(
            mark_id=mark.id,
            event_id=mark.event_id,
            wave=mark.wave,
            at_ns=mark.at if mark.at is not None else mark.made_at,
            made_at_ns=mark.made_at,
            author=mark.author,
            undo=mark.undone,
        )
    )


def _health(core: Core) -> bytes:
    return orjson.dumps(core.health.status(), default=str)


def _reader(core: Core, name: str) -> bytes:
    return orjson.dumps(core.health.reader(name), default=str)


async def run_broker(broker: Broker, core: Core) -> None:
    """Stay connected to the broker for ever; start the embedded one first where it is asked for."""
    table = broker.table
    async with asyncio.TaskGroup() as group:
        url = table.url
        ours = url == "embedded"
        if ours:
            embedded = EmbeddedBroker(table.listen, core.clock)
            url = embedded.url
            group.create_task(embedded.run(), name="embedded broker")
        secrets = broker.loaded.secrets
        user, password = secrets.mqtt_username, secrets.mqtt_password
        link = MqttLink(
            address_of(url, table.ca_file),
            Identity(
                client_id=await client_id(core.store, race_key(core.config), broker.topics.site),
                username=user.get_secret_value() if user else None,
                password=password.get_secret_value() if password else None,
                persistent=table.share_crossings,
            ),
            broker.topics,
            broker.services,
            clock=core.clock,
            alarm=core.health.alarms.set,
            v5=not ours,  # amqtt does not even refuse MQTT 5: it says nothing
        )
        core.health.links["broker"] = BrokerLink(link, broker.feed)
        await link.run()  # cancelled before the group's tasks: our goodbye finds the broker there


@dataclass(slots=True)
class BrokerLink:
    """The broker as `Health` shows it."""

    link: MqttLink
    feed: Feed

    def words(self) -> str:
        """Return its state in one line."""
        status, gauge = self.link.status(), self.feed.gauge()
        text = status.state
        if status.protocol:
            text += f", MQTT {status.protocol}"
        if gauge.queued:
            text += f", {gauge.queued} crossings waiting"
        return f"{text}; {status.error}" if status.error and status.state != "connected" else text

    def facts(self) -> Json:
        """Return its state in numbers."""
        gauge = self.feed.gauge()
        return {
            "connected": int(self.link.status().state == "connected"),
            "queued": gauge.queued,
            "lag_ms": gauge.lag_ms,
            "acked_seq": self.feed.acked_seq,
        }
