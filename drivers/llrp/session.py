"""One connection to a reader: bytes in, events out, requests where the conversation wants them."""

from collections.abc import Mapping
from typing import Final

from bridge.domain.reads import NS_PER_S, Read
from bridge.driver_api import (
    MAIN,
    Clock,
    Control,
    Event,
    Kept,
    Marker,
    Opening,
    PassiveSession,
    Reason,
    Rejected,
    Send,
    Status,
)
from drivers.llrp import facts, options
from drivers.llrp.conversation import Conversation
from drivers.llrp.decoder import Decoder, Message
from drivers.llrp.notices import ADMITTED, Notice, notice
from drivers.llrp.wire import IMPINJ, ZEBRA, Msg, message, number, outcome

REPEAT_NS: Final = 2 * NS_PER_S
"""A contact bounces; edges within this after a gun are no further one."""
_CUSTOM_HEAD: Final = 5


class LlrpSession(PassiveSession):
    """Decode a reader's messages and, once `opened`, converse with it.

    Never opened, it only decodes. It never resets a reader, and neither purges its memory nor
    deletes a ROSpec that is not its own unless told to.
    """

    def __init__(self, opening: Opening) -> None:
        self._options = options.parse(opening.options)
        self._talk = Conversation(opening, self._options)
        self._decoder = Decoder(self._message)
        self._gun: dict[int, int] = {}
        """Input -> stamp of its last gun."""

    def opened(self, now_ns: int) -> list[Event]:
        """Wait for the reader to speak first."""
        return self._talk.begin(now_ns)

    def tick(self, now_ns: int) -> list[Event]:
        """Let the conversation see the time."""
        return self._talk.tick(now_ns)

    def feed(self, data: bytes, channel: str = MAIN) -> list[Event]:
        """Take bytes as they came; return what is complete, in wire order."""
        if channel != MAIN:
            return [Rejected(data, Reason.UNKNOWN, f"no channel {channel} was opened")]
        events = self._decoder.feed(data)
        talk = self._talk
        if talk.started:
            if data:
                talk.heard()
            # Mostly reads alone; a keepalive may stand behind them.
            if events and (type(events[-1]) is Read or any(type(e) is Read for e in events)):
                events += talk.reported(events)
        return events

    @property
    def pending(self) -> bytes:
        """Bytes of a message that is not complete yet."""
        return self._decoder.pending

    # -- messages ----------------------------------------------------------------------------------

    def _message(self, told: Message) -> list[Event]:
        match told.kind:
            case Msg.KEEPALIVE:
                return self._keepalive(told)
            case Msg.READER_EVENT_NOTIFICATION:
                return self._notification(told)
            case Msg.GET_READER_CAPABILITIES_RESPONSE | Msg.GET_READER_CONFIG_RESPONSE:
                return self._facts(told)
            case _:
                event = _control(told)
                if not self._talk.started:
                    return [event]
                return [event, *self._talk.answered(told.kind, told.number, told.raw)]

    def _keepalive(self, told: Message) -> list[Event]:
        event = Control(told.raw, "keepalive")
        if not self._talk.started:
            return [event]
        return [event, Send(message(Msg.KEEPALIVE_ACK, told.number))]

    def _notification(self, told: Message) -> list[Event]:
        said = notice(told.body)
        if said.attempt == ADMITTED:
            self._decoder.memory.antenna = None  # what is left out is as told on this connection
        if not self._talk.started:
            return [self._kept(told.raw, said, live=False)]
        live = said.stamp is not None and (
            said.attempt == ADMITTED or self._talk.is_live(said.form, said.stamp)
        )
        events: list[Event] = [*self._talk.steps(said), self._kept(told.raw, said, live=live)]
        if live and said.stamp is not None and not isinstance(events[-1], Clock):
            events.append(Clock(b"", said.stamp, said.form, asked=False, live=True))
        return [*events, *self._talk.noticed(said)]

    def _kept(self, raw: bytes, said: Notice, *, live: bool) -> Kept:
        """Return the one event that carries a notification's bytes."""
        if said.gpi is not None:
            return self._edge(raw, said)
        if said.antenna is not None:
            self._talk.health.sees(said.antenna)
            return Status(raw, {"antennas": self._talk.health.antennas})
        if said.buffer_pct is not None:
            return Status(raw, {"report_buffer_pct": said.buffer_pct})
        extra: dict[str, object] = {"event": said.name}
        if said.attempt is not None:
            extra["status"] = said.attempt
        if said.rospec is not None:
            extra |= {"rospec": said.rospec.rospec, "began": said.rospec.began}
        if said.exception is not None:
            extra["text"] = said.exception
        if said.stamp is None:
            return Control(raw, said.name, extra)
        asked = self._talk.started and self._talk.awaits_start(said)
        return Clock(raw, said.stamp, said.form, asked, extra, live=live and not asked)

    def _edge(self, raw: bytes, said: Notice) -> Kept:
        """Return what an edge at an input is: the gun, or how the input stands now."""
        port, level = said.gpi or (0, 0)
        wanted = self._options.gun_gpi in (None, port) and level == self._options.gun_edge
        extra: dict[str, object] = {"port": port, "level": level}
        if not wanted or said.stamp is None:
            return Status(raw, {f"gpi{port}": level})
        last = self._gun.get(port)
        if last is not None and 0 <= said.stamp - last <= REPEAT_NS:
            return Status(raw, {f"gpi{port}": level})
        self._gun[port] = said.stamp
        return Marker(raw, "gun", said.stamp, said.form, None, extra)

    def _facts(self, told: Message) -> list[Event]:
        event = _told(told)
        if not self._talk.started:
            return [event]
        events: list[Event] = [event]
        if told.kind == Msg.GET_READER_CONFIG_RESPONSE:
            config = facts.configuration(told.body)
            self._decoder.memory.unit = config.identity or self._decoder.memory.unit
            events += self._talk.configured(config)
        return [*events, *self._talk.answered(told.kind, told.number, told.raw)]


def _told(told: Message) -> Kept:
    """Return capabilities or configuration as health."""
    if not outcome(told.body).ok:
        return _control(told)
    if told.kind == Msg.GET_READER_CAPABILITIES_RESPONSE:
        return Status(told.raw, _capability_fields(facts.capabilities(told.body)))
    config = facts.configuration(told.body)
    if config.fields:
        return Status(told.raw, config.fields)
    return Control(told.raw, "configuration", {"state_value": config.state_value})


def _capability_fields(reader: facts.Capabilities) -> Mapping[str, object]:
    return {
        "maker": reader.maker,
        "model": reader.model,
        "firmware": reader.firmware,
        "ports": reader.antennas,
        "utc_clock": reader.has_utc,
        "can_hold_reports": reader.can_hold,
    }


def _control(told: Message) -> Kept:
    """Return a response, an error or a vendor's message as what it is."""
    name = Msg(told.kind).name.lower().replace("_", " ")
    body = told.body
    if told.kind == Msg.CUSTOM_MESSAGE:
        vendor, subtype = number(body, 0, 4), number(body, 4, 1)
        if vendor not in (IMPINJ, ZEBRA):
            return Rejected(told.raw, Reason.UNKNOWN, f"message {subtype} of vendor {vendor}")
        went = outcome(body[_CUSTOM_HEAD:])
        return Control(told.raw, name, {"subtype": subtype, "status": went.code})
    went = outcome(body)
    extra: dict[str, object] = {"status": went.code}
    if went.text:
        extra["text"] = went.text
    return Control(told.raw, name, extra)
