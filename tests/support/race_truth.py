"""What is right, worked out from the plan of the race alone, and how what came out differs."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from bridge.adapters.sandbox.race import SandboxRace, standing
from bridge.app.simulation import Plan
from bridge.domain.reads import NS_PER_MS

Row = dict[str, Any]
Place = tuple[str, int]
"""(location, bib)."""


def expected_rows(race: Plan) -> dict[int, Row]:
    """Return by bib what has to stand at the results service."""
    clocks = sorted(e.clock_ns for e in race.expected.values() if e.clock_ns is not None)
    rows: dict[int, Row] = {}
    for bib, right in race.expected.items():
        row: Row = {}
        if right.clock_ns is not None and right.chip_ns is not None:
            row["clock_time"] = in_words(right.clock_ns)
            row["chip_time"] = in_words(right.chip_ns)
            row["place"] = 1 + clocks.index(right.clock_ns)
        if "half" in right.splits:
            row["Half"] = in_words(right.splits["half"])
        rows[bib] = row
    return rows


def posted_rows(race: SandboxRace, event: int) -> dict[int, Row]:
    """Return by bib what stands at the results service, splits by their names."""
    names = {
        f"split-{split['split_id']}": split["split_name"]
        for found in race.sets_of(event)
        for split in found.splits
    }
    rows: dict[int, Row] = {}
    for posted in standing(race, event):
        row = {names.get(name, name): value for name, value in posted.items()}
        bib = int(race.participants[int(row.pop("registration_id"))]["bib_num"])
        row.pop("result_id")
        assert bib not in rows, f"two rows of bib {bib}"
        rows[bib] = row
    return rows


def wrong_rows(posted: Mapping[int, Row], right: Mapping[int, Row]) -> list[str]:
    """Say which rows differ."""
    return [
        f"bib {bib}: posted {posted.get(bib, {})}, right is {right.get(bib, {})}"
        for bib in sorted({*right, *posted})
        if posted.get(bib, {}) != right.get(bib, {})
    ]


def expected_crossings(
    seen: Mapping[Place, Sequence[int]], gun_ns: int, served: Collection[str]
) -> dict[Place, Row]:
    """Return the crossings at some locations, in whole ms.

    `seen`: times after the gun at which each mat sees each runner.
    """
    out: dict[Place, Row] = {}
    for (location, bib), times in seen.items():
        if location not in served:
            continue
        left = max(seen.get(("start", bib), [0]))
        at = left if location == "start" else min(times)
        out[location, bib] = {
            "at_ms": (gun_ns + at) // NS_PER_MS,
            "clock_ms": at // NS_PER_MS,
            "chip_ms": (at - left) // NS_PER_MS,
        }
    return out


def wrong_crossings(
    site: str,
    newest: Iterable[Row],
    bibs: Mapping[int, int],
    truth: Mapping[Place, Row],
) -> list[str]:
    """Compare the newest revision of each crossing; `bibs`: registration id -> bib."""
    heard: dict[Place, Row] = {}
    wrong: list[str] = []
    for message in newest:
        if message["state"] != "final":
            wrong.append(f"{site}: not final: {message}")
        if message["reason"] != "used":
            continue
        key = message["location"], bibs[message["registration_id"]]
        if key in heard:
            wrong.append(f"{site}: two crossings of {key}: {heard[key]} and {message}")
        heard[key] = message
    for key in sorted({*heard, *truth}):
        found = heard.get(key, {})
        told = {name: found.get(name) for name in ("at_ms", "clock_ms", "chip_ms")}
        if told != truth.get(key):
            wrong.append(f"{site} {key}: told {told}, right is {truth.get(key)}")
    return wrong


def in_words(ns: int) -> str:
    """Return a duration of whole ms as H:MM:SS.mmm."""
    seconds, rest = divmod(ns // NS_PER_MS, 1000)
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:03d}"
