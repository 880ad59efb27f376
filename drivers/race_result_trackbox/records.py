"""What a RACE RESULT Track Box posts: a query that tells of the box, and a line per tag.

Of a line's 11 fields only the first, the tag, is documented. An independent receiver takes the
second as age in seconds, the third as RSSI and the fourth as hits; in the vendor's example the
ninth looks like seconds before the box's time. They contradict each other, so no time is built on
them: a read has the box's time at sending, in whole seconds, which places a runner on the course
and is no result.

Source: vendor's support article on the Track Box; an independent receiver (rrrelay).
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from bridge.domain.reads import NS_PER_S, Chip, Read, StampForm
from bridge.driver_api import Reason, Rejected, Sighting
from drivers import http_wire
from drivers.json_fields import number, present, whole

PATH: Final = "/trackping"
EXAMPLE_BOX: Final = "T-20034"
_TIME = re.compile(r"([0-9]{2})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})Z")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS: Final = 11
_MOST_NAME: Final = 64
_NAMED: Final = {1: "age_s", 3: "hits"}
_STATUS: Final = {
    "boxTemp": "temperature_c",
    "boxBatt": "battery",
    "readerStatus": "reader_status",
    "boxNoise": "noise",
    "boxAccel": "acceleration",
    "boxPos": "position",
    "boxName": "name",
    "boxType": "type",
}


class Ping(NamedTuple):
    """What a request's query tells of the lines in its body."""

    box: str = ""
    time_ns: int | None = None
    time_text: str = ""
    first: int = 0
    """`dataIndex`: number of the first line within what the box sends in several requests."""
    request: str = ""
    """`index` of the request."""


def ping_of(query: Mapping[str, str]) -> Ping:
    """Return what a query tells; what cannot be is left out."""
    box = query.get("boxId", "")
    when = query.get("boxTime", "")
    stamp = parse_time(when)
    return Ping(
        box if box.isprintable() and len(box) <= _MOST_NAME else "",
        stamp,
        when if stamp is not None else "",
        whole(query.get("dataIndex")) or 0,
        str(whole(query.get("index")) or 0),
    )


def status_of(query: Mapping[str, str]) -> dict[str, object]:
    """Return the health a query tells, by the common names where there are some."""
    told: dict[str, object] = {}
    for key, name in _STATUS.items():
        text = query.get(key, "")
        if text and text.isprintable() and len(text) <= _MOST_NAME:
            value = number(text)
            told[name] = text if value is None else value
    return told


def parse_time(text: str) -> int | None:
    """Return ``yyMMddTHHmmssZ`` in ns since 1970, or None."""
    found = _TIME.fullmatch(text)
    if not found or not text.isascii():
        return None
    year, month, day, hour, minute, second = (int(part) for part in found.groups())
    try:
        when = datetime(2000 + year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return (when - _EPOCH) // timedelta(seconds=1) * NS_PER_S


def print_time(stamp: int) -> str:
    """Return a UTC stamp as ``yyMMddTHHmmssZ``."""
    return (_EPOCH + timedelta(seconds=stamp // NS_PER_S)).strftime("%y%m%dT%H%M%SZ")


def read(raw: bytes, line: bytes, ping: Ping, number_in_body: int) -> Read | Rejected:
    """Decode one line; without a box's time the read has none."""
    fields = fields_of(line)
    chip = fields[0]
    if len(fields) < 2 or not chip or not chip.isprintable():  # noqa: PLR2004
        return Rejected(raw, Reason.FIELD, "no tag in this line")
    key = None
    if ping.time_ns is not None:
        # A request is repeated until it is acknowledged; that it is the same then is inferred.
        # The tag is in it because the numbers may be missing, or count what we do not know.
        number_sent = ping.first + number_in_body
        key = f"{ping.box}/{ping.time_text}/{ping.request}/{number_sent}/{chip}"
    return Read(
        raw,
        Chip(chip),
        ping.time_ns or 0,
        StampForm.ABSENT if ping.time_ns is None else StampForm.UTC,
        None,
        number(fields[2]) if len(fields) > 2 else None,  # noqa: PLR2004
        ping.box or None,
        None,
        key,
    )


def fields_of(line: bytes) -> list[str]:
    """Return the fields of a line."""
    return line.decode("latin-1").strip("\0\r\n").split(";")


def details(raw: bytes) -> Mapping[str, object]:
    """Return the fields of a line that a `Read` does not carry, by name where they have one."""
    fields = fields_of(raw)
    named = {_NAMED.get(n, f"column_{n}"): fields[n] for n in range(1, len(fields)) if n != 2}  # noqa: PLR2004
    return present(named)


def line_of(sighting: Sighting) -> bytes:
    """Return the line of a tag, ended as boxes end them."""
    chip = "".join(c if c.isprintable() and c != ";" else "_" for c in sighting.chip)
    fields = [chip, "0", f"{round(sighting.rssi)}", "1", *[""] * (_FIELDS - 4)]
    return ";".join(fields).encode("latin-1", "replace") + b"\r\n"


def target_of(stamp: int, *, box: str = EXAMPLE_BOX, index: int = 1, count: int = 1) -> str:
    """Return the target of a request with `count` tags."""
    return (
        f"{PATH}?v=2&custId=10000&boxId={box}&boxType=PTrack&boxName={box}"
        f"&boxTime={print_time(stamp)}&boxPos=M,49.05802,008.47133,105"
        f"&index={index}&count={count}&dataIndex=0&auth=13953"
    )


def encode(sighting: Sighting) -> bytes:
    """Return the request a box sends for one sighting; UTC stamp, in whole seconds."""
    target = target_of(sighting.stamp, index=sighting.seq)
    return http_wire.request("POST", target, "chip-bridge", {}, line_of(sighting))
