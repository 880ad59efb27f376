"""Every driver has its row, its stanza and its vectors; the guide's own code works."""

import re
import tomllib
from pathlib import Path

import pytest

from bridge.adapters.config_files import load_config
from bridge.app.registry import Registry
from bridge.driver_api import Driver, Opening, Read, Sighting
from drivers import BUILTIN

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "drivers" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", BUILTIN)
def test_a_driver_has_a_row_a_stanza_and_vectors(name: str) -> None:
    stanzas = tomllib.loads((ROOT / "config" / "readers.example.toml").read_text())
    assert f"| `{name}` |" in GUIDE
    assert name in {reader["driver"] for reader in stanzas["reader"]}
    assert list((ROOT / "tests" / "vectors" / name.replace("-", "_")).iterdir())


def test_the_stanzas_load() -> None:
    loaded = load_config(ROOT / "config" / "readers.example.toml", {}, Registry(BUILTIN))
    assert {reader.driver for reader in loaded.config.reader} == set(BUILTIN)


@pytest.mark.parametrize("name", BUILTIN)
def test_every_option_a_driver_takes_is_in_the_guide(name: str) -> None:
    driver = Registry(BUILTIN).find(name)
    [complaint] = driver.check_options({"no-such-option": 1}) or [""]
    allowed = re.findall(r"[a-z_]+", complaint.partition("allowed")[2])
    assert all(f"`{option}`" in GUIDE for option in allowed)


def test_the_driver_printed_in_the_guide_works() -> None:
    [code] = re.findall(r"```python\n(.*?)```", GUIDE, flags=re.DOTALL)
    names: dict[str, object] = {"__name__": "acme"}
    exec(compile(code, "drivers/README.md", "exec"), names)  # noqa: S102 - our own guide
    driver = names["DRIVER"]
    assert isinstance(driver, Driver)
    sighting = Sighting(chip=driver.example_chip(7), stamp=1_795_766_400_123_000_000, antenna=3)
    session = driver.session(Opening())
    noise = b"$3,0000"
    events = session.feed(noise + b"\r\n" + driver.encode(sighting) + noise)
    [read] = [event for event in events if isinstance(event, Read)]
    assert (read.chip, read.stamp, read.antenna) == (sighting.chip, sighting.stamp, 3)
    assert session.pending == noise
    assert driver.emulator({}).sighted(sighting)[0].data == driver.encode(sighting)
