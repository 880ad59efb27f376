"""RACE RESULT Track Boxes, which post the tags they see on the course."""

from collections.abc import Mapping
from typing import Final

from bridge.domain.reads import NS_PER_S, Chip, StampForm
from bridge.driver_api import Driver, ListenLink
from drivers.race_result_trackbox import emulator, records, session


def complaints(options: Mapping[str, object]) -> list[str]:
    """Return what is wrong with `options`, one sentence per key."""
    found = [f"unknown option {name!r}; allowed: auth" for name in options if name != "auth"]
    code = options.get("auth", "1")
    if not isinstance(code, str) or not code.isdecimal():
        found.append(f"option 'auth' is {code!r}; allowed: the number the box names, as text")
    return found


def _example_chip(number: int) -> Chip:
    high, low = divmod(number, 100)
    return Chip(f"ZCT{high:03d}{low:02d}")


DRIVER: Final = Driver(
    name="race-result-trackbox",
    title="RACE RESULT Track Box",
    links=(ListenLink(emulator.PORT, many=True),),
    stamp_form=StampForm.UTC,
    resolution_ns=NS_PER_S,
    can_tell_time=False,
    repairs=True,
    # It cannot be asked, and posts when there is something to post.
    may_be_silent=True,
    session=session.TrackBoxSession,
    encode=records.encode,
    emulator=emulator.TrackBoxEmulator,
    extra=records.details,
    example_chip=_example_chip,
    check_options=complaints,
    source="vendor's support article on the Track Box; an independent receiver (rrrelay)",
)
