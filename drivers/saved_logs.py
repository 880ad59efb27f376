"""Logs of a reader that can also be talked to: followed as a file they are only listened to."""

from collections.abc import Callable
from dataclasses import replace

from bridge.driver_api import (
    MAIN,
    Alarm,
    Clock,
    Dial,
    Event,
    Hangup,
    Opening,
    Remember,
    Send,
    Session,
)

_TALK = frozenset({Send, Dial, Hangup, Remember, Alarm})


class LogSession:
    """A session that was never opened: it decodes, and says nothing.

    What a log tells of the reader's health and clock is of another time, so no alarm is raised and
    no clock is measured by it.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def opened(self, now_ns: int) -> list[Event]:  # noqa: ARG002
        """Say nothing: nobody listens."""
        return []

    def feed(self, data: bytes, channel: str = MAIN) -> list[Event]:
        """Take bytes as they came; return what is complete, in the order of the file."""
        return [
            replace(event, asked=False, live=False) if isinstance(event, Clock) else event
            for event in self._session.feed(data, channel)
            if type(event) not in _TALK
        ]

    def tick(self, now_ns: int) -> list[Event]:  # noqa: ARG002
        """Do nothing: a file may be silent."""
        return []

    def closed(self, channel: str, *, refused: bool) -> list[Event]:  # noqa: ARG002
        """Do nothing: no channel was dialled."""
        return []

    @property
    def pending(self) -> bytes:
        """Bytes of a frame that is not complete."""
        return self._session.pending


def with_logs(open_session: Callable[[Opening], Session]) -> Callable[[Opening], Session]:
    """Return what opens sessions of connections, and of files that are only listened to."""

    def open_either(opening: Opening) -> Session:
        session = open_session(opening)
        return LogSession(session) if opening.link == "file" else session

    return open_either
