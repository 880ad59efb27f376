"""From the texts of a line's fields to a read: the part that every form of line shares.

A line names a chip (or, where it has none, a bib: see `start_numbers`), a time, and whatever
else of `FIELDS` it has. What is not a number in antenna, RSSI or running number is left out: the
read counts all the same.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from bridge.domain.reads import Chip, Read
from bridge.driver_api import Reason, Rejected, Sighting
from drivers import start_numbers
from drivers.json_fields import number, whole
from drivers.time_text import TimeText

FIELDS: Final = ("chip", "bib", "time", "date", "antenna", "rssi", "seq", "key", "unit")
MOST_CHIP: Final = 128
"""Characters of the longest chip: an EPC of 496 bits is 124 hex digits."""
_MOST_DIGITS: Final = 9
_HEX: Final = "0123456789ABCDEFabcdef"


def _decimal(chip: str) -> str:
    return str(int(chip, 16)) if chip and not chip.strip(_HEX) else chip


def _hexadecimal(chip: str) -> str:
    return f"{int(chip):X}" if chip.isascii() and chip.isdecimal() else chip


CHIP_STEPS: Final[Mapping[str, Callable[[str], str]]] = MappingProxyType(
    {
        "upper": str.upper,
        "lower": str.lower,
        "no_spaces": lambda chip: "".join(chip.split()),
        "no_zeros": lambda chip: chip.lstrip("0") or chip[-1:],
        "hex_to_decimal": _decimal,
        "decimal_to_hex": _hexadecimal,
    }
)
"""What may be done to a chip, in the order named; one that a step does not suit passes as it is."""


class Fields:
    """What the fields of one kind of line mean."""

    def __init__(self, time: TimeText, chip_steps: Sequence[str] = ()) -> None:
        self.time = time
        self._steps = [CHIP_STEPS[step] for step in chip_steps]

    def chip_of(self, text: str) -> Chip:
        """Return the chip a text names, transformed as configured."""
        for step in self._steps:
            text = step(text)
        return Chip(text)

    def when(self, told: Mapping[str, str]) -> str:
        """Return the text of the time, with the date in front where that has a field of its own."""
        date, time = told.get("date", ""), told.get("time", "")
        return f"{date} {time}" if date else time

    def read(self, raw: bytes, told: Mapping[str, str]) -> Read | Rejected:
        """Return the read that trimmed field texts tell, or why they tell none."""
        chip = self.chip_of(told.get("chip", "")) or _of_bib(told.get("bib", ""))
        if not chip or len(chip) > MOST_CHIP or not chip.isprintable():
            return Rejected(raw, Reason.FIELD, "no chip" if not chip else "no such chip")
        when = self.when(told)
        stamp = self.time.read(when)
        if stamp is None:
            return Rejected(raw, Reason.FIELD, f"no such time: {when[:40]!r}")
        return Read(
            raw,
            chip,
            *stamp,
            whole(told.get("antenna")),
            number(told.get("rssi")),
            told.get("unit") or None,
            whole(told.get("seq")),
            told.get("key") or None,
        )

    def tell(self, sighting: Sighting, *, dated: bool = False) -> dict[str, str]:
        """Return the texts of a sighting, by field; `dated`: the date has a field of its own."""
        date, time = "", self.time.print(sighting.stamp)
        if dated:
            if self.time.form == "iso":
                time = time.replace("T", " ")
            date, _, time = time.partition(" ")
        return {
            "chip": sighting.chip,
            "bib": str(start_numbers.number_of(sighting.chip) or ""),
            "date": date,
            "time": time,
            "antenna": str(sighting.antenna),
            "rssi": f"{sighting.rssi:g}",
            "seq": str(sighting.seq),
            "key": str(sighting.seq),
            "unit": "reader",
        }


def _of_bib(text: str) -> Chip:
    """Return the chip that stands for a bib; a bib that is no number is taken as it is."""
    is_number = text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
    return start_numbers.chip_of(int(text)) if is_number and int(text) else Chip(text)
