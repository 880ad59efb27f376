"""Files of reads as other software writes them: rows below a header, rows alone, JSON Lines."""

from collections.abc import Mapping
from typing import Final

import orjson

from bridge.driver_api import (
    MAIN,
    Control,
    Event,
    Kept,
    Opening,
    PassiveSession,
    Read,
    Reason,
    Rejected,
    Remember,
)
from drivers import rows
from drivers.alarm_book import AlarmBook
from drivers.file import hints, options
from drivers.framing import LineBuffer, is_line
from drivers.json_fields import table
from drivers.row_options import DEFAULT_COLUMNS

MAX_LINE: Final = 4_096
_EDGES: Final = "\r\n\0\ufeff"
_USUAL: Final = {name: number - 1 for name, number in DEFAULT_COLUMNS.items()}


class FileSession(PassiveSession):
    """Decodes one file, or the files of a folder one after the other; total.

    What is remembered is the header: after a restart a file goes on behind it.
    """

    def __init__(self, opening: Opening) -> None:
        self._setup = options.parse(opening.options)
        self._lines = LineBuffer(MAX_LINE)
        self._alarms = AlarmBook()
        self._header: list[str] = []
        self._places: Mapping[str, int] | None = None
        """Column of each field; None: no header came."""
        self._separator = self._setup.separator
        self._names: dict[tuple[str, ...], dict[str, str]] = {}
        """Names of a JSON object -> field to name."""
        columns = self._setup.columns
        if columns is not None and columns.places:
            self._places = columns.places
        else:
            self._recall(opening.memory)

    @property
    def pending(self) -> bytes:
        """Bytes of a line that has not ended yet."""
        return self._lines.pending

    def feed(self, data: bytes, channel: str = MAIN) -> list[Event]:  # noqa: ARG002
        """Return what is complete, in wire order."""
        before = self._header
        events: list[Event] = []
        for raw in self._lines.feed(data):
            event = self._decode(raw)
            events.append(event)
            if isinstance(event, Rejected):
                events += self._hint(event)
        if self._header != before:
            noted = {"header": self._header, "separator": self._separator}
            events.append(Remember(orjson.dumps(noted).decode()))
        return events

    def _decode(self, raw: bytes) -> Kept:
        setup = self._setup
        if not is_line(raw):
            return Rejected(raw, Reason.OVERLONG, f"no line end within {MAX_LINE} bytes")
        text = raw.decode(setup.encoding, "replace").strip(_EDGES)
        if not text.strip():
            return Control(raw, "empty line")
        if text.startswith("#") and hints.driver_of(text) is None:
            return Control(raw, "comment", {"text": text})
        if setup.format != "rows":
            found = rows.object_of(text) if text.lstrip().startswith("{") else None
            if found is not None:
                return self._object(raw, found)
            if setup.format == "json":
                return Rejected(raw, Reason.FRAMING, "no JSON object")
        return self._row(raw, text)

    def _object(self, raw: bytes, found: Mapping[str, str]) -> Read | Rejected:
        named = self._names_in(tuple(found))
        return self._setup.fields.read(raw, {field: found[name] for field, name in named.items()})

    def _names_in(self, names: tuple[str, ...]) -> dict[str, str]:
        """Return which name of an object is which field; objects of one file are alike."""
        known = self._names.get(names)
        if known is None:
            columns = self._setup.columns
            if columns is not None and columns.names:
                wanted = [rows.plain(name) for name in names]
                known = {
                    field: names[wanted.index(rows.plain(name))]
                    for field, name in columns.names.items()
                    if rows.plain(name) in wanted
                }
            else:
                known = {field: names[place] for field, place in rows.guess(names).items()}
            if len(self._names) >= _MOST_KINDS:
                self._names.clear()
            self._names[names] = known
        return known

    def _row(self, raw: bytes, text: str) -> Kept:
        separator = self._separator or rows.separator_of(text)
        if self._is_header(text):
            return Control(raw, "header", {"columns": self._header})
        places = self._places
        if places is None:
            columns = self._setup.columns
            if columns is not None and columns.names:
                return Rejected(raw, Reason.UNKNOWN, "no header with the configured names came yet")
            if hints.driver_of(text):
                return Rejected(raw, Reason.UNKNOWN, "a reader's own log, of another driver")
            places = _USUAL
        cells = rows.split(text, separator)
        if len(cells) <= max(places[name] for name in ("chip", "bib", "time") if name in places):
            return Rejected(raw, Reason.FRAMING, "too few columns")
        return self._setup.fields.read(raw, rows.pick(cells, places))

    def _is_header(self, text: str) -> bool:
        """Take a line for the header if its fields have the names of columns."""
        columns = self._setup.columns
        if columns is not None and columns.places:
            return False
        separator = self._setup.separator or rows.separator_of(text)
        cells = rows.split(text, separator)
        if cells == self._header:
            return True
        if any(cell[:1].isdigit() for cell in cells):
            return False
        places = rows.by_name(columns.names, cells) if columns else rows.guess(cells)
        if not places or not ({"chip", "bib"} & set(places)) or not self._has_time(places):
            return False
        self._header, self._places, self._separator = cells, places, separator
        return True

    def _has_time(self, places: Mapping[str, int]) -> bool:
        return "time" in places or self._setup.fields.time.form == "none"

    def _hint(self, event: Rejected) -> list[Event]:
        """Say which driver reads this file, if its lines are known."""
        text = event.raw.decode("latin-1").strip(_EDGES)
        driver = hints.driver_of(text)
        if driver is None:
            return []
        words = f"the file looks like a log of another kind: set driver = '{driver}'"
        return [*self._alarms.tell("format", words)]

    def _recall(self, memory: str | None) -> None:
        try:
            noted = table(orjson.loads(memory or "{}"))
        except orjson.JSONDecodeError:
            return
        header, separator = noted.get("header"), noted.get("separator")
        if isinstance(header, list) and isinstance(separator, str) and len(separator) == 1:
            self._is_header(rows.join([str(name) for name in header], separator))


_MOST_KINDS: Final = 64


def extra(raw: bytes) -> Mapping[str, object]:
    """Return what else a JSON object tells of its read."""
    found = rows.object_of(raw) or {}
    used = {list(found)[place] for place in rows.guess(list(found)).values()}
    return {name: value for name, value in found.items() if name not in used}
