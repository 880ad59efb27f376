"""Whatever a frame with a right check holds, the sessions of UHF modules take it and go on."""

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Driver, Opening
from drivers import chafon, invelion, thingmagic, yrm100
from drivers.chafon import wire
from drivers.invelion import frames as a0
from drivers.thingmagic import frames as mercury
from drivers.yrm100 import frames as m100
from tests.support.modules import NOON

BYTE = st.integers(0, 255)
DATA = st.binary(max_size=60)
KNOWN_A0 = st.sampled_from([*a0.INVENTORIES, a0.VERSION, a0.TEMPERATURE, a0.POWER_FOR_NOW])
KNOWN_OLDER = st.sampled_from([0x00, 0x01, 0x18, 0x21, 0x4C, 0x72, 0xEE])
KNOWN_NEWER = st.sampled_from([0x01, 0x02, 0x53, 0x70, 0x72])
KNOWN_MERCURY = st.sampled_from([mercury.VERSION, mercury.STREAM, mercury.MULTI, mercury.REGION])
KNOWN_M100 = st.sampled_from([0x03, 0x07, 0x22, 0x27, 0xB6, 0xB7, 0xFF])
STATUS = st.sampled_from([0, 1, 2, 3, 4, 0x26, 0x28, 0xF8, 0xFB, 0xFE]) | BYTE
WORD = st.sampled_from([0, mercury.KEEPALIVE, mercury.TOO_HOT]) | st.integers(0, 0xFFFF)
FRAMES = {
    invelion.DRIVER: st.builds(a0.build, KNOWN_A0 | BYTE, DATA, BYTE),
    thingmagic.DRIVER: st.builds(mercury.reply, KNOWN_MERCURY | BYTE, DATA, WORD),
    yrm100.DRIVER: st.builds(
        m100.build, st.sampled_from(m100.DIALECTS), st.integers(0, 2), KNOWN_M100 | BYTE, DATA
    ),
    chafon.DRIVER: st.one_of(
        st.builds(
            lambda code, status, data: wire.older(code, bytes((status,)) + data, 0),
            KNOWN_OLDER | BYTE,
            STATUS,
            DATA,
        ),
        st.builds(
            lambda code, status, data: wire.newer(code, bytes((status,)) + data, 0),
            KNOWN_NEWER | BYTE,
            STATUS,
            DATA,
        ),
        st.builds(wire.newer, KNOWN_NEWER, st.just(b"")),
    ),
}


@given(st.data())
@settings(deadline=None, max_examples=150)
def test_any_frame_is_taken(data: st.DataObject) -> None:
    driver: Driver = data.draw(st.sampled_from(list(FRAMES)))
    frames = data.draw(st.lists(FRAMES[driver], max_size=6))
    session = driver.session(Opening())
    session.opened(NOON)
    taken = b""
    for second, frame in enumerate(frames, 1):
        events = session.feed(frame)
        taken += b"".join(getattr(event, "raw", b"") for event in events)
        session.tick(NOON + second * NS_PER_S)
    assert taken + session.pending == b"".join(frames)
