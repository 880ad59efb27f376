"""Figures, their targets, and the table of both."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number."""

    item: str
    """Letter of the group it belongs to."""
    name: str
    value: float
    unit: str
    most: float | None = None
    """Target: not above this."""
    least: float | None = None
    """Target: not below this."""

    @property
    def is_met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.most is not None:
            return self.value <= self.most
        return None if self.least is None else self.value >= self.least

    def line(self) -> str:
        """Return it as a line of the table."""
        target = ""
        if self.most is not None:
            target = f"<= {_number(self.most)}"
        elif self.least is not None:
            target = f">= {_number(self.least)}"
        word = {True: "pass", False: "MISS", None: ""}[self.is_met]
        value = f"{_number(self.value)} {self.unit}"
        return f"  {self.item}  {self.name:<58} {value:>20}  {target:>10}  {word}".rstrip()


def as_json(figures: Iterable[Figure]) -> list[dict[str, object]]:
    """Return figures as JSON objects, with what became of their targets."""
    return [{**asdict(figure), "met": figure.is_met} for figure in figures]


def median(values: Iterable[float]) -> float:
    """Return the middle one (of two the upper)."""
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def quantile(values: Iterable[float], share: float) -> float:
    """Return the smallest value that at least `share` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _number(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"
