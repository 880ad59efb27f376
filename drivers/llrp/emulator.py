"""An LLRP reader made of software, sans-I/O: one client, ROSpecs and reads that outlive it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bridge.driver_api import MAIN, Emulator, Out, Sighting
from drivers.llrp import emulator_answers as answers
from drivers.llrp.emulated_reader import FULL_PCT, EmulatedReader, RoSpec, rospec_of, setup_of
from drivers.llrp.layouts import NS_PER_US
from drivers.llrp.tags import report
from drivers.llrp.wire import (
    HEADER,
    HEADER_LEN,
    IMPINJ,
    TYPE_BITS,
    ZEBRA,
    Impinj,
    Msg,
    Par,
    Zebra,
    message,
    number,
    params,
    tlv,
    u8,
    u16,
    u32,
    u64,
)

_MAX_REQUEST: Final = 1 << 20
_OK: Final = 0
_PARAMETER_ERROR, _FIELD_ERROR, _UNSUPPORTED_MESSAGE = 100, 101, 109
_ADMITTED, _TAKEN, _ANOTHER = 0, 2, 4
_GPI_EVENT, _ROSPEC_EVENT, _WARNING_EVENT = 1, 2, 3
_PULSE_NS: Final = 100_000_000
"""How long the contact at the input stays closed."""
_PER_REPORT: Final = 50
"""Held tags per report when they are let go."""


@dataclass(slots=True)
class _Client:
    number: int
    pending: bytes = b""
    holding: bool = False
    """Nothing but answers goes out until ENABLE_EVENTS_AND_REPORTS."""
    unanswered: int = 0
    """Keepalives without an answer."""
    alive_ns: int = 0


class LlrpEmulator:
    """One reader; its options are those of `Setup`.

    Raises:
        ValueError: An option is unknown or cannot be.
    """

    def __init__(self, options: Mapping[str, object]) -> None:
        self.channels: Mapping[str, int] = {MAIN: 5084}
        self.piece: tuple[int, int] | None = None
        self.reader = EmulatedReader(setup_of(options))
        self._client: _Client | None = None
        self._now_ns = 0
        self._numbers = 0
        self._parts: list[bytes] = []
        """Tags of a report that is not full yet."""
        self._falls_ns: int | None = None
        self._warned = False
        self._answers: Mapping[int, Callable[[bytes, int], list[bytes]]] = {
            Msg.GET_READER_CAPABILITIES: self._capabilities,
            Msg.GET_READER_CONFIG: self._config,
            Msg.SET_READER_CONFIG: self._set_config,
            Msg.ADD_ROSPEC: self._add,
            Msg.DELETE_ROSPEC: self._delete,
            Msg.START_ROSPEC: self._start,
            Msg.STOP_ROSPEC: self._stop,
            Msg.ENABLE_ROSPEC: self._enable,
            Msg.DISABLE_ROSPEC: self._disable,
            Msg.GET_ROSPECS: self._rospecs,
            Msg.DELETE_ACCESSSPEC: self._delete_accessspec,
            Msg.GET_ACCESSSPECS: self._accessspecs,
            Msg.GET_REPORT: self._get_report,
            Msg.ENABLE_EVENTS_AND_REPORTS: self._release,
            Msg.KEEPALIVE_ACK: self._alive,
            Msg.CUSTOM_MESSAGE: self._custom,
        }

    # -- connections -------------------------------------------------------------------------------

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Speak first: admit the only client, refuse a second one and tell the first."""
        self._now_ns = now_ns
        if self._client is not None:
            told = Out(self._attempt(_ANOTHER), self._client.number)
            return [Out(self._attempt(_TAKEN), client, close=True), told]
        self._client = _Client(client, holding=self.reader.holds, alive_ns=now_ns)
        self.reader.forget_antenna()
        return [Out(self._attempt(_ADMITTED), client)]

    def disconnected(self, client: int) -> None:
        """Keep reading: ROSpecs and reads outlive the client."""
        if self._client is not None and self._client.number == client:
            self._client = None

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        """Answer every complete request."""
        self._now_ns = now_ns
        mine = self._client
        if mine is None or mine.number != client:
            return []
        mine.pending += data
        outs: list[Out] = []
        while len(mine.pending) >= HEADER_LEN:
            kind, length, identity = HEADER.unpack_from(mine.pending)
            if not HEADER_LEN <= length <= _MAX_REQUEST:
                return [*outs, Out(client=client, close=True)]
            if len(mine.pending) < length:
                break
            body, mine.pending = mine.pending[HEADER_LEN:length], mine.pending[length:]
            outs += self._answer(kind & TYPE_BITS, body, identity)
        return outs

    def _answer(self, kind: int, body: bytes, identity: int) -> list[Out]:
        client = self._client.number if self._client else None
        if kind == Msg.CLOSE_CONNECTION:
            bye = message(Msg.CLOSE_CONNECTION_RESPONSE, identity, answers.status())
            return [Out(bye, client, close=True)]
        identity = identity + 1 if self.reader.setup.wrong_ids else identity
        handler = self._answers.get(kind)
        if handler is None:
            why = f"message type {kind} is not supported"
            said = [message(Msg.ERROR_MESSAGE, identity, answers.status(_UNSUPPORTED_MESSAGE, why))]
        else:
            said = handler(body, identity)
        return [Out(b"".join(said), client)] if said else []

    # -- the world ---------------------------------------------------------------------------------

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """Read a tag, if a ROSpec is active; report it, or keep it for whoever comes."""
        if self.reader.early is not None:
            self.reader.early.append(sighting)
            return []
        return self._said(self._read(sighting))

    def _read(self, sighting: Sighting) -> list[bytes]:
        """Return the reports that a sighting completes; keep it where nobody takes any."""
        found = self.reader.read(replace(sighting, stamp=self.reader.stamp(sighting.stamp)))
        if found is None:
            return []
        data, every = found
        if self._client is None or self._client.holding:
            self.reader.keep(data)
            return self._warning()
        self._parts.append(data)
        if not every or len(self._parts) < every:
            return []
        said = [self._report(b"".join(self._parts))]
        if self.reader.setup.empty_reports:
            said.append(self._report(b""))
        self._parts.clear()
        return said

    def marked(self, name: str, stamp: int) -> Sequence[Out]:  # noqa: ARG002
        """Close the contact at the first input for a moment, whatever it is called."""
        self._falls_ns = stamp + _PULSE_NS
        return self._said(self._edge(1, stamp))

    def tick(self, now_ns: int) -> Sequence[Out]:
        """Send keepalives, let contacts open and ROSpecs end that have lasted long enough."""
        self._now_ns = now_ns
        outs: list[Out] = []
        if self._falls_ns is not None and now_ns >= self._falls_ns:
            outs += self._said(self._edge(0, self._falls_ns))
            self._falls_ns = None
        for spec in list(self.reader.rospecs.values()):
            if spec.is_active and spec.lasts_ms:
                over = now_ns - spec.began_ns >= spec.lasts_ms * 1_000_000
                outs += self._said(self._ended(spec)) if over else []
        return [*outs, *self._keepalive()]

    def _keepalive(self) -> list[Out]:
        mine, period_ns = self._client, self.reader.keepalive_ms * 1_000_000
        if mine is None or not period_ns or self._now_ns - mine.alive_ns < period_ns:
            return []
        mine.alive_ns = self._now_ns
        if self.reader.monitor and mine.unanswered >= self.reader.monitor:
            return [Out(client=mine.number, close=True)]
        mine.unanswered += 1
        return [Out(self._message(Msg.KEEPALIVE), mine.number)]

    # -- what goes out unasked ---------------------------------------------------------------------

    def _message(self, kind: Msg, body: bytes = b"") -> bytes:
        self._numbers += 1
        return message(kind, self._numbers, body)

    def _report(self, tags: bytes) -> bytes:
        self._numbers += 1
        return report(tags, self._numbers)

    def _said(self, messages: Sequence[bytes]) -> list[Out]:
        if not messages or self._client is None or self._client.holding:
            return []
        return [Out(b"".join(messages), self._client.number)]

    def _event(self, kind: int | None, event: bytes, at_ns: int | None = None) -> list[bytes]:
        if kind is not None and kind not in self.reader.events:
            return []
        uptime = self.reader.setup.clock == "uptime"
        stamp = self.reader.stamp(self._now_ns if at_ns is None else at_ns)
        when = tlv(Par.UPTIME if uptime else Par.UTC_TIMESTAMP, u64(stamp // NS_PER_US))
        body = tlv(Par.EVENT_DATA, when, event)
        return [self._message(Msg.READER_EVENT_NOTIFICATION, body)]

    def _attempt(self, status: int) -> bytes:
        return b"".join(self._event(None, tlv(Par.CONNECTION_ATTEMPT, u16(status))))

    def _edge(self, level: int, at_ns: int) -> list[bytes]:
        self.reader.gpi_levels[1] = level
        if not self.reader.gpis[1]:
            return []
        return self._event(_GPI_EVENT, tlv(Par.GPI_EVENT, u16(1), u8(level << 7)), at_ns)

    def _warning(self) -> list[bytes]:
        held = len(self.reader.buffer) * 100 // self.reader.setup.buffer
        if held < FULL_PCT or self._warned:
            return []
        self._warned = True
        return self._event(_WARNING_EVENT, tlv(Par.BUFFER_WARNING, u8(held)))

    def _began(self, spec: RoSpec) -> list[bytes]:
        self.reader.start(spec, self._now_ns)
        event = tlv(Par.RO_EVENT, u8(0), u32(spec.number), u32(0))
        said = self._event(_ROSPEC_EVENT, event)
        early, self.reader.early = self.reader.early or (), None
        for sighting in early:
            said += self._read(sighting)
        return said

    def _ended(self, spec: RoSpec) -> list[bytes]:
        self.reader.stop(spec)
        last = [self._report(b"".join(self._parts))] if self._parts else []
        self._parts.clear()
        event = tlv(Par.RO_EVENT, u8(1), u32(spec.number), u32(0))
        return [*last, *self._event(_ROSPEC_EVENT, event)]

    def _drain(self) -> list[bytes]:
        """Return all that was held back, in reports of several tags."""
        reader, self._warned = self.reader, False
        held = list(reader.buffer)
        reader.buffer.clear()
        said = [
            self._report(b"".join(held[at : at + _PER_REPORT]))
            for at in range(0, len(held), _PER_REPORT)
        ]
        if reader.overflowed:
            reader.overflowed = False
            said += self._event(None, tlv(Par.BUFFER_OVERFLOW))
        return said

    # -- answers -----------------------------------------------------------------------------------

    def _done(self, kind: int, identity: int, code: int = _OK, why: str = "") -> bytes:
        return message(kind + 10, identity, answers.status(code, why))

    def _capabilities(self, body: bytes, identity: int) -> list[bytes]:
        said = answers.capabilities(self.reader, number(body, 0, 1) or 0)
        return [message(Msg.GET_READER_CAPABILITIES_RESPONSE, identity, said)]

    def _config(self, body: bytes, identity: int) -> list[bytes]:
        said = answers.configuration(self.reader, number(body, 2, 1) or 0)
        return [message(Msg.GET_READER_CONFIG_RESPONSE, identity, said)]

    def _set_config(self, body: bytes, identity: int) -> list[bytes]:
        wrong = self.reader.configure(body)
        code = _PARAMETER_ERROR if wrong else _OK
        return [self._done(Msg.SET_READER_CONFIG, identity, code, wrong)]

    def _add(self, body: bytes, identity: int) -> list[bytes]:
        reader = self.reader
        first = next((p for p in params(body) if p.kind == Par.RO_SPEC), None)
        spec = rospec_of(first.body, reader.setup) if first else None
        if spec is None or spec.number in reader.rospecs:
            why = "there is no ROSpec in it, or there is one of that id"
            return [self._done(Msg.ADD_ROSPEC, identity, _PARAMETER_ERROR, why)]
        if len(reader.rospecs) >= reader.most_rospecs:
            why = f"this reader takes {reader.most_rospecs} ROSpec"
            return [self._done(Msg.ADD_ROSPEC, identity, _PARAMETER_ERROR, why)]
        reader.rospecs[spec.number] = spec
        reader.changed()
        return [self._done(Msg.ADD_ROSPEC, identity)]

    def _delete(self, body: bytes, identity: int) -> list[bytes]:
        wanted = number(body, 0, 4)
        found = list(self.reader.rospecs) if wanted == 0 else [wanted]
        if any(spec not in self.reader.rospecs for spec in found):
            return [self._unknown(Msg.DELETE_ROSPEC, identity, wanted)]
        said: list[bytes] = []
        for rospec in found:
            spec = self.reader.rospecs.pop(rospec or 0)
            said += self._ended(spec) if spec.is_active else []
        self.reader.changed()
        return [*self._unless_holding(said), self._done(Msg.DELETE_ROSPEC, identity)]

    def _start(self, body: bytes, identity: int) -> list[bytes]:
        spec = self.reader.rospecs.get(number(body, 0, 4) or 0)
        if spec is None or spec.state != 1:
            return [self._unknown(Msg.START_ROSPEC, identity, number(body, 0, 4))]
        began = self._unless_holding(self._began(spec))
        return [*began, self._done(Msg.START_ROSPEC, identity)]

    def _stop(self, body: bytes, identity: int) -> list[bytes]:
        spec = self.reader.rospecs.get(number(body, 0, 4) or 0)
        if spec is None or not spec.is_active:
            return [self._unknown(Msg.STOP_ROSPEC, identity, number(body, 0, 4))]
        ended = self._unless_holding(self._ended(spec))
        return [*ended, self._done(Msg.STOP_ROSPEC, identity)]

    def _enable(self, body: bytes, identity: int) -> list[bytes]:
        wanted = number(body, 0, 4) or 0
        specs = [s for s in self.reader.rospecs.values() if wanted in (0, s.number)]
        if not specs and wanted:
            return [self._unknown(Msg.ENABLE_ROSPEC, identity, wanted)]
        said: list[bytes] = []
        for spec in specs:
            spec.state = spec.state or 1
            said += self._began(spec) if spec.is_immediate and not spec.is_active else []
        return [*self._unless_holding(said), self._done(Msg.ENABLE_ROSPEC, identity)]

    def _disable(self, body: bytes, identity: int) -> list[bytes]:
        wanted = number(body, 0, 4) or 0
        specs = [s for s in self.reader.rospecs.values() if wanted in (0, s.number)]
        if not specs and wanted:
            return [self._unknown(Msg.DISABLE_ROSPEC, identity, wanted)]
        said: list[bytes] = []
        for spec in specs:
            said += self._ended(spec) if spec.is_active else []
            spec.state = 0
        return [*self._unless_holding(said), self._done(Msg.DISABLE_ROSPEC, identity)]

    def _rospecs(self, body: bytes, identity: int) -> list[bytes]:  # noqa: ARG002
        specs = b"".join(tlv(Par.RO_SPEC, spec.told()) for spec in self.reader.rospecs.values())
        return [message(Msg.GET_ROSPECS_RESPONSE, identity, answers.status() + specs)]

    def _delete_accessspec(self, body: bytes, identity: int) -> list[bytes]:  # noqa: ARG002
        return [self._done(Msg.DELETE_ACCESSSPEC, identity)]

    def _accessspecs(self, body: bytes, identity: int) -> list[bytes]:  # noqa: ARG002
        return [self._done(Msg.GET_ACCESSSPECS, identity)]

    def _get_report(self, body: bytes, identity: int) -> list[bytes]:  # noqa: ARG002
        return self._drain() or [report(b"", identity)]

    def _release(self, body: bytes, identity: int) -> list[bytes]:  # noqa: ARG002
        if self._client is not None:
            self._client.holding = False
        return self._drain()

    def _alive(self, body: bytes, identity: int) -> list[bytes]:  # noqa: ARG002
        if self._client is not None:
            self._client.unanswered = 0
        return []

    def _custom(self, body: bytes, identity: int) -> list[bytes]:
        vendor, asked = self.reader.setup.vendor, (number(body, 0, 4), number(body, 4, 1))
        if vendor == "zebra" and asked == (ZEBRA, Zebra.PURGE_TAGS):
            self.reader.buffer.clear()
            return []  # what a real one answers is not known
        if vendor != "impinj" or asked != (IMPINJ, Impinj.ENABLE_EXTENSIONS):
            words = "no such extension"
            said = answers.status(_UNSUPPORTED_MESSAGE, words)
            return [message(Msg.ERROR_MESSAGE, identity, said)]
        head = u32(IMPINJ) + u8(Impinj.ENABLE_EXTENSIONS_RESPONSE)
        return [message(Msg.CUSTOM_MESSAGE, identity, head + answers.status())]

    def _unknown(self, kind: Msg, identity: int, rospec: int | None) -> bytes:
        why = f"ROSpecID {rospec} is not there, or not in that state"
        return self._done(kind, identity, _FIELD_ERROR, why)

    def _unless_holding(self, said: list[bytes]) -> list[bytes]:
        return [] if self._client is not None and self._client.holding else said


def make(options: Mapping[str, object]) -> Emulator:
    """Return a reader made of software.

    Raises:
        ValueError: An option is unknown or cannot be.
    """
    return LlrpEmulator(options)
