"""`status`: what the running service is doing."""

import time
from collections.abc import Mapping
from typing import Any

import click

from bridge.adapters.web.client import ask
from bridge.app.clock_words import clock_words
from bridge.cli.invocation import Invocation
from bridge.cli.output import json_option, show_json, show_json_lines, show_table

WATCH_S = 1.0


@click.command()
@click.option("--watch", is_flag=True, help="Keep it on the screen, anew every second.")
@json_option
@click.pass_obj
def status(invocation: Invocation, *, watch: bool, as_json: bool) -> None:
    """Show what the running service is doing: readers, events, queues, alarms."""
    data_dir = invocation.load(serving=False).config.bridge.data_dir
    while True:
        found = ask(data_dir, "status", {}, changes=False)
        if as_json and watch:
            show_json_lines([found])
        elif as_json:
            show_json(found)
        else:
            if watch:
                click.clear()
            show(found)
        if not watch:
            return
        time.sleep(WATCH_S)


def show(found: Mapping[str, Any]) -> None:
    """Print the status as tables."""
    queues = found["queues"]
    click.echo(
        f"{found['site']}: chip-bridge {found['version']}, up {found['uptime_s']} s, "
        f"{'ready' if found['ready'] else 'NOT READY'}, {found['disk']['free_mb']} MB free, "
        f"{queues['crossings']} crossing messages"
        + (", reading the journal again" if queues["rebuilding"] else "")
    )
    for alarm in found["alarms"]:
        click.secho(f"! {alarm}", fg="red")
    show_table(
        ("reader", "location", "state", "reads", "bad", "last byte", "its clock"),
        (
            (
                reader["name"],
                reader["location"],
                reader["state"],
                reader["reads"],
                reader["rejected"],
                "never" if reader["last_byte_s"] is None else f"{reader['last_byte_s']} s ago",
                _offset(reader),
            )
            for reader in found["readers"]
        ),
        empty="No readers configured.",
    )
    show_table(
        ("event", "started", "on course", "finished"),
        ((e["name"], e["started"], e["on_course"], e["finished"]) for e in found["events"]),
        empty="No events configured.",
    )
    for name, words in found["links"].items():
        click.echo(f"{name}: {words}")


def _offset(reader: Mapping[str, Any]) -> str:
    ahead = reader["clock_ahead_ms"]
    return "" if ahead is None else clock_words(ahead)
