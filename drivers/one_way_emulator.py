"""A reader made of software that only talks: nothing is asked of it and it keeps nothing."""

from collections.abc import Callable, Mapping, Sequence

from bridge.driver_api import MAIN, Out, Sighting


class OneWayEmulator:
    """Sends each read, and each mark it has a form for, to whoever listens."""

    channels: Mapping[str, int]
    piece: tuple[int, int] | None = None

    def __init__(
        self,
        port: int,
        encode: Callable[[Sighting], bytes],
        mark: Callable[[str, int], bytes],
        hello: bytes = b"",
    ) -> None:
        """Take the forms of a read and of a mark (empty: it has none), and of the first words."""
        self.channels = {MAIN: port}
        self._encode = encode
        self._mark = mark
        self._hello = hello

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Say the first words, if there are any."""
        return [Out(self._hello, client)] if self._hello else []

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Ignore it."""
        return []

    def disconnected(self, client: int) -> None:
        """Keep nothing."""

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """Send it to everybody."""
        return [Out(self._encode(sighting))]

    def marked(self, name: str, stamp: int) -> Sequence[Out]:
        """Send it to everybody."""
        data = self._mark(name, stamp)
        return [Out(data)] if data else []

    def tick(self, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Do nothing."""
        return []
