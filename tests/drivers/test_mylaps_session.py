"""The conversation with Timing & Scoring: hello, acknowledgements, liveness, login, damage."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.reads import NS_PER_S, Read
from bridge.driver_api import (
    Alarm,
    Control,
    Event,
    Hangup,
    Kept,
    Marker,
    Reason,
    Rejected,
    Remember,
    Send,
    Session,
    Status,
)
from drivers.mylaps import DRIVER, frames
from tests.support.mylaps import START_NS, kept_of, sent, session_of

ASKED = (
    b"c|t|d|utc|l|dv|re|an|ans|h|amd|ts|dm|b|n@id|n|dt|nr|mac|bat|prof|ant|fwv|temp|tz|ts|ps|isconn"
)
HELLO = b"chip-bridge@AckPong@Version2.1@" + ASKED + b"@$"
RECORD = b"000122806:15:31.82711 01  1D65725041339"
PASSING = b"c=KP66964|t=13:11:30.904|d=120606|dv=4"


def ticks(session: Session, first: int, last: int) -> list[Event]:
    """Let seconds `first` to `last` pass in silence."""
    return [e for s in range(first, last + 1) for e in session.tick(START_NS + s * NS_PER_S)]


def alarms(events: list[Event]) -> list[tuple[str, bool]]:
    return [(event.name, event.on) for event in events if isinstance(event, Alarm)]


def test_it_waits_to_be_spoken_to() -> None:
    session = session_of()
    assert ticks(session, 0, 60) == []


def test_every_hello_gets_the_same_answer_and_the_first_one_questions() -> None:
    session = session_of()
    questions = [b"chip-bridge@GetLocations@$", b"chip-bridge@GetInfo@$"]
    assert sent(session.feed(b"Start@Pong@$")) == [HELLO, *questions]
    assert sent(session.feed(b"\r\n\0\0Finish@Pong@$\r\nStart@Pong@$")) == [HELLO, HELLO]


def test_version_1_and_a_name_of_our_own() -> None:
    session = session_of(options={"version": 1, "name": "Box 7"})
    assert sent(session.feed(b"Start@Pong@$"))[0] == b"Box 7@AckPong@$"


@pytest.mark.parametrize(
    ("frame", "answer"),
    [
        (b"L@Store@" + RECORD + b"@7@$", b"chip-bridge@AckStore@7@$"),
        (b"L@Passing@" + PASSING + b"@ 1016@$", b"chip-bridge@AckPassing@1016@$"),
        (b"L@Marker@2025-04-13 05:57:56.027|gun|x@1@$", b"chip-bridge@AckMarker@1@$"),
        (b"Bag@Ping@$", b"chip-bridge@AckPing@$"),
    ],
)
def test_answers_stand_behind_what_they_cover(frame: bytes, answer: bytes) -> None:
    first, *rest = session_of().feed(frame)
    assert isinstance(first, Read | Marker | Control)
    assert rest == [Send(answer)]


def test_a_batch_is_acknowledged_once_and_after_its_last_record() -> None:
    events = session_of().feed(b"L@Store@" + RECORD + b"@" + RECORD + b"@1@$\r\n")
    assert [type(event) for event in events] == [Read, Read, Send, Control]


@pytest.mark.parametrize(
    ("frame", "kind", "answer"),
    [
        (b"L@Store@" + RECORD[:-1] + b"8@3@$", Rejected, b"chip-bridge@AckStore@3@$"),
        (b"L@Marker@???@3@$", Rejected, b"chip-bridge@AckMarker@3@$"),
        (b"L@Store@3@$", Control, b"chip-bridge@AckStore@3@$"),
        (b"L@Lap@what@3@$", Rejected, b"chip-bridge@AckLap@3@$"),
    ],
)
def test_what_is_not_understood_blocks_nothing_but_is_safe_first(
    frame: bytes, kind: type[Kept], answer: bytes
) -> None:
    kept, remember, send = session_of().feed(frame)
    assert isinstance(kept, kind)
    assert isinstance(remember, Remember)  # takes the frame to the disk at once
    assert remember.memory
    assert send == Send(answer)


@pytest.mark.parametrize(
    "frame",
    [
        b"L@Store@" + RECORD + b"@$",
        b"L@Store@" + RECORD + b"@1a@$",
        b"L@Passing@$",
        b"L@Lap@what@$",
        b"L@AckLap@what@3@$",
        b"S@AckPong@$",
        b"S@AuthOk@$",
    ],
)
def test_without_a_number_nothing_is_acknowledged(frame: bytes) -> None:
    session = session_of()
    assert sent(session.feed(frame)) == []
    assert session.pending == b""


def test_a_frame_that_comes_again_is_acknowledged_again() -> None:
    session = session_of()
    frame = b"L@Store@" + RECORD + b"@1@$"
    first, again = session.feed(frame), session.feed(b"\r\n" + frame)[1:]
    assert first == again


def test_numbers_start_anew_with_each_connection() -> None:
    for _ in range(2):
        assert sent(session_of().feed(b"L@Store@" + RECORD + b"@1@$")) == [
            b"chip-bridge@AckStore@1@$"
        ]


# --- liveness


def test_silence_is_asked_and_then_given_up_within_ten_seconds() -> None:
    session = session_of()
    session.feed(b"Start@Pong@$")
    for second in range(1, 11):
        events = session.tick(START_NS + second * NS_PER_S)
        if any(isinstance(event, Hangup) for event in events):
            break
    else:
        pytest.fail("a dead link was not noticed within ten seconds")
    assert 6 <= second <= 10


def test_an_answer_to_each_ping_keeps_it_up() -> None:
    session = session_of()
    session.feed(b"Start@Pong@$")
    pings = 0
    for second in range(1, 121):
        events = session.tick(START_NS + second * NS_PER_S)
        assert not [event for event in events if isinstance(event, Hangup)]
        if b"chip-bridge@Ping@$" in sent(events):
            pings += 1
            session.feed(b"Start@AckPing@$\r\n")
    assert 20 <= pings <= 45


def test_one_that_talks_is_asked_now_and_then() -> None:
    session = session_of()
    pings = 0
    for second in range(1, 61):
        session.feed(b"L@Store@" + RECORD + b"@1@$")
        pings += sent(session.tick(START_NS + second * NS_PER_S)).count(b"chip-bridge@Ping@$")
    assert pings == 6


def test_our_own_pause_is_not_its_silence() -> None:
    session = session_of()
    session.feed(b"Start@Pong@$")
    ticks(session, 1, 2)
    late = session.tick(START_NS + 100 * NS_PER_S)
    assert not [event for event in late if isinstance(event, Hangup)]
    assert b"chip-bridge@Ping@$" in sent(late)


def test_the_locations_of_the_last_burst_are_told_and_missed() -> None:
    session = session_of()
    session.feed(b"A@Pong@$B@Pong@$")
    told: list[Event] = []
    for second in range(1, 60):
        told += session.tick(START_NS + second * NS_PER_S)
        session.feed(b"A@AckPing@$\r\n" if 20 < second < 40 else b"A@AckPing@$\r\n\0\0B@AckPing@$")
    lists = [event.fields["locations"] for event in told if isinstance(event, Status)]
    assert lists == [["A", "B"], ["A"], ["A", "B"]]
    assert alarms(told) == [("locations", True), ("locations", False)]
    assert "no longer serves B:" in next(e.text for e in told if isinstance(e, Alarm))


def test_a_location_without_a_name_is_not_missed() -> None:
    session = session_of()
    session.feed(b"unnamed@Pong@$")
    told: list[Event] = []
    for second in range(1, 60):
        told += session.tick(START_NS + second * NS_PER_S)
        session.feed(b"unnamed@AckPing@$" if second < 20 else b"Finish@AckPing@$")
    assert alarms(told) == []
    assert [event.fields["locations"] for event in told if isinstance(event, Status)] == [
        ["unnamed"],
        ["Finish"],
    ]


# --- devices


def test_devices_are_asked_for_by_location_and_every_minute() -> None:
    session = session_of()
    session.feed(b"A@Pong@$B@Pong@$")
    info = [b"chip-bridge@GetInfo@A@$", b"chip-bridge@GetInfo@B@$"]
    asked: list[tuple[int, bytes]] = []
    for second in range(1, 70):
        session.feed(b"A@AckPing@$B@AckPing@$")
        said = sent(session.tick(START_NS + second * NS_PER_S))
        asked += [(second, data) for data in said if b"GetInfo" in data]
    assert asked == [(1, info[0]), (1, info[1]), (61, info[0]), (61, info[1])]


def test_the_list_of_locations_takes_the_place_of_what_was_heard() -> None:
    session = session_of()
    session.feed(b"unnamed@Pong@$")
    ticks(session, 1, 1)
    session.feed(b"Toolkit@GetLocations@ln=A = B@ln=C@$")
    asked = [data for data in sent(ticks(session, 2, 2)) if b"GetInfo" in data]
    assert asked == [b"chip-bridge@GetInfo@A = B@$", b"chip-bridge@GetInfo@C@$"]


def test_version_1_is_asked_for_all_devices_at_once_and_not_again() -> None:
    session = session_of()
    session.feed(b"A@Pong@$A@AckGetInfo@PSD-0C0210@Unknown@Laptop$")
    asked: list[bytes] = []
    for second in range(1, 130):
        session.feed(b"A@AckPing@$")
        asked += [d for d in sent(session.tick(START_NS + second * NS_PER_S)) if b"GetInfo" in d]
    assert asked == [b"chip-bridge@GetInfo@$"]


@pytest.mark.parametrize(
    ("frame", "mode"),
    [
        (b"L@Store@" + RECORD + b"@1@$", "version 1"),
        (b"L@Passing@" + PASSING + b"@1@$", "version 2"),
        (b"L@AckGetInfo@D@Unknown@Laptop$", "version 1"),
        (b"L@AckGetInfo@n=D@$", "version 2"),
    ],
)
def test_the_version_really_spoken_is_told_once(frame: bytes, mode: str) -> None:
    session = session_of()
    session.feed(frame)
    assert Status(b"", {"mode": mode}) in session.tick(START_NS + NS_PER_S)
    session.feed(frame)
    assert Status(b"", {"mode": mode}) not in session.tick(START_NS + 2 * NS_PER_S)


def test_devices_of_version_1() -> None:
    [event] = session_of().feed(b"A@AckGetInfo@unnamed@Unknown@Laptop$")
    assert isinstance(event, Status)
    assert event.fields == {"device A/unnamed": {"type": "Unknown", "computer": "Laptop"}}


def test_the_subset_of_another_program() -> None:
    [event] = session_of().feed(b"SimpleClient@AckGetInfo@ChronoTrack@TCP@$")
    assert isinstance(event, Status)
    assert event.fields == {"device SimpleClient/ChronoTrack": {"type": "TCP", "computer": ""}}


def test_devices_of_version_2_and_their_alarms() -> None:
    session = session_of()
    good = b"A@AckGetInfo@id=1|n=One|mac=00|bat=80|temp=31.5|ps=net|isconn=1|ts=GPS|tz=120@$"
    [status] = session.feed(good)
    assert isinstance(status, Status)
    assert status.fields == {
        "device A/One": {
            "serial": "00",
            "time_source": "GPS",
            "power_source": "net",
            "utc_offset_min": "120",
            "battery": 80,
            "temperature_c": 31.5,
            "mains": True,
            "connected": True,
        },
        "battery": 80,
        "temperature_c": 31.5,
        "mains": True,
    }
    bad = b"B@AckGetInfo@id=2|n=n.a.|bat=0|temp=40|ps=internal|isconn=0@$"
    worst, *told = session.feed(bad)
    assert isinstance(worst, Status)
    assert (worst.fields["battery"], worst.fields["temperature_c"]) == (0, 40)
    assert worst.fields["mains"] is False
    assert alarms(told) == [("battery_low", True), ("device_lost", True)]
    assert all("B/2" in event.text for event in told if isinstance(event, Alarm))
    again = session.feed(bad.replace(b"bat=0", b"bat=-1").replace(b"isconn=0", b"isconn=1"))
    assert alarms(again) == [("battery_low", False), ("device_lost", False)]


def test_a_flood_of_devices_and_locations_is_bounded() -> None:
    session = session_of()
    for number in range(300):
        session.feed(b"L%d@AckGetInfo@n=D|bat=50@$L%d@AckPing@$" % (number, number))
    session.feed(b"L0@AckGetInfo@n=D|bat=7@$")
    [status] = session.feed(b"L299@AckGetInfo@n=D|bat=1@$")
    assert isinstance(status, Status)
    assert status.fields["battery"] == 7
    assert len([data for data in sent(ticks(session, 1, 1)) if b"GetInfo" in data]) == 64


# --- login

SECRET, ANOTHER = "secret", "other"
LOGIN = b"Toolkit@AckAuth@user@secret$"
NO_SECRET = b"Toolkit@AckAuth@user@******$"


def raws(events: list[Event]) -> bytes:
    return b"".join(event.raw for event in events if isinstance(event, Kept))


@pytest.mark.parametrize("tail", [b"", b"@"])
def test_a_password_is_masked_wherever_it_stands(tail: bytes) -> None:
    session = session_of()
    login = LOGIN[:-1] + tail + b"$"
    for at, byte in enumerate(login):
        held = session.pending
        assert len(held) == at
        assert b"sec" not in held
        events = session.feed(bytes([byte]))
    assert raws(events) == b"Toolkit@AckAuth@user@" + b"*" * (6 + len(tail)) + b"$"
    assert "secret" not in repr(events)
    assert sent(events) == []


@pytest.mark.parametrize(
    "stream",
    [
        b"Toolkit@AckAuth@user@sec$ret$\r\nStart@Pong@$",
        b"Toolkit@AckAuth@user@sec@ret$\r\nStart@Pong@$",
        b"Toolkit@AckAuth@user@secret\r\nStart@Pong@$",
        b"noise\rToolkit@AckAuth@user@secret$\r\nStart@Pong@$",
        b"L@Store@Toolkit@AckAuth@user@secret@1@$\r\nStart@Pong@$",
        b"L@Pong@Toolkit@AckAuth@user@secret$\r\nStart@Pong@$",
    ],
)
def test_odd_passwords_and_damaged_logins_are_masked_too(stream: bytes) -> None:
    events, pending = kept_of(stream)
    kept = raws([*events]) + pending
    assert len(kept) == len(stream)
    assert b"sec" not in kept
    assert b"ret" not in kept
    assert events[-1].raw == b"Start@Pong@$"


def test_the_rest_of_a_password_is_masked_before_it_is_complete() -> None:
    session = session_of()
    session.feed(b"Toolkit@AckAuth@user@sec$ret")
    assert session.pending == b"***"


def test_the_right_password_is_welcome() -> None:
    session = session_of(password=SECRET)
    events = session.feed(LOGIN + b"\r\nStart@Pong@$")
    assert sent(events)[:2] == [b"chip-bridge@AuthOk@$", HELLO]
    assert alarms(events) == [("login", False)]
    assert "secret" not in repr(events)


def test_a_wrong_password_is_told_and_nothing_is_taken() -> None:
    session = session_of(password=ANOTHER)
    events = session.feed(LOGIN + b"Start@Pong@$L@Store@" + RECORD + b"@1@$")
    assert sent(events) == [b"chip-bridge@AuthFailed@$"]
    assert alarms(events) == [("login", True)]
    assert not [event for event in events if isinstance(event, Read)]
    assert raws(events) == NO_SECRET + b"Start@Pong@$L@Store@" + RECORD + b"@1@$"
    assert session.tick(START_NS + NS_PER_S) == [Hangup("the login is wrong")]


def test_without_a_login_nothing_is_taken_where_one_is_asked_for() -> None:
    session = session_of(password=ANOTHER)
    events = session.feed(b"\r\nL@Store@" + RECORD + b"@1@$L@Pong@$")
    assert sent(events) == []
    assert alarms(events) == [("login", True)]
    assert isinstance(events[1], Rejected)
    assert session.tick(START_NS + NS_PER_S) == [Hangup("no login")]


# --- the stream


def shown(events: list[Event]) -> list[tuple[type, bytes]]:
    return [(type(event), event.raw) for event in events if isinstance(event, Kept)]


def test_nuls_and_line_ends_between_frames() -> None:
    stream = b"\0A@Pong@$\r\n\0\0B@Pong@$\r\n" + b"\0" * 40 + b"C@Pong@$\0\r\n\n"
    assert shown([*kept_of(stream)[0]]) == [
        (Control, b"\0A@Pong@$"),
        (Control, b"\r\n"),
        (Control, b"\0\0B@Pong@$"),
        (Control, b"\r\n"),
        (Control, b"\0" * 40 + b"C@Pong@$"),
        (Control, b"\0\r\n"),
        (Control, b"\n"),
    ]


def test_a_gap_does_not_belong_to_the_location() -> None:
    [read] = kept_of(b"\0\0Start@Store@" + RECORD + b"@1@$")[0]
    assert isinstance(read, Read)
    assert read.unit == "Start"


def test_joined_in_mid_frame_it_goes_on_at_the_next() -> None:
    tail = b"=-1|n=HZ06571|b=-1@" + PASSING + b"@11@$\r\nL@Passing@" + PASSING + b"@12@$"
    session = session_of()
    events = session.feed(tail)
    rejected, line_end, read, send = events
    assert isinstance(rejected, Rejected)
    assert rejected.reason is Reason.FRAMING
    assert isinstance(line_end, Control)
    assert isinstance(read, Read)
    assert send == Send(b"chip-bridge@AckPassing@12@$")  # 11 comes again, whole


@pytest.mark.parametrize("gap", [b"\r\n", b"\n", b"\r", b"\0"])
def test_noise_before_a_frame_costs_no_frame(gap: bytes) -> None:
    events = session_of().feed(b"L@Store@" + RECORD[:20] + gap + b"L@Store@" + RECORD + b"@2@$")
    assert [type(event) for event in events] == [Rejected, Read, Send]


@pytest.mark.parametrize("piece", [b"$", b"@$", b"@@$", b"L@$", b"L@P1@$", b"L@@7@$", b"x\r\n"])
def test_what_is_no_frame(piece: bytes) -> None:
    [event] = session_of().feed(piece)
    assert isinstance(event, Rejected)
    assert event.reason is Reason.FRAMING


def test_an_unknown_function_is_rejected_as_such() -> None:
    [event] = session_of().feed(b"L@Whatever@$")
    assert isinstance(event, Rejected)
    assert event.reason is Reason.UNKNOWN


def test_a_stream_without_end_of_frame_is_cut_and_bounded() -> None:
    session = session_of()
    events = [e for _ in range(70) for e in session.feed(b"x" * 1_000)]
    [event] = events
    assert isinstance(event, Rejected)
    assert (event.reason, len(event.raw)) == (Reason.OVERLONG, frames.MAX_FRAME)
    assert len(session.pending) == 70_000 - frames.MAX_FRAME


def test_a_hundred_records_in_one_frame() -> None:
    records = b"@".join(PASSING.replace(b"30.904", b"30.%03d" % n) for n in range(100))
    events = session_of().feed(b"L@Passing@" + records + b"@5@$")
    assert [type(event) for event in events] == [Read] * 100 + [Send]
    assert len({event.key for event in events if isinstance(event, Read)}) == 100


FRAGMENTS = [
    *b"@ $ | = \r\n \0 1 @1@$ @$ ln=A L L@Store@ L@Passing@ L@Marker@ L@Pong@$".split(b" "),
    *b"L@AckPing@$ L@AckGetInfo@ T@GetLocations@ @What@ n=D|bat=0 c=A|t=13:11:30.904".split(b" "),
    *[b" ", b"\r", b"\n", b"\xff", b"|d=120606", b"2025-04-13 05:57:56.027|gun|x"],
    *[PASSING, RECORD, RECORD[:9]],
]
LOGINS = [b"T@AckAuth@", b"T@AckAuth@u@", b"T@AckAuth@u@pass", b"pass"]


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=40).map(b"".join), st.integers(1, 30))
@settings(max_examples=200, deadline=None)
def test_whatever_comes_each_byte_comes_back_once_however_it_is_cut(
    stream: bytes, size: int
) -> None:
    whole, pending = kept_of(stream)
    assert raws([*whole]) + pending == stream
    assert kept_of(stream, size) == (whole, pending)
    live = session_of()
    events = [e for at in range(0, len(stream), size) for e in live.feed(stream[at : at + size])]
    assert raws(events) + live.pending == stream
    ticks(live, 0, 20)


@given(st.lists(st.sampled_from(FRAGMENTS + LOGINS), max_size=40).map(b"".join), st.integers(1, 30))
@settings(max_examples=200, deadline=None)
def test_with_logins_among_it_only_the_length_is_the_same(stream: bytes, size: int) -> None:
    whole, pending = kept_of(stream)
    kept = raws([*whole]) + pending
    assert len(kept) == len(stream)
    assert kept_of(stream, size) == (whole, pending)
    assert all(byte in (sent, ord("*")) for byte, sent in zip(kept, stream, strict=True))
    assert b"@AckAuth@u@p" not in kept


def test_bytes_of_a_channel_nobody_opened() -> None:
    [event] = session_of().feed(b"x", "other")
    assert isinstance(event, Rejected)


def test_a_name_that_is_no_text_does_no_harm() -> None:
    session = session_of()
    session.feed(b"\xff\xfe@Pong@$a|b@Pong@$")
    asked = [data for data in sent(ticks(session, 1, 1)) if b"GetInfo" in data]
    assert asked == ["chip-bridge@GetInfo@\ufffd\ufffd@$".encode()]


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"version": 3}, "allowed: 2, 1"),
        ({"version": True}, "allowed: 2, 1"),
        ({"stamps": "gps"}, "allowed: utc, local"),
        ({"name": "a@b"}, "allowed: text without"),
        ({"name": ""}, "allowed: text without"),
        ({"name": 7}, "allowed: text without"),
        ({"speed": 1}, "allowed: version, stamps, name"),
    ],
)
def test_options_that_cannot_be(given: dict[str, object], complaint: str) -> None:
    [found] = DRIVER.check_options(given)
    assert complaint in found


def test_options_that_can_be() -> None:
    assert DRIVER.check_options({"version": 1, "stamps": "local", "name": "Box 7"}) == []
