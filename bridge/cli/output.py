"""How commands print: tables for people, JSON for programs."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import click
import orjson

F = TypeVar("F", bound=Callable[..., Any])


def json_option(command: F) -> F:
    """Add ``--json``, given to the command as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


MOST_SHOWN = 20
"""Lines of one kind for people; programs get all."""


def say_each(complaints: Sequence[str]) -> None:
    """Print what a person should look at, the first of many."""
    for words in complaints[:MOST_SHOWN]:
        click.echo(f"! {words}")
    if len(complaints) > MOST_SHOWN:
        click.echo(f"! ... and {len(complaints) - MOST_SHOWN} more; --json lists all.")


def show_json(document: object) -> None:
    """Print one JSON document."""
    _write(orjson.dumps(document, default=str, option=orjson.OPT_INDENT_2) + b"\n")


def show_json_lines(documents: Iterable[object]) -> None:
    """Print one JSON document per line, as they come."""
    for document in documents:
        _write(orjson.dumps(document, default=str) + b"\n")


def show_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str = "Nothing to show."
) -> None:
    """Print a table that fits the terminal; `empty` where there are no rows."""
    from rich.console import Console  # noqa: PLC0415 -- 67 ms, for tables only
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    if table.row_count == 0:
        click.echo(empty)
        return
    Console(highlight=False, soft_wrap=False).print(table)


def _write(data: bytes) -> None:
    click.echo(data, nl=False)
