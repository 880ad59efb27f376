"""Find, read and judge the configuration: every mistake at once, or none."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from bridge.adapters.config_mistakes import complain, mistakes_of
from bridge.adapters.config_secrets import misspelt, read_secrets
from bridge.adapters.config_tree import Tree, read_text
from bridge.adapters.reader_passwords import FORWARDS, read_passwords
from bridge.app.config import (
    BridgeTable,
    Config,
    EventTable,
    ForwardTable,
    Loaded,
    LocationTable,
    MqttTable,
    ProviderTable,
    ReaderTable,
    Table,
    WebTable,
)
from bridge.app.config_checks import Draft, cross_check, draft_of, unprotected
from bridge.app.config_forwards import unsigned
from bridge.app.config_mistake import Mistake
from bridge.app.registry import Registry
from bridge.errors import ConfigError

T = TypeVar("T", bound=Table)
VARIABLE = "CHIP_BRIDGE_CONFIG"
PLACES = (Path("bridge.toml"), Path("/etc/chip-bridge/bridge.toml"))

_STAND_INS: Mapping[type[Table], Mapping[str, object]] = {
    BridgeTable: {"site": "site"},
    ProviderTable: {"kind": "runsignup"},
    EventTable: {"id": 1, "name": "event", "course": [{"location": "finish"}]},
    LocationTable: {"name": "location"},
    ReaderTable: {"name": "reader", "driver": "driver", "location": "finish", "url": "url"},
    MqttTable: {"url": "embedded"},
    ForwardTable: {"driver": "driver", "listen": "listen"},
}
"""Required keys of a table whose other keys shall be checked though one of these is faulty; what a
check says of a stand-in is not shown, since the key has its mistake already."""


def load_config(
    path: Path | None, environ: Mapping[str, str], drivers: Registry, *, serving: bool = True
) -> Loaded:
    """Return the configuration at `path`, or where it usually is.

    Args:
        path: ``--config``; None: ``$CHIP_BRIDGE_CONFIG``, `PLACES`.
        environ: Overrides and secrets.
        drivers: The drivers that readers may name.
        serving: False for a command that only talks to the running service: an operator who runs
            it need not be able to read the service's secrets.

    Raises:
        ConfigError: There is none, or it has mistakes; the text lists them all.
    """
    found = find_config(path, environ)
    return config_of(read_text(found), found, environ, drivers, serving=serving)


def find_config(path: Path | None, environ: Mapping[str, str]) -> Path:
    """Return where the configuration is.

    Raises:
        ConfigError: It is nowhere.
    """
    if path is not None:
        return path
    if environ.get(VARIABLE):
        return Path(environ[VARIABLE])
    for place in PLACES:
        if place.exists():
            return place
    raise ConfigError(
        f"There is no configuration: looked for --config, ${VARIABLE}, "
        f"{' and '.join(map(str, PLACES))}. `chip-bridge init` writes one."
    )


def config_of(
    text: str, path: Path, environ: Mapping[str, str], drivers: Registry, *, serving: bool = True
) -> Loaded:
    """Return the configuration with this text, as if it stood at `path`.

    Raises:
        ConfigError: It has mistakes; the text lists them all.
    """
    tree = Tree(text, str(path))
    elsewhere = tree.overlay(environ)
    config: Config | None = None
    mistakes: list[Mistake] = []
    try:
        config = _judged(Config, tree.data)
        draft = draft_of(config)
    except ValidationError as error:
        mistakes += mistakes_of(error, tree)
        draft = _salvage(tree.data)
    told = {mistake.loc for mistake in mistakes}
    mistakes += (more for more in cross_check(draft, drivers) if more.loc not in told)
    folder = path.absolute().parent
    secrets_dir = draft.bridge.secrets_dir if draft.bridge else None
    secrets, complaints = read_secrets(environ, _inside(folder, secrets_dir), required=serving)
    passwords, more_complaints = read_passwords(
        environ,
        _inside(folder, secrets_dir),
        [reader.name for reader in draft.reader.values()],
        required=serving,
    )
    forwards = draft.forward.values()
    forward_secrets, still_more = read_passwords(
        environ,
        _inside(folder, secrets_dir),
        [forward.name or forward.driver for forward in forwards],
        required=serving,
        kind=FORWARDS,
    )
    elsewhere += [*complaints, *more_complaints, *still_more, *misspelt(environ)]
    if serving:
        mistakes += unprotected(draft.web, secrets)
        mistakes += unsigned(draft.forward, forward_secrets)
    if config is None or mistakes or elsewhere:
        raise complain(tree, mistakes, elsewhere)
    return Loaded(
        config=_absolute(config, folder),
        secrets=secrets,
        path=path.absolute(),
        reader_passwords=passwords,
        forward_secrets=forward_secrets,
    )


def _absolute(config: Config, folder: Path) -> Config:
    """Let relative paths begin at the folder of the file, wherever the command was started."""
    bridge = config.bridge
    provider, mqtt = config.provider, config.mqtt
    return replace(
        config,
        bridge=_with_paths(bridge, folder, "data_dir", "secrets_dir"),
        provider=provider and _with_paths(provider, folder, "participants_file"),
        mqtt=mqtt and _with_paths(mqtt, folder, "ca_file"),
    )


def _with_paths(table: T, folder: Path, *keys: str) -> T:
    paths: dict[str, Any] = {key: _inside(folder, getattr(table, key)) for key in keys}
    return replace(table, **paths)


def _judged(table: type[T], data: object) -> T:
    """Return a table made of its keys; raises `ValidationError`."""
    made = TypeAdapter(table).validate_python(data)
    _note_given(made, data)
    return made


def _note_given(table: Table, data: object) -> None:
    """Note in a table just made, and in those inside it, which keys were written."""
    if not isinstance(data, dict):
        return
    object.__setattr__(table, "given", frozenset(data))
    for key, value in data.items():
        inner = getattr(table, key)
        if isinstance(inner, Table):
            _note_given(inner, value)
        elif isinstance(inner, tuple):
            for one, its in zip(inner, value, strict=True):
                if isinstance(one, Table):
                    _note_given(one, its)


def _inside(folder: Path, path: Path | None) -> Path | None:
    return None if path is None else folder / path.expanduser()


def _salvage(data: Mapping[str, object]) -> Draft:
    """Return what can be read of a faulty configuration, key by key."""
    return Draft(
        bridge=_table(BridgeTable, data.get("bridge")),
        provider=_table(ProviderTable, data.get("provider")),
        event=_tables(EventTable, data.get("event")),
        location=_tables(LocationTable, data.get("location")),
        reader=_tables(ReaderTable, data.get("reader")),
        mqtt=_table(MqttTable, data.get("mqtt")),
        web=_table(WebTable, data.get("web")),
        forward=_tables(ForwardTable, data.get("forward")),
        whole=False,
    )


def _tables(model: type[T], items: object) -> dict[int, T]:
    found = enumerate(items) if isinstance(items, list) else ()
    tables = {position: _table(model, item) for position, item in found}
    return {position: table for position, table in tables.items() if table is not None}


def _table(model: type[T], item: object) -> T | None:
    """Return a table, its faulty keys left out; stand-ins take the place of required ones."""
    if not isinstance(item, dict):
        return None
    rest = copy.deepcopy(item)
    try:
        return _judged(model, rest)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            _drop(rest, details["loc"])
    try:
        return _judged(model, {**_STAND_INS.get(model, {}), **rest})
    except ValidationError:
        return None


def _drop(node: object, loc: tuple[str | int, ...]) -> None:
    """Remove the innermost key on the way to `loc`; positions in lists stay as they are."""
    owner: dict[object, object] | None = None
    key: str | int = ""
    for step in loc:
        if isinstance(node, dict) and step in node:
            owner, key, node = node, step, node[step]
        elif isinstance(node, list) and isinstance(step, int) and step < len(node):
            node = node[step]
        else:
            break
    if owner is not None:
        owner.pop(key, None)
