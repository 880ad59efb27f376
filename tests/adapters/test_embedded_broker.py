"""A broker of our own, from the extra ``embedded``."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.adapters.embedded_broker import EmbeddedBroker
from bridge.adapters.system_clock import SystemClock
from bridge.errors import ConfigError
from tests.support.mosquitto import free_port, mosquitto
from tests.support.mqtt_race import Texts, running, until
from tests.support.mqtt_site import Site

ROOT = Path(__file__).parents[2]


def children_of(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


async def test_two_boxes_race_on_it() -> None:
    broker = EmbeddedBroker(f"127.0.0.1:{free_port()}", SystemClock())
    async with running(broker.run()):
        await until(broker.up.is_set, 30)
        texts = Texts(**{"leaderboard/1": b"L"})
        a, b = Site(broker.url, "mat-a", texts=texts, v5=False), Site(broker.url, "mat-b")
        async with a.up(), b.up():
            a.cross(100)
            await a.drained()
            await until(lambda: b.has_all_of(a))

            assert b.link.status().protocol == "3.1.1"  # found out: it never answers 5
            assert not a.alarms.on
    assert not broker.up.is_set()


async def test_it_is_started_again_when_it_dies() -> None:
    broker = EmbeddedBroker(f"127.0.0.1:{free_port()}", SystemClock())
    before = set(children_of(os.getpid()))
    async with running(broker.run()):
        await until(broker.up.is_set, 30)
        (child,) = set(children_of(os.getpid())) - before
        os.kill(child, signal.SIGKILL)
        await until(lambda: not broker.up.is_set())
        await until(broker.up.is_set, 30)
        (again,) = set(children_of(os.getpid())) - before
    assert not alive(again)


async def test_a_busy_port_is_told(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as other:
        broker = EmbeddedBroker(f"127.0.0.1:{other.port}", SystemClock())
        async with running(broker.run()):
            await until(lambda: broker.trouble, 30)

            assert "address already in use" in (broker.trouble or "")


PARENT = """
import asyncio, sys
from bridge.adapters.embedded_broker import EmbeddedBroker
from bridge.adapters.system_clock import SystemClock

async def main():
    broker = EmbeddedBroker(sys.argv[1], SystemClock())
    async with asyncio.TaskGroup() as group:
        group.create_task(broker.run())
        await broker.up.wait()
        print("up", flush=True)

asyncio.run(main())
"""


async def test_it_dies_with_us() -> None:
    port = free_port()
    with subprocess.Popen(  # noqa: ASYNC220 - its one line is waited for right here
        [sys.executable, "-c", PARENT, f"127.0.0.1:{port}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
    ) as parent:
        assert parent.stdout is not None
        while b"up" not in parent.stdout.readline():
            assert parent.poll() is None
        (child,) = children_of(parent.pid)
        parent.kill()
    await until(lambda: not alive(child))


@pytest.mark.parametrize("listen", ["1883", ":1883", "host:", "host:x", "host:70000", "host:0"])
def test_an_address_that_is_none(listen: str) -> None:
    with pytest.raises(ConfigError, match="HOST:PORT"):
        EmbeddedBroker(listen, SystemClock())


def test_from_everywhere_means_here_for_us() -> None:
    assert EmbeddedBroker("0.0.0.0:1883", SystemClock()).url == "mqtt://127.0.0.1:1883"


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "amqtt", None)  # type: ignore[arg-type]

    with pytest.raises(ConfigError, match=r"pip install 'chip-bridge\[embedded\]'"):
        EmbeddedBroker("127.0.0.1:1883", SystemClock())
