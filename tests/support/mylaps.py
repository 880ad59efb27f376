"""Captures of Timing & Scoring, frames written by hand, and events in short."""

import json
from pathlib import Path

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Event, Kept, Marker, Opening, Read, Send, Session
from drivers.mylaps import DRIVER
from drivers.mylaps.read_lite import checksum

VECTORS = Path(__file__).parents[1] / "vectors" / "mylaps"
START_NS = 1_780_000_000 * NS_PER_S


def wire_of(name: str) -> bytes:
    """Return what the reader's side sent in a capture."""
    path = VECTORS / name
    if path.suffix == ".jsonl":
        frames = [json.loads(line) for line in path.read_text().splitlines()]
        return b"".join(frame["raw"].encode() for frame in frames if frame["dir"] == "c2s")
    data = path.read_bytes()
    return data.replace(b"\n", b"") if "split_across_reads" in name else data


def kept_of(stream: bytes, size: int = 1 << 20) -> tuple[list[Kept], bytes]:
    session = DRIVER.session(Opening())
    events: list[Kept] = []
    for at in range(0, len(stream), size):
        events += [e for e in session.feed(stream[at : at + size]) if isinstance(e, Kept)]
    return events, session.pending


def reads_of(stream: bytes) -> list[Read]:
    return [event for event in kept_of(stream)[0] if isinstance(event, Read)]


def markers_of(stream: bytes) -> list[Marker]:
    return [event for event in kept_of(stream)[0] if isinstance(event, Marker)]


def session_of(**opening: object) -> Session:
    """Return a session that is open, on a clock that stands at `START_NS`."""
    session = DRIVER.session(Opening(**opening))  # type: ignore[arg-type]
    session.opened(START_NS)
    return session


def sent(events: list[Event]) -> list[bytes]:
    return [event.data for event in events if isinstance(event, Send)]


def lite(body: bytes) -> bytes:
    """Return a ReadLite record with its checksum."""
    return b"%b%02X" % (body, checksum(body))
