"""A field of chips whose reads are made beforehand, so that making them costs nothing later."""

from collections.abc import Iterator
from heapq import heappop, heappush

from bridge.domain.reads import NS_PER_MS, NS_PER_S
from bridge.driver_api import Driver, Sighting

RUNNERS = 5_000
READS_PER_CROSSING = 10
WITHIN_NS = 20 * NS_PER_MS
"""Between two reads of one passing."""
RATE = 500
"""Reads a second of the reader's clock: a lap of the field takes longer than a mat's dead time."""
TICK_NS = 10 * NS_PER_MS
"""Stamps are whole hundredths, as the readers give them."""
FIRST_RSSI = -65.0
"""Of the first read of each passing, by which it is known again."""


def passings(
    driver: Driver,
    *,
    start_ns: int,
    reads: int,
    rate: float,
    runners: int = RUNNERS,
    per_crossing: int = READS_PER_CROSSING,
) -> Iterator[Sighting]:
    """Yield `reads` sightings in order of time, `rate` a second of the reader's clock.

    Runners pass one after the other, so that at any moment several are on the mat; each comes
    round again when the whole field has passed.
    """
    field = [driver.example_chip(number) for number in range(1, runners + 1)]
    spacing = NS_PER_S / rate * per_crossing
    on_the_mat: list[tuple[int, int, int]] = []
    for passing in range(-(-reads // per_crossing)):
        runner = passing % runners
        begins = start_ns + int(passing * spacing)
        while on_the_mat and on_the_mat[0][0] < begins:
            yield _sighting(field, *heappop(on_the_mat))
        for read in range(min(per_crossing, reads - passing * per_crossing)):
            heappush(on_the_mat, (begins + read * WITHIN_NS, runner, read))
    while on_the_mat:
        yield _sighting(field, *heappop(on_the_mat))


def _sighting(field: list[str], at: int, runner: int, read: int) -> Sighting:
    return Sighting(
        chip=field[runner],  # type: ignore[arg-type]
        stamp=at - at % TICK_NS,
        antenna=1 + read % 4,
        rssi=FIRST_RSSI + (5 - abs(read - 5)),
        seq=at // TICK_NS,
    )


def wire(driver: Driver, sightings: Iterator[Sighting]) -> bytes:
    """Return what a reader of this kind sends for `sightings`."""
    return b"".join(map(driver.encode, sightings))
