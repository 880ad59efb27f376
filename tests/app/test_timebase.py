"""Reads placed in time: policies, the host's own truth, arrivals as the last resort."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.app.ports import ClockSample, EventRow, Kind, SessionRow
from bridge.app.timebase import BAD, ENVELOPE_STEP_NS, HostTime, ReaderTime, TimeBase
from bridge.domain.reads import NS_PER_MS, NS_PER_S, StampForm, UtcNs
from bridge.domain.rules import ClockPolicy, ReaderRules

T0 = 1_795_250_400 * NS_PER_S
HOUR = 3600 * NS_PER_S
BOOT_NS = 900 * NS_PER_S


def rules(clock: ClockPolicy = ClockPolicy.CORRECTED, zone: str = "UTC") -> ReaderRules:
    return ReaderRules(name="mat", location="finish", clock=clock, zone=zone)


def base(reader: ReaderTime, bases: dict[str, int] | None = None) -> TimeBase:
    session = SessionRow(
        id=1,
        reader="mat",
        driver="ipico",
        location="finish",
        link="",
        boot_id="b",
        opened_ns=UtcNs(T0),
        synchronised=True,
    )
    return TimeBase([reader], {1: session}, bases or {})


def row(number: int, stamp: int, arrived: int, form: int = 1, session: int = 1) -> EventRow:
    boot = BOOT_NS + arrived - T0
    values = (number, session, int(Kind.READ), arrived, boot, "C1", stamp, form)
    return EventRow(*values, 1, -60.0, None, None, b"", None)


def asked(at: int, ahead: int) -> ClockSample:
    return ClockSample(1, at, BOOT_NS + at - T0, 0, at + ahead, 1, step=False)


# -- policies --------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", list(StampForm))
@pytest.mark.parametrize("stamp", [0, T0, T0 + 400 * 24 * HOUR, T0 - 30 * 365 * 24 * HOUR])
def test_a_trusted_reader_has_no_bad_clock(form: StampForm, stamp: int) -> None:
    reader = ReaderTime(rules(ClockPolicy.READER), can_tell_time=True)
    assert reader.at(stamp, form, T0) != BAD
    if form is StampForm.UTC:
        assert reader.at(stamp, form, T0) == stamp


def test_by_arrival_the_stamp_does_not_matter() -> None:
    reader = ReaderTime(rules(ClockPolicy.ARRIVAL), can_tell_time=False)
    assert reader.ready
    assert reader.at(12345, StampForm.NAIVE, T0) == T0
    assert reader.shift(1, 2, StampForm.NAIVE, T0) is None


def test_a_read_without_a_stamp_is_placed_by_arrival() -> None:
    for policy in ClockPolicy:
        reader = ReaderTime(rules(policy), can_tell_time=True)
        assert reader.at(0, StampForm.ABSENT, T0) == T0
        assert reader.shift(0, 0, StampForm.ABSENT, T0) is None


def test_a_clock_from_the_future_is_not_believed_without_an_answer() -> None:
    reader = ReaderTime(rules(), can_tell_time=True)
    assert not reader.ready
    assert reader.at(T0 + HOUR, StampForm.UTC, T0) == BAD
    timebase = base(reader)
    assert timebase.sample(asked(T0, HOUR)) == ("mat", -(2**62))
    assert reader.ready
    assert timebase.timed([row(1, T0 + HOUR, T0)])[0].at == T0


def test_a_sample_of_a_trusted_reader_moves_nothing_but_is_known() -> None:
    reader = ReaderTime(rules(ClockPolicy.READER, "America/Denver"), can_tell_time=True)
    timebase = base(reader)
    assert reader.now(T0) == T0
    assert timebase.sample(asked(T0, -7 * HOUR + 5 * NS_PER_S)) is None
    assert reader.track.offset is not None
    assert reader.now(T0) == T0 + 5 * NS_PER_S, "its passings close by its own clock"


def test_the_others_close_passings_by_the_host() -> None:
    reader = ReaderTime(rules(), can_tell_time=True)
    base(reader).sample(asked(T0, HOUR))
    assert reader.now(T0) == T0


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(list(ClockPolicy)),
    st.sampled_from(["UTC", "America/Denver"]),
    st.lists(st.tuples(st.integers(-400, 400), st.integers(-7200, 7200)), max_size=3),
    st.lists(
        st.tuples(
            st.integers(-5_000_000, 5_000_000), st.sampled_from(list(StampForm)), st.integers(0, 9)
        ),
        min_size=1,
        max_size=8,
    ),
)
def test_reads_placed_together_are_placed_as_each_alone(
    policy: ClockPolicy,
    zone: str,
    asks: list[tuple[int, int]],
    reads: list[tuple[int, StampForm, int]],
) -> None:
    """In any order, in any runs: only the read and its arrival matter."""
    reader = ReaderTime(rules(policy, zone), can_tell_time=True)
    timebase = base(reader)
    for at_s, ahead_s in sorted(asks):
        timebase.sample(asked(T0 + at_s * NS_PER_S, ahead_s * NS_PER_S))
    rows = [
        row(number, T0 + ms * NS_PER_MS, T0 + second * NS_PER_S, int(form))
        for number, (ms, form, second) in enumerate(reads)
    ]
    alone = {one.id: timed for one in rows for timed in timebase.timed([one])}
    for some in (rows, sorted(rows, key=lambda r: r[3]), rows[::-1]):
        assert {timed.id: timed for timed in timebase.timed(some)} == alone
    for one in rows:
        assert alone[one.id].at == reader.at(one.stamp, one.form, one.utc_ns)


# -- arrivals --------------------------------------------------------------------------------------


def test_a_reader_that_is_never_asked_is_placed_by_its_quickest_arrivals() -> None:
    reader = ReaderTime(rules(), can_tell_time=False)
    timebase = base(reader)
    assert reader.ready
    assert reader.clueless
    lags_ms = [250, 900, 40, 35, 3000]
    rows = [
        row(n, T0 + n * NS_PER_S - 7 * HOUR, T0 + n * NS_PER_S + lag * NS_PER_MS)
        for n, lag in enumerate(lags_ms)
    ]
    assert timebase.learn_envelopes(rows[:1])
    assert not reader.clueless
    assert not timebase.learn_envelopes(rows[1:2]), "a slower one teaches nothing"
    assert timebase.learn_envelopes(rows[2:3])
    assert not timebase.learn_envelopes(rows[3:]), f"less than {ENVELOPE_STEP_NS} ns better"
    for n, timed in enumerate(timebase.timed(rows)):
        assert 0 <= timed.at - (T0 + n * NS_PER_S) <= 40 * NS_PER_MS


def test_nothing_is_learnt_from_arrivals_without_a_stamp_or_once_the_clock_is_known() -> None:
    reader = ReaderTime(rules(), can_tell_time=True)
    timebase = base(reader)
    assert not timebase.learn_envelopes([row(1, 0, T0, int(StampForm.ABSENT))])
    assert reader.clueless
    timebase.sample(asked(T0, 0))
    assert not reader.guesses
    assert not timebase.learn_envelopes([row(1, T0, T0)])


# -- the host --------------------------------------------------------------------------------------


def test_the_host_is_rebased_only_where_it_was_wrong() -> None:
    host = HostTime({"b": T0 - BOOT_NS})
    assert host.utc("b", BOOT_NS, T0 - 86_400 * NS_PER_S) == T0
    assert host.utc("b", BOOT_NS, T0 + 300 * NS_PER_MS) == T0 + 300 * NS_PER_MS, "it is smoother"
    assert host.utc("other", BOOT_NS, 5) == 5, "of another boot nothing is known"


def test_samples_and_arrivals_of_a_wrong_host_are_rebased_too() -> None:
    wrong = -3 * 365 * 24 * HOUR
    reader = ReaderTime(rules(), can_tell_time=True)
    timebase = base(reader, {"b": T0 - BOOT_NS})
    one = ClockSample(1, T0 + wrong, BOOT_NS, 0, T0 + 5 * NS_PER_S, 1, step=False)
    timebase.sample(one)
    read = row(1, T0 + 6 * NS_PER_S, T0 + NS_PER_S)._replace(utc_ns=T0 + NS_PER_S + wrong)
    assert timebase.arrival(read) == T0 + NS_PER_S
    assert timebase.timed([read])[0].at == T0 + NS_PER_S


# -- what a damaged store lost ---------------------------------------------------------------------


def test_rows_of_an_unknown_session_have_no_place_in_time() -> None:
    timebase = base(ReaderTime(rules(), can_tell_time=True))
    lost = row(1, T0, T0, session=9)
    assert timebase.timed([lost, row(2, T0, T0)])[0].at == BAD
    assert not timebase.learn_envelopes([lost])
    assert timebase.sample(asked(T0, 0)._replace(session=9)) is None
    assert timebase.arrival(lost) == T0


def test_a_naive_reader_is_read_in_its_zone() -> None:
    reader = ReaderTime(rules(ClockPolicy.READER, "America/Denver"), can_tell_time=False)
    local = T0 - 7 * HOUR
    assert reader.at(local, StampForm.NAIVE, T0) == T0
    assert reader.shift(local, local + 5, StampForm.NAIVE, T0) == 7 * HOUR
