"""Which container a recording is in is told by what its driver makes of it."""

import io
from pathlib import Path

import pytest

from bridge.app.captures import Form, Source
from bridge.app.recordings import form_for, pieces_for
from bridge.app.registry import Registry
from bridge.driver_api import Opening, Sighting
from drivers import BUILTIN

VECTORS = Path("tests/vectors")
READERS = Registry(BUILTIN)


def told(driver: str, head: bytes, name: str = "") -> Form:
    return form_for(READERS.find(driver), Opening(), head, name)


@pytest.mark.parametrize("name", ["", "race.hex"])
@pytest.mark.parametrize("size", [38, 400, 8192])
def test_a_log_of_hex_digits_is_no_hex_dump(name: str, size: int) -> None:
    log = (VECTORS / "ipico" / "lite_usb_TAGDATA_1-2200.txt").read_bytes()
    assert told("ipico", log[:size], name) is Form.RAW


@pytest.mark.parametrize(
    ("driver", "path"),
    [
        ("chafon", "chafon/frames.hex"),
        ("chafon", "chafon/cf_prime_commands.hex"),
        ("amb-p3", "amb_p3/rc_decoder_20190302_part1.hex"),
        ("sportident", "sportident/frames.hex"),
        ("yrm100", "yrm100/frames.hex"),
        ("thingmagic", "thingmagic/frames.hex"),
    ],
)
def test_a_hex_dump_needs_no_name(driver: str, path: str) -> None:
    content = (VECTORS / path).read_bytes()
    assert told(driver, content[:8192]) is Form.HEX


@pytest.mark.parametrize(
    ("driver", "path"),
    [
        ("amb-p3", "amb_p3/rc_decoder_20190302_first60.bin"),
        ("llrp", "llrp/stream_speedway_part1.bin"),
        ("foxberry", "foxberry/arranque_1-600.csv"),
        ("file", "file/reads.jsonl"),
        ("impinj-iot", "impinj_iot/stream_lines.json"),
        ("race-result", "captures/rr12_exporter_raw_record_json.json"),
        ("timingsense", "timingsense/stream_payload.json.txt"),
        ("race-result-trackbox", "race_result_trackbox/trackbox_trackping_post_a.txt"),
        ("alien", "alien/stream_header_f800.txt"),
        ("alien", "alien/heartbeat_f800.xml"),
    ],
)
def test_what_a_reader_sent_is_no_container(driver: str, path: str) -> None:
    content = (VECTORS / path).read_bytes()
    assert told(driver, content[:8192], path) is Form.RAW


def test_lines_that_look_like_a_capture_are_the_readers_where_it_understands_them_better() -> None:
    line = b'{"dir": "R>H", "hex": "00", "chip": "A1", "time": "2026-11-21T10:00:00Z"}\n'
    assert told("file", line) is Form.RAW
    assert told("llrp", line) is Form.JSON


def test_the_client_is_the_reader_where_the_reader_connects() -> None:
    rows = b'{"dir": "c2s", "raw": "a"}\n{"dir": "s2c", "raw": "b"}\n'
    for driver, sources in (
        ("mylaps", [Source.READER, Source.HOST]),
        ("llrp", [Source.HOST, Source.READER]),
    ):
        file = io.BufferedReader(io.BytesIO(rows))
        found = pieces_for(READERS.find(driver), Form.JSON, file)
        assert [piece.source for piece in found] == sources


def test_a_recording_of_frames_that_tell_nothing_is_its_container_all_the_same() -> None:
    shaken = b'{"dir": "c2s", "raw": "Start@Pong@$"}\n{"dir": "s2c", "raw": "me@AckPong@$"}\n'
    assert told("mylaps", shaken) is Form.JSON


@pytest.mark.parametrize("name", BUILTIN)
def test_no_reader_sends_what_looks_like_a_container(name: str) -> None:
    driver = READERS.find(name)
    stamps = range(1_795_766_400_000_000_000, 1_795_766_420_000_000_000, 1_000_000_000)
    records = [
        driver.encode(Sighting(chip=driver.example_chip(number), stamp=stamp, seq=number))
        for number, stamp in enumerate(stamps, start=1)
    ]
    assert told(name, b"".join(records)) is Form.RAW
    assert told(name, b"".join(records)[:25]) is Form.RAW
