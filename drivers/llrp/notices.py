"""READER_EVENT_NOTIFICATION: what a reader tells unasked besides tags."""

from typing import Final, NamedTuple

from bridge.domain.reads import StampForm
from drivers.llrp.layouts import LATEST_US, NS_PER_US
from drivers.llrp.wire import Par, number, params, text

ADMITTED: Final = 0
OTHER_CLIENT: Final = 4
"""Told to the client in possession when somebody else tried to connect."""
_REFUSALS: Final = {
    1: "it has a connection of its own making to another program",
    2: "another program is connected to it",
    3: "it gives no reason",
}
_NAMES: Final = {
    247: "hopping",
    Par.RO_EVENT: "rospec",
    253: "rf survey",
    Par.AI_EVENT: "aispec",
    Par.CONNECTION_ATTEMPT: "connection attempt",
    Par.CONNECTION_CLOSE: "connection closes",
    Par.BUFFER_OVERFLOW: "report buffer overflow",
    Par.READER_EXCEPTION: "reader exception",
}
_ON: Final = 0x80
RO_START: Final = 0
"""First byte of a ROSpec event: it began; else it ended or gave way to another."""


class Gpi(NamedTuple):
    """An input changed its level."""

    port: int
    level: int


class Antenna(NamedTuple):
    """An antenna was connected or is gone."""

    port: int
    is_there: bool


class RoSpec(NamedTuple):
    """A ROSpec began or ended."""

    rospec: int
    began: bool


class Notice(NamedTuple):
    """One notification; a reader puts one event into each as a rule."""

    stamp: int | None
    """ns; None if it tells no time."""
    form: StampForm
    name: str
    gpi: Gpi | None = None
    antenna: Antenna | None = None
    rospec: RoSpec | None = None
    attempt: int | None = None
    """Status of a connection attempt."""
    buffer_pct: int | None = None
    overflow: bool = False
    exception: str | None = None
    closes: bool = False


def notice(body: bytes) -> Notice:
    """Parse a notification; what is cut off or unknown is left out."""
    data = next((p.body for p in params(body) if p.kind == Par.EVENT_DATA), b"")
    found = Notice(None, StampForm.ABSENT, "event")
    for param in params(data):
        found = _with(found, param.kind, param.body)
    return found


def _with(found: Notice, kind: int, body: bytes) -> Notice:
    found = found._replace(name=_NAMES.get(kind, found.name))
    match kind:
        case Par.UTC_TIMESTAMP:
            return _at(found, body, StampForm.UTC)
        case Par.UPTIME:
            return _at(found, body, StampForm.NAIVE)
        case Par.GPI_EVENT:
            level = int(bool((number(body, 2, 1) or 0) & _ON))
            return found._replace(gpi=Gpi(number(body, 0, 2) or 0, level))
        case Par.ANTENNA_EVENT:
            there = number(body, 0, 1) == 1
            return found._replace(antenna=Antenna(number(body, 1, 2) or 0, there))
        case Par.RO_EVENT:
            began = number(body, 0, 1) == RO_START
            return found._replace(rospec=RoSpec(number(body, 1, 4) or 0, began))
        case Par.CONNECTION_ATTEMPT:
            return found._replace(attempt=number(body, 0, 2) or 0)
        case _:
            return _with_trouble(found, kind, body)


def _at(found: Notice, body: bytes, form: StampForm) -> Notice:
    micros = number(body, 0, 8)
    if micros is None or micros > LATEST_US:
        return found
    return found._replace(stamp=micros * NS_PER_US, form=form)


def _with_trouble(found: Notice, kind: int, body: bytes) -> Notice:
    match kind:
        case Par.BUFFER_WARNING:
            return found._replace(buffer_pct=number(body, 0, 1))
        case Par.BUFFER_OVERFLOW:
            return found._replace(overflow=True)
        case Par.READER_EXCEPTION:
            return found._replace(exception=text(body, 0)[0] or "no text")
        case Par.CONNECTION_CLOSE:
            return found._replace(closes=True)
        case _:
            return found


def refusal(attempt: int) -> str:
    """Return in words why a reader did not admit us."""
    return f"reader busy: {_REFUSALS.get(attempt, f'status {attempt}')}"
