"""A recording of one kind of reader: its container told by what the driver makes of it."""

from collections.abc import Iterator
from typing import Final

from bridge.app.captures import Form, Judge, Piece, Readable, form_of, pieces
from bridge.driver_api import (
    Clock,
    ClockStep,
    Driver,
    Kept,
    ListenLink,
    Marker,
    Opening,
    Read,
    Rejected,
    Status,
)

_TELLING: Final[tuple[type[Kept], ...]] = (Read, Marker, Clock, ClockStep, Status)


def form_for(driver: Driver, opening: Opening, head: bytes, name: str = "") -> Form:
    """Return which container a recording of such a reader is, by its first bytes."""
    return form_of(head, name, judge_of(driver, opening), reader_dials=_dials(driver))


def pieces_for(driver: Driver, form: Form, file: Readable, head: bytes = b"") -> Iterator[Piece]:
    """Yield the pieces of a recording of such a reader; as `captures.pieces`."""
    return pieces(form, file, head, reader_dials=_dials(driver))


def judge_of(driver: Driver, opening: Opening) -> Judge:
    """Return what tells how much a driver understands of some bytes.

    Bytes that tell something count for it, rejected ones and those of a frame without an end
    against it. Frames that are merely known do neither: in some protocols any text is one.
    """

    def judge(data: bytes) -> float:
        session = driver.session(opening)
        score = 0
        for event in session.feed(data):
            if isinstance(event, Rejected):
                score -= len(event.raw)
            elif isinstance(event, _TELLING):
                score += len(event.raw)
        return (score - len(session.pending)) / max(len(data), 1)

    return judge


def _dials(driver: Driver) -> bool:
    return isinstance(driver.links[0], ListenLink)
