"""A SPORTident station made of software, or an SRR receiver behind which stations punch."""

from collections.abc import Mapping, Sequence
from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import MAIN, Emulator, Out, Sighting
from drivers.sportident import punches
from drivers.sportident.frames import NOISE, Frames, build

_NAK: Final = b"\x15"
_SET_CLOCK: Final = 0xF6
_SYSTEM_BYTES: Final = 128
_SERIAL: Final = (0x00, (123_456).to_bytes(4, "big"))
_MODE: Final = (0x71, b"\x02")
"""A control."""
_PROTOCOL: Final = (0x74, b"\x03")
"""Extended protocol, autosend."""
_RADIO: Final = 0x8000
_KEEPALIVE_NS: Final = 50 * NS_PER_S
_CLOCK_BYTES: Final = 7


class Station:
    """A control station in autosend mode; its memory keeps each punch."""

    piece: tuple[int, int] | None = None

    def __init__(self, control: int) -> None:
        self.channels: Mapping[str, int] = {MAIN: 7000}
        self._control = control
        self._memory = bytearray()
        self._frames: dict[int, Frames] = {}
        self._shift_ns = 0

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Say nothing: the host speaks first."""
        self._frames[client] = Frames()
        return []

    def disconnected(self, client: int) -> None:
        """Keep the memory."""
        self._frames.pop(client, None)

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        """Answer commands."""
        frames = self._frames.get(client)
        pieces = frames.feed(data) if frames else []
        answers = [
            self._answer(piece.command, piece.data, now_ns)
            for piece in pieces
            if piece.command != NOISE
        ]
        return [Out(b"".join(answers), client)] if answers else []

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """Store the punch and send it."""
        stamp = sighting.stamp + self._shift_ns
        address = punches.FIRST_RECORD + len(self._memory)
        self._memory += punches.record_of(sighting.chip, stamp)
        tail = address.to_bytes(3, "big")
        return [Out(punches.punch_frame(self._control, sighting.chip, stamp, tail))]

    def marked(self, name: str, stamp: int) -> Sequence[Out]:  # noqa: ARG002
        """Do nothing: it has no button."""
        return []

    def tick(self, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Do nothing."""
        return []

    def _answer(self, command: int, data: bytes, now_ns: int) -> bytes:
        control = self._control.to_bytes(2, "big")
        match command:
            case punches.SET_MODE if len(data) == 1:
                return build(command, control + data)
            case punches.GET_CLOCK:
                return build(command, control + self._clock(now_ns + self._shift_ns))
            case _ if command == _SET_CLOCK and len(data) == _CLOCK_BYTES:
                return self._set_clock(control + data, now_ns)
            case punches.GET_SYSTEM if len(data) == 2:  # noqa: PLR2004
                values = self._system()[data[0] : data[0] + data[1]]
                return build(command, control + data[:1] + values)
            case punches.GET_BACKUP if len(data) == 4:  # noqa: PLR2004
                start = int.from_bytes(data[:3], "big") - punches.FIRST_RECORD
                found = bytes(self._memory[max(start, 0) :][: data[3]])
                return build(command, control + data[:3] + found.ljust(data[3], b"\xff"))
            case _:
                return _NAK

    def _clock(self, stamp: int) -> bytes:
        flags, time = punches.half_day(stamp)
        return bytes((*punches.date_bytes(stamp), flags)) + time

    def _set_clock(self, data: bytes, now_ns: int) -> bytes:
        wanted = punches.clock_of(data)
        if wanted is None:
            return _NAK
        self._shift_ns = wanted - now_ns
        return build(_SET_CLOCK, data)

    def _system(self) -> bytes:
        values = bytearray(_SYSTEM_BYTES)
        free = (punches.FIRST_RECORD + len(self._memory)).to_bytes(4, "big")
        code = bytes((self._control & 0xFF,))
        for at, value in (
            _SERIAL,
            (0x1C, free[:2]),
            (0x21, free[2:]),
            _MODE,
            (0x72, code),
            _PROTOCOL,
        ):
            values[at : at + len(value)] = value
        return bytes(values)


class RadioReceiver:
    """An SRR receiver: each punch comes twice, nothing is stored, nothing is answered."""

    piece: tuple[int, int] | None = None

    def __init__(self, control: int) -> None:
        self.channels: Mapping[str, int] = {MAIN: 7000}
        self._control = control
        self._count = 0
        self._next_ns: int | None = None

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Say nothing."""
        return []

    def disconnected(self, client: int) -> None:
        """Keep nothing."""

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Ignore it."""
        return []

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """Send the punch, and again as if the radio's acknowledgement had been lost."""
        self._count += 1
        tail = bytes((0, 0, self._count & 0xFF))
        frame = punches.punch_frame(self._control | _RADIO, sighting.chip, sighting.stamp, tail)
        return [Out(frame * 2)]

    def marked(self, name: str, stamp: int) -> Sequence[Out]:  # noqa: ARG002
        """Do nothing: it has no button."""
        return []

    def tick(self, now_ns: int) -> Sequence[Out]:
        """Give the sign of life of its radio channel every 50 s."""
        due = self._next_ns
        if due is not None and now_ns < due:
            return []
        self._next_ns = now_ns + _KEEPALIVE_NS
        return [Out(build(punches.KEEPALIVE, b"\0\0\0"))] if due is not None else []


def make(options: Mapping[str, object]) -> Emulator:
    """Return the emulator; options: `control` 1 to 1023, `radio` true for an SRR receiver.

    Raises:
        ValueError: An option is unknown or out of range; the text says what is allowed.
    """
    for name in options:
        if name not in ("control", "radio"):
            raise ValueError(f"unknown emulator option {name!r}; allowed: control, radio")
    control = str(options.get("control", 31))
    if not control.isdecimal() or not 0 < int(control) < 1024:  # noqa: PLR2004
        raise ValueError(f"emulator option 'control' is {control!r}; allowed: 1 to 1023")
    radio = options.get("radio", False)
    if radio not in (True, False):
        raise ValueError(f"emulator option 'radio' is {radio!r}; allowed: true, false")
    return RadioReceiver(int(control)) if radio else Station(int(control))
