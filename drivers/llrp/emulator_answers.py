"""What an emulated reader says of itself: capabilities and configuration as an R420 gives them."""

from typing import Final

from drivers.llrp.emulated_reader import VENDORS, EmulatedReader
from drivers.llrp.wire import IMPINJ, Impinj, Par, custom, status, tlv, u8, u16, u32

_MODES: Final = {
    "impinj": (0, 1, 2, 3, 4, 1000, 1002, 1003),
    "zebra": (1, 2, 3),
    "generic": (1, 2),
}
_POWERS: Final = tuple(range(1000, 3025, 25))
"""10 to 30 dBm in steps of a quarter, as an R420 in an FCC region."""
_HOPS: Final = tuple(902_750 + 500 * channel for channel in range(50))
_RECEIVE_TABLE, _PER_ANTENNA, _MODE_TABLE, _MODE_ENTRY = 139, 140, 328, 329
_FCC, _USA = 1, 840
_HOLDING: Final = 0x08
_WARNS: Final = 0x40
_HAS_UTC: Final = 0x4000
_ON: Final = 0x80
_TEMPERATURE_C: Final = 41
_MAC: Final = bytes.fromhex("001625ffff10ba47")
_ALL: Final = 0


def capabilities(reader: EmulatedReader, what: int) -> bytes:
    """Return the parameters of GET_READER_CAPABILITIES_RESPONSE: 0 all, 1 to 3 one part."""
    parts = {1: _general(reader), 2: _llrp(reader), 3: _regulatory(reader)}
    chosen = [part for number, part in parts.items() if what in (_ALL, number)]
    return b"".join([status(), *chosen])


def _general(reader: EmulatedReader) -> bytes:
    setup = reader.setup
    vendor, model, firmware = VENDORS[setup.vendor]
    said = firmware.encode()
    return tlv(
        Par.GENERAL_CAPABILITIES,
        u16(setup.antennas),
        u16(_HAS_UTC if setup.clock == "utc" else 0),
        u32(vendor),
        u32(model),
        u16(len(said)),
        said,
        tlv(_RECEIVE_TABLE, u16(1), u16(0)),
        tlv(Par.GPIO_CAPABILITIES, u16(len(reader.gpis)), u16(4)),
        *(tlv(_PER_ANTENNA, u16(port), u16(1), u8(1)) for port in range(1, setup.antennas + 1)),
    )


def _llrp(reader: EmulatedReader) -> bytes:
    flags = _WARNS | (_HOLDING if reader.setup.hold else 0)
    limits = (reader.most_rospecs, 32, 1, 1508, 8)
    return tlv(Par.LLRP_CAPABILITIES, u8(flags), u8(1), u16(0), *map(u32, limits))


def _regulatory(reader: EmulatedReader) -> bytes:
    powers = (
        tlv(Par.POWER_LEVEL_ENTRY, u16(index), u16(power))
        for index, power in enumerate(_POWERS, start=1)
    )
    hops = tlv(Par.FREQUENCY_HOP_TABLE, u8(1), u8(0), u16(len(_HOPS)), *map(u32, _HOPS))
    modes = (_mode(mode) for mode in _MODES[reader.setup.vendor])
    band = tlv(
        Par.UHF_BAND_CAPABILITIES,
        *powers,
        tlv(Par.FREQUENCY_INFORMATION, u8(_ON), hops),
        tlv(_MODE_TABLE, *modes),
    )
    return tlv(Par.REGULATORY_CAPABILITIES, u16(_USA), u16(_FCC), band)


def _mode(mode: int) -> bytes:
    rates = (40_000, 1_500, 6_250, 6_250, 0)
    return tlv(_MODE_ENTRY, u32(mode), u8(_ON), u8(2), u8(0), u8(2), *map(u32, rates))


def configuration(reader: EmulatedReader, what: int) -> bytes:
    """Return the parameters of GET_READER_CONFIG_RESPONSE: 0 all, else the item of that number."""
    setup = reader.setup
    events = (
        tlv(Par.EVENT_STATE, u16(kind), u8(_ON if kind in reader.events else 0))
        for kind in range(9)
    )
    parts = {
        1: tlv(Par.IDENTIFICATION, u8(0), u16(len(_MAC)), _MAC),
        2: b"".join(
            tlv(Par.ANTENNA_PROPERTIES, u8(_ON), u16(port), u16(0))
            for port in range(1, setup.antennas + 1)
        ),
        5: tlv(Par.EVENT_SPEC, *events),
        7: tlv(Par.STATE_VALUE, u32(reader.state_value)),
        8: tlv(Par.KEEPALIVE_SPEC, u8(reader.keepalive_ms > 0), u32(reader.keepalive_ms)),
        9: b"".join(
            tlv(Par.GPI_STATE, u16(port), u8(_ON if on else 0), u8(reader.gpi_levels[port]))
            for port, on in reader.gpis.items()
        ),
        10: b"".join(tlv(Par.GPO_WRITE, u16(port), u8(0)) for port in range(1, 5)),
        11: tlv(Par.EVENTS_AND_REPORTS, u8(_ON if reader.holds else 0)),
    }
    chosen = [part for number, part in parts.items() if what in (_ALL, number)]
    if what == _ALL and setup.vendor == "impinj":
        chosen.append(custom(IMPINJ, Impinj.TEMPERATURE, u16(_TEMPERATURE_C)))
    return b"".join([status(), *chosen])


__all__ = ["capabilities", "configuration", "status"]
