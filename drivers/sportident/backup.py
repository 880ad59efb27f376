"""Which punches of a station's backup memory are missing, and the reading of them.

Each punch is eight bytes further than the one before it. What lies between two live punches, or
between the last one and the station's own pointer to the next free record, was missed.
"""

import json
from contextlib import suppress
from typing import Final

from bridge.domain.reads import NS_PER_S
from drivers.sportident.frames import build
from drivers.sportident.punches import FIRST_RECORD, GET_BACKUP, GET_SYSTEM, RECORD

MOST: Final = 2048
"""Punches at most that are read after one gap, the newest ones."""
_BLOCK: Final = 0x80
_POINTER: Final = bytes((0x1C, 7))
"""High half of the pointer to the next free record at 1C, low half at 21."""
_POINTER_BYTES: Final = 10
HEAD: Final = 5
"""Control number and address in front of what was read."""
_LAST_ADDRESS: Final = 0xFFFFFF
"""Of the three bytes an address has; a pointer beyond it is none (memory that was never used)."""
_WAIT_NS: Final = 2 * NS_PER_S
_TRIES: Final = 3

ASK_POINTER: Final = build(GET_SYSTEM, _POINTER, wake=True)


class Backup:
    """The book of one station's memory: what came last, and what is wanted.

    Attributes:
        gave_up: A stretch was given up, as the station did not answer: it stays missing.
    """

    def __init__(self, memory: str | None, policy: str) -> None:
        self._is_wanted = policy != "never"
        self._next = FIRST_RECORD if policy == "all" else None
        """Address behind the newest punch known."""
        self._wanted: list[tuple[int, int]] = []
        """Spans of addresses, end excluded."""
        self._asked: tuple[int, int] | None = None
        self._asked_ns = 0
        self._tries = 0
        self.gave_up = False
        with suppress(ValueError, TypeError, KeyError, OverflowError, RecursionError):
            known = int(json.loads(memory or "null")["next"])
            self._next = min(max(known, FIRST_RECORD), _LAST_ADDRESS)

    def memory(self) -> str | None:
        """Return what the next session must know: where what is owed begins."""
        owed = [start for start, _ in self._wanted]
        if self._asked is not None:
            owed.append(self._asked[0])
        first = min(owed, default=self._next)
        return None if first is None else json.dumps({"next": first}, separators=(",", ":"))

    def came(self, address: int) -> None:
        """Enter a live punch. Address 0 is no address: such a station stores nothing.

        One below what is known was on its way when the pointer was told, or the memory was erased;
        the next pointer will tell.
        """
        if address >= FIRST_RECORD and (self._next is None or address >= self._next):
            self._reached(address)
            self._next = address + RECORD

    def pointed(self, data: bytes) -> bool:
        """Take the answer with the pointer; return whether it was one."""
        if len(data) != _POINTER_BYTES or data[2] != _POINTER[0]:
            return False
        free = int.from_bytes(data[3:5] + data[8:10], "big")
        if FIRST_RECORD <= free <= _LAST_ADDRESS:
            self._reached(free)
            self._next = free
        return True

    def request(self, now_ns: int) -> bytes | None:
        """Return the next command, one at a time; repeated, then given up."""
        if self._asked is not None:
            if now_ns < self._asked_ns + _WAIT_NS:
                return None
            self._tries += 1
            if self._tries >= _TRIES:
                self._asked, self._tries, self.gave_up = None, 0, True
                self._wanted.clear()
                return None
            self._wanted.insert(0, self._asked)
        if not self._wanted:
            self._asked = None
            return None
        start, end = self._wanted.pop(0)
        size = min(end - start, _BLOCK)
        if start + size < end:
            self._wanted.insert(0, (start + size, end))
        self._asked, self._asked_ns = (start, start + size), now_ns
        return build(GET_BACKUP, start.to_bytes(3, "big") + bytes((size,)), wake=True)

    def answered(self, data: bytes) -> list[bytes]:
        """Return the records in an answer; empty ones and a cut one are left out by the caller."""
        start = int.from_bytes(data[2:HEAD], "big")
        if self._asked is not None and start == self._asked[0]:
            read_to = start + len(data) - HEAD
            if start < read_to < self._asked[1]:
                self._wanted.insert(0, (read_to, self._asked[1]))
            self._asked, self._tries = None, 0
        return [data[at : at + RECORD] for at in range(HEAD, len(data) - RECORD + 1, RECORD)]

    def _reached(self, address: int) -> None:
        """Want what lies before `address` and did not come."""
        expected = self._next
        if expected is None or not self._is_wanted:
            return
        if address < expected:
            expected = FIRST_RECORD  # erased since
            self._wanted.clear()
        start = max(expected, address - MOST * RECORD)
        if start < address:
            self._wanted.append((start, address))
