"""`[[reader]] options` of a reader that is described by them; the emulator takes the same.

Attributes of `Setup` are described in the guide, drivers/README.md.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from drivers import row_options as rows
from drivers.read_fields import Fields

NAMES: Final = (
    "pattern", "columns", "separator", "time", "zone", "chip", "gun", "ignore", "line_end",
    "encoding", "sample",
)  # fmt: skip
LINE_ENDS: Final[Mapping[str, bytes]] = MappingProxyType({"lf": b"\n", "cr": b"\r", "nul": b"\0"})
_TIME: Final = "iso"
_COMMENT: Final = "#"
_MOST_SAMPLES: Final = 20
_GUN_FIELDS: Final = ("time", "date", "unit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What checked options say."""

    pattern: re.Pattern[str] | None
    columns: rows.Columns
    separator: str
    fields: Fields
    gun: re.Pattern[str] | None
    ignore: re.Pattern[str]
    end: bytes
    encoding: str
    samples: tuple[str, ...]

    @property
    def is_dated(self) -> bool:
        """Whether the date is a field of its own."""
        if self.pattern is not None:
            return "date" in self.pattern.groupindex
        return "date" in self.columns.places or "date" in self.columns.names


def parse(options: Mapping[str, object]) -> Setup:
    """Return checked options as a value."""
    return Setup(
        pattern=rows.compiled(options, "pattern"),
        columns=rows.columns_of(options),
        separator=str(options.get("separator", ",")),
        fields=rows.fields_of(options, _TIME),
        gun=rows.compiled(options, "gun"),
        ignore=rows.compiled(options, "ignore") or re.compile(_COMMENT),
        end=LINE_ENDS[str(options.get("line_end", "lf"))],
        encoding=str(options.get("encoding", "utf-8")),
        samples=_samples(options) or (),
    )


def complaints(options: Mapping[str, object]) -> list[str]:
    """Return what is wrong with the options but for what a sample shows."""
    found = rows.unknown(options, NAMES)
    found += rows.separator(options, (rows.JSON,)) + rows.time(options, _TIME) + rows.chip(options)
    found += rows.choice(options, "line_end", tuple(LINE_ENDS))
    found += rows.choice(options, "encoding", rows.ENCODINGS)
    needs_time = options.get("time", _TIME) != "none"
    ignored, _ = rows.pattern(options, "ignore")
    found += ignored + _gun(options, needs_time=needs_time)
    if "pattern" in options:
        found += _pattern(options, needs_time=needs_time)
    else:
        found += rows.columns(options, needs_time=needs_time)
        table = options.get("columns")
        names = list(map(str, table)) if isinstance(table, Mapping) else []
        found += rows.dated(options, names, _TIME)
    if _samples(options) is None:
        found.append(
            f"option 'sample'; allowed: a line of text, or a list of up to {_MOST_SAMPLES}"
        )
    return found


def _pattern(options: Mapping[str, object], *, needs_time: bool) -> list[str]:
    found, names = rows.pattern(options, "pattern")
    if found:
        return found
    clash = [name for name in ("columns", "separator") if name in options]
    found = [f"option {name!r} has no meaning beside 'pattern'; remove one" for name in clash]
    named = {name: f"{name} (position {at})" for name, at in names.items()}
    for complaint in rows.fields(list(names), "option 'pattern'", needs_time=needs_time):
        unknown = next((name for name in names if f"unknown field {name!r}" in complaint), None)
        found.append(
            complaint if unknown is None else complaint.replace(f"{unknown!r}", named[unknown])
        )
    return found + rows.dated(options, list(names), _TIME)


def _gun(options: Mapping[str, object], *, needs_time: bool) -> list[str]:
    found, names = rows.pattern(options, "gun")
    allowed = ", ".join(_GUN_FIELDS)
    found += [
        f"option 'gun' has an unknown field {name!r} at position {at}; allowed: {allowed}"
        for name, at in names.items()
        if name not in _GUN_FIELDS
    ]
    if "time" in names and not needs_time:
        found.append("option 'gun' has a field 'time', but time = 'none'; remove one")
    return found


def _samples(options: Mapping[str, object]) -> tuple[str, ...] | None:
    value = options.get("sample", [])
    lines = [value] if isinstance(value, str) else value
    if not isinstance(lines, list | tuple) or len(lines) > _MOST_SAMPLES:
        return None
    if not all(isinstance(line, str) and line for line in lines):
        return None
    return tuple(lines)
