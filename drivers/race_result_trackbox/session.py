"""One connection of a RACE RESULT Track Box, which posts to us."""

import re
from typing import Final

from bridge.driver_api import Control, Event, Opening, Reason, Rejected, Status
from drivers.http_body import Cut, LineCutter, Unwrapper
from drivers.http_push import Gate, PushDesk, gate_of, query_of
from drivers.http_wire import Head
from drivers.push_session import PushSession
from drivers.race_result_trackbox import records
from drivers.race_result_trackbox.records import Ping

DEFAULT_USER: Final = "trackbox"
GOOD_BODY: Final = b"OK"
_BARE_HEAD = re.compile(rb"(?:POST|GET) (\S+)[\r\n]*")
"""A request line as the vendor's article prints it, and recordings have it."""


class TrackBoxSession(PushSession):
    """Decodes a box's posts, and acknowledges each once its reads are durable."""

    def __init__(self, opening: Opening) -> None:
        gate = gate_of(opening, DEFAULT_USER)
        code = opening.options.get("auth")
        if code is not None:
            gate = Gate(gate.path, gate.login, {"auth": str(code)})
        super().__init__(opening, Unwrapper(LineCutter(cr_ends=True)), PushDesk(gate, GOOD_BODY))
        self._ping = Ping()
        self._line_number = 0

    def begun(self, raw: bytes, head: Head) -> list[Event]:
        """Take what the target tells of the box, if the request is welcome."""
        first, *more = super().begun(raw, head)
        if isinstance(first, Control) and not self.desk.refusing:
            first = self._told(first.raw, head.target)
        return [first, *more]

    def over(self) -> None:
        """Forget it."""
        self._ping = Ping()

    def read(self, cut: Cut) -> list[Event]:
        """Return what a line of a post tells."""
        if not isinstance(cut.value, bytes):
            event = Rejected(cut.raw, Reason.OVERLONG, "no line end")
            self.desk.count(event)
            return [event]
        bare = _BARE_HEAD.fullmatch(cut.value)
        if bare:
            return [self._told(cut.raw, bare[1].decode("latin-1"))]
        found = records.read(cut.raw, cut.value, self._ping, self._line_number)
        self._line_number += 1
        self.desk.count(found)
        return [found]

    def _told(self, raw: bytes, target: str) -> Event:
        query = query_of(target)
        self._ping = records.ping_of(query)
        self._line_number = 0
        fields = records.status_of(query)
        return Status(raw, fields) if fields else Control(raw, "http request")
