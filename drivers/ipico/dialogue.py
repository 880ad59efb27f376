"""One command at a time: send, wait, repeat, give up.

A reader answers within 30 ms, but reads, banner lines, unasked frames and, as every client of a
Lite hears everything, replies to other programs come in between: a reply is known by its
instruction and length only. The first command after another program's ``e0`` is swallowed.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Event, Send
from drivers.ipico.control import ERRORS, GET_CLOCK, Frame

TIMEOUT_NS: Final = 2 * NS_PER_S
TRIES: Final = 2
"""Tries without any byte, or with an error frame each, that end the patience."""
LIVELY_TRIES: Final = 4
"""Tries while other bytes prove that the link is alive."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command and how its reply is known."""

    data: bytes
    instruction: int
    fits: Callable[[Frame], bool]
    """Whether a frame of the same instruction has the length of the reply."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A command was given up: `refused` by error frames, or met by silence."""

    command: Command
    refused: bool
    silent: bool
    """Not one byte came from the reader during the last `TRIES` waits."""


class Dialogue:
    """Queue of commands with at most one on its way."""

    def __init__(self) -> None:
        self._queue: deque[Command] = deque()
        self._current: Command | None = None
        self._tries = 0
        self._refusals = 0
        self._silent_tries = 0
        self._due_ns = 0
        self._was_alive = False

    @property
    def is_idle(self) -> bool:
        """Nothing is under way or waiting."""
        return self._current is None and not self._queue

    def ask(self, *commands: Command) -> None:
        """Queue commands that are not waiting already."""
        for command in commands:
            if command not in self._queue:
                self._queue.append(command)

    def ask_first(self, *commands: Command) -> None:
        """Queue commands before all that wait, repeats allowed."""
        self._queue.extendleft(reversed(commands))

    def clear(self) -> None:
        """Forget everything asked and waiting."""
        self._queue.clear()
        self._current = None

    def next(self, now_ns: int) -> list[Event]:
        """Send the next command if none is under way."""
        if self._current is not None or not self._queue:
            return []
        command = self._current = self._queue.popleft()
        self._tries = self._refusals = self._silent_tries = 0
        self._was_alive = False
        return self._send(command, now_ns)

    def heard(self) -> None:
        """Note that bytes came in: the link is alive."""
        self._was_alive = True

    def reply(self, frame: Frame) -> Command | None:
        """Return the command that `frame` answers, and be free for the next; None: it does not."""
        current = self._current
        if current is None:
            return None
        if frame.instruction in ERRORS and not frame.data:
            # It may be meant for another program (the vendor's sends e2 every 2 s, and gets f2):
            # only errors for every try refuse the command.
            self._refusals += 1
            return None
        if frame.instruction != current.instruction or not current.fits(frame):
            return None
        self._current = None
        return current

    def tick(self, now_ns: int) -> list[Event] | Unanswered:
        """Repeat the command whose time is up, or report it unanswered."""
        if self._current is None or now_ns < self._due_ns:
            return []
        self._silent_tries = 0 if self._was_alive else self._silent_tries + 1
        self._was_alive = False
        is_silent = self._silent_tries >= TRIES
        is_refused = self._refusals >= TRIES
        if not (is_silent or is_refused or self._tries >= LIVELY_TRIES):
            return self._send(self._current, now_ns)
        given_up, self._current = self._current, None
        return Unanswered(given_up, is_refused, is_silent)

    def _send(self, command: Command, now_ns: int) -> list[Event]:
        self._tries += 1
        self._due_ns = now_ns + TIMEOUT_NS
        return [Send(command.data, asks_clock=command.instruction == GET_CLOCK)]
