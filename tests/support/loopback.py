"""A session and an emulator wired to each other in memory, with a clock of their own."""

from collections.abc import Mapping, Sequence

from bridge.domain.reads import NS_PER_S, Read
from bridge.driver_api import (
    MAIN,
    Dial,
    Driver,
    Emulator,
    Event,
    Hangup,
    Opening,
    Out,
    Remember,
    Send,
    Session,
    Sighting,
)

TURNS = 10_000
"""More messages to and fro than any honest exchange takes."""


class Loopback:
    """One reader and the bridge beside it; the cable can be pulled, and either can fall silent."""

    def __init__(
        self,
        driver: Driver,
        *,
        options: Mapping[str, object] | None = None,
        emulator: Emulator | None = None,
        emulator_options: Mapping[str, object] | None = None,
        start_ns: int = 1_780_000_000 * NS_PER_S,
    ) -> None:
        """Set up unplugged; `start_ns` is what the reader's clock shows."""
        self.driver = driver
        self.emulator = emulator or driver.emulator(emulator_options or {})
        self.now_ns = start_ns
        self.reads: list[Read] = []
        self.events: list[Event] = []
        self.hung_up: str | None = None
        self.memory: str | None = None
        self.mute = False
        """The reader says nothing any more although the link stands."""
        self._options = options or {}
        self._session: Session | None = None
        self._clients: dict[str, int] = {}
        self._numbers = 0

    @property
    def up(self) -> bool:
        """Whether the link stands."""
        return self._session is not None

    def plug(self, *, trial: bool = False) -> None:
        """Connect, with what the last session remembered; for a trial with nothing."""
        last = max((read.stamp for read in self.reads), default=None)
        self.hung_up = None
        opening = Opening(memory=self.memory, last_stamp=last, options=self._options)
        if trial:
            opening = Opening(options=self._options, trial=True)
        self._session = self.driver.session(opening)
        outs = self._connect(MAIN, MAIN)
        events = self._session.opened(self.now_ns)
        self._settle(events, outs)

    def pull(self) -> None:
        """Cut the link; what is on its way is lost."""
        for client in self._clients.values():
            self.emulator.disconnected(client)
        self._clients.clear()
        self._session = None

    def sight(self, sighting: Sighting) -> None:
        """Let a chip cross the mat now."""
        self._settle([], self.emulator.sighted(sighting))

    def mark(self, name: str) -> None:
        """Fire the gun or press the button now."""
        self._settle([], self.emulator.marked(name, self.now_ns))

    def wait(self, seconds: float, step_s: float = 0.5) -> None:
        """Let time pass on both sides."""
        for _ in range(round(seconds / step_s)):
            self.now_ns += round(step_s * NS_PER_S)
            outs = list(self.emulator.tick(self.now_ns))
            events = self._session.tick(self.now_ns) if self._session is not None else []
            self._settle(events, outs)

    def _connect(self, channel: str, theirs: str) -> list[Out]:
        self._numbers += 1
        self._clients[channel] = self._numbers
        return list(self.emulator.connected(self._numbers, theirs, self.now_ns))

    def _settle(self, events: list[Event], outs: Sequence[Out]) -> None:
        """Carry bytes to and fro until both sides have nothing more to say."""
        outs = list(outs)
        for _ in range(TURNS):
            if not events and not outs:
                return
            outs += self._obey(events)
            events = self._deliver(outs)
            outs = []
        raise AssertionError("the two sides talk without end")

    def _obey(self, events: list[Event]) -> list[Out]:
        outs: list[Out] = []
        for event in events:
            self.events.append(event)
            if isinstance(event, Read):
                self.reads.append(event)
            elif isinstance(event, Remember):
                self.memory = event.memory
            elif isinstance(event, Send) and event.channel in self._clients:
                client = self._clients[event.channel]
                outs += self.emulator.received(client, event.data, self.now_ns)
            elif isinstance(event, Dial):
                ports = self.emulator.channels
                [theirs] = [n for n, port in ports.items() if port == (event.port or ports[MAIN])]
                outs += self._connect(event.channel, theirs)
            elif isinstance(event, Hangup):
                if event.channel == MAIN:
                    self.hung_up = event.why
                    self.pull()
                elif event.channel in self._clients:
                    self.emulator.disconnected(self._clients.pop(event.channel))
        return outs

    def _deliver(self, outs: Sequence[Out]) -> list[Event]:
        events: list[Event] = []
        theirs = dict(self.emulator.channels)
        for out in outs:
            for channel, client in list(self._clients.items()):
                meant = out.client == client or (
                    out.client is None
                    and (channel == out.channel or (channel != MAIN and out.channel in theirs))
                )
                if not meant or self._session is None:
                    continue
                if out.data and not self.mute:
                    events += self._session.feed(out.data, channel)
                if out.close or out.reset:
                    self._clients.pop(channel, None)
                    self.emulator.disconnected(client)
                    if channel == MAIN:
                        self.pull()
                    else:
                        events += self._session.closed(channel, refused=False)
        return events
