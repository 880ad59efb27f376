"""The command itself: help, version, --config, and how every failure ends."""

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import click
import pytest

from bridge.cli import main
from bridge.cli.errors import guarded
from bridge.cli.invocation import Invocation
from bridge.errors import ConfigError, LinkError, NotFound, UsageError
from tests.support.command import chip_bridge, clean_environ, imported_by, sentence

GOOD = '[bridge]\nsite = "box"\n'


def test_help_lists_every_command_with_a_line_of_its_own() -> None:
    shown = chip_bridge("--help").stdout.decode()
    for name, row in main.COMMANDS.items():
        assert re.search(rf"^  {name} +\S", shown, re.MULTILINE)
        assert row.help.endswith(".")
    assert "--config" in shown


@pytest.mark.parametrize("name", list(main.COMMANDS))
def test_every_command_of_the_table_is_there_and_takes_config(name: str) -> None:
    shown = chip_bridge(name, "--help")
    assert shown.returncode == 0, shown.stderr
    assert b"--config FILE" in shown.stdout


def test_help_imports_no_more_than_it_needs() -> None:
    modules = imported_by(["--help"])
    heavy = {"pydantic", "rich", "structlog", "asyncio", "sqlite3", "orjson", "importlib.metadata"}
    assert not modules & heavy
    assert {name for name in modules if name.startswith("bridge.")} <= {
        "bridge.cli",
        "bridge.cli.main",
        "bridge.cli.errors",
        "bridge.cli.invocation",
        "bridge.errors",
    }


def test_version_is_that_of_the_package() -> None:
    assert chip_bridge("--version").stdout.decode() == f"chip-bridge {version('chip-bridge')}\n"


@pytest.mark.parametrize(
    "arguments", [["demolish"], ["--bogus"], ["decode"], ["decode", "ipico", "--chunk", "no"]]
)
def test_wrong_usage_is_one_line_and_ends_with_two(arguments: list[str]) -> None:
    said = sentence(chip_bridge(*arguments), 2)
    assert re.fullmatch(r".+\. See `chip-bridge( decode)? --help`\.\n", said)


def test_nothing_asked_is_answered_with_help() -> None:
    assert "Commands:" in sentence(chip_bridge(), 2)


def test_an_unknown_command_is_answered_with_those_there_are() -> None:
    assert ", ".join(main.COMMANDS) in sentence(chip_bridge("decod"), 2)


@pytest.fixture
def shown_site(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the table two commands that load the configuration, one of them nested."""

    @click.command()
    @click.pass_obj
    def site(invocation: Invocation) -> None:
        click.echo(invocation.load().config.bridge.site)

    group = click.Group("group", commands={"site": site})
    module = type(sys)("site_commands")
    vars(module).update(site=site, group=group)
    monkeypatch.setitem(sys.modules, "site_commands", module)
    rows = {
        "site": main.Row("site_commands:site", "."),
        "group": main.Row("site_commands:group", "."),
    }
    monkeypatch.setattr(main, "COMMANDS", rows)


@pytest.mark.usefixtures("shown_site")
@pytest.mark.parametrize(
    "arguments",
    [
        ["--config", "FILE", "site"],
        ["site", "--config", "FILE"],
        ["--config", "/none", "site", "--config", "FILE"],
        ["group", "site", "--config", "FILE"],
        ["group", "--config", "FILE", "site"],
    ],
)
def test_config_may_stand_anywhere(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "b.toml"
    path.write_text(GOOD)
    assert main.run([str(path) if word == "FILE" else word for word in arguments]) == 0
    assert capsys.readouterr().out == "box\n"


@pytest.mark.usefixtures("shown_site")
def test_a_configuration_error_ends_with_78(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "b.toml"
    path.write_text(GOOD + "colour = 1\n[webb]\n")
    assert main.run(["site", "--config", str(path)]) == 78
    said = capsys.readouterr().err
    assert said.startswith("The configuration has 2 mistakes:\n")
    assert f"{path}:3: bridge, colour: is an unknown key" in said
    assert main.run(["site", "--config", str(tmp_path / "none")]) == 78
    assert "No such file" in capsys.readouterr().err


def failing(error: BaseException) -> int:
    def work() -> None:
        raise error

    return guarded(work)


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (ConfigError("Edit it."), 78, "Edit it.\n"),
        (UsageError("Say it so."), 2, "Say it so.\n"),
        (NotFound("None there."), 1, "None there.\n"),
        (KeyboardInterrupt(), 1, "Stopped.\n"),
        (SystemExit(3), 3, ""),
        (BrokenPipeError(), 1, ""),
        (PermissionError(13, "Permission denied", "/x"), 1, "/x: Permission denied.\n"),
        (ExceptionGroup("g", [LinkError("Lost."), LinkError("Lost.")]), 1, "Lost.\n"),
        (ExceptionGroup("g", [ExceptionGroup("h", [ConfigError("Edit.")])]), 78, "Edit.\n"),
        (click.ClickException("No."), 1, "No.\n"),
    ],
)
def test_every_failure_is_one_sentence_and_a_code(
    error: BaseException, code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failing(error) == code
    assert capsys.readouterr().err == says


def test_a_defect_is_one_sentence_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert failing(ValueError("no mqtt://u:pw@h")) == 1
    said = capsys.readouterr().err
    assert said.startswith("Something unexpected went wrong (ValueError: no mqtt://***@h); ")
    assert "Traceback" not in said


def test_a_defect_shows_where_if_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHIP_BRIDGE_TRACEBACK", "1")
    assert guarded(lambda: int("odd")) == 1
    said = capsys.readouterr().err
    assert said.startswith("Traceback")
    assert "Something unexpected went wrong (ValueError: invalid literal" in said


def test_a_defect_among_failures_is_the_one_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert failing(ExceptionGroup("g", [LinkError("Lost."), ValueError("odd")])) == 1
    assert "(ValueError: odd)" in capsys.readouterr().err


def test_a_command_may_choose_its_code() -> None:
    assert guarded(lambda: 1) == 1
    assert guarded(lambda: None) == 0


def test_help_to_a_reader_that_left_is_silent() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "bridge", "--help"],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
        env=clean_environ(),
    )
    os.close(writing)
    assert done.stderr == b""
