"""Whatever stands in a configuration, it is read or its mistakes are told; nothing else."""

import json
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.adapters.config_files import config_of
from bridge.app.config import Config
from bridge.app.registry import Registry
from bridge.app.rulebook import rules_of
from bridge.errors import ConfigError
from drivers import BUILTIN

EXAMPLE = Path("config/bridge.example.toml")
DRIVERS = Registry(BUILTIN)
KEYS = [
    *("forward", "api_key", "Ü", *(key.name for key in fields(Config))),
    *("site", "timezone", "secrets_dir", "kind", "race_id", "base_url", "participants_file"),
    *("id", "name", "gun", "course", "wave", "split", "location", "min_time_s", "max_time_s"),
    *("distance_m", "start_window_s", "driver", "url", "gun_for", "options", "listen", "ca_file"),
]
WORDS = [
    *("finish", "ipico", "race-result", "runsignup", "file", "raceentry", "start", "embedded"),
    *("tcp://h:1", "tcp://h:x", "tcp://[::", "serial:///dev/x?baud=1", "mqtt://h", "https://h"),
    *("America/Denver", "../../etc/passwd", "2026-11-21T08:30:00", "127.0.0.1:1", "[::1]:1", ""),
]
scalars = st.one_of(
    st.sampled_from(WORDS),
    st.text(max_size=5),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
)
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=6)
    ),
    max_leaves=25,
)


def judged(tree: dict[str, object]) -> None:
    environ = {
        f"CHIP_BRIDGE__{key.upper()}": value if isinstance(value, str) else json.dumps(value)
        for key, value in tree.items()
    }
    try:
        loaded = config_of('[bridge]\nsite = "a"\n', Path("/bridge.toml"), environ, DRIVERS)
    except ConfigError as error:
        first, *lines = str(error).splitlines()
        assert first.startswith("The configuration has ")
        assert lines
        assert all(": " in line for line in lines)
    else:
        rules_of(loaded.config, None, DRIVERS)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), trees, max_size=6))
def test_any_tree_is_read_or_refused_in_words(tree: dict[str, object]) -> None:
    judged(tree)


def places(node: object) -> Iterator[tuple[object, object]]:
    """Yield every (container, key) of a tree."""
    items = node.items() if isinstance(node, dict) else enumerate(node)  # type: ignore[arg-type]
    for key, value in [*items]:
        yield node, key
        if isinstance(value, dict | list):
            yield from places(value)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_good_tree_with_a_few_odd_values_is_read_or_refused_in_words(data: st.DataObject) -> None:
    tree = tomllib.loads(EXAMPLE.read_text())
    tree["event"][0]["gun"] = "2026-11-21T08:30:00"
    tree["event"][0]["wave"][0]["gun"] = "2026-11-21T08:34:00"
    everywhere = list(places(tree))
    for _ in range(data.draw(st.integers(1, 4))):
        container, key = data.draw(st.sampled_from(everywhere))
        container[key] = data.draw(trees)  # type: ignore[index]
    judged(tree)
