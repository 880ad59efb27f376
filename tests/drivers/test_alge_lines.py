"""Lines of ALGE timers: recordings, columns, flags, checksum."""

import pytest

from bridge.domain.reads import StampForm
from bridge.driver_api import Control, Marker, Reason, Rejected, Status
from drivers.alge import DRIVER
from drivers.alge.records import checksum, impulse_of
from tests.support.timers import decoded, kinds, markers, notes, reads, tod, wire_of

fields_of = DRIVER.extra
WORKED = b" 0001 C0  10:04:55.6513 00"


@pytest.mark.parametrize("chunk", [1, 7, 4096])
def test_a_recorded_race(chunk: int) -> None:
    events = decoded(DRIVER, wire_of("alge", "tdc8001_20200202_0841.dump"), chunk)
    assert kinds(events) == {"Read": 166, "Marker": 135, "Control": 360}
    assert notes(events) == {
        "result": 189,
        "number chosen for finish": 167,
        "cleared time": 4,
    }
    first = markers(events)[0]
    assert (first.stamp, first.unit, first.key) == (
        tod(8, 53, 39, 492_200_000),
        "C0",
        "0300/C0/0853394922",
    )
    unnamed = [read for read in reads(events) if "#" in read.chip]
    assert len({read.chip for read in unnamed}) == len(unnamed)


@pytest.mark.parametrize("name", ["classement_Memorytime.txt", "classement_Runtime_Run1.txt"])
def test_printouts_have_no_impulses(name: str) -> None:
    events = decoded(DRIVER, wire_of("alge", name))
    assert set(kinds(events)) == {"Control"}
    assert notes(events)["result"] == 4
    assert notes(events)["end of a list"] == 1


def test_published_lines() -> None:
    events = decoded(DRIVER, wire_of("alge", "line_vectors.txt"))
    assert [read.chip for read in reads(events)] == [
        "C1#2146483300",
        "C1#2146481230",
        "C1#2146481000",
        "15@bib",
    ]
    assert [marker.extra["number"] for marker in markers(events)] == ["0035", "0035", "0016"]
    assert [marker.extra.get("modifier") for marker in markers(events)] == ["M", None, None]
    assert not [event for event in events if isinstance(event, Rejected)]


def test_the_worked_checksum() -> None:
    assert checksum(WORKED) == b"=4"
    [event] = decoded(DRIVER, WORKED + b"=4\r")
    assert isinstance(event, Marker)
    assert event.stamp == tod(10, 4, 55, 651_300_000)
    [event] = decoded(DRIVER, WORKED.replace(b"6513", b"6514") + b"=4\r")
    assert isinstance(event, Rejected)
    assert event.reason is Reason.CHECKSUM


def test_a_chosen_number_may_carry_a_checksum() -> None:
    [right, wrong] = decoded(DRIVER, b"n0034" + checksum(b"n0034") + b"\rn0034??\r")
    assert isinstance(right, Control)
    assert isinstance(wrong, Rejected)


def test_identity_is_number_channel_and_time_whatever_the_flag() -> None:
    lines = b" 0012 C1  10:00:00.1234 00\ri0012 C1M 10:00:00.1234 00\r"
    live, inserted = reads(decoded(DRIVER, lines))
    assert live.key == inserted.key == "0012/C1/1000001234"
    assert (live.chip, live.antenna, live.unit, live.form) == (
        "12@bib",
        1,
        "C1",
        StampForm.TIME_OF_DAY,
    )
    assert fields_of(inserted.raw) == {
        "number": "0012",
        "channel": "C1",
        "flag": "i",
        "modifier": "M",
        "group": "00",
    }


def test_two_finishers_without_numbers_are_two() -> None:
    lines = b"?0000 C1  10:00:00.1234 00\r 0000 C1  10:00:00.1235 00\r"
    assert [read.chip for read in reads(decoded(DRIVER, lines))] == [
        "C1#1000001234",
        "C1#1000001235",
    ]


def test_an_old_timy_writes_commas_and_small_letters() -> None:
    [read] = reads(decoded(DRIVER, b" 0007 c2  09:59:59,5    00\r"))
    assert (read.chip, read.antenna, read.stamp) == ("7@bib", 2, tod(9, 59, 59, 500_000_000))


@pytest.mark.parametrize(
    ("line", "decimals"),
    [(b" 0001 C1  10:00:00", 0), (b" 0001 C1  10:00:00.2", 2), (b" 0001 C1  10:00:00.0    00", 0)],
)
def test_short_lines(line: bytes, decimals: int) -> None:
    [read] = reads(decoded(DRIVER, line + b"\r"))
    assert read.stamp == tod(10, 0, 0, decimals * 100_000_000)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b" 0001 C1  10:04:5X.6513 00", Reason.FRAMING),
        (b" 0001 C1 10:04:55.6513 00", Reason.FRAMING),
        (b" 001 C1  10:04:55.6513 00", Reason.FRAMING),
        (b" 0001 C1  27:04:55.6513 00", Reason.FIELD),
        (b"\x00\x01\x02", Reason.FRAMING),
    ],
)
def test_damage_is_rejected(line: bytes, reason: Reason) -> None:
    [event] = decoded(DRIVER, line + b"\r")
    assert isinstance(event, Rejected)
    assert event.reason is reason


def test_a_line_without_an_end_is_overlong() -> None:
    events = decoded(DRIVER, b"x" * 128)
    assert [event.reason for event in events if isinstance(event, Rejected)] == [Reason.OVERLONG]


def test_replies_and_small_talk() -> None:
    events = decoded(DRIVER, b"NSF V 0974\rHW_SN 12345\r10:00:00.3\r21-11-28  17:07\rCLR\r")
    assert [e.fields for e in events if isinstance(e, Status)] == [
        {"firmware": "V 0974"},
        {"serial": "12345"},
    ]
    assert notes(events) == {"running time": 1, "date": 1, "text": 1}


def test_undocumented_flags_are_kept_and_not_used() -> None:
    for flag in b"dpbmtC":
        [event] = decoded(DRIVER, bytes((flag,)) + b"0034 C1M 21:46:48.3300 00\r")
        assert isinstance(event, Control)


def test_gun_channels_are_an_option() -> None:
    line = b" 0001 C0  10:04:55.6513 00\r 0002 C2  10:04:56.0000 00\r"
    options = {"gun_channels": ["C2"]}
    start, gun = decoded(DRIVER, line, options=options)
    assert [read.chip for read in reads([start])] == ["1@bib"]
    assert isinstance(gun, Marker)
    assert gun.unit == "C2"
    assert not markers(decoded(DRIVER, line, options={"gun_channels": []}))


def test_what_is_no_impulse_has_no_fields() -> None:
    assert fields_of(b"n0034\r") == {}
    assert impulse_of(b"n0034\r") is None


@pytest.mark.parametrize(
    "options",
    [
        {"gun_channels": "C0"},
        {"gun_channels": ["C9"]},
        {"checksum": "yes"},
        {"backfill": "some"},
        {"gun": 1},
    ],
)
def test_wrong_options_are_named(options: dict[str, object]) -> None:
    [complaint] = DRIVER.check_options(options)
    assert "allowed" in complaint
    assert not DRIVER.check_options({"gun_channels": [], "checksum": True, "backfill": "all"})
