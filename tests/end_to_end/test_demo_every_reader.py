"""The rehearsal with one reader of each kind: what each sent, and what became of it."""

import socket
from pathlib import Path

import orjson

from bridge.adapters.http_server import bind
from bridge.app.simulation import Sight
from bridge.bootstrap.rehearsal_cast import EVERY_READER, Clock, Wire
from drivers import BUILTIN
from tests.support.command import COMMAND, chip_bridge, clean_environ
from tests.support.terminal import INTERRUPT, converse

LINKS = {wire.value for wire in Wire}


def free_pair() -> int:
    """Return a port that is free together with the one above it."""
    while True:
        with bind() as one, socket.socket() as two:
            port = int(one.getsockname()[1])
            if port < 65_000 and two.connect_ex(("127.0.0.1", port + 1)) != 0:
                return port


def test_every_reader_at_once_and_the_books_of_each(tmp_path: Path) -> None:
    words = ("--every-reader", "--runners", "14", "--seconds", "16", "--json", "--no-browser")
    done = chip_bridge(
        "demo", *words, "--port", str(free_pair()), "--keep", tmp_path / "kept",
        environ={"TMPDIR": str(tmp_path)},
    )  # fmt: skip
    books = orjson.loads(done.stdout)
    assert books["faults"] == []
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr.decode() == f"Everything is kept in {tmp_path / 'kept'}.\n"
    pages = {page["name"]: page for page in books["readers"]}
    assert {page["driver"] for page in pages.values()} == set(BUILTIN)
    assert {page["url"].partition("://")[0] for page in pages.values()} == LINKS
    for part in EVERY_READER.readers:
        page = pages[part.name]
        states = page["states"]
        assert page["sent"] > 0, part.name
        assert sum(states.values()) == page["reads"], part.name
        if part.clock is Clock.OF_NOBODY:
            assert states == {"unknown_chip": page["sent"]}, part.name
        else:
            assert "unknown_chip" not in states, part.name
        if not part.repeats:
            assert page["reads"] == page["sent"], part.name
    assert pages["timingsense"]["states"]["duplicate"] == pages["timingsense"]["sent"]
    assert books["finishers_expected"] == books["finishers_posted"] > 0
    assert books["reads_journalled"] == sum(page["reads"] for page in pages.values())


def test_the_screen_has_room_for_all_readers(tmp_path: Path) -> None:
    words = ["demo", "--every-reader", "--no-browser", "--port", str(free_pair())]
    place = {"TMPDIR": str(tmp_path), "COLUMNS": "80", "LINES": "24"}
    code, shown = converse(
        [COMMAND, *words], [("Finishers posted", INTERRUPT)], environ=clean_environ() | place,
        cwd=tmp_path,
    )  # fmt: skip
    assert code == 1
    assert "Traceback" not in shown
    assert {part.name for part in EVERY_READER.readers if part.name not in shown} == set()
    assert not list(tmp_path.glob("chip-bridge-demo-*"))


def test_each_exact_reader_decides_for_somebody() -> None:
    """And none of those that only know when a read arrived."""
    for mat in EVERY_READER.mats:
        here = [part for part in EVERY_READER.readers if part.location == mat.location]
        exact = {part.name for part in here if part.clock is Clock.EXACT}
        deciding = set()
        for bib in range(1, 61):
            seen = [p for p in here if EVERY_READER.sees(p, Sight(0, mat.location, bib, -50.0, 1))]
            deciding.add(min(seen, key=lambda part: part.priority).name)
        assert deciding == (exact or {"ultra"})
