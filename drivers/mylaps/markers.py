"""Markers: gun shots and inputs of a device, in the two forms T&S writes them.

Version 1: ``2025-04-13 05:57:56.027|ext-gun|Extern gunshot``, local date-time, type and name.
Version 2: ``t=11:03:40.347|mt=Gunshot|n=Gunshot 1`` in the vendor's manual, with the date in ``t``
at a production server; both are taken.
"""

from typing import Final

from bridge.domain.reads import StampForm
from bridge.driver_api import Marker, Reason, Rejected
from drivers.mylaps import key_values, stamps
from drivers.mylaps.frames import clean

GUN: Final = "gun"
_GUNS: Final = frozenset({"gunshot", "gun", "ext-gun"})
"""Types seen of a gun; others seen are ext-1, ext-2, Marker, mark, loc."""


def decode(record: bytes, raw: bytes, unit: str) -> Marker | Rejected:
    """Decode one marker of location `unit`; `raw` is its share of the wire."""
    text = record.decode("utf-8", "replace")
    head, bar, rest = text.partition("|")
    if "=" in head:
        pairs = key_values.parse(text)
        moment, kind, name = pairs.get("t", ""), pairs.get("mt", ""), pairs.get("n", "")
    else:
        moment, (kind, _, name) = head, rest.partition("|")
    stamp, form = _stamp(moment.strip(" "))
    if stamp is None or not bar:
        return Rejected(raw, Reason.FIELD, "not a marker with a time that can be")
    kind = kind.strip(" ").lower()
    return Marker(
        raw,
        GUN if kind in _GUNS else kind or "marker",
        stamp,
        form,
        f"{unit}/{text}",
        {"type": kind, "text": name.strip(" ")},
        unit,
    )


def encode(name: str, stamp: int, version: int) -> str:
    """Return the marker `name` at the local `stamp` as that version writes it."""
    is_gun = name == GUN
    if version == 1:
        kind, text = ("ext-gun", "Extern gunshot") if is_gun else (clean(name), clean(name))
        return f"{stamps.print_moment(stamp)}|{kind}|{text}"
    kind, text = ("Gunshot", "Gunshot 1") if is_gun else (clean(name), clean(name))
    return f"t={stamps.print_moment(stamp)}|mt={kind}|n={text}"


def _stamp(moment: str) -> tuple[int | None, StampForm]:
    day, blank, clock = moment.partition(" ")
    since_midnight = stamps.clock_ns(clock if blank else day)
    if not blank:
        return since_midnight, StampForm.TIME_OF_DAY
    midnight = stamps.day_ns(day)
    if midnight is None or since_midnight is None:
        return None, StampForm.NAIVE
    return midnight + since_midnight, StampForm.NAIVE
