"""`chip-bridge run`: the service."""

import asyncio
import gc
import os

import click

from bridge.cli.installation import check_installation
from bridge.cli.invocation import Invocation


@click.command()
@click.pass_obj
def run(invocation: Invocation) -> None:
    """Run the service until it is told to stop (SIGTERM or Ctrl-C).

    Under systemd it is started with `systemctl start chip-bridge`.
    """
    from bridge.adapters.logs import configure  # noqa: PLC0415
    from bridge.adapters.system_clock import SystemClock  # noqa: PLC0415
    from bridge.bootstrap.core import open_core  # noqa: PLC0415
    from bridge.bootstrap.service import run_bridge  # noqa: PLC0415

    check_installation()
    drivers = invocation.drivers()
    loaded = invocation.load()
    bridge = loaded.config.bridge
    configure(
        form=bridge.log_format,
        level=bridge.log_level,
        secrets=loaded.secret_values(),
        environ=os.environ,
    )

    async def whole() -> None:
        core = open_core(loaded, drivers, SystemClock())
        relax_collector()
        await run_bridge(loaded, core, os.environ)

    asyncio.run(whole())


def relax_collector() -> None:
    """Let the cycle collector look less often, and never at what start-up made.

    The hot path makes tuples by the hundred thousand and no cycles; looking through them for some
    took a third of the time of a read.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
