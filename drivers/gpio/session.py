r"""Edges of input lines as the link tells them: ``LINE,LEVEL,NS`` and LF, UTC by the kernel.

An impulse is the edge to the active level. After it the line rests for the dead time, in which a
contact bounces and a runner's arms follow the chest through the beam (sport timers rest two
seconds too, ALGE's DTS and DTF). Every other edge is kept as well, as `Control`.
"""

import re
from collections.abc import Mapping
from typing import Final

from bridge.domain.reads import DAY_NS, NS_PER_S, Chip, Read, StampForm
from bridge.driver_api import (
    MAIN,
    Control,
    Event,
    Kept,
    Marker,
    Opening,
    PassiveSession,
    Reason,
    Rejected,
)
from drivers.framing import LineBuffer, is_line
from drivers.gpio import options

MAX_LINE: Final = 64
_EDGE: Final = re.compile(rb"([0-9]{1,4}),([01]),([0-9]{1,19})\r?\n")
_LAST_NS: Final = (1 << 63) - 1


class GpioSession(PassiveSession):
    """Makes guns, buttons and crossings of edges; total."""

    def __init__(self, opening: Opening) -> None:
        self._options = options.parse(opening.options)
        self._lines = LineBuffer(MAX_LINE)
        self._last: dict[int, int] = {}
        """Line -> its newest impulse."""

    @property
    def pending(self) -> bytes:
        """Bytes of a line of text that has not ended yet."""
        return self._lines.pending

    def feed(self, data: bytes, channel: str = MAIN) -> list[Event]:  # noqa: ARG002
        """Return what is complete, in wire order."""
        return [self._decode(raw) for raw in self._lines.feed(data)]

    def _decode(self, raw: bytes) -> Kept:
        edge = _EDGE.fullmatch(raw)
        if edge is None:
            if not raw.strip():
                return Control(raw, "empty line")
            reason = Reason.FRAMING if is_line(raw) else Reason.OVERLONG
            return Rejected(raw, reason, "not LINE,LEVEL,NS")
        line, level, stamp = map(int, edge.groups())
        if line > options.MOST_LINE or stamp > _LAST_NS:
            return Rejected(raw, Reason.FIELD, "no such line or time")
        facts = {"line": line, "level": level, "ns": stamp}
        if level == int(line in self._options.falling):
            return Control(raw, "edge to the level at rest", facts)
        last = self._last.get(line)
        # A clock that was set back must not silence the line.
        if last is not None and 0 <= stamp - last < self._options.dead_ns:
            return Control(raw, "edge within the dead time", facts)
        self._last[line] = stamp
        return self._impulse(raw, line, stamp)

    def _impulse(self, raw: bytes, line: int, stamp: int) -> Read | Marker:
        use = self._options.uses.get(line, "beam")
        unit, key = self._options.name_of(line), f"{line}/{stamp}"
        if use == "beam":
            chip = chip_of(unit, stamp)
            return Read(raw, chip, stamp, StampForm.UTC, None, None, unit, None, key)
        return Marker(raw, use, stamp, StampForm.UTC, key, {"line": line}, unit)


def chip_of(name: str, stamp: int) -> Chip:
    """Return the chip of an impulse, one of its own: name and time of day in UTC, to 1 µs."""
    seconds, ns = divmod(stamp % DAY_NS, NS_PER_S)
    clock = f"{seconds // 3600:02d}{seconds // 60 % 60:02d}{seconds % 60:02d}"
    return Chip(f"{name}#{clock}{ns // 1_000:06d}")


def extra(raw: bytes) -> Mapping[str, object]:
    """Return the number of the line and the exact time in ns."""
    edge = _EDGE.fullmatch(raw)
    return {"line": int(edge[1]), "ns": int(edge[3])} if edge else {}
