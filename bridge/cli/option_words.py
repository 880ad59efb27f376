"""Options of drivers as words of the command line: ``KEY=VALUE``."""

import json
import tomllib
from collections.abc import Iterable

from bridge.errors import UsageError


def options_in(words: Iterable[str]) -> dict[str, object]:
    """Return the options that words tell; the last word about each counts.

    A value is JSON, or as it stands in the configuration (TOML), else plain text.

    Raises:
        UsageError: A word has no ``=``.
    """
    found: dict[str, object] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"--option {word!r} must be KEY=VALUE")
        found[key.strip()] = _value(value)
    return found


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    if not text.startswith(("{", "[", "'")) or "\n" in text:
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
