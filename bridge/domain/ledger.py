"""What has been told of crossings, and what has changed since somebody last asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from bridge.domain.collapse import digest_of
from bridge.domain.judging import Runner, crossing_of
from bridge.domain.live import Live
from bridge.domain.passings import Verdict
from bridge.domain.reads import UtcNs
from bridge.domain.results import Crossing, Result
from bridge.domain.track import Track


class Phase(Enum):
    """How firm a crossing is."""

    PROVISIONAL = "provisional"
    """Its passing is still open."""
    FINAL = "final"
    """Quiet has passed on the reader's clock; only later facts revise it."""
    WITHDRAWN = "withdrawn"
    """It no longer exists: another crossing has its reads."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed since the last time, each crossing and result in its newest form."""

    crossings: Sequence[tuple[Crossing, Phase]]
    results: Sequence[Result]
    """Also those of which only the place changed."""
    withdrawn: Sequence[Result]
    """Results as last told that no longer exist."""


class Ledger:
    """Compares each passing with the form it was last told in."""

    __slots__ = ("_shown", "_site", "_waiting")

    def __init__(self, site: str) -> None:
        self._site = site
        self._waiting: dict[str, tuple[Crossing, Phase]] = {}
        self._shown: set[int] = set()
        """Numbers shown since `begin`."""

    def begin(self) -> None:
        """Begin a round of judging."""
        self._shown = set()

    def show(
        self, passing: Live, verdict: Verdict, runner: Runner | None, start: UtcNs | None
    ) -> None:
        """Tell of a passing if the outside would see a difference."""
        core = _core(passing, verdict, runner, start)
        signature = _with_counts(core, passing)
        if passing.shown == signature:
            return
        self._shown.add(passing.number)
        passing.shown = signature
        crossing = crossing_of(self._site, passing, verdict, runner, start)
        phase = Phase.FINAL if passing.final else Phase.PROVISIONAL
        self._waiting[crossing.id] = (crossing, phase)

    def withdraw(
        self, passing: Live, verdict: Verdict, runner: Runner | None, start: UtcNs | None
    ) -> None:
        """Tell that a passing no longer exists."""
        crossing = crossing_of(self._site, passing, verdict, runner, start)
        self._waiting[crossing.id] = (crossing, Phase.WITHDRAWN)

    def was_shown(self, number: int) -> bool:
        """Return whether anything was told of this passing in this round of judging."""
        return number in self._shown

    def recall(self, track: Track, runner: Runner | None, start: UtcNs | None) -> list[int]:
        """Compare passings that were collapsed with what came back of them.

        If nothing about them changed they count as told. Returns the numbers that did not come
        back.
        """
        past = track.past
        if past is None:
            return []
        numbers = set(past.numbers())
        back: list[tuple[Live, int]] = []
        digest = 0
        for passing in track.passings:
            if passing.number in numbers and passing.verdict is not None:
                passing.final = True
                core = _core(passing, passing.verdict, runner, start)
                back.append((passing, _with_counts(core, passing)))
                digest ^= digest_of(passing.number, back[-1][1])
        if digest == past.digest and len(back) == past.count:
            for passing, signature in back:
                passing.shown = signature
        return sorted(numbers - {passing.number for passing in track.passings})

    def take(self) -> list[tuple[Crossing, Phase]]:
        """Return and forget what is waiting."""
        waiting = list(self._waiting.values())
        self._waiting = {}
        return waiting


def _with_counts(core: int, passing: Live) -> int:
    """Return a 64-bit digest of what `crossing_of` would say; counts matter only once final."""
    return hash((core, passing.reads, passing.last_at)) if passing.final else core


def _core(passing: Live, verdict: Verdict, runner: Runner | None, start: UtcNs | None) -> int:
    by = (passing.chip, passing.reader, passing.rssi, passing.antenna, id(passing.method))
    at = passing.at
    if runner is None:
        return hash((at, by, verdict.rule))
    t0 = runner.t0
    known_t0 = t0 if t0 is not None and at >= t0 else None
    known_start = start if start is not None and at >= start else None
    whose = (runner.registration_id, runner.event_id, known_t0, known_start)
    return hash((at, by, verdict.rule, verdict.numbers, whose))
