"""The clocks of this host: UTC with its error, and the time since boot."""

import asyncio
import ctypes
import time
from pathlib import Path

from bridge.domain.reads import UtcNs

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIME_ERROR = 5
"""What `adjtimex` returns while the clock is not synchronised (adjtimex(2))."""
_NS_PER_US = 1_000


class _Timex(ctypes.Structure):
    """``struct timex`` of <sys/timex.h>: the kernel fills all of it, we read `maxerror`."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("rest", ctypes.c_byte * 256),
    )


class SystemClock:
    """`bridge.app.ports.Clock` of a Linux host."""

    def __init__(self) -> None:
        self._adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
        self._boot_id = _BOOT_ID.read_text(encoding="ascii").strip()

    def utc_ns(self) -> UtcNs:
        """Return what the host believes the time is."""
        return UtcNs(time.time_ns())

    def boot_ns(self) -> int:
        """Return CLOCK_BOOTTIME."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    @property
    def boot_id(self) -> str:
        """The kernel's random name of this boot."""
        return self._boot_id

    def error_ns(self) -> int | None:
        """Return the kernel's bound of the UTC clock's error, or None if not synchronised.

        The kernel lets the bound grow by 0.5 ms a second and calls the clock unsynchronised at
        16 s, so a host that lost its server long ago shows a large number first.
        """
        timex = _Timex(modes=0)
        state = self._adjtimex(ctypes.byref(timex))
        if state < 0 or state == _TIME_ERROR:
            return None
        return int(timex.maxerror) * _NS_PER_US

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        await asyncio.sleep(seconds)
