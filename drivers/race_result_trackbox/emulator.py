"""A RACE RESULT Track Box made of software: it posts tags, and its health in between."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import MAIN, Out, Sighting
from drivers.emulator_options import setup_from
from drivers.http_poster import Poster, Posting
from drivers.race_result_trackbox.records import EXAMPLE_BOX, line_of, target_of
from drivers.race_result_trackbox.session import GOOD_BODY

PORT: Final = 8094
_HEALTH_NS: Final = 60 * NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Options of an emulated box."""

    box: str = EXAMPLE_BOX
    """Device id and name."""
    batch: int = 10
    """Most tags in one request."""
    keep_alive: bool = True
    """Requests share a connection; else each has its own."""
    cr_only: bool = False
    """Lines end with CR alone."""


def setup_of(options: Mapping[str, object]) -> Setup:
    """Return the options as a `Setup`.

    Raises:
        ValueError: Something is unknown or of the wrong type; the text says what is allowed.
    """
    return setup_from(options, Setup())


class TrackBoxEmulator:
    """One box: what is not answered with ``OK`` it posts again."""

    def __init__(self, options: Mapping[str, object]) -> None:
        self._setup = setup = setup_of(options)
        self.channels: Mapping[str, int] = {MAIN: PORT}
        self.piece: tuple[int, int] | None = None
        self._now_ns = 0
        self._index = 0
        self._health_ns = 0
        self._poster = Poster(
            Posting(
                target=self._target,
                body=b"".join,
                fields={"Content-Type": "text/plain"},
                most=max(setup.batch, 1),
                keep_alive=setup.keep_alive,
                good_body=GOOD_BODY,
            )
        )

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Post what was not acknowledged."""
        self._now_ns = now_ns
        return self._poster.connected(client)

    def disconnected(self, client: int) -> None:
        """Keep what was not acknowledged."""
        self._poster.disconnected(client)

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        """Take the receiver's answer."""
        self._now_ns = now_ns
        return self._poster.received(client, data, now_ns)

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """Post the tag."""
        self._now_ns = max(self._now_ns, sighting.stamp)
        line = line_of(sighting)
        return self._poster.add(line.replace(b"\r\n", b"\r") if self._setup.cr_only else line)

    def marked(self, name: str, stamp: int) -> Sequence[Out]:  # noqa: ARG002
        """Do nothing: a box has no button."""
        return []

    def tick(self, now_ns: int) -> Sequence[Out]:
        """Post again what was refused; tell its health once a minute."""
        self._now_ns = now_ns
        outs = self._poster.tick(now_ns)
        if not outs and now_ns >= self._health_ns:
            self._health_ns = now_ns + _HEALTH_NS
            health = "&boxTemp=21&readerStatus=1&boxNoise=-90&boxAccel=0&boxBatt=87"
            target = target_of(now_ns, box=self._setup.box, index=self._index, count=0)
            outs = self._poster.ask(target + health)
        return outs

    def _target(self, batch: Sequence[bytes]) -> str:
        self._index += 1
        return target_of(self._now_ns, box=self._setup.box, index=self._index, count=len(batch))
