"""A reader made of software, met as any program meets a reader: with a plain socket or a tty."""

import os
import select
import signal
import socket
import subprocess
import termios
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from bridge.app.registry import Registry
from bridge.driver_api import Opening, Read
from drivers import BUILTIN
from tests.support.command import COMMAND, clean_environ, sentence
from tests.support.in_process import called

PATIENCE_S = 20.0


@contextmanager
def emulating(*words: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `emulate` until the test is through with it; it has to end well."""
    process = subprocess.Popen(
        [COMMAND, "emulate", *map(str, words)], stderr=subprocess.PIPE, env=clean_environ()
    )
    try:
        yield process
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 1
        assert err.decode().strip().endswith("Stopped.")
        assert b"Traceback" not in err
    finally:
        process.kill()
        process.communicate()


def first_line(process: subprocess.Popen[bytes]) -> str:
    assert process.stderr is not None
    return process.stderr.readline().decode()


def port_of(process: subprocess.Popen[bytes]) -> int:
    said = first_line(process)
    assert said.endswith("; Ctrl-C ends it.\n")
    return int(said.partition(";")[0].rpartition(":")[2])


def reads_of(driver: str, chunks: Iterator[bytes], wanted: int) -> list[Read]:
    """Decode what comes with the driver itself, until there are enough reads."""
    session = Registry(BUILTIN).find(driver).session(Opening())
    reads: list[Read] = []
    for data in chunks:
        reads += [event for event in session.feed(data) if isinstance(event, Read)]
        if len(reads) >= wanted:
            return reads
    raise AssertionError(f"the line ended after {len(reads)} reads")


def heard(line: socket.socket) -> Iterator[bytes]:
    line.settimeout(PATIENCE_S)
    while data := line.recv(4096):
        yield data


def ipico_port() -> int:
    """Return a port with free neighbours, as an IPICO needs them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_made_up_race_comes_over_tcp_as_the_driver_reads_it() -> None:
    words = ("--runners", "3", "--seconds", "20", "--speed", "20", "--zone", "America/Denver")
    with (
        emulating("ipico", "--listen", f"127.0.0.1:{ipico_port()}", *words) as process,
        socket.create_connection(("127.0.0.1", port_of(process))) as line,
    ):
        reads = reads_of("ipico", heard(line), 3)
    assert {read.chip for read in reads} <= {f"05800000000{bib}" for bib in (1, 2, 3)}


def test_recorded_reads_keep_their_chips_and_stamps_on_a_tty(tmp_path: Path) -> None:
    sent = [
        {"chip": "058000000007", "time": "2026-03-06T20:27:47.350"},
        {"kind": "marker", "chip": "x", "time": None},
        {"chip": "058000000008", "time": "2026-03-06T20:27:48.990"},
    ]
    file = tmp_path / "reads.jsonl"
    file.write_bytes(b"\n".join(map(orjson.dumps, sent)))
    link = tmp_path / "reader"
    with emulating("ipico", "--pty", link, "--from", file, "--speed", "100") as process:
        first_line(process)
        terminal = os.open(link, os.O_RDWR | os.O_NOCTTY)
        try:
            reads = reads_of("ipico", _typed(terminal), 2)
        finally:
            os.close(terminal)
    assert [read.chip for read in reads] == ["058000000007", "058000000008"]
    assert reads[1].stamp - reads[0].stamp == 1_640_000_000
    assert not link.is_symlink()


def _typed(terminal: int) -> Iterator[bytes]:
    assert not termios.tcgetattr(terminal)[3] & termios.ECHO
    while select.select([terminal], [], [], PATIENCE_S)[0]:
        yield os.read(terminal, 4096)


def test_a_cut_in_the_middle_of_a_frame_can_be_asked_for() -> None:
    words = ("--rate", "50", "--drop-after", "2")
    with emulating("ipico", "--listen", f"127.0.0.1:{ipico_port()}", *words) as process:
        port = port_of(process)
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", port)) as line:
                got = b""
                try:
                    for data in heard(line):
                        got += data
                except ConnectionResetError:
                    pass
            assert got
            assert not got.endswith(b"\r\n")


@pytest.mark.parametrize(
    ("words", "code", "answer"),
    [
        (["ipico"], 2, "Say where: --listen HOST:PORT, --connect HOST:PORT, --append FILE"),
        (["ipico", "--connect", "tls://h:1"], 2, "must be HOST:PORT, http://HOST:PORT or mqtt"),
        (["ipico", "--connect", "h"], 2, "is not HOST:PORT"),
        (["ipico", "--append", "x", "--option", "kind=lite"], 2, "not to a file or topic"),
        (["ipico", "--append", "/nowhere/x"], 2, "choose another --append"),
        (["ipico", "--listen", ":1", "--pty", "x"], 2, "Say where"),
        (["ipco", "--listen", ":0"], 2, "There is no driver 'ipco' (did you mean 'ipico'?)"),
        (["ipico", "--listen", "here"], 2, "'here' is not HOST:PORT, for example"),
        (["ipico", "--listen", "192.0.2.1:1000"], 2, "choose another --listen"),
        (["ipico", "--listen", ":0", "--option", "x"], 2, "--option 'x' must be KEY=VALUE"),
        (["ipico", "--listen", ":0", "--option", "x=1"], 2, "unknown emulator option 'x'"),
        (["race-result", "--listen", ":0", "--option", "operating=5"], 2, "'operating' is 5"),
        (["ipico", "--listen", ":0", "--zone", "Mars"], 2, "there is no zone 'Mars'"),
        (["ipico", "--listen", ":0", "--from", "nofile"], 2, "does not exist"),
        (["ipico", "--listen", ":0", "--from", "/dev/null"], 2, "holds no read"),
        (["ipico", "--pty", "/nowhere/x"], 2, "cannot make the link /nowhere/x"),
        (["ipico", "--listen", ":0", "--garbage", "2"], 2, "is not in the range"),
    ],
)
def test_wrong_words_are_answered_in_one_sentence(
    words: Sequence[str], code: int, answer: str
) -> None:
    done = called("emulate", *words)
    assert answer in sentence(done, code)
    assert done.stderr.count(b"\n") == 1


def test_a_line_that_is_no_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "reads.jsonl"
    file.write_text('{"chip": "058000000007", "time": "2026-03-06T20:27:47"}\n{"chip": 1}\n[]\n')
    said = sentence(called("emulate", "ipico", "--listen", ":0", "--from", file), 2)
    assert said.startswith("line 3 is not a read such as ")
