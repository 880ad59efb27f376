"""What is said to an M100 or R200 module: who it is, power and region if told, then: read on."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Event, Send
from drivers.alarm_book import AlarmBook
from drivers.module_options import POWER, Check, complaints, number_of, one_of, whole
from drivers.polling import QUIET_NS, SLACK_NS, Script, Step
from drivers.yrm100 import frames
from drivers.yrm100.frames import DIALECTS, M100, Dialect

AGAIN_NS: Final = 60 * NS_PER_S
"""A multi poll ends by itself after 65535 rounds at most; it is asked for again before that."""
ROUNDS: Final = b"\x22\xff\xff"
_SOFTWARE: Final = b"\x01"
REGIONS: Final = MappingProxyType({"cn900": 1, "us": 2, "eu": 3, "cn800": 4, "kr": 6})
QUESTIONS: Final = tuple(
    frames.build(dialect, frames.COMMAND, frames.INFO, _SOFTWARE) for dialect in DIALECTS
)
_CHECKS: Final[Mapping[str, Check]] = MappingProxyType(
    {
        "dialect": one_of(("auto", *(dialect.name for dialect in DIALECTS))),
        POWER: whole(1, 30),
        "region": one_of(REGIONS),
    }
)


def option_complaints(options: Mapping[str, object]) -> list[str]:
    """Return what is wrong with `[[reader]] options`."""
    return complaints(options, _CHECKS)


class YrmTalk:
    """The host's half of the conversation with one module.

    Which family it is comes from the first whole frame; until then both are asked in turn.
    """

    def __init__(self, options: Mapping[str, object]) -> None:
        name = options.get("dialect", "auto")
        self._dialect = next((one for one in DIALECTS if one.name == name), None)
        self._power = number_of(options, POWER)
        self._region = REGIONS.get(str(options.get("region", "")))
        self._alarms = AlarmBook()
        self._script = Script()
        self._guess = M100
        self._asked_ns: int | None = None

    def begin(self, now_ns: int) -> list[Event]:  # noqa: ARG002
        """Ask who is there."""
        return self._set_up(self._dialect) if self._dialect else [self._who(self._guess)]

    def heard(self, frame: bytes) -> list[Event]:
        """Take a whole frame."""
        if self._dialect is None:
            self._dialect = next(one for one in DIALECTS if one.head == frame[0])
            return self._set_up(self._dialect)
        command = frame[2]
        asked = self._script.asked
        if asked is None or frame[1] != frames.REPLY:
            return []
        is_refused = command == frames.ERROR and frame[5:6] == bytes((frames.COMMAND_ERROR,))
        if not is_refused and not self._script.answers(command):
            return []
        is_fine = not is_refused and (asked.code == frames.INFO or frame[5:6] == b"\0")
        text = "" if is_fine else _refused(asked.code)
        return [*self._alarms.tell("setup", text), *self._go_on()]

    def tick(self, now_ns: int, silent_ns: int) -> list[Event]:
        """Ask again what was not answered; a module that reads is told so again in time."""
        if self._dialect is None:
            self._guess = DIALECTS[1 - DIALECTS.index(self._guess)]
            return [self._who(self._guess)]
        if self._script.asked is not None:
            return self._go_on() if self._script.is_late() else []
        if self._asked_ns is None:
            self._asked_ns = now_ns
        is_quiet = silent_ns >= QUIET_NS - SLACK_NS
        if not is_quiet and now_ns - self._asked_ns < AGAIN_NS:
            return []
        self._asked_ns = now_ns
        # Silence: it ended, or it was restarted and knows nothing of power and region any more.
        return self._set_up(self._dialect) if is_quiet else [self._read_on(self._dialect)]

    def _set_up(self, dialect: Dialect) -> list[Event]:
        steps = [Step(frames.build(dialect, frames.COMMAND, frames.INFO, _SOFTWARE), frames.INFO)]
        if self._region is not None:
            region = bytes((self._region,))
            data = frames.build(dialect, frames.COMMAND, frames.REGION, region)
            steps.append(Step(data, frames.REGION))
        if self._power is not None:
            power = (self._power * 100).to_bytes(2, "big")
            data = frames.build(dialect, frames.COMMAND, frames.SET_POWER, power)
            steps.append(Step(data, frames.SET_POWER))
        self._script = Script(steps)
        return self._script.next()

    def _go_on(self) -> list[Event]:
        events = self._script.next()
        if events or self._dialect is None:
            return events
        self._asked_ns = None
        return [self._read_on(self._dialect)]

    @staticmethod
    def _who(dialect: Dialect) -> Send:
        return Send(frames.build(dialect, frames.COMMAND, frames.INFO, _SOFTWARE))

    @staticmethod
    def _read_on(dialect: Dialect) -> Send:
        return Send(frames.build(dialect, frames.COMMAND, frames.MULTI, ROUNDS))


def _refused(code: int) -> str:
    what = {frames.REGION: "region", frames.SET_POWER: "power"}.get(code, "command")
    return f"The module refuses the {what} it is told; correct the reader's options."
