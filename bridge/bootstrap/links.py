"""From a reader's URL to what opens its link, and to the reader as it is run."""

import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from bridge.adapters.file_follower import FileFollower
from bridge.adapters.gpio import GpioPort
from bridge.adapters.serial_port import SerialPort
from bridge.adapters.tcp import TcpDialler, TcpListener
from bridge.app.config import Loaded, ReaderTable
from bridge.app.endpoint import (
    Endpoint,
    FileEndpoint,
    GpioEndpoint,
    ListenEndpoint,
    MqttEndpoint,
    SerialEndpoint,
    TcpEndpoint,
    endpoint_of,
)
from bridge.app.pace import Pace
from bridge.app.ports import Notes
from bridge.app.supervise import Connector, Reader
from bridge.driver_api import Driver, ListenLink, MqttLink, SerialLink, TcpLink

if TYPE_CHECKING:
    from bridge.adapters.mqtt_wire import Identity

_NO_BUFFER = frozenset({"serial", "gpio"})
"""Links that lose what is not read at once."""
BrokerUser = Callable[[str, str | None], "Awaitable[Identity]"]
"""(reader, its password) -> who we are at the broker of that reader."""


def reader_of(
    table: ReaderTable,
    driver: Driver,
    loaded: Loaded,
    broker_user: BrokerUser,
    *,
    coalesce: bool = True,
    paced: bool = False,
) -> Reader:
    """Return a reader ready to be run or tried; `paced` where others share the box with it."""
    secret = loaded.reader_passwords.get(table.name)
    password = secret.get_secret_value() if secret else None
    endpoint = endpoint_of(table.url)
    target = getattr(endpoint, "target", "")
    if isinstance(endpoint, MqttEndpoint):
        target = endpoint.topic or _topic(driver)
    link, connector = _opened(endpoint, table, driver, partial(broker_user, table.name, password))
    return Reader(
        name=table.name,
        location=table.location,
        driver=driver,
        link=link,
        options=table.options,
        connector=connector,
        coalesce=coalesce,
        many=isinstance(endpoint, ListenEndpoint) and _many(endpoint, driver),
        host=getattr(endpoint, "host", ""),
        target=target,
        password=password,
        pace=Pace() if paced and link not in _NO_BUFFER else None,
        sources=tuple(table.sources),
    )


def _opened(
    endpoint: Endpoint,
    table: ReaderTable,
    driver: Driver,
    user: "Callable[[], Awaitable[Identity]]",
) -> tuple[str, Connector]:
    """Return (kind of link, as in `Opening.link`; what opens it)."""
    match endpoint:
        case TcpEndpoint(host, port, tls):
            usual = _usual_port(driver)
            fingerprint = table.tls_fingerprint
            return "tcp", TcpDialler(host, port, usual, tls=tls, fingerprint=fingerprint)
        case ListenEndpoint(host, port):
            return "tcp-listen", TcpListener(host, port, many=_many(endpoint, driver))
        case SerialEndpoint():
            return "serial", _serial(endpoint, driver)
        case MqttEndpoint():
            topic = endpoint.topic or _topic(driver)
            return "mqtt", _inbox(endpoint, topic, user, table.tls_fingerprint)
        case FileEndpoint(path, folder):
            return "file", FileFollower(path, folder=folder)
        case GpioEndpoint():
            return "gpio", GpioPort(endpoint)


def _usual_port(driver: Driver) -> int | None:
    return next((link.port for link in driver.links if isinstance(link, TcpLink)), None)


def _many(endpoint: ListenEndpoint, driver: Driver) -> bool:
    """Say whether connections stand side by side: for each request one, or as readers do it."""
    usual = any(isinstance(link, ListenLink) and link.many for link in driver.links)
    return endpoint.http or usual


def _serial(endpoint: SerialEndpoint, driver: Driver) -> SerialPort:
    usual = next((link for link in driver.links if isinstance(link, SerialLink)), SerialLink(9600))
    return SerialPort(endpoint.path, baud=endpoint.baud or usual.baud, dtr=usual.dtr)


def _topic(driver: Driver) -> str:
    return next((link.topic for link in driver.links if isinstance(link, MqttLink)), "")


def _inbox(
    endpoint: MqttEndpoint,
    topic: str,
    user: "Callable[[], Awaitable[Identity]]",
    fingerprint: str | None,
) -> Connector:
    from bridge.adapters.mqtt_inbox import MqttInbox  # noqa: PLC0415 - heavy
    from bridge.adapters.mqtt_wire import Address  # noqa: PLC0415
    from bridge.adapters.tls import context_of  # noqa: PLC0415

    address = Address(
        host=endpoint.host,
        port=endpoint.port,
        tls=context_of(fingerprint) if endpoint.tls else None,
        pinned=fingerprint is not None,
    )
    return MqttInbox(address, topic, user, fingerprint=fingerprint)


def lasting_user(loaded: Loaded, notes: Notes, race: str) -> BrokerUser:
    """Return who we are at brokers while we serve: their sessions outlive us."""

    async def user(reader: str, password: str | None) -> "Identity":
        from bridge.adapters.mqtt_link import client_id  # noqa: PLC0415 - heavy

        box = await client_id(notes, race, loaded.config.bridge.site)
        return _identity(loaded, f"{box}-{reader}", password, persistent=True)

    return user


def passing_user(loaded: Loaded) -> BrokerUser:
    """Return who we are for a moment: nothing that waits for the service is taken from it."""

    async def user(reader: str, password: str | None) -> "Identity":
        name = f"chip-bridge-check-{reader}-{secrets.token_hex(4)}"
        return _identity(loaded, name, password, persistent=False)

    return user


def _identity(loaded: Loaded, name: str, password: str | None, *, persistent: bool) -> "Identity":
    from bridge.adapters.mqtt_wire import Identity  # noqa: PLC0415 - heavy

    user, common = loaded.secrets.mqtt_username, loaded.secrets.mqtt_password
    return Identity(
        client_id=name,
        username=user.get_secret_value() if user else None,
        password=password or (common.get_secret_value() if common else None),
        persistent=persistent,
    )
