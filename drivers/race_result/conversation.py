"""What to say to a decoder next.

Nothing here is a script that could lose its place: after every answer the next command follows
from what is due and what is missing (`recovery`). An answer that never comes therefore costs time
and nothing else. After one, a one-line command goes first: the decoder answers in order, so its
reply shows that nothing older is still under way.

Order at the start: protocol, box name, status, clock, count, backlog in pieces, push, count
again. Later: status and count every few seconds, and at once whatever a push shows to be missing.
"""

from collections import deque
from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Event, Hangup, Remember
from drivers.race_result import replies
from drivers.race_result.exchange import (
    SLACK_NS,
    Ask,
    Exchange,
    Kind,
    ask_old_file,
    ask_records,
    plain,
)
from drivers.race_result.records import Numbering, Record
from drivers.race_result.recovery import Recovery

POLL_NS: Final = 3 * NS_PER_S
POLL_WITHOUT_PUSH_NS: Final = 2 * NS_PER_S
CLOCK_NS: Final = 10 * NS_PER_S
RETRY_NS: Final = 60 * NS_PER_S
_FIRST_CLOCK_SAMPLES: Final = 5
_PUSH_SINCE: Final = (1, 5)
_PLAIN_VERSION: Final = (2, 0)
_HELLO: Final = (
    Kind.BEST,
    Kind.BOX,
    Kind.STATUS,
    *[Kind.TIME] * _FIRST_CLOCK_SAMPLES,
    Kind.COUNT,
)


class Conversation:
    """The state of one connection from `begin` on; before that it is silent."""

    def __init__(self, memory: str | None) -> None:
        self.recovery = Recovery(memory)
        self.exchange = Exchange()
        self.started = False
        self._over = False
        self._remembered = self.recovery.ledger.memory()
        self._first = deque(plain(kind) for kind in _HELLO)
        self._due: set[Kind] = set()
        self._now = self._poll_at = self._clock_at = self._retry_at = 0
        self._version: replies.Version | None = None
        self._push = self._push_refused = self._push_began = False

    def begin(self, now_ns: int) -> list[Event]:
        """Say the first thing: the link is up."""
        self.started = True
        self._now = now_ns
        self._poll_at, self._clock_at = now_ns + POLL_NS, now_ns + CLOCK_NS
        self._retry_at = now_ns + RETRY_NS
        events = self.go_on()
        self.exchange.stamp(now_ns)
        return events

    def tick(self, now_ns: int) -> list[Event]:
        """Let time pass: time-outs, polls, retries, and the book to be remembered."""
        if not self.started or self._over:
            return []
        self._now = now_ns
        events = self._remember()
        late = self.exchange.overdue(now_ns)
        if late:
            if self.exchange.lost:
                self._over = True
                return [*events, Hangup(f"no answer to {late.text}")]
            self._gave_up(late)
        self._watch_time(now_ns + SLACK_NS)
        events += self.go_on()
        self.exchange.stamp(now_ns)
        return events

    def fetched(self, record: Record, *, good: bool) -> None:
        """Enter a record line that is (part of) the answer to the command in flight."""
        self.exchange.progressed()
        ask = self.exchange.ask
        if ask and ask.kind is Kind.RECORDS:
            self.recovery.fetched(record, (ask.first, ask.count), good=good)

    def block_ended(self) -> None:
        """Take the end of a block of records: an empty line."""
        ask = self.exchange.ask
        if ask is None:
            return
        if ask.kind is Kind.RECORDS:
            self.exchange.answered()
            self.recovery.block_ended((ask.first, ask.count))
        elif ask.kind is Kind.OLD_FILE:
            self.exchange.answered()
            self.recovery.old_file_came(ask.file)

    def answered(self, reply: replies.Reply) -> bool:
        """Take a one-line reply; return whether it answers the command in flight."""
        ask = self.exchange.ask
        mine = ask is not None and _answers(ask, reply)
        if mine and not self.expects_records:
            self.exchange.answered()
        match reply.fact:
            case replies.Refusal():
                if ask and mine:
                    self._was_refused(ask)
            case replies.Only():
                self.recovery.only()
                self.block_ended()
            case replies.Protocol(current, bounds):
                self._version = current
                if ask and mine and ask.kind is Kind.VERSIONS:
                    self._choose(bounds[1] if bounds else _PLAIN_VERSION)
            case fact:
                self._told(fact)
        return mine

    def go_on(self) -> list[Event]:
        """Return what is to be said now: alarms, and the next command behind the book."""
        if not self.started or self._over:
            return []
        events: list[Event] = [*self.recovery.take_alarms()]
        if self.exchange.ask is None:
            ask = self._next()
            events += self._remember()
            if ask:
                events.append(self.exchange.begin(ask))
        return events

    @property
    def expects_records(self) -> bool:
        """Whether record lines are the answer we wait for."""
        ask = self.exchange.ask
        return ask is not None and ask.kind in (Kind.RECORDS, Kind.OLD_FILE)

    @property
    def answer_numbering(self) -> Numbering:
        """The numbering of record lines that are not pushed; without file where unasked."""
        ask = self.exchange.ask
        if ask and ask.kind is Kind.RECORDS:
            return self.recovery.numbering
        file = str(ask.file) if ask and ask.kind is Kind.OLD_FILE else ""
        return self.recovery.numbering._replace(file=file)

    def _remember(self) -> list[Event]:
        memory = self.recovery.ledger.memory()
        if memory == self._remembered:
            return []
        self._remembered = memory
        return [Remember(memory)]

    def _next(self) -> Ask | None:
        if self._first:
            return self._first.popleft()
        if self.recovery.count_wanted:
            self._due.add(Kind.COUNT)
        if self.recovery.status_wanted:
            self._due.add(Kind.STATUS)
        self.recovery.count_wanted = self.recovery.status_wanted = False
        for kind in (Kind.STATUS, Kind.TIME, Kind.COUNT):
            if kind in self._due:
                self._due.remove(kind)
                return plain(kind)
        file = self.recovery.next_old_file()
        if file is not None:
            return ask_old_file(file)
        span = self.recovery.next_span()
        if span:
            return ask_records(*span)
        can_push = self._version is None or self._version >= _PUSH_SINCE
        if can_push and not self._push and not self._push_refused:
            return plain(Kind.PUSH)
        return None

    def _told(self, fact: replies.Fact) -> None:
        match fact:
            case replies.BoxName(name, device):
                self.recovery.told_box(device or name)
            case replies.Health(fields):
                self.recovery.told_health(fields.get("operating"), fields.get("file"))
            case replies.Count(count, file):
                patient = self._push and not self._push_began
                self._push_began = False
                self.recovery.told_count(count, file, self._now, patient=patient)
            case replies.Pushing(on):
                self._push = self._push_began = on
                self._push_refused = not on
                self.recovery.count_wanted |= on
            case _:
                pass

    def _choose(self, highest: replies.Version) -> None:
        version = replies.print_version(min(_PLAIN_VERSION, highest))
        self._first.appendleft(Ask(Kind.PLAIN, f"SETPROTOCOL;{version}"))

    def _watch_time(self, now_ns: int) -> None:
        if now_ns >= self._poll_at:
            self._due |= {Kind.STATUS, Kind.COUNT}
            self._poll_at = self._now + (POLL_NS if self._push else POLL_WITHOUT_PUSH_NS)
        if now_ns >= self._clock_at:
            self._due.add(Kind.TIME)
            self._clock_at = self._now + CLOCK_NS
        if now_ns >= self._retry_at:
            self._retry_at = self._now + RETRY_NS
            self._push_refused = False
            self.recovery.try_again()
        self.recovery.tick(now_ns)

    def _gave_up(self, ask: Ask) -> None:
        """Go on without an answer, with a command of another word first."""
        match ask.kind:
            case Kind.BEST | Kind.VERSIONS | Kind.PLAIN:
                self._was_refused(ask)
            case Kind.STATUS:
                self._first.appendleft(plain(Kind.COUNT))
            case Kind.COUNT:
                self.recovery.count_wanted = True
                self._first.appendleft(plain(Kind.STATUS))
            case _:
                self._broke_off(ask)
                self._first.appendleft(plain(Kind.STATUS))

    def _broke_off(self, ask: Ask) -> None:
        some = self.exchange.records > 0
        if ask.kind is Kind.RECORDS:
            self.recovery.block_ended((ask.first, ask.count), silent=not some)
        elif ask.kind is Kind.OLD_FILE and some:
            self.recovery.old_file_came(ask.file)
        elif ask.kind is Kind.OLD_FILE:
            self.recovery.old_file_refused(ask.file)
        elif ask.kind is Kind.PUSH:
            self._push_refused = True

    def _was_refused(self, ask: Ask) -> None:
        match ask.kind:
            case Kind.BEST:
                self._first.appendleft(plain(Kind.VERSIONS))
            case Kind.VERSIONS:
                self._first.appendleft(plain(Kind.PLAIN))
            case Kind.PUSH:
                self._push_refused = True
            case Kind.RECORDS:
                self.exchange.answered()
                self.recovery.block_ended((ask.first, ask.count))
            case Kind.OLD_FILE:
                self.exchange.answered()
                self.recovery.old_file_refused(ask.file)
            case Kind.PLAIN | Kind.BOX | Kind.STATUS | Kind.TIME | Kind.COUNT:
                pass


def _answers(ask: Ask, reply: replies.Reply) -> bool:
    if ask.kind is Kind.BOX and isinstance(reply.fact, replies.Echo):
        return False
    return reply.word in (ask.word, "ERROR")
