"""From the bytes of one connection to frames and what they tell; nothing is answered here."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from bridge.driver_api import Alarm, Control, Kept, Marker, Read, Reason, Rejected
from drivers.mylaps import frames, key_values, markers, read_lite
from drivers.mylaps.devices import DeviceWatch

_Decode = Callable[[bytes, bytes, str], Read | Marker | Rejected]
"""(record, its share of the wire, location) -> what it is."""
_SHORTEST: Final = 2
"""Source and function."""
_NUMBERED: Final = 5
"""Source, function, a record, the number, and nothing before the ``$``."""
_SILENT: Final = b"Ack"
"""How the functions begin that answer something: they are not answered."""
_PLAIN: Final = frozenset(
    b"Ping Pong AckPing GetInfo GetLocations AckPong AckStore AckPassing AckMarker AuthOk "
    b"AuthFailed".split()
)
"""Functions known to us whose frames are told by name; the last six are a server's."""
_LINE_END: Final = b"\r\n"


class Heard(NamedTuple):
    """One piece of the stream: what is kept of it, and what it was, for whoever answers."""

    events: Sequence[Kept]
    function: str = ""
    """Empty: not a frame."""
    source: str = ""
    fields: tuple[str, ...] = ()
    """Of every frame but those with records."""
    number: int | None = None
    """Of a frame that wants to be acknowledged."""


class Decoder:
    """Decode one connection. Total; every byte fed comes back once, or is in `pending`.

    One exception, at equal length: the password of a login comes back masked.
    """

    def __init__(self, *, trust_utc: bool) -> None:
        self._cutter = frames.Cutter()
        self._devices = DeviceWatch()
        passings = key_values.KeyValueReader(trust_utc=trust_utc)
        self._records: Mapping[bytes, _Decode] = {
            b"Store": read_lite.ReadLiteReader().read,
            b"Passing": passings.read,
            b"Marker": markers.decode,
        }
        self._after_login = False

    @property
    def pending(self) -> bytes:
        """Bytes of a frame that is not complete yet, fewer than `frames.MAX_FRAME`."""
        held = self._cutter.pending
        return frames.mask(held) if self._after_login else frames.hide_login(held)

    def feed(self, data: bytes) -> list[Heard]:
        """Take bytes as they came; return what is complete, in wire order."""
        found: list[Heard] = []
        for piece in self._cutter.feed(data):
            self._take(piece, found)
        return found

    def alarms(self) -> list[Alarm]:
        """Return what a person must know of the devices, as far as it changed."""
        return self._devices.alarms()

    def _take(self, piece: bytes, found: list[Heard]) -> None:
        if piece == _LINE_END:
            found.append(_BETWEEN)
            return
        fields = piece.split(b"@")
        decode = self._records.get(fields[1]) if len(fields) >= _NUMBERED else None
        if frames.LOGIN_MARK in piece:  # as the function, or in the middle of what was cut off
            decode = None
        if decode is None or fields[-1] != frames.END or not _is_gap_in_front(piece):
            self._take_other(piece, found)
        else:
            self._after_login = False
            found.append(_with_records(fields, decode))

    def _take_other(self, piece: bytes, found: list[Heard]) -> None:
        if not piece.strip(frames.GAP):
            found.append(Heard([Control(piece, "line end")]))
            return
        start = max(piece.rfind(b"\0"), piece.rfind(b"\r")) + 1
        if piece.endswith(frames.END) and piece[:start].strip(frames.GAP):
            found.append(self._damage(piece[:start]))  # what was cut off before the gap
            self._take(piece[start:], found)
            return
        fields = piece.lstrip(frames.GAP)[:-1].split(b"@")
        is_frame = piece.endswith(frames.END) and len(fields) >= _SHORTEST
        is_cut_off = frames.LOGIN in fields[_SHORTEST:]
        if is_frame and not is_cut_off and frames.FUNCTION.fullmatch(fields[1]):
            found.append(self._frame(piece, fields))
        else:
            found.append(self._damage(piece))

    def _damage(self, piece: bytes) -> Heard:
        """Reject a piece; behind a login it may be the rest of a password with a ``$`` in it."""
        raw = frames.mask(piece) if self._after_login else frames.hide_login(piece)
        if raw.endswith(b"\n"):
            return Heard([Rejected(raw, Reason.FRAMING, "a line end inside a frame")])
        if len(raw) < frames.MAX_FRAME:
            return Heard([Rejected(raw, Reason.FRAMING, "not Source@Function@...")])
        return Heard([Rejected(raw, Reason.OVERLONG, f"no $ within {frames.MAX_FRAME} bytes")])

    def _frame(self, piece: bytes, fields: list[bytes]) -> Heard:
        """Decode a frame with no records, or one whose records have no number behind them."""
        function = fields[1]
        self._after_login = function == frames.LOGIN
        if function == frames.LOGIN:
            piece = frames.hide_login(piece)
        texts = tuple(field.decode("utf-8", "replace") for field in fields[2:])
        source, word = fields[0].decode("utf-8", "replace"), function.decode()
        event: Kept
        if function == frames.LOGIN:
            event = Control(piece, "login", {"user": texts[0] if texts else ""})
        elif function == b"AckGetInfo":
            event = self._devices.told(piece, source, [text for text in texts if text])
        elif function == b"GetLocations" and any(texts):
            event = Control(piece, "locations", {"locations": locations_of(texts)})
        elif function in _PLAIN:
            event = Control(piece, word, {"source": source})
        else:
            return self._unnamed(piece, fields, Heard([], word, source, texts))
        return Heard([event], word, source, texts)

    def _unnamed(self, piece: bytes, fields: list[bytes], heard: Heard) -> Heard:
        """Take a frame of an unknown kind, or of a known one that is not as it should be."""
        ends_well = len(fields) > _SHORTEST + 1 and not fields[-1]
        number = frames.number_of(fields[-2]) if ends_well else None
        if fields[1] in self._records:
            if number is not None:
                event: Kept = Control(piece, f"{heard.function} without records")
            else:
                event = Rejected(piece, Reason.FRAMING, f"{heard.function} without its number")
        else:
            event = Rejected(piece, Reason.UNKNOWN, f"no function {heard.function} is known")
        if fields[1].startswith(_SILENT):
            number = None
        return heard._replace(events=[event], number=number)


_BETWEEN: Final = Heard((Control(_LINE_END, "line end"),))


def locations_of(fields: tuple[str, ...]) -> list[str]:
    """Return the names in the ``ln=`` fields of a GetLocations; a name may hold an ``=``."""
    return [field.partition("=")[2] for field in fields if field.startswith("ln=")]


def record_of(raw: bytes) -> bytes:
    """Return the record in a read's share of the wire, without head, number and end of frame."""
    fields = raw.lstrip(frames.GAP).split(b"@")
    is_head = len(fields) > _SHORTEST and fields[1] in (b"Store", b"Passing")
    return fields[2] if is_head else fields[0]


def _with_records(fields: list[bytes], decode: _Decode) -> Heard:
    """Decode the records of a numbered frame.

    The first record's share of the wire holds the head of the frame, the last one's its end.
    """
    source = fields[0].lstrip(frames.GAP)
    unit = source.decode("utf-8", "replace")
    number = frames.number_of(fields[-2])
    last = len(fields) - 3
    if number is None:
        # Not numbered as it should be: whatever stands there may be one more record.
        last += 1
    head = b"%b@%b@" % (fields[0], fields[1])
    events: list[Kept] = []
    for index in range(2, last + 1):
        record = fields[index]
        raw = b"%b%b@" % (head, record)
        if index == last:
            raw += b"@".join(fields[last + 1 :])
        events.append(decode(record, raw, unit))
        head = b""
    return Heard(events, fields[1].decode(), unit, (), number)


def _is_gap_in_front(piece: bytes) -> bool:
    r"""Tell whether ``\0`` and ``\r`` stand nowhere but in front; ``\n`` cannot be inside."""
    rest = piece.lstrip(frames.GAP)
    return b"\r" not in rest and b"\0" not in rest
