"""Readers that the configuration describes, in the running service: lines, files, input lines."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson

from tests.support.command import COMMAND, chip_bridge, clean_environ
from tests.support.mosquitto import free_port, mosquitto
from tests.support.race_box import Box, Status
from tests.support.small_box import written

CONFIG = """
[[reader]]
name = "dialled"
driver = "line"
location = "finish"
url = "tcp://127.0.0.1:{port}"
options = {{ separator = ";", columns = {{ chip = 1, time = 2 }}, time = "epoch_us", chip = ["no_zeros"], sample = "007;1778320800000000" }}

[[reader]]
name = "published"
driver = "line"
location = "finish"
url = "{broker}/gates/a"
options = {{ separator = "json", columns = {{ chip = "epc", time = "ts" }}, time = "epoch_ms" }}

[[reader]]
name = "written"
driver = "file"
location = "finish"
url = "file://{folder}/reads.csv"

[[reader]]
name = "edges"
driver = "gpio"
location = "finish"
url = "file://{folder}/edges.txt"
gun_for = [7]
options = {{ guns = [17], names = {{ 27 = "beam" }} }}
"""  # noqa: E501 - one line of TOML
T0 = 1_778_320_800


@asynccontextmanager
async def emulating(*words: str) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        COMMAND, "emulate", *words, env=clean_environ(), stderr=subprocess.PIPE
    )
    try:
        yield
    finally:
        process.kill()
        await process.communicate()


def reads(status: Status, name: str) -> int:
    count: int = next(reader["reads"] for reader in status["readers"] if reader["name"] == name)
    return count


def publish(port: int, payload: bytes) -> None:
    where = ["-h", "127.0.0.1", "-p", str(port), "-t", "gates/a", "-q", "1"]
    subprocess.run(["mosquitto_pub", *where, "-s"], input=payload, check=True)


async def exported(box: Box) -> list[dict[str, object]]:
    done = await asyncio.to_thread(chip_bridge, "reads", "export", "-", "--config", box.config)
    assert done.returncode == 0, done.stderr.decode()
    return [orjson.loads(line) for line in done.stdout.splitlines()]


async def test_lines_files_and_edges_reach_the_journal(tmp_path: Path) -> None:
    (tmp_path / "reads.csv").write_text("Chip;Time\nA1;2026-05-09 10:00:00\n")
    (tmp_path / "edges.txt").write_text(
        f"17,1,{T0}000000000\n17,0,{T0}100000000\n27,1,{T0 + 9}500000000\n"
    )
    port = free_port()
    with mosquitto(tmp_path) as broker:
        more = CONFIG.format(port=port, broker=broker.url, folder=tmp_path)
        box = written(tmp_path, more=more, zone="UTC")
        box.start()
        words = ["line", "--listen", f"127.0.0.1:{port}", "--rate", "20"]
        columns = '--option=columns={"chip":1,"time":2}'
        words += [columns, "--option=separator=;", "--option=time=epoch_us"]
        try:
            async with emulating(*words):
                await box.until(lambda status: "connected" in str(status["readers"]))
                payload = b'{"epc": "B1", "ts": %d000, "rssi": -60}' % T0
                await box.until(lambda status: status["readers"][1]["state"] == "connected")
                await asyncio.to_thread(publish, broker.port, payload)
                await box.until(
                    lambda status: (
                        reads(status, "dialled") > 5
                        and [reads(status, name) for name in ("published", "written", "edges")]
                        == [1, 1, 1]
                    )
                )
                status = await box.status()
                marks = await box.ask("marks")
            await box.stop()
        finally:
            box.put_down()
    assert status is not None
    [gun] = marks
    assert (gun["author"], gun["kind"]) == ("reader:edges", "gun")
    assert [reader["rejected"] for reader in status["readers"]] == [0, 0, 0, 0]
    rows = await exported(box)
    chips = {str(row["chip"]) for row in rows if row.get("chip")}
    assert {"A1", "B1", "beam#100009500000"} <= chips
    assert any(chip.startswith("E2003412") for chip in chips)
