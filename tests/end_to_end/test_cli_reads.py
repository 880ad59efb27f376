"""Raw reads go out of a running box, into another one, and through the timing once more."""

import asyncio
from pathlib import Path
from typing import Any

import orjson

from tests.support.command import sentence
from tests.support.in_process import called
from tests.support.race_box import Box
from tests.support.small_box import READER, mat, written

GUN = "2020-01-01T00:00:00"


def told(box: Box, *words: str | Path) -> Any:  # noqa: ANN401 - JSON
    done = called(*words, "--json", "--config", box.config)
    assert done.returncode == 0, done.stderr.decode()
    return orjson.loads(done.stdout)


def exported(box: Box, to: Path) -> list[bytes]:
    done = called("reads", "export", to, "--config", box.config)
    assert done.returncode == 0, done.stderr.decode()
    lines = to.read_bytes().splitlines()
    events = sum(b'"event":' in line for line in lines)
    assert done.stderr.decode() == f"{events} events written to {to}.\n"
    return lines


def times(box: Box) -> list[tuple[int, str]]:
    (block,) = told(box, "results")
    return [(row["bib"], row["clock_time"]) for row in block["rows"]]


async def test_reads_move_from_a_running_box_to_another_and_are_replayed(tmp_path: Path) -> None:
    there = written(tmp_path / "there", gun=GUN, zone="UTC")
    async with mat() as line:
        here = written(tmp_path / "here", more=READER.format(port=line.port), gun=GUN, zone="UTC")
        here.start()
        try:
            await here.until_reading()
            for bib in (1, 2, 3, 9):
                await line.cross(bib, ago_s=60 - bib)
            await here.until(lambda s: s["events"][0]["finished"] == 3)
            file = tmp_path / "reads.jsonl"
            lines = await asyncio.to_thread(exported, here, file)
            wanted = await asyncio.to_thread(times, here)
            # replayed beside the running service, which goes on undisturbed
            again = await asyncio.to_thread(told, here, "replay", file)
            known = await asyncio.to_thread(told, here, "reads", "import", file)
            await here.stop()
        finally:
            here.put_down()
    assert len(wanted) == 3
    assert [(r["bib"], r["clock_time"]) for r in again["events"][0]["rows"]] == wanted
    assert again["reads"] == sum(again["states"].values()) == 4
    assert again["states"] == {"unknown_chip": 1, "used": 3}
    assert known["taken"] == known["damaged"] == 0
    assert known["known"] == sum(b'"event":' in line for line in lines)

    def elsewhere() -> None:
        assert told(there, "replay", file)["events"][0]["rows"] == again["events"][0]["rows"]
        assert not times(there)
        first = told(there, "reads", "import", file)
        assert (first["known"], first["damaged"]) == (0, 0)
        assert times(there) == wanted
        assert told(there, "reads", "import", file)["taken"] == 0
        assert exported(there, tmp_path / "back.jsonl")[1:] == lines[1:]

    await asyncio.to_thread(elsewhere)


async def test_damaged_lines_are_named_alike_with_the_service_and_without(tmp_path: Path) -> None:
    lines = [
        b'{"reader": "hand", "chip": "ZCAA001", "time": "2026-11-21T09:00:00.5Z"}',
        b"{not json",
        b"",
        b'{"reader": "hand", "chip": "ZCAA002", "time": "late"}',
        '{"reader": "hand", "chip": "ZCAA003\u2028", "time": "2026-11-21T09:00:01Z"}'.encode(),
    ]
    file = tmp_path / "hand.jsonl"
    file.write_bytes(b"\n".join(lines) + b"\n")
    online, offline = written(tmp_path / "online"), written(tmp_path / "offline")
    online.start()
    try:
        await online.until(lambda s: s["ready"])
        with_service = await asyncio.to_thread(told, online, "reads", "import", file)
        await online.stop()
    finally:
        online.put_down()
    without = await asyncio.to_thread(told, offline, "reads", "import", file)
    assert with_service == without
    assert (without["taken"], without["damaged"]) == (2, 2)
    assert [words.partition(":")[0] for words in without["complaints"]] == ["line 2", "line 4"]


def test_a_long_file_is_sent_in_parcels_and_its_lines_keep_their_numbers(tmp_path: Path) -> None:
    from bridge.cli.reads import LINES_AT_ONCE, _parcels  # noqa: PLC0415 - only this test cuts

    file = tmp_path / "long.jsonl"
    head = b'{"export":"chip-bridge","v":1,"store":"x"}\n{"session":{"id":1}}\n'
    late = b'{"session":{"id":2}}\n'
    body = [b'{"event":%d}\n' % number for number in range(LINES_AT_ONCE + 10)]
    file.write_bytes(head + b"".join(body[:-5]) + late + b"".join(body[-5:]))
    one, two = _parcels(file)
    assert (one["first"], two["first"]) == (3, LINES_AT_ONCE + 3)
    assert str(one["lines"]).startswith(head.decode())
    assert str(two["lines"]).startswith((head + late).decode())
    sent = "".join(str(parcel["lines"]) for parcel in (one, two))
    assert all(line.decode() in sent for line in body)


def test_wrong_files_are_answered_in_one_sentence(tmp_path: Path) -> None:
    box = written(tmp_path / "box")
    settings = ("--config", box.config)
    nothing = sentence(called("reads", "export", "-", *settings), 1)
    assert nothing.startswith("there is no journal yet at ")
    assert "does not exist" in sentence(called("reads", "import", "nofile", *settings), 2)
    assert "does not exist" in sentence(called("replay", "nofile", *settings), 2)
    called("mark", "1", "dnf", *settings)
    unwritable = sentence(called("reads", "export", "/nowhere/x", *settings), 2)
    assert unwritable == "/nowhere/x cannot be written: No such file or directory.\n"
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    for words in (["reads", "import"], ["replay"]):
        assert called(*words, empty, *settings).returncode == 0
