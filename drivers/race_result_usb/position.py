"""Which passing of the box is asked for next, over breaks of the link and restarts of either side.

The box numbers its passings from when it was switched on, and drops the oldest when it is full. A
counter that is lower than before tells of a restart, but one that was left alone for long enough
shows more than before: so a new session asks for the last passing it knows once more, and compares.
"""

import json
from typing import Final, NamedTuple

from drivers.race_result_usb.decoder import Reply

MOST_PER_REPLY: Final = 64
TRIES: Final = 3
"""How often a reply with damage in it is asked for again."""
_LAST: Final = 0xFFFFFFFF
_AGING_TICKS: Final = 600 * 256
"""A note is written anew after ten minutes: the older it is, the less it tells of a restart."""


class Note(NamedTuple):
    """What the next session has to know."""

    next: int
    ticks: int
    """What the counter of the box had reached: a lower one means that it was switched off."""
    last: str = ""
    """Identity of the passing before `next`; empty: not known."""


def read_note(memory: str | None) -> Note | None:
    """Return a note from an earlier session; None where there is none that makes sense."""
    try:
        told = json.loads(memory or "")
        note = Note(int(told["next"]), int(told["ticks"]), str(told.get("last", "")))
    except (ValueError, TypeError, KeyError, OverflowError, AttributeError):
        return None
    return note if 0 <= note.next <= _LAST and 0 <= note.ticks <= _LAST else None


class Position:
    """Where we are in the memory of the box."""

    def __init__(self, memory: str | None, policy: str) -> None:
        note = self._kept = read_note(memory)
        self.ticks = note.ticks if note else 0
        """The newest that was told."""
        self.next = note.next if note and policy != "never" else None
        """None: not decided yet."""
        self.lost = 0
        """Passings that the box no longer has, or could not tell."""
        self.was_restarted = False
        """The box was switched off and on since the note was written."""
        self._last = note.last if note and self.next else ""
        """Identity of the passing before `next`, as far as it is known."""
        self._proves = bool(self._last)
        """It has yet to be compared with what the box has under its number."""
        self._all = policy == "all"
        self._certain = self.next is not None
        self._restart_seen = False
        self._vain = 0
        self._newest = (-1, "")
        """Number and identity of the newest passing that came in a reply."""

    def note_to_keep(self) -> str | None:
        """Return what is worth being remembered now; None if that is what was kept before."""
        if self.next is None:
            return None
        kept, note = self._kept, Note(self.next, self.ticks, self._last)
        if kept and kept.next == note.next and 0 <= note.ticks - kept.ticks < _AGING_TICKS:
            return None
        self._kept = note
        return json.dumps({name: value for name, value in note._asdict().items() if value != ""})

    def told_ticks(self, ticks: int) -> bool:
        """Take what the counter shows; tell whether it began anew."""
        began_anew = ticks < self.ticks
        self.ticks = ticks
        self._restart_seen = self._restart_seen or began_anew
        self.was_restarted = self.was_restarted or began_anew
        return began_anew

    def restarted(self) -> None:
        """Take note that the box said itself that it begins anew."""
        self._restart_seen = self.was_restarted = True
        self.ticks = 0

    def told_extent(self, reply: Reply) -> None:
        """Take the answer to ``PASSINGINFOGET``: how many it has, the first and the last number."""
        if reply.error or len(reply.numbers) < 5:  # noqa: PLR2004 - count, no, time, no, time
            return
        count, first, _, last, _ = reply.numbers[:5]
        end = last + 1 if count else 0
        if self._restart_seen or (self.next is not None and 0 < end < self.next):
            self.was_restarted = True
            self._go_to(first if count else 0, certain=count > 0)
            self._restart_seen = False
        elif self.next is None:
            self._go_to(first if self._all and count else end, certain=count > 0)

    def begin(self) -> int:
        """Return what to ask for; from the first on if nothing was decided."""
        if self.next is None:
            self._go_to(0, certain=False)
        return (self.next or 0) - self._proves

    def came(self, number: int, key: str) -> bool:
        """Take a passing of a reply; tell whether it shows that the box was restarted."""
        self._newest = (number, key)
        if self.next is None or not self._proves or number != self.next - 1:
            return False
        is_same = key == self._last
        # The reply begins with it; of another box everything is wanted.
        self._go_to(number if is_same else 0, certain=is_same)
        self.was_restarted = self.was_restarted or not is_same
        return not is_same

    def took(self, reply: Reply) -> bool:
        """Take the answer to ``PASSINGGET``; tell whether there is more to be fetched at once."""
        start, numbers = reply.start, reply.numbers
        if start is None or len(numbers) < 2 or self.next is None:  # noqa: PLR2004
            return False
        if self._proves and (reply.error or start == self.next - 1):
            # The box has dropped it, has none of that number, or could not tell it.
            self._proves = False
            return True
        if reply.error:
            if numbers[1] > self.next:
                if self._certain:
                    self.lost += numbers[1] - self.next
                self._go_to(numbers[1], certain=True)
                return True
            return False
        if start != self.next or numbers[1] > MOST_PER_REPLY:
            return False
        if not reply.is_whole:
            self._vain += 1
            if self._vain < TRIES:
                return True
            self.lost += max(numbers[1] - reply.records, 1)
        if numbers[1]:
            self._go_to(start + numbers[1], certain=True)
            number, key = self._newest
            self._last = key if number == self.next - 1 else ""
        else:
            self._certain, self._vain = True, 0
        return numbers[1] == MOST_PER_REPLY

    def _go_to(self, number: int, *, certain: bool) -> None:
        self.next, self._certain, self._vain = number, certain, 0
        self._last, self._proves = "", False
