"""RACE RESULT decoders that upload their passing file to a custom URL."""

from collections.abc import Mapping
from typing import Final

from bridge.domain.reads import Chip, StampForm
from bridge.driver_api import Driver, ListenLink
from drivers.race_result_http import emulator, records, session


def complaints(options: Mapping[str, object]) -> list[str]:
    """Return what is wrong with `options`, one sentence per key."""
    found = [f"unknown option {name!r}; allowed: user" for name in options if name != "user"]
    user = options.get("user", "x")
    if not isinstance(user, str) or not user or ":" in user:
        found.append(f"option 'user' is {user!r}; allowed: the user the decoder names, as text")
    return found


def _example_chip(number: int) -> Chip:
    return Chip(f"{number}@6692")


DRIVER: Final = Driver(
    name="race-result-http",
    title="RACE RESULT decoder, HTTP upload to a custom URL",
    links=(ListenLink(emulator.PORT, many=True),),
    stamp_form=StampForm.NAIVE,
    can_tell_time=False,
    # That a decoder repeats what was not acknowledged is inferred: it wants an ``OK``.
    repairs=True,
    # It cannot be asked, and uploads when there is something to upload.
    may_be_silent=True,
    session=session.UploadSession,
    encode=records.encode,
    emulator=emulator.UploadEmulator,
    extra=records.details,
    example_chip=_example_chip,
    check_options=complaints,
    source="an independent receiver of these uploads (rrrelay); decoder protocol of the vendor",
)
