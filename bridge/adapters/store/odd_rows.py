"""The second net under the drivers: what no database can hold is kept as bytes."""

from collections.abc import Iterable

from bridge.app.rows import Batch, EventRow, Kind

_INT64 = 1 << 63


def tamed(batch: Batch) -> Batch | None:
    """Return the batch with each event that cannot be stored as it is put down as rejected.

    One such event would take everything with it that became durable in the same moment. Its frame
    is kept, and the reason. None if there is no such event: something else is wrong.
    """
    rows: list[EventRow] = []
    odd = 0
    for row in _each(batch):
        if _fits(row):
            rows.append(row)
        else:
            odd += 1
            rows.append(_rejected(row))
    if not odd:
        return None
    return Batch(
        rows=rows,
        samples=batch.samples,
        memories=batch.memories,
        crossings=batch.crossings,
        lazy=batch.lazy,
    )


def _each(batch: Batch) -> Iterable[EventRow]:
    yield from batch.rows
    for run in batch.runs:
        yield from run


def _fits(row: EventRow) -> bool:
    numbers = (row.stamp, row.form, row.antenna, row.seq, row.utc_ns, row.boot_ns)
    texts = (row.chip, row.key, row.note)
    return all(
        number is None or (type(number) is int and -_INT64 <= number < _INT64) for number in numbers
    ) and all(map(_is_text, texts))


def _is_text(text: object) -> bool:
    if not isinstance(text, str):
        return text is None
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _rejected(row: EventRow) -> EventRow:
    return row._replace(
        kind=int(Kind.REJECTED), chip=None, stamp=0, form=0, antenna=None, rssi=None, seq=None,
        key=None, note="field: the driver made of this what cannot be stored",
    )  # fmt: skip
