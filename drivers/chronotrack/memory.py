"""What a connection leaves to the next one, as JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

_MOST_PLACES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerBook:
    """How far one controller's file was read.

    Attributes:
        greeting: Its first line on the wire.
        powerup: Number and NAIVE ns of the marker that began the file, or None.
        records: The last observation up to which nothing is missing.
        markers: The last marker.
    """

    greeting: str = ""
    powerup: tuple[int, int] | None = None
    records: int = 0
    markers: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringBook:
    """How far each place of one SimpleClient session was read, by its connection id."""

    connection: str = ""
    places: Mapping[str, int] = field(default_factory=dict)


Book = ControllerBook | ScoringBook


def written(book: Book) -> str:
    """Return a book as text for `recalled`."""
    told: dict[str, object]
    if isinstance(book, ScoringBook):
        told = {"connection": book.connection, "places": dict(book.places)}
    else:
        told = {
            "greeting": book.greeting,
            "powerup": book.powerup,
            "records": book.records,
            "markers": book.markers,
        }
    return json.dumps(told, separators=(",", ":"))


def recalled(text: str | None) -> Book | None:
    """Return the book in a text, or None if it tells nothing usable: then all is asked for."""
    try:
        told = json.loads(text or "null")
        if "connection" in told:
            places = {str(name): int(last) for name, last in told["places"].items()}
            return ScoringBook(connection=str(told["connection"]), places=places)
        powerup = told["powerup"]
        return ControllerBook(
            greeting=str(told["greeting"]),
            powerup=None if powerup is None else (int(powerup[0]), int(powerup[1])),
            records=max(int(told["records"]), 0),
            markers=max(int(told["markers"]), 0),
        )
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError):
        return None
