"""The laws every driver keeps, whatever it speaks."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.app.registry import Registry
from bridge.domain.reads import DAY_NS, NS_PER_S, Read, StampForm
from bridge.driver_api import (
    Clock,
    ClockStep,
    Control,
    Driver,
    Kept,
    Marker,
    Opening,
    Rejected,
    Sighting,
    Status,
)
from drivers import BUILTIN
from tests.support.loopback import Loopback

KEPT = (Read, Marker, Clock, ClockStep, Status, Control, Rejected)
DRIVERS = [Registry(BUILTIN).find(name) for name in BUILTIN]
MOST_HELD = 70_000
"""No driver may hold back more than this, whatever comes."""
START_NS = 1_780_000_000 * NS_PER_S
every_driver = pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: driver.name)
NAMELESS = {"gpio"}
"""An input line cannot say who it was and rests after each impulse: its own tests hold it."""
every_driver_of_chips = pytest.mark.parametrize(
    "driver", [one for one in DRIVERS if one.name not in NAMELESS], ids=lambda driver: driver.name
)


def sighting_of(driver: Driver, number: int, stamp: int | None = None) -> Sighting:
    when = START_NS + number * 1_234_567_891 if stamp is None else stamp
    return Sighting(chip=driver.example_chip(number), stamp=when, seq=number)


def told_of(driver: Driver, stamp: int) -> int:
    """What is left of a stamp in what the driver encodes."""
    if driver.stamp_form is StampForm.ABSENT:
        return 0
    whole = stamp - stamp % driver.resolution_ns
    return whole % DAY_NS if driver.stamp_form is StampForm.TIME_OF_DAY else whole


def kept_of(driver: Driver, stream: bytes, size: int) -> tuple[list[Kept], bytes]:
    session = driver.session(Opening())
    events: list[Kept] = []
    for at in range(0, len(stream), size):
        fed = session.feed(stream[at : at + size])
        events += [event for event in fed if isinstance(event, KEPT)]
    return events, session.pending


@st.composite
def streams(draw: st.DrawFn, driver: Driver) -> bytes:
    pieces = []
    for _ in range(draw(st.integers(0, 8))):
        frame = driver.encode(sighting_of(driver, draw(st.integers(1, 9_999))))
        kind = draw(st.integers(0, 4))
        if kind == 0:
            frame = frame[: draw(st.integers(0, len(frame)))]
        elif kind == 1:
            at = draw(st.integers(0, len(frame) - 1))
            frame = frame[:at] + draw(st.binary(min_size=1, max_size=2)) + frame[at + 1 :]
        elif kind == 2:
            frame = draw(st.binary(max_size=40))
        pieces.append(frame)
    return b"".join(pieces)


@every_driver_of_chips
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_what_is_encoded_is_what_is_read(driver: Driver, data: st.DataObject) -> None:
    numbers = data.draw(st.lists(st.integers(1, 9_999), min_size=1, max_size=5))
    stamps = st.integers(1_000_000_000, 1_900_000_000).map(lambda ms: ms * NS_PER_S + 123_456_789)
    sent = [sighting_of(driver, number, data.draw(stamps)) for number in numbers]
    events, pending = kept_of(driver, b"".join(map(driver.encode, sent)), 1 << 20)
    reads = [event for event in events if isinstance(event, Read)]
    assert pending == b""
    assert [read.chip for read in reads] == [sighting.chip for sighting in sent]
    assert [read.stamp for read in reads] == [told_of(driver, s.stamp) for s in sent]
    assert not [event for event in events if isinstance(event, Rejected)]


@every_driver
@given(data=st.data(), size=st.integers(1, 90))
@settings(max_examples=60, deadline=None)
def test_cutting_changes_nothing_and_every_byte_comes_back_once(
    driver: Driver, data: st.DataObject, size: int
) -> None:
    stream = data.draw(streams(driver))
    whole, pending = kept_of(driver, stream, 1 << 20)
    assert b"".join(event.raw for event in whole) + pending == stream
    assert kept_of(driver, stream, size) == (whole, pending)


def noise(driver: Driver, total: int) -> Iterator[bytes]:
    """Random bytes in which those of the protocol are common, with whole frames among them."""
    source = random.Random(7)
    frames = [driver.encode(sighting_of(driver, number)) for number in range(1, 20)]
    alphabet = bytes(range(256)) + b"".join(frames[:4]) * 3
    while total > 0:
        size = min(total, source.randint(1, 9_000))
        piece = bytes(source.choices(alphabet, k=size))
        if source.random() < 0.3:
            piece = (piece[: size // 2] + source.choice(frames) + piece)[:size]
        yield piece
        total -= size


@every_driver
@pytest.mark.parametrize("live", [False, True])
def test_a_million_bytes_of_noise(driver: Driver, live: bool) -> None:  # noqa: FBT001
    session = driver.session(Opening())
    if live:
        session.opened(START_NS)
    fed = kept = 0
    for second, piece in enumerate(noise(driver, 1_000_000)):
        events = session.feed(piece)
        fed += len(piece)
        kept += sum(len(event.raw) for event in events if isinstance(event, KEPT))
        assert kept + len(session.pending) == fed
        assert len(session.pending) <= MOST_HELD
        # A frame that only waited for what might follow it may come with time.
        ticked = session.tick(START_NS + second * NS_PER_S)
        kept += sum(len(event.raw) for event in ticked if isinstance(event, KEPT))
    assert fed == 1_000_000


def cross(pair: Loopback, first: int, last: int) -> list[str]:
    chips = []
    for number in range(first, last + 1):
        pair.wait(0.5)
        sighting = sighting_of(pair.driver, number, pair.now_ns)
        pair.sight(sighting)
        chips.append(sighting.chip)
    return chips


@every_driver_of_chips
def test_its_emulator_is_read_by_its_session(driver: Driver) -> None:
    pair = Loopback(driver)
    pair.plug()
    pair.wait(10)
    chips = cross(pair, 1, 20)
    pair.wait(30)
    assert pair.hung_up is None
    assert list(dict.fromkeys(read.chip for read in pair.reads)) == chips
    assert not [event for event in pair.events if isinstance(event, Rejected)]


@pytest.mark.parametrize(
    "driver", [one for one in DRIVERS if one.repairs], ids=lambda driver: driver.name
)
def test_what_was_missed_comes_back(driver: Driver) -> None:
    pair = Loopback(driver)
    pair.plug()
    pair.wait(10)
    chips = cross(pair, 1, 10)
    pair.wait(10)
    pair.pull()
    pair.wait(5)
    chips += cross(pair, 11, 20)
    pair.wait(5)
    pair.plug()
    pair.wait(10)
    chips += cross(pair, 21, 25)
    pair.wait(120)
    assert {read.chip for read in pair.reads} == set(chips)


@pytest.mark.parametrize(
    "driver", [one for one in DRIVERS if one.repairs], ids=lambda driver: driver.name
)
def test_a_check_takes_nothing_from_the_reader(driver: Driver) -> None:
    pair = Loopback(driver)
    pair.plug()
    pair.wait(10)
    chips = cross(pair, 1, 5)
    pair.wait(10)
    pair.pull()
    chips += cross(pair, 6, 15)
    reads, memory = list(pair.reads), pair.memory
    pair.plug(trial=True)
    pair.wait(5)
    pair.pull()
    pair.reads, pair.memory = reads, memory  # a check stores nothing
    pair.plug()
    pair.wait(120)
    assert {read.chip for read in pair.reads} == set(chips)


@pytest.mark.parametrize(
    "driver", [one for one in DRIVERS if not one.may_be_silent], ids=lambda driver: driver.name
)
def test_a_dead_link_is_noticed(driver: Driver) -> None:
    pair = Loopback(driver)
    pair.plug()
    pair.wait(20)
    cross(pair, 1, 3)
    assert pair.hung_up is None
    pair.mute = True
    pair.wait(15)
    assert pair.hung_up
