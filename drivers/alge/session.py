"""One connection to an ALGE timer.

It talks by itself. Sent are ``NSF?`` (a question, to see whether it lives), ``RSM`` (dump the
memory, after a gap) and, where the cable is ours, ``CHK1``. Never sent: ``CLR`` and ``TIMYINIT``,
which delete times, and whatever else changes a setting.
"""

from collections import deque
from typing import Final

from bridge.domain.reads import NS_PER_S, Read
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
from drivers.alge import options as option_book
from drivers.alge import records
from drivers.timer_lines import TimerLines
from drivers.watch import Verdict, Watch

ASK: Final = b"NSF?\r"
DUMP: Final = b"RSM\r"
CHECK: Final = b"CHK1\r"
SEEN: Final = "seen"
"""What is remembered: that there was a connection, so the next one comes after a gap."""
_SLOW_NS: Final = 15 * NS_PER_S
"""A dump that brings nothing for so long did not come."""
_REPAIR_NS: Final = 60 * NS_PER_S
_TRIES: Final = 3
_MOST_REPAIRS: Final = 20
_MOST_CLEARED: Final = 5
_NOISY: Final = 5
_INTERLEAVED: Final = 4
_HOUR_NS: Final = 3600 * NS_PER_S
_MUTE: Final = (
    "The timer answers no questions: its impulses are taken, but those made while the link is down "
    "cannot be fetched. Look at the cable (both directions) and at the timer's RS-232 setting."
)


class AlgeSession:
    """Decode a timer's lines; have its memory dumped after a gap or a damaged line."""

    def __init__(self, opening: Opening) -> None:
        self._options = option_book.parse(opening.options, is_serial=opening.link == "serial")
        self._adds_check = self._options.checksum and not opening.trial
        self._lines = TimerLines(records.MAX_LINE, lambda _: False)
        self._watch = Watch()
        self._is_open = False
        self._was_seen = opening.memory is not None or opening.last_stamp is not None
        self._remembered = opening.memory is not None
        self._dumping = self._repair = self._told_mute = False
        self._tries = self._repairs = 0
        self._now_ns = self._asked_ns = 0
        self._in_dump: deque[int] = deque(maxlen=_INTERLEAVED)
        """The last stamps of the dump; live impulses come between its lines."""
        self._cleared: list[str] = []
        self._damaged: int | None = 0
        """Lines not understood since the connection began; None once one was."""

    @property
    def pending(self) -> bytes:
        """Bytes of a line that has not ended yet."""
        return self._lines.pending

    def opened(self, now_ns: int) -> list[Event]:
        """Ask whether it hears us; dump the memory if there was a connection before this one."""
        self._is_open = True
        self._now_ns = now_ns
        self._watch.begin(now_ns)
        events: list[Event] = [Send(CHECK)] if self._adds_check else []
        events.append(Send(ASK))
        wanted = self._options.backfill
        if wanted == "all" or (wanted == "missed" and self._was_seen):
            events += self._dump()
        return events

    def feed(self, data: bytes, channel: str = MAIN) -> list[Event]:  # noqa: ARG002
        """Return what is complete, in wire order."""
        if data:
            self._watch.heard(answer=False)
        events: list[Event] = []
        for line in self._lines.feed(data):
            event = records.decode(line, self._options.gun_channels)
            events.append(event)
            if self._is_open:
                events += self._follow(event)
        return events

    def tick(self, now_ns: int) -> list[Event]:
        """Let time pass: poll, repeat a dump that did not come, give up a silent timer."""
        self._now_ns = now_ns
        match self._watch.tick(now_ns):
            case Verdict.DEAD:
                return [Hangup("the timer fell silent: no answer for nine seconds")]
            case Verdict.POLL:
                return [Send(ASK), *self._mute()]
            case Verdict.FINE:
                return self._dump_again(now_ns)

    def closed(self, channel: str, *, refused: bool) -> list[Event]:  # noqa: ARG002
        """Do nothing: no channel was dialled."""
        return []

    def _dump(self) -> list[Event]:
        self._dumping, self._repair = True, False
        self._in_dump.clear()
        self._asked_ns = self._now_ns
        return [Send(DUMP)]

    def _dump_again(self, now_ns: int) -> list[Event]:
        waited_ns = now_ns - self._asked_ns
        if self._dumping and waited_ns >= _SLOW_NS:
            self._tries += 1
            if self._tries < _TRIES:
                return self._dump()
            self._dumping = False
            return [
                Alarm(
                    "no_dump",
                    "the timer's memory did not come: impulses made while the link was down are "
                    "missing. Compare with the timer's own list",
                )
            ]
        due = self._repair and self._damaged is None and waited_ns >= _REPAIR_NS
        if (
            due
            and not self._dumping
            and self._repairs < _MOST_REPAIRS
            and self._options.backfill != "never"
        ):
            self._repairs += 1
            return self._dump()
        return []

    def _mute(self) -> list[Event]:
        if not self._watch.is_mute or self._told_mute:
            return []
        self._told_mute = True
        return [Alarm("mute", _MUTE)]

    def _follow(self, event: Kept) -> list[Event]:
        """Return what a line calls for."""
        match event:
            case Read(stamp=stamp) | Marker(stamp=stamp):
                return self._impulse(stamp)
            case Rejected():
                # The memory has the line unhurt, unless the timer means it so.
                self._repair = self._repair or event.reason is not Reason.FIELD
                return self._not_understood()
            case Status():
                return self._answered()
            case Control(note=records.DUMP_ENDED):
                return self._dump_ended()
            case Control(note="cleared time"):
                return self._clear(event.raw)
            case _:
                return []

    def _not_understood(self) -> list[Event]:
        """Suspect the speed of the port if nothing at all is understood."""
        if self._damaged is None:
            return []
        self._damaged += 1
        if self._damaged != _NOISY:
            return []
        text = (
            "nothing the timer sends is understood: is the port's speed the timer's? Timy2, Timy3 "
            "38400, first Timy and TdC 9600, else 19200 (?baud=… in the reader's url)"
        )
        return [Alarm("speed", text)]

    def _understood(self) -> list[Event]:
        was, self._damaged = self._damaged, None
        return [Alarm("speed", "", on=False)] if was is not None and was >= _NOISY else []

    def _impulse(self, stamp: int) -> list[Event]:
        events = self._understood()
        if self._dumping:
            self._asked_ns = self._now_ns
            before = min(self._in_dump, default=stamp)
            self._in_dump.append(stamp)
            if stamp < before - _HOUR_NS:
                text = (
                    "the timer's memory goes back over a midnight: impulses of an earlier day look "
                    "like today's. Mark those that count as `ignore`, and clear the memory before "
                    "the next race"
                )
                events.append(Alarm("old_memory", text))
        if not self._remembered:
            self._remembered = True
            events.append(Remember(SEEN))
        return events

    def _answered(self) -> list[Event]:
        first = not self._watch.answers
        self._watch.heard(answer=True)
        events = self._understood()
        if first:
            events.append(Alarm("mute", "", on=False))
        if not self._remembered:
            self._remembered = True
            events.append(Remember(SEEN))
        return events

    def _dump_ended(self) -> list[Event]:
        if not self._dumping:
            return []
        self._dumping, self._tries = False, 0
        self._asked_ns = self._now_ns
        return [*self._answered(), Alarm("no_dump", "", on=False)]

    def _clear(self, raw: bytes) -> list[Event]:
        """Tell a person what was cleared on the timer; the read itself stays as it was."""
        impulse = records.impulse_of(raw)
        if impulse is None:
            return []
        digits = impulse.digits
        time = f"{digits[:2]}:{digits[2:4]}:{digits[4:6]}.{digits[6:]}"
        if impulse.channel in self._options.gun_channels:
            text = f"the gun of {time} (channel {impulse.channel}: take it back with `gun --undo`)"
        else:
            # The impulse came as numbered or not: the clearing line tells its number alone.
            known = f"number {int(impulse.number)}" if int(impulse.number) else "without a number"
            chips = dict.fromkeys((impulse.chip, f"{impulse.channel}#{digits}"))
            text = f"{known} at {time} (chip {' or '.join(chips)}: `mark … ignore`)"
        if text not in self._cleared:
            self._cleared = [*self._cleared, text][-_MOST_CLEARED:]
        return [Alarm("cleared", f"cleared on the timer: {'; '.join(self._cleared)}")]
