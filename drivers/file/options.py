"""`[[reader]] options` of files that other software writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from drivers import row_options as rows
from drivers.read_fields import Fields

NAMES: Final = ("format", "columns", "separator", "time", "zone", "chip", "encoding")
FORMATS: Final = ("auto", "rows", "json")
TIME: Final = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What checked options say.

    Attributes:
        format: ``rows`` and ``json`` take that alone, ``auto`` both.
        columns: As configured; None: by the header, or else the usual ones.
        separator: As configured; None: the one a row seems to have.
        fields: What time and chip mean.
        encoding: Of the text.
    """

    format: str
    columns: rows.Columns | None
    separator: str | None
    fields: Fields
    encoding: str


def parse(options: Mapping[str, object]) -> Setup:
    """Return checked options as a value."""
    separator = options.get("separator")
    return Setup(
        format=str(options.get("format", "auto")),
        columns=rows.columns_of(options) if "columns" in options else None,
        separator=separator if isinstance(separator, str) else None,
        fields=rows.fields_of(options, TIME),
        encoding=str(options.get("encoding", "utf-8")),
    )


def complaints(options: Mapping[str, object]) -> list[str]:
    """Return what is wrong with `options`, one sentence per mistake."""
    found = rows.unknown(options, NAMES) + rows.choice(options, "format", FORMATS)
    found += rows.separator(options) + rows.time(options, TIME) + rows.chip(options)
    found += rows.choice(options, "encoding", rows.ENCODINGS)
    if "columns" in options:
        found += rows.columns(options, needs_time=options.get("time", TIME) != "none")
        table = options["columns"]
        names = list(map(str, table)) if isinstance(table, Mapping) else []
        found += rows.dated(options, names, TIME)
    if options.get("format") == "json":
        table = options.get("columns")
        numbered = isinstance(table, Mapping) and any(isinstance(at, int) for at in table.values())
        if numbered:
            found.append("option 'columns' has numbers; with format 'json' allowed: names")
        if "separator" in options:
            found.append("option 'separator' has no meaning with format 'json'; remove it")
    return found
