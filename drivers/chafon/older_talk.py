"""What is said to an older Chafon reader: who are you, then one inventory after another.

In answer mode an inventory lasts its scan time and is asked for again at its end. A reader that was
set to real-time mode (kept over power-off, and never set by us) tells of tags by itself and answers
to hardly anything else; it is then asked who it is when nothing comes.
"""

from itertools import cycle
from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Event, Send
from drivers.alarm_book import AlarmBook
from drivers.chafon import older, wire
from drivers.chafon.older import OlderDecoder
from drivers.chafon.options import Options
from drivers.polling import QUIET_NS, SLACK_NS

QUESTION: Final = wire.older(older.INFO)
LIVE_QUIET_NS: Final = 4 * NS_PER_S
"""Silence in real-time mode after which the reader is asked whether it lives."""
TRY_AGAIN_NS: Final = 30 * NS_PER_S
"""Without a tag in real-time mode until an inventory is asked for: it may have left that mode."""
_Q: Final = 4
_TARGET_A: Final = 0
_FIRST_PORT: Final = 0x80
_MOST_UNANSWERED: Final = 2
_STOPPERS: Final = (older.NO_ANTENNA, 0xFD, older.ILLEGAL, 0xFF)
"""Statuses that would come again at once: the next inventory waits for a tick."""


class OlderTalk:
    """The host's half of the conversation with one older reader."""

    def __init__(self, options: Options, decoder: OlderDecoder) -> None:
        self._options = options
        self._decoder = decoder
        self._ports = cycle(options.antennas)
        self._alarms = AlarmBook()
        self._is_known = False
        self._is_live = False
        self._is_idle = False
        self._unanswered = 0
        self._tried_ns: int | None = None

    def begin(self, now_ns: int) -> list[Event]:  # noqa: ARG002
        """Listen first: a reader in real-time mode talks already."""
        return []

    def heard(self, frame: bytes) -> list[Event]:
        """Take a whole frame."""
        code, status = frame[2], frame[3]
        if code == older.LIVE:
            self._is_live = self._is_known = True
            self._is_idle = False
            self._tried_ns = None
            return []
        if code == older.INVENTORY and status not in (older.MORE, older.STATISTICS):
            self._is_known, self._is_live, self._unanswered = True, False, 0
            return self._ended(status)
        if code == older.INFO:
            return self._answered()
        return []

    def tick(self, now_ns: int, silent_ns: int) -> list[Event]:
        """Ask again where nothing came."""
        if not self._is_known:
            return [Send(QUESTION)]
        if self._is_live:
            return self._live_tick(now_ns, silent_ns)
        if self._is_idle:
            return [self._read_on()]
        if silent_ns >= QUIET_NS - SLACK_NS:
            # It answers this in both modes, and so shows in which it is.
            self._unanswered += 1
            return [Send(QUESTION)]
        return []

    def _live_tick(self, now_ns: int, silent_ns: int) -> list[Event]:
        if self._tried_ns is None:
            self._tried_ns = now_ns
        if now_ns - self._tried_ns >= TRY_AGAIN_NS:
            self._tried_ns = now_ns
            return [self._read_on()]
        return [Send(QUESTION)] if silent_ns >= LIVE_QUIET_NS - SLACK_NS else []

    def _answered(self) -> list[Event]:
        self._is_known = True
        if self._is_live:
            return []
        if self._unanswered >= _MOST_UNANSWERED:
            # It lives and takes no inventory: real-time mode, and no tag in the field.
            self._is_live = True
            self._tried_ns = None
            return []
        return [self._read_on()]

    def _ended(self, status: int) -> list[Event]:
        if status == older.NO_ANTENNA:
            self._is_idle = True
            return [*self._alarms.tell("antenna", "The reader misses an antenna: check the cable.")]
        if status in _STOPPERS:
            self._is_idle = True
            why = older.STATUSES[status]
            text = f"The reader refuses to take inventory ({why}): check the options."
            return [*self._alarms.tell("inventory", text)]
        return [
            *self._alarms.tell("antenna", ""),
            *self._alarms.tell("inventory", ""),
            self._read_on(),
        ]

    def _read_on(self) -> Send:
        self._is_idle = False
        if not self._decoder.with_rssi:
            # UHFReader18: antenna and scan time are settings of the reader.
            return Send(wire.older(older.INVENTORY))
        options = self._options
        port = _FIRST_PORT + next(self._ports) - 1
        wanted = (_Q, options.session, _TARGET_A, port, options.scan_time)
        return Send(wire.older(older.INVENTORY, bytes(wanted)))
