"""A One4All made of software and the bridge's session beside it."""

from collections.abc import Mapping

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Alarm, Send, Sighting
from drivers.macsha import DRIVER
from tests.support.loopback import Loopback

NOON = 1_780_056_000 * NS_PER_S


class Mat(Loopback):
    """One reader; chips cross its mat by number."""

    def __init__(
        self,
        reader: Mapping[str, object] | None = None,
        options: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(DRIVER, emulator_options=reader, options=options, start_ns=NOON)

    def cross(self, first: int, last: int, step_s: float = 0.5) -> list[str]:
        """Let chips cross, one each half second."""
        chips = []
        for number in range(first, last + 1):
            self.wait(step_s)
            chips.append(DRIVER.example_chip(number))
            self.sight(Sighting(chip=chips[-1], stamp=self.now_ns))
        return [str(chip) for chip in chips]

    def operate(self, command: str) -> str:
        """Have somebody else give the reader a command; return the answer."""
        self.emulator.connected(77, "main", self.now_ns)
        outs = self.emulator.received(77, f"{command}\r\n".encode(), self.now_ns)
        self.emulator.disconnected(77)
        return b"".join(out.data for out in outs).decode().strip()

    @property
    def chips(self) -> set[str]:
        """Every chip that came, pushed or fetched."""
        return {read.chip for read in self.reads}

    def sent(self, start: str = "") -> list[str]:
        """What was said to the reader that begins so."""
        sends = [event.data.decode() for event in self.events if isinstance(event, Send)]
        return [text.strip() for text in sends if text.startswith(start)]

    def alarms(self) -> dict[str, str]:
        """The alarms that stand now."""
        standing: dict[str, str] = {}
        for event in self.events:
            if isinstance(event, Alarm):
                if event.on:
                    standing[event.name] = event.text
                else:
                    standing.pop(event.name, None)
        return standing
