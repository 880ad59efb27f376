"""This box as Timing & Scoring: an exporter whose records are the journal's."""

from collections.abc import Mapping, Sequence
from typing import Final

from bridge.driver_api import Forward, Out, StampForm, Stand
from drivers import module_options
from drivers.mylaps.emulator import PORT
from drivers.mylaps.exporter import Exporter, Setup
from drivers.mylaps.frames import is_clean


def _clean_text(value: object) -> str:
    is_good = isinstance(value, str) and is_clean(value)
    return "" if is_good else "text without @, $ and |"


_RULES: Final[Mapping[str, module_options.Check]] = {
    "version": module_options.whole(1, 2),
    "user": _clean_text,
}


class MylapsOutlet:
    """One server at a time; a new connection takes the place of the one before.

    What the server has not acknowledged is sent again, on the same connection and on the next.
    """

    def __init__(self, stand: Stand) -> None:
        setup = Setup(
            locations=stand.places,
            version=int(str(stand.options.get("version", 2))),
            user=str(stand.options.get("user", "")),
            password=stand.secret or "",
            swap=False,
        )
        self._exporter = Exporter(
            stand.archive, setup, acknowledged=stand.acknowledged, local=stand.local
        )
        self._client: int | None = None

    @property
    def handed(self) -> int:
        """See `Outlet.handed`."""
        return self._exporter.handed

    @property
    def acknowledged(self) -> int | None:
        """See `Outlet.acknowledged`."""
        return self._exporter.acknowledged

    def connected(self, client: int, now_ns: int) -> Sequence[Out]:
        """Say hello at once: the one that connects speaks first."""
        old, self._client = self._client, client
        outs = [] if old is None else [Out(client=old, close=True)]
        return [*outs, Out(self._exporter.begin(now_ns), client)]

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        """Answer the server."""
        if client != self._client:
            return []
        answers = self._exporter.heard(data, now_ns)
        return [Out(answers, client)] if answers else []

    def disconnected(self, client: int) -> None:
        """Keep what this one did not acknowledge for the next."""
        if client == self._client:
            self._client = None
            self._exporter.end()

    def due(self, client: int, now_ns: int) -> bytes:
        """Return as many frames as may be unacknowledged at once, and repeats."""
        return self._exporter.due(now_ns) if client == self._client else b""

    def tick(self, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Say nothing: `due` knows what time it is."""
        return []


def _complaints(options: Mapping[str, object]) -> list[str]:
    return module_options.complaints(options, _RULES)


FORWARD: Final = Forward(
    outlet=MylapsOutlet,
    port=PORT,
    dials=True,
    stamp_form=StampForm.UTC,
    names_places=True,
    check_options=_complaints,
)
