"""Find, read and judge the configuration: every mistake at once, or none."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from bridge.adapters.config_mistakes import complain, mistakes_of
from bridge.adapters.config_secrets import misspelt, read_secrets
from bridge.adapters.config_tree import Tree, read_text
from bridge.app.config import (
    BridgeTable,
    Config,
    EventTable,
    Loaded,
    LocationTable,
    MqttTable,
    ProviderTable,
    ReaderTable,
    WebTable,
)
from bridge.app.config_checks import Draft, Mistake, cross_check, draft_of, unprotected
from bridge.app.registry import Registry
from bridge.errors import ConfigError

M = TypeVar("M", bound=BaseModel)
VARIABLE = "CHIP_BRIDGE_CONFIG"
PLACES = (Path("bridge.toml"), Path("/etc/chip-bridge/bridge.toml"))

_STAND_INS: Mapping[type[BaseModel], Mapping[str, object]] = {
    BridgeTable: {"site": "site"},
    ProviderTable: {"kind": "runsignup"},
    EventTable: {"id": 1, "name": "event", "course": [{"location": "finish"}]},
    LocationTable: {"name": "location"},
    ReaderTable: {"name": "reader", "driver": "driver", "location": "finish", "url": "url"},
    MqttTable: {"url": "embedded"},
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
        config = Config.model_validate(tree.data)
        draft = draft_of(config)
    except ValidationError as error:
        mistakes += mistakes_of(error, tree)
        draft = _salvage(tree.data)
    told = {mistake.loc for mistake in mistakes}
    mistakes += (more for more in cross_check(draft, drivers) if more.loc not in told)
    folder = path.absolute().parent
    secrets_dir = draft.bridge.secrets_dir if draft.bridge else None
    secrets, complaints = read_secrets(environ, _inside(folder, secrets_dir), required=serving)
    elsewhere += [*complaints, *misspelt(environ)]
    if serving:
        mistakes += unprotected(draft.web, secrets)
    if config is None or mistakes or elsewhere:
        raise complain(tree, mistakes, elsewhere)
    return Loaded(config=_absolute(config, folder), secrets=secrets, path=path.absolute())


def _absolute(config: Config, folder: Path) -> Config:
    """Let relative paths begin at the folder of the file, wherever the command was started."""
    bridge = config.bridge
    update: dict[str, object] = {
        "bridge": _with_paths(bridge, folder, "data_dir", "secrets_dir"),
    }
    if config.provider is not None:
        update["provider"] = _with_paths(config.provider, folder, "participants_file")
    if config.mqtt is not None:
        update["mqtt"] = _with_paths(config.mqtt, folder, "ca_file")
    return config.model_copy(update=update)


def _with_paths(table: BaseModel, folder: Path, *keys: str) -> BaseModel:
    return table.model_copy(update={key: _inside(folder, getattr(table, key)) for key in keys})


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
        whole=False,
    )


def _tables(model: type[M], items: object) -> dict[int, M]:
    found = enumerate(items) if isinstance(items, list) else ()
    tables = {position: _table(model, item) for position, item in found}
    return {position: table for position, table in tables.items() if table is not None}


def _table(model: type[M], item: object) -> M | None:
    """Return a table, its faulty keys left out; stand-ins take the place of required ones."""
    if not isinstance(item, dict):
        return None
    rest = copy.deepcopy(item)
    try:
        return model.model_validate(rest)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            _drop(rest, details["loc"])
    try:
        return model.model_validate({**_STAND_INS.get(model, {}), **rest})
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
