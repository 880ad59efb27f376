"""Drivers by name: built in, from plug-ins, and what is told when there is none."""

import sys
from pathlib import Path

import pytest

from bridge.app.registry import Registry
from bridge.errors import ConfigError

GOOD = """\
from dataclasses import replace
from drivers.ipico import DRIVER as IPICO
DRIVER = replace(IPICO, name="{name}")
"""


def plugin(folder: Path, distribution: str, name: str, module: str, source: str) -> None:
    (folder / f"{module}.py").write_text(source)
    info = folder / f"{distribution}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[chip_bridge.drivers]\n{name} = {module}:DRIVER\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    return tmp_path


def test_a_built_in_driver_is_found_by_name() -> None:
    registry = Registry({"ipico": "drivers.ipico:DRIVER"})
    assert registry.names() == ["ipico"]
    assert registry.find("ipico").name == "ipico"


def test_a_plug_in_is_found_by_name(site: Path) -> None:
    plugin(site, "acme_reader", "acme", "acme_driver_found", GOOD.format(name="acme"))
    registry = Registry({"ipico": "drivers.ipico:DRIVER"})
    assert registry.names() == ["ipico", "acme"]
    assert registry.find("acme").name == "acme"


def test_two_drivers_of_one_name_are_refused(site: Path) -> None:
    plugin(site, "other_ipico", "ipico", "other_ipico_driver", GOOD.format(name="ipico"))
    with pytest.raises(ConfigError, match=r"more than one driver 'ipico' .*other_ipico_driver"):
        Registry({"ipico": "drivers.ipico:DRIVER"}).find("ipico")


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    registry = Registry({"ipico": "drivers.ipico:DRIVER", "race-result": "nowhere:DRIVER"})
    with pytest.raises(ConfigError, match=r"'ipco' \(did you mean 'ipico'\?\); there are: ipico"):
        registry.find("ipco")
    with pytest.raises(ConfigError, match=r"no driver 'zzz'; there are: ipico, race-result"):
        registry.find("zzz")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("raise RuntimeError('broken')", "does not load: RuntimeError"),
        ("", "does not load: AttributeError"),
        ("DRIVER = 3", "is not a Driver"),
    ],
)
def test_a_broken_plug_in_is_told_and_harms_nobody_else(site: Path, source: str, says: str) -> None:
    module = f"broken_{abs(hash(source))}"
    plugin(site, "broken", "broken", module, source)
    registry = Registry({"ipico": "drivers.ipico:DRIVER"})
    assert registry.find("ipico").name == "ipico"
    with pytest.raises(ConfigError, match=says):
        registry.find("broken")
