"""The clock of a reader that only tells: the lower envelope of what arrives."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.app.one_way import DELAY_NS, JUMP_NS, LeastDelay, Moment
from bridge.domain.reads import NS_PER_MS, NS_PER_S, StampForm

UTC = int(StampForm.UTC)
NAIVE = int(StampForm.NAIVE)
HOST_NS = 1_780_000_000 * NS_PER_S


class Reader:
    """A clock that is `ahead_ns` of the host's monotonic one, drifting by `ppm`."""

    def __init__(self, ahead_ns: int = 37 * NS_PER_S, ppm: int = 0) -> None:
        self.ahead_ns, self.ppm = ahead_ns, ppm
        self.least = LeastDelay()
        self.told: list[Moment] = []

    def offset_at(self, at_ns: int) -> int:
        return -self.ahead_ns - at_ns * self.ppm // 1_000_000

    def says(self, at_ns: int, delay_ns: int, form: int = UTC) -> Moment | None:
        arrived = at_ns + delay_ns
        stamp = at_ns - self.offset_at(at_ns)
        moment = self.least.heard(HOST_NS + arrived, arrived, stamp, form)
        if moment is not None:
            self.told.append(moment)
        return moment


def test_the_first_arrival_is_told_at_once() -> None:
    reader = Reader()
    assert reader.says(5 * NS_PER_S, 3 * NS_PER_MS) == Moment(
        HOST_NS + 5 * NS_PER_S + 3 * NS_PER_MS, 5 * NS_PER_S + 3 * NS_PER_MS, 42 * NS_PER_S
    )


def test_a_stalled_network_says_nothing_new() -> None:
    reader = Reader()
    reader.says(0, NS_PER_MS)
    for ms in range(0, 4_000, 100):  # all of it arrives together, four seconds late
        assert reader.says(ms * NS_PER_MS, (4_000 - ms) * NS_PER_MS) is None
    assert reader.says(4_100 * NS_PER_MS, NS_PER_MS) is None


def test_a_less_delayed_arrival_is_told_at_once() -> None:
    reader = Reader()
    reader.says(0, 500 * NS_PER_MS)
    assert reader.says(NS_PER_S, 490 * NS_PER_MS) is None
    better = reader.says(2 * NS_PER_S, 5 * NS_PER_MS)
    assert better is not None
    assert better.lag_ns == reader.offset_at(0) + 5 * NS_PER_MS


def test_a_clock_set_back_is_believed_after_five_seconds() -> None:
    reader = Reader()
    reader.says(0, NS_PER_MS)
    reader.ahead_ns -= 400 * NS_PER_MS
    told_after = next(
        ms
        for ms in range(100, 20_000, 100)
        if reader.says(ms * NS_PER_MS, NS_PER_MS + ms % 7 * NS_PER_MS) is not None
    )
    assert 4_000 <= told_after <= 6_000
    assert reader.told[-1].lag_ns - reader.told[0].lag_ns >= JUMP_NS


def test_another_form_of_stamp_begins_anew() -> None:
    reader = Reader()
    reader.says(0, NS_PER_MS)
    assert reader.says(NS_PER_S, 9 * NS_PER_S, NAIVE) is not None


def test_once_a_minute_the_least_of_the_minute_is_told() -> None:
    reader = Reader()
    reader.says(0, 4 * NS_PER_MS)
    for second in range(1, 125):
        reader.says(second * NS_PER_S, (3 + second % 5) * NS_PER_MS)
    assert [moment.lag_ns + 37 * NS_PER_S for moment in reader.told[1:]] == [3 * NS_PER_MS] * 2


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), ppm=st.integers(-100, 100), busy=st.floats(0.2, 1.0))
def test_what_is_told_is_never_far_from_the_truth(seed: int, ppm: int, busy: float) -> None:
    source, reader = random.Random(seed), Reader(ppm=ppm)
    reader.says(0, NS_PER_MS)
    for tenth in range(1, 3_000):
        at = tenth * NS_PER_S // 10
        if source.random() < busy:
            stalled = tenth % 100 > 90
            reader.says(at, NS_PER_MS + (NS_PER_S if stalled else source.randint(0, 80_000_000)))
        lag = reader.told[-1].lag_ns
        assert abs(lag - reader.offset_at(at)) <= DELAY_NS + 100 * 121 * 1_000 + 10 * NS_PER_MS
