"""Keep the process small and its collector quiet: a Pi has one gigabyte for everything."""

import contextlib
import ctypes
import gc
from typing import Final

_M_ARENA_MAX: Final = -8
"""Of glibc's mallopt."""


def share_one_heap() -> None:
    """Let all threads allocate from one heap; to be called before there is a second one.

    glibc gives each thread one of its own, and what one frees the others cannot use. With two
    threads that hand memory to each other, one heap is smaller: by a megabyte after 250,000 reads.
    """
    with contextlib.suppress(AttributeError, OSError):  # another libc than glibc has none
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def settle() -> None:
    """Give back what start-up left behind, and let the cycle collector look less often.

    The hot path makes tuples by the hundred thousand and no cycles; looking through them for some
    took a third of the time of a read. What lives on from start-up is not looked at again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    trim()


def trim() -> None:
    """Give memory that is free back to the system: a millisecond, worth some megabytes."""
    with contextlib.suppress(AttributeError, OSError):  # another libc than glibc has none
        ctypes.CDLL(None).malloc_trim(0)
