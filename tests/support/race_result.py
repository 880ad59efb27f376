"""A decoder session and an emulated decoder on one line, in virtual time and in one process."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import replace

from bridge.domain.reads import NS_PER_MS, NS_PER_S, Read, identity
from bridge.driver_api import (
    MAIN,
    Alarm,
    Event,
    Hangup,
    Marker,
    Opening,
    Out,
    Remember,
    Send,
    Session,
    Sighting,
)
from drivers.race_result import DRIVER
from drivers.race_result.emulator import RaceResultEmulator

NOON = 20_600 * 86_400 * NS_PER_S + 12 * 3600 * NS_PER_S
"""2026-05-27 12:00:00, as NAIVE stamp."""
HARMLESS = {
    b"SETPROTOCOL",
    b"GETPROTOCOL",
    b"GETCONFIG",
    b"GETSTATUS",
    b"GETTIME",
    b"PASSINGS",
    b"GETFILE",
    b"SETPUSHPASSINGS",
}
"""All a session may say, besides requests for records."""


def sighting(number: int) -> Sighting:
    return Sighting(
        chip=DRIVER.example_chip(number), stamp=NOON + number * 10 * NS_PER_MS, antenna=2
    )


class Bench:
    """One decoder, and one session after another that remembers what the last one knew.

    Reads are kept by identity, as the journal keeps them; `times` counts how often each came.
    """

    def __init__(self, options: Mapping[str, object] | None = None, *, chunk: int = 0) -> None:
        self.decoder = RaceResultEmulator(options or {})
        self.memory: str | None = None
        self.session: Session | None = None
        self.deaf = False
        """The decoder's side is dead: nothing arrives, nothing comes back."""
        self.events: list[Event] = []
        self.sent: list[bytes] = []
        self.reads: dict[tuple[str, int] | str, Read | Marker] = {}
        self.times: Counter[tuple[str, int] | str] = Counter()
        self.now_ns = 0
        self._chunk = chunk
        self._client = 0
        self._wire = bytearray()
        self._reading = False

    def connect(self) -> None:
        self._client += 1
        self.session = DRIVER.session(Opening(memory=self.memory))
        self.decoder.connected(self._client, MAIN, NOON)
        self._take(self.session.opened(self.now_ns))

    def cut(self) -> None:
        """The link drops; the decoder goes on."""
        self.decoder.disconnected(self._client)
        self.session = None
        self._wire.clear()

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            if self.session is None:
                return
            self.now_ns += NS_PER_S
            self._take(self.session.tick(self.now_ns))
            self._arrive(self.decoder.tick(self._reader_ns))

    def see(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self._arrive(self.decoder.sighted(sighting(number)))

    def fire_gun(self) -> None:
        self._arrive(self.decoder.marked("gun", self._reader_ns))

    def see_in_vain(self, numbers: Iterable[int]) -> None:
        """The decoder sends these passings, and they are lost on the way."""
        for number in numbers:
            self.decoder.sighted(sighting(number))

    def see_hurt(self, numbers: Iterable[int]) -> None:
        """The decoder sends these passings, and their time is spoilt on the way."""
        for number in numbers:
            outs = self.decoder.sighted(sighting(number))
            self._arrive(replace(out, data=out.data.replace(b":", b"?")) for out in outs)

    def operate(self, command: bytes) -> None:
        """Somebody else speaks to the decoder."""
        self.decoder.connected(0, MAIN, NOON)
        self.decoder.received(0, command + b"\r\n", self._reader_ns)
        self.decoder.disconnected(0)

    def hear(self, data: bytes) -> list[Event]:
        """The session gets bytes that the emulator did not send; its events come back."""
        assert self.session is not None
        before = len(self.events)
        self._take(self.session.feed(data))
        return self.events[before:]

    @property
    def chips(self) -> list[str]:
        return sorted(read.chip for read in self.reads.values() if isinstance(read, Read))

    @property
    def hangups(self) -> list[Hangup]:
        return [event for event in self.events if isinstance(event, Hangup)]

    def alarms(self, name: str) -> list[bool]:
        return [e.on for e in self.events if isinstance(e, Alarm) and e.name == name]

    def sent_since(self, mark: int) -> list[str]:
        return [data.decode().rstrip() for data in self.sent[mark:]]

    @property
    def _reader_ns(self) -> int:
        return NOON + self.now_ns

    def _arrive(self, outs: Iterable[Out]) -> None:
        """Put bytes on the wire and let the session read it empty, piece by piece, in order."""
        for out in outs:
            if self.session is not None and not self.deaf and out.client == self._client:
                self._wire += out.data
        if self._reading:
            return
        self._reading = True
        while self._wire and self.session is not None:
            size = self._chunk or len(self._wire)
            piece = bytes(self._wire[:size])
            del self._wire[:size]
            self._take(self.session.feed(piece))
        self._reading = False

    def _take(self, events: Iterable[Event]) -> None:
        waiting = deque(events)
        while waiting:
            event = waiting.popleft()
            self.events.append(event)
            match event:
                case Read(chip=chip, stamp=stamp, key=key):
                    self.reads.setdefault(identity(chip, stamp, key), event)
                    self.times[identity(chip, stamp, key)] += 1
                case Marker(name=name, stamp=stamp, key=key):
                    self.reads.setdefault(identity(name, stamp, key), event)
                case Remember(memory):
                    self.memory = memory
                case Send(data):
                    assert harmless(data), data
                    self.sent.append(data)
                    if not self.deaf:
                        self._arrive(self.decoder.received(self._client, data, self._reader_ns))
                case _:
                    pass


def harmless(data: bytes) -> bool:
    """Tell whether a command only asks, or turns pushing on."""
    assert data.endswith(b"\r\n")
    assert data.count(b"\n") == 1
    word = data[:-2].partition(b";")[0]
    return word in HARMLESS or word.replace(b":", b"", 1).isdigit()
