"""The replay of an Elite's stored raw reads, one receiver module after the other."""

from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Dial, Event, Hangup, Kept, Send
from drivers.ipico.alarms import Alarms
from drivers.ipico.decoder import Decoder
from drivers.ipico.notes import Notes
from drivers.ipico.records import stamp_digits

CONTROL: Final = "control"
REPLAY: Final = "replay"
REPLAY_PORT: Final = 10300
MODULES: Final = ("ttyS0", "ttyS1")
MARGIN_NS: Final = 30 * NS_PER_S
SILENCE_NS: Final = 30 * NS_PER_S
FIRST_RETRY_NS: Final = 5 * NS_PER_S
LONGEST_RETRY_NS: Final = 300 * NS_PER_S


class Replay:
    """Fetch what was missed: per module one command, one connection, read until it closes.

    It gives raw reads even where the main port is the first/last-seen one.

    Attributes:
        owed_from: Stamp after which reads may be missing (naive ns), or None: nothing is owed.
            0: everything the reader has.
    """

    def __init__(self, notes: Notes, last_stamp: int | None, backfill: str, alarms: Alarms) -> None:
        self._alarms = alarms
        self._decoder = Decoder()
        self._modules: list[str] = []
        self._is_open = False
        self._got_bytes = False
        self._attempts = 0
        self._next_ns = 0
        self._heard_ns = 0
        self._is_fresh = False
        self.owed_from: int | None = None
        if backfill != "never":
            known = [stamp for stamp in (notes.replay_from, last_stamp) if stamp is not None]
            self.owed_from = min(known) if known else (0 if backfill == "all" else None)
        self._modules = list(MODULES) if self.owed_from is not None else []

    def tick(self, now_ns: int) -> list[Event]:
        """Begin when it is time; give up one that says nothing more."""
        if self._is_fresh:
            self._is_fresh, self._heard_ns = False, now_ns
        if self._is_open and now_ns - self._heard_ns >= SILENCE_NS:
            # A reader that does not close at the end has still sent all it has.
            self._next_ns = now_ns + FIRST_RETRY_NS
            return [Hangup("the replay ended without a close", REPLAY), *self.closed(now_ns)]
        if self._is_open or not self._modules or now_ns < self._next_ns:
            return []
        self._is_open, self._got_bytes, self._heard_ns = True, False, now_ns
        command = f"replay_start file.{self._modules[0]} port.{REPLAY_PORT}{self._since()}\n"
        return [
            Send(command.encode("ascii"), CONTROL),
            Dial(REPLAY, REPLAY_PORT),
            Send(b"\n", REPLAY),
        ]

    def feed(self, data: bytes) -> list[Kept]:
        """Take bytes of the replay connection: ordinary records."""
        self._got_bytes = self._is_fresh = True
        return self._decoder.feed(data)

    def closed(self, now_ns: int, *, refused: bool = False) -> list[Event]:
        """Take the end of the replay connection."""
        events: list[Event] = [*self._decoder.flush()]
        if not self._is_open:
            return events
        self._is_open = False
        if refused:
            return events + self._retry(now_ns)
        self._attempts = 0
        self._modules.pop(0)
        if not self._modules:
            self.owed_from = None
            events += self._alarms.lower("missed")
        return events

    def interrupted(self, now_ns: int) -> list[Event]:
        """The control connection was lost: whether the command arrived is not known."""
        if not self._is_open or self._got_bytes:
            return []
        self._is_open = False
        return [Hangup("the control port closed", REPLAY), *self._retry(now_ns)]

    def _retry(self, now_ns: int) -> list[Event]:
        self._next_ns = now_ns + min(FIRST_RETRY_NS << min(self._attempts, 10), LONGEST_RETRY_NS)
        self._attempts += 1
        return self._alarms.raise_(
            "missed",
            f"Reads missed while the link was down could not be fetched: the reader refuses the "
            f"replay port {REPLAY_PORT}. It is tried again; live reads are not affected.",
        )

    def _since(self) -> str:
        if not self.owed_from:
            return ""
        return f" datetime.{stamp_digits(max(self.owed_from - MARGIN_NS, 0))[:12]}"
