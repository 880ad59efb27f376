"""Frames of UHF modules in tests: recorded ones, and what a session makes of bytes."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from bridge.domain.reads import NS_PER_S, Read
from bridge.driver_api import Alarm, Driver, Event, Hangup, Kept, Opening, Rejected, Send, Session

VECTORS = Path(__file__).parents[1] / "vectors"
NOON = 1_780_000_000 * NS_PER_S


def recorded(driver: str, name: str = "frames") -> list[bytes]:
    """The frames of one vector file."""
    text = (VECTORS / driver / f"{name}.hex").read_text()
    return [bytes.fromhex(line) for line in text.split()]


def decoded(
    driver: Driver, *frames: bytes, options: Mapping[str, object] | None = None
) -> list[Kept]:
    """What a session that only listens makes of whole frames; nothing may be left over."""
    session = driver.session(Opening(options=options or {}))
    events = session.feed(b"".join(frames))
    assert session.pending == b""
    return cast("list[Kept]", events)


def reads(events: list[Event] | list[Kept]) -> list[Read]:
    return [event for event in events if isinstance(event, Read)]


def rejected(events: list[Event] | list[Kept]) -> list[Rejected]:
    return [event for event in events if isinstance(event, Rejected)]


class Host:
    """A live session whose reader is played by the test."""

    def __init__(self, driver: Driver, options: Mapping[str, object] | None = None) -> None:
        assert driver.check_options(options or {}) == []
        self.session: Session = driver.session(Opening(options=options or {}))
        self.now_ns = NOON
        self.alarms: dict[str, str] = {}
        self.hung_up = ""

    def open(self) -> list[bytes]:
        return self._sent(self.session.opened(self.now_ns))

    def hear(self, *frames: bytes) -> list[bytes]:
        """What is sent when these come."""
        return self._sent(self.session.feed(b"".join(frames)))

    def tick(self, seconds: int = 1) -> list[bytes]:
        """What is sent while nothing comes."""
        sent = []
        for _ in range(seconds):
            self.now_ns += NS_PER_S
            sent += self._sent(self.session.tick(self.now_ns))
        return sent

    def _sent(self, events: list[Event]) -> list[bytes]:
        for event in events:
            if isinstance(event, Alarm):
                self.alarms[event.name] = event.text if event.on else ""
            elif isinstance(event, Hangup):
                self.hung_up = event.why
        return [event.data for event in events if isinstance(event, Send)]


def fields(driver: Driver, raw: bytes) -> Mapping[str, object]:
    """What `decode` shows of a read's frame."""
    of_read = driver.extra
    return of_read(raw)
