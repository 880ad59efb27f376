"""The books of a rehearsal: what readers sent against what became of it, reader by reader."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.app.simulation import Plan
from bridge.bootstrap.rehearsal_cast import Cast, Clock
from bridge.bootstrap.rehearsal_links import Reader
from bridge.domain.reads import NS_PER_MS, NS_PER_S
from bridge.domain.times import parse_duration

TOLERANCE_NS = 150 * NS_PER_MS
"""A tenth is printed, rounded up, and clocks are corrected to a few hundredths."""
CLOCK_MS = 50
"""How much more than it says the measured error of a clock may be wrong: the way back and forth."""
_NOBODY = frozenset({"unknown_chip"})
_REPEATED = "duplicate"
Json = Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class Page:
    """What became of one reader's reads."""

    name: str
    driver: str
    location: str
    url: str
    sent: int
    reads: int = 0
    states: dict[str, int] = field(default_factory=dict)
    ahead_s: float = 0.0
    """How wrong its clock was made."""
    measured_ahead_s: float | None = None
    """How wrong it was found, None where it cannot be told."""

    @property
    def used(self) -> int:
        """Reads that made a crossing that counts."""
        return self.states.get("used", 0)

    @property
    def reasons(self) -> int:
        """Reads with a reason why they were not used."""
        return sum(self.states.values()) - self.used


@dataclass(slots=True)
class Books:
    """Whether everything adds up."""

    sent: int = 0
    reads: int = 0
    states: dict[str, int] = field(default_factory=dict)
    expected: int = 0
    finishers: int = 0
    posted: int = 0
    splits: int = 0
    """Splits there have to be."""
    pages: list[Page] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Told:
    """What the service said at the end."""

    reads: int = 0
    states: Mapping[str, int] = field(default_factory=dict)
    readers: Mapping[str, Json] = field(default_factory=dict)
    """Each reader's status."""
    by_reader: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Reads of each reader by state."""


def by_reader(rows: Iterable[Json]) -> dict[str, dict[str, int]]:
    """Count explained reads by reader and state."""
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        counts.setdefault(str(row["reader"]), Counter())[str(row["state"])] += 1
    return {name: dict(count) for name, count in counts.items()}


def balance(
    cast: Cast, race: Plan, readers: Mapping[str, Reader], told: Told, posted: Mapping[int, Json]
) -> Books:
    """Compare what was sent with what was read, and what is posted (by bib) with what is right."""
    books = Books(
        sent=sum(reader.host.sighted for reader in readers.values()),
        reads=told.reads,
        states=dict(told.states),
        expected=sum(1 for e in race.expected.values() if e.clock_ns is not None),
        posted=len(posted),
    )
    for reader in readers.values():
        page = _page(reader, told)
        books.pages.append(page)
        books.faults += [f"{page.name}: {fault}" for fault in _page_faults(reader, page, told)]
    said_again = sum(max(page.reads - page.sent, 0) for page in books.pages)
    if books.sent + said_again != books.reads:
        books.faults.append(f"{books.sent} reads sent, {books.reads} in the journal")
    if sum(told.states.values()) != books.reads:
        books.faults.append(f"{books.reads} reads, {sum(told.states.values())} reasons")
    _check_results(cast, race, posted, books)
    return books


def _page(reader: Reader, told: Told) -> Page:
    part = reader.part
    status = told.readers.get(part.name, {})
    ahead_ms = status.get("clock_ahead_ms")
    return Page(
        name=part.name,
        driver=part.driver,
        location=part.location,
        url=reader.url,
        sent=reader.host.sighted,
        reads=int(status.get("reads", 0)),
        states=dict(told.by_reader.get(part.name, {})),
        ahead_s=part.ahead_s,
        measured_ahead_s=None if ahead_ms is None else ahead_ms / 1000,
    )


def _page_faults(reader: Reader, page: Page, told: Told) -> Iterable[str]:
    part, status = reader.part, told.readers.get(page.name, {})
    again = page.reads - page.sent
    allowed = page.states.get(_REPEATED, 0) if part.repeats else 0
    if not 0 <= again <= allowed:
        yield f"{page.sent} reads sent, {page.reads} in the journal"
    if sum(page.states.values()) != page.reads:
        yield f"{page.reads} reads, {sum(page.states.values())} reasons"
    if status.get("rejected"):
        yield f"{status['rejected']} pieces of what it sent were not understood"
    owned = sum(n for state, n in page.states.items() if state not in {*_NOBODY, _REPEATED})
    if part.clock is Clock.OF_NOBODY and owned:
        yield f"{owned} of its impulses are somebody's"
    if part.clock is not Clock.OF_NOBODY and page.states.keys() & _NOBODY:
        yield "it saw chips that nobody wears"
    if page.measured_ahead_s is not None:
        wrong_ms = abs(page.measured_ahead_s - page.ahead_s) * 1000
        if wrong_ms > (status.get("clock_error_ms") or 0) + CLOCK_MS:
            yield f"its clock was found {page.measured_ahead_s:+.3f} s ahead, not {page.ahead_s:+}"


def _check_results(cast: Cast, race: Plan, posted: Mapping[int, Json], books: Books) -> None:
    for bib, expected in race.expected.items():
        row = posted.get(bib, {})
        rights = [
            ("clock_time", row.get("clock_time"), expected.clock_ns),
            ("chip_time", row.get("chip_time"), expected.chip_ns),
        ]
        for location, name in cast.splits.items():
            right, told = expected.splits.get(location), row.get(name)
            books.splits += right is not None
            if location in cast.checked:
                rights.append((f"split {name}", told, right))
            elif bool(told) != (right is not None):
                books.faults.append(f"bib {bib}: split {name} is {told or 'missing'}")
        for name, time, right in rights:
            if fault := _wrong(time, right):
                books.faults.append(f"bib {bib}: {name} {fault}")
        books.finishers += bool(row.get("clock_time"))


def _wrong(posted: object, right_ns: int | None) -> str | None:
    """Say what is wrong with a posted time, or None."""
    if not posted:
        return None if right_ns is None else "is missing"
    if right_ns is None:
        return f"is {posted}, but the runner was not there"
    off_ns = parse_duration(str(posted)) - right_ns
    if abs(off_ns) > TOLERANCE_NS:
        return f"is {posted}, wrong by {off_ns / NS_PER_S:+.3f} s"
    return None
