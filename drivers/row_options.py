"""Checks of options that say what a line means: shared by the drivers that are configured to it.

Each check returns complaints, empty if all is well; each names what is allowed and, where there is
one, the place of the mistake.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from bridge.domain.reads import NS_PER_S
from drivers.read_fields import CHIP_STEPS, FIELDS, Fields
from drivers.safe_pattern import PatternError, compile_safely
from drivers.time_text import ZONES, TimeText, offset_ns, time_mistake

ENCODINGS: Final = ("utf-8", "latin-1", "cp1252", "cp437")
JSON: Final = "json"
"""As a separator: each line is a JSON object, its names are the columns."""
DEFAULT_COLUMNS: Final[Mapping[str, int]] = MappingProxyType(
    {"chip": 1, "time": 2, "antenna": 3, "rssi": 4}
)
MOST_COLUMNS: Final = 200
_MOST_EAST_NS: Final = 14 * 3600 * NS_PER_S
Options = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which column is which: by index from 0, or by name; one of the two is empty."""

    places: Mapping[str, int]
    names: Mapping[str, str]


def unknown(options: Options, known: Sequence[str]) -> list[str]:
    """Complain about options there are not."""
    allowed = ", ".join(known)
    return [f"unknown option {name!r}; allowed: {allowed}" for name in options if name not in known]


def choice(options: Options, name: str, allowed: Sequence[str]) -> list[str]:
    """Complain about an option that is none of a few words."""
    if name not in options or options[name] in allowed:
        return []
    return [f"option {name!r} is {options[name]!r}; allowed: {', '.join(allowed)}"]


def separator(options: Options, words: Sequence[str] = ()) -> list[str]:
    """Complain about a separator that is neither one character nor one of `words`."""
    value = options.get("separator", ",")
    single = isinstance(value, str) and len(value) == 1 and value not in '"\r\n'
    if single or value in words:
        return []
    also = "".join(f" or {word!r}" for word in words)
    return [f"option 'separator' is {value!r}; allowed: one character{also}"]


def time(options: Options, default: str) -> list[str]:
    """Complain about the form of the time and its zone."""
    form, zone = options.get("time", default), options.get("zone")
    if not isinstance(form, str):
        return [f"option 'time' is {form!r}; allowed: text"]
    mistake = time_mistake(form)
    found = [] if mistake is None else [f"option 'time' is {form!r}: {mistake}"]
    if zone is not None and (not isinstance(zone, str) or not _is_zone(zone)):
        found.append(f"option 'zone' is {zone!r}; allowed: {', '.join(ZONES)}, +02:00 and the like")
    elif zone not in {None, "naive"} and form in {"time_of_day", "none"}:
        found.append(f"option 'zone' has no meaning with time = {form!r}; allowed: 'naive'")
    return found


def _is_zone(zone: str) -> bool:
    east = offset_ns(zone)
    return zone in ZONES or (east is not None and abs(east) <= _MOST_EAST_NS)


def chip(options: Options) -> list[str]:
    """Complain about the steps that make the chip."""
    steps = options.get("chip", [])
    if isinstance(steps, list | tuple) and all(step in tuple(CHIP_STEPS) for step in steps):
        return []
    return [f"option 'chip' is {steps!r}; allowed: a list of {', '.join(CHIP_STEPS)}"]


def columns(options: Options, *, needs_time: bool) -> list[str]:
    """Complain about the table of columns."""
    table = options.get("columns", DEFAULT_COLUMNS)
    if not isinstance(table, Mapping) or not table:
        allowed = ", ".join(FIELDS)
        text = f"allowed: a table of {allowed}, each with its number from 1 or its name"
        return [f"option 'columns' is {table!r}; {text}"]
    found = fields(list(map(str, table)), "option 'columns'", needs_time=needs_time)
    numbers = [type(value) is int for value in table.values()]
    for name, value in table.items():
        if type(value) is int and not 1 <= value <= MOST_COLUMNS:
            found.append(
                f"column {value} of {name!r} is out of range; allowed: 1 to {MOST_COLUMNS}"
            )
        elif type(value) is not int and not (isinstance(value, str) and value.strip()):
            found.append(f"column {value!r} of {name!r}; allowed: a number from 1, or a name")
    if any(numbers) and not all(numbers):
        found.append("option 'columns' mixes numbers and names; allowed: all of one kind")
    if any(numbers) and options.get("separator") == JSON and "columns" in options:
        found.append("option 'columns' has numbers; with separator 'json' allowed: names")
    return found


def fields(names: Sequence[str], where: str, *, needs_time: bool) -> list[str]:
    """Complain about fields there are not, and about those a read cannot do without."""
    found = [
        f"{where} has an unknown field {name!r}; allowed: {', '.join(FIELDS)}"
        for name in names
        if name not in FIELDS
    ]
    if not {"chip", "bib"} & set(names):
        found.append(f"{where} needs a field 'chip' (or 'bib'); allowed: {', '.join(FIELDS)}")
    if needs_time and "time" not in names:
        found.append(f"{where} needs a field 'time', unless time = 'none'")
    return found


def dated(options: Options, names: Sequence[str], default: str) -> list[str]:
    """Complain about a form of time that cannot be had from a date and a time."""
    form = options.get("time", default)
    if "date" not in names or form in {"iso", "auto"} or (isinstance(form, str) and "% %" in form):
        return []
    if isinstance(form, str) and re.search("%[Yymbd][^ ]* [^ ]*%[HIMS]", form):
        return []
    text = "allowed: iso, or a pattern of date, blank, time"
    return [f"option 'time' is {form!r} but there is a field 'date' too; {text}"]


def pattern(options: Options, name: str) -> tuple[list[str], Mapping[str, int]]:
    """Complain about a regular expression; return the positions of its names too."""
    value = options.get(name)
    if value is None:
        return [], {}
    if not isinstance(value, str) or not value or len(value) > MOST_PATTERN:
        return [f"option {name!r}: allowed: text of 1 to {MOST_PATTERN} characters"], {}
    try:
        _, names = compile_safely(value)
    except PatternError as mistake:
        return [f"option {name!r}: {mistake}"], {}
    return [], names


MOST_PATTERN: Final = 1_000


def columns_of(options: Options) -> Columns:
    """Return a checked table of columns."""
    table = options.get("columns", DEFAULT_COLUMNS)
    items = dict(table) if isinstance(table, Mapping) else {}
    if options.get("separator") == JSON and "columns" not in options:
        return Columns(places={}, names={name: name for name in DEFAULT_COLUMNS})
    return Columns(
        places={name: value - 1 for name, value in items.items() if isinstance(value, int)},
        names={name: value for name, value in items.items() if isinstance(value, str)},
    )


def compiled(options: Options, name: str) -> re.Pattern[str] | None:
    """Return a checked expression."""
    value = options.get(name)
    return compile_safely(value)[0] if isinstance(value, str) else None


def fields_of(options: Options, default_time: str) -> Fields:
    """Return what checked options make of time and chip."""
    zone, steps = options.get("zone"), options.get("chip", [])
    form = TimeText(str(options.get("time", default_time)), zone if isinstance(zone, str) else None)
    return Fields(form, list(steps) if isinstance(steps, list | tuple) else [])
