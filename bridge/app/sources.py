"""One connection that carries several places: each is a reader of its own to the race.

A timing computer or a master box forwards the reads of many mats and names the place in each
(`Read.unit`). Rules, journal and displays know one location per reader; so each place has a name
made of its reader's and its own, a session in the journal, and the reader's clock.
"""

from collections.abc import Iterator
from dataclasses import replace

from bridge.app.config import Config, ReaderTable


def place_name(reader: str, unit: str) -> str:
    """Return the name under which a place of a reader is known."""
    return f"{reader}/{unit}"


def places_of(table: ReaderTable) -> Iterator[ReaderTable]:
    """Yield a reader, then each place it carries as a reader of its own."""
    yield table
    for unit, location in table.sources.items():
        name = place_name(table.name, unit)
        yield replace(table, name=name, location=location, sources={})


def all_places(config: Config) -> list[ReaderTable]:
    """Return all readers and places in the order of the configuration."""
    return [place for table in config.reader for place in places_of(table)]
