"""Formats of tag lines: the reader's own, and those an operator writes for it.

A custom format is text with tokens, as in the reader's ``TagStreamCustomFormat``. Source: Alien
Reader Interface Guide; esitarski/CrossMgr; maxbl4/RfidDotNet; matveynator/chicha.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

USUAL: Final = "%k;${MSEC1};${MSEC2};%a;%m;%r"
"""The one to be set on a reader: short, with both times in UTC, antenna and signal."""
BRIEF: Final = "%k, ${MSEC1}, %a"
_TEXT: Final = "Tag:%i, Disc:%d %t, Last:%D %T, Count:%r, Ant:%a"
_TERSE: Final = "%i,%r,%a"
MOST_FORMAT: Final = 200
"""Characters of a custom format."""
_ID: Final = "[0-9A-Fa-f]{2,4}[0-9A-Fa-f ]{0,120}"
_DATE: Final = "[0-9]{2,4}/[0-9]{2}/[0-9]{2}"
_CLOCK: Final = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
_MSEC: Final = "[0-9]{12,14}"
_TOKENS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "%i": ("id", _ID),
        "%k": ("id", _ID),
        "${TAGID}": ("id", _ID),
        "%d": ("first_date", _DATE),
        "%t": ("first_clock", _CLOCK),
        "%D": ("last_date", _DATE),
        "%T": ("last_clock", _CLOCK),
        "${MSEC1}": ("first_ms", _MSEC),
        "${MSEC2}": ("last_ms", _MSEC),
        "%a": ("antenna", "[0-9]{1,2}"),
        "%A": ("receive_antenna", "[0-9]{1,2}"),
        "%m": ("rssi", r"-?[0-9]{1,5}(?:\.[0-9]{1,4})?"),
        "%r": ("reads", "[0-9]{1,10}"),
        "%p": ("protocol", "[0-9]{1,3}"),
        "%P": ("protocol_name", "[A-Za-z0-9]{1,20}"),
        "%s": ("speed", r"-?[0-9]{1,6}(?:\.[0-9]{1,6})?"),
        "${SPEED}": ("speed", r"-?[0-9]{1,6}(?:\.[0-9]{1,6})?"),
    }
)
_PART: Final = re.compile(r"%[A-Za-z]|\$\{[A-Z0-9_]+\}| +|[^%$ ]+|[%$]")
_TAIL: Final = r"(?:, *[A-Za-z]{2,12}:[0-9A-Za-z.-]{0,20})*"
"""``Proto:``, ``RSSI:`` and what else newer readers put behind the default text."""


class Fields(NamedTuple):
    """What a tag record says, as text; None where it does not."""

    id: str
    first_date: str | None = None
    first_clock: str | None = None
    last_date: str | None = None
    last_clock: str | None = None
    first_ms: str | None = None
    last_ms: str | None = None
    antenna: str | None = None
    rssi: str | None = None
    reads: str | None = None
    """How often the tag was read since it was discovered."""
    protocol: str | None = None


_KEPT: Final = Fields._fields


class Format:
    """One format, ready to be read by."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._match = pattern.fullmatch
        known = pattern.groupindex
        self._order = tuple(known.get(name, 0) for name in _KEPT)

    def read(self, line: str) -> Fields | None:
        """Return the fields of a line without its end; None if it has another format."""
        found = self._match(line)
        if found is None:
            return None
        groups = (None, *found.groups())
        return Fields._make(groups[at] for at in self._order)


def compiled(text: str) -> Format:
    """Return a custom format.

    Raises:
        ValueError: It has a token nobody knows, or none that tells the tag.
    """
    return Format(re.compile(_pattern(text)))


def _pattern(text: str) -> str:
    if len(text) > MOST_FORMAT:
        raise ValueError(f"it has more than {MOST_FORMAT} characters")
    parts: list[str] = []
    named: set[str] = set()
    for part in _PART.findall(text):
        if part.isspace():
            parts.append(" *")
        elif part[0] in "%$":
            if part not in _TOKENS:
                raise ValueError(f"it has {part!r}, which no reader is known to understand")
            name, pattern = _TOKENS[part]
            parts.append(f"(?:{pattern})" if name in named else f"(?P<{name}>{pattern})")
            named.add(name)
        else:
            parts.append(re.escape(part))
    if "id" not in named:
        raise ValueError("it does not tell the tag: put %k into it")
    return "".join(parts)


def known_formats() -> tuple[Format, ...]:
    """Return the formats readers are found to be set to, the likeliest first."""
    text = _pattern(_TEXT).replace("Disc:", "(?:CRC:[0-9A-Fa-f]{1,8}, *)?Disc:")
    return (compiled(USUAL), compiled(BRIEF), Format(re.compile(text + _TAIL)), compiled(_TERSE))
