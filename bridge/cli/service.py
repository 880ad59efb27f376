"""How commands reach the race: the running service over its socket, else the journal itself."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bridge.adapters.web.client import NotRunning, ask
from bridge.cli.invocation import Invocation
from bridge.errors import BridgeError

if TYPE_CHECKING:
    from bridge.app.config import Loaded


_PROVIDER = frozenset({"participants/pull", "preview"})
"""Actions that need the results service, or what it has acknowledged."""


def carry_out(
    invocation: Invocation, action: str, asked: Mapping[str, object], *, changes: bool
) -> Any:  # noqa: ANN401 - JSON
    """Carry out an action: by the service if it runs, else on the journal in this process."""
    loaded = invocation.load(serving=False)
    try:
        return ask(loaded.config.bridge.data_dir, action, asked, changes=changes)
    except NotRunning:
        if action not in _PROVIDER:
            return asyncio.run(_alone(invocation, action, asked))
    from bridge.cli.alone import with_provider  # noqa: PLC0415 - HTTP is heavy

    return with_provider(invocation, action, asked)


async def _alone(invocation: Invocation, action: str, asked: Mapping[str, object]) -> object:
    from bridge.bootstrap.actions import make_actions  # noqa: PLC0415

    async def work(core: Any) -> object:  # noqa: ANN401 - Core, whose import is heavy
        actions = make_actions(core, lambda: None)
        return await actions[action].handler(asked, "cli")

    return await with_core(invocation, work)


async def with_core(invocation: Invocation, work: Callable[[Any], Awaitable[object]]) -> object:
    """Open the race without its service, bring it up to the journal, and work on it."""
    loaded = invocation.load(serving=False)

    async def recalled(core: Any) -> object:  # noqa: ANN401 - Core, whose import is heavy
        core.marker_guns.recall()
        await core.recall()
        await core.marker_guns.settle(core.operations)
        return await work(core)

    try:
        return await _with_open(invocation, loaded, recalled)
    finally:
        _give_back(loaded.config.bridge.data_dir)


async def with_copy(
    invocation: Invocation, folder: Path, work: Callable[[Any], Awaitable[object]]
) -> object:
    """Work on a copy of the race in `folder`, the service running or not; its reads stay out."""
    from bridge.adapters.store.copying import copy_store  # noqa: PLC0415
    from bridge.bootstrap.core import race_key  # noqa: PLC0415

    loaded = invocation.load(serving=False)
    copy_store(loaded.config.bridge.data_dir, folder, race_key(loaded.config))
    table = replace(loaded.config.bridge, data_dir=folder)
    config = replace(loaded.config, bridge=table)

    async def known(core: Any) -> object:  # noqa: ANN401 - Core, whose import is heavy
        await core.operations.entrants_changed()
        return await work(core)

    return await _with_open(invocation, replace(loaded, config=config), known)


async def _with_open(
    invocation: Invocation, loaded: "Loaded", work: Callable[[Any], Awaitable[object]]
) -> object:
    from bridge.adapters.logs import configure  # noqa: PLC0415
    from bridge.adapters.system_clock import SystemClock  # noqa: PLC0415
    from bridge.bootstrap.core import open_core  # noqa: PLC0415

    configure(form="console", level="error", secrets=loaded.secret_values(), environ={})
    core = open_core(loaded, invocation.drivers(), SystemClock())
    try:
        for notice in core.notices:
            click.echo(f"! {notice}", err=True)
        if core.people is not None:
            try:
                await core.people.pull()
            except BridgeError as error:
                click.echo(f"! {error}", err=True)
        return await work(core)
    finally:
        await core.store.close()


def _give_back(data_dir: Path) -> None:
    """Leave no file that the service's own user cannot write, when root ran the command."""
    if os.geteuid() != 0:
        return
    owner = data_dir.stat()
    if owner.st_uid == 0:
        return
    for path in [data_dir / "races", *(data_dir / "races").rglob("*")]:
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
