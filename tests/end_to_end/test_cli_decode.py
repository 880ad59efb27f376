"""`chip-bridge decode` on recorded captures, as a user runs it."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from drivers import BUILTIN
from tests.support.command import COMMAND, chip_bridge, clean_environ, imported_by, sentence

VECTORS = Path("tests/vectors")
SOME = [
    VECTORS / "ipico" / name
    for name in (
        "lite_connect_session.lines.tsv",
        "lite_raw_mode_4tags_joined_midstream.segments.tsv",
        "lite_usb_TAGDATA_70100-70130_truncated.txt",
    )
]
CAPTURES = VECTORS / "captures"
KEYS = ["kind", "chip", "time", "antenna", "rssi", "reader", "seq", "raw", "extra"]


def events_of(output: bytes) -> list[dict[str, object]]:
    return [json.loads(line) for line in output.splitlines()]


def size_of(event: dict[str, object]) -> int:
    raw = str(event["raw"])
    is_hex = re.fullmatch(r"([0-9a-f]{2})+", raw) and event["kind"] == "rejected"
    return len(raw) // 2 if is_hex else len(raw)


@pytest.mark.parametrize("path", SOME, ids=lambda path: path.name)
def test_a_capture_gives_the_same_events_however_it_is_cut(path: Path) -> None:
    whole = chip_bridge("decode", "ipico", path)
    assert whole.returncode == 0, whole.stderr
    assert whole.stdout
    for chunk in ("1", "7"):
        cut = chip_bridge("decode", "ipico", path, "--chunk", chunk)
        assert cut.stdout == whole.stdout
        assert cut.stderr == whole.stderr


@pytest.mark.parametrize("path", SOME, ids=lambda path: path.name)
def test_every_byte_of_a_capture_is_in_the_account(path: Path) -> None:
    done = chip_bridge("decode", "ipico", path)
    numbers = [int(number) for number in re.findall(r"\d+", done.stderr.decode())]
    size, container, reader, host, wire, told = numbers[:6]
    assert size == path.stat().st_size == container + reader + host
    shown = [event for event in events_of(done.stdout) if event["kind"] != "send"]
    assert wire == told == sum(map(size_of, shown))


def test_each_event_has_every_key() -> None:
    done = chip_bridge("decode", "ipico", VECTORS / "ipico/lite_trigger_button.segments.tsv")
    events = events_of(done.stdout)
    assert {event["kind"] for event in events} >= {"marker", "clock", "status", "send"}
    for event in events:
        assert [key for key in event if key != "reason"] == KEYS
    assert events[0] | {"raw": "", "extra": {}} == {
        "kind": "marker",
        "chip": None,
        "time": "2026-03-06T20:04:15.270",
        "antenna": None,
        "rssi": None,
        "reader": None,
        "seq": None,
        "raw": "",
        "extra": {},
    }


def test_damage_is_shown_with_its_reason() -> None:
    path = VECTORS / "ipico/lite_usb_TAGDATA_70100-70130_truncated.txt"
    events = events_of(chip_bridge("decode", "ipico", path).stdout)
    assert [event["reason"] for event in events if event["kind"] == "rejected"] != []
    assert all("reason" in event for event in events if event["kind"] == "rejected")


def test_a_transcript_shows_what_the_host_said_in_its_place() -> None:
    done = chip_bridge(
        "decode", "race-result", CAPTURES / "decoder_tcp3601_quickstart.transcript.txt"
    )
    events = events_of(done.stdout)
    assert [event["kind"] for event in events] == ["send", "control"] * 2 + [
        "send",
        "clock",
        "send",
        "status",
    ]
    assert events[4]["raw"] == "GETTIME\r\n"
    assert events[5]["time"] == "00:02:12.942"


def test_days_counted_without_a_date_stand_beside_the_time() -> None:
    line = b"1;33;0000-00-01;00:00:02.773;6692;12;-68;09ca52\r\n"
    (event,) = events_of(chip_bridge("decode", "race-result", data=line).stdout)
    assert event["time"] == "00:00:02.773"
    assert event["extra"]["days"] == 1  # type: ignore[index]


def test_a_last_line_without_its_end_is_still_read() -> None:
    line = b"aa0005800012860800012603062027472353"
    done = chip_bridge("decode", "ipico", "-", data=line)
    (event,) = events_of(done.stdout)
    assert (event["kind"], event["raw"]) == ("read", line.decode())
    assert done.stderr.startswith(b"36 bytes in the file = 0 container + 36 reader + 0 host; 36")


def test_a_capture_that_ends_within_a_frame_says_so() -> None:
    done = chip_bridge("decode", "ipico", data=b"aa00058000128608")
    (event,) = events_of(done.stdout)
    assert (event["kind"], event["reason"]) == ("rejected", "incomplete")
    assert done.returncode == 0


def test_bytes_that_are_no_text_are_shown_in_hex() -> None:
    done = chip_bridge("decode", "ipico", data=b"\x00\xff\xfe\r\n", environ={})
    assert "".join(str(event["raw"]) for event in events_of(done.stdout)).startswith("00fffe")


def test_hex_dumps_are_read(tmp_path: Path) -> None:
    dump = tmp_path / "read.hex"
    dump.write_text("# one read\n" + b"aa0005800012860800012603062027472353\r\n".hex() + "\n")
    (event,) = events_of(chip_bridge("decode", "ipico", dump).stdout)
    assert event["chip"] == "058000128608"
    for option in ("--as", "--format"):
        (event,) = events_of(chip_bridge("decode", "ipico", dump, option, "hex").stdout)
        assert event["chip"] == "058000128608"


def test_a_live_reader_is_shown_at_once() -> None:
    with subprocess.Popen(
        [COMMAND, "decode", "ipico"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=clean_environ(),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(2):
            process.stdin.write(b"aa0005800012860800012603062027472353\r\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["kind"] == "read"
        process.stdin.close()


def test_memory_stays_bounded_on_a_large_capture(tmp_path: Path) -> None:
    large = tmp_path / "large.log"
    block = (VECTORS / "ipico/lite_usb_TAGDATA_1-2200.txt").read_bytes()
    with large.open("wb") as file:
        for _ in range(40):
            file.write(block)
    code = (
        "import sys; from bridge.cli.main import run\n"
        f"code = run(['decode', 'ipico', {str(large)!r}])\n"
        # not getrusage: that remembers how large the process was that forked us
        "status = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
        "print(code, status['VmHWM'].split()[0], file=sys.stderr)"
    )
    done = subprocess.run(
        [COMMAND.parent / "python", "-c", code],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=True,
    )
    account, last = done.stderr.decode().splitlines()
    assert account.startswith(f"{large.stat().st_size} bytes in the file")
    exit_code, kilobytes = map(int, last.split())
    assert exit_code == 0
    assert kilobytes < 60_000


def test_a_reader_of_the_output_that_leaves_is_no_failure_worth_words() -> None:
    path = (VECTORS / "ipico/lite_usb_TAGDATA_1-2200.txt").absolute()
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [COMMAND, "decode", "ipico", path],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
        env=clean_environ(),
    )
    os.close(writing)
    assert done.stderr == b""
    assert done.returncode == 1


def test_an_unknown_driver_is_wrong_usage() -> None:
    said = sentence(chip_bridge("decode", "ipco", data=b""), 2)
    names = ", ".join(BUILTIN)
    assert said == f"There is no driver 'ipco' (did you mean 'ipico'?); there are: {names}.\n"


def test_a_file_that_is_not_there_is_told() -> None:
    said = sentence(chip_bridge("decode", "ipico", "/none.log"), 1)
    assert said == "/none.log cannot be read: No such file or directory.\n"
    assert "directory" in sentence(chip_bridge("decode", "ipico", "/tmp"), 1)  # noqa: S108


def test_a_capture_of_another_form_is_told() -> None:
    said = sentence(chip_bridge("decode", "ipico", "--format", "segments", data=b"aa00\n"), 2)
    assert "try --as raw" in said


def test_a_description_of_lines_is_tried_on_a_capture() -> None:
    options = [
        "--option", "separator=\t",
        "--option", "columns={ chip = 1, time = 2, unit = 3 }",
        "--option", "time=%d-%m-%Y %H:%M:%S.%f",
        "--option", 'chip=["no_zeros"]',
    ]  # fmt: skip
    done = chip_bridge("decode", "line", *options, data=b"007\t22-09-2011 02:41:30.620\t0A\n")
    assert done.returncode == 0, done.stderr
    [event] = events_of(done.stdout)
    told = {key: event[key] for key in ("kind", "chip", "time", "reader")}
    assert told == {
        "kind": "read",
        "chip": "7",
        "time": "2011-09-22T02:41:30.620",
        "reader": "0A",
    }


def test_what_is_wrong_with_an_option_is_told() -> None:
    said = sentence(chip_bridge("decode", "line", "--option", "tiem=iso", data=b""), 2)
    assert said.startswith("--option: unknown option 'tiem'; allowed: pattern, columns")
    said = sentence(chip_bridge("decode", "ipico", "--option", "binary", data=b""), 2)
    assert said == "--option 'binary' must be KEY=VALUE.\n"


def test_decoding_imports_neither_settings_nor_tables() -> None:
    path = VECTORS / "ipico/lite_download_empty.lines.tsv"
    modules = imported_by(["decode", "ipico", str(path)])
    assert not modules & {"pydantic", "rich", "structlog", "starlette", "aiomqtt", "httpx2"}
    assert "drivers.ipico" in modules
    assert "drivers.race_result" not in modules
