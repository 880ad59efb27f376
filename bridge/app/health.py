"""What the box is doing, in numbers and in words: for `status`, MQTT, probes and metrics."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Protocol

from bridge.app.clock_words import ahead_ns, to_ms
from bridge.app.intake import BACKLOG
from bridge.app.link import ReaderState
from bridge.app.metrics import MetricSheet
from bridge.app.payloads import ms
from bridge.app.ports import Clock, Store
from bridge.app.standings import Standings
from bridge.app.timing import Timing
from bridge.domain.clocks import utc_text
from bridge.domain.reads import NS_PER_MS, NS_PER_S
from bridge.domain.rules import Rules

Json = dict[str, object]
CLOCK_ERROR_NS = 100 * NS_PER_MS
"""A host clock with a larger bound of error is not good enough to time by."""


STEP_TOLD_NS = 3600 * NS_PER_S


class Disk(Protocol):
    """Space where the journal lies."""

    def free_bytes(self) -> int:
        """Return the free space."""
        ...


class Link(Protocol):
    """A connection to something beyond the box."""

    def words(self) -> str:
        """Return its state in one line for people."""
        ...

    def facts(self) -> Json:
        """Return its state in numbers."""
        ...


@dataclass(slots=True)
class Alarms:
    """Everything a person must know now, by name."""

    standing: dict[str, str] = field(default_factory=dict)

    def set(self, name: str, text: str | None) -> None:
        """Raise an alarm, or take it back with None."""
        if text is None:
            self.standing.pop(name, None)
        else:
            self.standing[name] = text


class Health:
    """Gathers what the stages know of themselves."""

    def __init__(
        self,
        *,
        rules: Callable[[], Rules],
        clock: Clock,
        store: Store,
        timing: Timing,
        standings: Standings,
        readers: Mapping[str, ReaderState],
        disk: Disk,
        min_free_bytes: int,
    ) -> None:
        self._rules = rules
        self._clock = clock
        self._store = store
        self._timing = timing
        self._standings = standings
        self._readers = readers
        self._disk = disk
        self._min_free = min_free_bytes
        self._began_ns = clock.boot_ns()
        self._version = version("chip-bridge")
        self.alarms = Alarms()
        self.links: dict[str, Link] = {}
        """By name; of several of a kind ``kind name``."""

    def ready(self) -> str | None:
        """Return None if reads can be taken and stored, else what is wrong."""
        if self._store.trouble is not None:
            return self._store.trouble
        if self._store.backlog > BACKLOG:
            return "the disk does not keep up with the reads"
        return None

    def reader(self, name: str) -> Json:
        """Return the state of one reader as its retained topic says it."""
        state = self._readers[name]
        time = self._timing.timebase.readers[name]
        offset = time.track.offset
        return {
            "v": 1,
            "name": state.name,
            "location": state.location,
            "driver": state.driver,
            "state": state.state,
            "since_at_ms": state.since_ns // NS_PER_MS,
            "last_byte_at_ms": ms(state.last_byte_ns),
            "last_byte_s": self._ago_s(state.last_byte_ns),
            "reads": state.reads,
            "rejected": sum(state.rejected.values()),
            "rejected_by_reason": dict(state.rejected),
            "clock_offset_ms": None if offset is None else offset[0] // NS_PER_MS,
            "clock_ahead_ms": self._ahead_ms(name),
            "clock_error_ms": None if offset is None else -(-offset[1] // NS_PER_MS),
            "detail": state.detail,
            "fields": dict(state.fields),
            "alarms": list(state.alarms.values()),
        }

    def _ahead_ms(self, name: str) -> int | None:
        """Return how far a reader's clock is ahead of the time in its zone, as last heard."""
        time = self._timing.timebase.readers[name]
        offset, form = time.track.offset, time.track.form
        if offset is None:
            return None
        now = self._clock.utc_ns()
        return to_ms(ahead_ns(now - offset[0], form, now, time.rules.zone))

    def status(self) -> Json:
        """Return everything, for `chip-bridge status` and the page."""
        error_ns = self._clock.error_ns()
        free = self._disk.free_bytes()
        return {
            "v": 1,
            "site": self._rules().site,
            "version": self._version,
            "uptime_s": (self._clock.boot_ns() - self._began_ns) // NS_PER_S,
            "ready": self.ready() is None,
            "alarms": list(self._alarms(error_ns, free)),
            "readers": [self.reader(name) for name in self._readers],
            "last_read_at_ms": self._last_reads(),
            "clock": {
                "synchronised": error_ns is not None,
                "error_ms": None if error_ns is None else -(-error_ns // NS_PER_MS),
            },
            "disk": {"free_mb": free // 1_000_000, "trouble": self._store.trouble},
            "queues": {
                "not_yet_durable": self._store.backlog,
                "waiting_for_a_clock": self._timing.held,
                "rebuilding": self._timing.rebuilding,
                "crossings": self._timing.last_seq,
            },
            "events": [
                {
                    "event_id": event.id,
                    "name": event.name,
                    "gun_at_ms": ms(self._timing.gun(event.id)),
                    "started": (totals := self._standings.totals(event.id)).started,
                    "on_course": totals.on_course,
                    "finished": totals.finished,
                }
                for event in self._rules().events
            ],
            "links": {name: link.words() for name, link in self.links.items()},
            "link_facts": {name: link.facts() for name, link in self.links.items()},
        }

    def _last_reads(self) -> dict[str, int | None]:
        newest: dict[str, int | None] = {}
        for state in self._readers.values():
            known = newest.get(state.location)
            if state.last_read_ns is not None and (known is None or known < state.last_read_ns):
                newest[state.location] = state.last_read_ns
            newest.setdefault(state.location, None)
        return {place: ms(at) for place, at in newest.items()}

    def _alarms(self, error_ns: int | None, free: int) -> Iterable[str]:
        if self._store.trouble is not None:
            yield self._store.trouble
        if free < self._min_free:
            yield f"only {free // 1_000_000} MB free on the disk; make room before it is full"
        if error_ns is None:
            yield (
                "this box's clock is not synchronised; connect it to the network or to a GPS, "
                "times are rebased when it is"
            )
        elif error_ns > CLOCK_ERROR_NS:
            yield f"this box's clock may be wrong by {error_ns // NS_PER_MS} ms"
        for state in (state for state in self._readers.values() if not state.part):
            if state.state != "connected":
                why = f": {state.detail}" if state.detail else ""
                yield f"reader {state.name} is not connected{why}"
            yield from (f"reader {state.name}: {text}" for text in state.alarms.values())
            yield from self._steps(state.name)
        for event in self._rules().events:
            if self._timing.gun(event.id) is None and self._standings.results(event.id):
                yield f"{event.name} has no gun time yet; say it: chip-bridge gun {event.id}"
        yield from self.alarms.standing.values()

    def _steps(self, name: str) -> Iterable[str]:
        """Tell of a clock that somebody moved, for as long as people may wonder."""
        step = self._timing.timebase.readers[name].track.last_step
        if step is not None and self._clock.utc_ns() - step[0] < STEP_TOLD_NS:
            yield (
                f"reader {name}: somebody moved its clock by {step[1] / NS_PER_S:+.2f} s at "
                f"{utc_text(step[0])}; times on both sides are corrected, leave it alone now"
            )

    def _ago_s(self, at_ns: int | None) -> float | None:
        return None if at_ns is None else round((self._clock.utc_ns() - at_ns) / NS_PER_S, 1)

    def metrics(self) -> str:
        """Return the counters in the Prometheus text format."""
        sheet = MetricSheet()
        for name, state in self._readers.items():
            labels = {"reader": name, "location": state.location}
            sheet.gauge("reader_connected", state.state == "connected", labels)
            sheet.counter("reads_total", state.reads, labels)
            sheet.counter("rejected_total", sum(state.rejected.values()), labels)
            sheet.counter("connections_total", state.connections, labels)
        sheet.gauge("ready", self.ready() is None)
        sheet.gauge("rows_not_durable", self._store.backlog)
        sheet.gauge("crossing_seq", self._timing.last_seq)
        sheet.gauge("disk_free_bytes", self._disk.free_bytes())
        for event in self._rules().events:
            totals = self._standings.totals(event.id)
            sheet.gauge("event_started", totals.started, {"event": event.name})
            sheet.gauge("event_finished", totals.finished, {"event": event.name})
        for name, link in self.links.items():
            kind, _, one = name.partition(" ")
            labels = {kind: one} if one else {}
            for key, value in link.facts().items():
                if key.endswith("_at") and isinstance(value, int):
                    sheet.gauge(f"{kind}_{key}_seconds", value / NS_PER_S, labels)
                elif isinstance(value, int | float):
                    sheet.gauge(f"{kind}_{key}", value, labels)
        return sheet.text()
