"""The map in `bridge/README.md` names every module there is, and none that is not."""

import re
from pathlib import Path

BRIDGE = Path(__file__).parents[2] / "bridge"
PACKAGES = ("domain", "app", "adapters", "bootstrap")


def test_the_map_names_every_module() -> None:
    text = (BRIDGE / "README.md").read_text(encoding="utf-8")
    modules = {path.name for package in PACKAGES for path in (BRIDGE / package).glob("*.py")}
    modules = {name for name in modules if name != "__init__.py"}
    modules = {name for name in modules if not name.startswith("config_")}  # as config_*.py
    assert {name for name in modules if not re.search(rf"\b{re.escape(name)}", text)} == set()


def test_the_map_names_no_module_that_is_not_there() -> None:
    text = (BRIDGE / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b([a-z_]+\.py)\b", text))
    there = {path.name for path in BRIDGE.rglob("*.py")}
    assert named - there == set()
