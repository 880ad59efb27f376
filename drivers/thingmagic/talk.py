"""What is said to a ThingMagic module: its set-up, which it forgets without power, and: read.

A module that already reads, because only the bridge was started again, is left alone.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Event
from drivers import module_options
from drivers.alarm_book import AlarmBook
from drivers.module_options import Check, antennas, number_of, one_of, ports_of, whole
from drivers.polling import QUIET_NS, SLACK_NS, Script, Step
from drivers.thingmagic import frames

TROUBLE_NS: Final = 30 * NS_PER_S
"""A trouble the module has not repeated for so long is over."""
REGIONS: Final = MappingProxyType(
    {
        "na": 0x01,
        "in": 0x04,
        "jp": 0x05,
        "prc": 0x06,
        "eu3": 0x08,
        "kr2": 0x09,
        "au": 0x0B,
        "nz": 0x0C,
        "na2": 0x0D,
        "open": 0xFF,
    }
)
_CHECKS: Final[Mapping[str, Check]] = MappingProxyType(
    {
        "region": one_of(REGIONS),
        module_options.POWER: whole(0, 31),
        "antennas": antennas(15),
    }
)
START: Final = bytes.fromhex("00000122000005072210001b03e801ff")
"""Continuous reading of Gen2 tags on the antennas set before, with all fields we decode."""
_GEN2: Final = b"\x00\x05"
_FILTER_OFF: Final = b"\x01\x0c\x00"
"""Else the module tells of the same tag once only."""
_ONE_PORT: Final = b"\x01\x01"
_PORT_LIST: Final = b"\x02"
_TOO_HOT: Final = (
    "The module is too hot and reads less often: cool it, or lower its power. Feed it from a "
    "supply of its own, not from a USB port."
)
_BAD_MATCH: Final = (
    "The antenna does not match: check that antenna and cable are connected and whole."
)
_TROUBLES: Final = MappingProxyType(
    {
        frames.TOO_HOT: ("temperature", _TOO_HOT),
        frames.BAD_MATCH: ("antenna", _BAD_MATCH),
    }
)
_NAMES: Final = MappingProxyType(
    {
        frames.REGION: "region",
        frames.PROTOCOL: "protocol",
        frames.ANTENNA: "antennas",
        frames.POWER: "power",
        frames.SETTING: "read filter",
        frames.MULTI: "start of reading",
    }
)


def option_complaints(options: Mapping[str, object]) -> list[str]:
    """Return what is wrong with `[[reader]] options`."""
    return module_options.complaints(options, _CHECKS)


class MercuryTalk:
    """The host's half of the conversation with one module."""

    def __init__(self, options: Mapping[str, object]) -> None:
        self._steps = tuple(_steps(options))
        self._script = Script()
        self._refused: dict[int, int] = {}
        self._alarms = AlarmBook()
        self._troubles: dict[str, int | None] = {}
        """Alarm that is on -> when its cause was last told; None: since the last tick."""

    def begin(self, now_ns: int) -> list[Event]:  # noqa: ARG002
        """Listen first: the module may be reading already."""
        return []

    def heard(self, frame: bytes) -> list[Event]:
        """Take a whole frame."""
        opcode, status = frame[2], frames.status_of(frame)
        trouble = _TROUBLES.get(status)
        if trouble is not None:
            self._troubles[trouble[0]] = None
            return [*self._alarms.tell(*trouble)]
        if self._script.answers(opcode):
            if status:
                self._refused[opcode] = status
            return self._go_on()
        if opcode == frames.VERSION:
            # Told unasked: it has just been switched on and knows nothing of its set-up.
            return self._set_up()
        return []

    def tick(self, now_ns: int, silent_ns: int) -> list[Event]:
        """Set it up if it does not read; take back troubles that are over."""
        events: list[Event] = [*self._troubles_over(now_ns)]
        if self._script.asked is not None:
            return events + self._go_on() if self._script.is_late() else events
        # A module that reads sends a keepalive each second, tags or not.
        return events + self._set_up() if silent_ns >= QUIET_NS - SLACK_NS else events

    def _set_up(self) -> list[Event]:
        self._script = Script(self._steps)
        self._refused.clear()
        return self._script.next()

    def _go_on(self) -> list[Event]:
        events = self._script.next()
        return events or [*self._alarms.tell("setup", _refusal(self._refused))]

    def _troubles_over(self, now_ns: int) -> list[Event]:
        events: list[Event] = []
        for name, told_ns in list(self._troubles.items()):
            if told_ns is None:
                self._troubles[name] = now_ns
            elif now_ns - told_ns >= TROUBLE_NS:
                del self._troubles[name]
                events += self._alarms.tell(name, "")
        return events


def _steps(options: Mapping[str, object]) -> list[Step]:
    wanted = [(frames.VERSION, b"")]
    region = REGIONS.get(str(options.get("region", "")))
    if region is not None:
        wanted.append((frames.REGION, bytes((region,))))
    wanted.append((frames.PROTOCOL, _GEN2))
    ports = ports_of(options) or (1,)
    pairs = bytes(port for port in ports for _ in ("send", "receive"))
    wanted.append((frames.ANTENNA, _ONE_PORT if ports == (1,) else _PORT_LIST + pairs))
    power = number_of(options, module_options.POWER)
    if power is not None:
        wanted.append((frames.POWER, (power * 100).to_bytes(2, "big")))
    wanted += [(frames.SETTING, _FILTER_OFF), (frames.MULTI, START)]
    return [Step(frames.command(opcode, data), opcode) for opcode, data in wanted]


def _refusal(refused: Mapping[int, int]) -> str:
    what = ", ".join(
        f"{_NAMES[opcode]} (status {status:04X})"
        for opcode, status in refused.items()
        if opcode in _NAMES
    )
    if not what:
        return ""
    return (
        f"The module refuses {what}. Set the reader's options: it reads only with the region it "
        "was made for and on antenna ports it has."
    )
