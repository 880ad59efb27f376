"""Faults a sandbox can show: what networks, gateways and throttles do to a client."""

import random
from collections.abc import Iterable, Mapping
from typing import Final

from bridge.adapters.sandbox.calls import Reply
from bridge.errors import UsageError

RESET: Final = "reset"
"""The connection is cut before anything is done."""
TIMEOUT: Final = "timeout"
"""Nothing is done and nothing answered."""
APPLY_THEN_RESET: Final = "apply-then-reset"
"""Everything is done and the reply is lost: the case that doubles rows."""
THROTTLED: Final = "code14"
PAGE: Final = "html"
"""A gateway's page with HTTP 522."""
GARBAGE: Final = "garbage"
"""Half a reply of JSON after everything was done."""
KINDS: Final = (RESET, TIMEOUT, APPLY_THEN_RESET, THROTTLED, PAGE, GARBAGE)


class Faults:
    """Draws a fault, or none, for each call; the same ones for the same seed."""

    def __init__(self, specs: Iterable[str] = (), seed: int = 1) -> None:
        """Take specs such as ``503:0.2`` or ``reset:0.05``.

        Raises:
            UsageError: One is not KIND:PROBABILITY.
        """
        self._draw = random.Random(seed)  # noqa: S311 - rehearsal, not secrets
        self._chances: dict[str, float] = {}
        self.set(dict(_parsed(spec) for spec in specs))

    def set(self, chances: Mapping[str, float]) -> None:
        """Replace the probabilities, kind -> 0 to 1.

        Raises:
            UsageError: An unknown kind, or a probability that is none.
        """
        for kind, chance in chances.items():
            known = kind in KINDS or (kind.isdecimal() and 400 <= int(kind) <= 599)  # noqa: PLR2004
            if not known or not 0 <= chance <= 1:
                raise UsageError(
                    f"unknown fault {kind}:{chance}: give an HTTP status or one of "
                    f"{', '.join(KINDS)}, and a probability from 0 to 1"
                )
        self._chances = dict(chances)

    def draw(self) -> str | None:
        """Return the kind of fault this call meets, or None."""
        for kind, chance in self._chances.items():
            if self._draw.random() < chance:
                return kind
        return None


def fault_reply(kind: str) -> Reply | None:
    """Return what a fault answers in place of the service, or None if it answers nothing."""
    if kind == THROTTLED:
        return Reply({"error": {"error_code": 14, "error_msg": "Throttled (sandbox)"}})
    if kind == PAGE:
        return Reply(b"<html><body>522: origin not reached (sandbox)</body></html>", 522)
    if kind.isdecimal():
        return Reply(b"<html><body>sandbox trouble</body></html>", int(kind))
    return None


def _parsed(spec: str) -> tuple[str, float]:
    kind, _, chance = spec.partition(":")
    try:
        return kind, float(chance)
    except ValueError:
        raise UsageError(f"{spec!r} is not a fault: write for example 503:0.2") from None
