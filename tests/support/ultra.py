"""A box made of software and the bridge's session beside it."""

from collections.abc import Mapping

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Alarm, Send, Sighting
from drivers.ultra import DRIVER
from tests.support.loopback import Loopback

NOON = 1_780_056_000 * NS_PER_S


class Box(Loopback):
    """One Ultra; chips cross its mat by number."""

    def __init__(
        self,
        box: Mapping[str, object] | None = None,
        options: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(DRIVER, emulator_options=box, options=options, start_ns=NOON)

    def cross(self, first: int, last: int, step_s: float = 0.5) -> list[str]:
        """Let chips cross, one each half second."""
        chips = []
        for number in range(first, last + 1):
            self.wait(step_s)
            chips.append(DRIVER.example_chip(number))
            self.sight(Sighting(chip=chips[-1], stamp=self.now_ns))
        return [str(chip) for chip in chips]

    @property
    def chips(self) -> set[str]:
        """Every chip that came, live or rewound."""
        return {read.chip for read in self.reads}

    def sent(self, start: bytes = b"") -> list[bytes]:
        """What was said to the box that begins so."""
        sends = [event.data for event in self.events if isinstance(event, Send)]
        return [data for data in sends if data.startswith(start)]

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
