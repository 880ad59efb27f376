"""How commands reach the race: the running service over its socket, else the journal itself."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bridge.adapters.web.client import NotRunning, ask
from bridge.cli.invocation import Invocation


def carry_out(
    invocation: Invocation, action: str, asked: Mapping[str, object], *, changes: bool
) -> Any:  # noqa: ANN401 - JSON
    """Carry out an action: by the service if it runs, else on the journal in this process."""
    loaded = invocation.load(serving=False)
    try:
        return ask(loaded.config.bridge.data_dir, action, asked, changes=changes)
    except NotRunning:
        return asyncio.run(_alone(invocation, action, asked))


async def _alone(invocation: Invocation, action: str, asked: Mapping[str, object]) -> object:
    from bridge.bootstrap.actions import make_actions  # noqa: PLC0415

    async def work(core: Any) -> object:  # noqa: ANN401 - Core, whose import is heavy
        actions = make_actions(core, lambda: None)
        return await actions[action].handler(asked, "cli")

    return await with_core(invocation, work)


async def with_core(invocation: Invocation, work: Callable[[Any], Awaitable[object]]) -> object:
    """Open the race without its service, bring it up to the journal, and work on it."""
    from bridge.adapters.logs import configure  # noqa: PLC0415
    from bridge.adapters.system_clock import SystemClock  # noqa: PLC0415
    from bridge.bootstrap.core import open_core  # noqa: PLC0415

    loaded = invocation.load(serving=False)
    configure(form="console", level="warning", secrets=(), environ={})
    core = open_core(loaded, invocation.drivers(), SystemClock())
    try:
        core.marker_guns.recall()
        await core.recall()
        await core.marker_guns.settle(core.operations)
        return await work(core)
    finally:
        await core.store.close()
