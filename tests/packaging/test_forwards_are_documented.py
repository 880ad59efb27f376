"""Every forward has its row, and every option of one stands in the guide."""

import re
from pathlib import Path

import pytest

from bridge.app.forward_kinds import kind_of, names
from bridge.app.registry import Registry
from drivers import BUILTIN

ROOT = Path(__file__).parents[2]
REGISTRY = Registry(BUILTIN)
GUIDE = (ROOT / "drivers" / "README.md").read_text(encoding="utf-8")
SECTION = GUIDE.partition("## Forwarding")[2].partition("\n## ")[0]


@pytest.mark.parametrize("name", names(REGISTRY))
def test_a_forward_has_a_row_and_its_options_are_told(name: str) -> None:
    rows = [line for line in SECTION.splitlines() if re.match(rf"\| .*`{name}`.* \|", line)]
    assert rows
    [complaint] = kind_of(name, REGISTRY).check_options({"no-such-option": 1})
    allowed = set(re.findall(r"[a-z_]+", complaint.partition("allowed")[2])) - {"none"}
    assert all(any(f"`{option}`" in row for row in rows) for option in allowed)


def test_the_example_of_the_configuration_names_every_forward() -> None:
    text = (ROOT / "config" / "bridge.example.toml").read_text()
    assert not [name for name in names(REGISTRY) if name not in text]
