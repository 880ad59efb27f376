"""What the kernel says of a process, and how fast this machine is right now."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_LOOPS = 2_000_000


def calibrate() -> float:
    """Return the CPU seconds of a fixed loop: the unit to compare machines and moments by."""
    began = time.process_time()
    value = 0
    for number in range(_LOOPS):
        value = (value * 31 + number) & 0xFFFF
    return time.process_time() - began


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used so far."""

    at_s: float
    cpu_s: float
    rss: int
    """Resident bytes."""
    written: int
    """Bytes the kernel has to bring to a device."""

    def cpu_share(self, before: "Usage") -> float:
        """Return the share of one core used since `before`."""
        return (self.cpu_s - before.cpu_s) / (self.at_s - before.at_s)


def usage(pid: int) -> Usage:
    """Return what process `pid` has used."""
    proc = Path(f"/proc/{pid}")
    fields = (proc / "stat").read_text().rpartition(")")[2].split()
    io = dict(line.split(": ") for line in (proc / "io").read_text().splitlines())
    return Usage(
        at_s=time.perf_counter(),
        cpu_s=(int(fields[11]) + int(fields[12])) * _TICK_S,
        rss=int(fields[21]) * os.sysconf("SC_PAGE_SIZE"),
        written=int(io["write_bytes"]),
    )
