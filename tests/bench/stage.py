"""What every measurement stands on: a folder, readers, a broker, an audience, the service."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bridge.domain.reads import NS_PER_MS, NS_PER_S
from tests.bench.listener import Listener, Message, listener
from tests.bench.machine import Usage
from tests.bench.reader import Load, Played, Readers, readers
from tests.bench.service import (
    PATIENCE_S,
    TOPIC,
    Service,
    broker,
    count_reads,
    running,
    until_durable,
    write_config,
)

_QUIET_S = 1.5
"""No message for so long: all have come."""
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    full: bool
    say: Callable[[str], None]

    def size(self, quick: int, full: int) -> int:
        """Return the size for this kind of run."""
        return full if self.full else quick


@dataclass(frozen=True, slots=True)
class Act:
    """One load from its first read to its last crossing."""

    played: Played
    messages: list[Message]
    before: Usage
    after: Usage
    """Of the service, at the first and at the last read sent."""

    @property
    def cpu_percent(self) -> float:
        """What the service used of one core while reads were sent."""
        return self.after.cpu_share(self.before) * 100

    @property
    def seconds(self) -> float:
        """From the first read sent to the first news of the last crossing."""
        first: dict[str, int] = {}
        for message in self.messages:
            first.setdefault(message.id, message.at_ns)
        return (max(first.values()) - self.played.began_ns) / NS_PER_S

    @property
    def latencies_ms(self) -> list[float]:
        """From the first read of each passing on the wire to its crossing at the audience."""
        came: dict[tuple[str, int | None], int] = {}
        for message in self.messages:
            came.setdefault((message.chip, message.at_ms), message.at_ns)
        sent = self.played.first_sent.items()
        return [(came[first] - at) / NS_PER_MS for first, at in sent if first in came]


@dataclass(slots=True)
class Stage:
    """A running service with everything around it."""

    folder: Path
    config: Path
    readers: Readers
    audience: Listener
    service: Service

    def play(self, load: Load) -> "Act":
        """Send a load and take in what comes of it, nothing being lost."""
        reads_before = count_reads(self.folder)
        self.readers.start(load)
        before = self.service.usage()
        played = self.readers.wait()
        after = self.service.usage()
        assert played.late_ns < NS_PER_S, "the readers themselves could not keep pace"
        until_durable(self.folder, reads_before + load.reads)
        messages = self.hear()
        passings = -(-load.reads // load.per_crossing)
        crossings = len({message.id for message in messages})
        assert crossings >= passings, f"{crossings} crossings of {passings} came"
        return Act(played, messages, before, after)

    def hear(self) -> list[Message]:
        """Return the messages once no more come; they must be gapless."""
        end = time.perf_counter() + PATIENCE_S
        count, since = self.audience.count(), time.perf_counter()
        while time.perf_counter() - since < _QUIET_S:
            assert time.perf_counter() < end, "crossings come without end"
            time.sleep(_POLL_S)
            now = self.audience.count()
            if now != count:
                count, since = now, time.perf_counter()
        messages = self.audience.take()
        seqs = sorted({message.seq for message in messages})
        lost = seqs and len(seqs) != seqs[-1] - seqs[0] + 1
        assert not lost, "messages are missing at the subscriber"
        return messages


@contextmanager
def stage(*, count: int = 1, linger_ms: float = 0) -> Iterator[Stage]:
    """Set up a fresh box with `count` readers at its finish."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name, broker(Path(name)) as port:
        folder = Path(name)
        with readers(count) as bank, listener(port, TOPIC) as audience:
            config = write_config(folder, bank.ports, port, linger_ms=linger_ms)
            with running(config) as service:
                service.until_connected()
                yield Stage(folder, config, bank, audience, service)
