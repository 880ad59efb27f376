"""The go/no-go sheet: everything right, and each thing wrong."""

import asyncio
import socket
from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest

from bridge.adapters.http_server import bind
from bridge.adapters.sandbox.app import KEY, SECRET, Sandbox
from bridge.adapters.sandbox.race import make_race
from bridge.adapters.sandbox.server import serve
from bridge.adapters.system_clock import SystemClock
from bridge.app.registry import Registry
from bridge.bootstrap.check_sheet import Line
from bridge.bootstrap.checking import run_checks
from drivers import BUILTIN
from tests.support.command import sentence
from tests.support.in_process import called
from tests.support.mosquitto import mosquitto
from tests.support.race_box import Box
from tests.support.small_box import PEOPLE, READER, loaded, mat, written
from tests.support.store import HostClock

RUNSIGNUP = """
[provider]
kind = "runsignup"
race_id = 12345
base_url = "http://127.0.0.1:{port}/rest"
"""
SECRETS = {
    "provider_api_key": KEY,
    "provider_api_secret": SECRET,
    "provider_registration_id": "known",
    "provider_registration_secret": "caller",
}


async def sheet(box: Box) -> dict[str, list[Line]]:
    """Return the lines by what they are about, on a host whose clock is right."""
    found: dict[str, list[Line]] = {}
    for line in await run_checks(loaded(box), Registry(BUILTIN), {}, HostClock()):
        found.setdefault(line.what, []).append(line)
    return found


async def one(box: Box, what: str) -> tuple[str, str]:
    (line,) = (await sheet(box))[what]
    return line.verdict, line.text


async def test_everything_right_says_go(tmp_path: Path) -> None:
    sock = bind()
    race = make_race(5, events={7: "10K"}, timezone="UTC")
    sandbox = Sandbox(race, SystemClock(), keys={KEY: SECRET})
    with mosquitto(tmp_path) as broker:
        async with mat() as line, asyncio.TaskGroup() as group:
            running = group.create_task(serve(sandbox, sock))
            box = written(
                tmp_path / "box",
                zone="UTC",
                provider=RUNSIGNUP.format(port=sock.getsockname()[1]),
                more=READER.format(port=line.port) + f'[mqtt]\nurl = "{broker.url}"\n',
                secrets=SECRETS,
            )
            found = await sheet(box)
            running.cancel()
    said = {line.what: (line.verdict, line.text) for lines in found.values() for line in lines}
    assert said["reader finish-main"] == ("go", "reachable; its clock is right")
    assert said["broker"] == ("go", broker.url)
    assert said["results service"] == ("go", "answers; the race's zone is UTC")
    assert said["event 10K"][1] == ("result set 'Live Results' will be created with the first post")
    assert said["participants"] == ("go", "5, 0 without a chip")
    assert said["host clock"][0] == said["disk"][0] == "go"
    assert not [line for lines in found.values() for line in lines if line.verdict == "no"]
    assert not list(box.data_dir.iterdir()), "a check changes nothing"


async def test_each_thing_wrong_is_named_with_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # nobody listens there
        port = closed.getsockname()[1]
        box = written(
            tmp_path / "box",
            provider=RUNSIGNUP.format(port=port),
            more=READER.format(port=port) + f'[mqtt]\nurl = "mqtt://127.0.0.1:{port}"\n',
            secrets=SECRETS,
        )
        found = await sheet(box)
    for what, words in {
        "reader finish-main": "is the reader switched on and its address right?",
        "broker": "Connection refused); is it running",
        "results service": "cannot be reached",
    }.items():
        (line,) = found[what]
        assert (line.verdict, words in line.text) == ("no", True), line


async def test_missing_and_wrong_credentials_are_told_without_showing_them(tmp_path: Path) -> None:
    sock = bind()
    sandbox = Sandbox(make_race(1, events={7: "10K"}), SystemClock(), keys={KEY: SECRET})
    provider = RUNSIGNUP.format(port=sock.getsockname()[1])
    async with asyncio.TaskGroup() as group:
        running = group.create_task(serve(sandbox, sock))
        nothing = await one(written(tmp_path / "a", provider=provider), "results service")
        wrong = {**SECRETS, "provider_api_secret": "hidden-and-wrong"}
        refused = await one(
            written(tmp_path / "b", provider=provider, secrets=wrong), "results service"
        )
        running.cancel()
    assert nothing[0] == refused[0] == "no"
    assert "provider_api_key and provider_api_secret" in nothing[1]
    assert "hidden-and-wrong" not in refused[1]


@pytest.mark.parametrize(
    ("entry", "verdict", "words"),
    [
        ("", "go", "its clock is right"),
        ('timezone = "Asia/Tokyo"', "warn", "9 h 00 min behind in Asia/Tokyo"),
        ('timezone = "Asia/Tokyo"\nclock = "reader"', "no", "set it right"),
        ("offset_ms = 5", "go", "right"),
    ],
)
async def test_a_clock_is_judged_by_what_is_made_of_it(
    tmp_path: Path, entry: str, verdict: str, words: str
) -> None:
    async with mat() as line:
        box = written(tmp_path / "box", zone="UTC", more=READER.format(port=line.port) + entry)
        found = await one(box, "reader finish-main")
    assert found[0] == verdict
    assert words in found[1]


@pytest.mark.parametrize(
    ("people", "lines"),
    [
        (PEOPLE, [("warn", "4, 1 without a chip")]),
        (None, [("no", "cannot be read")]),
        ("x\n1\n", [("no", "needs a header")]),
        ("bib,last,chip\nx,Lee,A\n2,Ray,B\n", [("warn", "line 2: bib 'x'"), ("go", "1, 0 with")]),
    ],
)
async def test_the_participants_file_is_looked_through(
    tmp_path: Path, people: str | None, lines: list[tuple[str, str]]
) -> None:
    box = written(tmp_path / "box", people=people or "")
    if people is None:
        (box.config.parent / "people.csv").unlink()
    found = (await sheet(box))["participants"]
    assert [line.verdict for line in found] == [verdict for verdict, _ in lines]
    for line, (_, words) in zip(found, lines, strict=True):
        assert words in line.text


async def test_shared_chips_are_named_with_their_owners_and_not_without_end(tmp_path: Path) -> None:
    rows = "".join(f"{bib},Runner{bib},C{bib // 2}\n" for bib in range(2, 42))
    found = await sheet(written(tmp_path / "box", people="bib,last,chip\n" + rows))
    assert found["chips"][0].text.startswith("chip c1 is on Runner2 (")
    assert [line.verdict for line in found["chips"]] == ["warn"] * 11
    assert found["chips"][-1].text == "and 10 more like these"


async def test_a_running_service_is_asked_instead_of_its_readers(tmp_path: Path) -> None:
    async with mat() as line:
        web = bind()
        more = READER.format(port=line.port) + f'[web]\nlisten = "127.0.0.1:{_port(web)}"\n'
        box = written(tmp_path / "box", zone="UTC", more=more)
        assert (await one(box, "web page"))[0] == "no"
        web.close()
        assert (await one(box, "web page"))[0] == "go"
        box.start()
        try:
            await box.until_reading()
            connections = line.host.clients
            found = await sheet(box)
            assert line.host.clients == connections
            await box.stop()
        finally:
            box.put_down()
    assert found["service"][0].text.startswith("running for ")
    (reader,) = found["reader finish-main"]
    assert (reader.verdict, reader.text) == ("go", "connected; its clock is right")


def _port(sock: socket.socket) -> int:
    return int(sock.getsockname()[1])


def test_the_command_says_no_go_with_its_exit_code_and_json_stays_json(tmp_path: Path) -> None:
    box = written(tmp_path / "box")
    for words in ([], ["--json"]):
        done = called("check", *words, "--config", box.config)
        assert sentence(done, 1).rstrip().endswith("checks say no go.")
    document: Mapping[str, object] = orjson.loads(done.stdout)
    assert document["go"] is False
    checks = document["checks"]
    assert isinstance(checks, list)
    assert {"what": "readers", "verdict": "no",
            "text": "there is no [[reader]] in the configuration"} in checks  # fmt: skip


def test_what_init_writes_can_be_checked(tmp_path: Path) -> None:
    target = tmp_path / "bridge.toml"
    flags = ("--driver", "ipico", "--url", "tcp://127.0.0.1:1", "--event", "7:10K", "--yes")
    assert called("init", *flags, "--output", target).returncode == 0
    text = target.read_text()
    assert "login" not in text
    if "data_dir" in text:
        target.write_text(text.replace("/var/lib/chip-bridge", str(tmp_path / "data")))
    said = sentence(called("check", "--config", target), 1)
    assert "no mistakes" in said
