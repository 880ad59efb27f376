"""One connection that Timing & Scoring has made to us: answer it, keep it alive, acknowledge.

It speaks first and sends everything by itself. What it has not been told to be safe it sends
again, every twenty seconds and after every reconnect; so an acknowledgement goes out behind the
records it covers, and nothing has to be asked for that was missed.
"""

from typing import Final

from bridge.domain.reads import NS_PER_S, Read
from bridge.driver_api import (
    MAIN,
    Alarm,
    Event,
    Hangup,
    Marker,
    Opening,
    PassiveSession,
    Reason,
    Rejected,
    Remember,
    Send,
    Status,
)
from drivers.mylaps import devices, frames, key_values, options
from drivers.mylaps.decoder import Decoder, Heard, locations_of
from drivers.mylaps.liveness import Liveness

DEVICES_NS: Final = 60 * NS_PER_S
_SPOKEN: Final = {"Store": 1, "Passing": 2}
"""What only one version has."""
_MOST_LOCATIONS: Final = 64
"""More than any event has, so that noise cannot fill the memory."""


class MylapsSession(PassiveSession):
    """Decode frames and, once `opened`, converse.

    Never opened, it only decodes. It never asks for anything that changes Timing & Scoring or a
    decoder: the protocol has nothing of the kind.
    """

    def __init__(self, opening: Opening) -> None:
        chosen = options.parse(opening.options)
        self._name = chosen.name
        self._version = chosen.version
        self._password = opening.password
        self._acknowledges = not opening.trial
        """In a check nothing is: what was acknowledged never comes again."""
        self._decoder = Decoder(trust_utc=chosen.stamps == "utc")
        self._liveness = Liveness()
        self._is_open = False
        self._is_let_in = opening.password is None
        self._turned_away = ""
        """Why this connection is not wanted; empty: it is."""
        self._locations: dict[str, None] = {}
        """Names in the order they were heard of."""
        self._asks_devices = False
        self._asked_devices_ns = 0
        self._spoken: int | None = None
        """The version it speaks, whatever we asked for; None: not known yet."""
        self._told_spoken: int | None = None

    @property
    def pending(self) -> bytes:
        """Bytes of a frame that is not complete yet."""
        return self._decoder.pending

    def opened(self, now_ns: int) -> list[Event]:
        """Wait for its hello: the one that connects speaks first."""
        self._is_open = True
        self._asked_devices_ns = now_ns
        self._liveness.begin(now_ns)
        return []

    def feed(self, data: bytes, channel: str = MAIN) -> list[Event]:
        """Take bytes as they came; return what is complete, in wire order."""
        if channel != MAIN:
            return [Rejected(data, Reason.UNKNOWN, f"no channel {channel} was opened")]
        events: list[Event] = []
        for heard in self._decoder.feed(data):
            if not self._is_open:
                events += heard.events
            elif self._is_let_in or not heard.function:
                events += heard.events
                if heard.function:
                    events += self._answer(heard)
            else:
                events += self._at_the_door(heard)
        if data and self._is_open:
            self._liveness.heard()
        return events

    def tick(self, now_ns: int) -> list[Event]:
        """Ask whether it is alive, and now and then how its devices are."""
        if not self._is_open:
            return []
        if self._turned_away:
            return [Hangup(self._turned_away)]
        events, wants_ping = self._liveness.tick(now_ns)
        if wants_ping:
            events.append(self._say("Ping"))
        if self._spoken != self._told_spoken:
            self._told_spoken = self._spoken
            events.append(Status(b"", {"mode": f"version {self._spoken}"}))
        return [*events, *self._ask_devices(now_ns)]

    def _answer(self, heard: Heard) -> list[Event]:
        """Return what a frame is answered with, behind what was kept of it."""
        if heard.number is not None:
            return self._acknowledge(heard)
        match heard.function:
            case "Pong":
                self._liveness.identified()
                return self._welcome(heard.source)
            case "Ping":
                return [self._say("AckPing")]
            case "AckPing":
                self._liveness.answered(heard.source)
                self._learn(heard.source)
            case "GetLocations":
                self._replace_locations(locations_of(heard.fields))
            case "AckGetInfo":
                self._spoken = 2 if any("=" in text for text in heard.fields) else 1
                return [*self._decoder.alarms()]
            case frames.LOGIN_NAME if self._password is not None:
                return [self._say("AuthOk")]
            case _:
                pass
        return []

    def _acknowledge(self, heard: Heard) -> list[Event]:
        """Say that all records of a frame are safe: those that could not be read as well.

        It is the only flow control there is, and version 1 sends nothing before the frame that was
        not acknowledged. For a function nobody has described, the answer is named as for all three
        that are described.
        """
        self._liveness.identified()
        self._spoken = _SPOKEN.get(heard.function, self._spoken)
        if not self._acknowledges:
            return []
        answer = self._say(f"Ack{heard.function}", str(heard.number))
        if any(isinstance(event, Read | Marker) for event in heard.events):
            return [answer]
        # What was not understood may reach the disk later than what was, but here it must not:
        # it is forgotten over there. A note to be remembered takes it along at once.
        return [Remember(f"unread {heard.function} {heard.number}"), answer]

    def _welcome(self, location: str) -> list[Event]:
        """Answer a hello, each with the same words: others would set it back to version 1."""
        is_first = not self._locations
        self._learn(location)
        if self._version == 1:
            events = [self._say("AckPong")]
        else:
            wanted = ("|".join(key_values.WANTED), "|".join(devices.WANTED))
            events = [self._say("AckPong", frames.VERSION, *wanted)]
        if is_first:
            events += [self._say("GetLocations"), self._say("GetInfo")]
        return [*events]

    def _replace_locations(self, names: list[str]) -> None:
        """Take the list as Timing & Scoring gives it: ``unnamed`` may have said hello before."""
        if names:
            self._asks_devices = self._asks_devices or any(n not in self._locations for n in names)
            self._locations = dict.fromkeys(names[:_MOST_LOCATIONS])

    def _learn(self, location: str) -> None:
        if location not in self._locations and len(self._locations) < _MOST_LOCATIONS:
            self._locations[location] = None
            self._asks_devices = True

    def _ask_devices(self, now_ns: int) -> list[Event]:
        """Ask for the devices of each new location, and again every minute where it pays.

        Version 1 tells names only, of all locations at once.
        """
        is_old = self._version == 1 or self._spoken == 1
        is_time = now_ns - self._asked_devices_ns >= DEVICES_NS and not is_old
        if not self._locations or not (self._asks_devices or is_time):
            return []
        self._asks_devices = False
        self._asked_devices_ns = now_ns
        if is_old:
            return [self._say("GetInfo")]
        return [self._say("GetInfo", name) for name in self._locations if frames.is_clean(name)]

    def _at_the_door(self, heard: Heard) -> list[Event]:
        """Let nobody in without the password; what is not acknowledged is not lost over there."""
        kept: list[Event] = [
            event
            if not isinstance(event, Read | Marker)
            else Rejected(event.raw, Reason.UNKNOWN, "sent without the login that is asked for")
            for event in heard.events
        ]
        if heard.function == frames.LOGIN_NAME:
            if "@".join(heard.fields[1:]).removesuffix("@") == self._password:
                self._is_let_in = True
                return [
                    *kept,
                    Alarm("login", "the login is right again", on=False),
                    *self._answer(heard),
                ]
            self._turned_away = "the login is wrong"
            text = "Timing & Scoring came with a wrong password: correct it in its exporter"
            return [*kept, self._say("AuthFailed"), Alarm("login", text)]
        if not self._turned_away:
            self._turned_away = "no login"
            text = "Timing & Scoring came without a login: fill it in in its exporter"
            return [*kept, Alarm("login", text)]
        return kept

    def _say(self, function: str, *fields: str) -> Send:
        """Return a frame of ours; nothing stands behind its ``$``."""
        return Send(frames.make(self._name, function, fields))
