"""Lines of ChronoTrack: what is accepted, what is refused, what is never answered."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.reads import NS_PER_S, Chip, Read, StampForm
from bridge.driver_api import (
    Alarm,
    ClockStep,
    Control,
    Event,
    Marker,
    Opening,
    Reason,
    Rejected,
    Send,
    Sighting,
    Status,
)
from drivers.chronotrack import DRIVER, markers, records
from drivers.chronotrack.controller_emulator import observed_line
from drivers.chronotrack.stamps import TimeFormat, compact_ns, print_compact

NOON = 1_780_056_000 * NS_PER_S
TO = b"TO~3~200~160~18~1620461427.22~11FD4E~8~-71~3~P~70\r\n"
CT = b"CT01_33~2000~PHASER~3132~2025-06-01T08:30:22.04~1~23H016~1\r\n"


def fed(wire: bytes) -> list[Event]:
    return DRIVER.session(Opening()).feed(wire)


def only_read(wire: bytes) -> Read:
    [event] = fed(wire)
    assert isinstance(event, Read)
    return event


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\r\n", b"\n"),
        (b"~70", b""),
        (b"~3~200", b"~000003~000200"),
        (b"27.22", b"27,22"),
        (b"~18~", b"~018~"),
    ],
)
def test_variants_of_an_observation_are_the_same_read(old: bytes, new: bytes) -> None:
    plain, other = only_read(TO), only_read(TO.replace(old, new, 1))
    assert other._replace(raw=b"") == plain._replace(raw=b"")


@pytest.mark.parametrize(
    ("port", "antenna"), [(b"1", 1), (b"2", 2), (b"4", 3), (b"8", 4), (b"0", None), (b"3", None)]
)
def test_the_antenna_is_one_bit(port: bytes, antenna: int | None) -> None:
    assert only_read(TO.replace(b"~8~", b"~%b~" % port)).antenna == antenna


def test_a_long_signal_strength_is_legal() -> None:
    assert only_read(TO.replace(b"-71", b"-71.123456")).rssi == -71.123456


@pytest.mark.parametrize(
    "wire",
    [
        TO.replace(b"~P", b""),
        TO.replace(b"~200~", b"~2OO~"),
        TO.replace(b"~70", b"~70~1"),
        CT.replace(b"~1~23", b"~23"),
        CT.replace(b"T08:30", b"T24:30"),
        CT.replace(b"2025-06-01", b"2025-06-31"),
        CT.replace(b"08:30:22", b"08:60:22"),
        CT.replace(b"3132", b" "),
        CT.replace(b"2025-06-01T08:30:22.04", b"noon"),
        b"MK~I11A9D~32~Gun~252~21133308005516~x\r\n",
        b"I11A9D,32,Gun,252,21133308005516,x\r\n",
        b"MK~I11A9D~32~Gun\r\n",
    ],
)
def test_wrong_fields_are_refused_whole(wire: bytes) -> None:
    [event] = fed(wire)
    assert isinstance(event, Rejected)
    assert (event.raw, event.reason) == (wire, Reason.FIELD)


@pytest.mark.parametrize(
    "wire",
    [TO[:20] + TO, TO[:20] + CT, CT[:30] + TO, CT[:9] + b"MK~A~1~Gun~1~21050808005516~x\r\n"],
)
def test_a_record_behind_a_torn_one_is_saved(wire: bytes) -> None:
    torn, whole = fed(wire)
    assert isinstance(torn, Rejected)
    assert torn.reason is Reason.FRAMING
    assert isinstance(whole, Read | Marker)
    assert torn.raw + whole.raw == wire


def test_a_line_without_end_is_let_go() -> None:
    session = DRIVER.session(Opening())
    events = session.feed(b"x" * 10_000)
    assert all(isinstance(e, Rejected) and e.reason is Reason.OVERLONG for e in events)
    assert len(events) == 2
    assert isinstance(session.feed(b"\r\n" + TO)[-1], Read)


def test_a_line_is_taken_at_its_end_only() -> None:
    session = DRIVER.session(Opening())
    assert session.feed(TO[:-1]) == []
    assert session.pending == TO[:-1]
    assert len(session.feed(TO[-1:])) == 1


@pytest.mark.parametrize("form", list(TimeFormat))
@given(ms=st.integers(90_000_000_000, 1_900_000_000_000), number=st.integers(1, 999_999))
@settings(max_examples=30, deadline=None)
def test_records_are_read_in_every_time_format(form: TimeFormat, ms: int, number: int) -> None:
    stamp = ms // 10 * 10_000_000
    sighting = Sighting(chip=Chip("A12"), stamp=stamp, seq=number, antenna=4)
    read = only_read(records.scored_line(sighting, place="30k+ö", form=form))
    whole = form in (TimeFormat.ISO, TimeFormat.UNIX)
    assert read.form is (StampForm.NAIVE if whole else StampForm.TIME_OF_DAY)
    assert read.stamp == (stamp if whole else stamp % (86_400 * NS_PER_S))
    assert (read.chip, read.unit, read.seq, read.antenna) == ("A12", "30k+ö", number, 4)


@given(
    ms=st.integers(315_532_800_000, 1_900_000_000_000),
    tag=st.integers(1, 99_999),
    padded=st.booleans(),
    hits=st.none() | st.integers(0, 999),
)
@settings(max_examples=40, deadline=None)
def test_observations_are_read_as_written(
    ms: int,
    tag: int,
    padded: bool,  # noqa: FBT001
    hits: int | None,
) -> None:
    stamp = ms // 10 * 10_000_000
    sighting = Sighting(chip=Chip(f"{tag}@160/29"), stamp=stamp, seq=7, rssi=-55.0)
    line = observed_line(sighting, reader="120044", own=4, bit=2, hits=hits, padded=padded)
    read = only_read(line)
    assert (read.chip, read.stamp, read.seq) == (sighting.chip, stamp, 7)
    assert (read.antenna, read.rssi, read.unit) == (2, -55.0, "120044")


@given(ms=st.integers(315_532_800_000, 1_900_000_000_000))
@settings(max_examples=30, deadline=None)
def test_marker_times_are_read_as_written(ms: int) -> None:
    stamp = ms // 10 * 10_000_000
    assert compact_ns(print_compact(stamp).encode()) == stamp


def test_a_gun_over_the_socket_is_a_marker_of_its_place() -> None:
    [gun] = fed(b"CT01_33~4~start~guntime~07:45:01.01~0~DF239A~0\r\n")
    assert isinstance(gun, Marker)
    assert (gun.name, gun.unit, gun.form) == ("gun", "start", StampForm.TIME_OF_DAY)
    assert gun.stamp == 27_901_010_000_000


def test_a_marker_detail_may_hold_anything() -> None:
    [gun] = fed(b"MK~I11A9D~32~Gun~252~21050808005516~Button~Press, twice\r\n")
    assert isinstance(gun, Marker)
    assert gun.extra == {"detail": "Button~Press, twice", "observation": 252}
    [file] = fed(b"I11A9D,32,Event,252,21050808005516,a,b~c\r\n")
    assert isinstance(file, Status)
    assert file.fields == {"event": "a,b~c"}


def test_a_clock_change_is_a_step() -> None:
    [step] = fed(b"MK~A~26~TimeChange~8~21050808260304~21050808260243\r\n")
    assert isinstance(step, ClockStep)
    assert (step.after or 0) - (step.before or 0) == 610_000_000


def test_a_session_that_only_decodes_says_nothing() -> None:
    talk = (
        b"SimpleClient~0.6.0~CTP01\r\nack~getlocations~a\r\nerr~start~x\r\nPING\r\nping\r\nTIME\r\n"
    )
    events = fed(talk + b"EXIT\r\n\r\n" + TO + CT)
    assert not [event for event in events if isinstance(event, Send | Alarm)]
    notes = [event.note for event in events if isinstance(event, Control)]
    assert notes == [
        "greeting", "ack getlocations", "err start", "ping", "ping", "time request",
        "not known what it means", "empty line",
    ]  # fmt: skip


def test_an_unknown_line_is_kept_and_counted() -> None:
    [event] = fed(b"hello\r\n")
    assert isinstance(event, Rejected)
    assert event.reason is Reason.UNKNOWN


def marks(*lines: str) -> list[tuple[str, bool]]:
    watch = markers.AlarmWatch()
    told = []
    for number, line in enumerate(lines, start=1):
        kind, _, detail = line.partition("|")
        mark = markers.parse(f"MK~A~{number}~{kind}~1~21050808005516~{detail}\r\n".encode())
        assert mark is not None
        told += [(alarm.name, alarm.on) for alarm in watch.told(mark)]
    return told


def test_power_and_readers_raise_alarms_and_take_them_back() -> None:
    assert marks(
        "ElectPower|AC=1  BatA=1* BatB=1",
        "GeneralAlert|AC Power Lost",
        "ElectPower|AC=0  BatA=1* BatB=0",
        "GeneralAlert|Single battery for 6",
        "ElectPower|AC=1  BatA=1* BatB=1",
        "Rdr2Pwr|OFF",
        "Rdr2Pwr|ON",
        "GeneralAlert|Unexpected error",
        "Shutdown|Controller",
        "ElectPower|unreadable",
    ) == [
        ("mains_lost", False),
        ("single_battery", False),
        ("mains_lost", True),
        ("mains_lost", True),
        ("single_battery", True),
        ("mains_lost", False),
        ("single_battery", False),
        ("reader2_off", True),
        ("reader2_off", False),
        ("controller_alert", True),
        ("shut_down", True),
    ]


def test_options_are_checked() -> None:
    assert DRIVER.check_options({"tags": ["160/18", "160/029"]}) == []
    wrong = [*DRIVER.check_options({"tags": "160/18"}), *DRIVER.check_options({"tags": ["160"]})]
    assert ["allowed" in text for text in [*wrong, *DRIVER.check_options({"x": 1})]] == [True] * 3


def test_a_name_of_another_encoding_is_a_text_all_the_same() -> None:
    assert only_read(CT.replace(b"PHASER", b"Z\xfcrich")).unit == "Zürich"


def test_what_is_no_record_has_no_fields() -> None:
    assert records.details(b"hello\r\n") == {}


def test_bytes_of_a_channel_nobody_opened_are_kept() -> None:
    assert isinstance(DRIVER.session(Opening()).feed(TO, "side")[0], Rejected)


def test_a_file_is_never_talked_to() -> None:
    session = DRIVER.session(Opening(link="file"))
    events = [*session.opened(NOON), *session.feed(b"SimpleClient~0.6.0~CTP01\r\n" + TO + CT)]
    events += session.tick(NOON + 500 * NS_PER_S)
    assert [type(event) for event in events] == [Control, Read, Read]


def test_lines_of_the_other_role_are_read_and_change_no_talk() -> None:
    gun = b"MK~A~1~Gun~1~21050808005516~x\r\n"
    session = DRIVER.session(Opening())
    session.opened(NOON)
    session.feed(b"SimpleClient~0.6.0~CTP01\r\n")
    assert [type(event) for event in session.feed(TO + gun)] == [Read, Marker]
    other = DRIVER.session(Opening())
    other.opened(NOON)
    other.feed(b"ProController\r\n")
    assert [type(event) for event in other.feed(CT)] == [Read]
