"""TagReportData: tags of one shape are read by one precompiled struct, column by column.

A reader sends the same parameters in the same order for tag after tag. So the way through them is
walked once; what came of it, a `Layout`, knows which bytes are constant and where the values lie,
and takes a whole run of such tags at a time.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cached_property, partial
from itertools import chain, repeat
from struct import Struct
from typing import Final, NamedTuple

from bridge.domain.reads import Read, StampForm
from bridge.driver_api import Kept, Reason, Rejected
from drivers.llrp.wire import IMPINJ, TLV, TLV_LEN, TV_SIZES, TYPE_BITS, Impinj, Par

NS_PER_US: Final = 1_000
LATEST_US: Final = 9_000_000_000_000_000
"""Year 2255: a stamp beyond it is no time, and would not fit the journal."""
MOST_LAYOUTS: Final = 256
MOST_AT_ONCE: Final = 512
"""Tags matched by one pattern: the engine keeps a few hundred bytes for each."""
_MOST_TEXTS: Final = 8_192

_TV_NAMES: Final = {
    1: "antenna", 2: "first_utc", 3: "first_uptime", 4: "last_utc", 5: "last_uptime", 6: "rssi",
    7: "channel", 8: "count", 9: "rospec", 10: "inventory_spec", 11: "crc", 12: "pc", 13: "epc",
    14: "spec_index", 15: "client_op", 16: "accessspec", 17: "op", 18: "singulation", 19: "xpc_1",
    20: "xpc_2",
}  # fmt: skip
_IMPINJ_NAMES: Final[Mapping[int, tuple[str, int]]] = {
    Impinj.PHASE: ("phase", 2),
    Impinj.PEAK_RSSI: ("peak_rssi", 2),
    Impinj.DOPPLER: ("doppler", 2),
}
_STAMPS: Final = ("first_utc", "first_uptime", "last_utc", "last_uptime")
"""With one report per observation they are the same; accumulated, the first is the passage."""
_CODES: Final = {"antenna": "H", "rssi": "b", "peak_rssi": "h"} | dict.fromkeys(_STAMPS, "Q")
_CUSTOM_LEN: Final = 12
_WORD: Final = 2


class Segment(NamedTuple):
    """A constant piece of a tag, and the value behind it."""

    constant: bytes
    name: str
    """What the value is; empty: something a timer does not need."""
    size: int


class Walk(NamedTuple):
    """The way through one TagReportData."""

    segments: tuple[Segment, ...]
    end: int
    """Where it had to stop: the length of the data if all could be followed."""
    damaged: bool
    """It stopped at a length that cannot be, not at a type nobody knows."""

    @property
    def has_epc(self) -> bool:
        """Whether it says which tag it was."""
        return any(segment.name == "epc" and segment.size for segment in self.segments)


def walk(data: bytes) -> Walk:
    """Follow the parameters of a TagReportData with its type and length."""
    segments: list[Segment] = []
    head, at, end = data[:TLV_LEN], TLV_LEN, len(data)
    while at < end:
        found = _tv(data, at) if data[at] & 0x80 else _tlv(data, at)
        if found is None:
            break
        segments.append(found._replace(constant=head + found.constant))
        head, at = b"", at + len(found.constant) + found.size
    if head:
        segments.append(Segment(head, "", 0))
    damaged = at < end and not data[at] & 0x80
    return Walk(tuple(segments), at, damaged)


def _tv(data: bytes, at: int) -> Segment | None:
    kind = data[at] & 0x7F
    size = TV_SIZES.get(kind)
    if size is None or at + 1 + size > len(data):
        return None
    return Segment(data[at : at + 1], _TV_NAMES[kind], size)


def _tlv(data: bytes, at: int) -> Segment | None:
    if at + TLV_LEN > len(data):
        return None
    kind, length = TLV.unpack_from(data, at)
    end = at + length
    if length < TLV_LEN or end > len(data) or kind > TYPE_BITS:
        return None
    value, name = at + TLV_LEN, ""
    if kind == Par.EPC_DATA and length >= TLV_LEN + _WORD:
        # A bit array; EPCs of other lengths than 96 bits come like this, and some of 96 too.
        size = (int.from_bytes(data[value : value + _WORD], "big") + 7) // 8
        if size == length - TLV_LEN - _WORD:
            value, name = value + _WORD, "epc"
    elif kind == Par.CUSTOM and data[value : value + 4] == IMPINJ.to_bytes(4, "big"):
        subtype = int.from_bytes(data[value + 4 : value + 8], "big")
        name, size = _IMPINJ_NAMES.get(subtype, ("tid" if subtype == Impinj.TID else "", 0))
        if length == _CUSTOM_LEN + size or (name == "tid" and length > _CUSTOM_LEN):
            value = at + _CUSTOM_LEN
        else:
            name = ""
    return Segment(data[at:value], name, end - value)


class Texts(dict[bytes, str]):
    """EPCs as upper-case hex: all reads of one tag share its text, and the hash kept in it."""

    def __missing__(self, epc: bytes) -> str:
        """Make the text of a tag that is seen for the first time."""
        if len(self) >= _MOST_TEXTS:
            self.clear()
        text = self[epc] = epc.hex().upper()
        return text


class Memory:
    """What one connection's reader has said before.

    Attributes:
        antenna: The last one told: a reader may leave it out while it stays the same.
        unit: The reader's own name, once it has told it.
    """

    def __init__(self) -> None:
        self.antenna: int | None = None
        self.unit: str | None = None
        self.texts = Texts()


_make_read = partial(tuple.__new__, Read)


class Layout:
    """One shape of a tag, with or without the header of the message in front of it.

    Attributes:
        size: Bytes of one.
        form: What its stamps count.
        is_repeated: It came more than once, so a pattern for runs of it pays.
    """

    def __init__(self, segments: tuple[Segment, ...], header: bytes = b"") -> None:
        """Take the way through a tag; `header` are the first 6 bytes of a message of one tag."""
        pieces = (Segment(header, "", 4), *segments) if header else segments
        self._pieces = pieces
        self.is_repeated = False
        self.size = sum(len(piece.constant) + piece.size for piece in pieces)
        names = {piece.name for piece in pieces}
        self._stamp = next((name for name in _STAMPS if name in names), "")
        strength = "peak_rssi" if "peak_rssi" in names else "rssi"
        wanted = {"epc", "antenna", strength, self._stamp} - {""}
        code, order = ">", []
        for piece in pieces:
            code += f"{len(piece.constant)}x"
            if piece.name in wanted and piece.name not in order:
                order.append(piece.name)
                code += _CODES.get(piece.name, f"{piece.size}s")
            else:
                code += f"{piece.size}x"
        self._struct = Struct(code)
        self._whole = Struct(f"{self.size}s")
        self._order = order
        # Time since the reader was switched on counts from 1970 on: a clock that is far off.
        counts = StampForm.UTC if self._stamp.endswith("utc") else StampForm.NAIVE
        self.form = counts if self._stamp else StampForm.ABSENT

    @cached_property
    def runs(self) -> "re.Pattern[bytes]":
        """Match such tags back to back, as many as there are up to a bound.

        Not with a possessive ``++``: Python 3.11.2, which Debian 12 has, matches those wrongly.
        """
        one = b"".join(
            re.escape(piece.constant) + (b".{%d}" % piece.size if piece.size else b"")
            for piece in self._pieces
        )
        return re.compile(b"(?:" + one + b"){1,%d}" % MOST_AT_ONCE, re.DOTALL)

    def reads(self, run: bytes, memory: Memory) -> list[Kept]:
        """Return the reads of a run of such tags."""
        columns = dict(
            zip(self._order, zip(*self._struct.iter_unpack(run), strict=True), strict=True)
        )
        raws = chain.from_iterable(self._whole.iter_unpack(run))
        chips = map(memory.texts.__getitem__, columns["epc"])
        made = zip(
            raws,
            chips,
            self._stamps(columns),
            repeat(self.form),
            self._antennas(columns, memory),
            _strengths(columns),
            repeat(memory.unit),
            repeat(None),
            repeat(None),
        )
        reads: list[Kept] = list(map(_make_read, made))
        if self._stamp and max(columns[self._stamp]) > LATEST_US:
            return [_believable(read) for read in reads]
        return reads

    def _stamps(self, columns: Mapping[str, tuple[int, ...]]) -> Iterable[int]:
        return map(NS_PER_US.__mul__, columns[self._stamp]) if self._stamp else repeat(0)

    @staticmethod
    def _antennas(columns: Mapping[str, tuple[int, ...]], memory: Memory) -> Iterable[int | None]:
        told = columns.get("antenna")
        if told is None:
            return repeat(memory.antenna)
        memory.antenna = told[-1]
        return told


def _strengths(columns: Mapping[str, tuple[int, ...]]) -> Iterable[float | None]:
    if "peak_rssi" in columns:
        return [hundredths / 100 for hundredths in columns["peak_rssi"]]
    return map(float, columns["rssi"]) if "rssi" in columns else repeat(None)


def _believable(read: Kept) -> Kept:
    late = isinstance(read, Read) and read.stamp > LATEST_US * NS_PER_US
    return Rejected(read.raw, Reason.FIELD, "a time beyond the year 2255") if late else read
