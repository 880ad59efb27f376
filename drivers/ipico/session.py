"""One connection to an IPICO reader: which kind it is, and who does the talking."""

from typing import Final

from bridge.domain.reads import NS_PER_S, Read
from bridge.driver_api import (
    MAIN,
    Event,
    Hangup,
    Kept,
    Opening,
    Reason,
    Rejected,
    Remember,
    Session,
)
from drivers.ipico import notes as note_book
from drivers.ipico import options as option_book
from drivers.ipico.binary import BinarySession
from drivers.ipico.decoder import Decoder
from drivers.ipico.elite import EliteTalk
from drivers.ipico.lite import LiteTalk
from drivers.ipico.replay import CONTROL, REPLAY

DECIDE_NS: Final = 5 * NS_PER_S
"""A Lite refuses port 9999 within 0.4 s and an Elite answers; longer than this is a firewall."""
_SHORTEST_DAMAGE: Final = 20


def open_session(opening: Opening) -> Session:
    """Return the session for one connection."""
    if opening.options.get("binary") is True:
        return BinarySession()
    return IpicoSession(opening)


class IpicoSession:
    """Listen and talk to one reader in ASCII mode.

    What it is: as configured; on a serial port a board; else port 9999 decides, which an Elite
    serves and a Lite refuses. That refusal never means that the reader is down.
    """

    def __init__(self, opening: Opening) -> None:
        options = option_book.parse(opening.options)
        noted = note_book.read(opening.memory)
        kind = options.kind
        is_serial = kind == "serial" or opening.link == "serial"
        known = kind if kind != "auto" else noted.kind
        self._decoder = Decoder()
        self._lite = LiteTalk(options, noted, is_serial=is_serial, is_known_lite=known == "lite")
        self._elite = EliteTalk(noted, opening.last_stamp, options.backfill)
        self._is_settled = is_serial or kind != "auto"
        self._is_elite = kind == "elite" and not is_serial
        self._probes_control = not is_serial and kind != "lite"
        self._may_be_elite = known == "elite" and kind == "auto"
        self._has_line = False
        self._opened_ns = 0
        self._now_ns = 0
        self._remembered = noted

    @property
    def pending(self) -> bytes:
        """Bytes of the main channel whose line is incomplete: fewer than 1024."""
        return self._decoder.pending

    def opened(self, now_ns: int) -> list[Event]:
        """Start talking."""
        self._opened_ns = self._now_ns = now_ns
        if self._probes_control:
            return self._elite.begin(now_ns) + self._memo()
        return self._lite.begin(now_ns)

    def feed(self, data: bytes, channel: str = MAIN) -> list[Event]:
        """Take bytes as they came."""
        if data:
            self._elite.heard()
        if channel == CONTROL:
            if data and not self._is_settled:
                self._is_settled = self._is_elite = True
            return self._elite.control(data) + self._memo()
        if channel == REPLAY:
            return self._elite.replay(data)
        events = self._feed_main(data)
        # Plain reads are noted at the next tick: a second of lines too many after a power cut is
        # played back again and changes nothing, but notes with every read would wear the card.
        if self._is_settled and not self._decoder.has_only_reads:
            events += self._memo()
        return events

    def tick(self, now_ns: int) -> list[Event]:
        """Let time pass."""
        self._now_ns = now_ns
        if self._is_elite:
            return self._elite.tick(now_ns) + self._memo()
        if not self._is_settled:
            if now_ns - self._opened_ns < DECIDE_NS or not self._probes_control:
                return []
            hangup = Hangup("no answer from the control port", CONTROL)
            return [hangup, *self._become_lite(now_ns)]
        events = self._lite.tick(now_ns)
        if self._lite.is_mute and self._may_be_elite:
            # It was an Elite the last time, and a Lite would have answered: 9999 is in trouble.
            self._may_be_elite, self._is_elite = False, True
            events += self._elite.begin(now_ns)
        return events + self._memo()

    def closed(self, channel: str, *, refused: bool) -> list[Event]:
        """Take the end of a dialled channel, or that it was refused."""
        if channel == CONTROL and not self._is_settled:
            # Refused, or closed before a word: the way of a Lite.
            return self._become_lite(self._now_ns)
        if not self._is_elite:
            return []
        return self._elite.closed(channel, refused=refused) + self._memo()

    def _become_lite(self, now_ns: int) -> list[Event]:
        self._is_settled = True
        return self._lite.begin(now_ns)

    def _feed_main(self, data: bytes) -> list[Event]:
        found = self._decoder.feed(data)
        if self._decoder.has_only_reads and not self._lite.refuses_layout:
            self._lite.heard(len(found))
            self._has_line = self._has_line or bool(found)
            return [*found]
        events: list[Event] = []
        for event in found:
            self._lite.heard(self._tag_lines(event))
            events += self._follow(event)
        return events

    def _follow(self, event: Kept) -> list[Event]:
        if isinstance(event, Read):
            if self._lite.refuses_layout:
                return [Rejected(event.raw, Reason.UNKNOWN, "the record layout was changed")]
            return [event]
        if isinstance(event, Rejected) or event.raw[:1] not in b"aA" or self._is_elite:
            return [event]
        return self._lite.control(event)

    def _tag_lines(self, event: Kept) -> int:
        """Count the lines the reader counted: readable or not, but not control or text.

        The very first line may have begun before we came: its record was not received.
        """
        is_first, self._has_line = not self._has_line, True
        if isinstance(event, Read):
            return 1
        if not isinstance(event, Rejected):
            return 0
        head = event.raw[:2].lower()
        if head == b"aa":
            return 1
        is_line = event.raw.endswith(b"\n") and len(event.raw) >= _SHORTEST_DAMAGE
        return int(is_line and head != b"ab" and not is_first)

    def _memo(self) -> list[Event]:
        """Have noted what the next session must know, if it changed."""
        if self._is_elite:
            current: note_book.Notes | None = self._elite.notes()
        elif self._is_settled:
            current = self._lite.notes()
        else:
            current = None
        if current is None or current == self._remembered:
            return []
        self._remembered = current
        return [Remember(current.text())]
