"""`chip-bridge init` by flags and in conversation."""

from pathlib import Path

import pytest

from bridge.adapters.config_files import load_config
from bridge.app.config import Config
from bridge.app.registry import Registry
from drivers import BUILTIN
from tests.support.command import COMMAND, chip_bridge, clean_environ, sentence
from tests.support.terminal import converse


def loaded(path: Path) -> Config:
    return load_config(path, {}, Registry(BUILTIN)).config


def test_flags_are_enough(tmp_path: Path) -> None:
    done = chip_bridge(
        "init",
        "--site=finish-b",
        "--driver=race-result",
        "--url=tcp://192.168.1.5:3601",
        "--location=5k",
        "--timezone=Europe/Zurich",
        "--race-id=77",
        "--event=1:Marathon",
        '--event=2:5" \\ Run',
        "--mqtt=mqtts://broker:8883",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert b"Wrote bridge.toml" in done.stderr
    config = loaded(tmp_path / "bridge.toml")
    assert (config.bridge.site, config.bridge.timezone) == ("finish-b", "Europe/Zurich")
    assert config.provider is not None
    assert (config.provider.kind, config.provider.race_id) == ("runsignup", 77)
    assert [(event.id, event.name) for event in config.event] == [(1, "Marathon"), (2, '5" \\ Run')]
    points = [(point.location, point.split) for point in config.event[0].course]
    assert points == [("start", None), ("5k", "5K"), ("finish", None)]
    (reader,) = config.reader
    assert (reader.driver, reader.location) == ("race-result", "5k")
    assert reader.url == "tcp://192.168.1.5:3601"
    assert config.mqtt is not None
    assert config.mqtt.url == "mqtts://broker:8883"


@pytest.mark.parametrize("driver", list(BUILTIN))
@pytest.mark.parametrize("location", ["start", "finish", "mat.3"])
def test_every_driver_and_location_makes_a_file_without_mistakes(
    driver: str, location: str, tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "box.toml"
    done = chip_bridge(
        "init", "--yes", f"--driver={driver}", f"--location={location}", "--output", out
    )
    assert done.returncode == 0, done.stderr
    config = loaded(out)
    assert config.mqtt is None
    assert config.reader[0].location == location
    text = out.read_text().replace("# [[event]]", "[[event]]")
    assert "# url" in text or "# base" in text  # what else there is stands in comments


def test_config_names_the_file_too(tmp_path: Path) -> None:
    out = tmp_path / "here.toml"
    for arguments in (["--config", out, "init"], ["init", "--force", "--config", out]):
        assert chip_bridge(*arguments, "--yes", "--driver=ipico").returncode == 0
        assert loaded(out).reader[0].driver == "ipico"


def test_a_file_that_is_there_is_kept_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "bridge.toml"
    path.write_text("precious")
    said = sentence(chip_bridge("init", "--yes", "--driver=ipico", cwd=tmp_path), 2)
    assert "already there; --force replaces it" in said
    assert path.read_text() == "precious"
    assert chip_bridge("init", "--yes", "--driver=ipico", "--force", cwd=tmp_path).returncode == 0
    assert loaded(path).reader[0].driver == "ipico"


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ([], "Nobody to ask: Kind of reader (ipico, race-result"),
        (["--driver=ipco"], "did you mean 'ipico'?"),
        (["--driver=ipico", "--event=10K"], "An event is ID:NAME"),
        (["--driver=ipico", "--event=x:10K"], "The event's id is a number, not 'x'"),
        (["--driver=ipico", "--url=10.0.0.5"], "url: must be tcp://HOST:PORT"),
        (["--driver=ipico", "--timezone=Mars"], "'Mars' is no time zone"),
        (["--driver=ipico", "--event=1:a", "--event=1:b"], "id: is the same as in [[event]]"),
        (["--driver=ipico", "--output=/proc/x/y.toml"], "/proc/x/y.toml cannot be written"),
    ],
)
def test_wrong_answers_write_nothing(flags: list[str], says: str, tmp_path: Path) -> None:
    assert says in sentence(chip_bridge("init", "--yes", *flags, cwd=tmp_path), 2)
    assert not (tmp_path / "bridge.toml").exists()


def test_a_conversation_on_a_terminal(tmp_path: Path) -> None:
    answers = [
        ("Kind of reader", "ipico\n"),
        ("Location of its mat", "\n"),
        ("Number of the race", "4711\n"),
        ("MQTT broker", "embedded\n"),
        ("Where the reader is", "serial:///dev/ttyUSB0?baud=9600\n"),
        ("Name of this box", "tent\n"),
        ("Time zone", "America/Denver\n"),
        ("Event as ID:NAME", "12:10K\n"),
        ("Event as ID:NAME", "\n"),
    ]
    code, shown = converse(
        [COMMAND, "init"], answers, environ=clean_environ() | {"TERM": "dumb"}, cwd=tmp_path
    )
    assert code == 0, shown
    config = loaded(tmp_path / "bridge.toml")
    assert config.bridge.site == "tent"
    assert config.reader[0].url == "serial:///dev/ttyUSB0?baud=9600"
    assert config.reader[0].location == "finish"
    assert [event.name for event in config.event] == ["10K"]


def test_an_interrupted_conversation_writes_nothing(tmp_path: Path) -> None:
    code, shown = converse(
        [COMMAND, "init"], [("Kind of reader", "\x03")], environ=clean_environ(), cwd=tmp_path
    )
    assert code == 1
    assert "Stopped." in shown
    assert "Traceback" not in shown
    assert not list(tmp_path.iterdir())
