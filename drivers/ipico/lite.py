"""The conversation with a Lite, or a serial board that takes the same commands.

After connect: record layout, clock (several samples), read mode, memory. Then clock and memory
every 3 s, layout and mode every minute. Never sent: set clock, set mode or layout, recording on
or off, erase, init.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Clock, Event, Hangup, Kept
from drivers.ipico import control
from drivers.ipico.alarms import Alarms
from drivers.ipico.backfill import Backfill
from drivers.ipico.control import Frame
from drivers.ipico.dialogue import Command, Dialogue, Unanswered
from drivers.ipico.download import STATUS
from drivers.ipico.notes import Notes
from drivers.ipico.options import Options

POLL_NS: Final = 3 * NS_PER_S
SETTINGS_NS: Final = 60 * NS_PER_S
MUTE_NS: Final = 30 * NS_PER_S
CONNECT_SAMPLES: Final = 5
STEP_SAMPLES: Final = 3


def _sized(*sizes: int) -> Callable[[Frame], bool]:
    return lambda frame: len(frame.data) in sizes


CLOCK: Final = Command(control.build(control.GET_CLOCK), control.GET_CLOCK, _sized(9))
LAYOUT: Final = Command(control.build(control.LAYOUT, query=True), control.LAYOUT, _sized(8, 10))
MODE: Final = Command(control.build(control.READ_MODE, query=True), control.READ_MODE, _sized(2))
STATISTICS: Final = Command(
    control.build(control.STATISTICS), control.STATISTICS, lambda frame: bool(frame.data)
)

MUTE: Final = (
    "The reader answers no commands: its reads are taken, but its clock cannot be checked and "
    "missed reads cannot be noticed. Right for a USB registration reader; otherwise look at "
    "cable, baud rate and address; is it an IPICO at all?"
)


class LiteTalk:
    """Speak with one reader over one connection.

    Attributes:
        has_answered: A command was answered on this connection.
        is_mute: The reader was given up as one that never answers; it is asked now and then.
        refuses_layout: Records are not laid out as from the factory and must not be decoded.
    """

    def __init__(
        self, options: Options, notes: Notes, *, is_serial: bool, is_known_lite: bool
    ) -> None:
        self._options = options
        self._is_serial = is_serial
        self._must_answer = is_known_lite and not is_serial
        self._alarms = Alarms()
        self._dialogue = Dialogue()
        self._backfill = Backfill(notes, options.backfill, self._dialogue, self._alarms)
        self._has_memory = True
        self._next_poll_ns = 0
        self._next_settings_ns = 0
        self._now_ns = 0
        self._is_begun = False
        self.has_answered = False
        self.is_mute = False
        self.refuses_layout = False

    def notes(self) -> Notes | None:
        """Return what the next session must know, or None: no reader has proved to be a Lite."""
        return self._backfill.notes() if self.has_answered else None

    def begin(self, now_ns: int) -> list[Event]:
        """Start asking."""
        self._now_ns = now_ns
        self._is_begun = True
        self._next_poll_ns = now_ns + POLL_NS
        self._next_settings_ns = now_ns + SETTINGS_NS
        self._dialogue.ask_first(LAYOUT, *[CLOCK] * CONNECT_SAMPLES)
        self._dialogue.ask(MODE, STATUS)
        if self._options.poll_statistics:
            self._dialogue.ask(STATISTICS)
        return self._dialogue.next(now_ns)

    def heard(self, tag_lines: int) -> None:
        """Count tag lines, and note that the link lives."""
        self._dialogue.heard()
        self._backfill.count(tag_lines)

    def control(self, event: Kept) -> list[Event]:
        """Take an event of a control line; return it and what follows from it."""
        frame = control.frame_of(event.raw)
        if not isinstance(frame, Frame):
            return [event]
        if not self._is_begun:
            # Nothing was asked yet, or bytes of a file are decoded: say nothing, but heed a layout.
            is_layout = frame.instruction == control.LAYOUT and frame.data
            return [event, *(self._layout(frame) if is_layout else [])]
        command = self._dialogue.reply(frame)
        if isinstance(event, Clock) and command is CLOCK:
            event = replace(event, asked=True)
        events: list[Event] = [event]
        if command is not None:
            events += self._answered()
        if frame.data:
            events += self._learn(frame, command)
        return events + self._dialogue.next(self._now_ns)

    def tick(self, now_ns: int) -> list[Event]:
        """Let time pass: repeat, give up, poll."""
        self._now_ns = now_ns
        outcome = self._dialogue.tick(now_ns)
        if isinstance(outcome, Unanswered):
            outcome = self._unanswered(outcome)
        self._backfill.tick(now_ns)
        if now_ns >= self._next_poll_ns and self._dialogue.is_idle:
            self._poll(now_ns)
        return outcome + self._dialogue.next(now_ns)

    def _poll(self, now_ns: int) -> None:
        self._next_poll_ns = now_ns + (MUTE_NS if self.is_mute else POLL_NS)
        self._dialogue.ask(CLOCK)
        if self.is_mute:
            return
        if self._has_memory:
            self._dialogue.ask(STATUS)
        if self.refuses_layout:
            self._dialogue.ask(LAYOUT)
        if now_ns >= self._next_settings_ns:
            self._next_settings_ns = now_ns + SETTINGS_NS
            self._dialogue.ask(LAYOUT, MODE)
            if self._options.poll_statistics:
                self._dialogue.ask(STATISTICS)

    def _answered(self) -> list[Event]:
        was_mute, self.is_mute, self.has_answered = self.is_mute, False, True
        if was_mute:
            self._next_poll_ns = self._now_ns + POLL_NS
            self._dialogue.ask(LAYOUT, MODE, STATUS)
        return self._alarms.lower("mute")

    def _learn(self, frame: Frame, command: Command | None) -> list[Event]:
        if frame.instruction == control.LAYOUT:
            return self._layout(frame)
        if frame.instruction == control.CLOCK_STEP:
            self._dialogue.ask_first(*[CLOCK] * STEP_SAMPLES)
            return []
        mode = control.mode_of(frame)
        if mode is not None:
            return self._mode(mode)
        memory = control.memory_of(frame)
        if memory is None or (self.refuses_layout and not self._backfill.is_fetching):
            return []  # what cannot be decoded need not be fetched
        events = self._backfill.answered(command, memory, self._now_ns) if command else []
        return events + self._backfill.status(memory, self._now_ns)

    def _layout(self, frame: Frame) -> list[Event]:
        self.refuses_layout = not control.is_factory_layout(frame)
        if not self.refuses_layout:
            return self._alarms.lower("layout")
        return self._alarms.raise_(
            "layout",
            f"The reader's record layout was changed ({frame.data.hex()}): its reads are kept as "
            "raw bytes and not used. Set the factory layout 7ffc6161aa000d0a with the maker's "
            "program.",
        )

    def _mode(self, mode: int) -> list[Event]:
        if mode == control.RAW_MODE:
            return self._alarms.lower("mode")
        name = control.MODES[mode] if mode < len(control.MODES) else str(mode)
        return self._alarms.raise_(
            "mode",
            f"The reader is in {name} mode, which can lose a lap when many chips are near. Switch "
            "it to raw mode with the maker's program; the bridge removes repeats itself.",
        )

    def _unanswered(self, given_up: Unanswered) -> list[Event]:
        may_hang_up = self._must_answer or (self.has_answered and not self._is_serial)
        if given_up.silent and may_hang_up:
            self._dialogue.clear()
            self._next_poll_ns = self._now_ns + MUTE_NS
            return [Hangup("the reader fell silent: no reply to two commands in a row")]
        if given_up.refused:
            if given_up.command is STATUS:
                self._has_memory = False  # a bare board stores nothing
            events = self._answered()
            return events + self._backfill.unanswered(given_up.command, self._now_ns)
        events = self._alarms.raise_("mute", MUTE)
        if given_up.silent or not self.has_answered:
            self.is_mute = True
            self._dialogue.clear()
            self._backfill.abandon()
            self._next_poll_ns = self._now_ns + MUTE_NS
            return events
        return events + self._backfill.unanswered(given_up.command, self._now_ns)
