"""Fetch from a Lite's memory what was missed: decide when, never for ever.

Downloads are idempotent, because a read is known by (chip, stamp); what must not happen is one
download after another because two counts never meet. So every finished one settles the books, the
next one on the same link waits longer each time, and one that fails is repeated with growing
pauses, across reconnects too.
"""

from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Event
from drivers.ipico.alarms import Alarms
from drivers.ipico.control import Memory
from drivers.ipico.dialogue import Command, Dialogue
from drivers.ipico.download import PROGRESS_OFF, STEPS, STOP, Download, Stage
from drivers.ipico.ledger import Ledger
from drivers.ipico.notes import Notes

FIRST_RETRY_NS: Final = 10 * NS_PER_S
LONGEST_RETRY_NS: Final = 600 * NS_PER_S
FIRST_SPACING_NS: Final = 300 * NS_PER_S
LONGEST_SPACING_NS: Final = 3600 * NS_PER_S
SHORT_PLAYBACKS: Final = 3
"""Playbacks that reached the end with lines missing, after which more of them would not help."""
NEARLY_FULL: Final = 0.95

RECORDING_OFF: Final = (
    "Recording is off in the reader: nothing can be recovered that is missed while the link is "
    "down. Switch recording on in the reader before the race."
)


class Backfill:
    """The books of one link and the playbacks they call for."""

    def __init__(self, notes: Notes, policy: str, dialogue: Dialogue, alarms: Alarms) -> None:
        self._policy = policy
        self._dialogue = dialogue
        self._alarms = alarms
        self._ledger = Ledger(notes.written, notes.lines)
        self._download: Download | None = None
        self._was_left_running = notes.downloading
        self._attempts = notes.attempts
        self._owed = 1 if notes.downloading else 0
        self._wants_all = policy == "all" and notes.written is None
        self._foreign_playback = False
        self._must_settle = False
        self._not_before_ns: int | None = None
        self._spacing_ns = FIRST_SPACING_NS

    @property
    def is_fetching(self) -> bool:
        """A download of ours is running."""
        return self._download is not None

    def notes(self) -> Notes:
        """Return what the next session must know."""
        return Notes(
            kind="lite",
            written=self._ledger.written,
            lines=self._ledger.lines,
            downloading=self._download is not None or self._was_left_running,
            attempts=self._attempts,
        )

    def count(self, lines: int) -> None:
        """Count tag lines received, readable or not."""
        if self._download is not None:
            self._download.lines += lines
        else:
            self._ledger.lines += lines

    def status(self, memory: Memory, now_ns: int) -> list[Event]:
        """Take a 4b status, asked for or not."""
        events = self._health(memory)
        if self._download is not None:
            self._dialogue.ask_first(*self._download.status(memory, now_ns))
            return events
        if self._was_left_running and self._policy == "never":
            self._was_left_running, self._owed = False, 0
            self._dialogue.ask_first(STOP, PROGRESS_OFF)
        if self._is_settled_or_foreign(memory):
            return events
        missing = self._ledger.observe(memory.written)
        if self._wants_all:
            missing, self._wants_all = memory.written, False
        if missing:
            events += self._missed(missing, memory)
        if self._owed and self._may_begin(now_ns):
            self._begin(memory, now_ns)
        return events

    def answered(self, command: Command, memory: Memory, now_ns: int) -> list[Event]:
        """Take the reply to a command; those of the download are its own affair."""
        if self._download is None or command not in STEPS:
            return []
        self._download.answered(command, memory, now_ns)
        return self._concluded(now_ns)

    def unanswered(self, command: Command, now_ns: int) -> list[Event]:
        """Go on after a command was given up."""
        if self._download is None or command not in STEPS:
            return []
        self._dialogue.ask_first(*self._download.unanswered(command))
        return self._concluded(now_ns)

    def tick(self, now_ns: int) -> None:
        """Let time pass."""
        if self._download is not None:
            self._dialogue.ask_first(*self._download.tick(now_ns))

    def abandon(self) -> None:
        """Give the running download up: the reader fell silent. It is begun anew later."""
        if self._download is not None:
            self._download = None
            self._was_left_running = True

    def _health(self, memory: Memory) -> list[Event]:
        events = (
            self._alarms.lower("recording")
            if memory.recording
            else self._alarms.raise_("recording", RECORDING_OFF)
        )
        if memory.capacity and memory.written >= memory.capacity * NEARLY_FULL:
            return events + self._alarms.raise_(
                "memory",
                f"The reader's memory holds {memory.written} of {memory.capacity} records. Erase "
                "it before the race: what no longer fits cannot be recovered.",
            )
        return events + self._alarms.lower("memory")

    def _is_settled_or_foreign(self, memory: Memory) -> bool:
        if self._must_settle:
            self._must_settle = False
            self._ledger.settle(memory.written)
            return True
        if memory.playing and not memory.is_played_out and not self._was_left_running:
            # Another program fetches the memory; its lines reach us too and cannot be counted.
            # A shortage known before is kept, and seen to when the playback has ended.
            is_first = not self._foreign_playback and self._policy != "never"
            if is_first and self._ledger.written is not None:
                seen = self._ledger.written + self._ledger.lines
                self._owed = max(self._owed, memory.written - seen)
            self._foreign_playback = True
            return True
        if self._foreign_playback:
            self._foreign_playback = False
            if not self._owed:
                self._ledger.settle(memory.written)
                return True
        return False

    def _missed(self, missing: int, memory: Memory) -> list[Event]:
        if self._policy == "never":
            self._ledger.settle(memory.written)
            return self._alarms.raise_(
                "missed",
                f"{missing} tag lines of the reader were missed and are not fetched, as the option "
                "backfill is 'never'. Set it to 'missed', or import the reader's own log.",
            )
        if missing <= self._owed:
            return []
        self._owed = missing
        return self._alarms.raise_(
            "missed",
            f"{missing} tag lines of the reader were missed; they are fetched from its memory "
            f"({memory.written} records, about {memory.written // 76 + 1} s). Nothing to do.",
        )

    def _may_begin(self, now_ns: int) -> bool:
        if self._not_before_ns is None:
            self._not_before_ns = now_ns + self._retry_ns()
        return now_ns >= self._not_before_ns

    def _retry_ns(self) -> int:
        if not self._attempts:
            return 0
        return min(FIRST_RETRY_NS << min(self._attempts - 1, 10), LONGEST_RETRY_NS)

    def _begin(self, memory: Memory, now_ns: int) -> None:
        ends_old = self._was_left_running or memory.playing
        self._download = Download(now_ns, ends_old=ends_old)
        self._was_left_running = False
        self._attempts += 1
        self._dialogue.ask(*self._download.begin())

    def _concluded(self, now_ns: int) -> list[Event]:
        download = self._download
        if download is None or not download.is_over:
            return []
        self._download = None
        is_short = download.reached_end and download.stage is Stage.FAILED
        if download.stage is Stage.FAILED and not (is_short and self._attempts >= SHORT_PLAYBACKS):
            self._not_before_ns = now_ns + self._retry_ns()
            return self._alarms.raise_(
                "missed",
                f"Fetching missed reads from the reader's memory failed: {download.why}. It is "
                "tried again; live reads are not affected.",
            )
        covers = download.covers(self._ledger.written or 0)
        self._owed = self._attempts = 0
        self._must_settle = True
        self._not_before_ns = now_ns + self._spacing_ns
        self._spacing_ns = min(self._spacing_ns * 2, LONGEST_SPACING_NS)
        if is_short or not covers:
            why = download.why or "the playback did not begin at the first record"
            return self._alarms.raise_(
                "missed",
                f"Not all missed reads could be fetched from the reader's memory: {why}. Import "
                "the reader's own log (TAGDATA.TXT) to be sure.",
            )
        return self._alarms.lower("missed")
