"""Who plays in a rehearsal: the mats of the course and the emulated readers at them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from bridge.app.simulation import Mat, Sight
from bridge.domain.reads import NS_PER_MS, Chip
from bridge.driver_api import Driver

BIB_SET = "6692"
"""Set number of disposable transponders, whose number is the bib."""
KNOWN = "ipico"
"""The chips of this driver's readers are those the results service tells of."""
BEAM_NS = 200 * NS_PER_MS
"""So long a beam stays interrupted by whoever interrupted it."""
_BEAM_CHANNEL = 4
"""Timers take channel 0 or 1 for the start."""


class Wire(Enum):
    """How a reader is connected."""

    TCP = "tcp"
    HTTP = "http"
    """We ask it by HTTP."""
    CALLS = "tcp-listen"
    """It connects to us."""
    POSTS = "http-listen"
    SERIAL = "serial"
    FILE = "file"
    MQTT = "mqtt"


class Clock(Enum):
    """What its times are worth."""

    EXACT = "exact"
    """Right to a few hundredths once corrected; readers so of one mat decide in turn."""
    COARSE = "coarse"
    """It tells whole seconds of its time or its reads, so nothing is checked by it."""
    ARRIVAL = "arrival"
    """It has none, and so only stands behind readers that have one."""
    OF_NOBODY = "of nobody"
    """It times impulses and does not know whose they are."""


@dataclass(frozen=True, slots=True)
class MatReader:
    """One emulated reader of the rehearsal."""

    name: str
    driver: str
    location: str
    ahead_s: float = 0.0
    """Its clock is wrong by so much."""
    options: Mapping[str, object] = field(default_factory=dict)
    """Of its emulator."""
    priority: int = 1
    wire: Wire = Wire.TCP
    clock: Clock = Clock.EXACT
    settings: str = ""
    """More lines of its `[[reader]]`."""
    repeats: bool = False
    """It may say a read twice: once more if it was not acknowledged, or as first and strongest."""


@dataclass(frozen=True, slots=True)
class Cast:
    """Mats and readers."""

    mats: tuple[Mat, ...]
    readers: tuple[MatReader, ...]
    checked: tuple[str, ...]
    """Mats whose split times are right to the tenth."""
    takes_turns: bool = False
    """Exact readers of a mat miss runners in turn, so that each decides some results."""

    @property
    def splits(self) -> Mapping[str, str]:
        """Return the split's name of each mat between start and finish."""
        between = (mat.location for mat in self.mats if 0 < mat.share < 1)
        return {location: location.upper() for location in between}

    def course(self, finish_from_s: float) -> str:
        """Return the course as it stands in the configuration."""
        lines = []
        for mat in self.mats:
            facts = [f'location = "{mat.location}"']
            if mat.share == 1:
                facts += ["distance_m = 5000", f"min_time_s = {finish_from_s}"]
            elif mat.share > 0:
                facts += [f'split = "{self.splits[mat.location]}"']
                facts += [f"distance_m = {round(5000 * mat.share)}", "min_time_s = 1"]
            lines.append(f"  {{ {', '.join(facts)} }},\n")
        return f"[\n{''.join(lines)}]"

    def sees(self, reader: MatReader, sight: Sight) -> bool:
        """Say whether a reader is at a mat and does not miss this runner."""
        if reader.location != sight.location:
            return False
        if not self.takes_turns or reader.clock is not Clock.EXACT:
            return True
        exact = [
            one
            for one in self.readers
            if one.location == reader.location and one.clock is Clock.EXACT
        ]
        exact.sort(key=lambda one: one.priority)
        return exact.index(reader) >= sight.bib % len(exact)

    def worn(self, drivers: Mapping[str, Driver], bib: int) -> list[str]:
        """Return the chips a runner wears beside those the service finds by itself."""
        worn = {
            chip_of(drivers, reader, bib)
            for reader in self.readers
            if reader.clock is not Clock.OF_NOBODY
        }
        return sorted(worn - {drivers[KNOWN].example_chip(bib), Chip(f"{bib}@{BIB_SET}")})


def chip_of(drivers: Mapping[str, Driver], reader: MatReader, bib: int) -> Chip:
    """Return the chip of a runner that a reader can see."""
    if reader.driver == "race-result":
        return Chip(f"{bib}@{BIB_SET}")
    return drivers[reader.driver].example_chip(bib)


def antenna_of(reader: MatReader, sight: Sight) -> int:
    """Return the antenna, or the channel an impulse comes in by."""
    return _BEAM_CHANNEL if reader.clock is Clock.OF_NOBODY else sight.antenna


PLAIN = Cast(
    mats=(Mat("start", 0.0), Mat("2.5k", 0.5), Mat("finish", 1.0)),
    readers=(
        MatReader("start-mat", "ipico", "start", 37.0),
        MatReader("2.5k-mat", "race-result", "2.5k", -3600.0, {"operating": True, "box": "D-1"}),
        MatReader("finish-main", "ipico", "finish", 0.4),
        MatReader(
            "finish-backup",
            "race-result",
            "finish",
            2.5,
            {"operating": True, "box": "D-2"},
            priority=2,
        ),
    ),
    checked=("2.5k",),
)
"""Two kinds of reader, and a backup at the finish."""

_LINE = {"separator": ";", "columns": {"chip": 1, "time": 2}, "time": "epoch_us"}
_LINE_SETTINGS = (
    'options = { separator = ";", columns = { chip = 1, time = 2 }, time = "epoch_us" }'
)
_EVERY = (
    # The start, by readers that reach a tenth: a backup that is late there moves the start.
    MatReader("llrp", "llrp", "start", 37.0, priority=1),
    MatReader("impinj", "impinj-iot", "start", -11.5, priority=2, wire=Wire.HTTP),
    MatReader("alien", "alien", "start", priority=3, wire=Wire.CALLS),
    # Half-way.
    MatReader("race-result", "race-result", "2.5k", -3600.0, {"operating": True}, priority=1),
    MatReader("usb-box", "race-result-usb", "2.5k", 3.2, {"reference": True}, 2, Wire.SERIAL),
    MatReader("sportident", "sportident", "2.5k", -1.7, priority=3, wire=Wire.SERIAL),
    MatReader("jchip", "jchip", "2.5k", 75.0, priority=4, wire=Wire.CALLS),
    MatReader("foxberry", "foxberry", "2.5k", priority=5),
    MatReader("timingsense", "timingsense", "2.5k", priority=6, repeats=True),
    MatReader("zebra", "zebra-iot", "2.5k", priority=7, wire=Wire.MQTT),
    MatReader("line", "line", "2.5k", 0.0, _LINE, 8, settings=_LINE_SETTINGS),
    MatReader("file", "file", "2.5k", priority=9, wire=Wire.FILE),
    MatReader("yrm100", "yrm100", "2.5k", 0.0, {}, 20, Wire.SERIAL, Clock.ARRIVAL),
    MatReader("thingmagic", "thingmagic", "2.5k", 0.0, {}, 21, Wire.SERIAL, Clock.ARRIVAL),
    # On course: what tells whole seconds, or not who it was.
    MatReader("ultra", "ultra", "4k", 25.0, priority=1, clock=Clock.COARSE),
    MatReader("macsha", "macsha", "4k", -8.0, priority=2, clock=Clock.COARSE),
    MatReader("wiclax", "wiclax", "4k", 4.0, priority=3, clock=Clock.COARSE),
    MatReader("protime", "thbc-protime", "4k", 1.4, {}, 4, Wire.SERIAL, Clock.COARSE, repeats=True),
    MatReader("track-box", "race-result-trackbox", "4k", 0.0, {}, 5, Wire.POSTS, Clock.COARSE),
    MatReader("alge", "alge", "4k", 0.0, {"numbers": False}, 6, Wire.SERIAL, Clock.OF_NOBODY),
    MatReader(
        "tagheuer", "tagheuer", "4k", 0.0, {"numbers": False}, 7, Wire.SERIAL, Clock.OF_NOBODY
    ),
    MatReader(
        *("gpio", "gpio", "4k", 0.0, {}, 8, Wire.FILE, Clock.OF_NOBODY),
        settings="options = { dead_time_ms = 100 }",
    ),
    # The finish, with two behind the others that only know when a read arrived.
    MatReader("ipico", "ipico", "finish", 0.4, priority=1),
    MatReader("amb", "amb-p3", "finish", -2.5, priority=2),
    MatReader("mylaps", "mylaps", "finish", priority=3, wire=Wire.CALLS),
    MatReader("chronotrack", "chronotrack", "finish", priority=4, wire=Wire.CALLS),
    MatReader("upload", "race-result-http", "finish", priority=5, wire=Wire.POSTS),
    MatReader("chafon", "chafon", "finish", 0.0, {}, 20, Wire.SERIAL, Clock.ARRIVAL),
    MatReader("invelion", "invelion", "finish", 0.0, {}, 21, Wire.SERIAL, Clock.ARRIVAL),
)
EVERY_READER = Cast(
    mats=(Mat("start", 0.0), Mat("2.5k", 0.5), Mat("4k", 0.8), Mat("finish", 1.0)),
    readers=_EVERY,
    checked=("2.5k",),
    takes_turns=True,
)
"""One reader of each kind there is."""
