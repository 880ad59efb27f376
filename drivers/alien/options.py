"""`[[reader]] options` of Alien readers."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from drivers import module_options
from drivers.alien.formats import compiled
from drivers.module_options import Check, one_of

USER: Final = "alien"
PASSWORD: Final = "password"  # noqa: S105 - the factory's, printed in the manual
_MOST_USER: Final = 60


def _user(value: object) -> str:
    is_text = isinstance(value, str) and value.isascii() and value.isprintable()
    return "" if is_text and 0 < len(str(value)) <= _MOST_USER else "printable ASCII text"


def _format(value: object) -> str:
    if not isinstance(value, str):
        return "the reader's TagStreamCustomFormat, as text"
    try:
        compiled(value)
    except ValueError as error:
        return f"the reader's TagStreamCustomFormat; {error}"
    return ""


_CHECKS: Final[Mapping[str, Check]] = MappingProxyType(
    {"time": one_of(("last", "first")), "format": _format, "user": _user}
)


def complaints(options: Mapping[str, object]) -> list[str]:
    """Return what is wrong with `options`, one sentence per key."""
    return module_options.complaints(options, _CHECKS)
