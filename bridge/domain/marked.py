"""A set of numbers, one bit each where they are dense."""

from typing import Final

_BLOCK_BITS: Final = 13
"""8192 numbers, a KiB of memory each."""


class Marked:
    """A set of journal ids.

    In blocks, because ids leave gaps: after a damaged journal they go on from the time in
    microseconds, and those of hand-entered crossings begin at 10**18.
    """

    __slots__ = ("_blocks",)

    def __init__(self) -> None:
        self._blocks: dict[int, bytearray] = {}

    def add(self, number: int) -> bool:
        """Put a number in; return whether it is new."""
        key, rest = number >> _BLOCK_BITS, number & (1 << _BLOCK_BITS) - 1
        block = self._blocks.get(key)
        if block is None:
            block = self._blocks[key] = bytearray(1 << _BLOCK_BITS - 3)
        index, bit = rest >> 3, 1 << (rest & 7)
        if block[index] & bit:
            return False
        block[index] |= bit
        return True
