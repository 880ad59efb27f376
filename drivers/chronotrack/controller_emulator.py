"""A controller made of software: it connects to its server and speaks first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import MAIN, Chip, Out, Shelf, Sighting
from drivers.chronotrack.stamps import CENTISECOND_NS, print_compact
from drivers.framing import LineBuffer

SOURCE: Final = "I11A9D"
GREETING: Final = f"{SOURCE}~Pro2+1.2.7.2"
"""What a real one says is not on record, only that it says who it is."""
_READERS: Final = ("12000C", "120044")
_TIMER, _EVENT = 160, 18
_PING_EVERY_NS: Final = 15 * NS_PER_S
_PONG_WITHIN_NS: Final = 10 * NS_PER_S
_SHARES: Final = (1.0, 0.5, 0.8)
"""How much of `late_s` one tag after the other takes: so times come out of order."""
_BATCH: Final = 2_000
_MAX_LINE: Final = 512


@dataclass(slots=True)
class _Client:
    lines: LineBuffer = field(default_factory=lambda: LineBuffer(_MAX_LINE))
    accepted: bool = False
    records: int | None = None
    """Number of the next observation to send, once asked for."""
    markers: int | None = None
    pinged_ns: int | None = None
    """When the PING went out that is not answered yet."""
    ping_at_ns: int = 0


class ControllerEmulator:
    """One controller with two readers of four antennas; its file begins at power-up."""

    def __init__(
        self, *, point: str, late_s: float, hits: bool, padded: bool, power_cycle_after: int
    ) -> None:
        self.channels: Mapping[str, int] = {MAIN: 61_610}
        self.piece: tuple[int, int] | None = None
        self._point = point
        self._late_ns = round(late_s * NS_PER_S)
        self._hits = hits
        self._padded = padded
        self._power_cycle_after = power_cycle_after
        self._shelf = Shelf()
        self._marks: list[bytes] = []
        self._waiting: list[tuple[int, Sighting]] = []
        self._seen = 0
        self._clients: dict[int, _Client] = {}

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Say who it is."""
        if not self._marks:
            self._power_up(now_ns)
        self._clients[client] = _Client(ping_at_ns=now_ns + _PING_EVERY_NS)
        return [Out(f"{GREETING}\r\n".encode(), client)]

    def disconnected(self, client: int) -> None:
        """Forget the connection; the file goes on."""
        self._clients.pop(client, None)

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        """Obey RR and MR once the server has acknowledged the greeting."""
        state = self._clients.get(client)
        outs: list[Out] = []
        for raw in state.lines.feed(data) if state else []:
            command, *values = raw.decode("latin-1").strip().split("~")
            if state is None:
                break
            if command == "ACK" and values[:1] == ["PING"]:
                state.pinged_ns, state.ping_at_ns = None, now_ns + _PING_EVERY_NS
            elif command == "ACK":
                state.accepted = True
            elif command in ("RR", "MR") and state.accepted:
                first = values[-1] if values else ""
                number = int(first) if first.isdecimal() and len(first) < 10 else 1  # noqa: PLR2004
                if command == "RR":
                    state.records = max(number, 1)
                else:
                    state.markers = max(number, 1)
                outs += self._due(client, state)
        return outs

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """See a tag; it is reported when its window has passed."""
        share = _SHARES[self._seen % len(_SHARES)]
        self._seen += 1
        self._waiting.append((sighting.stamp + round(self._late_ns * share), sighting))
        return [] if self._late_ns else self._report(sighting.stamp)

    def marked(self, name: str, stamp: int) -> Sequence[Out]:
        """Write a marker: the gun, or the other button."""
        self._mark("Gun" if name == "gun" else "Manual", stamp, "Button Press")
        return self._send()

    def tick(self, now_ns: int) -> Sequence[Out]:
        """Report what was seen, ping, give up a server that does not answer."""
        outs = list(self._report(now_ns))
        for number, client in self._clients.items():
            if client.pinged_ns is not None:
                if now_ns - client.pinged_ns >= _PONG_WITHIN_NS:
                    outs.append(Out(client=number, close=True))
            elif now_ns >= client.ping_at_ns:
                client.pinged_ns = now_ns
                outs.append(Out(b"PING\r\n", number))
        return outs

    def _report(self, now_ns: int) -> Sequence[Out]:
        due = [entry for entry in self._waiting if entry[0] <= now_ns]
        self._waiting = [entry for entry in self._waiting if entry[0] > now_ns]
        for _, sighting in sorted(due, key=itemgetter(0)):
            self._shelf.add(sighting)
        outs = self._send()
        if self._power_cycle_after and len(self._shelf) >= self._power_cycle_after:
            self._power_cycle_after = 0
            self._power_up(now_ns)
            outs += [Out(client=client, close=True) for client in self._clients]
        return outs

    def _power_up(self, now_ns: int) -> None:
        """Begin a new file: numbers begin at 1."""
        self._shelf, self._marks = Shelf(), []
        for kind, detail in (
            ("Powerup", "Controller"),
            ("BoxVersion", "Pro2+1.2.7.2"),
            ("Event", "RACE"),
            ("Point", self._point),
            ("ElectPower", "AC=1  BatA=1* BatB=1"),
        ):
            self._mark(kind, now_ns, detail)

    def _mark(self, kind: str, stamp: int, detail: str) -> None:
        fields = (
            SOURCE,
            len(self._marks) + 1,
            kind,
            len(self._shelf) + 1,
            print_compact(stamp),
            detail,
        )
        self._marks.append(("~".join(["MK", *map(str, fields)]) + "\r\n").encode())

    def _send(self) -> list[Out]:
        return [
            out for number, client in self._clients.items() for out in self._due(number, client)
        ]

    def _due(self, number: int, client: _Client) -> list[Out]:
        data = b""
        if client.markers is not None:
            data += b"".join(self._marks[client.markers - 1 :])
            client.markers = max(client.markers, len(self._marks) + 1)
        if client.records is not None:
            batch = self._shelf.read(client.records, _BATCH)
            data += b"".join(map(self._line, batch))
            client.records += len(batch)
        return [Out(data, number)] if data else []

    def _line(self, sighting: Sighting) -> bytes:
        seq, antenna = sighting.seq, max(sighting.antenna, 1) - 1
        return observed_line(
            sighting,
            reader=_READERS[seq % len(_READERS)],
            own=(seq + 1) // len(_READERS),  # they take turns
            bit=1 << antenna % 4,
            hits=20 if self._hits else None,
            padded=self._padded,
        )


def observed_line(
    sighting: Sighting, *, reader: str, own: int, bit: int, hits: int | None, padded: bool
) -> bytes:
    """Return the record of a controller.

    Args:
        sighting: Its chip is ``number``, or ``number@timer/event``; its stamp is cut to 1/100 s.
        reader: The last six digits of the reader's MAC.
        own: The record's number at that reader.
        bit: The antenna: 1, 2, 4 or 8.
        hits: Reads in the window; None writes none, as older controllers do.
        padded: Numbers get leading zeros, as some controllers write them.
    """
    number, _, codes = Chip(sighting.chip).partition("@")
    timer, _, event = (codes or f"{_TIMER}/{_EVENT}").partition("/")
    widths = (6, 6, 3, 5) if padded else (1, 1, 1, 1)
    seconds, rest = divmod(sighting.stamp, NS_PER_S)
    fields = [
        str(sighting.seq).zfill(widths[0]),
        number.zfill(widths[1]),
        timer,
        event.zfill(widths[2]),
        f"{seconds}.{rest // CENTISECOND_NS:02d}",
        reader,
        str(bit),
        str(round(sighting.rssi)),
        str(own).zfill(widths[3]),
        "P",
    ]
    if hits is not None:
        fields.append(str(hits))
    return ("~".join(["TO", *fields]) + "\r\n").encode("latin-1", "replace")
