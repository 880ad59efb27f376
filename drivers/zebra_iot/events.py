"""Data and management events of the Zebra IoT Connector: JSON objects, to reads and back.

A tag event has one tag in `data` (FX7500, FX9600, ATR7000), or in the newer schema (FXR90) a list
`data.tagData` under one time. Whether `timestamp` is the moment of the read or of queueing is not
documented; with every read reported by itself the difference is small.

Source: vendor's documentation of the IoT Connector, its examples, generated clients; public
integrations.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import orjson

from bridge.domain.reads import NS_PER_MS, Chip, Read, StampForm
from bridge.driver_api import Control, Kept, Marker, Reason, Rejected, Sighting
from drivers.iso_stamp import Stamp, StampReader, print_stamp
from drivers.json_fields import chip_hex, number, present, table, text, whole
from drivers.json_stream import object_in

STAMP_FORM: Final = StampForm.UTC
_STAMP_DIGITS: Final = 3
_UNIT_KEYS: Final = ("hostName", "reader_name", "readerName", "MAC")


class Tag(NamedTuple):
    """One tag of an event: the read, or why it is none, and what else matters of it."""

    event: Kept
    number: int | None = None
    """`eventNum`."""
    summed: bool = False
    """It stands for several reads."""


class EventReader:
    """Turns objects into events."""

    def __init__(self, gun: str) -> None:
        """`gun`: the state of an input that is a marker."""
        self._gun = gun
        self._stamps = StampReader()

    def read(self, raw: bytes, event: object) -> list[Tag]:
        """Return what one JSON value says; the first of several reads has all of `raw`."""
        if not isinstance(event, dict):
            return [Tag(Rejected(raw, Reason.UNKNOWN, "a JSON value that is no object"))]
        data = event.get("data")
        if isinstance(data, dict):
            if "idHex" in data:
                return [self._tag(raw, event, data, self._stamps.read(event.get("timestamp")))]
            tags = data.get("tagData")
            if isinstance(tags, list):
                return self._list(raw, event, tags)
        return [Tag(self._other(raw, event, table(data)))]

    def _list(self, raw: bytes, event: dict[str, object], tags: list[object]) -> list[Tag]:
        stamp = self._stamps.read(event.get("timestamp"))
        found: list[Tag] = []
        for tag in tags:
            found.append(self._tag(raw, event, table(tag), stamp))
            raw = b""
        return found or [Tag(Control(raw, "no tags"))]

    def _tag(
        self, raw: bytes, event: dict[str, object], data: dict[str, object], stamp: Stamp | None
    ) -> Tag:
        chip = chip_hex(data.get("idHex") or data.get("EPC") or data.get("EPCid"))
        if stamp is None:
            return Tag(Rejected(raw, Reason.FIELD, "no timestamp that can be"))
        if chip is None:
            return Tag(Rejected(raw, Reason.FIELD, "no idHex or EPC that can be"))
        unit = _unit(event, data)
        count = whole(data.get("eventNum"))
        antenna = whole(data.get("antenna")) or None
        # A counter that begins anew with every restart, so it needs the time beside it; and
        # whether the tags of one list count one by one is not documented.
        key = f"{unit or ''}/{count}@{stamp[0] // NS_PER_MS}/{chip}/{antenna or 0}"
        level = data.get("peakRssi", data.get("rssi"))
        reads = data.get("reads", data.get("seenCount"))
        read = Read(
            raw,
            Chip(chip),
            *stamp,
            antenna,
            level if type(level) is float else number(level),
            unit,
            count,
            None if count is None else key,
        )
        return Tag(read, count, summed=reads not in (None, 1))

    def _other(self, raw: bytes, event: dict[str, object], data: dict[str, object]) -> Kept:
        kind = text(event.get("type")) or text(event.get("eventType")) or text(data.get("type"))
        for told in (data, event):
            if "pin" in told and "state" in told:
                return self._input(raw, event, told, kind)
        if "command" in event or "command_id" in event:
            return Control(raw, "response", present({"command": text(event.get("command"))}))
        if kind:
            return Control(raw, "event", {"type": kind, **present({"text": _words(event, data)})})
        return Rejected(raw, Reason.UNKNOWN, "not an event of the IoT Connector")

    def _input(
        self, raw: bytes, event: dict[str, object], told: dict[str, object], kind: str
    ) -> Kept:
        pin, state = whole(told.get("pin")), text(told.get("state")).upper()
        port = text(told.get("type")) or kind
        extra = present({"pin": pin, "state": state, "type": port})
        stamp = self._stamps.read(event.get("timestamp") or told.get("timestamp"))
        if state != self._gun or pin is None or "GPO" in port.upper():
            return Control(raw, "gpi", extra)
        if stamp is None:
            return Rejected(raw, Reason.FIELD, "an input without its time")
        unit = _unit(event, told)
        return Marker(raw, f"gpi{pin}", *stamp, f"{unit or ''}/gpi{pin}/{stamp[0]}", extra, unit)


def _unit(event: Mapping[str, object], data: Mapping[str, object]) -> str | None:
    for key in _UNIT_KEYS:
        told = data.get(key) or event.get(key)
        if told:
            return text(told) or None
    return None


def _words(event: Mapping[str, object], data: Mapping[str, object]) -> str:
    for told in (data, event):
        for key in ("message", "description", "text", "error"):
            if words := text(told.get(key)):
                return words[:200]
    return ""


def details(raw: bytes) -> Mapping[str, object]:
    """Return what a read's frame tells beyond a `Read`; of a list of tags what they share."""
    event = object_in(raw)
    data = table(event.get("data"))
    return present(
        {
            "type": text(event.get("type")),
            "reads": whole(data.get("reads")),
            "channel_mhz": number(data.get("channel")),
            "phase_deg": number(data.get("phase")),
            "tid": chip_hex(data.get("TID")),
            "pc": text(data.get("PC")),
            "user": text(data.get("USER")),
            "user_defined": text(data.get("userDefined")),
        }
    )


def tag_event(
    sighting: Sighting, *, kind: str = "CUSTOM", hostname: str = "", newer: bool = False
) -> bytes:
    """Return the event of a sighting (UTC stamp), every read reported by itself."""
    data: dict[str, object] = {
        "eventNum": sighting.seq,
        "antenna": sighting.antenna,
        "peakRssi": round(sighting.rssi),
    }
    if newer:
        data = {"EPC": sighting.chip, **data, "seenCount": 1}
    else:
        data = {"idHex": sighting.chip.lower(), "format": "epc", **data, "reads": 1}
    if hostname:
        data["hostName"] = hostname
    event = {
        "type": kind,
        "timestamp": print_stamp(sighting.stamp, _STAMP_DIGITS, "+0000"),
        "data": {"tagData": [data], "barcodeData": []} if newer else data,
    }
    return orjson.dumps(event)


def input_event(stamp: int, pin: int, state: str) -> bytes:
    """Return the management event of an input."""
    when = print_stamp(stamp, _STAMP_DIGITS, "+0000")
    return orjson.dumps(
        {"type": "gpi", "timestamp": when, "data": {"type": "GPI", "pin": pin, "state": state}}
    )


def encode(sighting: Sighting) -> bytes:
    """Return the event of a sighting as an MQTT link hands it on: LF behind it; UTC, to the ms."""
    return tag_event(sighting) + b"\n"
