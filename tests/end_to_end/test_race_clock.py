"""Readers whose clocks are years off: what is corrected is right to a few hundredths."""

from dataclasses import replace
from pathlib import Path

from bridge.domain.reads import NS_PER_MS, NS_PER_S
from bridge.domain.times import parse_duration
from tests.support.race_rig import READERS, Rig

YEAR_NS = 365 * 86_400 * NS_PER_S
WRONG_NS = {
    "start-mat": -24 * YEAR_NS - 12_345 * NS_PER_MS,
    "half-mat": 3 * YEAR_NS + 77 * NS_PER_MS,
    "finish-main": -YEAR_NS - 990 * NS_PER_MS,
    "finish-backup": 3_600 * NS_PER_S,
}
CLOSE_NS = 50 * NS_PER_MS
MOST_MS = 100


async def test_corrected_clocks_that_are_years_off(tmp_path: Path) -> None:
    readers = [
        replace(reader, skew_ns=WRONG_NS[reader.name], entry='clock = "corrected"')
        for reader in READERS
    ]
    async with Rig(tmp_path, seconds=10.0, readers=readers).up() as rig:
        await rig.fire()
        await rig.play()
        await rig.settles(lambda: _wrong(rig))


async def _wrong(rig: Rig) -> list[str]:
    books = await rig.box.ask("books")
    status = await rig.box.ask("status")
    errors_ms = [reader["clock_error_ms"] for reader in status["readers"]]
    close_ns = max(CLOSE_NS, 2 * max(errors_ms) * NS_PER_MS)  # what a busy machine admits itself
    wrong = [f"errors of the clocks: {errors_ms} ms"] if max(errors_ms) > MOST_MS else []
    if not books["reads"] == rig.sent("mat") == sum(books["states"].values()):
        wrong.append(f"{rig.sent('mat')} reads sent: {books}")
    if books["states"].get("bad_clock"):
        wrong.append(f"a clock was not believed: {books}")
    posted = rig.posted_rows()
    return wrong + [
        f"bib {bib}: {name} is {posted.get(bib, {}).get(name)}, right is {told}"
        for bib, right in rig.expected_rows().items()
        for name, told in right.items()
        if name != "place" and not _close(posted.get(bib, {}).get(name), told, close_ns)
    ]


def _close(posted: object, right: str, by_ns: int) -> bool:
    if not isinstance(posted, str):
        return False
    return abs(parse_duration(posted) - parse_duration(right)) <= by_ns
