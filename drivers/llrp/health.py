"""What a person must know of a reader: antennas, its buffer, its own complaints."""

from collections.abc import Iterable, Mapping
from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Alarm
from drivers.llrp.facts import Configuration
from drivers.llrp.notices import OTHER_CLIENT, Antenna, Notice

_STANDS_NS: Final = 300 * NS_PER_S
"""How long the alarm of a thing that merely happened is shown."""
_FULL_PCT: Final = 80
_MOST_PORTS: Final = 64


class HealthWatch:
    """Turns what is told into alarms: one each time a condition comes or goes."""

    def __init__(self) -> None:
        self._there: dict[int, bool] = {}
        self._seen: set[int] = set()
        self._told: dict[str, str] = {}
        self._until: dict[str, int] = {}
        """Alarm -> when it ends by itself; 0 until the next tick has told the time."""
        self._now_ns = 0

    @property
    def antennas(self) -> str:
        """Antennas as text of 0 and 1, the first port first."""
        ports = range(1, min(max(self._there, default=0), _MOST_PORTS) + 1)
        return "".join("1" if self._there.get(port) else "0" for port in ports)

    def configured(self, told: Configuration, wanted: Iterable[int]) -> list[Alarm]:
        """Take which antennas there are; `wanted` are those that must be."""
        self._there |= told.antennas
        return self.judge_antennas(wanted) if told.antennas else []

    def sees(self, event: Antenna) -> None:
        """Take an antenna event."""
        self._there[event.port] = event.is_there
        self._seen.add(event.port)

    def judge_antennas(self, wanted: Iterable[int]) -> list[Alarm]:
        """Say which antennas are missing: those that were there, and those that must be."""
        there = {port for port, is_there in self._there.items() if is_there}
        self._seen |= there
        lost = sorted((self._seen | set(wanted)) - there)
        text = ""
        if lost:
            text = f"antenna {', '.join(map(str, lost))} is not connected: check its cable"
        elif not there:
            text = "no antenna is connected"
        return self.tell({"antennas": text})

    def noticed(self, notice: Notice) -> list[Alarm]:
        """Take an event; return what a person must be told of it."""
        found: dict[str, str] = {}
        if notice.overflow:
            found["reads_lost"] = "the reader's report buffer overflowed: it has lost reads"
        if notice.buffer_pct is not None and notice.buffer_pct >= _FULL_PCT:
            found["buffer"] = f"the reader's report buffer is {notice.buffer_pct} % full"
        if notice.exception is not None:
            found["reader_exception"] = f"the reader reports a fault: {notice.exception}"
        if notice.attempt == OTHER_CLIENT:
            found["other_client"] = "another program tries to connect to this reader: stop it"
        self._until |= dict.fromkeys(found, self._now_ns + _STANDS_NS)
        return self.tell(found)

    def tell(self, conditions: Mapping[str, str]) -> list[Alarm]:
        """Return the alarms that changed; an empty text takes one back."""
        alarms = []
        for name, text in conditions.items():
            if self._told.get(name, "") != text:
                self._told[name] = text
                alarms.append(Alarm(name, text or "all is well again", on=bool(text)))
        return alarms

    def tick(self, now_ns: int) -> list[Alarm]:
        """Take back what happened long enough ago."""
        self._now_ns = now_ns
        over = [name for name, until in self._until.items() if now_ns >= until]
        for name in over:
            del self._until[name]
        return self.tell(dict.fromkeys(over, ""))
