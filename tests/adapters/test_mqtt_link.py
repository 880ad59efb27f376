"""One box on a real mosquitto: what is told, and what happens when the broker goes away."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from bridge.adapters.mqtt_link import address_of, client_id
from bridge.adapters.mqtt_wire import _reason
from bridge.errors import ConfigError
from tests.support.mosquitto import OPEN, Mosquitto, free_port, mosquitto
from tests.support.mqtt_race import Memory, Texts, running, until
from tests.support.mqtt_site import BASE, Site, onlooker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as running_broker:
        yield running_broker


async def test_topics_and_payloads(broker: Mosquitto) -> None:
    texts = Texts(
        **{"leaderboard/1": b"L", "result/1/2": b"R", "bridge/mat-a/health": b"H"},
    )
    async with onlooker(broker.port) as seen, Site(broker.url, texts=texts).up() as site:
        site.cross(2)
        site.feed.offer_reads([("finish", b"read")])
        await until(
            lambda: seen.last("read/finish") == b"read" and seen.last("crossing/finish/last")
        )

        assert seen.seqs() == [1, 2]
        assert seen.last("bridge/mat-a/state") == b"online"
        assert seen.last("crossing/finish/last") == site.memory.log[1].payload
        assert seen.last("crossing/finish") == site.memory.log[1].payload
        assert seen.last("leaderboard/1") == b"L"
        assert seen.last("result/1/2") == b"R"
        assert seen.last("bridge/mat-a/health") == b"H"
        assert site.link.status().protocol == "5"

    async with onlooker(broker.port) as later:
        await until(lambda: len(later.heard) == 5)

        assert {one.topic.removeprefix(f"{BASE}/"): one.payload for one in later.heard} == {
            "bridge/mat-a/state": b"offline",
            "bridge/mat-a/health": b"H",
            "crossing/finish/last": site.memory.log[1].payload,
            "leaderboard/1": b"L",
            "result/1/2": b"R",
        }
        assert all(one.retain for one in later.heard)


async def test_a_withdrawn_result_is_gone_from_the_broker(broker: Mosquitto) -> None:
    texts = Texts(**{"result/1/2": b"R", "result/1/3": b"S"})
    async with onlooker(broker.port) as seen, Site(broker.url, texts=texts).up() as site:
        await until(lambda: seen.last("result/1/3"))
        del texts.content["result/1/2"]
        site.feed.touch("result/1/2")
        await until(lambda: seen.last("result/1/2") == b"")

    async with onlooker(broker.port, f"{BASE}/result/#") as later:
        await until(lambda: later.heard)

        assert [one.topic for one in later.heard] == [f"{BASE}/result/1/3"]


async def test_a_killed_box_is_offline_by_its_last_will(broker: Mosquitto) -> None:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.mqtt_child", broker.url),
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": "."},
    )
    try:
        async with onlooker(broker.port) as seen:
            await until(lambda: seen.last("bridge/mat-x/state") == b"online")
            child.send_signal(signal.SIGKILL)
            await until(lambda: seen.last("bridge/mat-x/state") == b"offline")
    finally:
        await child.wait()


async def test_all_retained_comes_back_after_the_broker_forgot_it(broker: Mosquitto) -> None:
    texts = Texts(**{f"result/1/{number}": b"%d" % number for number in range(300)})
    async with Site(broker.url, texts=texts).up() as site:
        site.cross(1)
        await site.drained()
        broker.stop()
        await until(lambda: site.link.status().state != "connected")
        broker.start()
        await site.connected()
        async with onlooker(broker.port) as seen:
            await until(lambda: len({one.topic for one in seen.heard}) == 302)

            assert seen.last("result/1/299") == b"299"
            assert seen.last("crossing/finish/last") == site.memory.log[0].payload
            assert seen.last("bridge/mat-a/state") == b"online"


async def test_three_thousand_crossings_without_a_broker_arrive_in_order(tmp_path: Path) -> None:
    settings = f"{OPEN}persistence true\npersistence_location {tmp_path}/\n"
    with mosquitto(tmp_path, settings) as broker:
        async with Site(broker.url).up() as site:
            async with onlooker(broker.port, f"{BASE}/crossing/+", client_id="screen") as seen:
                site.cross(100)
                await until(lambda: len(seen.seqs()) == 100)
            broker.stop()
            for _ in range(30):
                site.cross(100)
            assert site.feed.gauge().queued >= 3_000
            broker.start()
            async with onlooker(broker.port, f"{BASE}/crossing/+", client_id="screen") as seen_on:
                await until(lambda: seen_on.seqs() and seen_on.seqs()[-1] == 3_100, 60)
                await site.drained()
                first_time = list(dict.fromkeys([*seen.seqs(), *seen_on.seqs()]))

                assert first_time == list(range(1, 3_101))
                assert site.feed.gauge().queued == 0


async def test_nothing_is_lost_when_the_broker_dies_in_the_flood(broker: Mosquitto) -> None:
    async with Site(broker.url).up() as site:
        acked = []
        for _ in range(3):
            site.cross(3_000)
            before = site.feed.acked_seq
            await until(lambda: site.feed.acked_seq > before + 100)  # noqa: B023
            broker.stop()
            acked.append(site.feed.acked_seq)
            broker.start()
            await site.connected()
        async with onlooker(broker.port, f"{BASE}/crossing/+") as seen:
            site.cross(1)
            await until(lambda: seen.seqs() and seen.seqs()[-1] == 9_001, 60)
            await site.drained()

        assert acked == sorted(acked)
        first_time = list(dict.fromkeys(seen.seqs()))
        assert first_time == list(range(first_time[0], 9_002))


async def test_a_restarted_box_continues_where_it_was(broker: Mosquitto) -> None:
    memory = Memory()
    async with onlooker(broker.port, f"{BASE}/crossing/+") as seen:
        async with Site(broker.url, memory=memory).up() as site:
            site.cross(50)
            await site.drained()
            await site.feed.save()
        memory.record(10)
        async with Site(broker.url, memory=memory).up() as again:
            await again.drained()
        await until(lambda: len(seen.seqs()) >= 60)

        assert seen.seqs() == list(range(1, 61))


async def test_a_frozen_broker_is_noticed_and_survived(broker: Mosquitto) -> None:
    async with Site(broker.url).up() as site:
        site.cross(5)
        await site.drained()
        broker.freeze()
        began = time.perf_counter()
        site.cross(5)
        await until(lambda: site.link.status().state != "connected", 20)

        assert time.perf_counter() - began <= 15
        assert "No connection to the broker" in (site.link.status().error or "")

        broker.thaw()
        await site.connected()
        await site.drained()


async def test_stopping_while_the_broker_is_frozen_takes_seconds(broker: Mosquitto) -> None:
    async with Site(broker.url).up():
        broker.freeze()
        began = time.perf_counter()
    assert time.perf_counter() - began < 5


async def test_stopping_while_connecting_to_a_frozen_broker(broker: Mosquitto) -> None:
    broker.freeze()
    site = Site(broker.url)
    began = time.perf_counter()
    async with running(site.link.run()):
        await until(lambda: broker_has_a_caller(broker.port))
    assert time.perf_counter() - began < 10


def broker_has_a_caller(port: int) -> bool:
    """Look whether a TCP connection to this port is established."""
    hexed = f":{port:04X}"
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[2].endswith(hexed) and row[3] == "01" for row in rows)


async def test_no_broker_at_all_is_waited_for() -> None:
    site = Site(f"mqtt://127.0.0.1:{free_port()}")
    async with running(site.link.run()):
        await until(lambda: site.link.status().error)

        assert "refused" in (site.link.status().error or "")
        site.cross(1)
        assert site.feed.gauge().queued == 1


async def test_bad_credentials_are_told_and_tried_slowly(tmp_path: Path) -> None:
    secret = "hunter2hunter2"  # noqa: S105
    with protected(tmp_path) as broker:
        site = Site(broker.url, username="bridge-finish-a", password=secret)
        async with running(site.link.run()):
            await until(lambda: site.alarms.on)

            assert "mqtt_password" in site.alarms.on["mqtt_login"]
            assert site.link.status().state == "waiting"
            assert secret not in site.alarms.on["mqtt_login"] + str(site.link.status())

        good = Site(broker.url, username="bridge-finish-a", password="secret")  # noqa: S106
        async with good.up():
            assert not good.alarms.on


@contextlib.contextmanager
def protected(folder: Path) -> Iterator[Mosquitto]:
    """A broker with the example settings and ACL, and a password for each of its users."""
    passwords = folder / "passwd"
    passwords.touch()
    for user in ("display", "bridge-finish-a", "official"):
        subprocess.run(["mosquitto_passwd", "-b", passwords, user, "secret"], check=True)
    config = Path(__file__).parents[2] / "config"
    settings = (config / "mosquitto.example.conf").read_text()
    here = {
        "listener 1883\n": "",
        "/etc/mosquitto/passwd\n": f"{passwords}\n",
        "/etc/mosquitto/chip-bridge.acl": str(config / "mosquitto-acl.example"),
        "/var/lib/mosquitto/": f"{folder}/",
    }
    for there, path in here.items():
        assert there in settings
        settings = settings.replace(there, path)
    with mosquitto(folder, settings) as broker:
        yield broker


async def vandalise(port: int, topic: str) -> None:
    where = ("-h", "127.0.0.1", "-p", str(port), "-u", "display", "-P", "secret", "-t", topic)
    vandal = await asyncio.create_subprocess_exec("mosquitto_pub", *where, "-m", '{"id": "evil"}')
    assert await vandal.wait() == 0


async def test_the_example_acl_lets_a_display_read_and_nothing_else(tmp_path: Path) -> None:
    texts = Texts(**{"leaderboard/1": b"L", "result/1/2": b"R", "announcer/finish": b"A"})
    texts.content |= {"reader/mat-a/main": b"M", "bridge/mat-a/health": b"H"}
    with protected(tmp_path) as broker:
        box = Site(broker.url, username="bridge-finish-a", password="secret", texts=texts)  # noqa: S106
        async with box.up() as site, onlooker(broker.port, username="display") as display:
            site.cross(1)
            site.feed.offer_reads([("finish", b"secret read")])
            await until(lambda: len({one.topic for one in display.heard}) == 8)
            for suffix in ("crossing/finish", "result/1/2", "request/mat-a/status"):
                await vandalise(broker.port, f"{BASE}/{suffix}")
            async with onlooker(broker.port, username="official") as official:
                await official.publish("request/mat-a/status", b'{"id": "fair"}')
                await until(lambda: official.last("response/mat-a/status"))
                assert orjson.loads(official.last("response/mat-a/status") or b"")["id"] == "fair"

            assert not any("response" in one.topic or "read/" in one.topic for one in display.heard)
            assert display.last("result/1/2") == b"R"
            assert not any(b"evil" in one.payload for one in display.heard)


async def test_a_box_without_write_access_is_told_and_keeps_everything(tmp_path: Path) -> None:
    with protected(tmp_path) as broker:
        site = Site(broker.url, username="display", password="secret")  # noqa: S106
        async with site.up(wait=False):  # no connection lives long enough to be waited for
            site.cross(3)
            # The broker hangs up with a reset, which may overtake its own refusal: then only the
            # short lives of our connections tell, and the alarm names both causes.
            await until(lambda: {"mqtt_rights", "mqtt_thrown_out"} & set(site.alarms.on))

            assert all("write access" in text for text in site.alarms.on.values())
            assert site.feed.gauge().queued == 3


async def test_refused_crossings_are_told_and_kept(tmp_path: Path) -> None:
    acl = tmp_path / "acl"
    acl.write_text(f"topic readwrite {BASE}/bridge/#\ntopic read {BASE}/#\n")
    with mosquitto(tmp_path, f"allow_anonymous true\nacl_file {acl}\n") as broker:
        async with Site(broker.url).up() as site:
            site.cross(3)
            await until(lambda: "mqtt_refused" in site.alarms.on)

            assert "write access" in site.alarms.on["mqtt_refused"]
            assert site.feed.gauge().queued == 3
            assert site.link.status().state == "connected"


async def test_two_boxes_of_one_name_are_told_apart(broker: Mosquitto) -> None:
    one, other = Memory(), Memory()
    ids = [await client_id(memory, "7", "mat-a") for memory in (one, other)]
    assert len(set(ids)) == 2
    assert ids[0] == await client_id(one, "7", "mat-a")

    first = Site(broker.url, memory=one, client_id=ids[0])
    second = Site(broker.url, memory=other, client_id=ids[1])
    async with first.up(), second.up():
        second.cross(1)
        await until(lambda: first.alarms.on)

        assert "its own name under [bridge] site" in first.alarms.on["site_twice"]


async def test_a_copied_box_is_told(broker: Mosquitto) -> None:
    async with Site(broker.url).up() as site, Site(broker.url).up():
        await until(lambda: "mqtt_thrown_out" in site.alarms.on, 60)

        assert "copied from another" in site.alarms.on["mqtt_thrown_out"]


async def test_requests_are_answered(broker: Mosquitto) -> None:
    async with onlooker(broker.port) as seen, Site(broker.url).up() as site:
        site.cross(3)
        await site.drained()
        await seen.publish("request/mat-a/status", b'{"id": 1}')
        await seen.publish("request/mat-a/reboot", b'{"id": 2}')
        await seen.publish("request/mat-a/crossings", b'{"id": 3, "from_seq": 2, "to_seq": 9}')
        await until(lambda: seen.last("response/mat-a/crossings"))
        await until(lambda: seen.last("response/mat-a/reboot"))

        assert orjson.loads(seen.last("response/mat-a/status") or b"") == {
            "id": 1,
            "ok": True,
            "result": {"up": True},
        }
        assert orjson.loads(seen.last("response/mat-a/reboot") or b"")["ok"] is False
        page = orjson.loads(seen.last("response/mat-a/crossings") or b"")["result"]
        assert (page["to_seq"], page["last_seq"], len(page["crossings"])) == (3, 3, 2)


async def test_mqtt_311_where_the_broker_speaks_no_5(broker: Mosquitto) -> None:
    async with onlooker(broker.port) as seen, Site(broker.url, v5=False).up() as site:
        site.cross(100)
        await site.drained()
        await until(lambda: len(seen.seqs()) == 100)

        assert site.link.status().protocol == "3.1.1"
        assert not site.alarms.on


async def test_websockets(tmp_path: Path) -> None:
    port = free_port()
    listener = f"listener {port} 127.0.0.1\nprotocol websockets\n"
    with mosquitto(tmp_path, listener=listener) as broker:
        url = f"ws://127.0.0.1:{port}/mqtt"
        async with onlooker(broker.port) as seen, Site(url).up() as site:
            site.cross(500)
            await site.drained()
            await until(lambda: len(seen.seqs()) == 500)


def certificate_of_our_own(folder: Path) -> tuple[Path, Path]:
    key, certificate = folder / "key.pem", folder / "cert.pem"
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    what = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1")
    where = ("-keyout", key, "-out", certificate)
    subprocess.run([*what, *where, *subject], check=True, capture_output=True)
    return key, certificate


# paho drops the socket of a failed handshake unclosed; the garbage collector closes it
@pytest.mark.filterwarnings("ignore:Exception ignored in.*SSLSocket")
async def test_tls_with_a_ca_of_our_own(tmp_path: Path) -> None:
    key, certificate = certificate_of_our_own(tmp_path)
    port = free_port()
    listener = f"listener {port} 127.0.0.1\ncertfile {certificate}\nkeyfile {key}\n"
    with mosquitto(tmp_path, listener=listener) as broker:
        stranger = Site(f"mqtts://127.0.0.1:{port}")
        async with running(stranger.link.run()):
            await until(lambda: stranger.link.status().error)
            assert "certificate verify failed" in (stranger.link.status().error or "")

        site = Site(f"mqtts://127.0.0.1:{port}", ca_file=certificate)
        async with onlooker(broker.port) as seen, site.up():
            site.cross(2_000)
            await site.drained()
            await until(lambda: len(seen.seqs()) == 2_000)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://x", "must be mqtt://"),
        ("mqtt://x:port", "must be mqtt://"),
        ("mqtt://", "names no host"),
        ("mqtt://me:hush@:1883", "names no host"),
    ],
)
def test_a_url_that_is_none(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        address_of(url)
    assert "hush" not in str(caught.value)


def test_default_ports() -> None:
    assert address_of("mqtt://h").port == 1883
    assert address_of("mqtts://h").port == 8883
    assert address_of("ws://h").path == "/mqtt"
    assert (address_of("wss://h/x").port, address_of("wss://h/x").path) == (443, "/x")


def test_a_ca_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    for name in ("ca.pem", "absent.pem"):
        with pytest.raises(ConfigError, match="ca_file"):
            address_of("mqtts://h", tmp_path / name)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_no_socket_or_task_is_left_behind(broker: Mosquitto) -> None:
    site = Site(broker.url)
    async with site.up():
        before = open_files()
        for _ in range(3):
            broker.stop()
            await until(lambda: site.link.status().state != "connected")
            broker.start()
            await site.connected()

        assert open_files() <= before + 1


@pytest.mark.parametrize(("code", "says"), [(0x87, "Not authorized"), (0xFE, "reason code 254")])
def test_a_refusal_has_words(code: int, says: str) -> None:
    assert _reason(code) == says
