"""The host's clocks against what the host itself tells."""

import time
from pathlib import Path

from bridge.adapters.system_clock import SystemClock


def test_utc_and_boot_time_are_the_hosts() -> None:
    clock = SystemClock()
    before = time.clock_gettime_ns(time.CLOCK_REALTIME)
    assert before <= clock.utc_ns() <= time.clock_gettime_ns(time.CLOCK_REALTIME)
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert before <= clock.boot_ns() <= time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def test_the_boot_id_is_the_kernels() -> None:
    told = Path("/proc/sys/kernel/random/boot_id").read_text()
    assert SystemClock().boot_id == told.strip()


def test_the_error_is_a_bound_below_sixteen_seconds_or_unknown() -> None:
    error = SystemClock().error_ns()
    assert error is None or 0 <= error <= 16_000_000_000


async def test_sleeping_lets_time_pass() -> None:
    clock = SystemClock()
    before = clock.boot_ns()
    await clock.sleep(0.01)
    assert clock.boot_ns() - before >= 9_000_000
