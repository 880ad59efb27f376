"""Check a configuration as a whole: its sample lines must come out as reads."""

from collections.abc import Mapping

from bridge.domain.reads import Read
from bridge.driver_api import Control, Marker, Opening, Rejected
from drivers import rows
from drivers.json_fields import number, whole
from drivers.line import options
from drivers.line.session import LineSession
from drivers.row_options import JSON


def complaints(given: Mapping[str, object]) -> list[str]:
    """Return what is wrong with `[[reader]] options`, with the place of each mistake."""
    found = options.complaints(given)
    if found:
        return found
    setup = options.parse(given)
    if not setup.samples:
        return []
    session = LineSession(Opening(options=given))
    reads = 0
    for count, sample in enumerate(setup.samples, 1):
        events = session.feed(sample.encode(setup.encoding, "replace") + setup.end)
        kept = [event for event in events if isinstance(event, Read | Marker | Control | Rejected)]
        where = f"sample {count} ({sample[:60]!r})"
        for event in kept:
            if isinstance(event, Rejected):
                found.append(f"{where} is no read: {_why(setup, sample, event)}")
            elif isinstance(event, Read):
                reads += 1
                found += [f"{where}: {doubt}" for doubt in _doubts(setup, sample)]
    if not reads and not found:
        found.append("no line of 'sample' is a read: each is a header, a gun or ignored")
    return found


def _why(setup: options.Setup, sample: str, event: Rejected) -> str:
    """Return why a sample is rejected; a column it has not got is named."""
    return _short(setup, sample) or event.detail or event.reason.value


def _short(setup: options.Setup, sample: str) -> str:
    if setup.pattern is not None or setup.separator == JSON or not setup.columns.places:
        return ""
    width = len(rows.split(sample, setup.separator))
    beyond = {name: at + 1 for name, at in setup.columns.places.items() if at >= width}
    if not beyond:
        return ""
    named = ", ".join(f"{name} = {at}" for name, at in beyond.items())
    return f"columns out of range ({named}): it has {width} with the separator {setup.separator!r}"


def _doubts(setup: options.Setup, sample: str) -> list[str]:
    """Return what would be left out of a sample's read although it is configured."""
    short = _short(setup, sample)
    found = [short] if short else []
    match = setup.pattern.fullmatch(sample) if setup.pattern else None
    told = match.groupdict("") if match else _row(setup, sample)
    if told.get("antenna") and whole(told["antenna"]) is None:
        found.append(f"antenna {told['antenna']!r} is no number from 0 on")
    if told.get("seq") and whole(told["seq"]) is None:
        found.append(f"seq {told['seq']!r} is no number from 0 on")
    if told.get("rssi") and number(told["rssi"]) is None:
        found.append(f"rssi {told['rssi']!r} is no number")
    return found


def _row(setup: options.Setup, sample: str) -> dict[str, str]:
    if setup.separator == JSON:
        found = rows.object_of(sample) or {}
        return {field: found.get(name, "") for field, name in setup.columns.names.items()}
    return rows.pick(rows.split(sample, setup.separator), setup.columns.places)
