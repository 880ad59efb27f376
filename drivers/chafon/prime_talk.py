"""What is said to a newer Chafon reader: what are your settings; and, in answer mode: read."""

from typing import Final

from bridge.driver_api import Event, Send
from drivers.alarm_book import AlarmBook
from drivers.chafon import prime, wire
from drivers.polling import QUIET_NS, SLACK_NS

QUESTION: Final = wire.newer(prime.INFO)
SETTINGS: Final = wire.newer(prime.PARAMETERS)
START: Final = wire.newer(prime.INVENTORY, prime.START)
_QUIET_TICKS: Final = 3
"""Ticks without a word of an inventory that should run; it may have ended, or never begun."""


class PrimeTalk:
    """The host's half of the conversation with one newer reader."""

    def __init__(self) -> None:
        self._alarms = AlarmBook()
        self._is_known = False
        self._takes_orders = False
        """The reader is in answer mode: it reads when told to."""
        self._quiet_ticks = 0

    def begin(self, now_ns: int) -> list[Event]:  # noqa: ARG002
        """Ask who is there; then for its settings."""
        return [Send(QUESTION)]

    def heard(self, frame: bytes) -> list[Event]:
        """Take a whole frame."""
        code = prime.code_of(frame)
        if code == prime.INVENTORY:
            self._quiet_ticks = 0
            return []
        if code == prime.INFO:
            return [] if self._is_known else [Send(SETTINGS)]
        settings = prime.parameters_of(frame)
        return self._learned(settings) if settings else []

    def tick(self, now_ns: int, silent_ns: int) -> list[Event]:  # noqa: ARG002
        """Ask again where nothing came; begin the inventory again where none seems to run."""
        is_quiet = silent_ns >= QUIET_NS - SLACK_NS
        if not self._is_known:
            return [Send(QUESTION), Send(SETTINGS)] if is_quiet else [Send(SETTINGS)]
        events: list[Event] = [Send(SETTINGS)] if is_quiet else []
        self._quiet_ticks += 1
        if self._takes_orders and self._quiet_ticks > _QUIET_TICKS:
            self._quiet_ticks = 0
            events.append(Send(START))
        return events

    def _learned(self, settings: bytes) -> list[Event]:
        is_first = not self._is_known or not self._takes_orders
        self._is_known = True
        self._takes_orders = prime.mode_of(settings) == prime.ANSWER_MODE
        seconds = prime.filter_of(settings)
        text = (
            f"The reader tells of a tag only once in {seconds} s: set its filter time to 0, or "
            "laps and late reads are missing."
        )
        events: list[Event] = [*self._alarms.tell("filter", text if seconds else "")]
        if self._takes_orders and is_first:
            events.append(Send(START))
        return events
