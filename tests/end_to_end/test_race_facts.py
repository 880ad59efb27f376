"""Facts come late: the true gun, chips of late entries, a runner who did not finish."""

from datetime import UTC, datetime
from pathlib import Path

from bridge.domain.reads import NS_PER_S
from tests.support.race_rig import Rig
from tests.support.race_truth import Row

LATE_BY_NS = 2 * NS_PER_S
"""The gun was told so much too late at first: runners have left the start before it."""
LATE_ENTRIES = range(5, 90, 9)
NOT_FINISHED = 17


async def test_results_and_posts_follow_facts_that_come_after_the_race(tmp_path: Path) -> None:
    rig = Rig(tmp_path, seconds=10.0)
    for number, row in rig.sandbox.race.participants.items():
        if row["bib_num"] in LATE_ENTRIES:
            rig.sandbox.race.participants[number] = row | {"chip_num": None}
    async with rig.up():
        rig.choose_gun()
        await rig.box.command("gun", "5K", _wall(rig.gun_ns + LATE_BY_NS)[11:])
        await rig.play()
        await rig.box.until(lambda status: status["events"][0]["finished"] > 100)
        unmatched = await rig.box.command("participants", "unmatched")
        assert {rig.chip(bib, "ipico") for bib in LATE_ENTRIES} <= set(unmatched["chips"])

        await rig.box.command("participants", "import", str(_late_chips(rig)))
        await rig.box.command("mark", str(NOT_FINISHED), "dnf")
        await rig.box.command("gun", "5K", _wall(rig.gun_ns))
        await rig.agrees(rows=lambda: _truth(rig))
        await rig.box.until_alarmed("only an operator can remove")
        await _every_read_is_explained(rig)


def _wall(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _late_chips(rig: Rig) -> Path:
    file = rig.folder / "late.csv"
    lines = (f"{bib},{rig.chip(bib, 'ipico')}" for bib in LATE_ENTRIES)
    file.write_text("\n".join(["bib,chip", *lines]))
    return file


def _truth(rig: Rig) -> dict[int, Row]:
    """Return what has to be posted: everybody behind the one who did not finish moves up."""
    rows = rig.expected_rows()
    gone = rows[NOT_FINISHED]
    for row in rows.values():
        if row.get("place", 0) > gone["place"]:
            row["place"] -= 1
    rows[NOT_FINISHED] = gone | {"clock_time": "DNF", "chip_time": "DNF"}
    posted = rig.posted_rows().get(NOT_FINISHED, {})
    # A place cannot be cleared by posting; the operator is told to.
    rows[NOT_FINISHED]["place"] = posted.get("place")
    return rows


async def _every_read_is_explained(rig: Rig) -> None:
    sent = {"ipico": 0, "race-result": 0}
    explained = 0
    for bib in rig.race.expected:
        (told,) = await rig.box.ask("why", bib=bib)
        for read in told["reads"]:
            assert read["state"] != "unknown_chip"
            assert read["why"], read
            sent["ipico" if read["chip"].startswith("058") else "race-result"] += 1
        explained += len(told["reads"])
    assert explained == rig.sent("mat")
    assert all(sent.values())
    (told,) = await rig.box.command("why", str(NOT_FINISHED))
    assert told["result"]["status"] == "dnf"
    assert len(told["reads"]) == sum(
        len(rig.seen[reader.location, NOT_FINISHED]) for reader in rig.readers
    )
