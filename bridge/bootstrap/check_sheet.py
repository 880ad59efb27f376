"""One line of the go/no-go sheet."""

from typing import Literal, NamedTuple

Verdict = Literal["go", "warn", "no"]


class Line(NamedTuple):
    """What was looked at, what came of it, and in words."""

    what: str
    verdict: Verdict
    text: str
