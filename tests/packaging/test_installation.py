"""The unit, the example configuration, the set-up scripts and the layers."""

import configparser
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

import pytest

from bridge.adapters.config_files import load_config
from bridge.app.config import Config, Secrets, Table
from bridge.app.registry import Registry
from bridge.cli.installation import check_installation, others
from drivers import BUILTIN

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "systemd/chip-bridge.service"
EXAMPLE = ROOT / "config/bridge.example.toml"


class _Repeats(dict[str, str]):
    """Keeps every value of a setting that stands several times, one per line."""

    def __setitem__(self, key: str, value: object) -> None:
        if isinstance(value, list) and key in self:
            value = [*self[key], *value]  # type: ignore[misc]
        super().__setitem__(key, value)  # type: ignore[assignment]


def unit() -> dict[str, list[str]]:
    parser = configparser.RawConfigParser(strict=False, dict_type=_Repeats, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(UNIT)
    return {key: value.split("\n") for key, value in parser["Service"].items()}


def test_nobody_else_owns_our_packages_here() -> None:
    check_installation()
    assert others() == []


def test_the_example_loads_without_mistakes() -> None:
    config = load_config(EXAMPLE, {}, Registry(BUILTIN)).config
    assert config.bridge.site == "finish-a"
    assert len(config.reader) == 2


def keys_of(table: type) -> set[str]:
    return {key.name for key in fields(table) if key.init}


def tables_in(annotation: object) -> Iterator[type[Table]]:
    if isinstance(annotation, type) and issubclass(annotation, Table):
        yield annotation
        for inner in get_type_hints(annotation).values():
            yield from tables_in(inner)
    for part in getattr(annotation, "__args__", ()):
        yield from tables_in(part)


def test_the_example_names_every_key_and_every_secret() -> None:
    words = set(re.findall(r"\w+", EXAMPLE.read_text()))
    for table in tables_in(Config):
        assert keys_of(table) <= words, table
    assert keys_of(Secrets) <= words


def test_what_the_example_comments_out_are_the_defaults() -> None:
    plain = load_config(EXAMPLE, {}, Registry(BUILTIN)).config
    text = EXAMPLE.read_text()
    wanted = r"^# ((?:commit_linger_ms|keep_days|min_free_mb|log_format|log_level|post"
    wanted += r"|participants_every_s|offset_ms|options) = \S+)"
    lines = re.findall(wanted, text, re.MULTILINE)
    assert len(lines) == 10
    for line in lines:
        (key, value), *_ = tomllib.loads(line).items()
        tables = [plain.bridge, plain.provider, plain.reader[0]]
        (table,) = [table for table in tables if table is not None and key in keys_of(type(table))]
        assert getattr(table, key) == value


def test_the_sandbox_scores_two_or_better() -> None:
    analyze = shutil.which("systemd-analyze")
    assert analyze, "systemd-analyze belongs to every Debian"
    done = subprocess.run(
        [analyze, "security", "--offline=true", "--no-pager", "--threshold=20", UNIT],
        capture_output=True,
        check=False,
        text=True,
    )
    score = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
    assert score, done.stdout + done.stderr
    assert float(score[1]) <= 2.0
    assert done.returncode == 0


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    (tmp_path / UNIT.name).write_text(
        UNIT.read_text().replace("/opt/chip-bridge/bin/chip-bridge", "/bin/true")
    )
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / UNIT.name],
        capture_output=True,
        check=False,
        text=True,
    )
    assert UNIT.name not in done.stderr


def test_the_unit_keeps_the_mat_up_and_foreign_code_out() -> None:
    settings = unit()
    assert settings["Type"] == ["notify"]
    assert settings["Restart"] == ["always"]
    assert settings["RestartPreventExitStatus"] == ["78"]
    assert settings["WatchdogSec"] == ["30"]
    assert "PYTHONPATH" in settings["UnsetEnvironment"][0].split()
    assert "PYTHONSAFEPATH=1" in settings["Environment"]
    assert settings["ExecStart"] == ["/opt/chip-bridge/bin/chip-bridge run"]
    assert "StartLimitIntervalSec=0" in UNIT.read_text()


def test_every_secret_is_a_credential_that_may_be_missing() -> None:
    settings = unit()
    loaded = {line.split(":")[0] for line in settings["LoadCredential"]}
    assert loaded == {line.split(":")[0] for line in settings["SetCredential"]}
    assert loaded == keys_of(Secrets)


def test_the_sandbox_leaves_open_what_the_bridge_needs() -> None:
    settings = unit()
    assert {"char-ttyUSB rw", "char-ttyACM rw"} <= set(settings["DeviceAllow"])
    assert settings["RestrictAddressFamilies"] == ["AF_UNIX AF_INET AF_INET6"]
    assert settings["SystemCallFilter"][-1] == "adjtimex"
    for closing in ("PrivateDevices", "PrivateNetwork", "ProtectClock", "ProcSubset"):
        assert closing not in settings


def test_the_layers_hold() -> None:
    linter = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([linter], cwd=ROOT, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", ["run", "set-up", "need", "root"])
def test_the_scripts_are_plain_shell_and_executable(script: str) -> None:
    path = ROOT / ".ci" / script
    assert path.stat().st_mode & 0o111
    assert path.read_text().startswith("#!/bin/sh\n")
    subprocess.run(["/bin/sh", "-n", path], check=True)


@pytest.mark.parametrize("target", ["demo", "test", "bench", "format", "lock"])
def test_every_target_sets_up_what_it_needs(target: str, tmp_path: Path) -> None:
    """In a fresh checkout make would run the set-up before anything of the target."""
    for name in ("Makefile", "pyproject.toml", "uv.lock"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    outer = {name for name in os.environ if name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        ["make", "--dry-run", target],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if name not in outer},
    )
    steps = done.stdout.splitlines()
    assert "sh .ci/set-up" in steps[0]
    assert any(".venv/bin/" in step for step in steps[1:])
