"""The inside of an emulated decoder: clock, mode, passing files, and how it writes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType

from bridge.domain.reads import DAY_NS
from bridge.driver_api import Sighting
from drivers.race_result import records, stamps
from drivers.race_result.replies import Version, parse_version

LAST_OLD: Version = (2, 0)
"""Up to here: 18 status fields, and no file number with the count."""
_TWENTY_FIELDS_SINCE: Version = (1, 6)
_ACTIVE_PREFIX = "ZC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Options of an emulated decoder; the last six are faults."""

    protocol: str = "3.2"
    """Highest version spoken. Below 1.6 records have 16 fields, below 1.5 there is no push."""
    operating: bool = True
    """Timing mode; False: test mode, in which nothing is stored."""
    box: str = records.EXAMPLE_BOX
    """Device id and name."""
    file: int = 177
    """Number of the first passing file."""
    no_date: bool = False
    """The clock does not know the date: ``0000-00-00``."""
    decimal_comma: bool = False
    """Volts as ``2,9``."""
    old_status: bool = False
    """18 status fields whatever the version."""
    skip_push_every: int = 0
    """Every so many-th passing is stored but not pushed; 0: none."""
    push_inside_reply: bool = False
    """A push waits for the next answer and comes in its middle."""


def setup_of(options: Mapping[str, object]) -> Setup:
    """Return the options as a `Setup`.

    Raises:
        ValueError: Something is unknown or of the wrong type; the text says what is allowed.
    """
    defaults = Setup()
    known = [field.name for field in fields(Setup)]
    wrong = [
        f"unknown option {key!r}: an emulated RACE RESULT decoder knows {', '.join(known)}"
        for key in options
        if key not in known
    ]
    for name in known:
        default = getattr(defaults, name)
        value = options.get(name, default)
        if type(value) is not type(default) or (isinstance(value, int) and value < 0):
            wrong.append(f"option {name!r} is {value!r}: give one like {default!r}")
        elif name == "protocol" and parse_version(str(value)) is None:
            wrong.append(f"option 'protocol' is {value!r}: give a version like '3.2'")
    if wrong:
        raise ValueError("; ".join(wrong))
    return Setup(**options)  # type: ignore[arg-type] # every type was checked above


class ModelDecoder:
    """What a decoder is without its connections.

    Attributes:
        position: GPS fields of the status: whether there is a fix, and where.
        config: What ``GETCONFIG`` tells, besides the name.
    """

    position = "1;49.721,8.254939"
    config: Mapping[str, str] = MappingProxyType(
        {
            "GENERAL;TIMEZONE": "Europe/Berlin",
            "UPLOAD;CUSTNO": "0",
            "UPLOAD;CONNECTION": "0",
            "DETECTION;DEADTIME": "0",
            "DETECTION;REACTIONTIME": "500",
            "DETECTION;NOTIFICATION": "0",
            "ACTIVE;LOOPID": "1",
            "ACTIVE;POWER": "100",
        }
    )

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.operating = setup.operating
        self.file = setup.file
        self._current: list[list[str]] = []
        self.files: dict[int, Sequence[list[str]]] = {setup.file: self._current}
        self._tested = 0
        self._shift = 0
        self._day_zero: int | None = None

    def start(self) -> None:
        """Begin timing: a new file, numbered from 1."""
        self.file += 1
        self.files[self.file] = self._current = []
        self.operating = True

    def stop(self) -> bool:
        """Go to test mode; return whether it did."""
        self.operating = False
        self._tested = 0
        return True

    def set_clock(self, stamp: int, now_ns: int) -> None:
        """Make the clock show `stamp` now."""
        self._shift = stamp - now_ns

    def passed(self, sighting: Sighting) -> list[str]:
        """Number a passing, store it if timing, and return its 20 fields."""
        record = self.record_of(sighting)
        if self.operating:
            record[0] = str(len(self._current) + 1)
            self._current.append(record)
        else:
            self._tested += 1
            record[0] = str(self._tested)
        return record

    def record_of(self, sighting: Sighting) -> list[str]:
        """Return the 20 fields of a passing with the sighting's `seq` as its number."""
        record = records.record_of(sighting, box=self.setup.box, file=str(self.file))
        record[2:4] = self.clock(sighting.stamp)
        if record[1].startswith(_ACTIVE_PREFIX):
            record[8:16] = ["1", "1", "1", "0", "10000", self.volts("2.9"), "17", "0"]
        return record

    def clock(self, now_ns: int) -> list[str]:
        """Return the date and time fields for a moment on the host's idea of this clock."""
        stamp = now_ns + self._shift
        if not self.setup.no_date:
            return [stamps.print_date(stamp), stamps.print_clock(stamp)]
        if self._day_zero is None:
            self._day_zero = stamp - stamp % DAY_NS
        stamp = max(stamp - self._day_zero, 0)
        return [stamps.print_dateless(stamp), stamps.print_clock(stamp)]

    def status(self, version: Version, now_ns: int) -> str:
        """Return the fields of GETSTATUS."""
        date_and_time = ";".join(self.clock(now_ns))
        common = f"1;11111111;{int(self.operating)};{self.file};{self.position};1;100"
        if self.setup.old_status or version <= LAST_OLD:
            return f"{date_and_time};{common};;;;;;;1;0"
        rest = f"30;31;0;1;1;1;100;1;1;1;0;0;0;0x0;{self.volts('12.1')}"
        return f"{date_and_time};{common};{rest}"

    def volts(self, text: str) -> str:
        """Return volts with this decoder's decimal mark."""
        return text.replace(".", ",") if self.setup.decimal_comma else text

    def line(self, record: list[str], version: Version, *, pushed: bool = False) -> bytes:
        """Return a record line as a client of `version` gets it."""
        shown = record if version >= _TWENTY_FIELDS_SINCE else record[:16]
        return records.encode_record(shown, pushed=pushed)
