"""The timing rules once more, as simply as can be and as slowly as need be.

Shares nothing with the code under test but its input types and the chip table. Chip swaps are
left out. Times are compared, not words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from bridge.domain.entrants import ChipTable, Entrant, NoOwner
from bridge.domain.marks import Mark, MarkKind
from bridge.domain.results import RemoteCrossing, TimedRead
from bridge.domain.rules import EventRules, Method, Rules, TimeKind
from tests.domain.worlds import World, newest


@dataclass(slots=True, eq=False)
class Blob:
    """A passing."""

    location: str
    reads: list[tuple[int, TimedRead]]
    remotes: list[int]
    at: int = 0
    time: int = 0
    state: str = ""
    mark: int = 0


@dataclass(slots=True)
class Answer:
    crossings: dict[int, tuple[int, str, int]]
    """First journal id (or -mark) -> (time, state, reads)."""
    results: dict[tuple[int, int], tuple[object, ...]]


def answer(world: World) -> Answer:
    entrants = world.entrants[-1]
    marks = [m for m in sorted(world.marks, key=lambda m: m.id) if not m.undone]
    assert all(m.kind is not MarkKind.SWAP for m in marks)
    rules = world.rules
    courses = {e.id: frozenset(p.location for p in e.course) for e in rules.events}
    table = ChipTable(entrants.values(), courses)
    out = Answer({}, {})
    chips = {read.chip for read in world.reads}
    for chip in chips:
        for place in rules.locations:
            owner = table.owner(chip, place)
            if isinstance(owner, NoOwner):
                for blob in blobs(world, place, {chip}, set(), None):
                    put(out, blob, owner.value)
    finishers: dict[int, list[tuple[int, int]]] = {event.id: [] for event in rules.events}
    for entrant in entrants.values():
        event = next((e for e in rules.events if e.id == entrant.event_id), None)
        if event is not None:
            run(world, table, marks, event, entrant, out, finishers)
    for event in rules.events:
        times = sorted(finishers[event.id])
        for index, (time, who) in enumerate(times):
            ahead = sum(1 for other, _ in times if other < time) if event.share_places else index
            key = (event.id, who)
            out.results[key] = (*out.results[key][:-1], ahead + 1)
    return out


def put(out: Answer, blob: Blob, state: str) -> None:
    if blob.mark:
        out.crossings[-blob.mark] = (blob.at, state, 0)
    elif blob.reads:
        first = min(read.id for _, read in blob.reads)
        out.crossings[first] = (blob.at, state, len(one_each(blob.reads)))


def one_each(reads: list[tuple[int, TimedRead]]) -> list[tuple[int, TimedRead]]:
    """Of equal records keep the earliest, then the loudest, then the first."""

    def claim(pair: tuple[int, TimedRead]) -> tuple[int, float, int]:
        at, read = pair
        return (at, float("inf") if read.rssi is None else -read.rssi, read.id)

    return [
        pair
        for pair in reads
        if pair
        == min((p for p in reads if same(p[1], pair[1])), key=claim)
    ]


def same(one: TimedRead, other: TimedRead) -> bool:
    return one.reader == other.reader and one.identity == other.identity


def blobs(
    world: World, place: str, chips: set[str], remote_chips: set[str], t0: int | None
) -> list[Blob]:
    rules = world.rules
    here = rules.locations[place]
    mine: list[tuple[int, TimedRead]] = []
    for read in world.reads:
        reader = rules.readers.get(read.reader)
        known = reader is not None and reader.location == place
        if reader is not None and known and read.chip in chips and read.at != -1:
            mine.append((read.at - reader.offset_ns, read))
    counted = one_each(mine)
    others = [
        c
        for c in newest(world.remote)
        if not c.withdrawn and c.site != rules.site
        if c.location == place and c.chip in remote_chips
    ]
    moments = sorted({at for at, _ in counted} | {c.at for c in others})
    groups: list[list[int]] = []
    for at in moments:
        gap = groups and at - groups[-1][-1] <= here.quiet_ns
        gun_between = groups and t0 is not None and groups[-1][-1] < t0 <= at
        if gap and not gun_between:
            groups[-1].append(at)
        else:
            groups.append([at])
    found = []
    for group in groups:
        inside = [pair for pair in counted if pair[0] in group]
        remotes = [c.at for c in others if c.at in group]
        blob = Blob(place, inside, remotes)
        take_time(world.rules, blob, group[-1] - group[0] > here.stray_ns)
        # Repeats do not count, but the first record to arrive names the crossing.
        again = [p for p in mine if any(same(p[1], q[1]) for q in inside)]
        blob.reads = again
        found.append(blob)
    return found


def take_time(rules: Rules, blob: Blob, stray: bool) -> None:
    method = Method.FIRST if stray else rules.locations[blob.location].method
    best = 99
    if blob.reads:
        best = min(rules.readers[read.reader].priority for _, read in blob.reads)
        voices = [p for p in blob.reads if rules.readers[p[1].reader].priority == best]
        blob.at = moment(method, voices)
    times = list(blob.remotes)
    if blob.reads and (best <= 1 or not times):
        times.append(blob.at)
    blob.time = max(times) if method is Method.LAST else min(times)


def moment(method: Method, reads: list[tuple[int, TimedRead]]) -> int:
    times = [at for at, _ in reads]
    heard = [(at, read.rssi) for at, read in reads if read.rssi is not None]
    if method is Method.LAST:
        return max(times)
    if method is Method.FIRST or not heard:
        return min(times)
    top = apex(heard) if method is Method.PEAK else None
    if top is not None:
        return top
    loudest = max(rssi for _, rssi in heard)
    return min(at for at, rssi in heard if rssi == loudest)


def apex(heard: list[tuple[int, float]]) -> int | None:
    if len({at for at, _ in heard}) < 3:
        return None
    origin = min(at for at, _ in heard)
    xs = [Fraction(at - origin) for at, _ in heard]
    ys = [Fraction(rssi) for _, rssi in heard]
    rows = [
        [sum(x ** (i + j) for x in xs) for j in range(3)]
        + [sum(y * x**i for x, y in zip(xs, ys, strict=True))]
        for i in range(3)
    ]
    for i in range(3):
        pivot = next(r for r in range(i, 3) if rows[r][i] != 0)
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [value / rows[i][i] for value in rows[i]]
        for r in range(3):
            if r != i:
                rows[r] = [a - rows[r][i] * b for a, b in zip(rows[r], rows[i], strict=True)]
    b, a = rows[1][3], rows[2][3]
    if a >= 0:
        return None
    top = -b / (2 * a)
    if not 0 <= top <= max(xs):
        return None
    return origin + int((top + Fraction(1, 2)) // 1)


def meant(world: World, table: ChipTable, mark: Mark) -> Entrant | None:
    events = {e.id: e for e in world.rules.events}
    who = [e for e in table.by_bib(mark.bib or 0) if e.event_id in events]
    if mark.event_id is not None:
        who = [e for e in who if e.event_id == mark.event_id]
    if mark.location is not None:
        who = [
            e for e in who if mark.location in [p.location for p in events[e.event_id].course]
        ]
    return who[0] if len(who) == 1 else None


def gun(event: EventRules, entrant: Entrant, marks: list[Mark]) -> int | None:
    guns = [m for m in marks if m.kind is MarkKind.GUN]

    def fired(event_id: int | None, wave: str | None) -> int | None:
        times = [
            m.at if m.at is not None else m.made_at
            for m in guns
            if m.event_id == event_id and (m.wave == wave or event_id is None)
        ]
        return times[-1] if times else None

    candidates: list[int | None] = [entrant.start_ns]
    if entrant.wave is not None:
        candidates += [fired(event.id, entrant.wave), event.wave_guns.get(entrant.wave)]
    candidates += [fired(event.id, None), event.gun, fired(None, None)]
    return next((c for c in candidates if c is not None), None)


def run(
    world: World,
    table: ChipTable,
    marks: list[Mark],
    event: EventRules,
    entrant: Entrant,
    out: Answer,
    finishers: Mapping[int, list[tuple[int, int]]],
) -> None:
    who = entrant.registration_id
    t0 = gun(event, entrant, marks)
    all_chips = {r.chip for r in world.reads} | {c.chip for c in world.remote}
    passings: list[Blob] = []
    for place in world.rules.locations:
        chips = {chip for chip in all_chips if table.owner(chip, place) == who}
        passings += blobs(world, place, chips, chips, t0)
    mine = [m for m in marks if meant(world, table, m) is entrant]
    for mark in mine:
        if mark.kind is MarkKind.CROSSING and mark.location is not None:
            at = mark.made_at if mark.at is None else mark.at
            passings.append(Blob(mark.location, [], [], at, at, "", mark.id))
    passings.sort(key=lambda b: (b.time, b.location, b.mark))
    ended = None
    verdicts = [m for m in mine if m.kind in (MarkKind.DNS, MarkKind.DNF, MarkKind.DQ)]
    if verdicts and verdicts[-1].kind is not MarkKind.DNS:
        ended = verdicts[-1].made_at if verdicts[-1].at is None else verdicts[-1].at
    for mark in mine:
        at = mark.at
        if mark.kind is MarkKind.IGNORE and at is not None:
            there = [b for b in passings if mark.location in (None, b.location)]
            if there:
                nearest = min(abs(b.time - at) for b in there)
                next(b for b in there if abs(b.time - at) == nearest).state = "ignored"
    start, reached = judge(world.rules, event, passings, t0, ended)
    for blob in passings:
        put(out, blob, blob.state)
    if not verdicts and not any(b.state == "used" for b in passings):
        return
    word = verdicts[-1].kind.value if verdicts else None
    if t0 is None:
        out.results[event.id, who] = (word or "on_course", None, None, (), False, None)
        return
    own = t0 if start is None else start
    last = len(event.course) - 1
    splits = tuple(
        (point, time - t0, time - own) for point, time in reached if point != last
    )
    finish = [time for point, time in reached if point == last]
    mat = event.course[0].location in ("start", "mat")
    clock = chip = None
    if finish and word is None:
        clock, chip = finish[0] - t0, finish[0] - own
        raw = clock if event.place_by is TimeKind.CLOCK else chip
        finishers[event.id].append((raw, who))
    out.results[event.id, who] = (
        word or ("finished" if finish else "on_course"),
        clock,
        chip,
        () if word == "dns" else splits,
        mat and start is None,
        None,
    )


def judge(
    rules: Rules, event: EventRules, passings: list[Blob], t0: int | None, ended: int | None
) -> tuple[int | None, list[tuple[int, int]]]:
    names = [point.location for point in event.course]
    has_start = names[0] in ("start", "mat")
    least = [point.min_ns for point in event.course]
    if has_start:
        least = [
            rules.min_finish_ns if m is None and name == names[0] else m
            for m, name in zip(least, names, strict=True)
        ]
    for blob in passings:
        if blob.state:
            continue
        if ended is not None and blob.time > ended:
            blob.state = "after_dnf"
        elif t0 is not None and blob.time < t0:
            blob.state = "before_start"
    starts: list[Blob] = []
    if t0 is not None and has_start:
        again = [m or 0 for m, name in list(zip(least, names, strict=True))[1:] if name == names[0]]
        for blob in passings:
            elapsed = blob.time - t0
            in_window = elapsed <= event.start_window_ns and all(elapsed < m for m in again)
            if not blob.state and blob.location == names[0] and in_window:
                blob.state = "same_passing"
                starts.append(blob)
    start = None
    if starts:
        starts[-1].state = "used"
        start = starts[-1].time
    reached: list[tuple[int, int]] = []
    for blob in passings:
        if blob.state:
            continue
        rested = [b for b in passings[: passings.index(blob)] if b.location == blob.location]
        rested = [b for b in rested if b.state == "used"]
        at_start_without_gun = t0 is None and has_start and blob.location == names[0]
        gap = rules.locations[blob.location].min_gap_ns
        if rested and blob.time - rested[-1].time <= gap and not at_start_without_gun:
            blob.state = "too_soon"
        elif t0 is None:
            blob.state = "used"
        else:
            at_point(event, names, least, blob, (t0, start), reached, has_start)
    return start, reached


def at_point(
    event: EventRules,
    names: list[str],
    least: list[int | None],
    blob: Blob,
    origin: tuple[int, int | None],
    reached: list[tuple[int, int]],
    has_start: bool,
) -> None:
    t0, start = origin
    position = reached[-1][0] if reached else (0 if has_start else -1)
    ahead = [i for i, name in enumerate(names) if i > position and name == blob.location]
    if reached and position == len(names) - 1:
        blob.state = "after_finish"
    elif not ahead:
        blob.state = "too_late"
    elif blob.time - t0 < (least[ahead[0]] or 0) or (start is not None and blob.time < start):
        blob.state = "too_early"
    else:
        most = event.course[ahead[0]].max_ns
        blob.state = "used" if most is None or blob.time - t0 <= most else "too_late"
        if blob.state == "used":
            reached.append((ahead[0], blob.time))


__all__ = ["Answer", "RemoteCrossing", "answer"]
