"""What several keys of the configuration have to agree on.

Each check takes a `Draft`, so that one mistake does not hide the next: what could be read of a
faulty file is checked all the same.
"""

import difflib
import ipaddress
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from bridge.app.config import (
    BridgeTable,
    Config,
    EventTable,
    ForwardTable,
    LocationTable,
    MqttTable,
    ProviderTable,
    ReaderTable,
    Secrets,
    WebTable,
)
from bridge.app.config_course import event_mistakes
from bridge.app.config_forwards import forward_mistakes
from bridge.app.config_mistake import Loc, Mistake
from bridge.app.endpoint import listen_of
from bridge.app.reader_urls import url_mistake
from bridge.app.registry import Registry
from bridge.app.sources import places_of
from bridge.app.zones import zone_mistake
from bridge.driver_api import Driver
from bridge.errors import ConfigError

_SHA256_DIGITS = 64
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The tables that could be read, by their position in the file."""

    bridge: BridgeTable | None = None
    provider: ProviderTable | None = None
    event: Mapping[int, EventTable] = field(default_factory=dict)
    location: Mapping[int, LocationTable] = field(default_factory=dict)
    reader: Mapping[int, ReaderTable] = field(default_factory=dict)
    mqtt: MqttTable | None = None
    web: WebTable | None = None
    forward: Mapping[int, ForwardTable] = field(default_factory=dict)
    whole: bool = True
    """False: keys are missing, so that what is named elsewhere may be among them."""


def draft_of(config: Config) -> Draft:
    """Return the draft of a configuration that could be read as a whole."""
    return Draft(
        bridge=config.bridge,
        provider=config.provider,
        event=dict(enumerate(config.event)),
        location=dict(enumerate(config.location)),
        reader=dict(enumerate(config.reader)),
        mqtt=config.mqtt,
        web=config.web,
        forward=dict(enumerate(config.forward)),
    )


def cross_check(draft: Draft, drivers: Registry) -> list[Mistake]:
    """Return what contradicts itself or cannot be found."""
    return [
        *_bridge(draft),
        *_provider(draft),
        *_events(draft),
        *_locations(draft),
        *_readers(draft, drivers),
        *_mqtt(draft),
        *_web(draft),
        *_forwards(draft, drivers),
    ]


def unprotected(web: WebTable | None, secrets: Secrets) -> list[Mistake]:
    """Return the mistake of serving pages to the network without a token."""
    if web is None or secrets.web_token is not None:
        return []
    try:
        host, _ = listen_of(web.listen)
    except ValueError:
        return []
    if _is_loopback(host):
        return []
    text = (
        "lets the network in, so a token is required: set CHIP_BRIDGE_WEB_TOKEN or the secret "
        "file web_token, or listen on 127.0.0.1"
    )
    return [Mistake(("web", "listen"), text)]


def near(word: object, known: Iterable[str]) -> str:
    """Return a hint at the nearest of the `known` words, or the list of them."""
    words = sorted(set(known))
    if found := difflib.get_close_matches(str(word), words, n=1):
        return f"did you mean {found[0]!r}?"
    return f"there are: {', '.join(words)}" if words else "there are none"


def _bridge(draft: Draft) -> Iterator[Mistake]:
    if draft.bridge and (complaint := zone_mistake(draft.bridge.timezone)):
        yield Mistake(("bridge", "timezone"), complaint)


def _provider(draft: Draft) -> Iterator[Mistake]:
    provider = draft.provider
    if provider is None:
        return
    given = provider.given
    if provider.kind == "raceentry":
        text = (
            "RaceEntry is not supported by this version; use 'runsignup', or 'file' with "
            "participants exported from RaceEntry"
        )
        yield Mistake(("provider", "kind"), text)
    if provider.kind == "runsignup":
        if provider.race_id is None:
            yield Mistake(("provider", "race_id"), "is required: the race's number at RunSignup")
        if "participants_file" in given:
            yield Mistake(("provider", "participants_file"), "belongs to kind = 'file' only")
    if provider.kind == "file":
        if provider.participants_file is None:
            yield Mistake(("provider", "participants_file"), "is required with kind = 'file'")
        for key in sorted(given & {"base_url", "auth", "post"}):
            yield Mistake(("provider", key), "has no meaning with kind = 'file'; remove it")
    yield from _reaching(provider)


def _reaching(provider: ProviderTable) -> Iterator[Mistake]:
    if provider.auth in {"login", "oauth2"}:
        text = "is not supported by this version; use 'api_v2', 'api_key' or 'super_partner'"
        yield Mistake(("provider", "auth"), text)
    if provider.base_url is not None and (complaint := _base_url(provider.base_url)):
        yield Mistake(("provider", "base_url"), complaint)


def _base_url(url: str) -> str | None:
    parts = _split(url)
    if parts is None or parts.scheme not in ("https", "http") or not parts.hostname:
        return "must be https://HOST/PATH"
    if parts.username or parts.password:
        return "must not hold a user or password; those are secrets"
    if parts.scheme == "http" and not _is_private(parts.hostname):
        return "must be https: over http anybody on the way can read the credentials"
    return None


def _events(draft: Draft) -> Iterator[Mistake]:
    yield from _twice("event", draft.event, "id", lambda event: event.id)
    yield from _twice("event", draft.event, "name", lambda event: event.name.casefold())
    zone = draft.bridge.timezone if draft.bridge else None
    asked = draft.provider is not None and draft.provider.kind == "runsignup"
    for position, event in draft.event.items():
        for loc, text in event_mistakes(event, zone=zone, zone_will_come=asked):
            yield Mistake(("event", position, *loc), text)


def _locations(draft: Draft) -> Iterator[Mistake]:
    yield from _twice("location", draft.location, "name", lambda location: location.name)
    known = {point.location for event in draft.event.values() for point in event.course}
    known |= {place.location for reader in draft.reader.values() for place in places_of(reader)}
    for position, location in draft.location.items():
        if draft.whole and location.name not in known:
            text = f"{location.name!r} is on no course and has no reader; "
            yield Mistake(("location", position, "name"), text + near(location.name, known))
        if location.stray_s < location.quiet_s:
            text = f"must not be below quiet_s = {location.quiet_s:g}"
            yield Mistake(("location", position, "stray_s"), text)


def _readers(draft: Draft, drivers: Registry) -> Iterator[Mistake]:
    yield from _twice("reader", draft.reader, "name", lambda reader: reader.name)
    yield from _twice("reader", draft.reader, "url", lambda reader: reader.url.lower())
    events = {event.id for event in draft.event.values()}
    for position, reader in draft.reader.items():
        for loc, text in _reader(reader, drivers):
            yield Mistake(("reader", position, *loc), text)
        for place, event_id in enumerate(reader.gun_for):
            if draft.whole and event_id not in events:
                text = f"{event_id} is no event; {near(event_id, map(str, events))}"
                yield Mistake(("reader", position, "gun_for", place), text)


def _reader(reader: ReaderTable, drivers: Registry) -> Iterator[tuple[Loc, str]]:
    if complaint := zone_mistake(reader.timezone):
        yield ("timezone",), complaint
    driver: Driver | None = None
    try:
        driver = drivers.find(reader.driver)
    except ConfigError as error:
        yield ("driver",), str(error)
    if complaint := url_mistake(reader.url, driver):
        yield ("url",), complaint
    if reader.tls_fingerprint is not None and (complaint := _fingerprint(reader)):
        yield ("tls_fingerprint",), complaint
    for complaint in driver.check_options(reader.options) if driver else ():
        yield ("options",), complaint


def _fingerprint(reader: ReaderTable) -> str | None:
    if not reader.url.startswith(("tls:", "https:", "mqtts:")):
        return "has a meaning only with tls://, https:// or mqtts://; remove it"
    if len((reader.tls_fingerprint or "").replace(":", "")) != _SHA256_DIGITS:
        return "must be the SHA-256 of the reader's certificate: 64 hex digits"
    return None


def _mqtt(draft: Draft) -> Iterator[Mistake]:
    mqtt = draft.mqtt
    if mqtt is None:
        return
    if complaint := _broker(mqtt.url):
        yield Mistake(("mqtt", "url"), complaint)
    if mqtt.url != "embedded" and "listen" in mqtt.given:
        yield Mistake(("mqtt", "listen"), "has a meaning only with url = 'embedded'; remove it")
    elif complaint := _listen(mqtt.listen):
        yield Mistake(("mqtt", "listen"), complaint)
    if mqtt.ca_file is not None and not mqtt.url.startswith(("mqtts:", "wss:")):
        yield Mistake(("mqtt", "ca_file"), "has a meaning only with mqtts:// or wss://; remove it")


def _broker(url: str) -> str | None:
    if url == "embedded":
        return None
    parts = _split(url)
    schemes = ("mqtt", "mqtts", "ws", "wss")
    if parts is None or parts.scheme not in schemes or not parts.hostname:
        return "must be mqtt://HOST:PORT, mqtts://, ws://, wss:// or 'embedded'"
    if parts.username or parts.password:
        return (
            "must not hold a user or password: set CHIP_BRIDGE_MQTT_USERNAME and "
            "CHIP_BRIDGE_MQTT_PASSWORD or the secret files mqtt_username and mqtt_password"
        )
    return None


def _web(draft: Draft) -> Iterator[Mistake]:
    if draft.web and (complaint := _listen(draft.web.listen)):
        yield Mistake(("web", "listen"), complaint)


def _forwards(draft: Draft, drivers: Registry) -> Iterator[Mistake]:
    named = draft.forward
    yield from _twice("forward", named, "name", lambda forward: forward.name or forward.driver)
    listening = {n: forward for n, forward in named.items() if forward.listen is not None}
    yield from _twice("forward", listening, "listen", lambda forward: forward.listen)
    own = {place.location for reader in draft.reader.values() for place in places_of(reader)}
    for position, forward in named.items():
        for key, text in forward_mistakes(forward, own if draft.whole else None, drivers):
            yield Mistake(("forward", position, key), text)


def _listen(text: str) -> str | None:
    try:
        listen_of(text)
    except ValueError as error:
        return str(error)
    return None


def _twice(
    table: str, items: Mapping[int, T], key: str, value_of: Callable[[T], Hashable]
) -> Iterator[Mistake]:
    seen: dict[Hashable, int] = {}
    for position, item in items.items():
        value = value_of(item)
        if value in seen:
            text = f"is the same as in [[{table}]] number {seen[value] + 1}; each needs its own"
            yield Mistake((table, position, key), text)
        seen.setdefault(value, position)


def _split(url: str) -> SplitResult | None:
    """Return the parts of a URL whose host and port can be read."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 -- raises where the port is no number
    except ValueError:
        return None
    return parts


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_private(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return _is_loopback(host)
