"""What we send to a reader: its configuration for timing and our ROSpec.

One report per observation, and an inventory that never stops by itself: then the carrier never
drops, and strength over time shows the moment of passing.
"""

from dataclasses import dataclass
from typing import Final

from drivers.llrp.facts import Capabilities
from drivers.llrp.options import Options
from drivers.llrp.wire import (
    IMPINJ,
    ZEBRA,
    Impinj,
    Msg,
    Par,
    Zebra,
    custom,
    message,
    tlv,
    u8,
    u16,
    u32,
)

ROSPEC_ID: Final = 14_150
KEEPALIVE_MS: Final = 2_000
LINK_DOWN_AFTER: Final = 3
"""Keepalives without an answer after which an Impinj reader lets go of the connection."""
STATE_VALUE: Final = 7
"""In `get_config`: the state value and nothing else."""
EVENTS: Final = (1, 2, 3, 4, 8)
"""GPI, ROSpec, buffer warning, reader exception, antenna."""
_CONTENT: Final = 0x1780
"""AntennaID, PeakRSSI, FirstSeen, LastSeen, TagSeenCount."""
_UPON_N_TAGS: Final = 2
_AUTOSET: Final = 1000
_SESSION_DUAL: Final = 2
_POPULATION: Final = 32
_DUAL_TARGET: Final = 2
_ON: Final = 0x80
_UNKNOWN_LEVEL: Final = 2


def get_capabilities(number: int) -> bytes:
    """Ask for all capabilities."""
    return message(Msg.GET_READER_CAPABILITIES, number, u8(0))


def get_config(number: int, what: int = 0) -> bytes:
    """Ask for configuration: 0 everything, 7 the state value alone."""
    return message(Msg.GET_READER_CONFIG, number, u16(0) + u8(what) + u16(0) + u16(0))


def enable_extensions(number: int) -> bytes:
    """Switch Octane's extensions on, which each connection has to do anew."""
    return message(Msg.CUSTOM_MESSAGE, number, u32(IMPINJ) + u8(Impinj.ENABLE_EXTENSIONS) + u32(0))


def of_rospec(kind: Msg, number: int, rospec: int = ROSPEC_ID) -> bytes:
    """Delete, enable or start a ROSpec."""
    return message(kind, number, u32(rospec))


def set_config(number: int, reader: Capabilities) -> bytes:
    """Switch events, keepalives, inputs and holding on; nothing is reset."""
    events = (tlv(Par.EVENT_STATE, u16(kind), u8(_ON)) for kind in EVENTS)
    parts = [
        u8(0),
        tlv(Par.EVENT_SPEC, *events),
        tlv(Par.KEEPALIVE_SPEC, u8(1), u32(KEEPALIVE_MS)),
    ]
    parts += [
        tlv(Par.GPI_STATE, u16(port), u8(_ON), u8(_UNKNOWN_LEVEL))
        for port in range(1, reader.gpis + 1)
    ]
    if reader.can_hold:
        parts.append(tlv(Par.EVENTS_AND_REPORTS, u8(_ON)))
    if reader.is_impinj:
        parts.append(custom(IMPINJ, Impinj.LINK_MONITOR, u16(1), u16(LINK_DOWN_AFTER)))
    if reader.vendor == ZEBRA:  # its tag filter would hold back what it has reported before
        parts.append(custom(ZEBRA, Zebra.TAG_FILTER, bytes(4)))
    return message(Msg.SET_READER_CONFIG, number, b"".join(parts))


def purge_tags(number: int) -> bytes:
    """Empty a Zebra's store of tags, as grecaun/chronokeep-portal does."""
    return message(Msg.CUSTOM_MESSAGE, number, u32(ZEBRA) + u8(Zebra.PURGE_TAGS) + u8(0))


@dataclass(frozen=True, slots=True)
class Plan:
    """The ROSpec a reader is to have, and which wishes it cannot fulfil."""

    rospec: bytes
    complaints: tuple[str, ...]


def plan(options: Options, reader: Capabilities) -> Plan:
    """Return our ROSpec for a reader, from what was asked for and what it can do."""
    wishes = _Wishes(options, reader)
    inventory = tlv(Par.INVENTORY_SPEC, u16(1), u8(1), *wishes.antenna_configurations())
    ports = options.antennas or (0,)
    inventories = tlv(
        Par.AI_SPEC,
        u16(len(ports)),
        *map(u16, ports),
        tlv(Par.AI_STOP_TRIGGER, u8(0), u32(0)),
        inventory,
    )
    boundary = tlv(
        Par.RO_BOUNDARY_SPEC,
        tlv(Par.RO_START_TRIGGER, u8(0)),
        tlv(Par.RO_STOP_TRIGGER, u8(0), u32(0)),
    )
    state = u8(0) + u8(0)
    spec = tlv(Par.RO_SPEC, u32(ROSPEC_ID), state, boundary, inventories, wishes.reports())
    return Plan(spec, tuple(wishes.complaints))


def add_rospec(number: int, rospec: bytes) -> bytes:
    """Add a ROSpec, which then waits to be enabled and started."""
    return message(Msg.ADD_ROSPEC, number, rospec)


class _Wishes:
    """Turns options into parameters one reader accepts."""

    def __init__(self, options: Options, reader: Capabilities) -> None:
        self.complaints: list[str] = []
        self._options = options
        self._reader = reader

    def antenna_configurations(self) -> list[bytes]:
        """Return an AntennaConfiguration per antenna with a power of its own, else one for all."""
        command = self._command()
        powers = dict(self._options.power_dbm)
        if not powers or 0 in powers:
            parts = self._transmitter(powers[0]) + command if powers else command
            return [tlv(Par.ANTENNA_CONFIGURATION, u16(0), parts)] if parts else []
        every = range(1, max(self._reader.antennas, *powers) + 1)
        chosen = self._options.antennas or tuple(every)
        return [
            tlv(
                Par.ANTENNA_CONFIGURATION,
                u16(port),
                self._transmitter(powers[port]) if port in powers else b"",
                command,
            )
            for port in chosen
            if port in powers or command
        ]

    def reports(self) -> bytes:
        """Return the ROReportSpec: one report per observation."""
        options = self._options
        octane = b""
        if self._reader.is_impinj:
            wanted = [Impinj.ENABLE_PEAK_RSSI]
            wanted += [Impinj.ENABLE_PHASE] if options.phase else []
            wanted += [Impinj.ENABLE_DOPPLER] if options.doppler else []
            wanted += [Impinj.ENABLE_TID] if options.tid else []
            enabled = (custom(IMPINJ, subtype, u16(1)) for subtype in wanted)
            octane = custom(IMPINJ, Impinj.REPORT_CONTENT, *enabled)
        elif options.phase or options.doppler or options.tid:
            self.complaints.append("phase, doppler and tid are told by Impinj readers only")
        memory = tlv(Par.C1G2_MEMORY_SELECTOR, u8(0))
        content = tlv(Par.CONTENT_SELECTOR, u16(_CONTENT), memory)
        return tlv(Par.RO_REPORT_SPEC, u8(_UPON_N_TAGS), u16(1), content, octane)

    def _command(self) -> bytes:
        """Return how tags are called; nothing where neither options nor the reader say how."""
        options, impinj = self._options, self._reader.is_impinj
        parts = b""
        mode = self._mode()
        if mode is not None:
            parts += tlv(Par.RF_CONTROL, u16(mode), u16(0))
        if impinj or options.session is not None or options.population is not None:
            session = _SESSION_DUAL if impinj else 1
            session = session if options.session is None else options.session
            population = options.population or _POPULATION
            parts += tlv(Par.SINGULATION, u8(session << 6), u16(population), u32(0))
        if impinj:
            search = _DUAL_TARGET if options.search is None else options.search
            parts += custom(IMPINJ, Impinj.SEARCH_MODE, u16(search))
        elif options.search is not None:
            self.complaints.append("search modes are known by Impinj readers only")
        return tlv(Par.INVENTORY_COMMAND, u8(0), parts) if parts else b""

    def _mode(self) -> int | None:
        offered, wanted = self._reader.modes, self._options.mode
        if wanted is None:
            return _AUTOSET if self._reader.is_impinj and _AUTOSET in offered else None
        if wanted in offered:
            return wanted
        words = ", ".join(map(str, offered)) or "none by number"
        self.complaints.append(f"RF mode {wanted} is not offered here; offered: {words}")
        return None

    def _transmitter(self, dbm: float) -> bytes:
        reader = self._reader
        index = reader.power_index(dbm)
        if index is None:
            lowest = min(reader.powers.values(), default=None)
            least = "it told no powers" if lowest is None else f"its lowest is {lowest / 100:g}"
            self.complaints.append(f"{dbm:g} dBm cannot be set on this reader: {least}")
            return b""
        # Where the region hops the channel is the reader's choice; else it is the first one.
        hops = reader.hop_table is not None
        table, channel = (reader.hop_table or 0, 0) if hops else (0, 1)
        return tlv(Par.RF_TRANSMITTER, u16(table), u16(channel), u16(index))
