"""`[[reader]] options` of input lines."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

NAMES: Final = ("guns", "buttons", "beams", "falling", "names", "dead_time_ms")
_USES: Final = ("guns", "buttons", "beams")
MOST_LINE: Final = 1_023
DEAD_TIME_MS: Final = 2_000
_MOST_DEAD_MS: Final = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What an operator says about the lines.

    Attributes:
        uses: Line -> ``gun``, ``button`` or ``beam``; one that is not named is a beam.
        falling: Lines whose impulse is the edge to low, as of a contact to ground.
        names: Line -> what it is called.
        dead_ns: For so long after an impulse of a line its edges are none.
    """

    uses: Mapping[int, str]
    falling: frozenset[int]
    names: Mapping[int, str]
    dead_ns: int

    def name_of(self, line: int) -> str:
        """Return what a line is called: its number if it was given no name."""
        return self.names.get(line) or str(line)


def parse(options: Mapping[str, object]) -> Options:
    """Return checked options as a value."""
    names = options.get("names", {})
    dead = options.get("dead_time_ms", DEAD_TIME_MS)
    return Options(
        uses={line: use.removesuffix("s") for use in _USES for line in _lines(options, use) or ()},
        falling=frozenset(_lines(options, "falling") or ()),
        names={int(line): str(name) for line, name in names.items()}
        if isinstance(names, Mapping)
        else {},
        dead_ns=(dead if isinstance(dead, int) else DEAD_TIME_MS) * 1_000_000,
    )


def complaints(options: Mapping[str, object]) -> list[str]:
    """Return what is wrong with `options`, one sentence per mistake."""
    found = [
        f"unknown option {name!r}; allowed: {', '.join(NAMES)}"
        for name in options
        if name not in NAMES
    ]
    found += [
        f"option {name!r} is {options[name]!r}; allowed: a list of lines, as [17, 27]"
        for name in (*_USES, "falling")
        if _lines(options, name) is None
    ]
    used = [line for use in _USES for line in _lines(options, use) or ()]
    found += [
        f"line {line} is named twice in {', '.join(_USES)}; allowed: one use per line"
        for line in sorted(set(used))
        if used.count(line) > 1
    ]
    names = options.get("names", {})
    if not isinstance(names, Mapping) or not all(map(_is_name, names.items())):
        found.append(
            f"option 'names' is {names!r}; allowed: a table of lines, as {{ 17 = 'start' }}"
        )
    dead = options.get("dead_time_ms", DEAD_TIME_MS)
    if type(dead) is not int or not 0 <= dead <= _MOST_DEAD_MS:
        found.append(f"option 'dead_time_ms' is {dead!r}; allowed: 0 to {_MOST_DEAD_MS}")
    return found


def _is_name(item: tuple[object, object]) -> bool:
    line, name = item
    known = isinstance(line, str) and line.isascii() and line.isdecimal() and int(line) <= MOST_LINE
    return known and isinstance(name, str) and name.isprintable() and bool(name.strip())


def _lines(options: Mapping[str, object], name: str) -> list[int] | None:
    """Return a list of lines, None if it is none."""
    value = options.get(name, [])
    if not isinstance(value, list | tuple):
        return None
    lines = [line for line in value if type(line) is int and 0 <= line <= MOST_LINE]
    return lines if len(lines) == len(value) else None
