"""Lines of TAG Heuer timers in their three dialects."""

import pytest

from bridge.domain.reads import StampForm
from bridge.driver_api import Control, Marker, Reason, Rejected, Status
from drivers.tagheuer import DRIVER
from drivers.tagheuer.records import checksum, sealed
from tests.support.timers import decoded, markers, naive, notes, reads, tod, wire_of

fields_of = DRIVER.extra
PUBLISHED = b"TN 0016 0072 05 12:13:56.7800 12345"


@pytest.mark.parametrize("chunk", [1, 5, 4096])
def test_published_lines_of_a_cp540(chunk: int) -> None:
    events = decoded(DRIVER, wire_of("tagheuer", "thcom08_lines.txt"), chunk)
    assert [type(event).__name__ for event in events] == ["Read", "Control", "Control", "Status"]
    [read] = reads(events)
    assert (read.chip, read.antenna, read.unit, read.seq) == ("16@bib", 5, "5", 72)
    assert (read.stamp, read.form) == (tod(12, 13, 56, 780_000_000), StampForm.TIME_OF_DAY)
    assert read.raw.endswith(b"06D9\r\n")
    assert notes(events) == {"acknowledgement": 1, "text": 1}
    [name] = [event for event in events if isinstance(event, Status)]
    assert name.fields == {"serial": "01162", "model": "CP540", "firmware": "VE07"}


@pytest.mark.parametrize("chunk", [1, 5, 4096])
def test_a_published_session_of_a_pocket_pro(chunk: int) -> None:
    events = decoded(DRIVER, wire_of("tagheuer", "pocket_pro_session.txt"), chunk)
    [read] = reads(events)
    assert (read.chip, read.form) == ("232@bib", StampForm.NAIVE)
    assert read.stamp == naive("2020-03-01T13:41:51.0104")
    assert notes(events) == {"text": 2, "synchronised": 1, "download": 1, "end of download": 1}


def test_worked_checksums() -> None:
    assert checksum(PUBLISHED) == b"06D9"
    assert checksum(b"AK F") == b"00F2"
    assert sealed(b"#SN") == b"#SN\t00A1\r\n"
    [event] = decoded(DRIVER, PUBLISHED.replace(b"16", b"17") + b"\t06D9\r\n")
    assert isinstance(event, Rejected)
    assert event.reason is Reason.CHECKSUM


def test_the_one_published_command_that_does_not_add_up_is_damage() -> None:
    [event] = decoded(DRIVER, b"#RT 0072 05\t0292\r\n")
    assert isinstance(event, Rejected)


def test_new_and_recalled_are_one_time() -> None:
    text = b" 0016 0072 05 12:13:56.7800 12345"
    new, recalled = reads(decoded(DRIVER, sealed(b"TN" + text) + sealed(b"AN" + text)))
    assert new.key == recalled.key == "72/5/12135678000"


def test_manual_padded_and_bibless() -> None:
    lines = sealed(b"TN      0073 M5  9:03:56.12345") + sealed(b"AN 0000   74  5 09:03:57     ")
    first, second = reads(decoded(DRIVER, lines))
    assert (first.chip, first.unit, first.stamp) == (
        "5#09035612345",
        "5",
        tod(9, 3, 56, 123_450_000),
    )
    assert fields_of(first.raw) == {"channel": "5", "sequence": 73, "by_hand": True}
    assert (second.chip, second.seq) == ("5#09035700000", 74)


def test_the_start_channel_is_a_gun() -> None:
    line = sealed(b"TN 0016 0072 01 12:13:56.7800 12345")
    [gun] = markers(decoded(DRIVER, line))
    assert (gun.name, gun.unit, gun.key) == ("gun", "1", "72/1/12135678000")
    assert gun.extra["number"] == "16"
    assert not markers(decoded(DRIVER, line, options={"gun_channels": []}))
    assert markers(decoded(DRIVER, sealed(PUBLISHED), options={"gun_channels": ["5"]}))


def test_a_correction_cancels_nothing_by_itself() -> None:
    [event] = decoded(DRIVER, sealed(b"T- 0016 0072 05 12:13:56.7800 12345"))
    assert isinstance(event, Control)
    assert event.extra["cancels"] == "72/5/12135678000"


def test_a_cp520_names_nobody() -> None:
    old = b"T           05 12 13 56 780   \r"
    assert old[12:14] == b"05"
    assert (old[15:17], old[18:20], old[21:23], old[24:27]) == (b"12", b"13", b"56", b"780")
    [read] = reads(decoded(DRIVER, old))
    assert (read.chip, read.stamp) == ("5#12135678000", tod(12, 13, 56, 780_000_000))
    [gun] = decoded(DRIVER, old.replace(b" 05 ", b" 01 "))
    assert isinstance(gun, Marker)
    [wrong] = decoded(DRIVER, old.replace(b" 12 13", b" 27 13"))
    assert isinstance(wrong, Rejected)


def test_times_of_a_pocket_pro_before_it_told_its_synchronisation_are_timed_by_arrival() -> None:
    [read] = reads(decoded(DRIVER, b"\nRR 0010 0232   05:27:51.01040\t\r"))
    assert (read.form, read.stamp, read.key) == (
        StampForm.ABSENT,
        0,
        "unsynchronised/10/232/05275101040",
    )


def test_a_pocket_pro_without_a_number() -> None:
    wire = b"\n!T 08:14:00 01/03/20\t\r\nRR 0010 0000   26:00:00.5\t\r"
    [read] = reads(decoded(DRIVER, wire))
    assert (read.chip, read.stamp) == ("10#26000050000", naive("2020-03-02T10:14:00.5"))


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (b"TN 0016 0072 05 12:1X:56.7800 12345\r", Reason.FRAMING),
        (sealed(b"TN 0016 0072 05 27:13:56.7800 12345"), Reason.FIELD),
        (b"!T 08:14:00 31/02/20\r", Reason.FIELD),
        (b"\x01\x02\x80\r", Reason.FRAMING),
        (b"a" * 128, Reason.OVERLONG),
    ],
)
def test_damage_is_rejected(wire: bytes, reason: Reason) -> None:
    events = decoded(DRIVER, wire)
    rejected = [event for event in events if isinstance(event, Rejected)]
    assert [event.reason for event in rejected] == [reason]


@pytest.mark.parametrize(
    "options",
    [
        {"model": "cp900"},
        {"backfill": 1},
        {"gun_channels": ["C1"]},
        {"gun_channels": "1"},
        {"live_events": 1},
        {"channel": 1},
    ],
)
def test_wrong_options_are_named(options: dict[str, object]) -> None:
    [complaint] = DRIVER.check_options(options)
    assert "allowed" in complaint
    good = {"model": "cp520", "gun_channels": ["1", 12], "backfill": "all", "live_events": False}
    assert not DRIVER.check_options(good)
