"""Readers behind a real mosquitto: nothing acknowledged before it is durable, nothing lost."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import aiomqtt
import pytest

from bridge.adapters.mqtt_inbox import MqttInbox, MqttTransport
from bridge.adapters.mqtt_wire import Address, Identity
from bridge.adapters.tls import context_of, fingerprint_of
from bridge.errors import LinkError
from tests.support.certificates import Certificate, made_by_itself
from tests.support.mosquitto import Mosquitto, free_port, mosquitto
from tests.support.store import until

TOPIC = "readers/+/tags"
RIGHT = "chips-and-mats"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as made:
        yield made


def inbox(broker: Mosquitto, topic: str = TOPIC, password: str | None = None) -> MqttInbox:
    async def identity() -> Identity:
        user = "reader" if password else None
        return Identity(client_id="box-1", username=user, password=password)

    return MqttInbox(Address(host="127.0.0.1", port=broker.port), topic, identity)


async def publish(broker: Mosquitto, *payloads: str, retain: bool = False) -> None:
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        for payload in payloads:
            await client.publish("readers/fx9600/tags", payload, qos=1, retain=retain)


async def got(transport: MqttTransport, text: bytes) -> None:
    data = b""
    async with asyncio.timeout(10):
        while data != text:
            data += await transport.read()
            assert text.startswith(data)


async def test_each_message_is_a_line(broker: Mosquitto) -> None:
    transport = await inbox(broker).connect()
    await publish(broker, "one", "", "two")
    await got(transport, b"one\n\ntwo\n")
    transport.settled(9)
    transport.close()
    assert await transport.read() == b""


async def test_what_is_not_durable_comes_again_and_what_is_does_not(broker: Mosquitto) -> None:
    reader = inbox(broker)
    first = await reader.connect()
    await publish(broker, "one", "two", "three")
    await got(first, b"one\ntwo\nthree\n")
    first.settled(7)  # not quite the end of the second
    first.settled(8)
    await until(lambda: broker.log.count("Received PUBACK from box-1") == 2)
    first.close()
    await publish(broker, "four")
    second = await reader.connect()
    await got(second, b"three\nfour\n")
    second.settled(11)
    await until(lambda: broker.log.count("Received PUBACK from box-1") == 4)
    second.close()
    third = await reader.connect()
    await publish(broker, "five")
    await got(third, b"five\n")
    third.close()


async def test_a_retained_message_is_old_news(broker: Mosquitto) -> None:
    await publish(broker, "kept from last year", retain=True)
    transport = await inbox(broker).connect()
    await publish(broker, "now")
    await got(transport, b"now\n")
    transport.close()


async def test_a_broker_that_dies_ends_the_link(broker: Mosquitto) -> None:
    reader = inbox(broker)
    transport = await reader.connect()
    broker.stop()
    with pytest.raises(LinkError, match="the broker ended the connection"):
        async with asyncio.timeout(10):
            await transport.read()
    transport.settled(100)
    transport.close()
    with pytest.raises(LinkError, match="no connection to the broker"):
        await reader.connect()
    broker.start()
    again = await reader.connect()
    await publish(broker, "back")
    await got(again, b"back\n")
    again.close()


async def test_a_flood_waits_at_the_broker(broker: Mosquitto) -> None:
    transport = await inbox(broker).connect()
    await publish(broker, *(f"{number:03d}" for number in range(100)))
    data = b""
    while len(data) < 400:
        data += await transport.read()
        transport.settled(len(data))
    assert data.split() == [b"%03d" % number for number in range(100)]
    transport.close()


@pytest.fixture
def users(tmp_path: Path) -> Path:
    file = tmp_path / "users"
    subprocess.run(["mosquitto_passwd", "-c", "-b", str(file), "reader", RIGHT], check=True)
    file.chmod(0o600)
    return file


async def test_a_login_that_fails_says_what_to_set(tmp_path: Path, users: Path) -> None:
    with mosquitto(tmp_path, f"allow_anonymous false\npassword_file {users}\n") as broker:
        with pytest.raises(LinkError, match="set mqtt_username and mqtt_password"):
            await inbox(broker, password=RIGHT[::-1]).connect()
        (await inbox(broker, password=RIGHT).connect()).close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return made_by_itself(tmp_path_factory.mktemp("tls"))


async def test_tls_pinned_to_the_broker_s_own_certificate(
    tmp_path: Path, certificate: Certificate
) -> None:
    port = free_port()
    listener = f"listener {port} 127.0.0.1\ncertfile {certificate.file}\nkeyfile {certificate.key}"

    async def identity() -> Identity:
        return Identity(client_id="box-1")

    def reader(fingerprint: str | None) -> MqttInbox:
        address = Address(
            host="127.0.0.1",
            port=port,
            tls=context_of(fingerprint),
            pinned=fingerprint is not None,
        )
        return MqttInbox(address, TOPIC, identity, fingerprint=fingerprint)

    with mosquitto(tmp_path, listener=listener) as broker:
        with pytest.raises(LinkError, match=f'tls_fingerprint = "{certificate.fingerprint}"'):
            await reader(None).connect()
        with pytest.raises(LinkError, match=f"another certificate.*{certificate.fingerprint}"):
            await reader("00" * 32).connect()
        transport = await reader(certificate.fingerprint).connect()
        await publish(broker, "secret")
        await got(transport, b"secret\n")
        transport.close()


async def test_nothing_can_be_said_or_dialled(broker: Mosquitto) -> None:
    reader = inbox(broker)
    with pytest.raises(LinkError, match="through a broker"):
        await reader.dial(9999)
    transport = await reader.connect()
    with pytest.raises(LinkError, match="through a broker"):
        await transport.write(b"hello")
    transport.close()
    reader.close()


def test_no_certificate_has_a_fingerprint_too() -> None:
    assert len(fingerprint_of(None)) == 64
