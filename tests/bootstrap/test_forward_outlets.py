"""Outlets of all protocols over a shelf: what was missed, who asks for much, who gives orders."""

from collections.abc import Callable, Sequence

import orjson
import pytest

from bridge.app.forward_lines import LineOutlet
from bridge.app.registry import Registry
from bridge.domain.reads import NS_PER_S, Chip
from bridge.driver_api import Outlet, Rejected, Shelf, Sighting, Stand
from drivers import BUILTIN
from drivers.ipico.control import MEMORY, SET_CLOCK, build
from tests.support.forwarding import OPTIONS, OutletReader
from tests.support.loopback import Loopback

REGISTRY = Registry(BUILTIN)
OUTS = [name for name in BUILTIN if REGISTRY.find(name).forward is not None]
START_NS = 1_780_000_000 * NS_PER_S
every_out = pytest.mark.parametrize("out", OUTS)


def outlet_of(out: str, shelf: Shelf, done: int = 0, **options: object) -> Outlet:
    forward = REGISTRY.find(out).forward
    assert forward is not None
    assert forward.check_options(options) == []
    stand = Stand(
        name=out,
        identity="race",
        places=("finish",),
        archives={"finish": shelf},
        acknowledged=done,
        options=options,
        local=lambda at_ns: at_ns,
    )
    return forward.outlet(stand)


def done_of(outlet: Outlet) -> int:
    return outlet.handed if outlet.acknowledged is None else outlet.acknowledged


class Race:
    """A shelf of passages, and our own driver at one outlet after another."""

    def __init__(self, out: str) -> None:
        self.driver = REGISTRY.find(out)
        self.out = out
        self.shelf = Shelf()
        self.chips: list[str] = []
        self.outlet = outlet_of(out, self.shelf)
        self.pair = Loopback(
            self.driver,
            emulator=OutletReader(self.outlet),
            options=OPTIONS.get(out, {}),
            start_ns=START_NS,
        )

    def cross(self, count: int) -> None:
        for _ in range(count):
            self.pair.wait(1)
            chip = self.driver.example_chip(len(self.chips) + 1)
            self.shelf.add(Sighting(chip=chip, stamp=self.pair.now_ns, place="finish"))
            self.chips.append(chip)

    def restart(self) -> None:
        """Begin anew with what was written down."""
        self.outlet = outlet_of(self.out, self.shelf, done_of(self.outlet))
        self.pair.emulator = OutletReader(self.outlet)


@every_out
def test_what_was_missed_comes_back_also_over_a_restart(out: str) -> None:
    race = Race(out)
    race.pair.plug()
    race.pair.wait(10)
    race.cross(5)
    race.pair.wait(5)
    race.pair.pull()
    race.cross(5)
    race.restart()
    race.cross(5)
    race.pair.plug()
    race.cross(5)
    race.pair.wait(120)
    heard = dict.fromkeys(read.chip for read in race.pair.reads)
    assert set(heard) == set(race.chips)
    keys = {(read.chip, read.stamp) for read in race.pair.reads}
    assert len(keys) == len(race.chips)  # what comes twice is the same
    assert not [event for event in race.pair.events if isinstance(event, Rejected)]
    assert race.outlet.handed == 20
    assert race.pair.hung_up is None


@every_out
def test_a_dead_client_is_nobody_elses_concern(out: str) -> None:
    race = Race(out)
    race.outlet.connected(99, START_NS)
    race.outlet.received(99, b"\x00\xff;~@$|\r\n" * 50, START_NS)
    race.outlet.disconnected(99)
    race.pair.plug()
    race.pair.wait(10)
    race.cross(3)
    race.pair.wait(10)
    assert [read.chip for read in race.pair.reads] == race.chips


ASK_ALL: dict[str, Callable[[int], Sequence[bytes]]] = {
    "race-result": lambda count: [b"1:%d\r\n" % count],
    "ultra": lambda _: [b"6000\r0\n"],
    "wiclax": lambda _: [b"REWIND 01-01-2020 00:00:00 01-01-2099 00:00:00\r"],
    "ipico": lambda _: [build(MEMORY, b"\x02"), build(MEMORY, b"\x01\x01")],
}


@pytest.mark.parametrize("out", ASK_ALL)
def test_a_long_memory_is_handed_out_in_pages(out: str) -> None:
    count = 20_000
    shelf = Shelf()
    for number in range(count):
        shelf.add(Sighting(chip=Chip("fedcba987654"), stamp=START_NS + number * 10_000_000))
    outlet = outlet_of(out, shelf)
    now_ns = START_NS
    outlet.connected(1, now_ns)
    said = sum(len(o.data) for c in ASK_ALL[out](count) for o in outlet.received(1, c, now_ns))
    assert said < 1_000
    lines = 0
    for _ in range(1_000):
        now_ns += NS_PER_S // 4
        while page := outlet.due(1, now_ns):
            assert len(page) <= 128 * 1024
            lines += page.count(b"fedcba987654")
        if lines >= count:
            break
    assert lines == count


ORDERS = {
    "race-result": [b"STOPOPERATION\r\nSTARTOPERATION\r\nSETTIME;2030-01-01;00:00:00\r\n"],
    "ultra": [b"S\n", b"t 00:00:00 01-01-2030\n", b"R\n"],
    "wiclax": [b"STOPREAD\r", b"CLOCK 01-01-2030 00:00:00\r"],
    "ipico": [
        build(SET_CLOCK, bytes.fromhex("30010106000000")),
        build(MEMORY, b"\x00\x00"),
        build(MEMORY, b"\xd0"),
        b"ab00030903050000\r\n",
    ],
    "chronotrack": [b"stop\r\n"],
}


@pytest.mark.parametrize("out", ORDERS)
def test_orders_of_one_client_change_nothing_for_the_others(out: str) -> None:
    race = Race(out)
    race.pair.plug()
    race.pair.wait(10)
    race.cross(2)
    race.outlet.connected(99, race.pair.now_ns)
    for order in ORDERS[out]:
        race.outlet.received(99, order, race.pair.now_ns)
    race.cross(2)
    race.pair.wait(10)
    assert [read.chip for read in race.pair.reads] == race.chips
    assert [read.stamp for read in race.pair.reads] == [
        one.stamp - one.stamp % race.driver.resolution_ns for one in race.shelf.read(1, 9)
    ]
    race.pair.pull()
    race.cross(1)
    race.pair.plug()
    race.pair.wait(60)
    assert {read.chip for read in race.pair.reads} == set(race.chips)


def test_another_journal_is_another_file_of_the_decoder() -> None:
    forward = REGISTRY.find("race-result").forward
    assert forward is not None
    told = set()
    for identity in ("one", "two"):
        stand = Stand(
            name="x",
            identity=identity,
            places=("finish",),
            archives={"finish": Shelf()},
            local=lambda at_ns: at_ns,
        )
        outlet = forward.outlet(stand)
        outlet.connected(1, START_NS)
        outlet.received(1, b"PASSINGS\r\n", START_NS)
        told.add(outlet.due(1, START_NS))
    assert len(told) == 2


class Messages(Shelf):
    """A shelf whose records are JSON too."""

    def messages(self, first: int, count: int) -> Sequence[bytes]:
        return [
            orjson.dumps({"n": one.seq, "chip": one.chip, "name": 'A "B", C'})
            for one in self.read(first, count)
        ]

    def mark_of(self, number: int) -> int:
        return number

    def number_of(self, mark: int) -> int:
        return mark

    async def catch_up(self) -> None:
        """All is there."""

    def release(self) -> None:
        """Nothing waits."""


def numbers(outlet: LineOutlet, client: int) -> list[int]:
    text = b""
    while page := outlet.due(client, 1):
        text += page
    return [orjson.loads(line)["n"] for line in text.splitlines()]


@pytest.mark.parametrize(
    ("start", "begins"), [({}, 4), ({"start": "new"}, 6), ({"start": "all"}, 1)]
)
def test_lines_begin_where_the_client_wants(start: dict[str, object], begins: int) -> None:
    shelf = Messages()
    for _ in range(5):
        shelf.add(Sighting(chip=Chip("C"), stamp=1))
    outlet = LineOutlet("jsonl", shelf, start, 3)
    outlet.connected(1, 1)
    assert numbers(outlet, 1) == list(range(begins, 6))
    outlet.received(1, b"what?\r\nfro", 1)
    outlet.received(1, b"m 2\n" + b"x" * 1_000, 1)
    assert numbers(outlet, 1) == [2, 3, 4, 5]
    outlet.received(1, b"\nFROM 99999\n", 1)
    assert numbers(outlet, 1) == []
    shelf.add(Sighting(chip=Chip("C"), stamp=1))
    outlet.connected(2, 1)
    assert numbers(outlet, 2) == list(range({4: 6, 6: 7, 1: 1}[begins], 7))


def test_csv_has_a_head_and_quotes_what_has_to_be_quoted() -> None:
    shelf = Messages()
    shelf.add(Sighting(chip=Chip("C1"), stamp=1))
    outlet = LineOutlet("csv", shelf, {}, 0)
    outlet.connected(1, 1)
    head, line = outlet.due(1, 1).decode().splitlines()
    assert head.startswith("n,id,seq,state,site,location,reader,chip,at,at_ms")
    assert line.startswith("1,,,,,,,C1,")
    assert '"A ""B"", C"' in line
    assert outlet.due(1, 1) == b""
