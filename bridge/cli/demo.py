"""`demo`: the whole system rehearsed on this machine, watched live, and its books balanced."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import webbrowser
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bridge.app.clock_words import clock_words
from bridge.cli.invocation import Invocation
from bridge.cli.output import json_option, show_json, show_table
from bridge.errors import BridgeError, UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from bridge.bootstrap.rehearsal import Books, Rehearsal

RACE_S = 1500.0
"""A 5K for everybody takes 25 minutes at speed 1."""
REFRESH_S = 0.5


@click.command()
@click.option("--runners", type=click.IntRange(1, 5000), default=60, show_default=True)
@click.option("--speed", type=click.FloatRange(1, 200), default=40.0, show_default=True,
              help="Runners run so many times faster than people.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(8, 3600),
              help="Length of the race, instead of --speed.")  # fmt: skip
@click.option("--port", type=click.IntRange(1024, 65000), default=8080, show_default=True,
              help="Of the web page; the broker takes the next one.")  # fmt: skip
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
              help="Leave configuration, journal and logs there.")  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--no-browser", is_flag=True, help="Do not open the page.")
@json_option
@click.pass_obj
def demo(
    invocation: Invocation,
    *,
    runners: int,
    speed: float,
    seconds: float | None,
    port: int,
    keep: Path | None,
    seed: int,
    no_browser: bool,
    as_json: bool,
) -> None:
    """Rehearse a whole race: simulated readers, broker, results service, and the real service.

    Readers speak their real wire protocols over TCP, with wrong clocks. Ends with 0 only if every
    read has a reason and every right result is posted.
    """
    from bridge.bootstrap.rehearsal import Rehearsal  # noqa: PLC0415 - the whole system

    if keep is not None and keep.is_dir() and any(keep.iterdir()):
        raise UsageError(f"{keep} is not empty; --keep wants a new folder")
    folder = (keep or Path(tempfile.mkdtemp(prefix="chip-bridge-demo-"))).resolve()
    rehearsal = Rehearsal(
        folder,
        invocation.drivers(),
        runners=runners,
        seconds=seconds or RACE_S / speed,
        port=port,
        seed=seed,
    )
    try:
        books = asyncio.run(_watched(rehearsal, quiet=as_json, browser=not no_browser))
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    _summary(books, as_json=as_json)
    if keep is not None:
        click.echo(f"Everything is kept in {folder}.", err=True)
    if books.faults:
        raise BridgeError(f"the books do not balance: {len(books.faults)} faults, see above")


async def _watched(rehearsal: "Rehearsal", *, quiet: bool, browser: bool) -> "Books":
    """Run the race with its screen; the books are read before the service goes down."""
    from bridge.adapters.web.client import ask  # noqa: PLC0415

    # Whoever ends us, ends the service below us too.
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, lambda: os.kill(os.getpid(), signal.SIGINT))
    found: dict[str, Any] = {}
    rehearsal.before_stop = lambda: found.update(
        ask(rehearsal.data_dir, "books", {}, changes=False)
    )
    screen, show = _screen(quiet=quiet)
    with screen:
        async with asyncio.TaskGroup() as group:
            race = group.create_task(rehearsal.run(), name="race")
            group.create_task(_draw(rehearsal, race, show, browser=browser), name="screen")
    return rehearsal.balance(found.get("reads", 0), found.get("states", {}))


Show = Callable[["Rehearsal", Mapping[str, Any] | None], None]


def _screen(*, quiet: bool) -> tuple[AbstractContextManager[object], Show]:
    if quiet:
        return nullcontext(), lambda _, __: None
    if not sys.stdout.isatty():
        return nullcontext(), _line
    from rich.live import Live  # noqa: PLC0415 - only where there is a screen

    live = Live(auto_refresh=False, transient=True)
    return live, lambda r, s: live.update(_picture(r, s), refresh=True)


async def _draw(
    rehearsal: "Rehearsal", race: "asyncio.Task[None]", show: Show, *, browser: bool
) -> None:
    opened = not browser or not sys.stdout.isatty()
    turns = 0
    while not race.done():
        await asyncio.sleep(REFRESH_S)
        status = rehearsal.status() if rehearsal.service else None
        if status and not opened:
            opened = True
            webbrowser.open(f"http://127.0.0.1:{rehearsal.port}/")
        turns += 1
        if sys.stdout.isatty() or turns % 6 == 0:
            show(rehearsal, status)


def _line(rehearsal: "Rehearsal", status: Mapping[str, Any] | None) -> None:
    if status is None:
        click.echo("starting...")
        return
    event = status["events"][0]
    reads = sum(reader["reads"] for reader in status["readers"])
    up = sum(reader["state"] == "connected" for reader in status["readers"])
    posted = status["link_facts"].get("results", {}).get("posted", 0)
    click.echo(
        f"{_race_clock(rehearsal):>12}  {up}/{len(status['readers'])} readers  {reads} reads  "
        f"{status['queues']['crossings']} crossing messages  {event['started']} started  "
        f"{event['finished']} finished  {posted} rows confirmed by the results service"
    )


def _race_clock(rehearsal: "Rehearsal") -> str:
    seconds = rehearsal.race_s
    return f"{seconds:.1f} s" if seconds >= 0 else f"gun in {-seconds:.1f} s"


def _picture(rehearsal: "Rehearsal", status: Mapping[str, Any] | None) -> "RenderableType":
    from rich.columns import Columns  # noqa: PLC0415
    from rich.console import Group  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    if status is None:
        return "Starting readers, broker, results service and the bridge..."
    readers = Table("reader", "protocol", "state", "reads", "its clock", box=None)
    for reader in status["readers"]:
        ahead = reader["clock_ahead_ms"]
        wrong = "" if ahead is None else clock_words(ahead)
        colour = "green" if reader["state"] == "connected" else "red"
        readers.add_row(
            reader["name"],
            reader["driver"],
            f"[{colour}]{reader['state']}[/]",
            str(reader["reads"]),
            wrong,
        )
    event = status["events"][0]
    posted = status["link_facts"].get("results", {}).get("posted", 0)
    numbers = Table.grid(padding=(0, 2))
    facts: dict[str, object] = {
        "race clock": _race_clock(rehearsal),
        "started": event["started"],
        "on course": event["on_course"],
        "finished": event["finished"],
        "crossing messages": status["queues"]["crossings"],
        "rows confirmed": posted,
        "broker": status["links"].get("broker", "starting"),
    }
    for name, value in facts.items():
        numbers.add_row(name, f"[bold]{value}[/]")
    finishers = Table("place", "bib", "name", "clock", "chip", box=None, title="Finishers posted")
    for row in rehearsal.latest(10):
        finishers.add_row(*(str(row.get(name) or "") for name in _FINISHER))
    page = f"[dim]http://127.0.0.1:{rehearsal.port}/  {rehearsal.folder}[/]"
    return Group(Columns([readers, numbers], padding=(0, 4)), "", finishers, page)


_FINISHER = ("place", "bib", "name", "clock_time", "chip_time")


def _summary(books: "Books", *, as_json: bool) -> None:
    if as_json:
        show_json(
            {
                "balanced": not books.faults,
                "reads_sent": books.sent,
                "reads_journalled": books.reads,
                "states": books.states,
                "finishers_expected": books.expected,
                "finishers_posted": books.finishers,
                "rows_posted": books.posted,
                "faults": books.faults,
            }
        )
        return
    show_table(("reads", ""), [("sent by the readers", books.sent), ("journalled", books.reads)])
    show_table(("of these", ""), sorted(books.states.items()))
    crossings = books.states.get("used", 0)
    others = sum(books.states.values()) - crossings
    click.echo(f"{books.reads} reads = {crossings} crossings used + {others} with a reason")
    click.echo(
        f"{books.finishers} finishers posted, {books.expected} expected; "
        f"{books.posted} runners have a row at the results service"
    )
    for fault in books.faults[:20]:
        click.secho(f"! {fault}", fg="red")
    if not books.faults:
        click.secho("The books balance.", fg="green", bold=True)
