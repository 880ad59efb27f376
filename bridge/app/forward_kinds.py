"""What can be forwarded to: the protocols of drivers that can be spoken both ways, and our own."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from bridge.app.config import ForwardTable
from bridge.app.registry import Registry
from bridge.driver_api import Forward, no_options
from bridge.errors import ConfigError

WEBHOOK: Final = "webhook"
LINES: Final = ("jsonl", "csv")
STARTS: Final = ("missed", "new", "all")
MOST_PER_POST: Final = 100


@dataclass(frozen=True, slots=True)
class ForwardKind:
    """One protocol towards others."""

    driver: str
    forward: Forward | None = None
    """How a reader's protocol is spoken; None: lines or posts of our own."""
    names_places: bool = True
    revises: bool = True
    """Whether it can say that a crossing changed."""
    posts: bool = False
    """HTTP posts instead of a stream."""
    check_options: Callable[[Mapping[str, object]], list[str]] = no_options


def _line_complaints(options: Mapping[str, object]) -> list[str]:
    found = [f"unknown option {name!r}; allowed: start" for name in options if name != "start"]
    if options.get("start", STARTS[0]) not in STARTS:
        allowed = ", ".join(STARTS)
        found.append(f"option 'start' is {options['start']!r}; allowed: {allowed}")
    return found


def _webhook_complaints(options: Mapping[str, object]) -> list[str]:
    found = [
        f"unknown option {name!r}; allowed: most_per_post" for name in options
        if name != "most_per_post"
    ]  # fmt: skip
    most = options.get("most_per_post", MOST_PER_POST)
    if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= 1000:  # noqa: PLR2004
        found.append(f"option 'most_per_post' is {most!r}; allowed: 1 to 1000")
    return found


_OWN: Final = {
    **{name: ForwardKind(name, check_options=_line_complaints) for name in LINES},
    WEBHOOK: ForwardKind(WEBHOOK, posts=True, check_options=_webhook_complaints),
}


def kind_of(driver: str, drivers: Registry) -> ForwardKind:
    """Return the protocol called `driver`.

    Raises:
        ConfigError: There is none; the text says which there are.
    """
    if driver in _OWN:
        return _OWN[driver]
    if driver not in drivers.names():
        raise ConfigError(_unknown(driver, drivers))
    forward = drivers.find(driver).forward
    if forward is None:
        text = f"{driver!r} is a reader's protocol that this box can only read; there are: "
        raise ConfigError(text + ", ".join(names(drivers)))
    return ForwardKind(
        driver,
        forward,
        names_places=forward.names_places,
        revises=False,
        check_options=forward.check_options,
    )


def names(drivers: Registry) -> list[str]:
    """Return every protocol that can be forwarded to; imports all drivers."""
    found = []
    for name in drivers.names():
        try:
            can = drivers.find(name).forward is not None
        except ConfigError:
            continue  # a broken plug-in is nobody's concern who did not name it
        found += [name] * can
    return [*found, *_OWN]


def forward_name(table: ForwardTable) -> str:
    """Return what a forward is called: as its driver if nothing else was said."""
    return table.name or table.driver


def _unknown(driver: str, drivers: Registry) -> str:
    known = names(drivers)
    near = difflib.get_close_matches(driver.lower(), known, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"nothing can be forwarded as {driver!r}{hint}; there are: {', '.join(known)}"
