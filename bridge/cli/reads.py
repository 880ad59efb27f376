"""`reads` and `replay`: the raw reads, out, in, and through the timing once more."""

import asyncio
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import click

from bridge.adapters.store.lines import is_head
from bridge.adapters.web.client import NotRunning, ask
from bridge.cli.invocation import Invocation
from bridge.cli.output import json_option, say_each, show_json, show_table
from bridge.cli.service import with_core
from bridge.errors import NotFound, UsageError

LINES_AT_ONCE = 2_000
EVERY = 50_000


@click.group()
def reads() -> None:
    """Export and import raw reads as JSON Lines, complete and loss-free."""


@reads.command(short_help="Write the whole journal to a file.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.pass_obj
def export(invocation: Invocation, file: Path) -> None:
    """Write the whole journal to FILE (`-`: standard output), also while the service runs."""
    from bridge.adapters.store.export import export_reads  # noqa: PLC0415
    from bridge.adapters.store.opening import store_folder  # noqa: PLC0415
    from bridge.bootstrap.core import race_key  # noqa: PLC0415

    config = invocation.load(serving=False).config
    journal = store_folder(config.bridge.data_dir, race_key(config)) / "journal.db"
    if not journal.exists():
        raise NotFound(f"there is no journal yet at {journal}; was the service ever started?")
    if str(file) == "-":
        count = export_reads(journal, sys.stdout.buffer.write)
    else:
        try:
            with file.open("wb") as out:
                count = export_reads(journal, _counting(out))
        except OSError as error:
            raise UsageError(f"{file} cannot be written: {error.strerror}") from None
    click.echo(f"{count} events written to {file}.", err=True)


def _counting(out: BinaryIO) -> Any:  # noqa: ANN401 - a callable taking bytes
    lines = 0

    def write(data: bytes) -> None:
        nonlocal lines
        lines += 1
        if lines % EVERY == 0:
            click.echo(f"{lines} lines...", err=True)
        out.write(data)

    return write


@reads.command("import", short_help="Take the reads of a file in.")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@json_option
@click.pass_obj
def take(invocation: Invocation, file: Path, *, as_json: bool) -> None:
    """Take the reads of FILE in: an export, or lines with reader, chip and time.

    What is here already is not taken again. Results follow by themselves.
    """
    data_dir = invocation.load(serving=False).config.bridge.data_dir
    total = {"taken": 0, "known": 0, "damaged": 0}
    complaints: list[str] = []
    try:
        for asked in _parcels(file):
            found = ask(data_dir, "reads/import", asked, changes=True)
            total = {key: total[key] + found[key] for key in total}
            complaints += found["complaints"]
            if not as_json:
                click.echo(f"{total['taken']} events taken...", err=True)
    except NotRunning:
        found = asyncio.run(_import_alone(invocation, file))
        total = {key: found[key] for key in total}
        complaints = found["complaints"]
    if as_json:
        show_json({**total, "complaints": complaints})
        return
    click.echo(
        f"{total['taken']} events taken, {total['known']} were here already, "
        f"{total['damaged']} lines damaged."
    )
    say_each(complaints)


def _parcels(file: Path) -> Iterator[dict[str, object]]:
    """Cut the file; what events refer to (header, sessions) goes with every parcel."""
    heads: list[bytes] = []
    lines: list[bytes] = []
    number = first = 0
    with file.open("rb") as source:
        for number, line in enumerate(source, start=1):
            if is_head(line):
                heads.append(line)
                continue
            first = first if lines else number
            lines.append(line)
            if len(lines) >= LINES_AT_ONCE:
                yield _parcel(file, heads, lines, first)
                lines = []
    if lines:
        yield _parcel(file, heads, lines, first)


def _parcel(file: Path, heads: list[bytes], lines: list[bytes], first: int) -> dict[str, object]:
    text = b"".join([*heads, *lines]).decode("utf-8", "replace")
    return {"lines": text, "source": file.name, "first": first}


async def _import_alone(invocation: Invocation, file: Path) -> Any:  # noqa: ANN401 - JSON
    async def work(core: Any) -> object:  # noqa: ANN401 - Core, whose import is heavy
        from bridge.bootstrap.actions import import_lines  # noqa: PLC0415

        with file.open("rb") as source:
            found = await import_lines(core, _progress(source), file.name)
        await core.recall()
        return found

    return await with_core(invocation, work)


def _progress(lines: Iterable[bytes]) -> Iterator[bytes]:
    for number, line in enumerate(lines, start=1):
        if number % EVERY == 0:
            click.echo(f"{number} lines...", err=True)
        yield line


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@json_option
@click.pass_obj
def replay(invocation: Invocation, file: Path, *, as_json: bool) -> None:
    """Run exported reads through the timing once more and show the results; changes nothing.

    Uses the configuration, participants and marks of this box: what would these reads give?
    """
    from bridge.cli.replaying import replayed  # noqa: PLC0415 - store and timing

    found = replayed(invocation, file)
    if as_json:
        show_json(found)
        return
    click.echo(f"{found['reads']} reads in {found['seconds']} s:")
    show_table(("state", "reads"), found["states"].items())
    for block in found["events"]:
        click.echo(f"{block['event']}: {block['totals']['finished']} finished")
        show_table(
            ("place", "bib", "name", "clock", "chip"),
            (
                (r["place"], r["bib"], r["name"], r["clock_time"], r["chip_time"])
                for r in block["rows"]
            ),
        )
