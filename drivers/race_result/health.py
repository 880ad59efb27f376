"""From what a decoder says of itself to what a person must do about it."""

from collections.abc import Mapping
from typing import Final

from bridge.driver_api import Alarm, ClockStep
from drivers.race_result.replies import Health, Told

_LOW_BATTERY_PCT: Final = 20
_BACKWARDS_NS: Final = 1_000_000_000
_ERRORS: Final = (
    (1, "the UHF module failed"),
    (16, "the active loop has an error"),
    (32, "the loop power is limited"),
    (64, "the active link was lost"),
    (256, "GPS time does not synchronise"),
    (512, "the GPS link failed"),
    (1024, "active time does not synchronise"),
)


class HealthWatch:
    """Turn status after status into alarms: one each time a condition comes or goes.

    The first status tells every condition, so that an alarm of an earlier connection is taken
    back when its cause is gone.
    """

    def __init__(self) -> None:
        self._told: dict[str, str] = {}
        self._antennas_seen: set[int] = set()
        self._had_mains = False

    def told(self, health: Health) -> list[Alarm]:
        """Return the alarms that changed with this status."""
        alarms = []
        for name, text in self._conditions(health).items():
            if self._told.get(name) != text:
                self._told[name] = text
                alarms.append(Alarm(name, text or "all is well again", on=bool(text)))
        return alarms

    def _conditions(self, health: Health) -> dict[str, str]:
        fields = health.fields
        return {
            "not_recording": "the decoder is in test mode and stores nothing: start timing mode"
            if fields.get("operating") is False
            else "",
            "battery_low": _battery(fields),
            "mains_lost": self._mains(fields),
            "antennas": self._antennas(fields),
            "reader_unhealthy": "the UHF module reports a fault: restart the decoder"
            if fields.get("reader_healthy") is False
            else "",
            "clock_stopped": "the decoder's clock stands still: set its time"
            if fields.get("time_running") is False
            else "",
            "decoder_errors": _errors(fields.get("error_flags")),
        }

    def _mains(self, fields: Mapping[str, object]) -> str:
        mains = fields.get("mains")
        self._had_mains = self._had_mains or mains is True
        lost = self._had_mains and mains is False
        return "the decoder lost mains power and runs on its battery" if lost else ""

    def _antennas(self, fields: Mapping[str, object]) -> str:
        text = fields.get("antennas")
        if not isinstance(text, str):
            return ""
        connected = {port for port, state in enumerate(text, start=1) if state == "1"}
        self._antennas_seen |= connected
        lost = sorted(self._antennas_seen - connected)
        if lost:
            return f"antenna {', '.join(map(str, lost))} is no longer connected: check its cable"
        if not connected and fields.get("active_extension") is False:
            return "no antenna is connected"
        return ""


class ClockWatch:
    """Notice that a decoder's clock was moved, where the protocol itself shows it.

    That is a date appearing or vanishing, or a clock that goes back by more than a second
    between two replies. Other steps are found from the samples.
    """

    def __init__(self) -> None:
        self._last: Told | None = None

    def told(self, clock: Told) -> list[ClockStep]:
        """Return the step between the last reading and this one, if any; it carries no bytes."""
        last, self._last = self._last, clock
        if last and last.form is not clock.form:
            return [ClockStep(b"", last.stamp, clock.stamp, "the date was set or lost")]
        if last and last.stamp - clock.stamp > _BACKWARDS_NS:
            return [ClockStep(b"", last.stamp, clock.stamp, "the clock was set back")]
        return []


def _battery(fields: Mapping[str, object]) -> str:
    left = fields.get("battery_pct")
    if isinstance(left, int) and left < _LOW_BATTERY_PCT and fields.get("mains") is not True:
        return f"the decoder's battery is below {_LOW_BATTERY_PCT} %: connect mains"
    return ""


def _errors(flags: object) -> str:
    if not isinstance(flags, int):
        return ""
    named = [text for bit, text in _ERRORS if flags & bit]
    rest = flags & ~sum(bit for bit, _ in _ERRORS)
    if rest:
        named.append(f"unknown error flags {rest:#x}")
    return "; ".join(named)
