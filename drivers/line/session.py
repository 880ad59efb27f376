"""Lines of a reader that the configuration describes, one read each."""

from typing import Final

import orjson

from bridge.domain.reads import StampForm
from bridge.driver_api import (
    MAIN,
    Control,
    Event,
    Kept,
    Marker,
    Opening,
    PassiveSession,
    Reason,
    Rejected,
    Remember,
)
from drivers import rows
from drivers.framing import LineBuffer
from drivers.json_fields import table, whole
from drivers.line import options
from drivers.row_options import JSON
from drivers.safe_pattern import MAX_LINE

_EDGES: Final = "\r\n\0\ufeff"


class LineSession(PassiveSession):
    """Decodes one connection or file as configured; total.

    What is remembered: the header, since after a restart a file goes on behind it, and how many
    guns without a time there were, which is what tells them apart.
    """

    def __init__(self, opening: Opening) -> None:
        self._setup = options.parse(opening.options)
        self._lines = LineBuffer(MAX_LINE, self._setup.end)
        noted = _recalled(opening.memory)
        columns = self._setup.columns
        self._places = columns.places or rows.by_name(columns.names, noted[0])
        self._header = noted[0]
        self._guns = noted[1]

    @property
    def pending(self) -> bytes:
        """Bytes of a line that has not ended yet; behind CR the LF in front of the next one."""
        return self._lines.pending

    def feed(self, data: bytes, channel: str = MAIN) -> list[Event]:  # noqa: ARG002
        """Return what is complete, in wire order."""
        noted = self._guns, self._places
        events: list[Event] = [self._decode(raw) for raw in self._lines.feed(data)]
        if noted != (self._guns, self._places):
            events.append(Remember(self._memory()))
        return events

    def _memory(self) -> str:
        return orjson.dumps({"header": self._header, "guns": self._guns}).decode()

    def _decode(self, raw: bytes) -> Kept:
        setup = self._setup
        if not raw.endswith(setup.end):
            return Rejected(raw, Reason.OVERLONG, f"no line end within {MAX_LINE} bytes")
        text = raw.decode(setup.encoding, "replace").strip(_EDGES)
        if not text.strip():
            return Control(raw, "empty line")
        if setup.ignore.match(text):
            return Control(raw, "ignored", {"text": text})
        gun = setup.gun.fullmatch(text) if setup.gun else None
        if gun:
            return self._gun(raw, gun.groupdict(""))
        if setup.pattern is not None:
            found = setup.pattern.fullmatch(text)
            if found is None:
                return Rejected(raw, Reason.FRAMING, "not as the pattern has it")
            told = {name: value.strip() for name, value in found.groupdict("").items()}
            return setup.fields.read(raw, told)
        return self._row(raw, text)

    def _row(self, raw: bytes, text: str) -> Kept:
        setup = self._setup
        if setup.separator == JSON:
            found = rows.object_of(text)
            if found is None:
                return Rejected(raw, Reason.FRAMING, "no JSON object")
            names = setup.columns.names.items()
            return setup.fields.read(raw, {field: found.get(name, "") for field, name in names})
        cells = rows.split(text, setup.separator)
        if setup.columns.names and rows.by_name(setup.columns.names, cells):
            self._header = cells
            self._places = rows.by_name(setup.columns.names, cells)
            return Control(raw, "header")
        if self._places is None:
            return Rejected(raw, Reason.UNKNOWN, "no header with the configured names came yet")
        told = rows.pick(cells, self._places)
        if "time" in self._places and "time" not in told:
            return Rejected(raw, Reason.FRAMING, "too few columns")
        return setup.fields.read(raw, told)

    def _gun(self, raw: bytes, told: dict[str, str]) -> Kept:
        unit = told.get("unit") or None
        if "time" not in told:
            self._guns += 1
            return Marker(raw, "gun", 0, StampForm.ABSENT, f"#{self._guns}", unit=unit)
        fields = self._setup.fields
        stamp = fields.time.read(fields.when(told))
        if stamp is None:
            return Rejected(raw, Reason.FIELD, "a gun with no such time")
        return Marker(raw, "gun", *stamp, unit=unit)


def _recalled(memory: str | None) -> tuple[list[str], int]:
    """Return header and number of guns of what an earlier session remembered."""
    try:
        noted = table(orjson.loads(memory or "{}"))
    except orjson.JSONDecodeError:
        noted = {}
    header = noted.get("header")
    names = [str(name) for name in header] if isinstance(header, list) else []
    return names, whole(noted.get("guns")) or 0
