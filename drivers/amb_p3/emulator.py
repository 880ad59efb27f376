"""A decoder made of software: it streams to everybody, and answers time, version and resend."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from bridge.domain.reads import DAY_NS, NS_PER_S
from bridge.driver_api import MAIN, Chip, Emulator, Out, Shelf, Sighting
from drivers.amb_p3 import frames, lines, records
from drivers.amb_p3.emulator_setup import Setup, setup_of
from drivers.amb_p3.frames import Broken, Frame, Kind
from drivers.amb_p3.stream import Shape, Splitter

STATUS_EVERY_NS: Final = 4 * NS_PER_S
_GATE: Final = Chip("9992")
_MOST_RESENT: Final = 5_000
_BAD_CRC, _UNKNOWN_TOR, _NO_PARAMETERS = 1, 4, 5
_DESCRIPTION: Final = b"AMBrc decoder"


def make(options: Mapping[str, object]) -> Emulator:
    """Return a decoder as `emulator_setup.Setup` describes it.

    Raises:
        ValueError: An option is unknown or cannot be so.
    """
    setup = setup_of(options)
    return AsciiDecoder(setup) if setup.dialect == "ascii" else P3Decoder(setup)


class P3Decoder:
    """P3 on TCP: no greeting, any number of clients, memory while nobody listens."""

    def __init__(self, setup: Setup) -> None:
        self.channels: Mapping[str, int] = {MAIN: 5403}
        self.piece: tuple[int, int] | None = (5, 90) if setup.cut else None
        self._setup = setup
        self._id = bytes.fromhex(setup.decoder)
        self._shelf = Shelf()
        self._clients: dict[int, Splitter] = {}
        self._status_at: int | None = None
        self._statuses = 0
        self._answers: Mapping[int, Callable[[Frame, int], list[bytes]]] = {
            Kind.GET_TIME: lambda _, now_ns: [self._time(now_ns)],
            Kind.VERSION: lambda _, __: [self._version()],
            Kind.STATUS: lambda _, __: [self._status()],
            Kind.RESEND: lambda frame, _: self._resend(frame),
        }

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Say nothing: status and passings come by themselves."""
        self._clients[client] = Splitter()
        return []

    def disconnected(self, client: int) -> None:
        """Forget the client; passings go on being numbered."""
        self._clients.pop(client, None)

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        """Answer requests; what is no frame is ignored."""
        splitter = self._clients.get(client)
        pieces = splitter.feed(data) if splitter else []
        answers: list[bytes] = []
        for piece in pieces:
            if piece.shape is Shape.FRAME:
                answers += self._answer(piece.raw, now_ns)
        return [Out(b"".join(answers), client)] if answers else []

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """Number, keep and send a passing."""
        return [Out(self._passing(self._shelf.add(sighting)))]

    def marked(self, name: str, stamp: int) -> Sequence[Out]:  # noqa: ARG002
        """Send the signal of a start gate, whatever it was that fired."""
        return self.sighted(Sighting(chip=_GATE, stamp=stamp))

    def tick(self, now_ns: int) -> Sequence[Out]:
        """Send the status when it is due."""
        if self._status_at is not None and now_ns < self._status_at:
            return []
        self._status_at = now_ns + STATUS_EVERY_NS
        return [Out(self._status())]

    def _answer(self, raw: bytes, now_ns: int) -> list[bytes]:
        frame = frames.parse(raw)
        if isinstance(frame, Broken):
            return [_error(_BAD_CRC)]
        handler = self._answers.get(frame.kind)
        return handler(frame, now_ns) if handler else [_error(_UNKNOWN_TOR)]

    def _passing(self, sighting: Sighting) -> bytes:
        number = (self._setup.first_number + sighting.seq - 1) & 0xFFFFFFFF
        numbered = Sighting(
            chip=sighting.chip, stamp=sighting.stamp, rssi=sighting.rssi, seq=number
        )
        code = ""
        if self._setup.model == "prochip" and sighting.chip != _GATE:
            code = f"FL-{int(sighting.chip) % 100_000:05d}"
        offset = self._setup.utc_offset_us if self._setup.utc else None
        fields = records.passing_fields(numbered, self._id, code=code, utc_offset_us=offset)
        return frames.build(Kind.PASSING, fields)

    def _status(self) -> bytes:
        self._statuses += 1
        noise = (0x01, (35 + self._statuses * 7 % 28).to_bytes(2, "little"))
        temperature, no_gps = (0x07, b"\x16\0"), (0x06, bytes([self._setup.utc]))
        if self._setup.model == "prochip":
            fields = [noise, temperature, no_gps, (0x0A, b"\x01")]
        else:
            fields = [noise, temperature, (0x0C, b"\x76"), no_gps]
        return frames.build(Kind.STATUS, [*fields, (frames.DECODER_ID, self._id)])

    def _time(self, now_ns: int) -> bytes:
        us = now_ns // records.US_NS
        fields = [
            (records.CLOCK_RTC, us.to_bytes(8, "little")),
            (records.CLOCK_FLAGS, b"\0\0"),
            (frames.DECODER_ID, self._id),
        ]
        if self._setup.utc:
            utc = us + self._setup.utc_offset_us
            fields.insert(2, (records.CLOCK_UTC, utc.to_bytes(8, "little")))
        return frames.build(Kind.GET_TIME, fields)

    def _version(self) -> bytes:
        fields = [(0x01, b"\x10"), (0x02, _DESCRIPTION), (0x03, b"4.5"), (0x04, b"1")]
        return frames.build(Kind.VERSION, [*fields, (frames.DECODER_ID, self._id)])

    def _resend(self, frame: Frame) -> list[bytes]:
        first, until = frame.number(records.FROM), frame.number(records.UNTIL)
        if self._setup.resend == "silent":
            return []
        if first is None or until is None or self._setup.resend == "error":
            return [_error(_NO_PARAMETERS)]
        start = first - self._setup.first_number + 1
        count = min(until - first + 1, _MOST_RESENT)
        if start < 1:
            start, count = 1, count + start - 1
        return [self._passing(kept) for kept in self._shelf.read(start, count)]


def _error(code: int) -> bytes:
    return frames.build(Kind.ERROR, [(0x01, bytes([code, 0]))])


class AsciiDecoder:
    """An older AMBrc: lines on a serial port, one numbering for passings and status."""

    def __init__(self, setup: Setup) -> None:
        self.channels: Mapping[str, int] = {MAIN: 5403}
        self.piece: tuple[int, int] | None = (5, 40) if setup.cut else None
        self._setup = setup
        self._shelf = Shelf()
        self._clients: dict[int, Splitter] = {}
        self._status_at: int | None = None

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Say nothing."""
        self._clients[client] = Splitter()
        return []

    def disconnected(self, client: int) -> None:
        """Forget the client."""
        self._clients.pop(client, None)

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Send one record again where that is asked for; ignore everything else."""
        splitter = self._clients.get(client)
        again: list[bytes] = []
        for piece in splitter.feed(data) if splitter else []:
            kind, *fields = piece.raw.strip(b"\x01\r\n").split(b"\t")
            wanted = fields[-1] if fields else b""
            resend = kind == b"?" and fields[1:-1] == [b"0", b"13", b"2"] and wanted.isdigit()
            if resend and self._setup.resend == "answer":
                start = int(wanted) - self._setup.first_number + 1
                again += map(self._line, self._shelf.read(start, 1) if start > 0 else [])
        return [Out(b"".join(again), client)] if again else []

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """Number, keep and send a passing."""
        return [Out(self._line(self._shelf.add(sighting)))]

    def marked(self, name: str, stamp: int) -> Sequence[Out]:  # noqa: ARG002
        """Do nothing: it has no button."""
        return []

    def tick(self, now_ns: int) -> Sequence[Out]:
        """Send the status when it is due; it has a number and is kept like a passing."""
        if self._status_at is not None and now_ns < self._status_at:
            return []
        self._status_at = now_ns + STATUS_EVERY_NS
        return [Out(self._line(self._shelf.add(Sighting(chip=Chip(""), stamp=now_ns))))]

    def _line(self, kept: Sighting) -> bytes:
        number = self._setup.first_number + kept.seq - 1
        decoder = str(int(self._setup.decoder[:2], 16))
        if not kept.chip:
            return lines.build("#", [decoder, str(number), "0"])
        stamp = kept.stamp % DAY_NS
        numbered = Sighting(chip=kept.chip, stamp=stamp, rssi=kept.rssi, seq=number)
        return lines.passing_line(numbered, decoder)
