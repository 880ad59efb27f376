"""Setting a reader up for timing, one request after the other; nothing held back is lost by it.

A ROSpec outlives a lost connection, and a reader that holds its reports keeps what it reads
meanwhile. So a setup that is intact is left alone and only told to go on; any other is changed
only after what the reader has kept has been fetched.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property, partial
from json import dumps, loads
from typing import Final, NamedTuple
from zlib import crc32

from bridge.driver_api import Event, Hangup, Remember, Send
from drivers.llrp import facts, orders
from drivers.llrp.facts import Capabilities, Configuration
from drivers.llrp.options import Options
from drivers.llrp.wire import HEADER_LEN, TYPE_BITS, Msg, message, outcome


class Step(Enum):
    """What is being waited for."""

    GREETING = auto()
    CAPABILITIES = auto()
    EXTENSIONS = auto()
    CONFIG = auto()
    ROSPECS = auto()
    DRAIN = auto()
    SET_CONFIG = auto()
    CLEAR = auto()
    ADD = auto()
    ENABLE = auto()
    START = auto()
    CONFIRM = auto()
    DONE = auto()


_MANDATORY: Final = frozenset({Step.ADD, Step.ENABLE, Step.START})


class Ask(NamedTuple):
    """A request whose response is awaited."""

    kind: int
    """Type of the response."""
    number: int


class Answer(NamedTuple):
    """What a reader answered."""

    body: bytes
    ok: bool
    why: str
    """In words, where it is not."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the last session left behind."""

    state: int | None
    """The reader's configuration state value when our setup was complete."""
    setup: int
    """Checksum of what we had sent."""

    def text(self) -> str:
        """Return it for `Remember`."""
        return dumps({"state": self.state, "setup": self.setup})


def recall(memory: str | None) -> Known | None:
    """Parse a memory; None if there is none that makes sense."""
    try:
        told = loads(memory or "null")
    except ValueError:
        return None
    if not isinstance(told, Mapping) or type(told.get("setup")) is not int:
        return None
    state = told.get("state")
    return Known(state if type(state) is int else None, told["setup"])


class Setup:
    """The dialogue from the greeting to the running inventory.

    Attributes:
        step: Where it stands.
        reader: What the reader can do.
        config: What it told of its configuration last.
        foreign: ROSpecs of other programs on it.
        running: Our ROSpec is being executed, or nothing was to be configured.
        wishes: What of the options this reader cannot fulfil.
        refusal: Why the inventory could not be set up; empty if it could.
    """

    def __init__(self, options: Options, memory: str | None, *, trial: bool = False) -> None:
        """Take what the operator wants; with `trial` the reader is only looked at."""
        self.step = Step.GREETING
        self.reader = Capabilities()
        self.config = Configuration()
        self.foreign: list[int] = []
        self.running = False
        self.wishes: tuple[str, ...] = ()
        self.refusal = ""
        self._options = options
        self._known = recall(memory)
        self._trial = trial
        self._number = 100
        self._ask: Ask | None = None
        self._rospecs: dict[int, int] | None = None
        self._doomed: list[int] = []
        self._plans: list[bytes] = []
        """ROSpecs to try: ours, and one that leaves all radio settings to the reader."""
        self._configs: list[Capabilities] = []
        self._fingerprint = 0

    @property
    def awaited(self) -> tuple[Step, int]:
        """What is being waited for: the step, and the id of its request (0: none)."""
        return self.step, self._ask.number if self._ask else 0

    # -- what comes in -----------------------------------------------------------------------------

    def begin(self) -> list[Event]:
        """Begin: the reader has admitted us."""
        return self._go(Step.CAPABILITIES)

    def review(self) -> list[Event]:
        """Look again whether our ROSpec runs, and set it up if not."""
        self.running = False
        return self._go(Step.ROSPECS)

    def poll(self, what: int) -> Send:
        """Ask for configuration beside everything else; the answer is no part of the setup."""
        self._number += 1
        return Send(orders.get_config(self._number, what))

    def purge(self) -> list[Event]:
        """Let a Zebra forget what it has reported, once all of it is durable.

        Reads came long before and in other pieces: a note to be remembered, the same as ever, is
        what the order waits for.
        """
        self._number += 1
        note = dumps(None) if self._known is None else self._known.text()
        return [Remember(note), Send(orders.purge_tags(self._number))]

    def awaits(self, kind: int, number: int) -> bool:
        """Say whether a response belongs to the request in hand: by its id, or by its type.

        Some readers answer with an id of their own.
        """
        return (
            self._ask is not None
            and kind in (self._ask.kind, Msg.ERROR_MESSAGE)
            and (kind == self._ask.kind or number == self._ask.number)
        )

    def answered(self, raw: bytes) -> list[Event]:
        """Take the response to the request in hand."""
        body = raw[HEADER_LEN:]
        went = outcome(body)
        return self._take(Answer(body, went.ok, went.words()))

    def gave_no_answer(self) -> list[Event]:
        """Go on without one where that is possible."""
        if self.step in _MANDATORY:
            return [Hangup(f"the reader does not answer {self.step.name.lower()} of our ROSpec")]
        return self._take(Answer(b"", ok=False, why="no answer"))

    def _take(self, answer: Answer) -> list[Event]:
        self._ask = None
        handler = self._answers.get(self.step)
        return handler(answer) if handler else []

    def drained(self) -> list[Event]:
        """Go on: what the reader had kept has come."""
        wanted = orders.plan(self._options, self.reader)
        plain = orders.plan(Options(antennas=self._options.antennas), Capabilities())
        self.wishes = wanted.complaints
        self._plans = [wanted.rospec, plain.rospec]
        self._configs = [self.reader, Capabilities()]
        return self._go(Step.SET_CONFIG)

    # -- what is answered --------------------------------------------------------------------------

    def _capabilities(self, answer: Answer) -> list[Event]:
        self.reader = facts.capabilities(answer.body) if answer.ok else Capabilities()
        return self._go(Step.EXTENSIONS if self.reader.is_impinj else Step.CONFIG)

    def _extensions(self, _: Answer) -> list[Event]:
        return self._go(Step.CONFIG)

    def _config(self, answer: Answer) -> list[Event]:
        self.config = facts.configuration(answer.body) if answer.ok else Configuration()
        wanted = orders.plan(self._options, self.reader)
        self._fingerprint = crc32(orders.set_config(0, self.reader) + wanted.rospec)
        if self._options.configure:
            self.wishes = wanted.complaints
        if self._trial:
            self.running = True
            return self._go(Step.DONE)
        if not self._options.configure:
            self.running = True
            return [*self._release(), *self._go(Step.DONE)]
        return self._go(Step.ROSPECS)

    def _rospecs_told(self, answer: Answer) -> list[Event]:
        self._rospecs = facts.rospecs(answer.body) if answer.ok else None
        there = self._rospecs or {}
        self.foreign = [rospec for rospec in there if rospec != orders.ROSPEC_ID]
        known = Known(self.config.state_value, self._fingerprint)
        if known == self._known and there.get(orders.ROSPEC_ID) == facts.ACTIVE:
            self.running = True
            return [*self._release(), *self._go(Step.DONE)]
        self.step = Step.DRAIN
        events: list[Event] = [*self._release(), self._send(Msg.GET_REPORT)]
        # Where no ROSpec is, none has read anything, and nothing can be deleted with one.
        nothing_kept = answer.ok and not there
        return [*events, *self.drained()] if nothing_kept else events

    def _config_set(self, answer: Answer) -> list[Event]:
        self._configs.pop(0)
        if not answer.ok and self._configs:
            return self._go(Step.SET_CONFIG)
        self.refusal = "" if answer.ok else f"the reader refused our configuration ({answer.why})"
        self._doomed = self._in_the_way()
        return self._go(Step.CLEAR if self._doomed else Step.ADD)

    def _cleared(self, _: Answer) -> list[Event]:
        self._doomed.pop(0)
        return self._go(Step.CLEAR if self._doomed else Step.ADD)

    def _added(self, answer: Answer) -> list[Event]:
        if answer.ok:
            return self._go(Step.ENABLE)
        self._plans.pop(0)
        if self._plans:
            self.wishes = (*self.wishes, f"it refused our radio settings ({answer.why})")
            return self._go(Step.ADD)
        return self._failed(f"the reader takes no ROSpec ({answer.why})")

    def _enabled(self, answer: Answer) -> list[Event]:
        return (
            self._go(Step.START)
            if answer.ok
            else self._failed(f"our ROSpec is not enabled ({answer.why})")
        )

    def _started(self, answer: Answer) -> list[Event]:
        if not answer.ok:
            return self._failed(f"our ROSpec does not start ({answer.why})")
        self.running = True
        return [*self._release(), *self._go(Step.CONFIRM)]

    def _confirmed(self, answer: Answer) -> list[Event]:
        known = Known(facts.configuration(answer.body).state_value, self._fingerprint)
        self._known = known
        return [Remember(known.text()), *self._go(Step.DONE)]

    def _failed(self, why: str) -> list[Event]:
        self.refusal = why
        if self.foreign and not self._options.take_over:
            others = ", ".join(map(str, self.foreign))
            room = f", which takes {self.reader.most_rospecs}" if self.reader.most_rospecs else ""
            self.refusal += (
                f": ROSpec {others} of another program is on it{room}; delete that, or set"
                " take_over = true"
            )
        return [*self._release(), *self._go(Step.DONE)]

    def _in_the_way(self) -> list[int]:
        """Return the ROSpecs to delete: ours, and others' only where we were told to."""
        if self._rospecs is None:
            return [0] if self._options.take_over else [orders.ROSPEC_ID]
        mine = [rospec for rospec in self._rospecs if rospec == orders.ROSPEC_ID]
        return list(self._rospecs) if self._options.take_over else mine

    # -- what goes out -----------------------------------------------------------------------------

    def _go(self, step: Step) -> list[Event]:
        self.step = step
        self._ask = None
        request = self._requests.get(step)
        if request is None:
            return []
        self._number += 1
        data = request(self._number)
        self._ask = Ask(_response_to(data), self._number)
        return [Send(data, asks_clock=step is Step.START)]

    def _release(self) -> list[Event]:
        """Let the reader send what it holds back; there is no response to that."""
        return [self._send(Msg.ENABLE_EVENTS_AND_REPORTS)]

    def _send(self, kind: Msg) -> Send:
        self._number += 1
        return Send(message(kind, self._number))

    @cached_property
    def _requests(self) -> Mapping[Step, Callable[[int], bytes]]:
        return {
            Step.CAPABILITIES: orders.get_capabilities,
            Step.EXTENSIONS: orders.enable_extensions,
            Step.CONFIG: orders.get_config,
            Step.ROSPECS: partial(message, Msg.GET_ROSPECS),
            Step.SET_CONFIG: lambda number: orders.set_config(number, self._configs[0]),
            Step.CLEAR: lambda number: orders.of_rospec(Msg.DELETE_ROSPEC, number, self._doomed[0]),
            Step.ADD: lambda number: orders.add_rospec(number, self._plans[0]),
            Step.ENABLE: partial(orders.of_rospec, Msg.ENABLE_ROSPEC),
            Step.START: partial(orders.of_rospec, Msg.START_ROSPEC),
            Step.CONFIRM: partial(orders.get_config, what=orders.STATE_VALUE),
        }

    @cached_property
    def _answers(self) -> Mapping[Step, Callable[[Answer], list[Event]]]:
        return {
            Step.CAPABILITIES: self._capabilities,
            Step.EXTENSIONS: self._extensions,
            Step.CONFIG: self._config,
            Step.ROSPECS: self._rospecs_told,
            Step.SET_CONFIG: self._config_set,
            Step.CLEAR: self._cleared,
            Step.ADD: self._added,
            Step.ENABLE: self._enabled,
            Step.START: self._started,
            Step.CONFIRM: self._confirmed,
        }


def _response_to(request: bytes) -> int:
    """Return the type of the response to a request: ten more, but for a vendor's messages."""
    kind = int.from_bytes(request[:2], "big") & TYPE_BITS
    return kind if kind == Msg.CUSTOM_MESSAGE else kind + 10
