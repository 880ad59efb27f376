"""What is missing and how it is got back: the book kept against what the decoder tells.

Three things show that a passing is missing: a hole in pushed numbers, a count above what came,
and another file than the one we knew. Each ends as a span of numbers to ask for or a file that is
owed. What the decoder will not give is gone round, told to a person, and asked for again later.
"""

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Alarm, Rejected
from drivers.race_result.ledger import Ledger, recall
from drivers.race_result.records import Numbering, Record

GRACE_NS = 3 * NS_PER_S // 2
"""A record the decoder has counted may still be on its way as a push for so long."""
_SINGLE_STEPS = 32
"""So many numbers in a row are gone round one by one before the rest of the hole is."""
_MOST_SPOILED = 1024


class Recovery:
    """The book of one connection.

    `count_wanted` and `status_wanted` say what the decoder should be asked, the status first: old
    firmware tells the file only there.
    """

    def __init__(self, memory: str | None) -> None:
        self.ledger: Ledger = recall(memory)
        self.numbering = Numbering()
        self.count_wanted = self.status_wanted = False
        self.operating: bool | None = None
        """False: test mode, in which nothing is stored."""
        self._alarms: list[Alarm] = []
        self._status_file: int | None = None
        self._count = 0
        self._claim: tuple[int, int] | None = None
        self._disputed = self._alias = ""
        self._shrunk = self._recount = self._rechecked = self._missing_told = False
        self._old_files_refused = False
        self._vain = 0
        self._cursor = 0
        self._spoiled: set[int] = set()
        self._renumber()
        lost = self.ledger.give_up()
        if lost:
            self._alarm_old_files(lost)

    # -- records -----------------------------------------------------------------------------

    def came_in_order(self, record: Record) -> bool:
        """Enter a pushed record if it is the very next one and whole; else leave it to `pushed`."""
        event, number, file = record
        ledger = self.ledger
        if (
            number == ledger.contiguous + 1
            and file == self.numbering.file
            and self.operating is not False
            and type(event) is not Rejected
        ):
            ledger.mark(number)
            return True
        return False

    def pushed(self, record: Record, *, good: bool) -> bool:
        """Enter a pushed record; return whether its number can be trusted as its identity.

        In test mode it can not: numbers may be given again when timing starts. A malformed push
        is not entered: the stored copy may be whole, and will be asked for.
        """
        number, ledger = record.number, self.ledger
        if not self._is_current(record.file):
            return True
        if self.operating is False:
            return False
        if number is None:
            return True
        if ledger.has(number):
            self.count_wanted = True
        elif good:
            ledger.mark(number)
        else:
            self._count = max(self._count, number)
        return True

    def fetched(self, record: Record, span: tuple[int, int], *, good: bool) -> None:
        """Enter a line of an answer to `span`: by its number, else by its place in the answer.

        A malformed one is asked for once more, for the line may have been hurt on its way; a
        second time it counts as received, so that nothing behind it is held up.
        """
        if not self._is_current(record.file):
            return
        first, count = span
        number = self._cursor + 1 if record.number is None else record.number
        if not first <= number < first + count:
            self._cursor += 1
            return
        self._cursor = number
        if good or number in self._spoiled:
            self.ledger.mark(number)
            return
        if len(self._spoiled) >= _MOST_SPOILED:
            self._spoiled.clear()
        self._spoiled.add(number)

    def block_ended(self, span: tuple[int, int], *, silent: bool = False) -> None:
        """Take the end of the answer to `span`; `silent`: there was none, and waiting is dear."""
        if silent and self._rechecked:
            self._vain = _SINGLE_STEPS
        missing = self.ledger.missing(self._target)
        if missing and missing[0] == span[0]:
            self._came_in_vain(span[0])
        else:
            self._vain, self._rechecked = 0, False

    def only(self) -> None:
        """Take note that we asked beyond the last record: the count must be had anew."""
        self._recount = self.count_wanted = True

    def next_span(self) -> tuple[int, int] | None:
        """Return (first, count) of the records to ask for next, if any are missing."""
        span = self.ledger.missing(self._target)
        if span:
            self._cursor = span[0] - 1
        return span

    # -- what the decoder tells of itself ----------------------------------------------------

    def told_box(self, box: str) -> None:
        """Take the decoder's identity: another one than remembered has a book of its own."""
        ledger = self.ledger
        if ledger.box != box:
            known = ledger.box is not None or ledger.file is not None or ledger.contiguous
            if known:
                ledger.turn_to_box(box)
                self._turned(0)
            ledger.box = box
        self._renumber()

    def told_health(self, operating: object, file: object) -> None:
        """Take mode and file from the status: the count of old firmware does not name the file."""
        if isinstance(operating, bool):
            self.operating = operating
        if isinstance(file, int):
            self._status_file = file

    def told_count(self, count: int, file: int | None, now_ns: int, *, patient: bool) -> None:
        """Take the count of the current file; `patient`: pushes may still bring what is new."""
        ledger = self.ledger
        file = self._status_file if file is None else file
        if file is not None and file != ledger.file:
            ledger.turn_to(file)
            self._turned(count)
        elif count < ledger.contiguous:
            self._numbers_went_back(count)
        else:
            self._shrunk = False
            self._alias = self._disputed or self._alias
            if self._recount:
                ledger.cut(count)
            if self._recount or not patient:
                self._count = count
            elif count > self._target:
                self._claim = self._claim or (count, now_ns)
        self._disputed, self._recount = "", False
        if self._missing_told and ledger.contiguous >= count:
            self._missing_told = False
            self._alarms.append(Alarm("passings_missing", "all passings have come", on=False))

    def tick(self, now_ns: int) -> None:
        """Let time pass: what was counted and not pushed in time is missing."""
        if self._claim and now_ns >= self._claim[1] + GRACE_NS:
            self._count = max(self._count, self._claim[0])
            self._claim = None

    def try_again(self) -> None:
        """Ask anew for everything that the decoder did not give."""
        self._vain, self._rechecked = 0, False
        self.ledger.forgive()

    def take_alarms(self) -> list[Alarm]:
        """Hand out the alarms since last time."""
        alarms, self._alarms = self._alarms, []
        return alarms

    # -- older files -------------------------------------------------------------------------

    def next_old_file(self) -> int | None:
        """Return an older file to ask for and count the try: it is remembered before it is made.

        So a decoder that hangs up on this command does so a few times and not for ever.
        """
        owed = None if self._old_files_refused else self.ledger.next_owed()
        if owed is None:
            return None
        owed.tries += 1
        return owed.file

    def old_file_came(self, file: int) -> None:
        """Strike off an older file that was read to its end."""
        self.ledger.settle(file)
        if not self.ledger.owed:
            self._alarms.append(Alarm("old_file", "older files have been fetched", on=False))

    def old_file_refused(self, file: int) -> None:
        """Ask for no older file on this connection any more."""
        self._old_files_refused = True
        self.ledger.give_up()
        self._alarm_old_files([file])

    # ----------------------------------------------------------------------------------------

    @property
    def _target(self) -> int:
        return max(self._count, self.ledger.top)

    def _is_current(self, file: str) -> bool:
        """Tell whether a record is of the file we are at; if not, ask which that is.

        If the decoder then still names the file we know, its records just call it otherwise.
        """
        if file in (self.numbering.file, self._alias):
            return True
        self._disputed = file
        self.count_wanted = self.status_wanted = True
        return False

    def _numbers_went_back(self, count: int) -> None:
        """Believe it only when told twice: a push may have overtaken the first count."""
        if not self._shrunk:
            self._shrunk = self.count_wanted = self.status_wanted = True
            return
        text = (
            f"the decoder holds {count} passings where {self.ledger.contiguous} were received: "
            "its file was cleared or its numbering reset; everything is read again"
        )
        self._alarms.append(Alarm("numbering_reset", text))
        self.ledger.begin_again()
        self._turned(count)

    def _turned(self, count: int) -> None:
        self._count, self._claim = count, None
        self._alias = ""
        self._shrunk = self._recount = self._rechecked = False
        self._vain = 0
        self._spoiled.clear()
        self._renumber()

    def _renumber(self) -> None:
        ledger = self.ledger
        file = "" if ledger.file is None else str(ledger.file)
        self.numbering = Numbering(ledger.box or "", file, ledger.epoch)

    def _came_in_vain(self, first: int) -> None:
        """Have the count checked first; then go round what the decoder does not give."""
        if not self._rechecked:
            self._rechecked = self._recount = self.count_wanted = True
            return
        self._vain += 1
        last = first if self._vain < _SINGLE_STEPS else max(first, self._target)
        self.ledger.defer(first, last)
        if not self._missing_told:
            self._missing_told = True
            text = (
                f"the decoder does not give passing {first} of file {self.numbering.file}: it is "
                "asked for every minute; if this stays, export the file from the decoder"
            )
            self._alarms.append(Alarm("passings_missing", text))

    def _alarm_old_files(self, files: list[int]) -> None:
        text = (
            f"passings of file {', '.join(map(str, files))} taken while the link was down could "
            "not be fetched: export it from the decoder"
        )
        self._alarms.append(Alarm("old_file", text))
