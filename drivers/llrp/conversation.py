"""What is said to a reader, and when: greeting, setup, polls, and giving a dead link up."""

from typing import Final

from bridge.domain.reads import NS_PER_S, Read, StampForm
from bridge.driver_api import Clock, ClockStep, Event, Hangup, Opening, Status
from drivers.llrp import notices, orders
from drivers.llrp.facts import Configuration
from drivers.llrp.health import HealthWatch
from drivers.llrp.notices import Notice
from drivers.llrp.options import Options
from drivers.llrp.setup import Setup, Step
from drivers.llrp.wire import ZEBRA

GREETING_NS: Final = 5 * NS_PER_S
"""The reader speaks first; one that does not within this is none, or is taken."""
ANSWER_NS: Final = 4 * NS_PER_S
DRAIN_NS: Final = 10 * NS_PER_S
"""Held reads are waited for while they come, but no longer than this before we go on."""
QUIET_NS: Final = 3 * NS_PER_S
"""Keepalives come every two seconds: a reader that is quiet for longer is asked something."""
SILENT_NS: Final = 6 * NS_PER_S
SILENT_IN_SETUP_NS: Final = 9 * NS_PER_S
"""Adding a ROSpec may take a reader a while."""
HEALTH_NS: Final = 60 * NS_PER_S
RETRY_NS: Final = 30 * NS_PER_S
_BACK_NS: Final = NS_PER_S
_ENOUGH_BACKS: Final = 3
_URGENT: Final = 2


class Conversation:
    """One connection's dialogue; it knows the time only from `tick`.

    Attributes:
        setup: Setting the reader up.
        health: What a person must know.
    """

    def __init__(self, opening: Opening, options: Options) -> None:
        self.setup = Setup(options, opening.memory, trial=opening.trial)
        self.health = HealthWatch()
        self._options = options
        self._last_stamp = opening.last_stamp
        self._started = False
        self._now_ns = 0
        self._since_ns = 0
        """Since when the present step of the setup has been waited for."""
        self._awaited = (Step.GREETING, 0)
        self._heard_ns = 0
        self._heard = False
        self._asked_ns = 0
        self._health_ns = 0
        self._retry_ns = 0
        self._fetched = 0
        """Reads since a Zebra's store was emptied."""
        self._reports = False
        """Whether reports came since the last tick."""
        self._live_from: tuple[StampForm, int] | None = None
        """Stamp of the greeting: what was read later was not held back."""
        self._newest: int | None = None
        self._backs = 0
        """Samples in a row that lie before the newest read."""
        self._sample_due = False
        self._operating: bool | None = None
        """What was told of it last."""

    @property
    def started(self) -> bool:
        """Whether there is somebody to talk to."""
        return self._started

    def begin(self, now_ns: int) -> list[Event]:
        """Wait for the reader to speak first."""
        self._started = True
        self._now_ns = self._since_ns = self._heard_ns = now_ns
        self._health_ns = self._retry_ns = self._asked_ns = now_ns
        return []

    def heard(self) -> None:
        """Note that bytes came."""
        self._heard = True

    # -- notifications -----------------------------------------------------------------------------

    def noticed(self, notice: Notice) -> list[Event]:
        """Take a notification; its own event has been made already."""
        events: list[Event] = [*self.health.noticed(notice)]
        if notice.attempt not in (None, notices.OTHER_CLIENT):
            events += self._greeted(notice)
        if notice.antenna is not None:
            events += self.health.judge_antennas(self._options.antennas)
        if notice.rospec is not None and notice.rospec.rospec == orders.ROSPEC_ID:
            self.setup.running = notice.rospec.began
            events += self._conditions()
        if notice.closes:
            events.append(Hangup("the reader closes the connection"))
        return events

    def _greeted(self, notice: Notice) -> list[Event]:
        if notice.attempt != notices.ADMITTED:
            return [Hangup(notices.refusal(notice.attempt or 0))]
        if self.setup.step is not Step.GREETING:
            return []
        if notice.stamp is not None:
            self._live_from = (notice.form, notice.stamp)
        return self.setup.begin()

    def steps(self, notice: Notice) -> list[Event]:
        """Return the step of the reader's clock that its greeting shows."""
        last, stamp = self._last_stamp, notice.stamp
        greets = notice.attempt == notices.ADMITTED and self.setup.step is Step.GREETING
        if not greets or last is None or stamp is None or stamp >= last - _BACK_NS:
            return []
        return [ClockStep(b"", last, stamp, "it is behind its last read: reset, or set back")]

    def is_live(self, form: StampForm, stamp: int) -> bool:
        """Say whether what carries this stamp was told at once, and not held back."""
        if self._live_from is None:
            return self.setup.step is Step.DONE
        return form is self._live_from[0] and stamp >= self._live_from[1]

    def awaits_start(self, notice: Notice) -> bool:
        """Say whether this is our ROSpec beginning, as it was just told to."""
        began = notice.rospec == (orders.ROSPEC_ID, True)
        return began and self.setup.step in (Step.START, Step.CONFIRM)

    # -- reads -------------------------------------------------------------------------------------

    def reported(self, events: list[Event]) -> list[Event]:
        """Take note of reads; now and then make the newest one tell the reader's time."""
        self._reports = True
        self._fetched += len(events)
        if not self._sample_due:
            return []
        newest = next((event for event in reversed(events) if isinstance(event, Read)), None)
        if newest is None or newest.form is StampForm.ABSENT:
            return []
        if self._newest is not None and newest.stamp < self._newest - _BACK_NS:
            return self._went_back(newest)
        self._backs = 0
        if not self.is_live(newest.form, newest.stamp):
            return []
        self._sample_due = False
        self._newest = newest.stamp
        return [Clock(b"", newest.stamp, newest.form, asked=False, live=True)]

    def _went_back(self, read: Read) -> list[Event]:
        """Take in that the clock was set back, once all reads of some seconds say so.

        Single ones may be old: fetched by GET_REPORT, or the first of several put into one report.
        """
        self._sample_due = False
        self._backs += 1
        if self._backs < _ENOUGH_BACKS:
            return []
        before, self._newest = self._newest, read.stamp
        self._live_from = (read.form, read.stamp)
        self._backs = 0
        return [
            ClockStep(b"", before, read.stamp, "its reads went back in time"),
            Clock(b"", read.stamp, read.form, asked=False, live=True),
        ]

    # -- answers -----------------------------------------------------------------------------------

    def answered(self, kind: int, number: int, raw: bytes) -> list[Event]:
        """Take a response, if it is the one that is waited for."""
        if not self.setup.awaits(kind, number):
            return []
        return [*self.setup.answered(raw), *self._conditions()]

    def configured(self, told: Configuration) -> list[Event]:
        """Take what a reader tells of its configuration, asked for by whom it may."""
        return [*self.health.configured(told, self._options.antennas)]

    def _conditions(self) -> list[Event]:
        setup = self.setup
        if setup.step is not Step.DONE:
            return []
        why = setup.refusal or ("" if setup.running else "the reader's inventory has ended")
        idle = "" if setup.running else f"the reader records nothing: {why}"
        partly = setup.refusal if setup.running else ""
        wishes = "; ".join([*setup.wishes, partly] if partly else setup.wishes)
        events: list[Event] = [*self.health.tell({"not_recording": idle, "settings": wishes})]
        if self._operating is not setup.running:
            self._operating = setup.running
            events.append(Status(b"", {"operating": setup.running}))
        return events

    # -- time --------------------------------------------------------------------------------------

    def tick(self, now_ns: int) -> list[Event]:
        """Let time pass."""
        if not self._started:
            return []
        self._now_ns = now_ns
        self._sample_due = True
        if self._heard:
            self._heard_ns, self._heard = now_ns, False
        if self.setup.awaited != self._awaited:
            self._awaited, self._since_ns = self.setup.awaited, now_ns
        events: list[Event] = [*self.health.tick(now_ns), *self._watch()]
        reports, self._reports = self._reports, False
        if any(isinstance(event, Hangup) for event in events):
            return events
        return [*events, *self._go_on(reports=reports)]

    def _watch(self) -> list[Event]:
        """Give up a link on which nothing comes."""
        silent_ns = self._now_ns - self._heard_ns
        if self.setup.step is Step.GREETING:
            if self._now_ns - self._since_ns >= GREETING_NS:
                return [Hangup("no LLRP greeting: not an LLRP reader, or taken by another client")]
            return []
        limit = SILENT_NS if self.setup.step is Step.DONE else SILENT_IN_SETUP_NS
        if silent_ns >= limit:
            return [Hangup(f"nothing came for {silent_ns // NS_PER_S} s")]
        return []

    def _go_on(self, *, reports: bool) -> list[Event]:
        waited_ns = self._now_ns - self._since_ns
        match self.setup.step:
            case Step.GREETING:
                return []
            case Step.DONE:
                return [*self._purges(reports=reports), *self._polls()]
            case Step.DRAIN:
                done = waited_ns > 0 and not reports
                return self.setup.drained() if done or waited_ns >= DRAIN_NS else []
            case _ if waited_ns >= ANSWER_NS:
                self._since_ns = self._now_ns
                return [*self.setup.gave_no_answer(), *self._conditions()]
            case _:
                return []

    def _purges(self, *, reports: bool) -> list[Event]:
        """Empty a Zebra's store where we are told to: when it is full it reports no more.

        Everything in it has been reported by then. A pause between reads is waited for, as long
        as there is time.
        """
        every = self._options.purge_every
        if every is None or self.setup.reader.vendor != ZEBRA or self._fetched < every:
            return []
        if reports and self._fetched < _URGENT * every:
            return []
        self._fetched = 0
        return self.setup.purge()

    def _polls(self) -> list[Event]:
        """Ask for health now and then, and anything at all of a reader that has gone quiet."""
        now_ns = self._now_ns
        if not self.setup.running and now_ns - self._retry_ns >= RETRY_NS:
            self._retry_ns = now_ns
            return self.setup.review()
        if now_ns - self._health_ns >= HEALTH_NS:
            self._health_ns = self._asked_ns = now_ns
            return [self.setup.poll(0)]
        if now_ns - max(self._heard_ns, self._asked_ns) >= QUIET_NS:
            self._asked_ns = now_ns
            return [self.setup.poll(orders.STATE_VALUE)]
        return []
