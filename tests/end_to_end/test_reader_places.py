"""Several mats on one connection, and what `check` says of every kind of link."""

import asyncio
import subprocess
from pathlib import Path

import orjson

from bridge.app.registry import Registry
from bridge.bootstrap.checking import run_checks
from bridge.driver_api import Sighting
from drivers import BUILTIN
from tests.support.command import COMMAND, clean_environ
from tests.support.mosquitto import free_port, mosquitto
from tests.support.race_box import Box
from tests.support.small_box import loaded, written
from tests.support.store import HostClock

MYLAPS = """
[[reader]]
name = "timing"
driver = "mylaps"
location = "finish"
url = "tcp-listen://127.0.0.1:{port}"
sources = {{ "5 km" = "5k", "Finish" = "finish" }}
"""


async def test_each_mat_of_a_connection_times_its_place(tmp_path: Path) -> None:
    port = free_port()
    box = written(tmp_path, more=MYLAPS.format(port=port))
    box.start()
    recorded = tmp_path / "reads.jsonl"
    put(recorded, b"\n".join(orjson.dumps(read) for read in crossings(20)))
    words = ("emulate", "mylaps", "--connect", f"127.0.0.1:{port}", "--from", str(recorded))
    more = ("--speed", "20", "--option", "locations=5 km,Finish")
    emulator = await asyncio.create_subprocess_exec(
        COMMAND, *words, *more, env=clean_environ(), stderr=subprocess.PIPE
    )
    try:
        status = await box.until(
            lambda status: all(
                reader["reads"] == 20 for reader in status["readers"] if "/" in reader["name"]
            )
        )
        readers = {reader["name"]: reader for reader in status["readers"]}
        assert list(readers) == ["timing", "timing/5 km", "timing/Finish"]
        assert {reader["state"] for reader in readers.values()} == {"connected"}
        assert readers["timing"]["reads"] == 0
        assert readers["timing/5 km"]["location"] == "5k"
        assert set(status["last_read_at_ms"]) == {"5k", "finish"}
    finally:
        emulator.kill()
        await emulator.communicate()
        await box.stop()
        box.put_down()


def crossings(count: int) -> list[dict[str, object]]:
    """Chips that cross both mats, one after the other."""
    return [
        {"chip": f"BB{number:05d}", "time": f"2026-11-21T08:30:{number:02d}", "antenna": antenna}
        for number in range(count)
        for antenna in (1, 2)
    ]


LINKS = """
[[reader]]
name = "{name}"
driver = "{driver}"
location = "finish"
url = "{url}"
"""


async def test_every_kind_of_link_can_be_checked(tmp_path: Path) -> None:
    log = tmp_path / "reads.log"
    driver = Registry(BUILTIN).find("foxberry")
    chip = driver.example_chip(1)
    put(log, driver.encode(Sighting(chip=chip, stamp=1_763_710_000 * 10**9)))
    with mosquitto(tmp_path) as broker:
        kinds = {
            "posts": ("zebra-iot", f"http-listen://127.0.0.1:{free_port()}/reads"),
            "topic": ("zebra-iot", f"{broker.url}/gates"),
            "nobody": ("zebra-iot", f"mqtt://127.0.0.1:{free_port()}/gates"),
            "log": ("foxberry", f"file://{log}"),
            "later": ("foxberry", f"file://{tmp_path}/later.log"),
            "far": ("impinj-iot", f"https://127.0.0.1:{free_port()}/"),
        }
        more = "".join(
            LINKS.format(name=name, driver=kind, url=url) for name, (kind, url) in kinds.items()
        )
        lines = await checked(written(tmp_path, more=more))
    assert lines["posts"] == (
        "warn",
        f"it connects to us on {kinds['posts'][1]}: start the service to see",
    )
    assert lines["topic"][0] == "go"
    assert "no connection to the broker" in lines["nobody"][1]
    assert lines["log"][0] == "go"
    assert "is not there" in lines["later"][1]
    assert "cannot reach 127.0.0.1" in lines["far"][1]
    assert [lines[name][0] for name in ("nobody", "later", "far")] == ["no"] * 3


def put(log: Path, line: bytes) -> None:
    log.write_bytes(line)


async def checked(box: Box) -> dict[str, tuple[str, str]]:
    sheet = await run_checks(loaded(box), Registry(BUILTIN), {}, HostClock())
    return {
        line.what.removeprefix("reader "): (line.verdict, line.text)
        for line in sheet
        if line.what.startswith("reader ")
    }
