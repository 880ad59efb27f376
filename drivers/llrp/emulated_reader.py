"""What an emulated reader knows: its configuration, ROSpecs, and the reads nobody has fetched."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from bridge.driver_api import Sighting
from drivers.llrp.tags import Content, tag
from drivers.llrp.wire import IMPINJ, ZEBRA, Impinj, Par, Param, number, params

VENDORS: Final[Mapping[str, tuple[int, int, str]]] = {
    "impinj": (IMPINJ, 2_001_002, "6.4.1.240"),
    "zebra": (ZEBRA, 96_004, "3.21.23.0"),
    "generic": (0, 1, "1.0"),
}
"""Vendor, model and firmware."""
CLOCKS: Final = ("utc", "uptime")
FULL_PCT: Final = 80
_ON: Final = 0x80
_DISABLED, _INACTIVE, _ACTIVE = 0, 1, 2
_IMMEDIATE: Final = 1
_DURATION: Final = 1
_END_OF_AISPEC: Final = 1
_UPTIME_NS: Final = 3_661 * 1_000_000_000
"""The reader was switched on an hour before anybody asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Options of the emulator.

    Attributes:
        vendor: Whose reader: it decides on model, extensions and the number of ROSpecs.
        clock: ``utc``, or ``uptime`` for a reader without a real-time clock.
        buffer: Reads held while nobody takes them; older ones are lost beyond it.
        antennas: Antenna ports.
        hold: The reader can hold events and reports back.
        epc_data: EPCs of 96 bits come as EPCData too.
        omit_unchanged: An antenna that is the same as in the last report is left out.
        wrong_ids: Responses carry an id of their own.
        empty_reports: An empty report comes with each one that has a tag.
        early: Chips that cross before the first inventory of all are reported when it begins, so
            that a recording loses none of its first lines; a real reader does not see them.
    """

    vendor: str = "impinj"
    clock: str = "utc"
    buffer: int = 100_000
    antennas: int = 4
    hold: bool = True
    epc_data: bool = False
    omit_unchanged: bool = False
    wrong_ids: bool = False
    empty_reports: bool = False
    early: bool = True


_SWITCHES: Final = ("hold", "epc_data", "omit_unchanged", "wrong_ids", "empty_reports", "early")
_BOUNDS: Final = {"buffer": (1, 10_000_000), "antennas": (1, 64)}
_CHOICES: Final = {"vendor": tuple(VENDORS), "clock": CLOCKS}


def setup_of(options: Mapping[str, object]) -> Setup:
    """Return checked options.

    Raises:
        ValueError: One is unknown or cannot be.
    """
    for name, value in options.items():
        if name in _CHOICES and value not in _CHOICES[name]:
            raise ValueError(f"{name} is {value!r}; allowed: {', '.join(_CHOICES[name])}")
        if name in _SWITCHES and not isinstance(value, bool):
            raise ValueError(f"{name} is {value!r}; allowed: true, false")
        if name in _BOUNDS:
            least, most = _BOUNDS[name]
            if type(value) is not int or not least <= value <= most:
                raise ValueError(f"{name} is {value!r}; allowed: {least} to {most}")
        if name not in {*_CHOICES, *_SWITCHES, *_BOUNDS}:
            allowed = ", ".join([*_CHOICES, *_BOUNDS, *_SWITCHES])
            raise ValueError(f"unknown option {name!r}; allowed: {allowed}")
    return Setup(**options)  # type: ignore[arg-type] # checked above


@dataclass(slots=True)
class RoSpec:
    """One ROSpec as it was added."""

    number: int
    body: bytes
    state: int = _DISABLED
    is_immediate: bool = False
    lasts_ms: int = 0
    """0: until it is stopped."""
    began_ns: int = 0
    antennas: tuple[int, ...] = (0,)
    every: int = 1
    """Tags per report; 0: all at the end of the ROSpec."""
    ends_after: int = 0
    """Tags after which the AISpec ends, and begins again; 0: it goes on."""
    content: Content = field(default_factory=Content)

    @property
    def is_active(self) -> bool:
        """Whether it reads."""
        return self.state == _ACTIVE

    def sees(self, antenna: int) -> bool:
        """Whether it uses an antenna."""
        return 0 in self.antennas or antenna in self.antennas

    def told(self) -> bytes:
        """Return its parameter's body with the state it is in."""
        return self.body[:5] + bytes([self.state]) + self.body[6:]


def rospec_of(body: bytes, setup: Setup) -> RoSpec | None:
    """Parse the body of a ROSpec parameter; None if it has no id."""
    identity = number(body, 0, 4)
    if not identity or len(body) < 6:  # noqa: PLR2004 - id, priority, state
        return None
    spec = RoSpec(identity, body)
    spec.content = _content(None, frozenset(), setup)
    for param in params(body, 6):
        if param.kind == Par.RO_BOUNDARY_SPEC:
            for trigger in params(param.body):
                first = number(trigger.body, 0, 1)
                if trigger.kind == Par.RO_START_TRIGGER:
                    spec.is_immediate = first == _IMMEDIATE
                elif trigger.kind == Par.RO_STOP_TRIGGER and first == _DURATION:
                    spec.lasts_ms = number(trigger.body, 1, 4) or 0
        elif param.kind == Par.AI_SPEC:
            _antennas(spec, param.body)
        elif param.kind == Par.RO_REPORT_SPEC:
            _reports(spec, param.body, setup)
    return spec


def _antennas(spec: RoSpec, body: bytes) -> None:
    count = number(body, 0, 2) or 0
    ports = tuple(number(body, 2 + 2 * i, 2) or 0 for i in range(min(count, len(body) // 2)))
    spec.antennas = ports or (0,)
    for param in params(body, 2 + 2 * len(ports)):
        if param.kind != Par.AI_STOP_TRIGGER:
            continue
        if number(param.body, 0, 1) == _DURATION:
            spec.lasts_ms = spec.lasts_ms or number(param.body, 1, 4) or 0
        for trigger in params(param.body, 5):
            if trigger.kind == Par.TAG_OBSERVATION_TRIGGER:
                spec.ends_after = number(trigger.body, 2, 2) or 0


def _reports(spec: RoSpec, body: bytes, setup: Setup) -> None:
    spec.every = number(body, 1, 2) or 0
    if number(body, 0, 1) == _END_OF_AISPEC and spec.ends_after:
        spec.every = min(spec.every or spec.ends_after, spec.ends_after)
    flags: int | None = None
    octane: frozenset[int] = frozenset()
    for param in params(body, 3):
        if param.kind == Par.CONTENT_SELECTOR:
            flags = number(param.body, 0, 2)
        elif (param.vendor, param.subtype) == (IMPINJ, Impinj.REPORT_CONTENT):
            octane |= {
                inner.subtype for inner in params(param.body) if number(inner.body, 0, 2) == 1
            }
    spec.content = _content(flags, octane, setup)


def _content(flags: int | None, octane: frozenset[int], setup: Setup) -> Content:
    bits = 0xFFFF if flags is None else flags
    wanted = octane if setup.vendor == "impinj" else frozenset()
    return Content(
        antenna=bool(bits & 0x1000),
        channel=bool(bits & 0x0800),
        rssi=bool(bits & 0x0400),
        first_seen=bool(bits & 0x0200),
        last_seen=bool(bits & 0x0100),
        count=bool(bits & 0x0080),
        peak_rssi=Impinj.ENABLE_PEAK_RSSI in wanted,
        phase=Impinj.ENABLE_PHASE in wanted,
        doppler=Impinj.ENABLE_DOPPLER in wanted,
        tid=Impinj.ENABLE_TID in wanted,
        uptime=setup.clock == "uptime",
        epc_data=setup.epc_data,
    )


class EmulatedReader:
    """Everything about the reader that outlives a connection.

    Attributes:
        rospecs: By id.
        events: Types of events that are switched on.
        keepalive_ms: Period of keepalives; 0: none.
        monitor: Keepalives without answer after which the client is let go; 0: any number.
        holds: Events and reports are held back on the next connection.
        state_value: Changes whenever configuration or ROSpecs do.
        overflowed: Reads were lost, and nobody has been told yet.
        early: Chips that cross before the first inventory; None once it has begun.
    """

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.rospecs: dict[int, RoSpec] = {}
        self.events: set[int] = {4, 8}  # as Impinj readers leave the factory
        self.keepalive_ms = 0
        self.monitor = 0
        self.holds = False
        self.gpis: dict[int, bool] = dict.fromkeys(range(1, 5), False)
        self.gpi_levels: dict[int, int] = dict.fromkeys(range(1, 5), 0)
        self.state_value = 0x7857_9900
        self.overflowed = False
        self.buffer: deque[bytes] = deque()
        self.early: deque[Sighting] | None = deque(maxlen=setup.buffer) if setup.early else None
        self._booted_ns: int | None = None
        self._antenna: int | None = None
        """Of the last report."""

    @property
    def most_rospecs(self) -> int:
        """How many ROSpecs it takes: Impinj one, as real capabilities say."""
        return 1 if self.setup.vendor == "impinj" else 8

    def stamp(self, now_ns: int) -> int:
        """Return a moment on the reader's clock: UTC or since it was switched on."""
        if self.setup.clock == "utc":
            return max(now_ns, 0)
        if self._booted_ns is None:
            self._booted_ns = now_ns - _UPTIME_NS
        return max(now_ns - self._booted_ns, 0)

    def changed(self) -> None:
        """Count a change of configuration or ROSpecs."""
        self.state_value = (self.state_value + 1) & 0xFFFFFFFF

    def start(self, spec: RoSpec, now_ns: int) -> None:
        """Begin to read."""
        spec.state, spec.began_ns = _ACTIVE, now_ns

    def stop(self, spec: RoSpec) -> None:
        """Read no more, and wait to be started again."""
        spec.state = _INACTIVE

    def configure(self, body: bytes) -> str:
        """Take SET_READER_CONFIG's parameters; return what is wrong, empty if all is well."""
        known: Mapping[int, Callable[[Param], str]] = {
            Par.EVENT_SPEC: self._set_events,
            Par.KEEPALIVE_SPEC: self._set_keepalive,
            Par.GPI_STATE: self._set_gpi,
            Par.EVENTS_AND_REPORTS: self._set_hold,
            Par.CUSTOM: self._set_custom,
        }
        wrong = ""
        for param in params(body, 1):
            take = known.get(param.kind)
            wrong = wrong or (take(param) if take else "")
        if not wrong:
            self.changed()
        return wrong

    def _set_events(self, param: Param) -> str:
        for event in params(param.body):
            kind, state = number(event.body, 0, 2), number(event.body, 2, 1)
            if kind is not None:
                (self.events.add if (state or 0) & _ON else self.events.discard)(kind)
        return ""

    def _set_keepalive(self, param: Param) -> str:
        periodic = number(param.body, 0, 1) == 1
        self.keepalive_ms = (number(param.body, 1, 4) or 0) if periodic else 0
        return ""

    def _set_gpi(self, param: Param) -> str:
        port = number(param.body, 0, 2) or 0
        if port not in self.gpis:
            return f"GPIPortCurrentState: there is no port {port}"
        self.gpis[port] = bool((number(param.body, 2, 1) or 0) & _ON)
        return ""

    def _set_hold(self, param: Param) -> str:
        hold = bool((number(param.body, 0, 1) or 0) & _ON)
        if hold and not self.setup.hold:
            return "EventsAndReports: holding is not supported"
        self.holds = hold
        return ""

    def _set_custom(self, param: Param) -> str:
        if (param.vendor, param.subtype) == (IMPINJ, Impinj.LINK_MONITOR):
            on, after = number(param.body, 0, 2), number(param.body, 2, 2)
            self.monitor = (after or 0) if on else 0
        return ""

    def read(self, sighting: Sighting) -> tuple[bytes, int] | None:
        """Return a tag's report data and how many go into one report; None: nobody asked."""
        spec = next((s for s in self.rospecs.values() if s.is_active), None)
        if spec is None or not spec.sees(sighting.antenna):
            return None
        content = spec.content
        if self.setup.omit_unchanged and sighting.antenna == self._antenna:
            content = _without_antenna(content)
        self._antenna = sighting.antenna
        return tag(sighting, content), spec.every

    def forget_antenna(self) -> None:
        """Leave nothing out any more: somebody new listens."""
        self._antenna = None

    def keep(self, data: bytes) -> None:
        """Hold a tag until somebody takes it; what does not fit is lost."""
        if len(self.buffer) >= self.setup.buffer:
            self.overflowed = True
            return
        self.buffer.append(data)


def _without_antenna(content: Content) -> Content:
    told = {name: getattr(content, name) for name in Content.__slots__}
    return Content(**{**told, "antenna": False})
