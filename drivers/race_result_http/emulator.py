"""A RACE RESULT decoder made of software that uploads its passing file by HTTP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlencode

from bridge.driver_api import MAIN, Chip, Out, Sighting
from drivers.emulator_options import setup_from
from drivers.http_poster import Poster, Posting
from drivers.race_result.records import TRIGGER_CODE
from drivers.race_result_http.records import line_of
from drivers.race_result_http.session import GOOD_BODY

PORT: Final = 8093


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Options of an emulated decoder."""

    path: str = "/"
    """Path of the custom URL."""
    user: str = "12345"
    device: str = "D-50432"
    """Device id and name."""
    file: int = 177
    active: bool = False
    """Transponders are active ones."""
    batch: int = 50
    """Most lines in one upload."""
    keep_alive: bool = True
    """Uploads share a connection; else each has its own."""


def setup_of(options: Mapping[str, object]) -> Setup:
    """Return the options as a `Setup`.

    Raises:
        ValueError: Something is unknown or of the wrong type; the text says what is allowed.
    """
    return setup_from(options, Setup())


class UploadEmulator:
    """One decoder: it numbers passings and uploads them until it hears ``OK``."""

    def __init__(self, options: Mapping[str, object]) -> None:
        self._setup = setup = setup_of(options)
        self.channels: Mapping[str, int] = {MAIN: PORT}
        self.piece: tuple[int, int] | None = None
        self._count = 0
        query = {
            "user": setup.user,
            "device": setup.device,
            "file": str(setup.file),
            "boxname": setup.device,
        }
        target = f"{setup.path}?{urlencode(query)}"
        self._poster = Poster(
            Posting(
                target=lambda _: target,
                body=b"".join,
                fields={"Content-Type": "text/plain"},
                most=max(setup.batch, 1),
                keep_alive=setup.keep_alive,
                good_body=GOOD_BODY,
            )
        )

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Upload what was not acknowledged."""
        return self._poster.connected(client)

    def disconnected(self, client: int) -> None:
        """Keep what was not acknowledged."""
        self._poster.disconnected(client)

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        """Take the receiver's answer."""
        return self._poster.received(client, data, now_ns)

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """Number the passing and upload it."""
        self._count += 1
        numbered = replace(sighting, seq=self._count)
        return self._poster.add(line_of(numbered, active=self._setup.active))

    def marked(self, name: str, stamp: int) -> Sequence[Out]:  # noqa: ARG002
        """Record a marker: a passing of the trigger's code."""
        return self.sighted(Sighting(chip=Chip(TRIGGER_CODE), stamp=stamp))

    def tick(self, now_ns: int) -> Sequence[Out]:
        """Upload again what was refused."""
        return self._poster.tick(now_ns)
