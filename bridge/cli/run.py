"""`chip-bridge run`: the service."""

import asyncio
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
    from bridge.adapters.apart import Apart  # noqa: PLC0415
    from bridge.adapters.memory import share_one_heap  # noqa: PLC0415

    share_one_heap()
    check_installation()
    drivers = invocation.drivers()
    loading = Apart(invocation.load)  # goes on while we import the rest

    from bridge.adapters.logs import configure  # noqa: PLC0415
    from bridge.adapters.system_clock import SystemClock  # noqa: PLC0415
    from bridge.bootstrap.core import open_core  # noqa: PLC0415
    from bridge.bootstrap.service import run_bridge  # noqa: PLC0415

    loaded = loading.result()
    bridge = loaded.config.bridge
    configure(
        form=bridge.log_format,
        level=bridge.log_level,
        secrets=loaded.secret_values(),
        environ=os.environ,
    )

    async def whole() -> None:
        core = open_core(loaded, drivers, SystemClock())
        await run_bridge(loaded, core, os.environ)

    asyncio.run(whole())
