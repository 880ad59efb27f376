"""Cutting reports out of the stream: shapes, damage, and what has no end."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.reads import Read, StampForm
from bridge.driver_api import Chip, Control, Kept, Opening, Reason, Rejected, Sighting
from drivers.llrp import DRIVER
from drivers.llrp.tags import Content, report, tag
from drivers.llrp.wire import IMPINJ, Msg, Par, custom, message, status, tlv, u16, u64

DETAILS = DRIVER.extra
STAMP = 1_594_174_805_140_192_000
EPC = "3000ABCDEF00000000000003"
PLAIN = Content(peak_rssi=False)


def seen(number: int = 1, chip: str = EPC) -> Sighting:
    return Sighting(
        chip=Chip(chip), stamp=STAMP + number * 1000, antenna=1, rssi=-48.25, seq=number
    )


def fed(*pieces: bytes, size: int = 1 << 20) -> tuple[list[Kept], bytes]:
    session = DRIVER.session(Opening())
    stream = b"".join(pieces)
    events: list[Kept] = []
    for at in range(0, len(stream), size):
        events += session.feed(stream[at : at + size])  # type: ignore[arg-type]
    assert b"".join(event.raw for event in events) + session.pending == stream
    return events, session.pending


def reads_of(events: list[Kept]) -> list[Read]:
    return [event for event in events if isinstance(event, Read)]


def raw_tag(*params: bytes, epc: bytes = b"\x8d" + bytes.fromhex(EPC)) -> bytes:
    return tlv(Par.TAG_REPORT, epc, *params)


# -- what is in a tag ------------------------------------------------------------------------------


def test_the_frame_of_a_real_r420() -> None:
    wire = bytes.fromhex(
        "043d000000290000000100f0001f8d3000abcdef0000000000000381000186d0820005a9e4bef862e0"
    )
    assert fed(wire) == (
        [Read(wire, Chip(EPC), STAMP, StampForm.UTC, 1, -48.0, None, None, None)],
        b"",
    )


def test_an_fx9600_with_nothing_asked_for() -> None:
    wire = bytes.fromhex(
        "043d0000002a000001be00f000208de2005037590701270270edaf87001884000591e2f0b6d69a8814fe"
    )
    [read] = reads_of(fed(wire)[0])
    assert (read.antenna, read.rssi) == (None, None)
    assert read.stamp == 0x0591E2F0B6D69A * 1000
    assert DETAILS(wire) == {
        "message_id": 446,
        "epc_bits": 96,
        "channel": 24,
        "last_utc_us": 0x0591E2F0B6D69A,
        "count": 5374,
    }


@pytest.mark.parametrize("bits", [8, 12, 64, 96, 128, 496])
def test_an_epc_of_any_length_is_the_tag(bits: int) -> None:
    epc = bytes(range(1, (bits + 7) // 8 + 1))
    data = tlv(Par.EPC_DATA, u16(bits), epc)
    [read] = reads_of(fed(report(raw_tag(epc=data)))[0])
    assert read.chip == epc.hex().upper()
    assert DETAILS(read.raw)["epc_bits"] == bits


def test_96_bits_are_the_same_tag_either_way() -> None:
    both = report(tag(seen(), PLAIN)) + report(tag(seen(), replace(PLAIN, epc_data=True)))
    first, second = reads_of(fed(both)[0])
    assert first.chip == second.chip == EPC
    assert (first.stamp, first.rssi) == (second.stamp, second.rssi)


def test_the_first_time_seen_counts_then_the_last() -> None:
    first, last, up = b"\x82" + u64(1_000), b"\x84" + u64(2_000), b"\x83" + u64(3_000)
    cases = [((last, first), 1_000_000), ((last,), 2_000_000), ((up,), 3_000_000)]
    for params, stamp in cases:
        [read] = reads_of(fed(report(raw_tag(*params)))[0])
        assert read.stamp == stamp
    assert read.form is StampForm.NAIVE


def test_a_tag_without_time_has_none_rather_than_the_last_one() -> None:
    events, _ = fed(report(tag(seen(1))), report(raw_tag()))
    assert (reads_of(events)[1].form, reads_of(events)[1].stamp) == (StampForm.ABSENT, 0)
    assert reads_of(events)[1].rssi is None


def test_an_antenna_that_is_left_out_is_the_last_one_told() -> None:
    unsaid = report(raw_tag(b"\x82" + u64(5)))
    greeting = bytes.fromhex("043f000000203afb30a700f600160080000c00058880119f8ead010000060000")
    events, _ = fed(unsaid, report(raw_tag(b"\x81\x00\x03")), unsaid, greeting, unsaid)
    assert [read.antenna for read in reads_of(events)] == [None, 3, 3, None]


def test_impinj_tells_more() -> None:
    content = Content(phase=True, doppler=True, tid=True, channel=True)
    wire = report(tag(replace(seen(8), rssi=-61.37), content), 9)
    [read] = reads_of(fed(wire)[0])
    assert read.rssi == -61.37
    more = DETAILS(read.raw)
    assert (more["peak_rssi_dbm"], more["rssi_dbm"]) == (-61.37, -61)
    assert more["phase_deg"] == round(8 * 407 % 4096 * 360 / 4096, 3)
    assert more["doppler_hz"] == (8 * 31 - 320) / 16
    assert more["tid"] == "E28011050000000000000008"
    assert more["channel"] == 9


def test_what_is_unknown_inside_a_tag_is_stepped_over() -> None:
    strange = tlv(700, b"abc") + custom(IMPINJ, 58, b"x" * 9) + custom(161, 7, b"zebra")
    wire = report(raw_tag(strange, b"\x81\x00\x02"))
    [read] = reads_of(fed(wire)[0])
    assert (read.antenna, read.raw) == (2, wire)


def test_an_unknown_tv_hides_the_rest_of_its_tag_and_no_more() -> None:
    good = raw_tag(b"\x81\x00\x02")
    torn = raw_tag(b"\x81\x00\x01", b"\xfe\x01\x02\x03")
    events, pending = fed(report(torn + good))
    assert [type(event) for event in events] == [Read, Rejected, Read]
    assert [read.antenna for read in reads_of(events)] == [1, 2]
    assert isinstance(events[1], Rejected)
    assert (events[1].raw, events[1].reason) == (b"\xfe\x01\x02\x03", Reason.UNKNOWN)
    assert pending == b""
    assert DETAILS(events[0].raw)["epc_bits"] == 96


def test_a_wrong_length_inside_a_tag_hides_the_rest_of_it() -> None:
    torn = raw_tag(b"\x81\x00\x01", b"\x01\x5d\x00\xff\x02")
    events, _ = fed(report(torn), report(raw_tag()))
    assert [type(event) for event in events] == [Read, Rejected, Read]
    assert isinstance(events[1], Rejected)
    assert events[1].reason is Reason.FIELD


def test_a_tag_without_epc_and_a_time_that_cannot_be_are_rejected() -> None:
    nameless = tlv(Par.TAG_REPORT, b"\x81\x00\x01")
    late = raw_tag(b"\x82" + u64(2**64 - 1))
    good = raw_tag(b"\x82" + u64(7))
    events, _ = fed(report(nameless), report(good + late + good), report(late))
    assert [type(event) for event in events] == [Rejected, Read, Rejected, Read, Rejected]


def test_a_report_may_be_empty_or_hold_other_things() -> None:
    events, _ = fed(report(b""), report(custom(161, 1, b"x")), report(raw_tag()))
    assert [type(event) for event in events] == [Control, Control, Read]


# -- many at once ----------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(data=st.data(), size=st.integers(1, 200))
def test_any_mixture_of_shapes_is_read_whatever_the_cut(data: st.DataObject, size: int) -> None:
    contents = st.builds(
        Content,
        antenna=st.sampled_from([True]),
        channel=st.booleans(),
        rssi=st.sampled_from([True]),
        first_seen=st.sampled_from([True]),
        last_seen=st.booleans(),
        count=st.booleans(),
        peak_rssi=st.booleans(),
        phase=st.booleans(),
        epc_data=st.booleans(),
    )
    chips = st.binary(min_size=1, max_size=20).map(lambda epc: epc.hex().upper())
    sightings = st.builds(
        lambda chip, us, antenna, dbm: Sighting(
            chip=Chip(chip), stamp=us * 1000, antenna=antenna, rssi=float(dbm)
        ),
        chips,
        st.integers(0, 2 * 10**15),
        st.integers(1, 32),
        st.integers(-90, -20),
    )
    messages = data.draw(
        st.lists(st.tuples(contents, st.lists(sightings, min_size=1, max_size=5)), max_size=8)
    )
    stream = b"".join(
        report(b"".join(tag(one, content) for one in some), 3) for content, some in messages
    )
    events, pending = fed(stream, size=size)
    wanted = [one for _, some in messages for one in some]
    assert pending == b""
    assert [type(event) for event in events] == [Read] * len(wanted)
    for read, one in zip(reads_of(events), wanted, strict=True):
        told = (read.chip, read.stamp, read.antenna, read.rssi)
        assert told == (one.chip, one.stamp, one.antenna, one.rssi)


def test_a_report_of_a_megabyte_needs_no_megabyte_of_memory() -> None:
    tags = b"".join(tag(seen(number), PLAIN) for number in range(20_000))
    wire = report(tags)
    assert len(wire) > 800_000
    session = DRIVER.session(Opening())
    found = 0
    for at in range(0, len(wire), 1000):
        found += len(session.feed(wire[at : at + 1000]))
        assert len(session.pending) < 2_000
    assert (found, session.pending) == (20_000, b"")


# -- damage ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "noise", [b"\x00", b"\xff" * 300, b"GET / HTTP/1.1\r\n\r\n", b"\x04\x3d\x00", b"\x04" * 50]
)
def test_no_frame_behind_noise_is_lost(noise: bytes) -> None:
    frames = [report(tag(seen(number))) for number in range(4)]
    for size in (1, 5, 4096):
        events, pending = fed(frames[0], noise, *frames[1:], size=size)
        assert [read.raw for read in reads_of(events)] == frames
        assert b"".join(e.raw for e in events if isinstance(e, Rejected)) == noise
        assert pending == b""


@pytest.mark.parametrize("wrong", [0, 9, 11, 4_000, 70_000, 1 << 19, 1 << 24, (1 << 32) - 1])
def test_a_wrong_length_costs_no_more_than_its_own_frame(wrong: int) -> None:
    frames = [report(tag(seen(number))) for number in range(6)]
    torn = frames[1][:2] + wrong.to_bytes(4, "big") + frames[1][6:]
    events, pending = fed(frames[0], torn, *frames[2:])
    got = [read.stamp for read in reads_of(events)]
    assert set(got) >= {STAMP + number * 1000 for number in (0, 2, 3, 4, 5)}
    assert pending == b""


def test_an_unknown_message_is_skipped_by_its_length() -> None:
    unknown = message(900, 4, report(tag(seen(1))))  # what is in it is not ours to read
    foreign = message(Msg.CUSTOM_MESSAGE, 5, b"\x00\x00\x00\xa2\x09abc")
    events, _ = fed(unknown, report(tag(seen(2))), foreign, report(tag(seen(3))))
    assert [type(event) for event in events] == [Rejected, Read, Rejected, Read]
    rejected = [event for event in events if isinstance(event, Rejected)]
    assert {event.reason for event in rejected} == {Reason.UNKNOWN}


def test_other_versions_of_the_protocol_are_read_too() -> None:
    wire = report(tag(seen()))
    for version in (2, 3):
        other = bytes([version << 2 | wire[0] & 3]) + wire[1:]
        assert len(reads_of(fed(other, other)[0])) == 2


def test_noise_without_end_is_handed_on() -> None:
    session = DRIVER.session(Opening())
    for _ in range(100):
        events = session.feed(b"\xff" * 1_000)
        assert all(isinstance(event, Rejected) for event in events)
        assert len(session.pending) <= 4_000


def test_a_message_with_a_status_that_cannot_be_is_still_a_message() -> None:
    odd = message(Msg.ERROR_MESSAGE, 1, status(109, "unsupported")[:-3] + b"\xff\xfe\xfd")
    [event] = fed(odd)[0]
    assert isinstance(event, Control)
    assert event.extra["status"] == 109
