"""The reader's side of the protocol on one connection after another, sans-I/O.

What it sends lies in an `Archive`, whoever keeps that: the emulator's shelf or the journal of a
box that forwards into CrossMgr. Nothing is ever acknowledged, so what was handed to the network
shortly before a break is sent again after it: a repeat can be removed over there, a finish that
never came cannot.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Archive
from drivers.jchip.records import END, print_crossing, print_greeting, print_time

BATCH: Final = 500
"""Crossings handed over at once; the rest follows with the next `due`."""
PATIENCE_NS: Final = 3 * NS_PER_S
"""How long the bridge programs wait for each step of the handshake before they connect anew."""
_MOST_HELD: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How this sender speaks.

    Attributes:
        name: Who it is. A host closes the older of two connections with the same name, so it must
            be another for every sender and the same after a reconnect.
        overlap_s: What was handed over in so many seconds before a break is sent again after it.
        decimals: Of a second in crossings, 2 to 6.
        dated: Whether dates are told; without them midnight is not safe.
    """

    name: str = "chip-bridge"
    overlap_s: float = 60.0
    decimals: int = 6
    dated: bool = True


class Sender:
    """One sender; `begin` and `end` tell it of its connections, one at a time.

    Every `now_ns` is the clock that stamps are made by: ns since 1970 read as if it had no zone.
    The host takes the difference between its own clock and ours at the handshake for all that
    follows, so whoever holds the connection closes it when that clock is moved (more than about
    20 ms), and changes its distance from UTC only between connections.
    """

    def __init__(self, archive: Archive, setup: Setup, *, settled: int = 0) -> None:
        """`settled`: what the property of that name was when it was last kept on disk."""
        self._archive = archive
        self._setup = setup
        self._settled = settled
        self._sent = settled
        self._handed: deque[tuple[int, int]] = deque()
        """(end of a second, newest number handed over by then), oldest first."""
        self._heard = b""
        self._is_up = self._is_started = False
        self._waits_since_ns: int | None = None
        self._born_day: int | None = None

    @property
    def settled(self) -> int:
        """Number of the newest crossing that will not be sent again: worth being kept on disk."""
        return self._settled

    @property
    def sent(self) -> int:
        """Number of the newest crossing handed over on this connection or an earlier one."""
        return self._sent

    @property
    def started(self) -> bool:
        """Whether the handshake is over and the host wants crossings."""
        return self._is_started

    def begin(self, now_ns: int) -> bytes:
        """Say who we are on a new connection, whichever side made it."""
        self._heard = b""
        self._is_up, self._is_started = True, False
        self._waits_since_ns = now_ns
        return print_greeting(self._setup.name)

    def heard(self, data: bytes, now_ns: int) -> bytes:
        """Answer what the host says: ``GT`` with our time; after ``S`` crossings may flow."""
        *lines, self._heard = (self._heard + data).replace(b"\n", END).split(END)
        self._heard = self._heard[-_MOST_HELD:]
        answer = b""
        for line in lines:
            if line.strip() == b"GT":
                self._waits_since_ns = now_ns
                answer += print_time(now_ns, self._days(now_ns), dated=self._setup.dated)
            elif line.startswith(b"S"):
                self._waits_since_ns = None
                self._is_started = True
        return answer

    def due(self, now_ns: int) -> bytes:
        """Return the crossings that go out now, as whole lines; nothing before the host wants any.

        Call it again at once while it returns something, or soon.
        """
        if not (self._is_up and self._is_started):
            return b""
        self._settle(now_ns)
        if self._sent >= len(self._archive):
            return b""
        crossings = self._archive.read(self._sent + 1, BATCH)
        self._sent += len(crossings)
        second_ns = (now_ns // NS_PER_S + 1) * NS_PER_S
        if self._handed and self._handed[-1][0] >= second_ns:
            second_ns = self._handed.pop()[0]
        self._handed.append((second_ns, self._sent))
        setup = self._setup
        return b"".join(
            print_crossing(one, decimals=setup.decimals, dated=setup.dated) for one in crossings
        )

    def gives_up(self, now_ns: int) -> bool:
        """Whether the host has left the handshake hanging: close, and connect again soon."""
        since_ns = self._waits_since_ns
        return self._is_up and since_ns is not None and now_ns - since_ns >= PATIENCE_NS

    def end(self) -> None:
        """Take note that the connection is gone; what is not settled will be sent again."""
        self._is_up = self._is_started = False
        self._waits_since_ns = None
        self._sent = self._settled
        self._handed.clear()

    def _settle(self, now_ns: int) -> None:
        overlap_ns = round(self._setup.overlap_s * NS_PER_S)
        while self._handed and now_ns - self._handed[0][0] >= overlap_ns:
            self._settled = self._handed.popleft()[1]

    def _days(self, now_ns: int) -> int:
        day = now_ns // (86_400 * NS_PER_S)
        if self._born_day is None:
            self._born_day = day
        return day - self._born_day
