"""What has been told of crossings, and what has changed since somebody last asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from bridge.domain.collapse import digest_of
from bridge.domain.judging import Runner, crossing_id, crossing_of
from bridge.domain.live import Live, Track
from bridge.domain.passings import Verdict
from bridge.domain.reads import UtcNs
from bridge.domain.results import Crossing, Result


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

    __slots__ = ("_site", "_unasked", "_waiting")

    def __init__(self, site: str) -> None:
        self._site = site
        self._waiting: dict[str, tuple[Crossing, Phase]] = {}
        self._unasked: set[str] = set()
        """Ids of which nobody outside knows yet."""

    def show(
        self, passing: Live, verdict: Verdict, runner: Runner | None, start: UtcNs | None
    ) -> None:
        """Tell of a passing if the outside would see a difference."""
        signature = _signature(passing, verdict, runner, start)
        if passing.shown == signature:
            return
        fresh = passing.shown is None
        passing.shown = signature
        crossing = crossing_of(self._site, passing, verdict, runner, start)
        phase = Phase.FINAL if passing.final else Phase.PROVISIONAL
        if fresh and crossing.id not in self._waiting:
            self._unasked.add(crossing.id)
        self._waiting[crossing.id] = (crossing, phase)

    def withdraw(
        self, passing: Live, verdict: Verdict, runner: Runner | None, start: UtcNs | None
    ) -> None:
        """Tell that a passing no longer exists, unless nobody ever heard of it."""
        number = crossing_id(self._site, passing.number)
        if number in self._unasked:
            self._unasked.discard(number)
            del self._waiting[number]
        else:
            crossing = crossing_of(self._site, passing, verdict, runner, start)
            self._waiting[number] = (crossing, Phase.WITHDRAWN)

    def waiting(self, number: int) -> bool:
        """Return whether something about the passing of this number will be told."""
        return crossing_id(self._site, number) in self._waiting

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
                back.append((passing, _signature(passing, passing.verdict, runner, start)))
                digest ^= digest_of(passing.number, back[-1][1])
        if digest == past.digest and len(back) == past.count:
            for passing, signature in back:
                passing.shown = signature
        return sorted(numbers - {passing.number for passing in track.passings})

    def take(self) -> list[tuple[Crossing, Phase]]:
        """Return and forget what is waiting."""
        waiting = list(self._waiting.values())
        self._waiting = {}
        self._unasked = set()
        return waiting


def _signature(passing: Live, verdict: Verdict, runner: Runner | None, start: UtcNs | None) -> int:
    """Return a 64-bit digest of what `crossing_of` would say; counts only once final."""
    counts = (passing.reads, passing.last_at) if passing.final else None
    if runner is None:
        return hash((passing.at, passing.by_id, id(passing.method), verdict.rule, counts))
    at, t0 = passing.at, runner.t0
    return hash(
        (
            at,
            passing.by_id,
            id(passing.method),
            passing.chip,
            verdict.rule,
            verdict.numbers,
            counts,
            runner.registration_id,
            runner.event_id,
            t0 if t0 is not None and at >= t0 else None,
            start if start is not None and at >= start else None,
        )
    )
