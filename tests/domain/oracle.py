"""The timing rules once more, as simply as can be and as slowly as need be.

Shares nothing with the code under test but its input types and the chip table. Chip swaps are
left out. Times are compared, not words.
"""

from dataclasses import dataclass
from fractions import Fraction

from bridge.domain.entrants import ChipTable, Entrant, NoOwner
from bridge.domain.marks import Mark, MarkKind
from bridge.domain.results import TimedRead
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
    field = Field(world, table, marks, out, finishers)
    for entrant in entrants.values():
        event = next((e for e in rules.events if e.id == entrant.event_id), None)
        if event is not None:
            run(field, event, entrant)
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
        pair for pair in reads if pair == min((p for p in reads if same(p[1], pair[1])), key=claim)
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
        take_time(world.rules, blob, group[-1] - group[0])
        # Repeats do not count, but the first record to arrive names the crossing.
        again = [p for p in mine if any(same(p[1], q[1]) for q in inside)]
        blob.reads = again
        found.append(blob)
    return found


def take_time(rules: Rules, blob: Blob, length: int) -> None:
    here = rules.locations[blob.location]
    method = Method.FIRST if length > here.stray_ns else here.method
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
        who = [e for e in who if mark.location in [p.location for p in events[e.event_id].course]]
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


@dataclass(slots=True)
class Field:
    """What every runner of a race shares."""

    world: World
    table: ChipTable
    marks: list[Mark]
    out: Answer
    finishers: dict[int, list[tuple[int, int]]]


def run(field: Field, event: EventRules, entrant: Entrant) -> None:
    t0 = gun(event, entrant, field.marks)
    mine = [m for m in field.marks if meant(field.world, field.table, m) is entrant]
    passings = passings_of(field, entrant, mine, t0)
    statuses = [m for m in mine if m.kind in (MarkKind.DNS, MarkKind.DNF, MarkKind.DQ)]
    ended = None
    if statuses and statuses[-1].kind is not MarkKind.DNS:
        ended = statuses[-1].made_at if statuses[-1].at is None else statuses[-1].at
    for mark in mine:
        if mark.kind is MarkKind.IGNORE and mark.at is not None:
            ignore(passings, mark.location, mark.at)
    before_the_course(passings, t0, ended)
    walk = Walk(field.world.rules, event, passings, t0)
    walk.go()
    for blob in passings:
        put(field.out, blob, blob.state)
    word = statuses[-1].kind.value if statuses else None
    if word is not None or any(b.state == "used" for b in passings):
        field.out.results[event.id, entrant.registration_id] = row(field, walk, entrant, word)


def passings_of(field: Field, entrant: Entrant, mine: list[Mark], t0: int | None) -> list[Blob]:
    world = field.world
    all_chips = {r.chip for r in world.reads} | {c.chip for c in world.remote}
    passings: list[Blob] = []
    for place in world.rules.locations:
        who = entrant.registration_id
        chips = {chip for chip in all_chips if field.table.owner(chip, place) == who}
        passings += blobs(world, place, chips, chips, t0)
    for mark in mine:
        if mark.kind is MarkKind.CROSSING and mark.location is not None:
            at = mark.made_at if mark.at is None else mark.at
            passings.append(Blob(mark.location, [], [], at, at, "", mark.id))
    return sorted(passings, key=lambda b: (b.time, b.location, b.mark))


def ignore(passings: list[Blob], location: str | None, at: int) -> None:
    there = [b for b in passings if location in (None, b.location)]
    if there:
        nearest = min(abs(b.time - at) for b in there)
        next(b for b in there if abs(b.time - at) == nearest).state = "ignored"


def before_the_course(passings: list[Blob], t0: int | None, ended: int | None) -> None:
    for blob in passings:
        if blob.state:
            continue
        if ended is not None and blob.time > ended:
            blob.state = "after_dnf"
        elif t0 is not None and blob.time < t0:
            blob.state = "before_start"


def row(field: Field, walk: "Walk", entrant: Entrant, word: str | None) -> tuple[object, ...]:
    t0, event = walk.t0, walk.event
    if t0 is None:
        return (word or "on_course", None, None, (), False, None)
    own = t0 if walk.start is None else walk.start
    last = len(event.course) - 1
    splits = tuple((p, time - t0, time - own) for p, time in walk.reached if p != last)
    finish = [time for point, time in walk.reached if point == last]
    clock = chip = None
    if finish and word is None:
        clock, chip = finish[0] - t0, finish[0] - own
        raw = clock if event.place_by is TimeKind.CLOCK else chip
        field.finishers[event.id].append((raw, entrant.registration_id))
    status = word or ("finished" if finish else "on_course")
    no_start = walk.has_start and walk.start is None
    return (status, clock, chip, () if word == "dns" else splits, no_start, None)


class Walk:
    def __init__(
        self, rules: Rules, event: EventRules, passings: list[Blob], t0: int | None
    ) -> None:
        self.rules, self.event, self.passings, self.t0 = rules, event, passings, t0
        self.names = [point.location for point in event.course]
        self.has_start = self.names[0] in ("start", "mat")
        self.start: int | None = None
        self.reached: list[tuple[int, int]] = []

    def least(self, point: int) -> int:
        least = self.event.course[point].min_ns
        shared = self.has_start and self.names[point] == self.names[0]
        return (self.rules.min_finish_ns if shared else 0) if least is None else least

    def go(self) -> None:
        if self.t0 is not None and self.has_start:
            self.find_start(self.t0)
        for blob in self.passings:
            if blob.state:
                continue
            if self.rests(blob):
                blob.state = "too_soon"
            elif self.t0 is None:
                blob.state = "used"
            else:
                self.at_point(blob, self.t0)

    def find_start(self, t0: int) -> None:
        again = [self.least(i) for i, n in enumerate(self.names) if i and n == self.names[0]]
        starts: list[Blob] = []
        for blob in self.passings:
            elapsed = blob.time - t0
            in_window = elapsed <= self.event.start_window_ns and all(elapsed < m for m in again)
            if not blob.state and blob.location == self.names[0] and in_window:
                blob.state = "same_passing"
                starts.append(blob)
        if starts:
            starts[-1].state = "used"
            self.start = starts[-1].time

    def rests(self, blob: Blob) -> bool:
        if self.t0 is None and self.has_start and blob.location == self.names[0]:
            return False
        before = self.passings[: self.passings.index(blob)]
        used = [b for b in before if b.location == blob.location and b.state == "used"]
        gap = self.rules.locations[blob.location].min_gap_ns
        return bool(used) and blob.time - used[-1].time <= gap

    def at_point(self, blob: Blob, t0: int) -> None:
        position = self.reached[-1][0] if self.reached else (0 if self.has_start else -1)
        ahead = [i for i, n in enumerate(self.names) if i > position and n == blob.location]
        if self.reached and position == len(self.names) - 1:
            blob.state = "after_finish"
        elif not ahead:
            blob.state = "too_late"
        elif blob.time < max(t0 + self.least(ahead[0]), self.start or 0):
            blob.state = "too_early"
        else:
            most = self.event.course[ahead[0]].max_ns
            blob.state = "used" if most is None or blob.time - t0 <= most else "too_late"
            if blob.state == "used":
                self.reached.append((ahead[0], blob.time))
