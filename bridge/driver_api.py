"""All that a driver may know of the bridge: the versioned API between `drivers` and the rest.

A driver is a value of type `Driver`. Its `session` makes one `Session` per connection: bytes in,
events out, no I/O, no clock. Its `encode` makes the bytes a real reader would send, and its
`emulator` answers as a real reader would; both serve tests, the demo and forwarding.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Protocol

from bridge.domain.reads import Chip, Read, StampForm, UtcNs

API_VERSION = 1
MAIN = "main"
"""Name of the channel a link opens by itself; a session may `Dial` more."""


class Reason(Enum):
    """Why bytes were not what the protocol says; counted per reader and shown."""

    FRAMING = "framing"
    """No frame could be found in these bytes."""
    CHECKSUM = "checksum"
    """A frame of the right shape whose checksum is wrong."""
    FIELD = "field"
    """A whole frame with a field that cannot be (hour 27, hundredth 0x7f)."""
    OVERLONG = "overlong"
    """More bytes than any frame has, without an end."""
    UNKNOWN = "unknown"
    """A whole frame of a kind the sheet does not know."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """Bytes that were not understood: kept, counted by reason, never an exception."""

    raw: bytes
    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Marker:
    """A non-chip event of a reader: gun trigger, button, photocell."""

    raw: bytes
    name: str
    """What fired, in the protocol's words. ``gun``, ``trigger``, ``gate`` and ``gpi…`` may set a
    gun time (`gun_for`); ``button``, ``beam``, ``mark`` and others are kept and shown."""
    stamp: int
    form: StampForm
    key: str | None = None
    """Identity within the reader where (name, stamp) is not enough."""
    extra: Mapping[str, object] = field(default_factory=dict)
    unit: str | None = None
    """As `Read.unit`: which of several places on one connection it came from."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The reader told its time.

    With `asked` it answers the last `Send(asks_clock=True)`: the link pairs it with the host's
    time at the middle of that round trip and makes an offset sample of it.
    """

    raw: bytes
    stamp: int
    form: StampForm
    asked: bool = True
    extra: Mapping[str, object] = field(default_factory=dict)
    live: bool = False
    """Not asked for, but told at once: arrival minus `stamp` is the offset and a small delay on
    top. The link makes a sample of the smallest of many."""


@dataclass(frozen=True, slots=True)
class ClockStep:
    """The reader's clock was moved by somebody: a new clock epoch begins."""

    raw: bytes
    before: int | None
    """Old time as the protocol gives it (ns, form as the reader's stamps), or None."""
    after: int | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """Health of the reader: only the fields this frame told, by the common names.

    Common names (use them where they fit): ``battery_pct``, ``battery_v``, ``mains``,
    ``antennas`` (text of 0/1), ``operating`` (False: nothing is being recorded), ``stored``
    (records in memory), ``file``, ``temperature_c``, ``firmware``, ``serial``, ``mode``.
    """

    raw: bytes
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Control:
    """Any other understood frame: acknowledgement, banner, echo, empty line."""

    raw: bytes
    note: str
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Send:
    """Bytes for the reader, written once every read before them is durable.

    So an acknowledgement stands right behind the reads it covers.
    """

    data: bytes
    channel: str = MAIN
    asks_clock: bool = False


@dataclass(frozen=True, slots=True)
class Dial:
    """Open one more TCP connection to the same host (an Elite's control and replay ports).

    Its bytes come in by `feed(data, channel)`; its end, or that it was refused, by `closed`.
    """

    channel: str
    port: int
    """0: the port of the main connection, whatever it is."""


@dataclass(frozen=True, slots=True)
class Hangup:
    """Close this channel. On `MAIN` the link is dead and the supervisor connects again."""

    why: str
    channel: str = MAIN


@dataclass(frozen=True, slots=True)
class Remember:
    """What the next session of this reader must know to ask for what was missed.

    Made durable in one transaction with every read before it, and given back as `memory`.
    """

    memory: str


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something a person must know, in words that say what to do. `on=False` takes it back."""

    name: str
    text: str
    on: bool = True


Kept = Read | Marker | Clock | ClockStep | Status | Control | Rejected
"""Events that carry bytes of the reader, in wire order: every byte fed comes back once."""
Event = Kept | Send | Dial | Hangup | Remember | Alarm


class Session(Protocol):
    """The sans-I/O half of a driver for one connection.

    Total: any bytes are accepted, nothing raises. Every byte fed to a channel comes back once, in
    the `raw` of a `Kept` event or in `pending`; how the bytes were cut changes nothing.
    """

    def opened(self, now_ns: int) -> list[Event]:
        """Start talking: the main channel is up. `now_ns` is any monotonic clock."""
        ...

    def feed(self, data: bytes, channel: str = MAIN) -> list[Event]:
        """Take bytes as they came; return what is complete, in wire order."""
        ...

    def tick(self, now_ns: int) -> list[Event]:
        """Let time pass: called about once a second on the clock of `opened`.

        Polls, time-outs, repeats and dead-link detection live here.
        """
        ...

    def closed(self, channel: str, *, refused: bool) -> list[Event]:
        """A dialled channel ended or was refused. Never called for `MAIN`."""
        ...

    @property
    def pending(self) -> bytes:
        """Bytes of the main channel held back because their frame is incomplete."""
        ...


class PassiveSession:
    """Base for sessions of readers that are only listened to."""

    def opened(self, now_ns: int) -> list[Event]:  # noqa: ARG002
        """Say nothing."""
        return []

    def tick(self, now_ns: int) -> list[Event]:  # noqa: ARG002
        """Do nothing."""
        return []

    def closed(self, channel: str, *, refused: bool) -> list[Event]:  # noqa: ARG002
        """Do nothing: no channel was dialled."""
        return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a session is told at birth."""

    memory: str | None = None
    """The last `Remember` of this reader, or None on the first connection ever."""
    last_stamp: int | None = None
    """Newest plausible stamp among this reader's durable reads, in the reader's own form."""
    options: Mapping[str, object] = field(default_factory=dict)
    """`[[reader]] options`, already checked by `Driver.check_options`."""
    link: str = "tcp"
    """``tcp`` (we connected), ``tcp-listen`` (the reader did), ``serial``, ``mqtt``, ``file`` or
    ``gpio``."""
    host: str = ""
    """Host name or address in the reader's URL, for protocols that have to repeat it (HTTP)."""
    target: str = ""
    """What follows the host in the reader's URL: a path with its query (HTTP), without the
    leading slash a topic (MQTT); empty if nothing does."""
    password: str | None = None
    """The reader's password from the secrets, for readers that want a login. Never put it into
    an event that is kept; `Send` is not kept."""
    trial: bool = False
    """Only a check: nothing that is told is stored. So change nothing on the reader, and ask for
    nothing that it would forget once told."""


@dataclass(frozen=True, slots=True)
class SerialLink:
    """A serial port and how the reader wants it set: 8N1, no flow control."""

    baud: int
    dtr: bool = True
    """State of the DTR line while open; False for readers that reset on it."""


@dataclass(frozen=True, slots=True)
class TcpLink:
    """A TCP port the reader listens on."""

    port: int
    tls: bool = False
    """The reader speaks TLS there, as a rule with a certificate of its own making."""


@dataclass(frozen=True, slots=True)
class ListenLink:
    """A TCP port of ours that the reader connects to."""

    port: int
    many: bool = False
    """Several connections at once are normal (each HTTP request may come on its own); otherwise
    a new connection replaces the one before it."""


@dataclass(frozen=True, slots=True)
class MqttLink:
    """A topic filter at a broker; each message's payload is fed with a line feed behind it."""

    topic: str


@dataclass(frozen=True, slots=True)
class FileLink:
    """A growing file or a folder of them, followed from the first byte, over rotation.

    The link feeds whole pieces of the file as they are written; where it stands is its own affair.
    """


@dataclass(frozen=True, slots=True)
class GpioLink:
    """Input lines of this box.

    The link feeds one line of text per edge: ``LINE,LEVEL,NS`` and LF, with the line's number, 1
    or 0, and the kernel's time stamp in UTC ns.
    """


Link = SerialLink | TcpLink | ListenLink | MqttLink | FileLink | GpioLink


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One true passage of one chip in front of one antenna, for encoders and emulators."""

    chip: Chip
    stamp: int
    """ns on the reader's clock, in the driver's own `stamp_form`."""
    antenna: int = 1
    rssi: float = -60.0
    seq: int = 1
    place: str = ""
    """The location it belongs to, where one connection carries several; empty: the only one."""


@dataclass(frozen=True, slots=True)
class Out:
    """What an emulator or an outlet wants done on its sockets."""

    data: bytes = b""
    client: int | None = None
    """Connection number; None: every client of `channel`."""
    channel: str = MAIN
    close: bool = False
    """Close the connection after `data`."""
    reset: bool = False
    """Close it with a TCP RST, as a Lite does on port 9999."""


class Archive(Protocol):
    """Sightings on record, numbered from 1 without gaps: the memory of a reader we pretend to be.

    `Sighting.seq` is the number. Behind it stands a list (`Shelf`) or the journal of the box, so
    ask for what is needed, and not for everything at once.
    """

    def __len__(self) -> int:
        """Return the number of the newest."""
        ...

    def read(self, first: int, count: int) -> Sequence[Sighting]:
        """Return up to `count` sightings from number `first` on; fewer where there are no more."""
        ...


class Shelf:
    """An archive in memory, for emulators."""

    def __init__(self) -> None:
        self._sightings: list[Sighting] = []

    def __len__(self) -> int:
        return len(self._sightings)

    def add(self, sighting: Sighting) -> Sighting:
        """Keep a sighting; return it with its number."""
        numbered = replace(sighting, seq=len(self._sightings) + 1)
        self._sightings.append(numbered)
        return numbered

    def read(self, first: int, count: int) -> Sequence[Sighting]:
        """Return up to `count` sightings from number `first` on."""
        start = max(first, 1) - 1
        return self._sightings[start : start + max(count, 0)]


class Emulator(Protocol):
    """A reader made of software, sans-I/O: the other side of `Session`.

    Where the reader is the one that connects (`ListenLink`), `connected` is told of the connection
    it made to the bridge, and `disconnected` of its end; the host makes it again.

    `now_ns` is the reader's own clock (ns in the driver's `stamp_form`), with whatever offset
    the host of the emulator gives it.
    """

    channels: Mapping[str, int]
    """Channel name -> TCP port number on a real reader; always has `MAIN`. The host adds the
    difference to the main port it really listens on."""
    piece: tuple[int, int] | None
    """Smallest and largest number of bytes per TCP segment as measured, or None: as written."""

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:
        """A client connected."""
        ...

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        """A client sent bytes."""
        ...

    def disconnected(self, client: int) -> None:
        """A client went away."""
        ...

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """A chip crossed the mat: store it if the reader stores, send it if it sends."""
        ...

    def marked(self, name: str, stamp: int) -> Sequence[Out]:
        """The gun was fired or the button pressed."""
        ...

    def tick(self, now_ns: int) -> Sequence[Out]:
        """Let time pass (about every 100 ms): follow-up lines, progress, playback."""
        ...


class Outlet(Protocol):
    """A reader that stands for this box towards scoring software, sans-I/O.

    It has the commands and the record encoder of the `Emulator`, and the journal for a memory:
    what it says of passages it takes from its `Stand`'s archives by number, so that a client that
    was away gets what it missed, and the same again after a restart. It starts, stops, sets and
    erases nothing, whatever a client asks for.

    `now_ns` is this box's clock in the form the `Forward` asks for.
    """

    @property
    def handed(self) -> int:
        """Number of the newest record handed over to anybody; over all archives their sum."""
        ...

    @property
    def acknowledged(self) -> int | None:
        """Number of the record up to which the other side has all; None: it never says."""
        ...

    def connected(self, client: int, now_ns: int) -> Sequence[Out]:
        """Somebody is connected, whoever dialled; each `Out` names a client."""
        ...

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        """A client sent bytes."""
        ...

    def disconnected(self, client: int) -> None:
        """A client went away."""
        ...

    def due(self, client: int, now_ns: int) -> bytes:
        """Return what to send next to a client that has room, b"" if there is nothing for now.

        A page of a few tens of kilobytes at most: called again until nothing comes, whenever an
        archive has grown, the client has read what it was sent, or time has passed.
        """
        ...

    def tick(self, now_ns: int) -> Sequence[Out]:
        """Let time pass (a few times a second while there are clients): heartbeats."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """What an outlet is told at birth."""

    name: str
    """What the configuration calls this forward."""
    identity: str = ""
    """Tells the journal behind the archives from every other: numbers begin again with it."""
    places: tuple[str, ...]
    """The locations whose records it hands over, at least one."""
    archives: Mapping[str, Archive]
    """One per location, each with numbers of its own, if the `Forward` wants them `by_place`;
    else the only value has the records of all."""
    acknowledged: int = 0
    """What `Outlet.acknowledged`, or else `handed`, was when it was last written down."""
    options: Mapping[str, object] = field(default_factory=dict)
    """`[[forward]] options`, already checked."""
    local: Callable[[int], int]
    """UTC ns -> wall clock ns of this box's zone."""
    secret: str | None = None
    """Password for the other side, where the protocol has a login."""

    @property
    def archive(self) -> Archive:
        """The one archive of an outlet that does not want them by place."""
        return next(iter(self.archives.values()))


def no_options(options: Mapping[str, object]) -> list[str]:
    """Return one complaint per key: this driver has no options."""
    return [f"unknown option {key!r}: this driver has none" for key in options]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """How this protocol is spoken towards scoring software."""

    outlet: Callable[[Stand], Outlet]
    port: int
    """The usual TCP port."""
    dials: bool = False
    """The reader is the one that connects, so we dial as a rule."""
    stamp_form: StampForm = StampForm.NAIVE
    """Form of the sightings' stamps in the archives, and of `now_ns`."""
    names_places: bool = False
    """Records say which place they are from, so that one forward may serve several locations."""
    one_offset: bool = False
    """The other side compares clocks once per connection: hang up where ours is moved."""
    by_place: bool = False
    """Each place has an archive of its own."""
    check_options: Callable[[Mapping[str, object]], list[str]] = no_options
    """Return complaints about `[[forward]] options`; they contain "allowed" and the names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """One kind of reader, as data: the bridge does the rest."""

    name: str
    title: str
    links: tuple[Link, ...]
    """How it can be reached, the usual way first. Where the usual way is `ListenLink` the emulator
    is the one that connects. A TCP reader may also be listened for, and the other way round."""
    stamp_form: StampForm
    """What this reader's stamps normally are."""
    resolution_ns: int = 1_000_000
    """Finest step of a stamp in what `encode` writes; it cuts off what is finer."""
    can_tell_time: bool
    """Whether the clock can be asked: then `clock = "corrected"` is the default."""
    session: Callable[[Opening], Session]
    encode: Callable[[Sighting], bytes]
    """The read record a real reader sends for a sighting, line end included."""
    emulator: Callable[[Mapping[str, object]], Emulator]
    """Make an emulator from options (``mode``, ``kind`` ... as the driver documents)."""
    extra: Callable[[bytes], Mapping[str, object]]
    """Protocol fields of a read's frame for `decode`, which the hot path does not need."""
    example_chip: Callable[[int], Chip]
    """Chip number n of a made-up race, in this protocol's own form."""
    repairs: bool = False
    """Whether reads made while the link was down come back by themselves after it is up again."""
    may_be_silent: bool = False
    """Whether a living reader may say nothing for longer than ten seconds although it is asked, or
    cannot be asked: a dead link is then noticed by the kernel alone."""
    check_options: Callable[[Mapping[str, object]], list[str]] = no_options
    """Return complaints about `[[reader]] options`, empty if all is well."""
    forward: Forward | None = None
    """How this box can be such a reader to others; None: it cannot."""
    source: str = ""
    """Where the facts come from."""


__all__ = [
    "API_VERSION",
    "MAIN",
    "Alarm",
    "Archive",
    "Chip",
    "Clock",
    "ClockStep",
    "Control",
    "Dial",
    "Driver",
    "Emulator",
    "Event",
    "FileLink",
    "Forward",
    "GpioLink",
    "Hangup",
    "Kept",
    "Link",
    "ListenLink",
    "Marker",
    "MqttLink",
    "Opening",
    "Out",
    "Outlet",
    "PassiveSession",
    "Read",
    "Reason",
    "Rejected",
    "Remember",
    "Send",
    "SerialLink",
    "Session",
    "Shelf",
    "Sighting",
    "StampForm",
    "Stand",
    "Status",
    "TcpLink",
    "UtcNs",
    "no_options",
]
