"""`[[reader]] options` of ChronoTrack."""

import re
from collections.abc import Mapping
from typing import Final

_CODES: Final = re.compile(r"\d{1,9}/\d{1,9}")
_KNOWN: Final = ("tags",)


def tags_of(options: Mapping[str, object]) -> frozenset[str]:
    """Return the ``timer/event`` pairs whose tags are this race's; empty: not told."""
    tags = options.get("tags", [])
    named = tags if isinstance(tags, list) else []
    return frozenset("/".join(str(int(code)) for code in str(pair).split("/")) for pair in named)


def complaints(options: Mapping[str, object]) -> list[str]:
    """Return what is wrong with `options`, one sentence per key."""
    found = []
    tags = options.get("tags", [])
    good = isinstance(tags, list) and all(
        isinstance(pair, str) and _CODES.fullmatch(pair) for pair in tags
    )
    if not good:
        found.append(f"option 'tags' is {tags!r}; allowed: a list as [\"160/18\"] (timer/event)")
    found += [
        f"unknown option {name!r}; allowed: {', '.join(_KNOWN)}"
        for name in options
        if name not in _KNOWN
    ]
    return found
