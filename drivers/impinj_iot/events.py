"""Events of the Impinj IoT Device Interface: JSON objects, to reads and back.

An event has a `timestamp` (when the reader queued it), an optional `hostname`, an `eventType` and
one object named after the type. The time of a read is `lastSeenTime` in it; where the reader is
not set to tell that, only the moment of queueing is known.

Source: vendor's reader API 1.0 to 1.7 (overview and OpenAPI description), clients generated from
it, and public integrations.
"""

from base64 import urlsafe_b64decode
from binascii import Error as BadBase64
from collections.abc import Mapping
from typing import Final

import orjson

from bridge.domain.reads import NS_PER_S, Chip, Read, StampForm
from bridge.driver_api import (
    Clock,
    Control,
    Kept,
    Marker,
    Reason,
    Rejected,
    Sighting,
    Status,
)
from drivers.iso_stamp import StampReader, print_stamp
from drivers.json_fields import chip_hex, number, present, table, text, whole
from drivers.json_stream import object_in

STAMP_DIGITS: Final = 9
MARK: Final = "gpi"


def hex_of_base64(code: object) -> str | None:
    """Return base64url, with padding or without, as upper-case hex; None if it is none."""
    if not isinstance(code, str) or not code or len(code) > 400:  # noqa: PLR2004
        return None
    bare = code.rstrip("=")
    try:
        return urlsafe_b64decode(bare + "=" * (-len(bare) % 4)).hex().upper() or None
    except (BadBase64, ValueError):
        return None


class EventReader:
    """Turns objects into events."""

    def __init__(self, gun: str) -> None:
        """`gun`: the transition of an input that is a marker."""
        self._gun = gun
        self._stamps = StampReader()

    def read(self, raw: bytes, event: object) -> Kept:
        """Return what one JSON value says."""
        if not isinstance(event, dict):
            return Rejected(raw, Reason.UNKNOWN, "a JSON value that is no object")
        tag = event.get("tagInventoryEvent")
        if isinstance(tag, dict):
            return self._tag(raw, event, tag)
        if "eventType" in event:
            return self._other(raw, event, text(event["eventType"]))
        if "status" in event and "time" in event:
            return self._status(raw, event)
        return Rejected(
            raw,
            Reason.UNKNOWN,
            "not an event of the IoT Device Interface; "
            "does another application on the reader send this?",
        )

    def _tag(self, raw: bytes, event: dict[str, object], tag: dict[str, object]) -> Kept:
        stamp = self._stamps.read(tag.get("lastSeenTime") or event.get("timestamp"))
        if stamp is None:
            return Rejected(raw, Reason.FIELD, "no lastSeenTime or timestamp that can be")
        code = tag.get("epc")
        chip = hex_of_base64(code)
        shown = tag.get("epcHex")
        if shown is not None:
            told = chip_hex(shown)
            if told is None or (code is not None and chip != told):
                return Rejected(raw, Reason.FIELD, "epcHex is no hex, or not what epc says")
            chip = told
        if chip is None:
            return Rejected(raw, Reason.FIELD, "no epcHex or epc that can be")
        level = tag.get("peakRssiCdbm")
        return Read(
            raw,
            Chip(chip),
            *stamp,
            whole(tag.get("antennaPort")) or None,
            level / 100 if type(level) is int and abs(level) < 10**6 else None,
            text(event.get("hostname")) or None,
        )

    def _other(self, raw: bytes, event: dict[str, object], kind: str) -> Kept:
        told = table(event.get(f"{kind}Event"))
        match kind:
            case "gpiTransition":
                return self._gpi(raw, event, told)
            case "inventoryStatus":
                state = text(told.get("status") or told.get("inventoryStatus"))
                return Status(raw, {"mode": state, "operating": is_operating(state)})
            case "antennaConnected" | "antennaDisconnected" | "overflow":
                return Control(raw, kind, present(told))
            case "tagInventory":
                return Rejected(raw, Reason.FIELD, "a tag event without its tag")
            case _:
                return Control(raw, "event", {"type": kind})

    def _gpi(self, raw: bytes, event: dict[str, object], told: dict[str, object]) -> Kept:
        stamp = self._stamps.read(event.get("timestamp"))
        gpi, transition = whole(told.get("gpi")), text(told.get("transition"))
        if stamp is None or gpi is None:
            return Rejected(raw, Reason.FIELD, "an input without its number or its time")
        extra = {"gpi": gpi, "transition": transition}
        if transition != self._gun:
            return Control(raw, MARK, extra)
        unit = text(event.get("hostname")) or None
        key = f"{unit or ''}/{MARK}{gpi}/{stamp[0]}"
        return Marker(raw, f"{MARK}{gpi}", *stamp, key, extra, unit)

    def _status(self, raw: bytes, event: dict[str, object]) -> Kept:
        stamp = self._stamps.read(event.get("time"))
        fields = health_of(event)
        if stamp is None:
            return Status(raw, fields)
        coarse = {"resolution_ms": 1000} if stamp[0] % NS_PER_S == 0 else {}
        return Clock(raw, *stamp, asked=False, extra={**fields, **coarse})


def is_operating(state: str) -> bool:
    """Tell whether tags are, or after the start trigger will be, inventoried."""
    return state in ("running", "armed")


def health_of(event: Mapping[str, object]) -> dict[str, object]:
    """Return what an answer to ``GET /status`` tells, by the common names."""
    state = text(event.get("status"))
    broker = text(event.get("mqttBrokerConnectionStatus"))
    return present(
        {
            "mode": state,
            "operating": is_operating(state) if state else None,
            "serial": text(event.get("serialNumber")),
            "mqtt_broker": broker,
        }
    )


def details(raw: bytes) -> Mapping[str, object]:
    """Return what a read's frame tells beyond a `Read`."""
    event = object_in(raw)
    tag = table(event.get("tagInventoryEvent"))
    power = number(tag.get("transmitPowerCdbm"))
    channel = number(tag.get("frequency"))
    return present(
        {
            "time_is": "lastSeenTime" if tag.get("lastSeenTime") else "timestamp",
            "timestamp": text(event.get("timestamp")),
            "tid": chip_hex(tag.get("tidHex")) or hex_of_base64(tag.get("tid")),
            "pc": hex_of_base64(tag.get("pc")),
            "xpc": chip_hex(tag.get("xpcHex")),
            "antenna_name": text(tag.get("antennaName")),
            "frequency_mhz": None if channel is None else channel / 1000,
            "power_dbm": None if power is None else power / 100,
            "phase_deg": number(tag.get("phaseAngle")),
            "memory": tag.get("tagMemoryData"),
        }
    )


def tag_event(sighting: Sighting, hostname: str = "", *, last_seen: bool = True) -> bytes:
    """Return the event of a sighting (UTC stamp) as a race wants it set, without a line end."""
    when = print_stamp(sighting.stamp, STAMP_DIGITS)
    tag: dict[str, object] = {
        "epcHex": sighting.chip,
        "antennaPort": sighting.antenna,
        "peakRssiCdbm": round(sighting.rssi * 100),
    }
    if last_seen:
        tag["lastSeenTime"] = when
    return event_bytes("tagInventory", tag, when, hostname)


def event_bytes(kind: str, told: Mapping[str, object], when: str, hostname: str = "") -> bytes:
    """Return any event, without a line end."""
    event: dict[str, object] = {"timestamp": when}
    if hostname:
        event["hostname"] = hostname
    event["eventType"] = kind
    event[f"{kind}Event"] = dict(told)
    return orjson.dumps(event)


def encode(sighting: Sighting) -> bytes:
    """Return the line of the event stream a reader sends for a sighting; UTC stamp, to the ns."""
    return tag_event(sighting) + b"\r\n"


STAMP_FORM: Final = StampForm.UTC
