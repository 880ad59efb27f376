"""Stamps to UTC: whatever a reader's clock does, within the error that its samples allow."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.clocks import (
    FUTURE_NS,
    RESOLUTION_NS,
    ClockTrack,
    ZoneClock,
    believable,
    by_zone,
    place_time_of_day,
    utc_text,
)
from bridge.domain.reads import DAY_NS, NS_PER_MS, NS_PER_S, StampForm
from bridge.domain.rules import ClockPolicy

T0 = 1_763_710_000 * NS_PER_S
HOUR = 3600 * NS_PER_S
NAIVE = int(StampForm.NAIVE)


def naive_ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NS_PER_S


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * NS_PER_S


class Watch:
    """A reader's clock: wrong by `ahead`, drifting, and set now and then."""

    def __init__(self, ahead: int = 0, ppm: int = 0) -> None:
        self.ahead, self.ppm = ahead, ppm

    def at(self, true_ns: int) -> int:
        stamp = true_ns + self.ahead + (true_ns - T0) * self.ppm // 1_000_000
        return stamp // (10 * NS_PER_MS) * 10 * NS_PER_MS  # hundredths, as an IPICO tells them


def ask(
    track: ClockTrack, watch: Watch, true_ns: int, rtt_ns: int = 0, share: float = 0.5
) -> int | None:
    """Ask at `true_ns`; the reader looks at its clock `share` of the way through the round trip."""
    asked_ns = true_ns - rtt_ns // 2
    stamp = watch.at(asked_ns + int(rtt_ns * share))
    return track.add(host_ns=true_ns, rtt_ns=rtt_ns, stamp=stamp, form=NAIVE, step=False)


# -- steady clocks ---------------------------------------------------------------------------------


def test_without_a_sample_nothing_is_known() -> None:
    track = ClockTrack()
    assert not track.known
    assert track.offset is None
    assert track.correct(T0, NAIVE, T0) is None
    assert track.shift(T0, T0, NAIVE, T0) is None


@pytest.mark.parametrize("ahead", [0, 37 * NS_PER_S, -HOUR, -25 * 365 * DAY_NS])
def test_a_wrong_clock_even_of_another_year_is_corrected(ahead: int) -> None:
    track, watch = ClockTrack(), Watch(ahead)
    ask(track, watch, T0)
    for later in (-HOUR, 0, HOUR):
        at = track.correct(watch.at(T0 + later), NAIVE, T0 + max(later, 0))
        assert at is not None
        assert abs(at - (T0 + later)) <= RESOLUTION_NS


@settings(max_examples=150, deadline=None)
@given(
    ahead=st.integers(-2 * HOUR, 2 * HOUR),
    ppm=st.integers(-50, 50),
    asks=st.lists(
        st.tuples(st.integers(5, 600), st.integers(1, 900), st.floats(0.0, 1.0)),
        min_size=2,
        max_size=60,
    ),
)
def test_times_stay_within_the_error_of_the_samples(
    ahead: int, ppm: int, asks: list[tuple[int, int, float]]
) -> None:
    """Drift to 50 ppm, any round trips: never wrong by more than two samples can be, plus drift."""
    track, watch = ClockTrack(), Watch(ahead, ppm)
    now, worst = T0, 0
    for pause_s, rtt_ms, share in asks:
        now += pause_s * NS_PER_S
        worst = max(worst, rtt_ms * NS_PER_MS // 2 + RESOLUTION_NS)
        ask(track, watch, now, rtt_ms * NS_PER_MS, share)
        found = track.offset
        assert found is not None
        truth = now - watch.at(now)
        assert abs(found[0] - truth) <= found[1] + RESOLUTION_NS, "the error bar has to be honest"
        at = track.correct(watch.at(now), NAIVE, now + HOUR)
        assert at is not None
        assert abs(at - now) <= 3 * worst + RESOLUTION_NS


def test_many_answers_in_whole_seconds_are_better_than_one() -> None:
    """An Elite tells whole seconds: each answer is as vague as that, together they are not."""
    track = ClockTrack()
    for number in range(40):
        true_ns = T0 + number * 7_130 * NS_PER_MS
        told = (true_ns + 12 * HOUR) // NS_PER_S * NS_PER_S
        track.add(
            host_ns=true_ns,
            rtt_ns=NS_PER_S,
            stamp=told + NS_PER_S // 2,
            form=NAIVE,
            step=False,
        )
    found = track.offset
    assert found is not None
    assert abs(found[0] + 12 * HOUR) <= found[1]
    assert found[1] < 100 * NS_PER_MS


def test_an_answer_that_agrees_changes_no_time() -> None:
    track, watch = ClockTrack(), Watch(37 * NS_PER_S)
    assert ask(track, watch, T0, 8 * NS_PER_MS) is not None
    before = track.correct(watch.at(T0 + NS_PER_S), NAIVE, T0 + NS_PER_S)
    assert ask(track, watch, T0 + 10 * NS_PER_S, 9 * NS_PER_MS) is None
    assert track.correct(watch.at(T0 + NS_PER_S), NAIVE, T0 + NS_PER_S) == before


def test_a_sharper_answer_moves_later_stamps_only() -> None:
    track, watch = ClockTrack(), Watch(37 * NS_PER_S)
    ask(track, watch, T0, 400 * NS_PER_MS, 0.0)
    old = track.correct(watch.at(T0 + NS_PER_S), NAIVE, T0 + HOUR)
    since = ask(track, watch, T0 + 5 * NS_PER_S, 2 * NS_PER_MS)
    assert since == watch.at(T0 + 5 * NS_PER_S)
    assert track.correct(watch.at(T0 + NS_PER_S), NAIVE, T0 + HOUR) == old
    new = track.correct(watch.at(T0 + 6 * NS_PER_S), NAIVE, T0 + HOUR)
    assert new is not None
    assert abs(new - (T0 + 6 * NS_PER_S)) <= 2 * RESOLUTION_NS


# -- steps -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [HOUR, -HOUR, 30 * NS_PER_S, -30 * NS_PER_S])
@pytest.mark.parametrize("lag_s", [0, 6, 11])
def test_reads_around_a_step_are_placed_right(step: int, lag_s: int) -> None:
    """The clock is set between two samples a minute apart; reads come up to 11 s late."""
    watch, track = Watch(5 * NS_PER_S), ClockTrack()
    ask(track, watch, T0)
    moved = Watch(5 * NS_PER_S + step)
    reads = [
        (true, (watch if true < T0 + 30 * NS_PER_S else moved).at(true))
        for true in range(T0 - 60 * NS_PER_S, T0 + 120 * NS_PER_S, NS_PER_S)
    ]
    ask(track, moved, T0 + 60 * NS_PER_S)
    lag_ns = lag_s * NS_PER_S
    for true, stamp in reads:
        at = track.correct(stamp, NAIVE, true + lag_ns + 50 * NS_PER_MS)
        assert at is not None
        assert abs(at - true) <= 2 * RESOLUTION_NS, (true - T0) / NS_PER_S


def test_a_replayed_read_from_before_a_step_keeps_its_time() -> None:
    watch, track = Watch(), ClockTrack()
    ask(track, watch, T0)
    moved = Watch(2 * HOUR)
    ask(track, moved, T0 + 60 * NS_PER_S)
    old = T0 - HOUR
    at = track.correct(watch.at(old), NAIVE, T0 + HOUR)
    assert at is not None
    assert abs(at - old) <= RESOLUTION_NS


def test_the_reader_says_that_its_clock_was_moved() -> None:
    """Then even a small step is one; but one that moved nothing is none."""
    track = ClockTrack()
    track.add(host_ns=T0, rtt_ns=0, stamp=T0, form=NAIVE, step=False)
    small = T0 + 10 * NS_PER_S + 300 * NS_PER_MS
    host = T0 + 10 * NS_PER_S
    changed = track.add(host_ns=host, rtt_ns=0, stamp=small, form=NAIVE, step=True)
    assert changed is not None
    assert track.offset == (-300 * NS_PER_MS, RESOLUTION_NS)
    again = track.add(
        host_ns=host + NS_PER_S, rtt_ns=0, stamp=small + NS_PER_S, form=NAIVE, step=True
    )
    assert again is None
    assert track.offset is not None
    assert track.offset[0] == -300 * NS_PER_MS


def test_a_disagreement_within_a_second_is_drift() -> None:
    track, watch = ClockTrack(), Watch()
    ask(track, watch, T0)
    since = ask(track, Watch(500 * NS_PER_MS), T0 + 60 * NS_PER_S)
    assert since == T0 + 60 * NS_PER_S + 500 * NS_PER_MS
    assert track.correct(T0, NAIVE, T0 + HOUR) == T0


def test_a_clock_set_back_by_a_moment_between_two_quick_samples() -> None:
    track = ClockTrack()
    track.add(host_ns=T0, rtt_ns=0, stamp=T0, form=NAIVE, step=False)
    back = T0 - 800 * NS_PER_MS
    since = track.add(host_ns=T0 + NS_PER_MS, rtt_ns=0, stamp=back, form=NAIVE, step=False)
    assert since == T0 + 1
    at = track.correct(T0 + NS_PER_S, NAIVE, T0 + 2 * NS_PER_S)
    assert at == T0 + NS_PER_S + 801 * NS_PER_MS


def test_another_form_is_another_clock() -> None:
    track = ClockTrack()
    track.add(host_ns=T0, rtt_ns=0, stamp=T0 + HOUR, form=NAIVE, step=False)
    utc_form = int(StampForm.UTC)
    assert track.correct(T0, utc_form, T0) is None
    track.add(host_ns=T0 + NS_PER_S, rtt_ns=0, stamp=T0 + NS_PER_S, form=utc_form, step=False)
    assert track.correct(T0 + HOUR, NAIVE, T0 + NS_PER_S) == T0
    assert track.correct(T0, utc_form, T0 + NS_PER_S) == T0


def test_a_time_of_day_goes_on_over_midnight() -> None:
    """A clock without a date falls back by a day at midnight; reads around it stay right."""
    track, form = ClockTrack(), int(StampForm.TIME_OF_DAY)
    midnight = T0 // DAY_NS * DAY_NS + DAY_NS
    for second in (-40, 20):
        at = midnight + second * NS_PER_S
        track.add(host_ns=at, rtt_ns=0, stamp=at % DAY_NS, form=form, step=False)
    for second in range(-60, 60):
        true = midnight + second * NS_PER_S
        assert track.correct(true % DAY_NS, form, true + NS_PER_MS) == true


samples = st.lists(
    st.tuples(
        st.integers(1, 60),
        st.integers(0, 200),
        st.sampled_from([0, 0, 0, 0, 40, -40, 700, -700, 5_000, -5_000, 3_600_000, -3_600_000]),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=300, deadline=None)
@given(samples, st.lists(st.tuples(st.integers(0, 400), st.integers(0, 15_000)), max_size=30))
def test_what_a_sample_says_has_changed_is_all_that_has(
    story: list[tuple[int, int, int, bool]], reads: list[tuple[int, int]]
) -> None:
    """Placing anew only what `add` names gives the same as placing all with the whole track."""
    track, watch, now = ClockTrack(), Watch(), T0
    waiting = sorted((T0 + s * NS_PER_S, lag_ms * NS_PER_MS) for s, lag_ms in reads)
    placed: dict[tuple[int, int], int | None] = {}
    for pause_s, rtt_ms, moved_ms, told in story:
        now += pause_s * NS_PER_S
        while waiting and sum(waiting[0]) < now:
            true, lag = waiting.pop(0)
            key = (watch.at(true), true + lag)
            placed[key] = track.correct(key[0], NAIVE, key[1])
        watch = Watch(watch.ahead + moved_ms * NS_PER_MS)
        since = track.add(
            host_ns=now,
            rtt_ns=rtt_ms * NS_PER_MS,
            stamp=watch.at(now),
            form=NAIVE,
            step=told and moved_ms != 0,
        )
        if since is not None:
            for stamp, arrived in placed:
                if stamp >= since:
                    placed[stamp, arrived] = track.correct(stamp, NAIVE, arrived)
    for (stamp, arrived), at in placed.items():
        assert at == track.correct(stamp, NAIVE, arrived)


@settings(max_examples=300, deadline=None)
@given(samples, st.integers(-4_000_000, 4_000_000), st.integers(0, 9_000), st.integers(-9, 20_000))
def test_a_run_of_reads_is_placed_as_its_reads_are(
    story: list[tuple[int, int, int, bool]], low_ms: int, width_ms: int, lag_ms: int
) -> None:
    track, watch, now = ClockTrack(), Watch(), T0
    for pause_s, rtt_ms, moved_ms, _ in story:
        now += pause_s * NS_PER_S
        watch = Watch(watch.ahead + moved_ms * NS_PER_MS)
        ask(track, watch, now, rtt_ms * NS_PER_MS)
    low = watch.at(now) + low_ms * NS_PER_MS
    high = low + width_ms * NS_PER_MS
    arrived = now + (low_ms + width_ms + lag_ms) * NS_PER_MS
    shift = track.shift(low, high, NAIVE, arrived)
    if shift is not None:
        for stamp in (low, (low + high) // 2, high):
            assert track.correct(stamp, NAIVE, arrived) == stamp + shift


def test_a_live_run_is_placed_in_one_go() -> None:
    track, watch = ClockTrack(), Watch(5 * NS_PER_S)
    ask(track, watch, T0)
    low = watch.at(T0 + NS_PER_S)
    assert track.shift(low, low + NS_PER_S, NAIVE, T0 + 3 * NS_PER_S) == -5 * NS_PER_S
    assert track.shift(low, low + 9 * NS_PER_S, NAIVE, T0 + 2 * NS_PER_S) is None, "the future"
    assert track.shift(watch.at(T0) - 1, low, NAIVE, T0 + 3 * NS_PER_S) is None, "before the sample"
    assert track.shift(low, low, int(StampForm.UTC), T0 + 3 * NS_PER_S) is None
    ask(track, Watch(5 * NS_PER_S + HOUR), T0 + 60 * NS_PER_S)
    low = T0 + 70 * NS_PER_S + 5 * NS_PER_S + HOUR
    shifted = track.shift(low, low, NAIVE, T0 + 71 * NS_PER_S)
    assert shifted == -5 * NS_PER_S - HOUR


# -- zones -----------------------------------------------------------------------------------------

DENVER = "America/Denver"


def test_naive_stamps_are_local_time() -> None:
    zone = ZoneClock(DENVER)
    stamp = naive_ns("2026-07-04T08:30:00")
    assert zone.to_utc(stamp, 0) == utc("2026-07-04T08:30:00-06:00")
    winter = naive_ns("2026-11-21T08:30:00")
    assert zone.to_utc(winter, 0) == utc("2026-11-21T08:30:00-07:00")


@pytest.mark.parametrize("offset", ["-06:00", "-07:00"])
def test_in_the_hour_that_comes_twice_the_reading_nearest_to_arrival_wins(offset: str) -> None:
    zone = ZoneClock(DENVER)
    stamp = naive_ns("2026-11-01T01:30:00")
    true = utc(f"2026-11-01T01:30:00{offset}")
    assert zone.to_utc(stamp, true + 2 * NS_PER_S) == true


def test_the_hour_that_is_left_out_has_some_time() -> None:
    zone = ZoneClock(DENVER)
    at = zone.to_utc(naive_ns("2026-03-08T02:30:00"), utc("2026-03-08T02:30:00-07:00"))
    assert at in (utc("2026-03-08T02:30:00-07:00"), utc("2026-03-08T02:30:00-06:00"))


def test_stamps_outside_the_calendar_are_taken_as_they_are() -> None:
    zone = ZoneClock(DENVER)
    assert zone.to_utc(2**69, 0) == 2**69
    assert zone.to_utc(-(2**69), 0) == -(2**69)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([DENVER, "UTC", "Australia/Lord_Howe", "Asia/Kathmandu"]),
    st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1)),  # noqa: DTZ001 - naive
    st.integers(0, 2_000 * NS_PER_S),
)
def test_a_run_of_naive_reads_is_placed_as_its_reads_are(
    name: str, moment: datetime, width: int
) -> None:
    zone = ZoneClock(name)
    low = int(moment.replace(tzinfo=UTC).timestamp()) * NS_PER_S
    shift = zone.shift(low, low + width)
    if shift is not None:
        for stamp in (low, low + width // 2, low + width):
            assert zone.to_utc(stamp, stamp) == stamp + shift
    true = ZoneInfo(name)
    back = datetime.fromtimestamp(zone.to_utc(low, low) // NS_PER_S, true)
    local = moment.replace(microsecond=0)
    exists = datetime.fromtimestamp(local.replace(tzinfo=true).timestamp(), true)
    if exists.replace(tzinfo=None) == local:
        assert back.replace(tzinfo=None) == local


def test_a_run_across_a_change_is_not_one_number() -> None:
    zone = ZoneClock(DENVER)
    low = naive_ns("2026-11-01T00:59:59")
    assert zone.shift(low, low + 2 * NS_PER_S) is None
    assert zone.shift(low + 5 * NS_PER_S, low + 6 * NS_PER_S) is None, "the hour comes twice"
    assert zone.shift(low - 60 * NS_PER_S, low) == 6 * HOUR


@pytest.mark.parametrize(
    ("tod", "arrived", "true"),
    [
        ("08:30:00", "2026-11-21T08:30:02-07:00", "2026-11-21T08:30:00-07:00"),
        ("23:59:58", "2026-11-21T00:00:01-07:00", "2026-11-20T23:59:58-07:00"),
        ("00:00:03", "2026-11-20T23:59:59-07:00", "2026-11-21T00:00:03-07:00"),
    ],
)
def test_a_time_without_a_date_is_put_on_the_day_nearest_to_arrival(
    tod: str, arrived: str, true: str
) -> None:
    stamp = naive_ns(f"1970-01-01T{tod}")
    assert place_time_of_day(stamp, utc(arrived), ZoneClock(DENVER)) == utc(true)
    counted = stamp + 3 * DAY_NS  # a decoder that counts days without knowing the date
    assert by_zone(counted, StampForm.TIME_OF_DAY, utc(arrived), ZoneClock(DENVER)) == utc(true)


def test_a_stamp_at_its_word() -> None:
    zone = ZoneClock(DENVER)
    assert by_zone(T0, StampForm.UTC, 0, zone) == T0
    assert by_zone(0, StampForm.ABSENT, T0, zone) == T0
    assert by_zone(T0, StampForm.NAIVE, T0, zone) == T0 + 7 * HOUR


def test_a_trusted_reader_is_believed_whatever_it_says() -> None:
    assert believable(T0 + DAY_NS, T0, ClockPolicy.READER)
    assert believable(T0 + FUTURE_NS, T0, ClockPolicy.CORRECTED)
    assert not believable(T0 + FUTURE_NS + 1, T0, ClockPolicy.CORRECTED)
    assert believable(T0 - 400 * DAY_NS, T0, ClockPolicy.CORRECTED), "out of a reader's memory"


def test_instants_as_text() -> None:
    at = utc("2026-11-21T15:30:00+00:00") + 7 * NS_PER_MS + 999_999
    assert utc_text(at) == "2026-11-21T15:30:00.007Z"
    assert utc_text(at, ZoneInfo(DENVER)) == "2026-11-21T08:30:00.007-07:00"
