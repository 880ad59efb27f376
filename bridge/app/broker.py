"""MQTT as the application sees it: topics, one connection, and who takes part in it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

_ONE_LEVEL: Final = MappingProxyType({ord("/"): ".", ord("+"): "_", ord("#"): "_"})
"""What would make more than one level of a topic, or a filter."""
Done = Callable[[str | None], None]
"""Called once per QoS 1 message: None when the broker took it, else why it refused."""
Alarm = Callable[[str, str | None], None]
"""(name, what a person must know), or (name, None) to take it back."""


class Outlet(Protocol):
    """One live connection, for sending. Nothing here blocks or raises.

    When the connection is lost, whoever serves it is cancelled and `done` of what was in flight
    is never called.
    """

    @property
    def window(self) -> int:
        """Messages that may wait for the broker's acknowledgement at a time."""
        ...

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be written to the socket."""
        ...

    def send(self, topic: str, payload: bytes, done: Done, *, retain: bool = False) -> None:
        """Publish with QoS 1."""
        ...

    def drop(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 0: fire and forget."""
        ...


class Interest(NamedTuple):
    """A subscription."""

    topic: str
    qos: int


class Service(Protocol):
    """Something that takes part in every connection to the broker."""

    def interests(self) -> Sequence[Interest]:
        """Return what to subscribe to on every connection."""
        ...

    def received(self, topic: str, payload: bytes) -> None:
        """Put a message into a bounded inbox, or ignore it.

        Called for every message of every service; never raises, leaves the work to `serve`.
        """
        ...

    async def serve(self, outlet: Outlet) -> None:
        """Work on one connection until cancelled."""
        ...


class Gauge(NamedTuple):
    """How far behind the broker is."""

    queued: int
    """Crossing messages not yet acknowledged."""
    lag_ms: int | None
    """Age of the oldest of them, or None."""
    refused: str | None
    """What the broker last refused and why, or None."""


@dataclass(frozen=True, slots=True)
class Topics:
    """Builds and reads the topics of one race."""

    base: str
    """``<base_topic>/<race_id>``."""
    site: str

    def of(self, suffix: str) -> str:
        """Return the whole topic of a suffix such as ``leaderboard/54321``."""
        return f"{self.base}/{suffix}"

    def parts(self, topic: str) -> list[str]:
        """Return the levels below the base, empty for a topic of somebody else."""
        base = self.base
        if not topic.startswith(base) or topic[len(base) : len(base) + 1] != "/":
            return []
        return topic[len(base) + 1 :].split("/")

    @property
    def state(self) -> str:
        """Where this box says whether it is online; also its last will."""
        return self.of(f"bridge/{self.site}/state")

    @property
    def health(self) -> str:
        """Key of this box's health."""
        return f"bridge/{self.site}/health"

    def reader(self, name: str) -> str:
        """Key of the state of one of this box's readers, or of a place that a reader carries."""
        level = name.translate(_ONE_LEVEL)
        return f"reader/{self.site}/{level}"
