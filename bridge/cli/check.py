"""`check`: the go/no-go sheet before a race. Looks at everything, changes nothing."""

import asyncio
import os

import click

from bridge.cli.invocation import Invocation
from bridge.cli.output import json_option, show_json, show_table
from bridge.errors import BridgeError

WORDS = {"go": "go", "warn": "look", "no": "NO GO"}
COLOURS = {"go": "green", "warn": "yellow", "no": "red"}


@click.command()
@json_option
@click.pass_obj
def check(invocation: Invocation, *, as_json: bool) -> None:
    """Try everything a race needs, now: readers, clocks, disk, broker, results service, people.

    Changes nothing. Ends with 0 for go and 1 for no go.
    """
    from bridge.adapters.logs import configure  # noqa: PLC0415
    from bridge.adapters.system_clock import SystemClock  # noqa: PLC0415
    from bridge.bootstrap.checking import run_checks  # noqa: PLC0415 - readers, HTTP, MQTT

    loaded = invocation.load()
    configure(form="console", level="error", secrets=loaded.secret_values(), environ={})
    if not as_json:
        click.echo(f"{loaded.path}: no mistakes. Trying readers and services...", err=True)
    found = asyncio.run(run_checks(loaded, invocation.drivers(), os.environ, SystemClock()))
    stops = [line for line in found if line.verdict == "no"]
    if as_json:
        rows = [{"what": line.what, "verdict": line.verdict, "text": line.text} for line in found]
        show_json({"go": not stops, "checks": rows})
    else:
        show_table(
            ("", "what", ""), ((WORDS[line.verdict], line.what, line.text) for line in found)
        )
        verdict = "no" if stops else "go"
        click.secho(f"{WORDS[verdict].upper()}.", fg=COLOURS[verdict], bold=True)
    if stops:
        raise BridgeError(f"{len(stops)} of {len(found)} checks say no go")
