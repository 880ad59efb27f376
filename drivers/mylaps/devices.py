"""What Timing & Scoring tells of its locations, decoders and the race: health, not reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bridge.driver_api import Alarm, Status
from drivers.mylaps import key_values

WANTED: Final = (
    "id", "n", "dt", "nr", "mac", "bat", "prof", "ant", "fwv", "temp", "tz", "ts", "ps", "isconn",
)  # fmt: skip
"""Device keys to ask for (vendor's manual; no capture has them all)."""
_MOST: Final = 64
"""Devices kept: more than any event has, so that noise cannot fill the memory."""
_LOW_BATTERY: Final = 0
_ON_MAINS: Final = frozenset({"net", "charging"})
_ON_BATTERY: Final = frozenset({"internal"})
_CONNECTED: Final[Mapping[str, bool]] = {
    "1": True, "true": True, "yes": True, "0": False, "false": False, "no": False,
}  # fmt: skip
_TEXTS: Final = (
    ("dt", "type"),
    ("mac", "serial"),
    ("fwv", "firmware"),
    ("prof", "mode"),
    ("ant", "antenna_count"),
    ("ts", "time_source"),
    ("ps", "power_source"),
    ("tz", "utc_offset_min"),
)


@dataclass(frozen=True, slots=True)
class _Device:
    name: str
    battery: int | None = None
    temperature_c: float | None = None
    mains: bool | None = None
    connected: bool | None = None


class DeviceWatch:
    """Keeps the devices of one connection together, so that the worst of them is what is told."""

    def __init__(self) -> None:
        self._devices: dict[str, _Device] = {}
        self._told: dict[str, str] = {}

    def told(self, raw: bytes, location: str, fields: Sequence[str]) -> Status:
        """Take the fields of an ``AckGetInfo``, in whichever version they come."""
        if not any("=" in field for field in fields):
            return self._named(raw, location, fields)
        pairs = key_values.parse("|".join(fields))
        if "rn" in pairs or "sd" in pairs:
            return Status(raw, {"race": pairs.get("rn", ""), "race_date": pairs.get("sd", "")})
        return self._described(raw, location, pairs)

    def alarms(self) -> list[Alarm]:
        """Return the alarms that changed since the last call."""
        changed = []
        for name, text in self._conditions().items():
            if self._told.get(name, "") != text:
                self._told[name] = text
                changed.append(Alarm(name, text or "all is well again", on=bool(text)))
        return changed

    def _named(self, raw: bytes, location: str, fields: Sequence[str]) -> Status:
        """Version 1: device, type and computer; ``unnamed`` after a file was opened again."""
        device, kind, computer = [*fields[:3], "", "", ""][:3]
        name = f"{location}/{device}"
        told: dict[str, object] = {f"device {name}": {"type": kind, "computer": computer}}
        return self._keep(raw, name, _Device(name), told)

    def _described(self, raw: bytes, location: str, pairs: Mapping[str, str]) -> Status:
        label = key_values.known(pairs, "n") or key_values.known(pairs, "id")
        name = f"{location}/{label or 'unnamed'}"
        power = key_values.known(pairs, "ps").lower()
        battery = key_values.known(pairs, "bat")
        device = _Device(
            name,
            # The manual says: an integer, 0 is empty. Of what it is a part it does not say.
            int(battery) if battery.isdecimal() and len(battery) <= 3 else None,  # noqa: PLR2004
            key_values.decimal(key_values.known(pairs, "temp")),
            True if power in _ON_MAINS else False if power in _ON_BATTERY else None,
            _CONNECTED.get(key_values.known(pairs, "isconn").lower()),
        )
        texts = {word: key_values.known(pairs, key) for key, word in _TEXTS}
        numbers = {
            "battery": device.battery,
            "temperature_c": device.temperature_c,
            "mains": device.mains,
            "connected": device.connected,
        }
        facts = {
            key: value for key, value in {**texts, **numbers}.items() if value not in ("", None)
        }
        return self._keep(raw, name, device, {f"device {name}": facts})

    def _keep(self, raw: bytes, key: str, device: _Device, told: dict[str, object]) -> Status:
        if key in self._devices or len(self._devices) < _MOST:
            self._devices[key] = device
        devices = self._devices.values()
        batteries = [one.battery for one in devices if one.battery is not None]
        warmth = [one.temperature_c for one in devices if one.temperature_c is not None]
        mains = [one.mains for one in devices if one.mains is not None]
        if batteries:
            told["battery"] = min(batteries)
        if warmth:
            told["temperature_c"] = max(warmth)
        if mains:
            told["mains"] = all(mains)
        return Status(raw, told)

    def _conditions(self) -> dict[str, str]:
        devices = self._devices.values()
        empty = [one.name for one in devices if one.battery == _LOW_BATTERY]
        lost = [one.name for one in devices if one.connected is False]
        return {
            "battery_low": f"the battery of {', '.join(empty)} is empty: connect mains"
            if empty
            else "",
            "device_lost": f"Timing & Scoring has lost {', '.join(lost)}: check its cable"
            if lost
            else "",
        }
