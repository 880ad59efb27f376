"""The rehearsal, as a new user runs it."""

import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import psutil
import pytest

from bridge.adapters.http_server import bind
from tests.support.command import COMMAND, chip_bridge, clean_environ, sentence
from tests.support.in_process import called
from tests.support.terminal import converse


def free_port() -> int:
    """Return a port that is free together with the one above it."""
    while True:
        with bind() as one:
            port = int(one.getsockname()[1])
            if port >= 65_000:
                continue
            with socket.socket() as two:
                if two.connect_ex(("127.0.0.1", port + 1)) != 0:
                    return port


@pytest.fixture
def place(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Give the demo a folder for temporary files; nothing may be left in it."""
    yield {"TMPDIR": str(tmp_path), "COLUMNS": "80"}
    assert not list(tmp_path.glob("chip-bridge-demo-*"))


def test_a_rehearsed_race_balances_and_says_so_in_json(
    place: dict[str, str], tmp_path: Path
) -> None:
    words = ("--runners", "12", "--seconds", "8", "--port", str(free_port()), "--json")
    kept = tmp_path / "kept"
    done = chip_bridge("demo", *words, "--keep", kept, environ=place)
    assert done.returncode == 0, done.stderr.decode()
    books = orjson.loads(done.stdout)
    assert books["balanced"] is True
    assert not books["faults"]
    assert books["reads_sent"] == books["reads_journalled"] == sum(books["states"].values()) > 0
    assert books["finishers_expected"] == books["finishers_posted"] > 0
    assert done.stderr.decode() == f"Everything is kept in {kept}.\n"
    assert {path.name for path in kept.iterdir()} == {
        *("bridge.toml", "data", "secrets", "service.log"),
    }
    log = (kept / "service.log").read_text()
    assert "Traceback" not in log
    assert log.rstrip().endswith("everything taken in is durable")
    again = sentence(called("demo", *words, "--keep", kept), 2)
    assert again == f"{kept} is not empty; --keep wants a new folder.\n"


@pytest.mark.parametrize("above", [0, 1])
def test_a_taken_port_is_named_with_the_way_out(above: int) -> None:
    with bind() as taken:
        port = int(taken.getsockname()[1])
        said = sentence(called("demo", "--port", str(port - above), "--no-browser"), 2)
    assert (
        said == f"port {port} of this machine is taken; choose others with --port (it takes two).\n"
    )


def test_ctrl_c_on_the_terminal_ends_everything(place: dict[str, str], tmp_path: Path) -> None:
    words = ["demo", "--seconds", "60", "--no-browser", "--port", str(free_port())]
    code, shown = converse(
        [COMMAND, *words], [("rows confirmed", "\x03")], environ=clean_environ() | place,
        cwd=tmp_path,
    )  # fmt: skip
    assert code == 1
    assert "Stopped." in shown
    assert "Traceback" not in shown
    assert "finish-backup" in shown


def test_sigterm_takes_the_service_along(place: dict[str, str]) -> None:
    words = ["demo", "--seconds", "60", "--no-browser", "--port", str(free_port())]
    process = subprocess.Popen(
        [COMMAND, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=clean_environ() | place,
    )
    try:
        assert process.stdout is not None
        shown = b""
        deadline = time.perf_counter() + 40
        while b"4/4 readers" not in shown:
            assert select.select([process.stdout], [], [], deadline - time.perf_counter())[0]
            more = os.read(process.stdout.fileno(), 4096)
            assert more, shown
            shown += more
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=30)
        assert process.returncode == 1
        assert b"Traceback" not in rest
        assert b"Stopped." in rest
        assert not psutil.wait_procs(children, timeout=10)[1]
    finally:
        process.kill()
        process.communicate()
