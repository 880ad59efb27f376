"""What remains of closed passings that count for nothing, so that memory stays bounded."""

from collections.abc import Iterable, Iterator, Mapping

from bridge.domain.results import State

_LOW = 0x7F
_MORE = 0x80


class Collapsed:
    """Numbers of passings told as final and dropped since, about three bytes each.

    The passings themselves come back from the reads when anything about them may have changed;
    `digest` then says whether it did.
    """

    __slots__ = ("_newest", "_numbers", "chips", "count", "digest", "tally", "until")

    def __init__(self) -> None:
        self._numbers = bytearray()
        self._newest = 0
        self.chips: tuple[str, ...] = ()
        self.count = 0
        self.digest = 0
        """Exclusive or of `digest_of` over all."""
        self.until = -1
        """Newest time of any read in them."""
        self.tally: tuple[tuple[State, int], ...] = ()
        """Reads by state: pairs, since a mapping for each of thousands of runners is large."""

    def add(self, number: int, chips: Iterable[str], shown: int, last_at: int) -> None:
        """Take one in: the chips it may have, the signature it was told under."""
        step = number - self._newest
        step = -2 * step - 1 if step < 0 else 2 * step
        while step > _LOW:
            self._numbers.append(step & _LOW | _MORE)
            step >>= 7
        self._numbers.append(step)
        self._newest = number
        self.count += 1
        self.digest ^= digest_of(number, shown)
        self.until = max(self.until, last_at)
        for chip in chips:
            if chip not in self.chips:
                self.chips += (chip,)

    def enter(self, tally: Mapping[State, int]) -> None:
        """Add to the count of reads by state."""
        sums = dict(self.tally)
        for state, reads in tally.items():
            sums[state] = sums.get(state, 0) + reads
        self.tally = tuple(sums.items())

    def numbers(self) -> Iterator[int]:
        """Yield the numbers in the order they came."""
        number = step = shift = 0
        for byte in self._numbers:
            step |= (byte & _LOW) << shift
            shift += 7
            if not byte & _MORE:
                number += -(step >> 1) - 1 if step & 1 else step >> 1
                yield number
                step = shift = 0


def digest_of(number: int, shown: int) -> int:
    """Return one passing's part of `Collapsed.digest`."""
    return hash((number, shown))
