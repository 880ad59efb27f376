"""The reader that a configuration describes, made of software: its lines, filled anew.

A sample is the form to fill; without one rows hold what is configured and nothing else. Of an
expression nothing can be told without a sample.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

import orjson

from bridge.driver_api import Sighting
from drivers import rows
from drivers.line import checks, options
from drivers.one_way_emulator import OneWayEmulator
from drivers.row_options import JSON

PORT: Final = 10_001
Fill = Callable[[Mapping[str, str]], str]


def make(given: Mapping[str, object]) -> OneWayEmulator:
    """Return the emulator; its options are those of the reader.

    Raises:
        ValueError: An option is wrong, or a pattern comes without a sample of a read.
    """
    if found := checks.complaints(given):
        raise ValueError("; ".join(found))
    setup = options.parse(given)
    encode = encoder(setup)
    gun = _gun(setup)

    def mark(name: str, stamp: int) -> bytes:
        if name != "gun" or gun is None:
            return b""
        shot = Sighting(chip=setup.fields.chip_of("0"), stamp=stamp)
        return _wire(setup, gun(setup.fields.tell(shot, dated=_is_dated(setup.gun))))

    return OneWayEmulator(PORT, encode, mark, _hello(setup))


def encoder(setup: options.Setup) -> Callable[[Sighting], bytes]:
    """Return what writes the line of a sighting.

    Raises:
        ValueError: A pattern comes without a sample of a read.
    """
    fill = _filled(setup)
    return lambda sighting: _wire(setup, fill(setup.fields.tell(sighting, dated=setup.is_dated)))


def _wire(setup: options.Setup, text: str) -> bytes:
    return text.encode(setup.encoding, "replace") + setup.end


def _filled(setup: options.Setup) -> Fill:
    if setup.pattern is not None:
        found = next((match for line in setup.samples if (match := _read(setup, line))), None)
        if found is None:
            raise ValueError("an emulator of a 'pattern' needs a 'sample' of a read to fill")
        return _by_spans(found)
    columns = setup.columns
    if setup.separator == JSON:
        return lambda told: orjson.dumps(
            {name: told[field] for field, name in columns.names.items()}
        ).decode()
    if columns.names:
        order = [_field_of(columns.names, name) for name in _header(setup)]
        return lambda told: rows.join([told.get(field, "") for field in order], setup.separator)
    sample = next((line for line in setup.samples if not _is_other(setup, line)), "")
    blank = rows.split(sample, setup.separator) if sample else []
    blank += [""] * (max(columns.places.values()) + 1 - len(blank))
    return lambda told: rows.join(_with(blank, columns.places, told), setup.separator)


def _with(blank: list[str], places: Mapping[str, int], told: Mapping[str, str]) -> list[str]:
    filled = blank.copy()
    for field, place in places.items():
        filled[place] = told[field]
    return filled


def _header(setup: options.Setup) -> list[str]:
    """Return the names of the columns, those of a sample that is a header if there is one."""
    names = setup.columns.names
    split = [rows.split(line, setup.separator) for line in setup.samples]
    return next((cells for cells in split if rows.by_name(names, cells)), list(names.values()))


def _field_of(names: Mapping[str, str], name: str) -> str:
    return next(
        (field for field, known in names.items() if rows.plain(known) == rows.plain(name)), ""
    )


def _hello(setup: options.Setup) -> bytes:
    if setup.pattern is not None or setup.separator == JSON or not setup.columns.names:
        return b""
    return _wire(setup, rows.join(_header(setup), setup.separator))


def _read(setup: options.Setup, line: str) -> re.Match[str] | None:
    return None if _is_other(setup, line) or not setup.pattern else setup.pattern.fullmatch(line)


def _is_other(setup: options.Setup, line: str) -> bool:
    """Tell a gun or a comment from a read."""
    gun = setup.gun.fullmatch(line) if setup.gun else None
    return gun is not None or setup.ignore.match(line) is not None


def _gun(setup: options.Setup) -> Fill | None:
    if setup.gun is None:
        return None
    found = next((match for line in setup.samples if (match := setup.gun.fullmatch(line))), None)
    return _by_spans(found) if found else None


def _is_dated(gun: re.Pattern[str] | None) -> bool:
    return gun is not None and "date" in gun.groupindex


def _by_spans(found: re.Match[str]) -> Fill:
    """Return what writes the matched line with other texts in its named groups."""
    pieces: list[tuple[str, str]] = []
    at = 0
    spans = [(*found.span(name), name) for name in found.groupdict()]
    for start, end, name in sorted(spans):
        if start >= at:  # -1: it had no part in the match; within another one: that is filled
            pieces.append((found.string[at:start], name))
            at = end
    rest = found.string[at:]
    return lambda told: "".join(text + told[name] for text, name in pieces) + rest
