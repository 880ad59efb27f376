"""Markers of controllers: guns, clock changes, and the box's health.

``MK~source~number~type~observation~time~detail`` on the wire, the same without ``MK`` and with
commas in a ``.MRK`` file; a detail may have any length and hold more of the separator.
Source: field names in the vendor's CCSLite; marker files of a race of 2021.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from bridge.domain.reads import NS_PER_S, StampForm
from bridge.driver_api import Alarm, ClockStep, Control, Kept, Marker, Reason, Rejected, Status
from drivers.chronotrack.stamps import compact_ns

_WIRE: Final = re.compile(rb"MK~([^~]*)~(\d{1,12})~([^~]*)~(\d{1,12})~(\d{14})~(.*)", re.DOTALL)
_FILE: Final = re.compile(rb"([^,~]{1,40}),(\d{1,12}),([^,~]+),(\d{1,12}),(\d{14}),(.*)", re.DOTALL)
_POWER: Final = re.compile(r"AC=(\d)\s+BatA=(\d)\*?\s+BatB=(\d)\*?")
_VOLTS: Final = re.compile(r"(\d{1,3}(?:\.\d+)?)\s*V", re.IGNORECASE)
_NAMED: Final[Mapping[str, str]] = {
    "Event": "event",
    "Point": "point",
    "BoxVersion": "firmware",
    "MiniVersion": "firmware",
    "CtrlSerialNm": "serial",
    "PB Model": "model",
    "Rdr1Ver": "reader1_firmware",
    "Rdr2Ver": "reader2_firmware",
    "Rdr1Version": "reader1_firmware",
    "RdrOctane": "reader1_firmware",
    "Rdr1Pwr": "reader1_power",
    "Rdr2Pwr": "reader2_power",
    "RdrAntCnt": "antenna_count",
    "RdrATranRSSI": "antenna_rssi_limit",
    "NTP Time": "ntp",
    "TIMEZONE": "timezone",
    "ImmediateMode": "immediate_mode",
}
_POWER_LOST: Final = ("ac power lost", "primary pwr lost")


class Mark(NamedTuple):
    """A marker's fields."""

    source: str
    number: int
    kind: str
    observation: int
    """The number the next observation had then."""
    stamp: int
    """NAIVE ns on the controller's clock."""
    detail: str

    @property
    def powerup(self) -> bool:
        """Whether the controller came up: a new file with numbers from 1 begins."""
        return self.kind == "Powerup"


def parse(raw: bytes) -> Mark | None:
    """Return the marker in a line, or None if it is none."""
    body = raw.rstrip(b"\r\n")
    found = _WIRE.fullmatch(body) or _FILE.fullmatch(body)
    if found is None:
        return None
    source, number, kind, observation, time, detail = found.groups()
    stamp = compact_ns(time)
    if stamp is None:
        return None
    return Mark(
        source.decode("latin-1"),
        int(number),
        kind.decode("latin-1").strip(),
        int(observation),
        stamp,
        detail.decode("latin-1").strip(),
    )


def event_of(raw: bytes) -> Kept:
    """Return the event of a marker line."""
    mark = parse(raw)
    if mark is None:
        return Rejected(raw, Reason.FIELD, "not the seven fields of a marker")
    if mark.kind == "Gun":
        key = f"{mark.source}/{mark.number}/{mark.stamp}"
        extra = {"detail": mark.detail, "observation": mark.observation}
        return Marker(raw, "gun", mark.stamp, StampForm.NAIVE, key, extra, mark.source or None)
    if mark.kind == "TimeChange":
        # Observations before this number are on the old clock, also those that come later.
        detail = f"observations before number {mark.observation} are on the old clock"
        return ClockStep(raw, compact_ns(mark.detail.encode("latin-1")), mark.stamp, detail)
    if fields := _fields(mark):
        return Status(raw, fields)
    # Also `Manual`: the box has a button of its own for the gun, and this one starts no race.
    return Control(raw, mark.kind or "marker", {"detail": mark.detail})


def _fields(mark: Mark) -> dict[str, object]:
    if name := _NAMED.get(mark.kind):
        return {name: mark.detail}
    reader: Callable[[Mark], dict[str, object]] | None = _MEASURED.get(mark.kind)
    return reader(mark) if reader else {}


def _power(mark: Mark) -> dict[str, object]:
    found = _POWER.match(mark.detail)
    if found is None:
        return {}
    mains, first, second = (digit == "1" for digit in found.groups())
    return {"mains": mains, "battery_a": first, "battery_b": second}


def _battery(mark: Mark) -> dict[str, object]:
    found = _VOLTS.fullmatch(mark.detail)
    return {"battery_v": float(found[1])} if found else {}


def _reader_clock(mark: Mark) -> dict[str, object]:
    shown = compact_ns(mark.detail.encode("latin-1"))
    return {} if shown is None else {"reader1_clock_lag_s": (mark.stamp - shown) / NS_PER_S}


_MEASURED: Final[Mapping[str, Callable[[Mark], dict[str, object]]]] = {
    "ElectPower": _power,
    "CS-BattLevel": _battery,
    "Rdr1Time": _reader_clock,
}


class AlarmWatch:
    """Turn markers into alarms; a condition is told when it comes and taken back when it goes.

    It is also taken back where it was never told: an earlier connection may have.
    """

    def __init__(self) -> None:
        self._on: dict[str, str] = {}
        self._had_mains = False

    def told(self, mark: Mark) -> list[Alarm]:
        """Return the alarms this marker changes."""
        match mark.kind:
            case "GeneralAlert":
                return self._alert(mark)
            case "ElectPower":
                return self._power(mark)
            case "Rdr1Pwr" | "Rdr2Pwr":
                off = mark.detail.upper() == "OFF"
                text = f"reader {mark.kind[3]} is switched off" if off else ""
                return self._set(f"reader{mark.kind[3]}_off", text)
            case "Shutdown":
                return self._set("shut_down", "the controller was shut down")
            case "Powerup":
                return self._set("shut_down", "")
            case _:
                return []

    def _alert(self, mark: Mark) -> list[Alarm]:
        if mark.detail.casefold() in _POWER_LOST:
            return self._set("mains_lost", f"the controller says: {mark.detail}")
        if mark.detail.casefold().startswith("single battery"):
            return self._set("single_battery", f"the controller says: {mark.detail}: add a battery")
        return self._set("controller_alert", f"the controller says: {mark.detail}")

    def _power(self, mark: Mark) -> list[Alarm]:
        fields = _power(mark)
        if not fields:
            return []
        mains = fields["mains"] is True
        lost = self._had_mains and not mains
        self._had_mains = self._had_mains or mains
        batteries = [fields["battery_a"], fields["battery_b"]].count(True)
        alarms = []
        if mains or lost:
            text = "the controller lost mains power and runs on battery" if lost else ""
            alarms += self._set("mains_lost", text)
        if mains or batteries > 1:
            alarms += self._set("single_battery", "")
        return alarms

    def _set(self, name: str, text: str) -> list[Alarm]:
        if self._on.get(name) == text:
            return []
        self._on[name] = text
        return [Alarm(name, text or "all is well again", on=bool(text))]
