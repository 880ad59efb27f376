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
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bridge.app.clock_words import clock_words
from bridge.cli.invocation import Invocation
from bridge.cli.output import json_option, show_json, show_table
from bridge.errors import BridgeError, UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from bridge.bootstrap.rehearsal import Rehearsal
    from bridge.bootstrap.rehearsal_books import Books, Page

RACE_S = 1500.0
"""A 5K for everybody takes 25 minutes at speed 1."""
REFRESH_S = 0.5


@click.command()
@click.option("--runners", type=click.IntRange(1, 5000), default=60, show_default=True)
@click.option("--speed", type=click.FloatRange(1, 200), default=40.0, show_default=True,
              help="Runners run so many times faster than people.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(8, 3600),
              help="Length of the race, instead of --speed.")  # fmt: skip
@click.option("--every-reader", is_flag=True,
              help="One reader of each kind there is, over the link it usually has.")  # fmt: skip
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
    every_reader: bool,
    port: int,
    keep: Path | None,
    seed: int,
    no_browser: bool,
    as_json: bool,
) -> None:
    """Rehearse a whole race: simulated readers, broker, results service, and the real service.

    Readers speak their real wire protocols, with wrong clocks. Ends with 0 only if every read has a
    reason, reader by reader, and every right result is posted.
    """
    from bridge.bootstrap.rehearsal import Rehearsal  # noqa: PLC0415 - the whole system
    from bridge.bootstrap.rehearsal_cast import EVERY_READER, PLAIN  # noqa: PLC0415

    if keep is not None and keep.is_dir() and any(keep.iterdir()):
        raise UsageError(f"{keep} is not empty; --keep wants a new folder")
    folder = (keep or Path(tempfile.mkdtemp(prefix="chip-bridge-demo-"))).resolve()
    rehearsal = Rehearsal(
        folder,
        invocation.drivers(),
        cast=EVERY_READER if every_reader else PLAIN,
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
    # Whoever ends us, ends the service below us too.
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, lambda: os.kill(os.getpid(), signal.SIGINT))
    screen, show = _screen(quiet=quiet)
    with screen:
        async with asyncio.TaskGroup() as group:
            race = group.create_task(rehearsal.run(), name="race")
            group.create_task(_draw(rehearsal, race, show, browser=browser), name="screen")
    return rehearsal.balance()


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
    few = len(status["readers"]) <= _FEW
    readers = Table("reader", "protocol", "state", "reads", "its clock", box=None)
    for reader in status["readers"]:
        readers.add_row(*_reader_row(reader))
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
    for row in rehearsal.latest(_LATEST if few else _LATEST_BELOW):
        finishers.add_row(*(str(row.get(name) or "") for name in _FINISHER))
    page = f"[dim]http://127.0.0.1:{rehearsal.port}/  {rehearsal.folder}[/]"
    if few:
        return Group(Columns([readers, numbers], padding=(0, 4)), "", finishers, page)
    # Three readers to a line, so that 24 lines of 80 hold everything.
    readers = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for title in ("reader", "reads", "clock s") * _COLUMNS:
        readers.add_column(title, no_wrap=True, justify="left" if title == "reader" else "right")
    cells = [_short_row(reader) for reader in status["readers"]]
    height = -(-len(cells) // _COLUMNS)
    for line in range(height):
        readers.add_row(*(cell for found in cells[line::height] for cell in found))
    return Group(readers, "", Columns([numbers, finishers], padding=(0, 4)), page)


def _reader_row(reader: Mapping[str, Any]) -> tuple[str, ...]:
    colour = "green" if reader["state"] == "connected" else "red"
    state = f"[{colour}]{reader['state']}[/]"
    ahead = reader["clock_ahead_ms"]
    wrong = "" if ahead is None else clock_words(ahead)
    return reader["name"], reader["driver"], state, str(reader["reads"]), wrong


def _short_row(reader: Mapping[str, Any]) -> tuple[str, ...]:
    colour = "green" if reader["state"] == "connected" else "red"
    ahead = reader["clock_ahead_ms"]
    wrong = "" if ahead is None else f"{ahead / 1000:+.1f}"
    return f"[{colour}]{reader['name']}[/]", str(reader["reads"]), wrong


_FEW = 8
"""Readers that have room beside the numbers."""
_COLUMNS = 3
_LATEST, _LATEST_BELOW = 10, 6
"""Finishers shown: where few readers are, and below many."""
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
                "splits_expected": books.splits,
                "readers": [asdict(page) for page in books.pages],
                "faults": books.faults,
            }
        )
        return
    show_table(
        ("reader", "protocol", "sent", "in journal", "used", "reasons", "clock ahead"),
        [
            (
                *(page.name, page.driver, page.sent, page.reads, page.used, page.reasons),
                _ahead(page),
            )
            for page in books.pages
        ],
    )
    show_table(("of all reads", ""), sorted(books.states.items()))
    others = sum(books.states.values()) - (used := books.states.get("used", 0))
    click.echo(
        f"{books.sent} reads sent, {books.reads} journalled = {used} used + {others} with a reason"
    )
    click.echo(
        f"{books.finishers} finishers posted, {books.expected} expected; "
        f"{books.posted} runners have a row at the results service"
    )
    for fault in books.faults[:20]:
        click.secho(f"! {fault}", fg="red")
    if not books.faults:
        click.secho("The books balance.", fg="green", bold=True)


def _ahead(page: "Page") -> str:
    """Say how wrong the clock was found, where it can be told."""
    return "" if page.measured_ahead_s is None else f"{page.measured_ahead_s:+.2f} s"
