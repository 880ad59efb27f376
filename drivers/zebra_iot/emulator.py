"""A Zebra reader with the IoT Connector made of software: it posts, or it is a TCP server.

Posting, it keeps events while the receiver is away, as a reader with retention does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bridge.driver_api import MAIN, Out, Sighting
from drivers import http_wire
from drivers.emulator_options import setup_from
from drivers.http_poster import Poster, Posting
from drivers.zebra_iot.events import input_event, tag_event
from drivers.zebra_iot.options import DEFAULT_USER, GUN_STATES

PORT: Final = 8091
_MODES: Final = ("post", "tcp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Options of an emulated reader."""

    mode: str = "post"
    """``post``: it posts to an HTTP endpoint; ``tcp``: it is a TCP server, objects end to end."""
    hostname: str = ""
    """Named in every event if given."""
    operating_mode: str = "CUSTOM"
    """`type` of the events."""
    newer: bool = False
    """The schema of the FXR90."""
    batch: int = 1
    """Most events in one request; with more than 1 they come as an array."""
    path: str = "/"
    """Path of the endpoint."""
    user: str = DEFAULT_USER
    password: str = ""
    """With one, requests carry a Basic login."""
    keep_alive: bool = True
    """Requests share a connection; else each has its own."""
    chunked: bool = False
    skip_every: int = 0
    """Fault: every so many-th event is lost, its number too; 0: none."""


def setup_of(options: Mapping[str, object]) -> Setup:
    """Return the options as a `Setup`.

    Raises:
        ValueError: Something is unknown or of the wrong type; the text says what is allowed.
    """
    setup = setup_from(options, Setup())
    if setup.mode not in _MODES:
        raise ValueError(f"emulator option 'mode' is {setup.mode!r}; allowed: {', '.join(_MODES)}")
    return setup


class ZebraEmulator:
    """One reader; its `eventNum` counts from 1."""

    def __init__(self, options: Mapping[str, object]) -> None:
        self._setup = setup = setup_of(options)
        self.channels: Mapping[str, int] = {MAIN: PORT}
        self.piece: tuple[int, int] | None = None
        self._count = 0
        fields = {"Content-Type": "application/json"}
        if setup.password:
            fields["Authorization"] = http_wire.basic(setup.user, setup.password)
        self._poster = Poster(
            Posting(
                target=lambda _: setup.path,
                body=_body,
                fields=fields,
                most=max(setup.batch, 1),
                keep_alive=setup.keep_alive,
                chunked=setup.chunked,
            )
        )

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Post what waits."""
        return self._poster.connected(client) if self._setup.mode == "post" else []

    def disconnected(self, client: int) -> None:
        """Keep what was not acknowledged."""
        self._poster.disconnected(client)

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        """Take the receiver's answer; as a TCP server ignore what it is told."""
        return self._poster.received(client, data, now_ns) if self._setup.mode == "post" else []

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """Report the read."""
        setup = self._setup
        self._count += 1
        if setup.skip_every and self._count % setup.skip_every == 0:
            return []
        numbered = Sighting(
            chip=sighting.chip,
            stamp=sighting.stamp,
            antenna=sighting.antenna,
            rssi=sighting.rssi,
            seq=self._count,
        )
        return self._tell(
            tag_event(
                numbered, kind=setup.operating_mode, hostname=setup.hostname, newer=setup.newer
            )
        )

    def marked(self, name: str, stamp: int) -> Sequence[Out]:  # noqa: ARG002
        """Close the contact at input 1."""
        return self._tell(input_event(stamp, 1, GUN_STATES["fall"]))

    def tick(self, now_ns: int) -> Sequence[Out]:
        """Post again what was refused."""
        return self._poster.tick(now_ns)

    def _tell(self, event: bytes) -> Sequence[Out]:
        return [Out(event)] if self._setup.mode == "tcp" else self._poster.add(event)


def _body(batch: Sequence[bytes]) -> bytes:
    return batch[0] if len(batch) == 1 else b"[" + b",".join(batch) + b"]"
