"""From a reader's stamps to UTC: offset samples, clock epochs, zones (timing rule 8).

Everything here is a function of what was recorded (stamps, samples, arrival times), so that the
journal read again gives the same times. A stamp is compared with samples of its own form only, so
`corrected` times need neither the reader's zone nor a right date.
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from bridge.domain.reads import DAY_NS, NS_PER_MS, NS_PER_S, StampForm
from bridge.domain.rules import ClockPolicy

STEP_NS = NS_PER_S
"""Samples that disagree by more than this beyond their errors: somebody moved the clock."""
RESOLUTION_NS = 10 * NS_PER_MS
"""Coarsest resolution of a clock answer we know (IPICO: hundredths)."""
FUTURE_NS = 5 * NS_PER_S
"""A read cannot have happened later than it arrived; this much is forgiven."""
EARLY_SLACK_NS = 2 * NS_PER_S
DRIFT_PPM = 50
"""A reader's clock loses or gains no more than this against the host."""
_ANY = -(2**62)
"""Below every stamp: every time may have changed."""
_BUCKET_NS = 900 * NS_PER_S
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - naive on purpose: stamps are naive


@dataclass(slots=True)
class _Piece:
    """From `stamp` on, UTC = stamp + `offset_ns`, known to within `error_ns`."""

    stamp: int
    offset_ns: int
    error_ns: int


@dataclass(slots=True)
class _Epoch:
    """A time in which nobody moved the reader's clock."""

    began_ns: int
    """Host UTC of its first sample."""
    after_ns: int
    """Host UTC of the last sample before it: somewhere in between the clock was moved."""
    form: int
    pieces: list[_Piece]
    last_ns: int = -(2**62)
    """Host UTC of its newest sample."""
    starts: list[int] = field(default_factory=list)
    low_ns: int = -(2**62)
    high_ns: int = 2**62
    """Between these the offset lies, by all samples that agree."""

    def narrow(self, low_ns: int, high_ns: int, host_ns: int) -> None:
        """Take one more sample's bounds in; one that contradicts begins anew.

        What was known before has become less certain by as much as the clock may have drifted.
        """
        spread = max(host_ns - self.last_ns, 0) * DRIFT_PPM // 1_000_000
        self.last_ns = max(self.last_ns, host_ns)
        low, high = max(self.low_ns - spread, low_ns), min(self.high_ns + spread, high_ns)
        self.low_ns, self.high_ns = (low, high) if low <= high else (low_ns, high_ns)

    @property
    def middle(self) -> int:
        """Best estimate of the offset."""
        return (self.low_ns + self.high_ns) // 2

    @property
    def half_width(self) -> int:
        """How far the offset may be from `middle`."""
        return (self.high_ns - self.low_ns + 1) // 2

    def correct(self, stamp: int) -> int:
        """Return the UTC of `stamp` by the sample in force at it (the first one before any)."""
        index = bisect_right(self.starts, stamp) - 1
        return stamp + self.pieces[max(index, 0)].offset_ns


class ClockTrack:
    """Offset of one reader's clock over time, from clock queries.

    A step function: a new estimate takes over only where it contradicts the one in force (drift)
    or is twice as sharp, and only for stamps from its sample on. So a time, once given, stays, and
    any order of arrival gives the same.
    """

    def __init__(self) -> None:
        self._epochs: list[_Epoch] = []

    @property
    def known(self) -> bool:
        """Whether there is any sample."""
        return bool(self._epochs)

    @property
    def offset(self) -> tuple[int, int] | None:
        """Return (offset ns, error ns) now in force: UTC minus reader time."""
        if not self._epochs:
            return None
        epoch = self._epochs[-1]
        piece = epoch.pieces[-1]
        off = max(epoch.high_ns - piece.offset_ns, piece.offset_ns - epoch.low_ns)
        return piece.offset_ns, max(piece.error_ns, off)

    @property
    def last_step(self) -> tuple[int, int] | None:
        """Return (host UTC ns, how far ahead it was moved in ns) of the newest step, or None."""
        if len(self._epochs) < 2:  # noqa: PLR2004 - a step has two sides
            return None
        before, after = self._epochs[-2], self._epochs[-1]
        return after.began_ns, before.pieces[-1].offset_ns - after.pieces[0].offset_ns

    @property
    def form(self) -> int:
        """`StampForm` of the newest sample."""
        return self._epochs[-1].form if self._epochs else int(StampForm.ABSENT)

    def add(self, *, host_ns: int, rtt_ns: int, stamp: int, form: int, step: bool) -> int | None:
        """Take a sample; return the lowest stamp whose time may have changed, or None.

        Samples that agree narrow the offset down together, so that a reader that tells whole
        seconds only is known far better than to a second after a few answers.

        Args:
            host_ns: Host UTC at the middle of the round trip.
            rtt_ns: Length of the round trip; its half is part of the error.
            stamp: What the reader said.
            form: `StampForm` of `stamp`.
            step: The reader itself said that its clock was moved at this moment.
        """
        offset, error = host_ns - stamp, rtt_ns // 2 + RESOLUTION_NS
        piece = _Piece(stamp, offset, error)
        if not self._epochs:
            self._begin(_Epoch(host_ns, -(2**62), form, [piece]))
            return _ANY
        epoch = self._epochs[-1]
        last = epoch.pieces[-1]
        gap, doubt = abs(offset - last.offset_ns), error + last.error_ns
        if step or form != epoch.form or gap > doubt + STEP_NS:
            if not (step and gap <= doubt):  # a reported step that moved nothing is none
                self._begin(_Epoch(host_ns, epoch.last_ns, form, [piece]))
                return _ANY
            return None
        epoch.narrow(offset - error, offset + error, host_ns)
        if gap > doubt or epoch.half_width <= last.error_ns // 2:
            since = max(stamp, last.stamp + 1)  # the clock may have been set back by a moment
            epoch.pieces.append(_Piece(since, epoch.middle, epoch.half_width))
            epoch.starts.append(since)
            return since
        return None

    def shift(self, low: int, high: int, form: int, arrived_ns: int) -> int | None:
        """Return what to add to every stamp from `low` to `high`, if that is one number."""
        if not self._epochs:
            return None
        epoch = self._epochs[-1]
        piece = epoch.pieces[-1]
        offset = piece.offset_ns
        if low < piece.stamp or form != epoch.form:
            return None
        if len(self._epochs) == 1:
            return offset if high + offset <= arrived_ns + FUTURE_NS else None
        alone = low + offset > epoch.began_ns + EARLY_SLACK_NS and high + offset <= arrived_ns
        return offset if alone else None

    def _begin(self, epoch: _Epoch) -> None:
        first = epoch.pieces[0]
        epoch.starts = [first.stamp]
        low, high = first.offset_ns - first.error_ns, first.offset_ns + first.error_ns
        epoch.narrow(low, high, epoch.began_ns)
        self._epochs.append(epoch)

    def correct(self, stamp: int, form: int, arrived_ns: int) -> int | None:
        """Return UTC ns of a stamp, or None without a sample of its form.

        After a step one stamp can mean two moments. The right one lies inside its epoch (which may
        have begun at any time after the last sample of the one before) and not after the arrival;
        if two do, the one nearest to the arrival: a live read is far more common than an old one
        out of a reader's memory.
        """
        best: int | None = None
        fallback: int | None = None
        ends_ns = 2**62
        for epoch in reversed(self._epochs):
            if epoch.form == form:
                at = epoch.correct(stamp)
                latest = min(arrived_ns + FUTURE_NS, ends_ns + EARLY_SLACK_NS)
                inside = epoch.after_ns - EARLY_SLACK_NS <= at <= latest
                if inside and (best is None or abs(arrived_ns - at) < abs(arrived_ns - best)):
                    best = at
                fallback = at if fallback is None else fallback
            ends_ns = epoch.began_ns
        return fallback if best is None else best


class ZoneClock:
    """Naive stamps of one zone to UTC, by the zone's table; folds resolved by arrival."""

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)
        self._offsets: dict[int, tuple[int, ...]] = {}

    def to_utc(self, stamp: int, arrived_ns: int) -> int:
        """Return UTC ns. In the hour that occurs twice, the reading nearest to arrival wins."""
        bucket = stamp // _BUCKET_NS
        offsets = self._offsets.get(bucket)
        if offsets is None:
            if len(self._offsets) > 1024:  # noqa: PLR2004 - a day has 96 buckets
                self._offsets.clear()
            offsets = self._offsets[bucket] = self._offsets_at(bucket * _BUCKET_NS)
        if len(offsets) == 1:
            return stamp - offsets[0]
        return min((stamp - offset for offset in offsets), key=lambda at: abs(arrived_ns - at))

    def shift(self, low: int, high: int) -> int | None:
        """Return what to add to every stamp from `low` to `high`, if that is one number."""
        if low // _BUCKET_NS != high // _BUCKET_NS:
            return None
        first, last = self.to_utc(low, low), self.to_utc(high, high)
        plain = len(self._offsets[low // _BUCKET_NS]) == 1
        return first - low if plain and first - low == last - high else None

    def _offsets_at(self, naive_ns: int) -> tuple[int, ...]:
        try:
            local = _EPOCH + timedelta(microseconds=naive_ns // 1000)
            both = {_offset_ns(local.replace(tzinfo=self._zone, fold=fold)) for fold in (0, 1)}
        except (OverflowError, ValueError):
            return (0,)
        return tuple(sorted(both))


def _offset_ns(moment: datetime) -> int:
    offset = moment.utcoffset() or timedelta()
    return int(offset.total_seconds()) * NS_PER_S


def place_time_of_day(time_of_day: int, arrived_utc: int, zone: ZoneClock) -> int:
    """Return the UTC of a time without a date: on the day that brings it nearest to arrival."""
    offset = arrived_utc - zone.to_utc(arrived_utc, arrived_utc)
    local_arrival = arrived_utc + offset
    midnight = local_arrival - local_arrival % DAY_NS
    tod = time_of_day % DAY_NS
    local = min(
        (midnight + shift + tod for shift in (-DAY_NS, 0, DAY_NS)),
        key=lambda at: abs(at - local_arrival),
    )
    return zone.to_utc(local, arrived_utc)


def by_zone(stamp: int, form: int, arrived_ns: int, zone: ZoneClock) -> int:
    """Return UTC ns of a stamp taken at its word."""
    if form == StampForm.UTC:
        return stamp
    if form == StampForm.NAIVE:
        return zone.to_utc(stamp, arrived_ns)
    if form == StampForm.TIME_OF_DAY:
        return place_time_of_day(stamp, arrived_ns, zone)
    return arrived_ns


def believable(at: int, arrived_ns: int, policy: ClockPolicy) -> bool:
    """Say whether a time can be: under `reader` always, else not after its own arrival."""
    return policy is ClockPolicy.READER or at <= arrived_ns + FUTURE_NS


def utc_text(at_ns: int, zone: ZoneInfo | None = None) -> str:
    """Return an instant as ISO 8601 with ms, in `zone` with its offset or in UTC with ``Z``."""
    seconds, rest = divmod(at_ns, NS_PER_S)
    moment = datetime.fromtimestamp(seconds, tz=zone or UTC)
    text = moment.isoformat(timespec="seconds")
    split = 19
    tail = "Z" if zone is None else text[split:]
    return f"{text[:split]}.{rest // NS_PER_MS:03d}{tail}"
