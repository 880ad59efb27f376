"""What the results service should show of a runner, and what must be sent to get there.

A runner's row at the service is a mapping of field name to value. A box knows only the fields of
the locations it serves; it never names any other, so that the boxes of a race can post side by
side to the same row.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bridge.domain.results import Result, Status
from bridge.domain.rules import EventRules, TimeKind
from bridge.domain.times import clock_text

Fields = Mapping[str, object]
"""Field name -> value as it is sent (text, or a number for `place`)."""

KEY = "registration_id"
"""The only key of a posted row: bib and chip may disagree with it, names would duplicate."""
PLACE = "place"
FINISH_TIMES = ("clock_time", "chip_time")
CLEAR = "X"
"""Sent in a split to clear it; a blank would keep what is stored."""

_WORDS = {Status.DNF: "DNF", Status.DNS: "DNS", Status.DQ: "DQ"}


def split_field(split_id: int | str) -> str:
    """Return the name of the field of one split."""
    return f"split-{split_id}"


def desired_row(
    result: Result | None,
    event: EventRules,
    served: frozenset[str],
    split_ids: Mapping[str, int | str],
) -> dict[str, object]:
    """Return every field this box answers for, with the value it should have.

    None means that nothing should stand there. `split_ids` leads from the name of a split in the
    course to its id at the service; a split it lacks has no field. Each time is rounded from its
    own raw value. A status word stands in both finish times, without a place; who has splits but
    no finish has None in the finish fields. `result` None: nothing is known of the runner.
    """
    row: dict[str, object] = {
        split_field(split_ids[point.split]): None
        for point in event.course
        if point.split is not None and point.location in served and point.split in split_ids
    }
    for split in result.splits if result else ():
        if split.split is None or split.location not in served or split.split not in split_ids:
            continue
        raw = split.chip_ns if event.split_time is TimeKind.CHIP else split.clock_ns
        row[split_field(split_ids[split.split])] = clock_text(raw, event.decimals, event.rounding)
    if event.finish in served:
        row |= _finish(result, event)
    return row


def _finish(result: Result | None, event: EventRules) -> dict[str, object]:
    if result is None or result.status is Status.ON_COURSE:
        return dict.fromkeys((*FINISH_TIMES, PLACE))
    word = _WORDS.get(result.status)
    times = (result.clock_ns, result.chip_ns)
    row: dict[str, object] = {
        name: word or (None if raw is None else clock_text(raw, event.decimals, event.rounding))
        for name, raw in zip(FINISH_TIMES, times, strict=True)
    }
    row[PLACE] = None if word else result.place
    return row


@dataclass(frozen=True, slots=True)
class Change:
    """What separates the row at the service from the desired one."""

    fields: Fields
    """Fields to send, without the key; empty: nothing to send."""
    stuck: tuple[str, ...]
    """Fields that stand at the service and should not: only an operator can remove them there."""

    @property
    def finish(self) -> bool:
        """Whether a finish time or status word is among the fields."""
        return any(name in self.fields for name in FINISH_TIMES)


def changes(desired: Fields, posted: Fields, doubtful: Collection[str] = ()) -> Change:
    """Compare what should stand with what the service has acknowledged.

    `doubtful` fields were sent and never acknowledged: whatever was posted before, they may hold
    anything now, so they are sent again or cleared. Fields that `desired` does not name belong to
    somebody else and are left alone. A split no longer wanted is cleared; a finish time or place
    cannot be cleared by posting.
    """
    fields: dict[str, object] = {}
    stuck: list[str] = []
    for name, value in desired.items():
        if value is not None:
            if posted.get(name) != value or name in doubtful:
                fields[name] = value
        elif posted.get(name) is not None or name in doubtful:
            if name in FINISH_TIMES or name == PLACE:
                stuck.append(name)
            else:
                fields[name] = CLEAR
    return Change(fields, tuple(stuck))


def row_of(registration_id: int, fields: Fields) -> dict[str, object]:
    """Return the row as it is sent: the key and the changed fields."""
    return {KEY: registration_id, **fields}


def acknowledged(posted: Fields, accepted: Fields) -> dict[str, object]:
    """Return what stands at the service once `accepted` was accepted on top of `posted`."""
    merged = {**posted, **accepted}
    return {name: value for name, value in merged.items() if value != CLEAR}
