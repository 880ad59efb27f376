"""One connection with an Alien reader, whichever side made it.

Readers connect to us to deliver tags (TagStream, Notify), as it suits them on one connection or on
a new one per message. Where we have connected, the reader prompts for a login, and is asked. A
data connection cannot be asked for anything, and is quiet as long as no tag is there.
"""

import re
from typing import Final

from bridge.domain.reads import NS_PER_S, Read, StampForm
from bridge.driver_api import (
    MAIN,
    Clock,
    Control,
    Event,
    Kept,
    Opening,
    PassiveSession,
    Reason,
    Rejected,
    Status,
)
from drivers.alarm_book import AlarmBook
from drivers.alien import formats, options, tags
from drivers.alien.stream import MAX_LINE, Cutter, Kind, Piece
from drivers.alien.talk import PROMPTS, Talk
from drivers.clock_steps import ClockSteps

_HEADER: Final = re.compile(r"#([A-Za-z0-9]{1,30}): *(.*)|<([A-Za-z0-9]{1,30})>([^<]*)</\3>")
_SETTING: Final = re.compile(r"([A-Za-z][A-Za-z0-9]{1,40}) = ?(.*)")
_XML: Final = re.compile(r"(?:</?[A-Za-z?][^<>]{0,200}> *){1,20}")
_TAG_LIKE: Final = re.compile(r"(?:Tag:)?[0-9A-Fa-f]{4}[ 0-9A-Fa-f]{4,}")
_FIELDS: Final = {"ReaderVersion": "firmware", "MACAddress": "serial", "ReaderType": "model"}
_SAYINGS: Final = (
    "(No Tags)",
    "Goodbye!",
    "All auto-mode settings have been reset!",
    "Tag List has been cleared!",
)
_MOST_NAME: Final = 80
_MOST_WHOLE: Final = 5
"""Times in a row without a fraction, until they are no chance."""
_FORMAT: Final = (
    "the reader sends tags in a format that is not understood: set TagStreamCustomFormat to "
    f"{formats.USUAL}, or say by the option 'format' what it is"
)
_LOGIN: Final = (
    "the reader refuses the login: put its password into the secrets and its user into the "
    "option 'user'"
)
_WHOLE: Final = "the reader tells whole seconds only: set TagListMillis to ON"
_IDLE: Final = "the reader's AutoMode is OFF, so that it does not read by itself: set it to ON"


class AlienSession(PassiveSession):
    """Decode tags in all their forms and, where the reader prompts us, ask for them."""

    def __init__(self, opening: Opening) -> None:
        chosen = opening.options
        custom = chosen.get("format")
        own = (formats.compiled(custom),) if isinstance(custom, str) else ()
        self._formats = [*own, *formats.known_formats()]
        self._tags = tags.Reader(first=chosen.get("time") == "first")
        self._cutter = Cutter()
        self._alarms = AlarmBook()
        self._steps = ClockSteps()
        self._password = opening.password or options.PASSWORD
        self._talk: Talk | None = None
        self._user = str(chosen.get("user", options.USER))
        self._may_talk = opening.link == "tcp"
        self._trial = opening.trial
        self._unit: str | None = None
        self._is_open = self._is_odd = False
        self._now_ns = 0
        self._whole = 0

    @property
    def pending(self) -> bytes:
        """Bytes of a line or an element that is not complete yet."""
        return self._masked(self._cutter.pending)

    def opened(self, now_ns: int) -> list[Event]:
        """Wait for what it says: it speaks first on either kind of connection."""
        self._is_open = True
        self._now_ns = now_ns
        if self._may_talk:  # who connects to us is not told a password, whatever it prints
            self._talk = Talk(self._user, self._password, takes=not self._trial)
            self._talk.begin(now_ns)
        return []

    def feed(self, data: bytes, channel: str = MAIN) -> list[Event]:
        """Take bytes as they came; return what is complete, in wire order."""
        if channel != MAIN:
            return [Rejected(data, Reason.UNKNOWN, f"no channel {channel} was opened")]
        if data and self._talk:
            self._talk.heard()
        events: list[Event] = []
        for piece in self._cutter.feed(data):
            event = self._decode(piece)
            events.append(event)
            if self._is_open:
                events += self._judge(event)
                if self._talk:
                    events += self._converse(self._talk, piece)
        return events

    def tick(self, now_ns: int) -> list[Event]:
        """Let time pass."""
        self._now_ns = now_ns
        return self._talk.tick(now_ns) if self._talk else []

    def _masked(self, raw: bytes) -> bytes:
        """Hide the password where the reader may echo it."""
        if self._talk is None or not self._talk.is_logging_in:
            return raw
        secret = self._password.encode()
        return raw.replace(secret, b"*" * len(secret))

    def _decode(self, piece: Piece) -> Kept:
        raw = self._masked(piece.raw)
        text = raw.decode("latin-1").strip("\0\r\n ")
        match piece.kind:
            case Kind.ELEMENT:
                fields = tags.element_of(text)
                if fields is None:
                    return Rejected(raw, Reason.FIELD, "a tag without an id")
                return self._tags.read_of(raw, fields, self._unit)
            case Kind.BROKEN:
                return Rejected(raw, Reason.FRAMING, "a tag without its end")
            case Kind.OVERLONG:
                return Rejected(raw, Reason.OVERLONG, f"no line end within {MAX_LINE} bytes")
            case _:
                return self._line(raw, text)

    def _line(self, raw: bytes, text: str) -> Kept:
        for at, form in enumerate(self._formats):
            fields = form.read(text)
            if fields is not None:
                if at:  # a reader has one format: next time it is tried first
                    self._formats.insert(0, self._formats.pop(at))
                return self._tags.read_of(raw, fields, self._unit)
        if not text:
            return Control(raw, "end of message" if b"\0" in raw else "empty line")
        header = _HEADER.fullmatch(text)
        if header is not None:
            return self._fact(raw, header[1] or header[3], header[2] or header[4] or "", "header")
        setting = _SETTING.fullmatch(text)
        if setting is not None:
            return self._setting(raw, *setting.groups())
        if text.startswith("#"):
            return Control(raw, "header", {"text": text})
        if _XML.fullmatch(text):
            return Control(raw, "markup", {"text": text})
        return self._other(raw, text)

    def _other(self, raw: bytes, text: str) -> Kept:
        if text in _SAYINGS:
            return Control(raw, text)
        if text.endswith(PROMPTS):
            return Control(raw, "prompt")
        if text.startswith("Error"):
            return Control(raw, "error", {"text": text})
        text = text.removeprefix("\x01")
        is_text = text.isascii() and text.isprintable()
        if is_text and self._talk and self._talk.is_greeting:
            return Control(raw, "banner", {"text": text})
        if is_text and text.lower().startswith("get "):
            return Control(raw, "echo")
        return Rejected(raw, Reason.UNKNOWN if is_text else Reason.FRAMING, "no line of a reader")

    def _setting(self, raw: bytes, name: str, value: str) -> Kept:
        if name == "Time":
            date, _, clock = value.partition(" ")
            try:
                stamp = self._tags.stamp_of(date, clock)
            except ValueError:
                return Rejected(raw, Reason.FIELD, "no such time")
            coarse = {} if "." in clock else {"resolution_ms": 1000}
            return Clock(raw, stamp, StampForm.NAIVE, extra=coarse)
        if name == "AutoMode":
            return Status(raw, {"operating": value.upper() == "ON"})
        return self._fact(raw, name, value, "setting")

    def _fact(self, raw: bytes, name: str, value: str, note: str) -> Kept:
        if name == "ReaderName":
            self._unit = value[:_MOST_NAME] or None
        if name in _FIELDS:
            return Status(raw, {_FIELDS[name]: value})
        return Control(raw, note, {name: value})

    def _judge(self, event: Kept) -> list[Event]:
        """Return what a person must know of a line."""
        match event:
            case Read():
                return self._judge_read(event)
            case Clock():
                asked_ns = self._talk.told_time() if self._talk else None
                if asked_ns is None:
                    return []
                return [*self._steps.told(event.stamp, asked_ns, self._now_ns)]
            case Status() if "operating" in event.fields:
                text = "" if event.fields["operating"] else _IDLE
                return [*self._alarms.tell("not_reading", text)]
            case Rejected() if event.reason is Reason.UNKNOWN:
                if _TAG_LIKE.match(event.raw.decode("latin-1").strip("\0\r\n ")):
                    self._is_odd = True
                    return [*self._alarms.tell("format", _FORMAT)]
            case _:
                pass
        return []

    def _judge_read(self, read: Read) -> list[Event]:
        events: list[Event] = []
        if self._is_odd:
            self._is_odd = False
            events += self._alarms.tell("format", "")
        if read.form is StampForm.NAIVE and read.stamp % NS_PER_S == 0:
            self._whole += 1
            if self._whole == _MOST_WHOLE:
                events += self._alarms.tell("whole_seconds", _WHOLE)
        elif self._whole:
            if self._whole >= _MOST_WHOLE:
                events += self._alarms.tell("whole_seconds", "")
            self._whole = 0
        return events

    def _converse(self, talk: Talk, piece: Piece) -> list[Event]:
        text = piece.raw.decode("latin-1").strip("\0\r\n ")
        was_greeting = talk.is_greeting
        events, is_refused = talk.line(text, ended=piece.raw.endswith(b"\0"))
        if is_refused:
            return [*self._alarms.tell("login", _LOGIN), *events]
        if was_greeting and not talk.is_greeting:
            return [*self._alarms.tell("login", ""), *events]
        return events
