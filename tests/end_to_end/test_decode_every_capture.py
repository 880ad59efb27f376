"""Every capture we keep, through the real command: each byte in the account, each read there.

The captures are real but for those whose name says otherwise: bytes of readers, hex dumps of
frames, sessions with both sides, transcripts and files of race days, by reader family.
"""

import json
import re
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from bridge.app.registry import Registry
from bridge.cli.emulate import reads_in
from drivers import BUILTIN
from tests.support.command import chip_bridge
from tests.support.in_process import called

VECTORS = Path("tests/vectors")
COUNTS = {
    "alge": {
        "alge/classement_Memorytime.txt": "18 control",
        "alge/classement_Runtime_Run1.txt": "19 control",
        "alge/line_vectors.txt": "9 control, 3 marker, 4 read",
        "alge/tdc8001_20200202_0841.dump": "360 control, 135 marker, 166 read",
    },
    "alien": {
        "alien/custom_k_msec_lines.txt": "1 read",
        "alien/f800_k_msec1_a_lines.txt": "3 read",
        "alien/f800_xml_fragment.xml": "1 control, 1 read",
        "alien/heartbeat_f800.xml": "7 control, 3 status",
        "alien/manual_text_lines.txt": "2 read",
        "alien/stream_header_f800.txt": "7 control, 1 status",
    },
    "amb-p3": {
        "amb_p3/forum_frames.hex": "1 control, 2 read, 1 status",
        "amb_p3/ilap_ascii.bin": "1 control, 1 read",
        "amb_p3/p98_ascii_spec_response.bin": "1 control",
        "amb_p3/p98_ascii_vostok.bin": "1 read, 1 status",
        "amb_p3/prochip_bmx_20251030.hex": "1 marker, 2 read, 1 status",
        "amb_p3/rc_decoder_20190302_first60.bin": "60 status",
        "amb_p3/rc_decoder_20190302_part1.hex": "57 read, 824 status",
    },
    "chafon": {
        "chafon/cf_prime_commands.hex": "2 control",
        "chafon/frames.hex": "9 control, 7 read, 1 rejected, 2 status",
        "chafon/prime_replies.hex": "4 control, 1 status",
    },
    "chronotrack": {
        "chronotrack/19K_5072019.csv": "918 read",
        "chronotrack/19K_5072019.mrk": "1 clock, 19 control, 12 status",
        "chronotrack/9K_5071949.csv": "849 read",
        "chronotrack/9K_5071949.mrk": "1 clock, 19 control, 12 status",
        "chronotrack/FINISH1_5071909.mrk": "1 clock, 23 control, 7 marker, 11 status",
        "chronotrack/FINISH2_01010000.mrk": "1 clock, 5 control, 2 status",
        "chronotrack/FINISH2_01010000_first1500_11fields.csv": "1500 read",
        "chronotrack/FINISH3_05080711.mrk": "10 control, 1 marker, 129 status",
        "chronotrack/FINISH3_05080711_first1500_padded.csv": "1500 read",
        "chronotrack/FINISH4_mini_05080741.mrk": "3 clock, 20 control, 24 status",
        "chronotrack/FINISH4_mini_first1000.csv": "1000 read",
        "chronotrack/START1_5012018.csv": "677 read",
        "chronotrack/START1_5012018.mrk": "21 control, 12 status",
        "chronotrack/START1_5071909_first2000.csv": "2000 read",
        "chronotrack/ct01_13_file_lines.txt": "3 read",
        "chronotrack/ctp01_lines.txt": "1 control, 2 read",
    },
    "foxberry": {
        "foxberry/arranque_1-600.csv": "600 read",
    },
    "invelion": {
        "invelion/frames.hex": "7 control, 5 read, 1 rejected, 1 status",
    },
    "ipico": {
        "ipico/elite_port10200_fsls_a.log": "856 read",
        "ipico/lite_clockset_0x4c.lines.tsv": "49 clock, 9 control, 52 send, 2 status",
        "ipico/lite_connect_disconnect.lines.tsv": "5 clock, 12 control, 20 send, 6 status",
        "ipico/lite_connect_session.lines.tsv": "9 clock, 19 control, 33 send, 9 status",
        "ipico/lite_download_empty.lines.tsv": "1 clock, 9 send, 7 status",
        "ipico/lite_download_stored_first20s.lines.tsv": "967 read, 5 send, 7 status",
        "ipico/lite_fsls_mode_multiple.segments.tsv": "1 clock, 3 read, 3 send, 2 status",
        "ipico/lite_fsls_mode_single.segments.tsv": "1 clock, 1 read, 3 send, 2 status",
        "ipico/lite_fsls_mode_tto_toggle.lines.tsv": (
            "7 clock, 14 control, 18 read, 35 send, 14 status"
        ),
        "ipico/lite_raw_mode_4tags_joined_midstream.segments.tsv": (
            "1 clock, 1 control, 41 read, 3 send, 1 status"
        ),
        "ipico/lite_raw_mode_live.segments.tsv": "156 read",
        "ipico/lite_setclock_x5.lines.tsv": "30 clock, 5 control, 39 send, 6 status",
        "ipico/lite_settime.lines.tsv": "6 clock, 13 control, 22 send, 6 status",
        "ipico/lite_tagformat_query.lines.tsv": "1 clock, 4 control, 9 send, 4 status",
        "ipico/lite_trigger_button.segments.tsv": "1 clock, 1 control, 1 marker, 3 send, 1 status",
        "ipico/lite_usb_TAGDATA_1-2200.txt": "2200 read",
        "ipico/lite_usb_TAGDATA_46205-46220_trigger.txt": "1 marker, 15 read",
        "ipico/lite_usb_TAGDATA_70100-70130_truncated.txt": "30 read, 1 rejected",
        "ipico/lite_usb_TAGDATA_70260-70326_trigger_status.txt": "7 control, 1 marker, 59 read",
        "ipico/single_lines_from_manuals_and_repos.txt": "1 clock, 2 control, 1 marker, 6 read",
    },
    "jchip": {
        "jchip/help_session_fields.txt": "4 rejected",
        "jchip/real_import_line.txt": "1 control, 1 read",
        "jchip/synthetic_session.txt": "1 clock, 2 read, 2 send, 1 status",
    },
    "llrp": {
        "llrp/stream_speedway_part1.bin": "15 read",
        "llrp/stream_speedway_part3.bin": "15 read",
        "captures/llrp_frames.json": "6 clock, 14 control, 1 marker, 139 read, 14 send, 6 status",
        "captures/llrp_session.jsonl": "1 clock, 12 control, 1 marker, 16 read, 15 send, 3 status",
    },
    "macsha": {
        "macsha/doc_record_ocelot_v3.txt": "1 read",
        "macsha/doc_session_one4all.txt": "1 clock, 6 control, 1 read, 8 send, 2 status",
        "macsha/ocelot_backup_azul_20200315.csv": "19 control, 767 read",
        "macsha/one4all_passings_20191212_1-980.csv": "980 read",
    },
    "mylaps": {
        "mylaps/ts_v1_acked_backlog_20250416.jsonl": "68 control, 1590 read, 59 send, 8 status",
        "mylaps/ts_v1_auth_locations_info_20250410.jsonl": "17 control, 5 status",
        "mylaps/ts_v1_handshake_marker_blocks_20250413.jsonl": (
            "85 control, 3 marker, 21 send, 4 status"
        ),
        "mylaps/ts_v1_multilocation_resend_20250410.jsonl": "124 control, 120 read",
        "mylaps/ts_v1_reconnect_msgno_reused_20250411.jsonl": "27 control, 53 read, 1 status",
        "mylaps/ts_v1_store_20170514.txt": "1 control, 4 read",
        "mylaps/ts_v1_unacked_resend_20250410.jsonl": "12 control, 120 read, 1 status",
        "mylaps/ts_v2_champchip_20170519.txt": "3 control, 21 read",
        "mylaps/ts_v2_split_across_reads_20170519.txt": "8 read",
        "mylaps/vendor_doc_examples.txt": "12 control, 2 marker, 2 read, 3 rejected, 3 status",
        "mylaps/vendor_doc_examples_restored.txt": "1 control, 2 read",
    },
    "race-result": {
        "captures/decoder_getstatus_v2_doc_example.txt": "1 status",
        "captures/decoder_tcp3601_quickstart.transcript.txt": (
            "1 clock, 2 control, 4 send, 1 status"
        ),
        "captures/passing_file_line_old_8_fields.txt": "1 read",
        "captures/rr12_exporter_raw_record_json.json": "1 read",
        "captures/rr12_exporter_raw_record_v1.txt": "1 read",
        "captures/rr12_exporter_raw_record_v2.txt": "1 read",
        "captures/synthetic_push_lines_third_party_tests.txt": "1 control, 4 read, 3 status",
    },
    "race-result-trackbox": {
        "race_result_trackbox/trackbox_trackping_post_a.txt": "6 read, 1 status",
    },
    "race-result-usb": {
        "race_result_usb/usb_timing_box_19200.transcript.txt": "4 control, 2 read, 3 send",
    },
    "sportident": {
        "sportident/frames.hex": "1 control, 1 read",
    },
    "tagheuer": {
        "tagheuer/pocket_pro_session.txt": "5 control, 1 read",
        "tagheuer/thcom08_lines.txt": "2 control, 1 read, 1 status",
    },
    "thbc-protime": {
        "thbc_protime/lines.txt": "2 marker, 2 read",
    },
    "thingmagic": {
        "thingmagic/frames.hex": "1 read, 1 rejected",
        "thingmagic/no_epc.hex": "1 rejected",
    },
    "timingsense": {
        "timingsense/backup_ts2_semicolon_1-20.csv": "20 read",
        "timingsense/stream_payload.json.txt": "2 read",
    },
    "ultra": {
        "ultra/export_csv_lines.txt": "1 read",
        "ultra/real_line.txt": "1 read",
        "ultra/synthetic_session_reader_to_host.bin": "1 control, 1 marker, 4 read, 3 status",
    },
    "yrm100": {
        "yrm100/frames.hex": "5 control, 4 read",
    },
}
CASES = [(driver, name) for driver, files in COUNTS.items() for name in files]
JOINED = "mylaps/ts_v2_split_across_reads_20170519.txt"
"""Two reads of one frame, one per line: the line end in between was not on the wire."""
OTHER_VECTORS = re.compile(r"README\.md|(frames|session_sllurp_llrpkit)\.jsonl?")
"""Descriptions, and vectors of the LLRP driver that are no captures."""
Event = dict[str, object]


def words(driver: str, name: str, *more: str) -> list[str | Path]:
    form = ["--as", "joined"] if name == JOINED else []
    return ["decode", driver, VECTORS / name, *form, *more]


def events_of(done: CompletedProcess[bytes]) -> list[Event]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def events_in(name: str) -> list[Event]:
    [driver] = [driver for driver, files in COUNTS.items() if name in files]
    return events_of(called(*words(driver, name)))


def account_of(done: CompletedProcess[bytes]) -> tuple[list[int], str]:
    """Return what an account says: file, container, reader, host, sent, told; and the kinds."""
    line = done.stderr.decode()
    said = re.fullmatch(
        r"(\d+) bytes in the file = (\d+) container \+ (\d+) reader \+ (\d+) host; "
        r"(\d+) bytes from the reader = (\d+) in events \((.*)\)\.\n",
        line,
    )
    assert said is not None, line
    return [int(number) for number in said.groups()[:6]], said[7]


def test_every_capture_has_its_counts() -> None:
    folders = {name.partition("/")[0] for _, name in CASES}
    there = {path for folder in folders for path in (VECTORS / folder).iterdir()}
    kept = {path for path in there if not OTHER_VECTORS.fullmatch(path.name)}
    assert kept == {VECTORS / name for _, name in CASES}


@pytest.mark.parametrize(("driver", "name"), CASES)
def test_every_byte_is_accounted_for_and_every_event_counted(driver: str, name: str) -> None:
    done = called(*words(driver, name))
    events = events_of(done)
    (size, container, reader, host, sent, told), kinds = account_of(done)
    assert size == (VECTORS / name).stat().st_size == container + reader + host
    assert sent == told > 0
    assert kinds == COUNTS[driver][name]
    found = [str(event["kind"]) for event in events]
    assert kinds == ", ".join(f"{found.count(kind)} {kind}" for kind in sorted(set(found)))


@pytest.mark.parametrize(("driver", "name"), CASES)
def test_how_the_bytes_are_cut_changes_nothing(driver: str, name: str) -> None:
    whole = called(*words(driver, name))
    for chunk in ("1", "7"):
        cut = called(*words(driver, name, "--chunk", chunk))
        assert cut.stdout == whole.stdout
        assert cut.stderr == whole.stderr


@pytest.mark.parametrize(
    ("driver", "name"),
    [
        ("ipico", "ipico/lite_fsls_mode_multiple.segments.tsv"),
        ("ipico", "ipico/lite_settime.lines.tsv"),
        ("jchip", "jchip/synthetic_session.txt"),
        ("llrp", "captures/llrp_frames.json"),
        ("mylaps", JOINED),
        ("mylaps", "mylaps/ts_v1_handshake_marker_blocks_20250413.jsonl"),
        ("yrm100", "yrm100/frames.hex"),
    ],
)
def test_the_installed_command_says_the_same(driver: str, name: str) -> None:
    done = chip_bridge(*words(driver, name))
    here = called(*words(driver, name))
    assert (done.returncode, done.stdout, done.stderr) == (0, here.stdout, here.stderr)


def test_a_capture_on_standard_input_is_recognised_without_a_name() -> None:
    for driver, name in (("chafon", "chafon/frames.hex"), ("llrp", "captures/llrp_session.jsonl")):
        data = (VECTORS / name).read_bytes()
        assert (
            chip_bridge("decode", driver, data=data).stdout == called(*words(driver, name)).stdout
        )


FIRST_READS = {
    "alge/line_vectors.txt": ("C1#2146483300", "21:46:48.330", 1, None),
    "alien/custom_k_msec_lines.txt": (
        "E20000165919007818405C7B", "2018-02-16T12:32:33.958Z", 1, -40.3,
    ),
    "alien/f800_xml_fragment.xml": (
        "100008020200000100000796", "2021-05-16T12:00:34.730", 3, None,
    ),
    "amb_p3/forum_frames.hex": ("7404583", "2009-10-10T01:37:38.753", None, 51.0),
    "amb_p3/p98_ascii_vostok.bin": ("8110984", "14:28:03.691", None, 40.0),
    "amb_p3/prochip_bmx_20251030.hex": ("102758186", "2025-10-30T20:16:21.964341", None, 127.0),
    "captures/llrp_session.jsonl": (
        "E2000017010B016210000002", "2026-11-21T03:42:02.970811Z", 3, -52.0,
    ),
    "captures/passing_file_line_old_8_fields.txt": ("33@6692", "00:00:02.773", None, -68.0),
    "captures/rr12_exporter_raw_record_json.json": (
        "ZICAD30", "2024-01-12T09:06:35.944", 8, -75.0,
    ),
    "captures/synthetic_push_lines_third_party_tests.txt": (
        "A0B1C2@1", "2026-06-17T10:30:00.123", None, -75.5,
    ),
    "chafon/frames.hex": ("000000000000000000000313", None, None, None),
    "chronotrack/FINISH3_05080711_first1500_padded.csv": (
        "9573@160/18", "2021-05-08T07:52:23.170", 4, -71.0,
    ),
    "chronotrack/ctp01_lines.txt": ("3132", "2025-06-01T08:30:22.040", 1, None),
    "foxberry/arranque_1-600.csv": (
        "BF65451ABE0F622D4A180ED3", "2016-07-02T12:59:28.979179Z", 4, -63.0,
    ),
    "invelion/frames.hex": ("E200301666130121155074EF", None, 1, -60.0),
    "ipico/elite_port10200_fsls_a.log": ("058001e9df91", "2018-10-13T09:23:42.250", None, None),
    "ipico/lite_usb_TAGDATA_1-2200.txt": ("058001e5a02d", "2016-10-18T11:29:37.620", None, None),
    "jchip/synthetic_session.txt": ("413A74", "2012-07-24T13:00:50.351", None, None),
    "macsha/doc_record_ocelot_v3.txt": ("MC00001", "2015-04-14T12:07:58.010", 1, None),
    "macsha/doc_session_one4all.txt": ("MC00001", "2017-04-23T13:30:45.492", 3, None),
    "macsha/one4all_passings_20191212_1-980.csv": (
        "MC02976", "2019-12-12T09:02:07.295", 3, None,
    ),
    "mylaps/ts_v1_acked_backlog_20250416.jsonl": (
        "0001228", "2025-04-13T06:15:31.827", None, None,
    ),
    "mylaps/ts_v2_split_across_reads_20170519.txt": (
        "FS43924", "2017-05-19T14:38:00.082", None, None,
    ),
    "race_result_trackbox/trackbox_trackping_post_a.txt": (
        "ZCTAA66", "2021-08-27T11:00:03.000Z", None, -40.0,
    ),
    "race_result_usb/usb_timing_box_19200.transcript.txt": (
        "GLBAS60", "2009-06-20T09:23:41.195312500Z", 3, -90.0,
    ),
    "sportident/frames.hex": ("912345", "13:32:14.000", None, None),
    "tagheuer/pocket_pro_session.txt": ("232@bib", "2020-03-01T13:41:51.010400", None, None),
    "tagheuer/thcom08_lines.txt": ("16@bib", "12:13:56.780", 5, None),
    "thbc_protime/lines.txt": ("023066", "08:27:53.016", None, None),
    "thingmagic/frames.hex": ("000000000000000000001545", None, 1, -60.0),
    "timingsense/backup_ts2_semicolon_1-20.csv": ("618", "2021-03-29T11:52:30.540", None, None),
    "timingsense/stream_payload.json.txt": ("2", "2016-06-03T02:33:48.937842Z", None, None),
    "ultra/export_csv_lines.txt": ("11274", "11:22:47.392", 3, None),
    "ultra/real_line.txt": ("11055", "2017-02-02T16:05:01.698", 1, -71.0),
    "yrm100/frames.hex": ("30751FEB705C5904E3D50D70", None, 1, -55.0),
}  # fmt: skip
"""The first read of a capture: chip, time, antenna, strength."""


@pytest.mark.parametrize("name", FIRST_READS)
def test_the_first_read_is_who_when_and_where(name: str) -> None:
    first = next(event for event in events_in(name) if event["kind"] == "read")
    told = tuple(first[key] for key in ("chip", "time", "antenna", "rssi"))
    assert told == FIRST_READS[name]


REJECTED = {
    "chafon/frames.hex": [("checksum", "1500010301010c0000000000000000000003136bb1a6")],
    "invelion/frames.hex": [("checksum", "a00a018900001d00000001bc")],
    "ipico/lite_usb_TAGDATA_70100-70130_truncated.txt": [("framing", "1404070923540e43\r\n")],
    "mylaps/vendor_doc_examples.txt": [
        ("checksum", "Start@Store@DK5M6M9 12:15:05.61"),
        ("checksum", "Finish@Store@0RK9T6N 13:50:23.30"),
        ("checksum", "0RK9T6N 13:50:25.35"),
    ],
    "jchip/help_session_fields.txt": [
        ("unknown", "receiver name: "),
        ("unknown", "getTime payload: "),
        ("unknown", "tag=413A74 "),
        ("unknown", "tag=413A3B "),
    ],
    "thingmagic/frames.hex": [("framing", "ff00031d0cff02910101703b")],
    "thingmagic/no_epc.hex": [("field", "ff1c2200")],
}
"""What is damaged or not of this protocol: the reason, and how it begins."""


@pytest.mark.parametrize("name", REJECTED)
def test_what_is_damaged_comes_out_rejected_for_the_right_reason(name: str) -> None:
    rejected = [event for event in events_in(name) if event["kind"] == "rejected"]
    assert len(rejected) == len(REJECTED[name])
    for event, (reason, begins) in zip(rejected, REJECTED[name], strict=True):
        assert event["reason"] == reason
        assert str(event["raw"]).startswith(begins)


def test_nothing_else_is_rejected() -> None:
    rejecting = {name for driver, name in CASES if "rejected" in COUNTS[driver][name]}
    assert rejecting == set(REJECTED)


def test_tags_of_llrp_are_those_that_other_decoders_found() -> None:
    frames = json.loads((VECTORS / "llrp" / "frames.json").read_text())
    wanted = [tag for frame in frames for tag in frame.get("told", {}).get("tags", [])]
    reads = [one for one in events_in("captures/llrp_frames.json") if one["kind"] == "read"]
    assert [read["chip"] for read in reads] == [tag["epc"].upper() for tag in wanted]
    assert [read["antenna"] for read in reads] == [tag["antenna"] for tag in wanted]
    assert [read["rssi"] for read in reads] == [tag["rssi"] for tag in wanted]


def test_the_host_is_shown_in_its_place() -> None:
    events = events_in("mylaps/ts_v1_handshake_marker_blocks_20250413.jsonl")
    assert [event["kind"] for event in events[:4]] == ["control", "send", "send", "send"]
    assert events[2]["raw"] == "MyLaps2RMServer_v1.0.2@GetLocations@$"
    assert events[2]["extra"] == {"by": "capture"}


@pytest.mark.parametrize(
    "name",
    ["mylaps/ts_v1_store_20170514.txt", "mylaps/ts_v1_unacked_resend_20250410.jsonl"],
)
def test_what_can_be_decoded_can_be_played(name: str) -> None:
    shown = [event["chip"] for event in events_in(name) if event["kind"] == "read"]
    played = reads_in(Registry(BUILTIN).find("mylaps"), VECTORS / name)
    assert [read.chip for read in played] == shown
