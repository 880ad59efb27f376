"""One connection from ChronoTrack equipment: who speaks is told by the first line."""

import re
from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import (
    MAIN,
    Alarm,
    ClockStep,
    Control,
    Event,
    Hangup,
    Kept,
    Marker,
    Opening,
    PassiveSession,
    Read,
    Reason,
    Rejected,
    Send,
    Status,
)
from drivers.chronotrack import markers, records
from drivers.chronotrack.controller import ControllerTalk
from drivers.chronotrack.memory import recalled
from drivers.chronotrack.options import tags_of
from drivers.chronotrack.scoring import ScoringTalk
from drivers.chronotrack.stamps import Days
from drivers.framing import LineBuffer, is_line

MAX_LINE: Final = 4_096
"""Bytes; a record has about 70, a marker's detail or a list of places may be long."""
_TALKING: Final = frozenset({"tcp", "tcp-listen"})
_SCORING_GREETING: Final = re.compile(rb"[^~\r\n]{1,80}~[^~\r\n]{0,40}~CTP\d\d\r?\n")
_GREETING: Final = re.compile(rb"[\x20-\x7e]{1,400}\r?\n")
_ANSWER: Final = re.compile(rb"(ack|err)~([^~\r\n]*)(?:~([^\r\n]*))?\r?\n")
_INNER: Final = (b"CT01_", b"TO~", b"MK~")
_FILE_MARKER: Final = re.compile(rb"[^,~\r\n]{1,40},\d{1,12},[^,~\r\n]+,\d{1,12},\d{14},")
_UNUSED_WORDS: Final = (b"EXIT", b"RESP", b"MAX LENGTH", b"PING TIMEOUT")
_GREETS_WITHIN_NS: Final = 20 * NS_PER_S
_TEST_TAGS: Final = frozenset({"99995", "99997", "99998"})
_MOST_CODES: Final = 64


class ChronoTrackSession(PassiveSession):
    """Decode lines and, once `opened` on a network link, be the server that the sender expects.

    No clock is ever set: a controller's question for the time stays unanswered, since it would
    take the answer for its own.
    """

    def __init__(self, opening: Opening) -> None:
        self._tags = tags_of(opening.options)
        self._host = opening.host
        self._book = recalled(opening.memory)
        self._may_talk = opening.link in _TALKING
        self._lines = LineBuffer(MAX_LINE)
        self._days = Days()
        self._live = self._heard = False
        self._now = self._heard_ns = 0
        self._talk: ControllerTalk | ScoringTalk | None = None
        self._codes: set[str] = set()

    def opened(self, now_ns: int) -> list[Event]:
        """Wait: the other side speaks first."""
        self._live = self._may_talk
        self._now = self._heard_ns = now_ns
        return []

    @property
    def pending(self) -> bytes:
        """Bytes of a line without its end."""
        return self._lines.pending

    def feed(self, data: bytes, channel: str = MAIN) -> list[Event]:
        """Take bytes as they came; return what is complete, in wire order."""
        if channel != MAIN:
            return [Rejected(data, Reason.UNKNOWN, f"no channel {channel} was opened")]
        self._heard = self._heard or bool(data)
        events: list[Event] = []
        for raw in self._lines.feed(data):
            if raw.startswith(b"CT01_"):
                events += self._scored(raw)
            elif raw.startswith(b"TO~"):
                events += self._observed(raw)
            else:
                events += self._line(raw)
        return events

    def tick(self, now_ns: int) -> list[Event]:
        """Let the talk see the time."""
        self._now = now_ns
        if self._heard:
            self._heard, self._heard_ns = False, now_ns
        quiet = now_ns - self._heard_ns
        if self._talk is not None:
            return self._talk.tick(now_ns, quiet)
        if self._live and quiet >= _GREETS_WITHIN_NS:
            return [Hangup("whoever connected has not said who it is")]
        return []

    def _scored(self, raw: bytes) -> list[Event]:
        event = records.scored(raw, self._days)
        if isinstance(event, Rejected):
            return self._damaged(event)
        if not self._live:
            return [event]
        talk, began = self._scoring()
        if talk is None:
            return [event]
        if isinstance(event, Read) and event.seq is not None:
            talk.came(records.place_of(raw).decode("latin-1"), event.seq)
        elif isinstance(event, Marker):
            talk.fired(records.place_of(raw).decode("latin-1"), int(str(event.extra["number"])))
        elif isinstance(event, Control):
            began = [*began, *talk.new_place(self._now)]
        return [event, *began]

    def _scoring(self) -> tuple[ScoringTalk | None, list[Event]]:
        """Return the talk with a sender of records, begun now if it greeted nobody."""
        if self._talk is None:
            self._talk = ScoringTalk(self._book)
            return self._talk, self._talk.begin(self._now)
        return (self._talk if isinstance(self._talk, ScoringTalk) else None), []

    def _controller(self) -> tuple[ControllerTalk | None, list[Event]]:
        """Return the talk with a controller, begun now if it streams without a greeting."""
        if self._talk is None:
            self._talk = ControllerTalk(self._book, self._host)
            return self._talk, self._talk.begin(None, self._now)
        return (self._talk if isinstance(self._talk, ControllerTalk) else None), []

    def _observed(self, raw: bytes) -> list[Event]:
        event = records.observed(raw, self._tags)
        if isinstance(event, Rejected):
            return self._damaged(event)
        if not self._live:
            return [event]
        talk, more = self._controller()
        if talk is not None and event.seq is not None:
            more = [*more, *talk.observed(event.seq)]
        return [event, *more, *self._codes_seen(event)]

    def _line(self, raw: bytes) -> list[Event]:
        if not is_line(raw):
            return [Rejected(raw, Reason.OVERLONG, f"no line end within {MAX_LINE} bytes")]
        if raw.startswith(b"MK~") or _FILE_MARKER.match(raw):
            return self._marked(raw)
        if answer := _ANSWER.fullmatch(raw):
            return self._answered(raw, *answer.groups())
        word = raw.strip()
        if not word:
            return [Control(raw, "empty line")]
        if word in (b"PING", b"ping"):
            reply = b"ACK~PING\r\n" if word == b"PING" else b"ack~ping\r\n"
            return [Control(raw, "ping"), *([Send(reply)] if self._live else [])]
        if word == b"TIME":
            return [Control(raw, "time request")]
        if word.startswith(_UNUSED_WORDS):
            return [Control(raw, "not known what it means")]
        return self._greeted(raw)

    def _greeted(self, raw: bytes) -> list[Event]:
        """Take a line that is nothing else: a greeting if nothing was said before, or noise."""
        scoring = _SCORING_GREETING.fullmatch(raw)
        free = self._live and self._talk is None
        greets = scoring or (free and _GREETING.fullmatch(raw))
        if not greets or any(mark in raw for mark in _INNER):
            return self._damaged(Rejected(raw, Reason.UNKNOWN, "not a line the protocol has"))
        text = raw.strip().decode("latin-1")
        event = Control(raw, "greeting", {"text": text})
        if not free:
            return [event]
        if scoring:
            return [event, *self._scoring()[1]]
        self._talk = talk = ControllerTalk(self._book, self._host)
        return [event, *talk.begin(text, self._now)]

    def _marked(self, raw: bytes) -> list[Event]:
        event: Kept = markers.event_of(raw)
        mark = markers.parse(raw)
        if mark is None:
            return self._damaged(Rejected(raw, Reason.FIELD, "not the seven fields of a marker"))
        if not self._live:
            return [event]
        talk, more = self._controller()
        if talk is None:
            return [event]
        events = [*more, *talk.marked(mark)]
        if isinstance(event, ClockStep) and talk.knows(mark):
            event = Control(raw, "clock change known already")
        return [event, *events]

    def _answered(self, raw: bytes, kind: bytes, name: bytes, rest: bytes | None) -> list[Event]:
        command = name.decode("latin-1")
        text = (rest or b"").decode("latin-1")
        event: Kept = Control(raw, f"{kind.decode()} {command}".strip(), {"text": text})
        talk = self._talk
        if not isinstance(talk, ScoringTalk):
            return [event]
        if kind == b"err":
            return [event, *talk.refused(command, self._now)]
        values = text.split("~")
        if command == "geteventinfo":
            event = Status(raw, {"event": records.text_of((rest or b"").partition(b"~")[0])})
        return [event, *talk.answered(command, values, self._now)]

    def _damaged(self, rejected: Rejected) -> list[Event]:
        """Reject a line; where another begins in it, bytes between the two were lost."""
        raw = rejected.raw
        inner = max(raw.rfind(mark, 1) for mark in _INNER)
        if inner < 0:
            return [rejected]
        cut = Rejected(raw[:inner], Reason.FRAMING, "another record begins in the line")
        rest = raw[inner:]
        if rest.startswith(b"CT01_"):
            return [cut, *self._scored(rest)]
        return [cut, *(self._observed(rest) if rest.startswith(b"TO~") else self._marked(rest))]

    def _codes_seen(self, read: Read) -> list[Event]:
        """Tell a person once tags of several events are about, and nobody said which are ours."""
        number, _, codes = read.chip.partition("@")
        if not codes or codes in self._codes or number in _TEST_TAGS:
            return []
        if len(self._codes) >= _MOST_CODES:
            return []
        self._codes.add(codes)
        if len(self._codes) == 1:
            return []
        named = ", ".join(sorted(self._codes))
        text = (
            f"tags of several events were read (timer/event {named}): name those of this race in "
            'the option tags, for example tags = ["160/18"], or a foreign tag may count as a bib'
        )
        return [Alarm("foreign_tags", text)]
