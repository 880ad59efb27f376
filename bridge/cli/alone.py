"""Talking to the results service from a command, while the service does not run."""

import asyncio
import os
from collections.abc import Mapping
from typing import Any

from bridge.bootstrap.actions import make_actions
from bridge.bootstrap.core import Core
from bridge.bootstrap.provider import make_provider, make_services
from bridge.cli.invocation import Invocation
from bridge.cli.service import with_core


def with_provider(invocation: Invocation, action: str, asked: Mapping[str, object]) -> Any:  # noqa: ANN401 - JSON
    """Carry out an action that needs the results service's side: participants, what is posted."""

    async def work(core: Core) -> object:
        provider = core.config.provider
        if provider is None or provider.kind == "file":
            return await make_actions(core, lambda: None)[action].handler(asked, "cli")
        client = make_provider(invocation.load(), core, os.environ)
        try:
            services = make_services(client, core, lambda _: None)
            found = await make_actions(core, lambda: services)[action].handler(asked, "cli")
            await core.operations.entrants_changed()
            return found
        finally:
            await client.close()

    return asyncio.run(with_core(invocation, work))
