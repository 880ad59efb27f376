"""Figures of parts of the path, measured in fresh processes without sockets and broker."""

import subprocess
import sys
from collections.abc import Sequence

import orjson

from drivers import BUILTIN
from tests.bench.field import READS_PER_CROSSING
from tests.bench.figures import Figure, median
from tests.bench.service import ROOT, environment
from tests.bench.stage import Plan

_MARKS = (10_000, 100_000, 1_000_000)
_OF_BARE = 100_000 / 397_000
"""What is asked of the bridge on a machine that brings a bare prototype to 397,000 reads a second:
both move with the machine and its neighbours, so this says more than a number of reads."""
_DECODED_AT_LEAST = {"llrp": 100_000}
"""Driver -> target, where there is one."""
Mark = tuple[int, float, float]
"""Reads done, CPU s and wall s until then."""


def bulk(plan: Plan) -> list[Figure]:
    """(a) Decoder, journal and race, as fast as they go."""
    reads = plan.size(150_000, 400_000)
    per_cpu, per_wall, bare = [], [], []
    for turn in range(3):
        plan.say(f"a: bulk, turn {turn + 1} of 3")
        done, cpu_s, wall_s = _bulk(reads)[-1]
        per_cpu.append(done / cpu_s)
        per_wall.append(done / wall_s)
        found = _inside("bare", str(reads))
        assert found["crossings"] >= reads // READS_PER_CROSSING  # type: ignore[operator]
        bare.append(reads / found["cpu_s"])  # type: ignore[operator]
    return [
        Figure(
            "a", "bulk: parse, journal, crossing", median(per_cpu), "reads/CPU s", least=100_000
        ),
        Figure("a", "bulk: the same by the clock", median(per_wall), "reads/s"),
        Figure("a", "bulk: a bare prototype, without any rule", median(bare), "reads/CPU s"),
        Figure("a", "bulk: bridge / bare", median(per_cpu) / median(bare), "", least=_OF_BARE),
    ]


def decoding(plan: Plan) -> list[Figure]:
    """(e) The decoder of every driver alone."""
    figures = []
    reads = plan.size(20_000, 200_000)
    for name in BUILTIN:
        plan.say(f"e: {name}")
        spent: list[float] = _inside("decode", name, str(reads))["cpu_s"]  # type: ignore[assignment]
        rate, least = reads / median(spent), _DECODED_AT_LEAST.get(name)
        figures.append(Figure("e", f"decode {name}", rate, "reads/CPU s", least=least))
    return figures


def growth(plan: Plan) -> list[Figure]:
    """(f) What a read costs as a race grows: over the second half up to each mark."""
    plan.say(f"f: {_MARKS[-1]:,} reads in one race")
    marks = _bulk(_MARKS[-1], "growth")
    costs = [_cost_us(marks, mark // 2, mark) for mark in _MARKS]
    figures = [
        Figure("f", f"CPU per read at {mark:,}", cost, "us")
        for mark, cost in zip(_MARKS, costs, strict=True)
    ]
    ratio = costs[-1] / costs[0]
    return [*figures, Figure("f", f"{_MARKS[-1]:,} / {_MARKS[0]:,}", ratio, "", most=1.5)]


def _bulk(reads: int, what: str = "bulk") -> Sequence[Mark]:
    marks: Sequence[Mark] = _inside(what, str(reads))["marks"]  # type: ignore[assignment]
    return marks


def _cost_us(marks: Sequence[Mark], first: int, last: int) -> float:
    begin = next(mark for mark in marks if mark[0] >= first)
    end = next(mark for mark in marks if mark[0] >= last)
    return (end[1] - begin[1]) / (end[0] - begin[0]) * 1e6


def _inside(*arguments: str) -> dict[str, object]:
    found = subprocess.run(
        [sys.executable, "-m", "tests.bench.inside", *arguments],
        check=True,
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
    )
    said: dict[str, object] = orjson.loads(found.stdout)
    return said
