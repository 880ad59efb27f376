"""Talking to the results service from a command, while the service does not run."""

import asyncio
import os
from typing import Any

from bridge.bootstrap.core import Core
from bridge.bootstrap.provider import make_provider, make_services
from bridge.cli.invocation import Invocation
from bridge.cli.service import with_core


def pull_alone(invocation: Invocation, *, whole: bool) -> Any:  # noqa: ANN401 - JSON
    """Pull participants into the store of this race."""

    async def work(core: Core) -> object:
        provider = make_provider(invocation.load(), core, os.environ)
        try:
            services = make_services(provider, core, lambda _: None)
            pulled = await services.roster.pull(whole=whole)
        finally:
            await provider.close()
        return {
            "changed": pulled.changed,
            "removed": pulled.removed,
            "skipped": list(pulled.skipped),
            "participants": len(core.store.entrants()),
        }

    return asyncio.run(with_core(invocation, work))
