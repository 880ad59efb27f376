"""What a reader says of itself: capabilities, configuration, ROSpecs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from drivers.llrp.wire import IMPINJ, ZEBRA, Impinj, Par, number, params, text

_VENDORS: Final[Mapping[int, str]] = {IMPINJ: "Impinj", ZEBRA: "Zebra"}
_HAS_UTC: Final = 0x4000
_CAN_HOLD: Final = 0x08
_ON: Final = 0x80
_GENERAL_LEN: Final = 12
_LLRP_ROSPECS: Final = 4
_REGULATORY_LEN: Final = 4
_ROSPEC_LEN: Final = 6
ACTIVE: Final = 2
"""State of a ROSpec that is being executed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """GET_READER_CAPABILITIES_RESPONSE, as far as a timer needs it."""

    vendor: int = 0
    model: int = 0
    firmware: str = ""
    antennas: int = 0
    gpis: int = 0
    has_utc: bool = True
    can_hold: bool = False
    most_rospecs: int = 0
    """0: not told."""
    powers: Mapping[int, int] = field(default_factory=dict)
    """Index of the transmit power table -> hundredths of dBm."""
    modes: tuple[int, ...] = ()
    """RF mode identifiers on offer."""
    hop_table: int | None = None
    """Id of the first hop table where the region hops, else None."""

    @property
    def is_impinj(self) -> bool:
        """Whether Octane's extensions are there."""
        return self.vendor == IMPINJ

    @property
    def maker(self) -> str:
        """Who made it, in words or by IANA number."""
        return _VENDORS.get(self.vendor, str(self.vendor))

    def power_index(self, dbm: float) -> int | None:
        """Return the index of the highest power not above `dbm`, None if all are above it."""
        wanted = round(dbm * 100)
        fitting = [(power, index) for index, power in self.powers.items() if power <= wanted]
        return max(fitting)[1] if fitting else None


def capabilities(body: bytes) -> Capabilities:
    """Parse the response's parameters; what is missing has its default."""
    told: dict[str, object] = {}
    for param in params(body):
        match param.kind:
            case Par.GENERAL_CAPABILITIES:
                told |= _general(param.body)
            case Par.LLRP_CAPABILITIES:
                told["can_hold"] = bool((number(param.body, 0, 1) or 0) & _CAN_HOLD)
                told["most_rospecs"] = number(param.body, _LLRP_ROSPECS, 4) or 0
            case Par.REGULATORY_CAPABILITIES:
                for band in params(param.body, _REGULATORY_LEN):
                    if band.kind == Par.UHF_BAND_CAPABILITIES:
                        told |= _band(band.body)
            case _:
                pass
    return Capabilities(**told)  # type: ignore[arg-type] # each by its name


def _general(body: bytes) -> dict[str, object]:
    firmware, end = text(body, _GENERAL_LEN)
    gpis = 0
    for param in params(body, end):
        if param.kind == Par.GPIO_CAPABILITIES:
            gpis = number(param.body, 0, 2) or 0
    return {
        "antennas": number(body, 0, 2) or 0,
        "has_utc": bool((number(body, 2, 2) or 0) & _HAS_UTC),
        "vendor": number(body, 4, 4) or 0,
        "model": number(body, 8, 4) or 0,
        "firmware": firmware,
        "gpis": gpis,
    }


def _band(body: bytes) -> dict[str, object]:
    powers: dict[int, int] = {}
    modes: list[int] = []
    hop_table: int | None = None
    for param in params(body):
        match param.kind:
            case Par.POWER_LEVEL_ENTRY:
                index, power = number(param.body, 0, 2), number(param.body, 2, 2)
                if index is not None and power is not None:
                    powers[index] = power - (power >> 15 << 16)
            case Par.FREQUENCY_INFORMATION if (number(param.body, 0, 1) or 0) & _ON:
                for table in params(param.body, 1):
                    if table.kind == Par.FREQUENCY_HOP_TABLE and hop_table is None:
                        hop_table = number(table.body, 0, 1)
            case Par.RF_MODE_TABLE:
                entries = (p.body for p in params(param.body) if p.kind == Par.RF_MODE_ENTRY)
                modes += [mode for entry in entries if (mode := number(entry, 0, 4)) is not None]
            case _:
                pass
    return {"powers": powers, "modes": tuple(modes), "hop_table": hop_table}


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """GET_READER_CONFIG_RESPONSE: only what this one told."""

    state_value: int | None = None
    """Changes only when the configuration or the set of ROSpecs changes."""
    identity: str | None = None
    """MAC address or EPC of the reader, upper-case hex."""
    antennas: Mapping[int, bool] = field(default_factory=dict)
    """Port -> an antenna is connected."""
    gpis: Mapping[int, int] = field(default_factory=dict)
    """Port -> 0 low, 1 high, 2 not known."""
    keepalive_ms: int | None = None
    holds: bool | None = None
    temperature_c: int | None = None

    @property
    def fields(self) -> dict[str, object]:
        """Return it by the names that health has for it."""
        told: dict[str, object] = {}
        if self.antennas:
            top = max(self.antennas)
            told["antennas"] = "".join(
                "1" if self.antennas.get(port) else "0" for port in range(1, min(top, 64) + 1)
            )
        if self.identity is not None:
            told["serial"] = self.identity
        if self.temperature_c is not None:
            told["temperature_c"] = self.temperature_c
        if self.keepalive_ms is not None:
            told["keepalive_ms"] = self.keepalive_ms
        if self.holds is not None:
            told["holds_reports"] = self.holds
        told |= {f"gpi{port}": level for port, level in self.gpis.items() if level in (0, 1)}
        return told


def configuration(body: bytes) -> Configuration:
    """Parse the response's parameters."""
    told: dict[str, object] = {}
    antennas: dict[int, bool] = {}
    gpis: dict[int, int] = {}
    for kind, content, vendor, subtype in params(body):
        first = number(content, 0, 1) or 0
        match kind:
            case Par.STATE_VALUE:
                told["state_value"] = number(content, 0, 4)
            case Par.IDENTIFICATION:
                size = number(content, 1, 2) or 0
                told["identity"] = content[3 : 3 + size].hex().upper() or None
            case Par.ANTENNA_PROPERTIES:
                antennas[number(content, 1, 2) or 0] = bool(first & _ON)
            case Par.GPI_STATE:
                gpis[number(content, 0, 2) or 0] = number(content, 3, 1) or 0
            case Par.KEEPALIVE_SPEC:
                told["keepalive_ms"] = (number(content, 1, 4) or 0) if first else 0
            case Par.EVENTS_AND_REPORTS:
                told["holds"] = bool(first & _ON)
            case Par.CUSTOM if (vendor, subtype) == (IMPINJ, Impinj.TEMPERATURE):
                degrees = number(content, 0, 2) or 0
                told["temperature_c"] = degrees - (degrees >> 15 << 16)
    return Configuration(antennas=antennas, gpis=gpis, **told)  # type: ignore[arg-type]


def rospecs(body: bytes) -> dict[int, int]:
    """Return the reader's ROSpecs: id -> 0 disabled, 1 inactive, 2 active."""
    found = {}
    for param in params(body):
        if param.kind == Par.RO_SPEC and len(param.body) >= _ROSPEC_LEN:
            found[int.from_bytes(param.body[:4], "big")] = param.body[5]
    return found
