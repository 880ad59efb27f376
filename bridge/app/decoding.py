"""A capture through a driver: one JSON object per event, and an account of every byte."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from bridge.app.captures import Piece, Source
from bridge.domain.reads import DAY_NS, NS_PER_MS, NS_PER_S, Read, StampForm
from bridge.driver_api import (
    Clock,
    ClockStep,
    Control,
    Driver,
    Event,
    Kept,
    Marker,
    Opening,
    Reason,
    Rejected,
    Send,
    Session,
    Sighting,
    Status,
)

Shown = dict[str, object]
_LINE_END = b"\r\n"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NS_PER_US = 1_000
_SOME_STAMP: Final = 1_795_766_400 * NS_PER_S
_OF_WHOLE_FRAMES: Final = frozenset({Reason.CHECKSUM, Reason.FIELD, Reason.UNKNOWN})


@dataclass(slots=True)
class Account:
    """Where the bytes of a capture went."""

    container: int = 0
    reader_written: int = 0
    """Bytes of the file that stand for what the reader sent."""
    host_written: int = 0
    reader: int = 0
    """Bytes the reader sent."""
    events: int = 0
    """Bytes that came back in the `raw` of events."""
    kinds: dict[str, int] = field(default_factory=dict)

    @property
    def file(self) -> int:
        """Bytes of the file, by the account."""
        return self.container + self.reader_written + self.host_written

    def text(self) -> str:
        """Return the account in one line."""
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.kinds.items()))
        return (
            f"{self.file} bytes in the file = {self.container} container "
            f"+ {self.reader_written} reader + {self.host_written} host; "
            f"{self.reader} bytes from the reader = {self.events} in events ({kinds or 'none'})."
        )


class Decoding:
    """Feeds pieces to sessions of a driver, one per connection of the capture."""

    def __init__(self, driver: Driver, opening: Opening, chunk: int | None = None) -> None:
        """Take at most `chunk` bytes at a time; the events are the same for every number."""
        self.account = Account()
        self._driver = driver
        self._opening = opening
        self._chunk = chunk
        self._sessions: dict[str, Session] = {}

    def feed(self, piece: Piece) -> Iterator[Shown]:
        """Yield what one piece brings."""
        self.account.container += piece.container
        if piece.source is Source.HOST:
            self.account.host_written += piece.written
            if piece.data:
                yield self._told(_sent(piece.data, by="capture"))
            return
        self.account.reader_written += piece.written
        self.account.reader += len(piece.data)
        session = self._session(piece.connection)
        for data in _slices(piece.data, self._chunk):
            yield from self._show(session.feed(data))

    def finish(self) -> Iterator[Shown]:
        """Yield what is left where the capture ends within a frame.

        Recorded files often lack the very last line end: a rest that is whole with one is shown as
        what it is, any other as rejected: as what it is if the driver can say so, else as
        incomplete.
        """
        for session in self._sessions.values():
            rest = session.pending
            if not rest:
                continue
            self.account.events += len(rest)
            for shown in self._whole(session, rest) or [self._broken(rest)]:
                yield self._told(shown)

    def _whole(self, session: Session, rest: bytes) -> list[Shown]:
        """Return what a line end makes of the rest, which is nothing if it makes no sense."""
        if not rest.strip(_LINE_END):
            return [{**_blank("control", rest), "extra": {"note": "line end"}}]
        kept = [event for event in session.feed(_LINE_END) if isinstance(event, Kept)]
        if session.pending.strip(_LINE_END) or any(isinstance(one, Rejected) for one in kept):
            return []
        shown = []
        left = len(rest)
        for event in kept:
            if left > 0:
                shown.append({**_shown(event, self._driver), "raw": _text(event.raw[:left])})
            left -= len(event.raw)
        return shown

    def _broken(self, rest: bytes) -> Shown:
        """Return the rest as rejected.

        A frame with a wrong check sum may as well be a longer one with a damaged length, so a
        driver waits for what comes behind it. Here nothing comes; a sound record in its place
        shows whether the rest was the whole frame that it claimed to be.
        """
        sound = Sighting(chip=self._driver.example_chip(1), stamp=_SOME_STAMP)
        session = self._driver.session(self._opening)
        events = session.feed(rest + self._driver.encode(sound))
        first = next((event for event in events if isinstance(event, Kept)), None)
        if isinstance(first, Rejected) and first.raw == rest and first.reason in _OF_WHOLE_FRAMES:
            return _shown(first, self._driver)
        return _blank("rejected", rest, reason="incomplete")

    def _session(self, connection: str) -> Session:
        if connection not in self._sessions:
            self._sessions[connection] = self._driver.session(self._opening)
        return self._sessions[connection]

    def _show(self, events: Iterable[Event]) -> Iterator[Shown]:
        for event in events:
            if isinstance(event, Kept):
                self.account.events += len(event.raw)
                yield self._told(_shown(event, self._driver))
            elif isinstance(event, Send):
                yield self._told(_sent(event.data, by="driver"))

    def _told(self, shown: Shown) -> Shown:
        kind = str(shown["kind"])
        self.account.kinds[kind] = self.account.kinds.get(kind, 0) + 1
        return shown


def _slices(data: bytes, size: int | None) -> Iterator[bytes]:
    if size is None or len(data) <= size:
        yield data
        return
    for start in range(0, len(data), size):
        yield data[start : start + size]


def _blank(kind: str, raw: bytes, **more: object) -> Shown:
    """Return an object that has every key, as every kind of event does."""
    return {
        "kind": kind,
        "chip": None,
        "time": None,
        "antenna": None,
        "rssi": None,
        "reader": None,
        "seq": None,
        "raw": _text(raw),
        **more,
        "extra": {},
    }


def _sent(data: bytes, *, by: str) -> Shown:
    """Return bytes owed to the reader, or those the host sent when the capture was made."""
    return {**_blank("send", data), "extra": {"by": by}}


def _shown(event: Kept, driver: Driver) -> Shown:
    match event:
        case Read():
            details = driver.extra
            return _read(event, details(event.raw))
        case Marker():
            time, days = _time(event.stamp, event.form)
            extra = {"name": event.name, **_present(key=event.key, days=days), **event.extra}
            return {**_blank("marker", event.raw), "time": time, "extra": extra}
        case Clock():
            time, days = _time(event.stamp, event.form)
            extra = {**_present(days=days), **event.extra}
            return {**_blank("clock", event.raw), "time": time, "extra": extra}
        case ClockStep():
            return _step(event, driver.stamp_form)
        case Status():
            return {**_blank("status", event.raw), "extra": dict(event.fields)}
        case Control():
            return {**_blank("control", event.raw), "extra": {"note": event.note, **event.extra}}
        case Rejected():
            extra = _present(detail=event.detail or None)
            return {**_blank("rejected", event.raw, reason=event.reason.value), "extra": extra}


def _read(read: Read, more: Mapping[str, object]) -> Shown:
    time, days = _time(read.stamp, read.form)
    return {
        **_blank("read", read.raw),
        "chip": read.chip,
        "time": time,
        "antenna": read.antenna,
        "rssi": read.rssi,
        "reader": read.unit,
        "seq": read.seq,
        "extra": {**_present(key=read.key, days=days), **more},
    }


def _step(event: ClockStep, form: StampForm) -> Shown:
    before, after = (
        None if stamp is None else _time(stamp, form)[0] for stamp in (event.before, event.after)
    )
    detail = _present(detail=event.detail or None)
    extra = {"step": True, "before": before, "after": after, **detail}
    return {**_blank("clock", event.raw), "time": after, "extra": extra}


def _present(**values: object) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _time(stamp: int, form: StampForm) -> tuple[str | None, int | None]:
    """Return a stamp as text, and how many days it counts where it counts days without a date."""
    match form:
        case StampForm.ABSENT:
            return None, None
        case StampForm.NAIVE:
            return _iso(stamp), None
        case StampForm.UTC:
            return f"{_iso(stamp)}Z", None
        case StampForm.TIME_OF_DAY:
            days, rest = divmod(stamp, DAY_NS)
            return _iso(rest).partition("T")[2], days or None


def _iso(stamp: int) -> str:
    """Return ISO 8601 to the ms, or as fine as the stamp is."""
    seconds, ns = divmod(stamp, NS_PER_S)
    whole = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    if ns % NS_PER_MS == 0:
        return f"{whole}.{ns // NS_PER_MS:03}"
    return f"{whole}.{ns // _NS_PER_US:06}" if ns % _NS_PER_US == 0 else f"{whole}.{ns:09}"


def _text(raw: bytes) -> str:
    """Return a frame as text if it is printable ASCII but for its line ends, else as hex."""
    plain = raw.isascii() and raw.replace(b"\r", b"").replace(b"\n", b"").decode().isprintable()
    return raw.decode() if plain else raw.hex()
