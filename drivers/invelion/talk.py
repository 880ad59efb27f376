"""What is said to an Invelion or Rodinbell reader: power if told, then one inventory after another.

An inventory ends by itself after some rounds; asking for the next one is what keeps the reader
reading and shows that it lives. Only the power for now is set, never what is kept in flash.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Event, Send
from drivers.alarm_book import AlarmBook
from drivers.invelion import frames
from drivers.module_options import POWER, Check, antennas, complaints, number_of, ports_of, whole
from drivers.polling import QUIET_NS, SLACK_NS, Script, Step

ROUNDS: Final = 10
"""Rounds per command: tags are told at once in each, the end once."""
TEMPERATURE_NS: Final = 60 * NS_PER_S
PORTS: Final = 4
_SKIP: Final = 0xFF
_TARGET_A: Final = 0
_CHECKS: Final[Mapping[str, Check]] = MappingProxyType(
    {POWER: whole(0, 33), "session": whole(0, 3), "antennas": antennas(PORTS)}
)


def option_complaints(options: Mapping[str, object]) -> list[str]:
    """Return what is wrong with `[[reader]] options`."""
    found = complaints(options, _CHECKS)
    if not found and {"session", "antennas"} <= options.keys():
        found.append("option 'session' cannot be told where 'antennas' are cycled through")
    return found


class InvelionTalk:
    """The host's half of the conversation with one reader."""

    def __init__(self, options: Mapping[str, object]) -> None:
        self._power = number_of(options, POWER)
        self._inventories = _inventories(options)
        self._refused = 0
        """How many kinds of inventory were found not to be known to the reader."""
        self._is_known = False
        """The kind of inventory in use has been answered."""
        self._script = Script()
        self._alarms = AlarmBook()
        self._missing: set[int] = set()
        self._is_idle = False
        self._asks_temperature = False
        self._temperature_ns: int | None = None

    def begin(self, now_ns: int) -> list[Event]:
        """Ask who is there and go on from the answer."""
        self._temperature_ns = now_ns
        return self._set_up()

    def heard(self, frame: bytes) -> list[Event]:
        """Take a whole frame."""
        length, command = frame[1], frame[3]
        if command in frames.INVENTORIES:
            if length == frames.END:
                return self._ended()
            if length == frames.ERROR:
                return self._failed(frame[4])
            if length == frames.CYCLE_ERROR and frame[5] == frames.NO_ANTENNA:
                self._missing.add(frame[4] + 1)
            return []
        if not self._script.answers(command):
            return []
        events: list[Event] = []
        if command == frames.POWER_FOR_NOW:
            is_fine = frame[4] == frames.SUCCESS
            text = "" if is_fine else f"The reader refuses a power of {self._power} dBm."
            events += self._alarms.tell("setup", text)
        return events + self._go_on()

    def tick(self, now_ns: int, silent_ns: int) -> list[Event]:
        """Ask again where nothing came; begin anew with a reader that may have been restarted."""
        if self._temperature_ns is not None and now_ns - self._temperature_ns >= TEMPERATURE_NS:
            self._asks_temperature = True
            self._temperature_ns = now_ns
        if self._script.asked is not None:
            return self._go_on() if self._script.is_late() else []
        if silent_ns >= QUIET_NS - SLACK_NS:
            if not self._is_known:
                self._refused += 1
            return self._set_up()
        if self._is_idle:
            return [self._read_on()]
        return []

    def _set_up(self) -> list[Event]:
        steps = [Step(frames.build(frames.VERSION), frames.VERSION)]
        if self._power is not None:
            data = frames.build(frames.POWER_FOR_NOW, bytes((self._power,)))
            steps.append(Step(data, frames.POWER_FOR_NOW))
        self._script = Script(steps)
        return self._script.next()

    def _go_on(self) -> list[Event]:
        return self._script.next() or [self._read_on()]

    def _read_on(self) -> Send:
        self._is_idle = False
        return Send(self._inventories[self._refused % len(self._inventories)])

    def _ended(self) -> list[Event]:
        self._is_known = True
        events: list[Event] = [
            *self._alarms.tell("antenna", _missing(self._missing)),
            *self._alarms.tell("inventory", ""),
        ]
        self._missing.clear()
        if self._script.asked is not None:
            return events  # a late end; what follows the set-up begins the one round there is
        if self._asks_temperature:
            self._asks_temperature = False
            question = frames.build(frames.TEMPERATURE)
            self._script = Script([Step(question, frames.TEMPERATURE)])
            return events + self._script.next()
        return [*events, self._read_on()]

    def _failed(self, code: int) -> list[Event]:
        """Take an error in place of an end; the next inventory waits for a tick.

        Where it comes at once it would come again at once.
        """
        if code == frames.NO_TAG:
            return self._ended()
        self._is_idle = True
        if code == frames.NO_ANTENNA:
            self._is_known = True
            return [*self._alarms.tell("antenna", _NO_ANTENNA)]
        if not self._is_known:
            self._refused += 1
            if self._refused < len(self._inventories):
                return []
        text = f"The reader cannot take inventory: {frames.CODES.get(code, hex(code))}."
        return [*self._alarms.tell("inventory", text)]


_NO_ANTENNA: Final = "The reader misses its antenna: check the cable."


def _inventories(options: Mapping[str, object]) -> tuple[bytes, ...]:
    """Return the commands to try, best first: not every reader knows the one with a session."""
    plain = frames.build(frames.PLAIN, bytes((ROUNDS,)))
    ports = ports_of(options)
    if ports:
        slots = [(port - 1, 1) for port in ports] + [(_SKIP, 0)] * (PORTS - len(ports))
        data = bytes(byte for slot in slots for byte in slot) + bytes((0, ROUNDS))
        return (frames.build(frames.CYCLE, data),)
    session = number_of(options, "session") or 0
    with_session = bytes((session, _TARGET_A, ROUNDS))
    return frames.build(frames.WITH_SESSION, with_session), plain


def _missing(ports: set[int]) -> str:
    if not ports:
        return ""
    which = ", ".join(map(str, sorted(ports)))
    return f"The reader misses the antenna at port {which}: check the cable."
