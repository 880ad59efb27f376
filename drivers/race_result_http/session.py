"""One connection of a RACE RESULT decoder that uploads its passing file to us."""

from collections.abc import Mapping

from bridge.driver_api import Event, Opening, Reason, Rejected
from drivers.http_body import Cut, LineCutter, Unwrapper
from drivers.http_push import Gate, PushDesk, gate_of, query_of
from drivers.http_wire import Head
from drivers.push_session import PushSession
from drivers.race_result.records import Numbering
from drivers.race_result_http.records import UploadReader

DEFAULT_USER = "race-result"
GOOD_BODY = b"OK"
_MOST_NAME = 64


class UploadSession(PushSession):
    """Decodes uploads, and acknowledges each once its reads are durable."""

    def __init__(self, opening: Opening) -> None:
        gate = gate_of(opening, DEFAULT_USER)
        user = opening.options.get("user")
        if isinstance(user, str):
            gate = Gate(gate.path, gate.login, {"user": user})
        super().__init__(opening, Unwrapper(LineCutter()), PushDesk(gate, GOOD_BODY))
        self._records = UploadReader()
        self._source = Numbering()

    def begun(self, raw: bytes, head: Head) -> list[Event]:
        """Note which decoder and file the request is of."""
        self._source = _source_of(query_of(head.target))
        return super().begun(raw, head)

    def over(self) -> None:
        """Forget them."""
        self._source = Numbering()

    def read(self, cut: Cut) -> list[Event]:
        """Return what a line of the file tells."""
        if isinstance(cut.value, bytes):
            event = self._records.read(cut.raw, cut.value, self._source)
        else:
            event = Rejected(cut.raw, Reason.OVERLONG, "no line end")
        self.desk.count(event)
        return [event]


def _source_of(query: Mapping[str, str]) -> Numbering:
    """Return which decoder and file a request is of; names that would spoil a line are none."""
    box, file = query.get("device") or query.get("boxname", ""), query.get("file", "")
    named = box.isascii() and box.isprintable() and ";" not in box and len(box) <= _MOST_NAME
    numbered = file.isascii() and file.isdecimal() and len(file) < 11  # noqa: PLR2004
    return Numbering(box if named else "", file if numbered else "")
