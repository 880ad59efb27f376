"""One connection to a TAG Heuer timer.

A CP 540 is asked for its name (``#SN``), to see whether it lives, and for times that are missing
(``#RT``). A Pocket Pro is asked for its name, battery and moment of synchronisation, and for its
memory (``#WC 012``); unless told otherwise its live events are switched on, since it says nothing
without. A CP 520 is only listened to. Never sent: triggers, synchronisation, erasure.
"""

from typing import Final

from bridge.domain.reads import NS_PER_S, Read, StampForm
from bridge.driver_api import (
    MAIN,
    Alarm,
    Control,
    Event,
    Hangup,
    Kept,
    Marker,
    Opening,
    Reason,
    Rejected,
    Remember,
    Send,
    Status,
)
from drivers.tagheuer import options as option_book
from drivers.tagheuer import records
from drivers.tagheuer.gaps import Gaps
from drivers.timer_lines import TimerLines
from drivers.watch import Verdict, Watch

SEEN: Final = "seen"
NAME: Final = b"#SN"
SYNC: Final = b"#!T"
DOWNLOAD: Final = b"#WC 012"
LIVE: Final = b"#WC 016 1C"
BATTERY: Final = b"#RP 025"
_SLOW_NS: Final = 15 * NS_PER_S
_TRIES: Final = 3


class TagHeuerSession:
    """Decode a timer's lines; ask for what is missing."""

    def __init__(self, opening: Opening) -> None:
        self._options = option_book.parse(opening.options)
        self._is_pocket = self._options.model == option_book.POCKET_PRO
        self._listens = self._options.model == option_book.CP520
        self._lines = TimerLines(records.MAX_LINE, records.waits)
        self._sync = records.Sync()
        self._watch = Watch()
        self._gaps = Gaps(opening.memory, is_wanted=self._options.backfill != "never")
        self._was_seen = opening.memory is not None or opening.last_stamp is not None
        self._is_open = False
        self._changes_nothing = opening.trial
        self._now_ns = self._asked_ns = 0
        self._downloading = self._undated = False
        self._tries = 0
        self._remembered = opening.memory
        self._lost: list[int] = []

    @property
    def pending(self) -> bytes:
        """Bytes of a line that has not ended yet."""
        return self._lines.pending

    def opened(self, now_ns: int) -> list[Event]:
        """Ask for its name and for what came while the link was down."""
        self._now_ns = now_ns
        self._watch.begin(now_ns)
        self._is_open = True
        if self._listens:
            return []
        if not self._is_pocket:
            self._gaps.begin()
            return [self._command(NAME), *self._recall()]
        events: list[Event] = [self._command(NAME), self._command(SYNC), self._command(BATTERY)]
        if self._options.live_events and not self._changes_nothing:
            events.append(self._command(LIVE))
        wanted = self._options.backfill
        if wanted == "all" or (wanted == "missed" and self._was_seen):
            events += self._download()
        return events

    def feed(self, data: bytes, channel: str = MAIN) -> list[Event]:  # noqa: ARG002
        """Return what is complete, in wire order."""
        if data:
            self._watch.heard(answer=False)
        events: list[Event] = []
        for line in self._lines.feed(data):
            event = self._dated(records.decode(line, self._options.gun_channels, self._sync))
            events.append(event)
            if self._is_open:
                events += self._follow(event)
        if self._is_open:
            events += self._recall()
            events += self._memo()
        return events

    def tick(self, now_ns: int) -> list[Event]:
        """Let time pass: poll, ask for the next missing time, give up a silent timer."""
        self._now_ns = now_ns
        if self._listens:
            return []
        match self._watch.tick(now_ns):
            case Verdict.DEAD:
                return [Hangup("the timer fell silent: no answer for nine seconds")]
            case Verdict.POLL:
                return [self._command(NAME), *self._ask_sync(), *self._recall()]
            case Verdict.FINE:
                return [*self._recall(), *self._download_again()]

    def closed(self, channel: str, *, refused: bool) -> list[Event]:  # noqa: ARG002
        """Do nothing: no channel was dialled."""
        return []

    def _command(self, text: bytes) -> Send:
        # The Pocket Pro's own lines are LF, text, TAB, CR; hosts end theirs with CR alone.
        return Send(text + b"\r") if self._is_pocket else Send(records.sealed(text))

    def _follow(self, event: Kept) -> list[Event]:
        """Return what a line calls for."""
        match event:
            case Read() | Marker():
                return self._timed(event)
            case Rejected():
                self._gaps.begin()  # it may have been the newest time
                return []
            case Status():
                self._watch.heard(answer=True)
                return []
            case Control():
                return self._controlled(event)
            case _:
                return []

    def _controlled(self, event: Control) -> list[Event]:
        match event.note:
            case records.CORRECTION:
                return [_corrected(event)]
            case "acknowledgement":
                self._watch.heard(answer=True)
                self._gaps.refused()
            case records.DOWNLOAD:
                self._asked_ns = self._now_ns
            case records.DOWNLOAD_ENDED:
                return self._downloaded()
            case records.SYNCHRONISED if self._undated:
                return self._download()
        return []

    def _timed(self, event: Read | Marker) -> list[Event]:
        if self._downloading:
            self._asked_ns = self._now_ns
        fields = records.fields_of(event.raw)
        sequence, channel = fields.get("sequence"), str(fields.get("channel", ""))
        if not isinstance(sequence, int):
            return []
        if event.raw.lstrip(b"\n").startswith(b"AN"):
            self._watch.heard(answer=True)
            self._gaps.recalled(sequence, channel)
        else:
            self._gaps.came(sequence, channel)
        return []

    def _recall(self) -> list[Event]:
        if self._is_pocket or self._listens:
            return []
        events: list[Event] = []
        wanted = self._gaps.next(self._now_ns)
        if wanted is not None:
            text = f"#RT {wanted.sequence:04d} {int(wanted.channel):02d}"
            events.append(self._command(text.encode("ascii")))
        if self._gaps.lost != self._lost:
            self._lost = self._gaps.lost
            numbers = ", ".join(map(str, self._lost))
            text = f"the timer does not give times of sequence number {numbers}: see its own list"
            events.append(Alarm("times_missing", text))
        return events

    def _memo(self) -> list[Event]:
        """Return what the next session must know, if it has changed."""
        memory = SEEN if self._is_pocket or self._listens else self._gaps.memory()
        if memory == self._remembered:
            return []
        self._remembered = memory
        return [Remember(memory)]

    def _dated(self, event: Kept) -> Kept:
        """Refuse a stored time that cannot be dated yet: it is not of the moment it comes in."""
        absent = isinstance(event, Read) and event.form is StampForm.ABSENT
        if not (self._downloading and absent):
            return event
        self._undated = True
        return Rejected(event.raw, Reason.FIELD, "stored before the synchronisation was told")

    def _ask_sync(self) -> list[Event]:
        is_missing = self._is_pocket and self._sync.moment is None
        return [self._command(SYNC)] if is_missing else []

    def _downloaded(self) -> list[Event]:
        """Take the end of a download; one without dates is to come again with them."""
        self._downloading = False
        if not self._undated:
            return [Alarm("no_download", "", on=False)]
        text = (
            "the timer's memory came, but not when the timer was synchronised: its times have no "
            "date yet, and it is asked again"
        )
        return [*self._ask_sync(), Alarm("no_download", text)]

    def _download(self) -> list[Event]:
        self._downloading, self._undated = True, False
        self._asked_ns = self._now_ns
        return [self._command(DOWNLOAD)]

    def _download_again(self) -> list[Event]:
        if not self._downloading or self._now_ns < self._asked_ns + _SLOW_NS:
            return []
        self._tries += 1
        if self._tries < _TRIES:
            return self._download()
        self._downloading = False
        text = (
            "the timer's memory did not come: times taken while the link was down are missing. "
            "Compare with the timer's own list"
        )
        return [Alarm("no_download", text)]


def _corrected(event: Control) -> Alarm:
    """Tell a person what was changed on the timer; what was read stays as it was."""
    fields = event.extra
    chip = fields.get("number") or str(fields["cancels"]).partition("/")[2].replace("/", "#")
    text = (
        f"the timer sent a correction ({fields['record']}) of number {fields.get('number', '?')}, "
        f"sequence {fields.get('sequence', '?')}, channel {fields['channel']}: look what it means "
        f"on the timer; to leave a crossing out, mark chip {chip} `ignore`"
    )
    return Alarm("corrected", text)
