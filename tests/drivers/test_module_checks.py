"""A check of a UHF module asks who is there; it sets nothing up and starts nothing."""

from collections.abc import Mapping

import pytest

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Driver, Opening, Read, Send, Sighting
from drivers import chafon, invelion, thingmagic, yrm100
from drivers.chafon import older_talk, prime_talk
from drivers.invelion import frames as a0
from drivers.thingmagic import frames as mercury
from drivers.yrm100 import talk as m100
from tests.support.modules import NOON

ASKED: dict[Driver, tuple[bytes, Mapping[str, object]]] = {
    invelion.DRIVER: (a0.build(a0.VERSION), {"power": 20, "antennas": [1, 2]}),
    thingmagic.DRIVER: (mercury.command(mercury.VERSION), {"power": 20, "region": "eu3"}),
    yrm100.DRIVER: (m100.QUESTIONS[0], {"power": 20, "region": "eu"}),
    chafon.DRIVER: (older_talk.QUESTION, {"session": 1}),
}
AND_THEN = {yrm100.DRIVER: m100.QUESTIONS[1], chafon.DRIVER: prime_talk.QUESTION}


@pytest.mark.parametrize("driver", list(ASKED), ids=lambda driver: driver.name)
def test_nothing_but_questions(driver: Driver) -> None:
    question, options = ASKED[driver]
    session = driver.session(Opening(options=options, trial=True))
    sighting = Sighting(chip=driver.example_chip(1), stamp=NOON)
    events = session.opened(NOON)
    for second in range(1, 4):
        events += session.tick(NOON + second * NS_PER_S)
    asked = [event.data for event in events if isinstance(event, Send)]
    assert asked[:2] == [question, AND_THEN.get(driver, question)]
    module = driver.emulator({})
    module.connected(1, "main", NOON)
    answers = [out.data for data in set(asked) for out in module.received(1, data, NOON)]
    assert answers
    heard = session.feed(b"".join(answers) + driver.encode(sighting))
    assert [event.chip for event in heard if isinstance(event, Read)] == [sighting.chip]
    heard += session.tick(NOON + 4 * NS_PER_S)
    assert not [event for event in heard if isinstance(event, Send)]
