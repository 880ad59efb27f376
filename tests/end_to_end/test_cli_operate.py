"""A race operated from the command line: the same words with the service running and without."""

import asyncio
import csv
import io
import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from bridge.adapters.system_clock import SystemClock
from bridge.adapters.web.client import SOCKET_NAME
from bridge.domain.reads import NS_PER_S
from tests.support.command import COMMAND, chip_bridge, sentence
from tests.support.in_process import called
from tests.support.race_box import Box
from tests.support.small_box import READER, Mat, mat, written

WORLD = "UTC"


def said(box: Box, *words: str, code: int = 0) -> str:
    """Run a command for people; return what it printed."""
    done = called(*words, "--config", box.config)
    assert done.returncode == code, done.stderr.decode()
    return done.stdout.decode()


def refused(box: Box, *words: str, code: int = 2) -> str:
    done = called(*words, "--config", box.config)
    assert not done.stdout
    return sentence(done, code)


def known(box: Box) -> dict[str, Any]:
    """Return everything a box can be asked, as programs are told."""
    asked = {
        "results": ["results"],
        "event": ["results", "10k"],
        "why": ["why", "1"],
        "chip": ["why", "--chip", "ZCAA009"],
        "people": ["participants", "list"],
        "found": ["participants", "find", "lee"],
        "unmatched": ["participants", "unmatched"],
    }
    return {name: orjson.loads(said(box, *words, "--json")) for name, words in asked.items()}


async def raced(box: Box, line: Mat) -> None:
    """Let three runners and a stranger finish, and wait until everything is known."""
    await box.until_reading()
    for bib, ago_s in ((1, 30.0), (2, 20.0), (3, 10.0), (9, 9.0)):
        await line.cross(bib, ago_s=ago_s)
    await box.until(lambda s: s["events"][0]["finished"] == 3 and s["queues"]["crossings"] >= 4)


async def test_a_race_is_operated_alike_with_the_service_and_without(tmp_path: Path) -> None:
    began = datetime.fromtimestamp(SystemClock().utc_ns() // NS_PER_S, UTC)
    gun = (began - timedelta(seconds=120)).strftime("%Y-%m-%dT%H:%M:%S")
    async with mat() as line:
        box = written(tmp_path / "box", more=READER.format(port=line.port), gun=gun, zone=WORLD)
        box.start()
        try:
            await raced(box, line)
            with_service = await asyncio.to_thread(known, box)
            await asyncio.to_thread(operated, box, gun)
            operated_with = await asyncio.to_thread(known, box)
            status = await asyncio.to_thread(said, box, "status")
            assert "finish-main" in status
            assert "connected" in status
            lines = await asyncio.to_thread(chip_bridge, "run", "--config", box.config)
            assert "is in use by process" in sentence(lines, 1)
            await box.stop()
        finally:
            box.put_down()
    offline = await asyncio.to_thread(known, box)
    assert offline == operated_with
    await asyncio.to_thread(taken_back, box)
    assert await asyncio.to_thread(known, box) == with_service
    assert refused(box, "status", code=1).endswith("`chip-bridge run`.\n")


def operated(box: Box, gun: str) -> None:
    """Say something of everybody; each is in the results at once."""
    assert said(box, "mark", "2", "dq").startswith("Recorded: dq, bib 2 (mark ")
    assert "crossing, bib 4, location finish, at " in said(box, "mark", "4", "crossing")
    moved = said(box, "gun", "10K", gun, "--wave", "Late")
    assert moved.startswith("Recorded: gun, event 10K, wave Late, at ")
    marked = orjson.loads(said(box, "mark", "3", "swap", "1", "--note", "mixed up", "--json"))
    assert marked["mark"]["other_bib"] == 1
    words = said(box, "results")
    assert "DQ" in words
    assert "Dia Fox" in words
    assert max(map(len, words.splitlines())) <= 80


def taken_back(box: Box) -> None:
    for words in ("mark 2 dq", "mark 4 crossing", "gun 10K --wave Late", "mark 1 swap"):
        assert said(box, *words.split(), "--undo").startswith("Taken back: ")


def test_wrong_words_are_answered_in_one_sentence(tmp_path: Path) -> None:
    box = written(tmp_path / "box")
    asked: list[tuple[str, int, str]] = [
        ("gun", 2, "Missing argument 'EVENT'"),
        ("gun 11K", 1, "there is no event '11K'; there are: 7 (10K)."),
        ("gun 10K noon", 2, "'noon' is no time"),
        ("gun 10K 08:30:00 --wave Purple", 1, "has no wave 'Purple'"),
        ("gun 10K 08:30:00 --undo", 2, "time has no meaning with undo"),
        ("mark x dnf", 2, "'x' is not a valid integer"),
        ("mark 1 gone", 2, "there is no mark 'gone'"),
        ("mark 1 dns finish", 2, "location has no meaning with dns"),
        ("mark 1 crossing finish 5k", 2, "Too many words behind 'crossing': 5k."),
        ("mark 1 swap", 2, "say with whom"),
        ("mark 99 dnf", 1, "nobody wears bib 99"),
        ("why", 2, "Say which"),
        ("why 1 --chip A", 2, "Say which"),
        ("why 99", 1, "nobody wears bib 99"),
        ("results 11K", 1, "there is no event '11K'"),
        ("results preview", 2, "there is no results service in the configuration"),
        ("results export /nowhere/at/all.csv", 2, "cannot be written"),
        ("participants import nofile.csv", 2, "nofile.csv cannot be read"),
        ("status", 1, "no chip-bridge service is running"),
        ("participants find", 2, "Missing argument 'TEXT'"),
    ]
    for words, code, answer in asked:
        told = refused(box, *words.split(), code=code)
        assert answer in told, words
        assert told.count("\n") == 1, told


def test_results_are_exported_for_programs_and_tables(tmp_path: Path) -> None:
    box = written(tmp_path / "box")
    said(box, "mark", "1", "crossing", "08:50:00")
    said(box, "mark", "1", "crossing", "5k", "08:40:00")
    said(box, "mark", "2", "dnf")
    rows = list(csv.DictReader(io.StringIO(said(box, "results", "export", "-"))))
    assert [(r["place"], r["bib"], r["clock_time"], r["5k"]) for r in rows] == [
        ("1", "1", "0:20:00.0", "0:10:00.0"),
        ("", "2", "DNF", ""),
    ]
    plain = said(box, "results", "export", "--format", "runsignup-csv", "--event", "7", "-")
    assert plain.split() == ["Place,Bib,Clock", "Time,Chip", "Time", "1,1,0:20:00.0,0:20:00.0",
                             ",2,DNF,DNF"]  # fmt: skip
    target = tmp_path / "out.json"
    done = called("results", "export", "--format", "json", target, "--config", box.config)
    assert done.stderr.decode() == f"2 rows written to {target}.\n"
    assert orjson.loads(target.read_bytes()) == orjson.loads(said(box, "results", "--json"))


def test_chips_are_imported_tried_first_and_never_doubled(tmp_path: Path) -> None:
    box = written(tmp_path / "box")
    chips = tmp_path / "chips.csv"
    chips.write_text("bib;chip\n4;ZCAA004\n1;ZCAA011\n99;ZCAA099\n")
    tried = said(box, "participants", "import", str(chips), "--dry-run")
    assert "2 people would be given a bib or chips" in tried
    assert "! line 4: nobody wears bib 99" in tried
    assert "ZCAA004" not in said(box, "participants", "list")
    for _ in range(2):
        said(box, "participants", "import", str(chips))
        people = orjson.loads(said(box, "participants", "list", "--json"))
        assert [row["chips"] for row in people] == [
            ["ZCAA001", "ZCAA011"], ["ZCAA002"], ["ZCAA003"], ["ZCAA004"],
        ]  # fmt: skip
    said(box, "participants", "import", str(chips), "--replace")
    (ann,) = orjson.loads(said(box, "participants", "find", "Ann", "--json"))
    assert ann["chips"] == ["ZCAA011"]
    chips.write_text("bib,chip\n99,A\n")
    done = called("participants", "import", chips, "--config", box.config)
    assert sentence(done, 1) == "nothing was taken from the file; see the lines above.\n"
    chips.write_text("bib,last\n8,New\n")
    assert "participants come from" in refused(box, "participants", "import", str(chips))


def test_people_of_a_file_are_there_and_follow_it(tmp_path: Path) -> None:
    box = written(tmp_path / "box")
    file = box.config.parent / "people.csv"
    assert "Dia Fox" in said(box, "participants", "list")
    file.write_text("bib,last,chip\n5,Moss,ZCAA005\n")
    assert said(box, "participants", "pull").startswith("1 participants; ")
    file.unlink()
    done = called("participants", "list", "--config", box.config)
    assert "Moss" in done.stdout.decode()
    assert done.stderr.decode().startswith("! the participants file")
    assert "cannot be read" in refused(box, "participants", "pull", code=1)


async def test_a_running_service_takes_the_file_again_and_says_when_it_is_gone(
    tmp_path: Path,
) -> None:
    box = written(tmp_path / "box")
    file = box.config.parent / "people.csv"
    box.start()
    try:
        await box.until(lambda s: "4 participants" in s["links"].get("participants", ""))
        file.write_text("bib,last\n5,Moss\n")
        pulled = await box.tell("participants/pull")
        assert pulled["participants"] == 1
        file.unlink()
        gone = await box.until(lambda s: any("people.csv" in alarm for alarm in s["alarms"]))
        assert "1 participants" not in gone["links"]["participants"]
        file.write_text("bib,last\n5,Moss\n6,Reed\n")
        await box.until(lambda s: "2 participants" in s["links"]["participants"])
        assert not any("people.csv" in alarm for alarm in (await box.ask("status"))["alarms"])
        await box.stop()
    finally:
        box.put_down()


def test_what_root_did_offline_belongs_to_the_service(tmp_path: Path) -> None:
    box = written(tmp_path / "box")
    owner = os.geteuid() or 12_345
    os.chown(box.data_dir, owner, -1)
    said(box, "mark", "1", "dnf")
    made = list((box.data_dir / "races").rglob("*"))
    assert made
    assert {path.stat().st_uid for path in made} == {owner}


async def test_watching_the_status_ends_with_the_reader_of_it(tmp_path: Path) -> None:
    box = written(tmp_path / "box")
    box.start()
    try:
        await box.until(lambda s: s["ready"])
        watch = await asyncio.create_subprocess_exec(
            *(COMMAND, "status", "--watch", "--json", "--config", str(box.config)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert watch.stdout is not None
        assert watch.stderr is not None
        for _ in range(2):
            assert orjson.loads(await watch.stdout.readline())["site"] == "finish-a"
        watch.send_signal(signal.SIGINT)
        assert (await watch.stderr.read()).strip() == b"Stopped."
        assert await watch.wait() == 1
        await box.stop()
        assert not (box.data_dir / SOCKET_NAME).is_file()
    finally:
        box.put_down()
